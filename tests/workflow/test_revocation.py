"""Honours taken back, by what the regulation gives as grounds; awards are imported, where no year of their own is needed."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from embedded.caller import Caller
from tests.intake.applicants import credit_code
from tests.rig import Award
from tests.workflow.committee import ok, refused
from tests.workflow.year import Year, points

CODES = {name: credit_code(7000 + place) for place, name in enumerate(("last-day", "day-after", "fraud", "unfounded", "kept", "both"))}
APPROVED, LAST_DAY, DAY_AFTER = "2024-10-12", "2026-10-12", "2026-10-13"
NOW = "2026-11-20T09:00:00+08:00"
DECISION = {"decision": "revoke", "document_number": "金东政发〔2026〕40号", "dated": "2026-11-20"}
ANNOUNCED = {"kind": "announcement", "disclosed_on": "2026-11-20", "reference": "区政府门户网站", "text": "关于撤销的公告"}


class Office:
    """The office at work on revocations."""

    def __init__(self, award: Award) -> None:
        self.award = award
        self.caller = award.client("committee", "office-1", duties=["office"])

    def imported(self, code: str, award: str = "innovation", prize: int = 150_000, approved_on: str = APPROVED) -> str:
        row = {
            "credit_code": code, "organisation": f"企业{code[-2:]}", "award": award, "year": int(approved_on[:4]), "prize": prize,
            "document_number": "金东政发〔2024〕18号", "approved_on": approved_on, "certificate": f"{award}-{code[-4:]}",
        }  # fmt: skip
        return str(ok(self.caller.post("/awards/imports", json={"awards": [row]}))["awards"][0]["id"])

    def open(self, award: str, ground: str, occurred_on: str | None = None) -> httpx.Response:
        body = {"ground": ground, "text": "有人举报"} | ({"occurred_on": occurred_on} if occurred_on else {})
        return self.caller.post(f"/awards/{award}/revocation-cases", json=body)

    def verify(self, case: str, *, confirmed: bool = True, **given: object) -> httpx.Response:
        version = self.caller.get(f"/revocation-cases/{case}").headers["etag"]
        body = {"confirmed": confirmed, "findings": "已核实", **given}
        return self.caller.put(f"/revocation-cases/{case}/verification", json=body, headers={"If-Match": version})

    def act(self, case: str, path: str, body: object) -> httpx.Response:
        return self.caller.post(f"/revocation-cases/{case}/{path}", json=body)

    def revoke(self, award: str, ground: str, occurred_on: str | None = None) -> dict[str, Any]:
        case = str(ok(self.open(award, ground, occurred_on))["id"])
        ok(self.verify(case))
        return ok(self.act(case, "decision", DECISION))


@pytest.fixture(scope="module")
def office(award: Award) -> Office:
    award.at(NOW)
    return Office(award)


@pytest.fixture(scope="module")
def platform(award: Award) -> Caller:
    return award.client(scope="results:read", person="platform-1")


def money(amount: int, voucher: str) -> dict[str, object]:
    return {"item": "prize", "amount": amount, "voucher": voucher, "recovered_on": "2026-11-20"}


def test_an_accident_on_the_last_day_of_the_two_years_revokes_and_everything_comes_back(office: Office, platform: Caller) -> None:
    held = office.imported(CODES["last-day"])
    before = ok(platform.get("/results/changes"))["next_since"]
    case = ok(office.open(held, "accident", LAST_DAY))
    refused(office.open(held, "fraud"), "revocation_case_open")
    refused(office.act(case["id"], "decision", DECISION), "wrong_state", "7.2")
    assert case["actions"]["verify"]["allowed"]
    ok(office.verify(case["id"], evidence="金应急〔2026〕15号"))
    refused(office.act(case["id"], "decision", DECISION | {"document_number": " "}), "revocation_undecided", "7.5")
    refused(office.act(case["id"], "decision", DECISION | {"dated": "2026-11-19"}), "revocation_day", "7.5")
    refused(office.act(case["id"], "recoveries", money(1, "v")), "wrong_state", "7.2")
    revoked = ok(office.act(case["id"], "decision", DECISION))
    assert (revoked["state"], revoked["clause"], revoked["to_recover"]) == ("revoked", "7.5", 150_000)
    assert revoked["outstanding"] == ["prize", "certificate", "plaque", "announcement"]
    refused(office.open(held, "fraud"), "wrong_state", "7.2")
    shown = ok(office.caller.get(f"/awards/{held}"))
    assert (shown["status"], shown["revoked_on"], shown["revocation_clause"], shown["prize"]) == ("revoked", "2026-11-20", "7.5", 150_000)
    change = ok(platform.get("/results/changes", params={"since": before}))["items"][-1]
    assert (change["kind"], change["result"]["id"], change["result"]["status"]) == ("revoked", held, "revoked")
    public = ok(office.award.client().get("/public/awards", params={"limit": 200}))["items"]
    assert next(one for one in public if one["id"] == held)["revocation_document"] == "金东政发〔2026〕40号"
    refused(office.act(case["id"], "recoveries", money(150_001, "v1")), "recovered_too_much", "7.2")
    for body in (money(100_000, "v1"), money(50_000, "v2")):
        ok(office.act(case["id"], "recoveries", body))
    for item in ("certificate", "plaque"):
        ok(office.act(case["id"], "recoveries", {"item": item, "recovered_on": "2026-11-20"}))
    assert office.act(case["id"], "recoveries", {"item": "plaque", "recovered_on": "2026-11-20"}).json()["code"] == "returned_already"
    assert office.act(case["id"], "recoveries", {"item": "plaque", "amount": 1, "recovered_on": "2026-11-20"}).status_code == 422
    refused(office.act(case["id"], "disclosures", ANNOUNCED | {"kind": "credit_file"}), "disclosure_not_due", "7.5")
    here = f"/api/v1/revocation-cases/{case['id']}"
    assert here in {task["href"] for task in ok(office.caller.get("/me"))["tasks"]}
    done = ok(office.act(case["id"], "disclosures", ANNOUNCED))
    assert (done["outstanding"], done["to_recover"], done["recovered"]) == ([], 0, 150_000)
    assert here not in {task["href"] for task in ok(office.caller.get("/me"))["tasks"]}
    announced = ok(office.award.client().get("/public/announcements"))["items"]
    assert ("revocation", "关于撤销的公告") in {(one["kind"], one["text"]) for one in announced}


def test_an_accident_on_the_day_after_is_out_of_reach_but_fraud_never_is(office: Office) -> None:
    held = office.imported(CODES["day-after"])
    refused(office.open(held, "accident", DAY_AFTER), "occurred_too_late", "7.5")
    refused(office.open(held, "violation", "2024-10-11"), "occurred_before_approval", "7.5")
    refused(office.open(held, "accident"), "occurrence_day_missing", "7.5")
    case = ok(office.open(held, "accident", LAST_DAY))["id"]
    refused(office.verify(case, occurred_on=DAY_AFTER), "occurred_too_late", "7.5")
    ok(office.verify(case, confirmed=False))
    assert ok(office.open(held, "fraud", "2023-01-31"))["clause"] == "7.2"


def test_fraud_found_two_years_later_revokes_and_enters_the_credit_file(office: Office) -> None:
    revoked = office.revoke(office.imported(CODES["fraud"]), "fraud")
    assert revoked["outstanding"][-2:] == ["credit_file", "announcement"]
    entry = {"kind": "credit_file", "disclosed_on": "2026-11-20", "reference": "信用档案2026-7", "text": "骗取荣誉称号"}
    assert ok(office.act(revoked["id"], "disclosures", entry))["outstanding"][-1] == "announcement"
    refused(office.act(revoked["id"], "disclosures", entry), "disclosed_already")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: office.act(revoked["id"], "recoveries", money(100_000, f"v{n}")).status_code, range(4)))
    assert sorted(answers) == [201, 409, 409, 409]


def test_an_unfounded_case_and_a_kept_honour_change_nothing(office: Office) -> None:
    held = office.imported(CODES["unfounded"])
    case = ok(office.open(held, "violation", LAST_DAY))["id"]
    assert ok(office.verify(case, confirmed=False))["state"] == "unfounded"
    second = ok(office.open(held, "violation", LAST_DAY))["id"]
    ok(office.verify(second))
    kept = ok(office.act(second, "decision", DECISION | {"decision": "keep"}))
    assert (kept["state"], kept["outstanding"], kept["to_recover"]) == ("kept", [], 0)
    assert ok(office.caller.get(f"/awards/{held}"))["status"] == "published"
    assert {one["state"] for one in ok(office.caller.get("/revocation-cases", params={"award": held}))["items"]} == {"unfounded", "kept"}


def test_the_scanned_decision_lies_with_its_case_and_nobody_else_finds_it(office: Office) -> None:
    case = ok(office.open(office.imported(CODES["kept"]), "fraud"))["id"]
    other = ok(office.open(office.imported(CODES["kept"], "quality", 500_000), "fraud"))["id"]
    scan = office.caller.post(f"/revocation-cases/{case}/attachments", params={"name": "决定.pdf"}, content=b"%PDF-1.7 scan")
    ok(office.verify(case))
    ok(office.verify(other))
    assert office.act(other, "decision", DECISION | {"scan": ok(scan)["id"]}).status_code == 404
    assert ok(office.act(case, "decision", DECISION | {"scan": scan.json()["id"]}))["scan"] == scan.json()["id"]
    path = f"/revocation-cases/{case}/attachments"
    assert [one["name"] for one in ok(office.caller.get(path))["items"]] == ["决定.pdf"]
    assert office.caller.get(f"{path}/{scan.json()['id']}/content").content == b"%PDF-1.7 scan"
    assert office.caller.get(f"/revocation-cases/{other}/attachments/{scan.json()['id']}/content").status_code == 404
    stranger = office.award.client("supervisor", "stranger")
    assert stranger.get(path).status_code == 404
    assert ok(stranger.get("/revocation-cases"))["items"] == []


def test_after_a_revoked_innovation_award_the_next_years_quality_award_brings_it_all(award: Award, office: Office) -> None:
    standing, revoked = "91330703MA00000900", CODES["both"]
    award.at(NOW)
    innovations = [office.imported(code, approved_on="2025-10-12") for code in (standing, revoked)]
    office.revoke(innovations[1], "violation", "2026-11-01")
    strong = points(700)
    year = Year(award, 2026, [{"material": strong, "credit_code": code} for code in (standing, revoked)])
    year.noticed(2)
    year.published()
    won = {one["credit_code"]: one for one in ok(year.office.get("/awards", params={"year": 2026}))["items"]}
    assert {code: one["prize"] for code, one in won.items()} == {standing: 350_000, revoked: 500_000}
    assert won[revoked]["earlier"] == [{"award": "innovation", "year": 2025, "revoked": True}]
    quality = won[standing]["id"]
    ok(year.office.post(f"/awards/{quality}/payments", json={"amount": 350_000, "paid_on": "2026-09-09", "voucher": "p1"}))
    ok(year.post("review-costs", amount=24_000, paid_on="2026-06-20", voucher="c1", purpose="专家评审费"))
    assert year.post("review-costs", amount=1, paid_on="2026-06-20", voucher="c1", purpose="再来").json()["code"] == "voucher_used"
    award.at(NOW)
    case = office.revoke(quality, "fraud")
    assert case["to_recover"] == 350_000
    ok(office.act(case["id"], "recoveries", money(350_000, "r1")))
    held = {one["award"]: one["status"] for one in ok(office.caller.get("/awards", params={"credit_code": standing}))["items"]}
    assert held == {"innovation": "published", "quality": "revoked"}
    refused(
        year.office.post(f"/awards/{quality}/payments", json={"amount": 1, "paid_on": "2026-11-20", "voucher": "p2"}),
        "award_not_payable",
        "6.1",
    )
    assert ok(year.office.get(f"/cycles/{year.cycle}/budget")) == {
        "cycle": year.cycle, "foreseen": 2_500_000, "committed": 500_000, "paid": 350_000, "recovered": 350_000, "review_costs": 24_000,
        "left": 1_976_000,
    }  # fmt: skip
    assert [one["voucher"] for one in ok(year.office.get(f"/cycles/{year.cycle}/review-costs"))["items"]] == ["c1"]
    assert year.committee.supervisor.get(f"/revocation-cases/{case['id']}").status_code == 200
    year.tell("recusal.declared", person="office-r", credit_code=standing, kind="family", source="declared")
    recused = award.client("committee", "office-r", duties=["office"])
    assert recused.get(f"/revocation-cases/{case['id']}").status_code == 404
