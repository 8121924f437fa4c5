import csv
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from embedded.caller import Caller
from tests.rig import Award
from tests.workflow.committee import ok, refused
from tests.workflow.year import LAST_INSTANT, OVER, Year, points

FOUR = [{"material": points(700 - place)} for place in range(4)]
EARLIER = "91330703MA00000900"


def imported(**given: object) -> dict[str, object]:
    return {
        "credit_code": EARLIER, "organisation": "=金东某公司", "award": "innovation", "year": 2023, "prize": 150000,
        "document_number": "金东政发〔2023〕18号", "approved_on": "2023-10-12",
    } | given  # fmt: skip


@pytest.fixture
def platform(award: Award) -> Caller:
    return award.client(scope="results:read", person="platform-1")


def test_the_last_instant_of_day_seven_refuses_and_the_next_midnight_passes(award: Award) -> None:
    year = Year(award, 2041, FOUR)
    year.noticed()
    award.at(LAST_INSTANT)
    answer = year.approve(dated="2026-09-08")
    refused(answer, "notice_running", "5.4.3")
    assert datetime.fromisoformat(answer.json()["earliest"]) == datetime.fromisoformat(OVER)
    award.at(OVER)
    refused(year.approve(dated="2026-09-08"), "document_before_notice_end", "5.4.3")
    refused(year.approve(dated="2026-09-10"), "document_dated_ahead", "5.4.3")
    refused(year.post("publication", document="x", medium="x", published_on="2026-09-09"), "wrong_state", "5.4.3")
    approved = ok(year.approve())
    assert (approved["phase"], approved["awards"][0]["status"], approved["actions"]["publish"]["allowed"]) == ("approval", "proposed", True)
    assert ok(year.anyone.get("/public/awards", params={"limit": 200}))["items"] == []
    assert award.client("applicant", "a", org=year.codes[year.names[0]]).get("/awards").json()["items"] == []
    refused(year.approve(), "wrong_state", "5.4.3")


def test_a_refusal_sends_the_refused_names_back_to_the_committee(award: Award) -> None:
    year = Year(award, 2042, FOUR)
    notice = year.noticed(2)
    award.at(OVER)
    refusal = {"decision": "refuse", "document_number": "金东政函〔2026〕3号", "dated": "2026-09-09"}
    assert year.post("approval", **refusal, names=[year.names[3]]).json()["code"] == "name_not_proposed"
    refused_by_government = ok(year.post("approval", **refusal, names=[year.names[0]]))
    assert refused_by_government["phase"] == "deliberation"
    names = {one["application"]: one["state"] for one in ok(year.office.get(f"/cycles/{year.cycle}/notices"))["items"][0]["names"]}
    assert names == {year.names[0]: "fallen", year.names[1]: "running"}
    ok(year.post("deliberation-end", reasons="不再递补"))
    assert [one["application"] for one in ok(year.approve())["awards"]] == [year.names[1]]
    assert notice


def test_earlier_awards_are_imported_all_or_none_with_each_wrong_row_named(award: Award) -> None:
    office = award.client("committee", "office-1", duties=["office"])
    rows = [
        imported(credit_code="91330703MA00000901"),
        imported(award="gold"),
        imported(year=2019, approved_on="2019-10-12"),
        imported(year=2019, approved_on="2019-10-12"),
        imported(approved_on="2126-10-12"),
    ]
    answer = office.post("/awards/imports", json={"awards": rows})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [
        "/body/awards/0/credit_code",
        "/body/awards/1/award",
        "/body/awards/3/year",
        "/body/awards/4/approved_on",
    ]
    assert ok(office.get("/awards", params={"year": 2019}))["items"] == []


def test_an_earlier_innovation_award_makes_it_350000_and_results_tell_it_with_the_ranks(award: Award, platform: Caller) -> None:
    year = Year(award, 2043, [{"material": points(700), "credit_code": EARLIER}, *FOUR[1:]])
    assert year.post_import(imported(rank=0)).status_code == 422
    assert ok(year.post_import(imported(rank=3), dry_run=True))["imported"] == 1
    assert ok(year.post_import(imported(rank=3)))["imported"] == 1
    assert year.post_import(imported()).status_code == 422
    year.noticed(2)
    before = ok(platform.get("/results/changes"))["next_since"]
    award.at(OVER)
    approved = {one["application"]: one["id"] for one in ok(year.approve())["awards"]}
    publication = {"document": "金东政发〔2026〕12号", "medium": "区政府门户网站", "published_on": "2026-09-09"}
    stranger = {"award": year.cycle, "rank": 1}
    refused(year.post("publication", **publication, ranks=[stranger]), "rank_of_no_award")
    ok(year.post("publication", **publication, ranks=[{"award": approved[year.names[1]], "rank": 1}]))
    awards = {one["application"]: one for one in ok(year.office.get("/awards", params={"year": 2043}))["items"]}
    assert [awards[name]["prize"] for name in year.names[:2]] == [350_000, 500_000]
    assert awards[year.names[0]]["earlier"] == [{"award": "innovation", "year": 2023, "revoked": False}]
    assert awards[year.names[0]]["title"] == "Jindong District Government Quality Award 2043"
    changes = ok(platform.get("/results/changes", params={"since": before}))
    assert {one["result"]["id"] for one in changes["items"]} == {one["id"] for one in awards.values()}
    assert ok(platform.get("/results/changes", params={"since": changes["next_since"]}))["items"] == []
    listed = ok(platform.get("/results", params={"year": 2043}))["items"]
    told = {(one["organisation"], one["status"], one["rank"]) for one in listed}
    assert told == {("企业431", "published", None), ("企业432", "published", 1)}
    rows = list(csv.DictReader(io.StringIO(platform.get("/results.csv").text)))
    assert {(row["organisation"], row["rank"]) for row in rows} >= {("'=金东某公司", "3"), ("企业431", ""), ("企业432", "1")}
    assert next(row for row in rows if row["year"] == "2023")["prize"] == "150000"
    assert year.office.get("/results").status_code == 403
    public = ok(year.anyone.get("/public/awards", params={"limit": 200}))["items"]
    assert "金华市金东区人民政府质量奖（2043年）" in {one["title"] for one in public}
    own = award.client("applicant", "a", org=year.codes[year.names[1]])
    assert [one["id"] for one in ok(own.get("/awards"))["items"]] == [awards[year.names[1]]["id"]]
    assert own.get(f"/awards/{awards[year.names[0]]['id']}").status_code == 404
    refused(year.post("approval", decision="refuse", document_number="x", dated="2026-09-09"), "wrong_state", "5.4.3")


def test_a_prize_is_paid_once_and_never_over(award: Award) -> None:
    year = Year(award, 2044, FOUR)
    year.noticed()
    award.at(OVER)
    proposed = ok(year.approve())["awards"][0]
    path = f"/awards/{proposed['id']}/payments"
    payment = {"amount": 300_000, "paid_on": "2026-09-09", "voucher": "2026-001"}
    refused(year.office.post(path, json=payment), "award_not_payable", "6.1")
    ok(year.post("publication", document="金东政发〔2026〕12号", medium="网站", published_on="2026-09-09"))
    refused(year.office.post(path, json=payment | {"paid_on": "2026-09-10"}), "payment_date", "6.1")
    assert ok(year.office.post(path, json=payment))["paid"] == 300_000
    assert year.office.post(path, json=payment | {"amount": 1}).json()["code"] == "voucher_used"
    refused(year.office.post(path, json=payment | {"voucher": "2026-002"}), "prize_exceeded", "6.1")
    paid = ok(year.office.post(path, json=payment | {"amount": 200_000, "voucher": "2026-002"}))
    assert (paid["paid"], paid["actions"]["pay"]["allowed"]) == (500_000, False)
    budget = ok(year.office.get(f"/cycles/{year.cycle}/budget"))
    assert (budget["foreseen"], budget["committed"], budget["paid"], budget["left"]) == (2_500_000, 500_000, 500_000, 2_000_000)


def test_payments_made_together_never_exceed_the_prize(award: Award) -> None:
    year = Year(award, 2045, FOUR)
    year.noticed()
    year.published()
    path = f"/awards/{ok(year.office.get('/awards', params={'year': 2045}))['items'][0]['id']}/payments"

    def pay(voucher: int) -> int:
        caller = award.client("committee", f"office-{voucher}", duties=["office"])
        return caller.post(path, json={"amount": 300_000, "paid_on": "2026-09-09", "voucher": f"v{voucher}"}).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(pay, range(4))) == [201, 409, 409, 409]
