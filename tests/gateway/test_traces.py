"""What an operator sees of attempts, and what nobody keeps of answers."""

import logging
from collections.abc import Iterator

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


@pytest.mark.parametrize("path", ["/me", "/cycles", "/forms/jindong-2022", "/rubrics", "/organisations/nobody"])
def test_no_answer_stays_in_a_browser_or_is_taken_for_another_type(award: Award, path: str) -> None:
    answer = award.client("applicant", "somebody").get(path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
