from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx
import pytest

from embedded.caller import Caller
from tests.intake.applicants import DRAFTING, ENDORSED, FILING, PDF, SCREENING, TOWN, Applicant, Intake, absent, indicators
from tests.rig import Award
from tests.workflow.committee import RULES, Committee, ok, refused

LAST = "2026-03-31T23:59:59.999999+08:00"
SIGNED = ENDORSED | {"signed_on": "2026-03-20"}
DECLINED = {"decision": "decline", "remarks": "未见近三年质量改进成效。"}


@pytest.fixture(scope="module")
def module_intake(award: Award) -> Intake:
    return Intake(award)


@pytest.fixture
def intake(module_intake: Intake) -> Intake:
    module_intake.award.at(DRAFTING)
    return module_intake


def endorse(intake: Intake, applicant: Applicant, decided: dict[str, Any] = SIGNED) -> httpx.Response:
    return intake.town.post(f"{applicant.path}/endorsement", json=decided)


def queued(caller: Caller, **filters: str) -> dict[str, str]:
    items = ok(caller.get("/endorsements", params={"limit": "200"} | filters))["items"]
    return {one["application"]: one["standing"] for one in items}


def test_a_department_is_stated_by_the_office_and_endorses_its_industries(intake: Intake, award: Award) -> None:
    transport = {"code": "dept-transport", "zh": "区交通运输局", "en": "District Bureau of Transport", "sections": ["G"]}
    assert intake.town.post("/endorsing-bodies", json=transport).status_code == 403
    for wrong in ({"code": "330703101"}, {"sections": ["Z"]}, {"sections": ["g"]}, {"zh": ""}):
        assert intake.office.post("/endorsing-bodies", json=transport | wrong).status_code == 422
    assert ok(intake.office.post("/endorsing-bodies", json=transport))["kind"] == "department"
    applicant = intake.drafted(1)
    refused(applicant.submit("dept-transport"), "department_not_authorised", "5.2")
    ok(intake.office.post("/endorsing-bodies", json=transport | {"sections": ["C", "G"]}))
    known = {one["code"]: one for one in ok(award.client().get("/endorsing-bodies"))["items"]}
    assert (len(known), known["dept-transport"]["sections"]) == (16, ["C", "G"])
    assert ok(applicant.submit("dept-transport"))["endorsing_body"] == "dept-transport"
    award.at(FILING)
    ok(award.client("endorser", body="dept-transport").post(f"{applicant.path}/endorsement", json=SIGNED))
    cycle = Committee(award).launch(2030)
    notified = ok(intake.office.get(f"/cycles/{cycle}/announcement"))["notified"]
    assert "dept-transport" in {one["code"] for one in notified}


def test_a_queue_is_its_body_s_and_tells_what_is_overdue(intake: Intake, award: Award) -> None:
    waiting, declined, endorsed = (intake.submitted(number) for number in (10, 11, 12))
    elsewhere = intake.drafted(13)
    ok(elsewhere.submit("dept-economy"))
    award.at(FILING)
    ok(endorse(intake, declined, DECLINED))
    ok(endorse(intake, endorsed))
    mine = {waiting.id: "waiting", declined.id: "declined", endorsed.id: "endorsed"}
    assert queued(intake.town) == mine
    assert queued(intake.town, standing="waiting") == {waiting.id: "waiting"}
    absent(intake.town.get("/endorsements", params={"body": "dept-economy"}))
    award.at(LAST)
    assert queued(intake.town, standing="overdue") == {}
    award.at(SCREENING)
    assert queued(intake.office, body=TOWN) == mine | {waiting.id: "overdue"}
    assert queued(intake.office, standing="overdue") == {waiting.id: "overdue", elsewhere.id: "overdue"}
    assert queued(award.client("supervisor", "supervisor-1"), standing="waiting") == {}


def test_what_a_body_left_undone_stays_among_its_tasks_with_the_day_it_was_due(intake: Intake, award: Award) -> None:
    applicant = intake.submitted(15)

    def due(caller: Caller) -> list[str]:
        return [one["due"] for one in ok(caller.get("/me"))["tasks"] if one["href"].endswith(applicant.path)]

    for moment in (LAST, SCREENING):
        award.at(moment)
        assert [datetime.fromisoformat(one) for one in due(intake.town)] == [datetime.fromisoformat(SCREENING)]
        assert due(award.client("endorser", body="330703102")) == []
    assert due(applicant.client) == []


@pytest.mark.parametrize("several", [False, True])
def test_an_answer_is_not_given_again_to_who_was_recused_since(intake: Intake, award: Award, several: bool) -> None:  # noqa: FBT001 - a case
    applicant = intake.submitted(17 + several)
    award.at(FILING)
    clerk = award.client("endorser", f"town-clerk-{several}", body=TOWN)
    key = {"Idempotency-Key": f"recused-since-{several}"}
    path = "/endorsements" if several else f"{applicant.path}/endorsement"
    decided = {"decisions": [SIGNED | {"application": applicant.id}]} if several else SIGNED
    first, again = (clerk.post(path, json=decided, headers=key) for _ in range(2))
    assert ok(again) == ok(first)
    assert "idempotent-replayed" in again.headers
    interest = {"credit_code": applicant.code, "kind": "kinship", "reason": "配偶在该企业任职。"}
    ok(clerk.put("/me/interests", json={"interests": [interest]}))
    intake.hear()
    absent(clerk.get(applicant.path))
    absent(clerk.post(path, json=decided, headers=key))


def test_a_decline_says_why_and_another_body_may_take_it_where_the_rules_say_so(intake: Intake, award: Award) -> None:
    applicant = intake.submitted(20)
    assert endorse(intake, applicant, {"decision": "decline", "remarks": " "}).status_code == 422
    ok(endorse(intake, applicant, DECLINED))
    (decision,) = ok(applicant.client.get(f"{applicant.path}/endorsement"))["items"]
    assert (decision["body"], decision["decision"], decision["remarks"]) == (TOWN, "decline", DECLINED["remarks"])
    ok(applicant.submit("dept-economy"))
    ok(award.client("endorser", body="dept-economy").post(f"{applicant.path}/endorsement", json=DECLINED))
    refused(applicant.submit(TOWN), "declined_by_this_body", "5.2")
    award.at("2026-02-20T09:00:00+08:00")
    strict = Intake.__new__(Intake)
    strict.__dict__ |= intake.__dict__ | {"cycle": Committee(award).launch(2031, RULES | {"endorsement_decline_reroute": False})}
    award.at(DRAFTING)
    final = strict.submitted(21, indicators=indicators(2030))
    ok(endorse(intake, final, DECLINED))
    refused(final.submit("dept-economy"), "declined_for_good", "5.2")
    assert final.read()["actions"]["submission"]["why"]["code"] == "declined_for_good"


def test_several_are_decided_in_one_call_each_by_itself(intake: Intake, award: Award) -> None:
    good, young, other, sent_back = (
        intake.submitted(30),
        intake.submitted(31, organisation={"registered_on": "2023-03-25", "in_district_since": "2023-03-25"}),
        intake.drafted(32),
        intake.submitted(33),
    )
    ok(other.submit("dept-economy"))
    award.at(FILING)
    decisions = [{"application": one.id} | SIGNED for one in (good, young, other)]
    decisions += [{"application": sent_back.id, "decision": "return", "remarks": "请补充产值说明。"}]
    assert intake.town.post("/endorsements", json={"decisions": [*decisions, decisions[0]]}).status_code == 422
    tried = ok(intake.town.post("/endorsements", params={"dry_run": "true"}, json={"decisions": decisions}))
    assert good.read()["state"] == "submitted"
    judged = ok(intake.town.post("/endorsements", json={"decisions": decisions}))["items"]
    assert judged == tried["items"]
    assert [one["state"] for one in judged] == ["filed", None, None, "returned"]
    assert [one["why"] and one["why"]["code"] for one in judged] == [None, "too_young", "absent", None]
    assert (good.read()["state"], young.read()["state"], other.read()["state"]) == ("filed", "submitted", "submitted")
    assert [len(intake.facts_of("application.endorsed", f"application:{one.id}")) for one in (good, young, other)] == [1, 0, 0]


def test_a_seal_scan_is_the_body_s_own_attachment(intake: Intake, award: Award) -> None:
    applicant, another = intake.submitted(40), intake.submitted(41)
    award.at(FILING)

    def scanned(caller: Caller) -> httpx.Response:
        return caller.post(f"{applicant.path}/attachments", params={"name": "印章.pdf", "requirement": "5.2"}, content=PDF)

    scan = ok(scanned(intake.town))["id"]
    content = f"{applicant.path}/attachments/{scan}/content"
    absent(scanned(award.client("endorser", body="330703102")))
    assert scanned(intake.office).status_code == 403
    absent(applicant.client.get(content))
    assert endorse(intake, another, SIGNED | {"seal": scan}).status_code == 422
    own = ok(another.client.get(f"{another.path}/attachments"))["items"]
    assert own == []
    assert ok(endorse(intake, applicant, SIGNED | {"seal": scan}))["state"] == "filed"
    assert applicant.client.get(content).content == PDF
    assert intake.office.get(content).content == PDF
    assert ok(applicant.client.get(f"{applicant.path}/versions/1"))["content"]["attachments"] == []
    refused(scanned(intake.town), "wrong_state", "5.2")


def test_the_window_s_last_instant_counts_and_its_close_does_not(intake: Intake, award: Award) -> None:
    applicants = [intake.submitted(100 + number) for number in range(12)]

    def at_once(some: list[Applicant]) -> list[httpx.Response]:
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda one: endorse(intake, one), some))

    award.at(LAST)
    for applicant, answer in zip(applicants[:6], at_once(applicants[:6]), strict=True):
        assert ok(answer)["state"] == "filed"
        filed_at = datetime.fromisoformat(ok(applicant.client.get(f"{applicant.path}/receipt"))["filed_at"])
        assert filed_at == datetime.fromisoformat(LAST)
    award.at(SCREENING)
    for applicant, answer in zip(applicants[6:], at_once(applicants[6:]), strict=True):
        refused(answer, "window_closed", "5.2")
        absent(applicant.client.get(f"{applicant.path}/receipt"))
        assert applicant.read()["state"] == "submitted"
