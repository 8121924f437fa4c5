"""What becomes of honours in the years after they were given, in years that went through every service."""

from typing import Any

import pytest

from tests.journey.course import Contender, Course, contenders
from tests.rig import Award
from tests.workflow.committee import ok, refused
from tests.workflow.test_revocation import Office

pytestmark = pytest.mark.full

RETURNING = 900
"""The number of the organisation that comes again."""
LATER = "2028-10-20"
"""The awards were approved on 2026-09-09."""


@pytest.fixture(scope="module")
def honoured(award: Award) -> Course:
    """A year with three winners of the one award and one of the other, each paid, that is closed since."""
    course = Course(award, 2026, [*contenders("650.00", "645.00", "640.00"), Contender("605.00", ("innovation",), number=RETURNING)])
    course.evaluated()
    *three, fourth = course.names
    quality, innovation = course.ballot(dict.fromkeys(three, 5)), course.ballot({fourth: 5}, "innovation")
    ok(course.notice(dict.fromkeys(three, quality) | {fourth: innovation}))
    course.published()
    assert [won["prize"] for won in course.awards()] == [500_000, 500_000, 500_000, 150_000]
    for won in course.awards():
        course.pay(won["id"], won["prize"])
    course.closed()
    return course


def test_innovation_then_quality_in_successive_years(award: Award, honoured: Course) -> None:
    course = Course(award, 2027, [Contender("640.00", number=RETURNING), Contender("620.00")], calendar=2027)
    assert course.codes[course.names[0]] == honoured.codes[honoured.names[3]]
    course.noticed(2)
    course.published()
    again, other = course.awards()
    assert (again["earlier"], again["prize"], other["prize"]) == (
        [{"award": "innovation", "year": 2026, "revoked": False}],
        350_000,
        500_000,
    )
    course.pay(again["id"], 350_000)
    budget = ok(course.office.get(f"/cycles/{course.cycle}/budget"))
    assert (budget["committed"], budget["paid"], budget["left"]) == (850_000, 350_000, 1_650_000)
    course.closed()
    held = ok(course.applicants[0].client.get("/awards"))["items"]
    assert {(one["award"], one["year"], one["paid"]) for one in held} == {("innovation", 2026, 150_000), ("quality", 2027, 350_000)}
    assert (honoured.winners()[honoured.names[3]], course.winners()[course.names[0]]) == ("innovation", "quality")


def undone(office: Office, case: dict[str, Any], document: str) -> dict[str, Any]:
    """Have the government revoke, and bring everything back."""
    decided = ok(office.act(case["id"], "decision", {"decision": "revoke", "document_number": document, "dated": LATER}))
    assert (decided["state"], decided["to_recover"]) == ("revoked", 500_000)
    ok(office.act(case["id"], "recoveries", {"item": "prize", "amount": 500_000, "voucher": "r1", "recovered_on": LATER}))
    for item in ("certificate", "plaque"):
        ok(office.act(case["id"], "recoveries", {"item": item, "recovered_on": LATER}))
    announced = {"kind": "announcement", "disclosed_on": LATER, "reference": "区政府门户网站", "text": f"撤销公告：{document}"}
    return ok(office.act(case["id"], "disclosures", announced))


def test_fraud_found_two_years_later(honoured: Course) -> None:
    honoured.award.at(f"{LATER}T09:00:00+08:00")
    office, award = Office(honoured.award), honoured.awards()[0]["id"]
    with honoured.award.client(scope="results:read", person="platform-1") as platform:
        before = ok(platform.get("/results/changes", params={"limit": 200}))["next_since"]
        case = ok(office.open(award, "fraud"))
        ok(office.verify(case["id"], evidence="市监函〔2028〕7号"))
        assert undone(office, case, "金东政发〔2028〕40号")["outstanding"] == ["credit_file"]
        entry = {"kind": "credit_file", "disclosed_on": LATER, "reference": "信用档案2028-7", "text": "骗取荣誉称号"}
        assert ok(office.act(case["id"], "disclosures", entry))["outstanding"] == []
        [change] = ok(platform.get("/results/changes", params={"since": before}))["items"]
    assert (change["kind"], change["result"]["id"], change["result"]["status"]) == ("revoked", award, "revoked")
    listed = ok(honoured.anyone.get("/public/awards", params={"limit": 200}))["items"]
    shown = {one["id"]: (one["status"], one["revocation_clause"], one["title"]) for one in listed}
    assert shown[award][:2] == ("revoked", "7.2")
    assert "2026" in shown[award][2]  # never a delete: it stays, named as revoked
    assert "撤销公告：金东政发〔2028〕40号" in {one["text"] for one in ok(honoured.anyone.get("/public/announcements"))["items"]}
    assert honoured.names[0] not in honoured.winners()
    [own] = ok(honoured.applicants[0].client.get("/awards"))["items"]
    assert (own["status"], own["paid"], own["recovered"]) == ("revoked", 500_000, 500_000)
    budget = ok(honoured.office.get(f"/cycles/{honoured.cycle}/budget"))
    assert (budget["paid"], budget["recovered"]) == (1_650_000, 500_000)
    honoured.verified(honoured.anyone)


def test_an_accident_on_the_last_day_of_the_two_years_and_on_the_day_after(honoured: Course) -> None:
    honoured.award.at(f"{LATER}T09:00:00+08:00")
    office = Office(honoured.award)
    last, after = (won["id"] for won in honoured.awards()[1:3])
    refused(office.open(after, "accident", "2028-09-10"), "occurred_too_late", "7.5")
    assert ok(office.caller.get(f"/awards/{after}"))["status"] == "published"
    case = ok(office.open(last, "accident", "2028-09-09"))
    ok(office.verify(case["id"], evidence="应急〔2028〕15号"))
    assert undone(office, case, "金东政发〔2028〕41号")["outstanding"] == []
    assert ok(office.caller.get(f"/awards/{last}"))["revocation_clause"] == "7.5"
    assert (honoured.names[1] in honoured.winners(), honoured.names[2] in honoured.winners()) == (False, True)
