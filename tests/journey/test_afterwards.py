"""What becomes of honours in the years after they were given."""

from typing import Any

import pytest

from tests.rig import Award
from tests.workflow.committee import ok, refused
from tests.workflow.test_revocation import Office
from tests.workflow.year import Year, points

pytestmark = pytest.mark.full

CODE = "91330703MA00000900"
LATER = "2028-10-20"
"""The award was approved on 2026-09-09."""


def awards(year: Year) -> dict[str, dict[str, Any]]:
    return {one["application"]: one for one in ok(year.office.get("/awards", params={"year": year.year}))["items"]}


def pay(year: Year, award: str, amount: int) -> None:
    ok(year.office.post(f"/awards/{award}/payments", json={"amount": amount, "paid_on": year.dated("2026-09-09"), "voucher": "p1"}))


def test_innovation_then_quality_in_successive_years(award: Award) -> None:
    first = Year(award, 2026, [{"material": points(605), "awards": ["innovation"], "credit_code": CODE}]).evaluated()
    ok(first.notice({first.names[0]: first.ballot({first.names[0]: 5}, "innovation")}))
    first.published()
    won = awards(first)[first.names[0]]
    assert (won["award"], won["prize"]) == ("innovation", 150_000)
    pay(first, won["id"], 150_000)
    assert ok(first.post("closure"))["phase"] == "closed"

    second = Year(award, 2027, [{"material": points(640), "credit_code": CODE}, {"material": points(620)}], calendar=2027)
    second.noticed(2)
    second.published()
    prizes = [awards(second)[name]["prize"] for name in second.names]
    assert prizes == [350_000, 500_000]
    won = awards(second)[second.names[0]]
    assert (won["earlier"], won["year"]) == ([{"award": "innovation", "year": 2026, "revoked": False}], 2027)
    pay(second, won["id"], 350_000)
    budget = ok(second.office.get(f"/cycles/{second.cycle}/budget"))
    assert (budget["committed"], budget["paid"], budget["left"]) == (850_000, 350_000, 1_650_000)
    assert ok(second.post("closure"))["phase"] == "closed"
    held = ok(second.office.get("/awards", params={"credit_code": CODE}))["items"]
    assert {(one["award"], one["year"]) for one in held if one["status"] == "published"} == {("innovation", 2026), ("quality", 2027)}


@pytest.fixture(scope="module")
def honoured(award: Award) -> Year:
    """A year with three winners, each paid, that is closed since."""
    year = Year(award, 2030, [{"material": points(700 - place)} for place in range(3)])
    year.noticed(3)
    year.published()
    for one in awards(year).values():
        pay(year, one["id"], 500_000)
    ok(year.post("closure"))
    award.at(f"{LATER}T09:00:00+08:00")
    return year


def undone(office: Office, case: dict[str, Any], document: str) -> dict[str, Any]:
    """Have the government revoke, and bring everything back."""
    decided = ok(office.act(case["id"], "decision", {"decision": "revoke", "document_number": document, "dated": LATER}))
    assert (decided["state"], decided["to_recover"]) == ("revoked", 500_000)
    ok(office.act(case["id"], "recoveries", {"item": "prize", "amount": 500_000, "voucher": "r1", "recovered_on": LATER}))
    for item in ("certificate", "plaque"):
        ok(office.act(case["id"], "recoveries", {"item": item, "recovered_on": LATER}))
    announced = {"kind": "announcement", "disclosed_on": LATER, "reference": "区政府门户网站", "text": f"撤销公告：{document}"}
    return ok(office.act(case["id"], "disclosures", announced))


def test_fraud_found_two_years_later(honoured: Year) -> None:
    office, name = Office(honoured.award), honoured.names[0]
    award = awards(honoured)[name]["id"]
    with honoured.award.client(scope="results:read", person="platform-1") as platform:
        before = ok(platform.get("/results/changes"))["next_since"]
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
    assert "2030" in shown[award][2]  # never a delete: it stays, named as revoked
    assert "撤销公告：金东政发〔2028〕40号" in {one["text"] for one in ok(honoured.anyone.get("/public/announcements"))["items"]}
    budget = ok(honoured.office.get(f"/cycles/{honoured.cycle}/budget"))
    assert (budget["paid"], budget["recovered"]) == (1_500_000, 500_000)


def test_an_accident_on_the_last_day_of_the_two_years_and_on_the_day_after(honoured: Year) -> None:
    office = Office(honoured.award)
    last, after = (awards(honoured)[name]["id"] for name in honoured.names[1:])
    refused(office.open(after, "accident", "2028-09-10"), "occurred_too_late", "7.5")
    assert ok(office.caller.get(f"/awards/{after}"))["status"] == "published"
    case = ok(office.open(last, "accident", "2028-09-09"))
    ok(office.verify(case["id"], evidence="应急〔2028〕15号"))
    assert undone(office, case, "金东政发〔2028〕41号")["outstanding"] == []
    assert ok(office.caller.get(f"/awards/{last}"))["revocation_clause"] == "7.5"
