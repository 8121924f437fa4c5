"""What winners may do with an honour and what they owe for it; rewards of higher governments' awards."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sqlalchemy import text

from embedded.caller import Caller
from tests.intake.applicants import credit_code
from tests.rig import Award
from tests.workflow.committee import ok, refused
from tests.workflow.year import OVER, Year, points

USE = {"wording": "荣获2026年金东区人民政府质量奖", "medium": "公司网站", "used_on": "2026-10-01", "promotes_product": False}
HONOUR: dict[str, object] = {
    "credit_code": credit_code(7100), "organisation": "示例机械有限公司", "honour": "city_quality", "year": 2026,
    "awarded_on": "2026-08-12", "document_number": "金政发〔2026〕31号",
}  # fmt: skip


@pytest.fixture(scope="module")
def year(award: Award) -> Year:
    """A published year with two winners."""
    year = Year(award, 2026, [{"material": points(700 - place)} for place in range(3)])
    year.noticed(2)
    year.published()
    return year


def won(year: Year, place: int = 0) -> str:
    awards = {one["application"]: one["id"] for one in ok(year.office.get("/awards", params={"year": 2026}))["items"]}
    return str(awards[year.names[place]])


def winner(year: Year, place: int = 0) -> Caller:
    return year.award.client("applicant", f"winner-{place}", org=year.codes[year.names[place]])


def test_an_honour_is_used_with_its_year_and_never_for_a_product(year: Year) -> None:
    path = f"/awards/{won(year)}/honour-uses"
    own = winner(year)
    assert ok(own.post(path, json=USE))["broken"] is None
    refused(own.post(path, json=USE | {"wording": "荣获金东区人民政府质量奖"}), "honour_without_year", "7.4")
    refused(year.office.post(path, json=USE | {"promotes_product": True}), "honour_for_product", "7.4")
    assert own.post(path, json=USE | {"observed": True}).status_code == 403
    seen = ok(year.office.post(path, json=USE | {"wording": "质量奖产品", "promotes_product": True, "observed": True}))
    assert (seen["broken"], seen["clause"]) == ("honour_for_product", "7.4")
    assert [one["observed"] for one in ok(own.get(path))["items"]] == [False, True]
    other = winner(year, 1)
    assert other.get(path).status_code == 404
    assert other.post(path, json=USE).status_code == 404


def test_a_misuse_is_followed_up_until_it_is_put_right(award: Award, year: Year) -> None:
    own, office, path = winner(year, 1), year.office, f"/awards/{won(year, 1)}/honour-uses"

    def waits(caller: Caller) -> dict[str, str]:
        return {task["title"].partition(":")[0]: task["clause"] for task in ok(caller.get("/me"))["tasks"] if task["href"].endswith(path)}

    award.at("2026-10-01T09:00:00+08:00")
    proper = ok(own.post(path, json=USE))
    steps = f"{path}/{proper['id']}/follow-ups"
    refused(office.post(steps, json={"step": "demand", "text": "请改正", "due_on": "2026-10-15"}), "wrong_state", "2.2.5")
    seen = ok(office.post(path, json=USE | {"promotes_product": True, "observed": True}))
    assert (seen["state"], seen["actions"]["demand"]["allowed"], seen["actions"]["settle"]["allowed"]) == ("misused", True, False)
    assert waits(office) == {"Demand that a misuse of the honour be put right": "2.2.5"}
    assert waits(own) == {}
    steps = f"{path}/{seen['id']}/follow-ups"
    demand = {"step": "demand", "text": "请撤下", "due_on": "2026-10-15"}
    refused(office.post(steps, json=demand | {"due_on": "2026-09-30"}), "demand_due_past", "2.2.5")
    assert office.post(steps, json=demand | {"due_on": None}).status_code == 422
    assert own.post(steps, json=demand).status_code == 403
    assert ok(office.post(steps, json=demand))["due_on"] == "2026-10-15"
    assert (waits(office), waits(own)) == ({}, {"Put the use of the honour right": "7.4"})
    award.at("2026-10-15T23:59:59+08:00")
    assert waits(office) == {}
    award.at("2026-10-16T00:00:00+08:00")
    assert waits(office) == {"A misuse of the honour was not put right in time": "2.2.5"}
    corrected = {"step": "correct", "text": "已撤下"}
    assert office.post(steps, json=corrected).status_code == 403
    assert winner(year).post(steps, json=corrected).status_code == 404
    assert ok(own.post(steps, json=corrected))["state"] == "corrected"
    assert (waits(office), waits(own)) == ({"Check that a misuse of the honour was put right": "2.2.5"}, {})
    assert own.post(steps, json={"step": "settle", "text": "了结"}).status_code == 403
    settled = ok(office.post(steps, json={"step": "settle", "text": "已复查"}))
    assert (settled["state"], [one["step"] for one in settled["follow_ups"]]) == ("settled", ["demand", "correct", "settle"])
    refused(office.post(steps, json=demand), "wrong_state", "2.2.5")
    assert waits(office) == {}
    award.at(OVER)


def test_certificate_and_plaque_have_their_numbers_with_the_year(year: Year) -> None:
    shown = ok(winner(year).get(f"/awards/{won(year)}"))
    assert shown["title"].endswith("2026")
    assert "-2026-" in shown["certificate"]
    assert "-2026-P" in shown["plaque"]


def test_a_promotion_is_due_every_year_and_overdue_the_day_after(award: Award, year: Year) -> None:
    path, own = f"/awards/{won(year)}/promotions", winner(year)
    award.at(OVER)
    entry = {"kind": "promotion", "text": "承办经验交流会", "held_on": "2026-09-09"}
    refused(own.post(path, json=entry | {"held_on": "2026-09-10"}), "promotion_ahead", "7.3")
    here = f"/api/v1{path}"
    due = {task["href"]: task["due"] for task in ok(own.get("/me"))["tasks"]}[here]
    assert datetime.fromisoformat(due) == datetime.fromisoformat("2027-09-09T00:00:00+08:00")
    award.at("2027-03-01T09:00:00+08:00")
    assert ok(own.post(path, json=entry | {"held_on": "2027-03-01"}))["role"] == "winner"
    assert ok(own.get(path))["due"] == "2028-03-01"
    award.at("2028-03-01T00:00:00+08:00")
    assert here not in {task["href"] for task in ok(year.office.get("/me"))["tasks"]}
    award.at("2028-03-01T00:00:01+08:00")
    assert {task["href"]: task["clause"] for task in ok(year.office.get("/me"))["tasks"]}[here] == "2.2.5"
    assert ok(year.office.post(path, json=entry | {"held_on": "2028-03-01"}))["role"] == "office"
    assert here not in {task["href"] for task in ok(year.office.get("/me"))["tasks"]}
    award.at(OVER)


def test_the_district_rewards_a_higher_honour_once(award: Award, year: Year) -> None:
    registered = ok(year.office.post("/external-honours", json=HONOUR))
    assert (registered["amount"], registered["title"]) == (1_000_000, "Jinhua City Government Quality Award 2026")
    assert year.office.post("/external-honours", json=HONOUR).json()["code"] == "external_honour_registered"
    refused(year.office.post("/external-honours", json=HONOUR | {"year": 2025, "amount": 5}), "external_amount_fixed", "6.2")
    refused(year.office.post("/external-honours", json=HONOUR | {"honour": "provincial"}), "external_amount_missing", "6.2")
    decided = HONOUR | {"honour": "provincial", "amount": 800_000, "amount_document": "金财〔2026〕9号"}
    assert ok(year.office.post("/external-honours", json=decided))["amount"] == 800_000
    own = award.client("applicant", "a", org=credit_code(7100))
    assert [one["honour"] for one in ok(own.get("/external-honours"))["items"]] == ["city_quality", "provincial"]
    assert winner(year).get(f"/external-honours/{registered['id']}").status_code == 404
    path = f"/external-honours/{registered['id']}/payments"

    def pay(voucher: int) -> int:
        return year.office.post(path, json={"amount": 600_000, "paid_on": "2026-09-09", "voucher": f"e{voucher}"}).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(pay, range(4))) == [201, 409, 409, 409]
    refused(year.office.post(path, json={"amount": 400_001, "paid_on": "2026-09-09", "voucher": "e9"}), "reward_exceeded", "6.2")
    assert ok(year.office.get(f"/external-honours/{registered['id']}"))["paid"] == 600_000


def test_the_same_payment_sent_by_many_at_once_is_paid_once(year: Year) -> None:
    path = f"/awards/{won(year, 1)}/payments"

    def pay(_: int) -> int:
        return year.office.post(path, json={"amount": 1_000, "paid_on": "2026-09-09", "voucher": "same"}).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(pay, range(4))) == [201, 409, 409, 409]
    assert ok(year.office.get(f"/awards/{won(year, 1)}"))["paid"] == 1_000


def test_the_supervision_group_reads_its_reads_are_recorded_and_its_access_ends_with_the_cycle(award: Award, year: Year) -> None:
    supervisor = year.committee.supervisor
    path = f"/cycles/{year.cycle}/budget"
    for _ in range(3):
        assert supervisor.get(path).status_code == 200
    assert supervisor.get(f"/awards/{won(year)}").status_code == 200
    engine = award.database("workflow")
    with engine.connect() as database:
        things = database.execute(text("select facts->>'thing' from event where kind = 'supervisor.read'")).scalars().all()
    engine.dispose()
    assert things.count(f"/api/v1{path}") == 3
    body = {"cycle": year.cycle, "text": "评审员迟到", "sanction": {"person": "r1", "measure": "warning"}}
    finding = ok(supervisor.post("/findings", json=body))["id"]
    refused(year.office.post(f"/findings/{finding}/answer", json={"answer": "已知悉"}), "sanction_unanswered", "7.6")
    assert ok(year.office.post(f"/findings/{finding}/answer", json={"answer": "已警告", "sanction_imposed": True}))["sanction_imposed"]
    ok(year.post("closure"))
    assert supervisor.get(path).status_code == 404
    assert supervisor.get(f"/awards/{won(year)}").status_code == 404
    assert ok(supervisor.get("/awards"))["items"] == []
    assert ok(supervisor.get("/findings"))["items"] == []
    assert supervisor.post("/findings", json={"cycle": year.cycle, "text": "?"}).status_code == 404
