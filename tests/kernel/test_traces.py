"""One request gives one trace: door, service, database; door, relay, peer. And nothing of a person stands in it."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from embedded import postgres
from embedded.product import Secrets
from kernel import traces
from tests import rig
from tests.faults.programs import eventually

NAME = "王建国"


class Collector(InMemorySpanExporter):
    """Takes the spans of all four programs."""


@pytest.fixture
def collected(
    server: postgres.Server, kept: Secrets, template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[rig.Award, Collector]]:
    collector = Collector()
    monkeypatch.setenv("QUALITY_AWARD_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("opentelemetry.exporter.otlp.proto.http.trace_exporter.OTLPSpanExporter", lambda _endpoint: collector)
    with rig.running(server, template, kept, tmp_path) as award:
        yield award, collector


def spans_of(award: rig.Award, collector: Collector, request_id: str) -> Sequence[ReadableSpan]:
    for program in (award.product.door.app, *award.product.programs.values()):
        program.state.service.traces.flush()
    number = traces.trace_number(request_id)
    return [span for span in collector.get_finished_spans() if span.context is not None and span.context.trace_id == number]


def program_of(span: ReadableSpan) -> object:
    return span.resource.attributes["service.name"]


def test_one_request_is_one_trace_through_door_service_database_relay_and_peer(collected: tuple[rig.Award, Collector]) -> None:
    award, collector = collected
    office = award.client("committee", duties=["office"])
    invited = office.post(
        "/accounts", json={"kind": "person", "login": f"r{uuid4().hex[:8]}", "name": NAME, "grants": [{"role": "reviewer"}]}
    )
    disabled = office.patch(f"/accounts/{invited.json()['id']}", json={"status": "disabled"}, headers={"If-Match": invited.headers["etag"]})
    assert disabled.is_success, disabled.text
    request_id = disabled.headers["x-request-id"]

    def arrived() -> bool:
        spans = spans_of(award, collector, request_id)
        names = {(program_of(span), span.name) for span in spans}
        return ("gateway", "POST intake") in names and all(
            (peer, "POST /internal/events") in names for peer in ("intake", "scoring", "workflow")
        )

    eventually(arrived)
    spans = spans_of(award, collector, request_id)
    names = {(program_of(span), span.name) for span in spans}
    assert {("gateway", "door PATCH"), ("gateway", "UPDATE")} <= names
    assert {("gateway", "POST intake"), ("intake", "POST /internal/events"), ("intake", "INSERT")} <= names
    assert [name for program, name in names if program == "gateway" and name.startswith("PATCH ") and "accounts/{" in name]
    by_id = {span.context.span_id: span for span in spans if span.context is not None}
    [heard] = [span for span in spans if program_of(span) == "intake" and span.name == "POST /internal/events"]
    assert heard.parent is not None
    assert by_id[heard.parent.span_id].name == "POST intake"
    told = json.dumps(
        [[span.name, dict(span.attributes or {})] for span in collector.get_finished_spans()], ensure_ascii=False, default=str
    )
    assert NAME not in told
    assert invited.json()["login"] not in told


def test_the_trace_of_a_request_has_the_number_of_its_id() -> None:
    assert traces.trace_number("3500c77df9e9c4005895480876412e3a") == 0x3500C77DF9E9C4005895480876412E3A
    assert traces.trace_number("0198c77d-f9e9-7400-8895-480876412e3a") == 0x0198C77DF9E974008895480876412E3A
    assert traces.trace_number("a name") == traces.trace_number("a name") != traces.trace_number("another")


def test_a_program_without_an_endpoint_makes_no_spans() -> None:
    silent = traces.Traces("intake", "", 1)
    with silent.server("GET", "id", None) as span, silent.client("GET intake", {}) as carried:
        assert (span, carried) == (None, {})
