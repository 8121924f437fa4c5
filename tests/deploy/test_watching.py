"""What the alarms and the dashboard ask for is what the programs tell; and a program says so where it is not ready."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import httpx
import promql_parser
import pytest
import yaml  # type: ignore[import-untyped]  # its types are not locked
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine, text
from starlette.types import ASGIApp

from embedded import postgres
from kernel import clock, health
from kernel.health import LARGEST_SKEW_SECONDS, newest_revision, obstacle
from tests.faults.programs import eventually
from tests.rig import Award

DEPLOY = Path(__file__).parents[2] / "deploy"
GIVEN = frozenset(["program", "instance", "job", "le"])
"""Labels that the scrape and the histograms bring, beside those that the programs tell."""


class Asked:
    """What one PromQL expression asks for: its metrics, and every label that it selects, groups or joins by."""

    def __init__(self, expression: str) -> None:
        self.metrics: set[str] = set()
        self.labels: set[str] = set()
        promql_parser.walk(promql_parser.parse(expression), self._visit)

    def _visit(self, node: promql_parser.Expr) -> None:
        match node:
            case promql_parser.VectorSelector():
                self.metrics.add(node.name or "")
                self.labels |= {one.name for one in node.matchers.matchers}
            case promql_parser.MatrixSelector():
                self._visit(node.vector_selector)
            case promql_parser.AggregateExpr() if node.modifier is not None:
                self.labels |= set(node.modifier.labels)
            case promql_parser.BinaryExpr() if node.modifier is not None and node.modifier.matching is not None:
                self.labels |= set(node.modifier.matching.labels)


def asked(expression: str) -> set[str]:
    return Asked(expression).metrics - {"up"}


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "prometheus" / "alarms.yml").read_text())["groups"][0]["rules"]
    return found


def expressions() -> list[str]:
    panels = json.loads((DEPLOY / "grafana" / "quality-award.json").read_text())["panels"]
    return [rule["expr"] for rule in rules()] + [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.fixture(scope="module")
def told(award: Award) -> dict[str, set[str]]:
    """Every metric that the programs tell, with its labels."""
    award.at("2026-01-05T09:00:00+08:00")
    award.client("committee", duties=["office"]).post("/cycles", json={"year": 2026})
    httpx.get(f"{award.address}/api/v1/me", headers={"authorization": "Bearer x.y.z"}, trust_env=False)
    found: dict[str, set[str]] = {}
    for app in (award.product.door.app, *award.product.programs.values()):
        for family in text_string_to_metric_families(ask(app, "/metrics").text):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def ask(app: ASGIApp, path: str) -> httpx.Response:
    async def fetch() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://program") as client:
            return await client.get(path)

    return anyio.run(fetch)


def test_every_metric_and_label_that_an_alarm_or_a_panel_asks_for_is_told(told: dict[str, set[str]]) -> None:
    wanted = {name for one in expressions() for name in asked(one)}
    assert len(wanted) > 10
    assert sorted(wanted - set(told)) == []
    for one in expressions():
        found = Asked(one)
        known = GIVEN.union(*(told.get(name, set()) for name in found.metrics))
        assert found.labels <= known, one


@pytest.mark.parametrize("wrong", ["sum by (program rate(requests_total[5m])", "rate(requests_total)", "sum(requests_total[5m])", "x > "])
def test_an_expression_that_prometheus_would_refuse_is_refused_here(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        promql_parser.parse(wrong)


def test_every_alarm_says_what_is_wrong_how_urgent_it_is_and_stands_in_the_operators_guide() -> None:
    guide = (DEPLOY.parent / "docs" / "operations.md").read_text()
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket"}, rule
        assert rule["annotations"]["summary"], rule
        assert re.fullmatch(r"\d+m", rule["for"]), rule
        labels = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert labels <= kept_labels(rule["expr"]), rule
        assert f"| `{rule['alert']}` |" in guide, rule["alert"]


def kept_labels(expression: str) -> set[str]:
    """The labels that an alarm's result has: those of its outermost grouping, or all of the metric's own."""
    node = promql_parser.parse(expression)
    while isinstance(node, promql_parser.BinaryExpr):
        node = node.lhs
    if isinstance(node, promql_parser.Call):
        node = node.args[-1]
    if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
        return set(node.modifier.labels)
    return {"program", "instance", "job"}


def lag(app: ASGIApp, peer: str) -> float:
    (family,) = (one for one in text_string_to_metric_families(ask(app, "/metrics").text) if one.name == "relay_lag_seconds")
    return float(next(sample.value for sample in family.samples if sample.labels["peer"] == peer))


def test_a_letter_that_a_peer_does_not_take_makes_the_lag_that_the_relays_alarm_asks_for(
    award: Award, monkeypatch: pytest.MonkeyPatch
) -> None:
    (rule,) = (one for one in rules() if one["alert"] == "RelayLag")
    node = promql_parser.parse(rule["expr"])
    assert isinstance(node, promql_parser.BinaryExpr)
    assert (asked(rule["expr"]), kept_labels(rule["expr"])) == ({"relay_lag_seconds"}, {"program", "peer"})
    threshold, door, office = float(str(node.rhs)), award.product.door.app, award.client("committee", duties=["office"])
    form = {"kind": "person", "login": f"r{uuid4().hex[:8]}", "name": "评审员", "grants": [{"role": "reviewer"}]}
    invited, owner, wall = office.post("/accounts", json=form), award.database("gateway"), clock.wall
    with owner.begin() as connection:  # holds the place of whoever brings letters to scoring
        connection.execute(text("select pg_advisory_xact_lock(hashtext('gateway'), hashtext('scoring'))"))
        told = office.patch(f"/accounts/{invited.json()['id']}", json={"status": "disabled"}, headers={"If-Match": invited.headers["etag"]})
        assert told.is_success, told.text
        eventually(lambda: 0 < lag(door, "scoring") < threshold)
        monkeypatch.setattr(health, "wall", lambda: wall() + timedelta(seconds=threshold))
        assert lag(door, "scoring") > threshold
        eventually(lambda: lag(door, "intake") == 0)
    monkeypatch.undo()
    eventually(lambda: lag(door, "scoring") == 0)
    owner.dispose()


def test_every_lag_has_an_alarm() -> None:
    alarmed = {name for rule in rules() for name in asked(rule["expr"])}
    assert {"relay_lag_seconds", "record_lag_seconds", "tokens_refused_total", "log_archiving_fails"} <= alarmed


def test_a_program_is_ready_at_its_newest_revision_and_above_and_names_what_is_missing_below(award: Award) -> None:
    service = award.product.programs["intake"].state.service
    shipped = newest_revision("intake")
    assert obstacle(service) is None
    service.revision = shipped - 1
    assert obstacle(service) is None
    service.revision = shipped + 1
    assert obstacle(service) == f"the schema intake is at revision intake_{shipped:04}, and must be migrated to {shipped + 1:04}"
    service.revision = shipped


def test_a_clock_apart_from_the_databases_is_named(award: Award, monkeypatch: pytest.MonkeyPatch) -> None:
    service, wall = award.product.programs["intake"].state.service, clock.wall
    for seconds, expected in ((LARGEST_SKEW_SECONDS - 1, None), (LARGEST_SKEW_SECONDS + 3, "this machine's clock and the database's")):
        monkeypatch.setattr(health, "wall", lambda apart=timedelta(seconds=seconds): wall() + apart)
        found = obstacle(service)
        assert (found is None) if expected is None else str(found).startswith(expected)


def test_a_program_without_its_database_is_alive_and_not_ready_until_that_is_back(award: Award, server: postgres.Server) -> None:
    intake = award.product.programs["intake"]
    ends = "select pg_terminate_backend(pid) from pg_stat_activity where datname = :name"
    owner = create_engine(server.admin_url, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text(f"alter database {award.name} allow_connections false"))
        connection.execute(text(ends), {"name": award.name})
        lost = ask(intake, "/readyz")
        assert (lost.status_code, lost.json()["code"], "retry-after" in lost.headers) == (503, "not_ready", True)
        assert "the database does not answer" in lost.json()["detail"]
        assert ask(intake, "/livez").is_success
        assert "\ndatabase_up 0.0" in ask(intake, "/metrics").text
        connection.execute(text(f"alter database {award.name} allow_connections true"))
    owner.dispose()
    eventually(lambda: ask(intake, "/readyz").is_success)


def test_readiness_answers_at_the_door_and_liveness_asks_nobody(award: Award) -> None:
    for path, status in (("/readyz", "ready"), ("/livez", "alive")):
        assert httpx.get(f"{award.address}{path}", trust_env=False).json() == {"status": status}
