"""Who reads a dossier while it is reviewed: by scoring's word at that moment, through the real panel from its forming to its end."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from embedded.caller import Caller
from tests.intake.applicants import SCREENING, Applicant, Intake, absent
from tests.rig import Award
from tests.scoring.year import REVIEWER
from tests.workflow.committee import Committee, ok, refused

PATIENCE = 20.0
SECONDS = time.monotonic


class Review:
    """A cycle in its material review: two eligible organisations before one panel of four."""

    def __init__(self, award: Award) -> None:
        self.intake = Intake(award)
        self.first, self.second = (self.intake.filed(number) for number in (201, 202))
        award.at(SCREENING)
        for applicant in (self.first, self.second):
            ok(self.intake.settle(applicant))
            ok(self.intake.determine(applicant))
        ok(self.intake.close())
        self.people = {f"rv-{number}": award.client("reviewer", f"rv-{number}") for number in range(1, 6)}
        for person in self.people:
            ok(self.intake.office.post("/reviewers", json=REVIEWER | {"person": person, "name": person, "leader_qualified": True}))
        members = ["rv-1", "rv-2", "rv-3", "rv-4"]
        panel = {"cycle": self.intake.cycle, "name": "第一评审组", "leader": "rv-1", "members": members}
        self.panel = ok(self.intake.office.post("/panels", json=panel | {"applications": [self.first.id, self.second.id]}))["id"]

    def swear(self, *people: str) -> None:
        for person in people:
            ok(self.people[person].post("/me/undertakings", json={"cycle": self.intake.cycle}))


@pytest.fixture(scope="module")
def review(award: Award) -> Review:
    return Review(award)


def dossier(reader: Caller, applicant: Applicant) -> list[httpx.Response]:
    attachments = f"{applicant.path}/attachments"
    paths = ("", "/sections/overview", "/completeness", "/versions", "/versions/1", "/timeline")
    return [reader.get(f"{applicant.path}{path}") for path in paths] + [reader.get(attachments)]


def finally_so(holds: Callable[[], bool]) -> None:
    """Ask until news of news has come through two services."""
    until = SECONDS() + PATIENCE
    while not holds():
        assert SECONDS() < until, "it never came to be so"


def requested(review: Review, applicant: Applicant, person: str, granted: bool) -> dict[str, Any]:  # noqa: FBT001 - as the ruling has it
    path = f"{applicant.path}/recusal-requests"
    asked = ok(applicant.client.post(path, json={"person": person, "reason": "曾任我司竞争对手的顾问。"}))
    return ok(review.intake.office.post(f"{path}/{asked['id']}/decision", json={"granted": granted, "reason": "经核实。"}))


def test_an_assigned_reviewer_reads_from_the_undertaking_on_and_each_reading_is_recorded(review: Review) -> None:
    reader = review.people["rv-1"]
    for answer in dossier(reader, review.first):
        absent(answer)
    review.swear("rv-1")
    overview = ok(reader.get(f"{review.first.path}/sections/overview"))
    assert overview["content"]["employees"] == 420
    assert {answer.status_code for answer in dossier(reader, review.first)} == {200}
    read = [facts["thing"] for facts in review.intake.facts_of("dossier.read", f"application:{review.first.id}")]
    assert {"sections/overview", "completeness", "versions/1", "attachments"} <= set(read)
    assert read.count("sections/overview") == 2


def test_who_sits_on_no_panel_of_it_reads_nothing(review: Review) -> None:
    review.swear("rv-5")
    for answer in dossier(review.people["rv-5"], review.first):
        absent(answer)


def test_a_granted_recusal_request_reaches_scoring_and_ends_the_reading(review: Review) -> None:
    review.swear("rv-2", "rv-3")
    assert requested(review, review.second, "rv-3", granted=False)["granted"] is False
    assert review.people["rv-2"].get(review.second.path).status_code == 200
    refused(
        review.second.client.post(f"{review.second.path}/recusal-requests", json={"person": "rv-2", "reason": ""}),
        "recusal_request_reason",
        "2.4.5",
    )
    assert requested(review, review.second, "rv-2", granted=True)["granted"] is True
    finally_so(lambda: review.people["rv-2"].get(review.second.path).status_code == 404)
    for answer in dossier(review.people["rv-2"], review.second):
        absent(answer)
    assert {answer.status_code for answer in dossier(review.people["rv-2"], review.first)} == {200}
    assert {answer.status_code for answer in dossier(review.people["rv-3"], review.second)} == {200}


def test_nobody_reads_once_the_panel_has_dissolved(review: Review) -> None:
    committee = Committee(review.intake.award)
    motion = committee.decide(review.intake.cycle, "cancellation", text="启动有误。")
    ok(committee.office.post(f"/cycles/{review.intake.cycle}/cancellation", json={"motion": motion["id"]}))
    finally_so(lambda: review.people["rv-1"].get(review.first.path).status_code == 404)
    for person in ("rv-1", "rv-3", "rv-4"):
        for answer in dossier(review.people[person], review.first):
            absent(answer)
