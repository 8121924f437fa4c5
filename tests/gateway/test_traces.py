"""What an operator sees of attempts, and what nobody keeps of answers."""

import json
import logging
from collections.abc import Iterator, Mapping
from uuid import uuid4

import pytest

from kernel.logs import JsonLines
from kernel.logs import log as LOG  # noqa: N812 - the fixture has the short name
from tests.rig import Award

PASSWORD = "Never-told-anybody-7"  # noqa: S105 - of nobody


class Lines(logging.Handler):
    """Keeps the log as the program writes it, in the moment when it does."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(self.format(record))

    def of(self, message: str) -> list[str]:
        return [line for line in self.kept if f'"message": "{message}"' in line]


@pytest.fixture
def log() -> Iterator[Lines]:
    lines, level = Lines(), LOG.level
    LOG.addHandler(lines)
    LOG.setLevel(logging.INFO)
    yield lines
    LOG.removeHandler(lines)
    LOG.setLevel(level)


def test_a_refused_sign_in_is_logged_without_what_was_typed(award: Award, log: Lines) -> None:
    with award.client() as anyone:
        anyone.post("/auth/token", data={"grant_type": "password", "username": "nobody.here", "password": PASSWORD})
    lines = log.of("credentials refused")
    assert len(lines) == 1
    assert "request_id" in lines[0]
    assert "nobody.here" not in lines[0]
    assert PASSWORD not in lines[0]


def test_whoever_is_forbidden_something_is_logged_by_person_and_path(award: Award, log: Lines) -> None:
    assert award.client("applicant", "somebody").get("/reviewers").status_code == 403
    (line,) = log.of("forbidden")
    assert '"person": "somebody"' in line
    assert '"path": "/api/v1/reviewers"' in line


REFUSED: Mapping[str, tuple[str, str, dict[str, str], int]] = {
    "of-nothing": ("GET", "/nothing/13800000000?contact=13800000000", {}, 404),
    "of-peers": ("PUT", "/../../internal/clock", {}, 404),
    "of-a-forger": ("GET", "/cycles/13800000000", {"Authorization": "Bearer 13800000000.a.b"}, 401),
    "of-a-signer": ("GET", "/results", {"Authorization": "HMAC-SHA256 client=13800000000"}, 401),
    "of-the-large": ("POST", "/auth/token", {}, 413),
    "of-a-page": ("OPTIONS", "/cycles/13800000000", {"Origin": "https://other.example", "Access-Control-Request-Method": "GET"}, 400),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_door_refuses_by_itself_is_logged_and_counted_as_a_service_s_answers_are_and_without_the_path(
    award: Award, log: Lines, name: str
) -> None:
    method, path, headers, status = REFUSED[name]
    counted = {"method": method, "route": "door", "status": str(status)}
    registry = award.product.door.gateway.registry
    before = registry.get_sample_value("requests_total", counted) or 0
    with award.client() as anyone:
        content = b"x" * (1024 * 1024 + 1) if status == 413 else None
        answer = anyone.request(method, path, content=content, headers=headers | {"X-Request-Id": name})
    assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store")
    (line,) = (json.loads(one) for one in log.of("request"))
    assert line["request_id"] == name
    assert {key: line[key] for key in counted} == counted | {"status": status}
    assert all(f'"request_id": "{name}"' in one and "13800000000" not in one for one in log.kept)
    assert registry.get_sample_value("requests_total", counted) == before + 1


def test_a_refused_rule_and_a_malformed_body_are_logged_by_their_codes(award: Award, log: Lines) -> None:
    award.at("2026-01-01T09:00:00+08:00")
    with award.client("committee", duties=["office"]) as office:
        office.post("/cycles", json={"year": "13800000000"})
        office.post("/organisations/imports")
        office.get(f"/cycles/{uuid4()}")
    lines = [json.loads(one) for one in log.of("request")]
    assert [(line["status"], line["code"]) for line in lines if line["status"] >= 400] == [
        (422, "invalid"),
        (400, "malformed"),
        (404, "absent"),
    ]
    assert not any("13800000000" in one for one in log.kept)


@pytest.mark.parametrize("path", ["/me", "/cycles", "/forms/jindong-2022", "/rubrics", "/organisations/nobody"])
def test_no_answer_stays_in_a_browser_or_is_taken_for_another_type(award: Award, path: str) -> None:
    answer = award.client("applicant", "somebody").get(path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
