"""The verifier over years of many kinds, each gone through all the services: their bundles hold, and are told apart."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.journey.course import SITE, Course, contenders
from tests.rig import Award
from tests.verify.forgery import leaves_file
from tests.workflow.committee import RULES, ok
from tests.workflow.test_revocation import Office
from verifier.verification import verify

SECRET: dict[str, Any] = {"voting": RULES["voting"] | {"ballot": "secret", "votes_changeable": True}}
KEPT = ("intake", "scoring", "workflow")


def interest(code: str) -> dict[str, object]:
    return {"interests": [{"credit_code": code, "kind": "kinship", "reason": "亲属任职"}]}


@pytest.mark.full
def test_an_upheld_objection_a_substitute_and_a_revocation(award: Award) -> None:
    course = Course(award, 2030, contenders("650.00", "640.00", "640.00", "640.00"))
    notice = course.noticed(3)
    objection = ok(course.anyone.post(f"/notices/{notice}/objections", json={"text": "材料不实", "application": course.names[0]}))["id"]
    ok(course.rule(objection, removes_name=True))
    motion = course.ballot({course.names[3]: 5}, kind="substitute")
    ok(course.notice({course.names[3]: motion}, at="2026-09-10T09:00:00+08:00"))
    course.published("2026-09-18")
    course.verified()
    own, public = course.bundle(course.committee.supervisor), course.bundle(course.anyone)
    kept = [course.anyone.get(f"/record/{name}/checkpoint").text for name in KEPT]
    leaves = [leaves_file(name, course.anyone.get(f"/record/{name}/leaves").text.split()) for name in KEPT]

    won = ok(course.office.get("/awards", params={"year": course.year}))["items"]
    held = next(one["id"] for one in won if one["application"] == course.names[1])
    ok(course.office.post(f"/awards/{held}/payments", json={"amount": 100_000, "paid_on": "2026-09-18", "voucher": "p1"}))
    award.at("2026-11-20T09:00:00+08:00")
    Office(award).revoke(held, "fraud")
    for report in course.verified():
        assert report.checked["stage results"] > 0
    for reader in (course.committee.supervisor, course.anyone):
        assert verify(course.bundle(reader), kept, leaves, 2030).findings == []

    other = Course(award, 2031, contenders("640.00"))
    other.noticed()
    other.published()
    assert [one.code for one in verify(other.bundle(other.anyone), kept, leaves, 2030).findings] == ["year"]
    for raw in (own, public):
        assert "rolled back" in str(verify(raw, [other.anyone.get("/record/workflow/checkpoint").text]).findings)


@pytest.mark.full
def test_secret_ballots_a_mean_a_tie_among_the_winners_and_a_late_recusal(award: Award) -> None:
    course = Course(
        award, 2032, contenders("650.00", "640.00", "600.00", "600.00"), members=4, rules=RULES | SECRET | {"aggregation": "mean"}
    )
    course.review()
    ok(course.panels.client("r3").put("/me/interests", json=interest(course.codes[course.names[0]])))
    course.recused.add(("r3", course.names[0]))
    course.settle_again(course.names[0])
    ok(course.post("shortlist"))
    course.visit()
    ok(course.post("evaluation"))
    ok(course.post("evaluation/confirmation"))
    motion = course.ballot(dict.fromkeys(course.names, 5))
    tie = {"among": "winners", "motion": motion, "award": "quality", "applications": [course.names[3]]}
    course.committee.decide(course.cycle, "major_matter", tie=tie)
    ok(course.notice(dict.fromkeys([*course.names[:2], course.names[3]], motion)))
    course.published()
    own, public = course.verified()
    assert (own.checked["voters"], public.checked["voters"]) == (own.checked["tallies"], public.checked["tallies"])


@pytest.mark.full
def test_a_trimmed_mean_and_steps_taken_back(award: Award) -> None:
    course = Course(award, 2033, contenders("650.00", "640.00"), members=5, rules=RULES | {"aggregation": "trimmed_mean"}).evaluated()
    for _ in range(2):
        motion = course.committee.decide(course.cycle, "reopening", text="核对")
        ok(course.post("reopening", motion=motion["id"]))
    course.verified(course.committee.supervisor)
    award.at(SITE)
    ok(course.post("evaluation"))
    ok(course.post("evaluation/confirmation"))
    won = course.ballot(dict.fromkeys(course.names, 5))
    ok(course.notice(dict.fromkeys(course.names, won)))
    course.published()
    course.verified()


@pytest.mark.full
def test_a_year_under_the_second_edition(award: Award) -> None:
    rules = RULES | SECRET | {"notice_day": "working"}
    course = Course(award, 2042, contenders("650.00", "640.00", "640.00"), members=5, rules=rules, edition="biennial-example").evaluated()
    motion = course.ballot({course.names[0]: 5, course.names[1]: 4})
    ok(course.notice(dict.fromkeys(course.names[:2], motion), at="2026-09-29T09:00:00+08:00"))
    course.published("2026-10-13")
    course.verified()


@pytest.mark.full
def test_who_is_recused_gets_a_partial_bundle_that_holds(award: Award) -> None:
    course = Course(award, 2036, contenders("650.00", "640.00"))
    group = {"members": [{"person": f"supervisor-{number}", "name": "赵"} for number in (1, 2)]}
    ok(course.committee.edit(course.committee.chair, f"/cycles/{course.cycle}/supervision-group", group))
    recused = award.client("supervisor", "supervisor-2")
    ok(recused.post("/me/undertakings", json={"cycle": course.cycle}))
    ok(recused.put("/me/interests", json=interest(course.codes[course.names[0]])))
    course.noticed(2)
    course.published()
    whole, partial, public = course.verified(course.committee.supervisor, recused, course.anyone)
    assert (whole.partial, partial.partial, public.partial) == (False, True, False)
    raw = course.bundle(recused)
    assert course.names[0].encode() not in raw
    assert course.codes[course.names[0]].encode() not in raw
    assert verify(course.bundle(recused, audience="public")).partial is False


def test_while_an_event_waits_for_its_place_the_bundle_waits_too(award: Award) -> None:
    course = Course(award, 2037, contenders("640.00"))
    engine = award.database("workflow")
    with engine.connect() as holding:
        holding.execute(text("select pg_advisory_lock(hashtext('workflow'), 7301)"))  # the sequencer's own: it waits
        ok(
            course.office.post(
                f"/cycles/{course.cycle}/meetings",
                json={"title": "会议", "place": "301", "starts_at": "2026-08-20T14:00:00+08:00", "agenda": [{"title": "审议"}]},
            )
        )
        asked = course.committee.supervisor.build_request("GET", f"/cycles/{course.cycle}/bundle")
        answer = course.committee.supervisor.send(asked)
        assert (answer.status_code, "retry-after" in answer.headers) == (httpx.codes.SERVICE_UNAVAILABLE, True)
    engine.dispose()
    course.verified(course.committee.supervisor)
