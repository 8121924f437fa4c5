from collections import Counter
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.intake.applicants import DRAFTING, ENDORSED, FILING, PDF, SCREENING, Intake, absent, incident, indicators
from tests.rig import Award
from tests.workflow.committee import COUNTED, VOTERS, Committee, ok, refused


@pytest.fixture(scope="module")
def one_cycle(award: Award) -> Intake:
    return Intake(award, 2040)


@pytest.fixture
def intake(one_cycle: Intake) -> Intake:
    one_cycle.award.at(DRAFTING)
    return one_cycle


def of_year(intake: Intake) -> dict[str, Any]:
    """The figures of the year before the cycle's."""
    year = ok(intake.office.get(f"/cycles/{intake.cycle}"))["year"]
    return indicators(year - 1)


def confirm(intake: Intake, person: str, verification: str) -> None:
    """Answer as the department that was asked."""
    department = intake.award.client("endorser", person, body="dept-economy")
    intake.swear(department)
    reply = {"finding": "confirmed", "answer": "情况属实。", "incidents": []}
    ok(department.put(f"/verifications/{verification}", json=reply, headers={"If-Match": '"1"'}))


def test_the_eligible_list_closes_the_screening_once_everything_is_determined(award: Award) -> None:
    intake = Intake(award, 2041)
    titles = {"titles": [{"flag": "high_tech", "certificate": "GR2023330"}]}
    good = intake.filed(1, indicators=of_year(intake), preferences=titles)
    award.at(DRAFTING)
    bad = intake.filed(2, indicators=of_year(intake))
    refused(intake.close(), "wrong_state", "5.3.1")
    refused(intake.settle(good), "wrong_phase", "5.3.1")
    award.at(SCREENING)
    refused(intake.determine(good), "screening_incomplete", "5.3.1")
    refused(intake.settle(good, c_3_1={"reason": " "}), "screening_reason_missing", "5.3.1")
    assert intake.settle(good, c_3_1={"proven": ["high_tech"]}).status_code == 422
    assert intake.settle(good, c_3_2_5={"proven": ["pinzi_brand"]}).status_code == 422
    ok(intake.settle(good, c_3_2_5={"proven": ["high_tech"]}))
    assert ok(intake.determine(good))["state"] == "eligible"
    ok(intake.settle(bad, c_3_2_6={"outcome": "fail", "reason": "信用不良。"}))
    refused(intake.close(), "screening_open", "5.3.1")
    ok(intake.determine(bad))
    seen = bad.read()
    assert (seen["state"], seen["determination"]["clauses"]) == ("ineligible", ["3.2.6"])
    ok(intake.office.put(f"{good.path}/screening/3.2.3", json={"outcome": "pass", "reason": "补充核查。"}, headers={"If-Match": '"1"'}))
    refused(intake.close(), "screening_open", "5.3.1")
    ok(intake.determine(good))
    tried = ok(intake.office.post(f"/cycles/{intake.cycle}/screening-closure", params={"dry_run": "true"}))
    closed = ok(intake.close())
    assert (closed["count"], closed["applications"], closed["hash"]) == (1, [good.id], tried["hash"])
    assert good.read()["phase"] == "material_review"
    refused(intake.close(), "wrong_state", "5.3.1")
    refused(intake.settle(good), "wrong_phase", "5.3.1")
    (facts,) = intake.facts_of("screening.closed", f"cycle:{intake.cycle}")
    assert [(one["application"], one["preferred"]) for one in facts["applications"]] == [(good.id, True)]
    assert facts["applications"][0]["attachments"] == [one["id"] for one in ok(good.client.get(f"{good.path}/attachments"))["items"]]
    assert ok(intake.office.get(f"/cycles/{intake.cycle}"))["phase"] == "material_review"
    assert ok(good.client.post(f"{good.path}/withdrawal", json={"reason": "不再参评。"}))["state"] == "withdrawn"


def test_a_department_s_finding_is_held_by_the_rules(intake: Intake, award: Award) -> None:
    applicant = intake.filed(3, indicators=of_year(intake))
    award.at(SCREENING)
    ok(intake.settle(applicant))
    question = {"body": "dept-economy", "criterion": "3.3.1", "question": "近三年有无重大事故？", "due_on": "2026-04-20"}
    asked = ok(intake.office.post(f"{applicant.path}/verifications", json=question))
    refused(intake.determine(applicant), "verification_open", "5.3.1")
    department = award.client("endorser", "economy-1", body="dept-economy")
    absent(intake.town.get(f"/verifications/{asked['id']}"))
    absent(department.get(applicant.path))
    path, version = f"/verifications/{asked['id']}", {"If-Match": '"1"'}
    reply = {"finding": "contradicted", "answer": "有事故记录。", "incidents": [incident("accident", "2023-03-20")]}
    refused(department.put(path, json=reply, headers=version), "undertaking_missing", "7.6")
    intake.swear(department)
    ok(department.put(path, json=reply, headers=version))
    refused(intake.determine(applicant), "veto_accident", "3.3.1")
    criterion = ok(intake.office.get(f"{applicant.path}/screening/3.3.1"))
    assert (criterion["finding"], criterion["refusal"]["clause"], criterion["outcome"]) == ("refused", "3.3.1", "pass")
    lapsed = reply | {"incidents": [incident("accident", "2023-03-19")]}
    ok(department.put(path, json=lapsed, headers={"If-Match": '"2"'}))
    assert ok(intake.determine(applicant))["state"] == "eligible"


def test_a_credit_repair_counts_once_the_office_accepts_it(intake: Intake, award: Award) -> None:
    repair = {"confirmed_by": "区市场监督管理局", "confirmed_on": "2025-05-01"}
    record = incident("credit_record", "2024-01-01", repair=repair)
    applicant = intake.filed(4, indicators=of_year(intake), history={"incidents": [record]})
    award.at(SCREENING)
    refused(intake.settle(applicant), "veto_credit_record", "3.3.1")
    decided = repair | {"number": record["number"], "accepted": True, "reason": "修复已完成并经确认。"}
    assert intake.settle(applicant, c_3_3_1={"repairs": [decided | {"number": "别的文号"}]}).status_code == 422
    refused(intake.settle(applicant, c_3_3_1={"repairs": [decided | {"accepted": False}]}), "veto_credit_record", "3.3.1")
    question = {"body": "dept-economy", "criterion": "3.3.1", "question": "信用是否已修复？", "due_on": "2026-04-20"}
    asked = ok(intake.office.post(f"{applicant.path}/verifications", json=question))["id"]
    decided |= {"verification": asked}
    assert intake.settle(applicant, c_3_3_1={"repairs": [decided]}).status_code == 422
    confirm(intake, "economy-4", asked)
    ok(intake.settle(applicant, c_3_3_1={"repairs": [decided]}))
    assert ok(intake.determine(applicant))["state"] == "eligible"


def test_whoever_is_recused_finds_nothing(intake: Intake, award: Award) -> None:
    applicant = intake.filed(5, indicators=of_year(intake))
    award.at(SCREENING)
    clerk = award.client("committee", "clerk-1", duties=["office"])
    section = f"{applicant.path}/sections/overview"
    refused(clerk.get(section), "undertaking_missing", "7.6")
    intake.swear(clerk)
    ok(clerk.get(section))
    request = {"person": "clerk-1", "reason": "曾在我司任职。"}
    refused(applicant.client.post(f"{applicant.path}/recusal-requests", json=request | {"reason": ""}), "recusal_request_reason", "2.4.5")
    asked = ok(applicant.client.post(f"{applicant.path}/recusal-requests", json=request))
    decision = f"{applicant.path}/recusal-requests/{asked['id']}/decision"
    absent(clerk.post(decision, json={"granted": False, "reason": "不属实。"}))
    assert ok(clerk.get(f"{applicant.path}/recusal-requests"))["items"] == []
    refused(intake.office.post(decision, json={"granted": True, "reason": ""}), "recusal_ruling_reason", "2.4.5")
    assert ok(intake.office.post(decision, json={"granted": True, "reason": "情况属实。"}))["granted"] is True
    refused(intake.office.post(decision, json={"granted": True, "reason": "情况属实。"}), "recusal_request_ruled")
    interest = {"credit_code": applicant.code, "kind": "employment", "reason": "曾任职。"}
    ok(clerk.put("/me/interests", json={"interests": [interest]}))
    intake.hear()
    absent(clerk.get(section))
    absent(clerk.get(applicant.path))
    listed = ok(clerk.get("/applications", params={"cycle": intake.cycle, "limit": 200}))["items"]
    assert applicant.id not in {one["id"] for one in listed}
    absent(clerk.get(f"/organisations/{applicant.code}"))
    outcomes = {"outcomes": [{"criterion": "3.1", "outcome": "pass", "reason": "可。"}]}
    absent(clerk.put(f"{applicant.path}/screening", json=outcomes, headers={"If-Match": '"0"'}))


def test_each_reading_by_an_official_is_recorded_and_none_by_the_applicant(intake: Intake, award: Award) -> None:
    applicant = intake.drafted(6, indicators=of_year(intake))
    params = {"name": "证明.pdf", "requirement": "3.3.2"}
    proof = ok(applicant.client.post(f"{applicant.path}/attachments", params=params, content=PDF))["id"]
    ok(applicant.submit())
    award.at(FILING)
    ok(intake.town.post(f"{applicant.path}/endorsement", json=ENDORSED))
    content = f"attachments/{proof}/content"
    things = ("sections/overview", "versions/1", "attachments", "completeness", f"attachments/{proof}", content)
    for thing in things:
        assert applicant.client.get(f"{applicant.path}/{thing}").is_success
    assert intake.facts_of("dossier.read", f"application:{applicant.id}") == []
    for reader in (intake.office, intake.office, intake.town):
        for thing in things:
            assert reader.get(f"{applicant.path}/{thing}").is_success
        assert reader.get(f"{applicant.path}/{content}", headers={"Range": "bytes=0-1"}).status_code == 206
    read = Counter(facts["thing"] for facts in intake.facts_of("dossier.read", f"application:{applicant.id}"))
    assert read == dict.fromkeys(things[:4], 3) | {f"attachments/{proof}": 9}


def test_a_reviewer_reads_only_what_is_assigned(intake: Intake, award: Award) -> None:
    applicant = intake.filed(7, indicators=of_year(intake))
    reviewer = award.client("reviewer", "reviewer-1")
    absent(reviewer.get(applicant.path))
    absent(reviewer.get(f"{applicant.path}/sections/overview"))
    assert reviewer.get("/applications").status_code == 403


def test_what_waits_is_told_to_whom_it_waits_for(intake: Intake, award: Award) -> None:
    applicant = intake.submitted(8, indicators=of_year(intake))

    def titles(caller: Any) -> list[str]:  # noqa: ANN401 - a Caller
        return [task["href"] for task in ok(caller.get("/me"))["tasks"]]

    assert f"/api/v1{applicant.path}" in titles(intake.town)
    award.at(FILING)
    ok(intake.town.post(f"{applicant.path}/endorsement", json=ENDORSED))
    assert f"/api/v1{applicant.path}" not in titles(intake.town)


def test_the_view_of_a_cycle_finds_by_every_filter(award: Award) -> None:
    award.at(DRAFTING)
    intake = Intake(award, 2042)
    repair = {"confirmed_by": "区市场监督管理局", "confirmed_on": "2025-05-01"}
    hurt = [incident("credit_record", "2024-01-01", repair=repair)]
    plain = intake.filed(60, indicators=of_year(intake))
    award.at(DRAFTING)
    vetoed = intake.filed(61, indicators=of_year(intake), history={"incidents": hurt})
    award.at(DRAFTING)
    asked = intake.filed(62, indicators=of_year(intake))
    award.at(SCREENING)
    path = f"/cycles/{intake.cycle}/screening"

    def seen(**filters: str) -> set[str]:
        found, cursor = set[str](), dict[str, str]()
        while True:
            page = ok(intake.office.get(path, params={"limit": "2"} | filters | cursor))
            found |= {one["application"] for one in page["items"]}
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}

    question = {"body": "dept-economy", "criterion": "3.3.2", "question": "抽查有无不合格？", "due_on": "2026-04-20"}
    verification = ok(intake.office.post(f"{asked.path}/verifications", json=question))["id"]
    ok(intake.settle(plain, c_3_1={"evidence": ["营业执照副本"]}))
    assert ok(intake.office.get(f"{plain.path}/screening/3.1"))["evidence"] == ["营业执照副本"]
    ok(intake.determine(plain))
    ok(intake.settle(asked, c_3_2_6={"outcome": "fail", "reason": "列入异常名录。"}))
    everyone = {plain.id, vetoed.id, asked.id}
    assert seen() == everyone
    assert seen(determination="open") == {vetoed.id, asked.id}
    assert seen(determination="eligible") == {plain.id}
    assert seen(township="330703102") == set()
    assert (seen(section="C"), seen(section="D")) == (everyone, set())
    assert seen(finding="refused") == {vetoed.id}
    assert seen(finding="refused", criterion="3.1") == set()
    assert seen(outcome="fail") == {asked.id}
    assert seen(outcome="none") == {vetoed.id}
    assert (seen(asked="asked", criterion="3.3.2"), seen(asked="asked", criterion="3.3.1")) == ({asked.id}, set())
    award.at("2026-04-21T00:00:00+08:00")
    assert (seen(asked="asked"), seen(asked="overdue")) == (set(), {asked.id})
    (told,) = ok(intake.office.get(f"{asked.path}/screening/3.3.2"))["verifications"]
    assert (told["standing"], told["due_on"]) == ("overdue", "2026-04-20")
    confirm(intake, "economy-9", verification)
    assert (seen(asked="overdue"), seen(asked="answered")) == (set(), {asked.id})
    ok(intake.determine(asked))
    ineligible = asked.read()["determination"]
    assert ineligible["reasons"] == [{"clause": "3.2.6", "reason": "列入异常名录。"}]
    ok(intake.office.put(f"{plain.path}/screening/3.2.3", json={"outcome": "pass", "reason": "补充。"}, headers={"If-Match": '"1"'}))
    assert seen(determination="open") == {plain.id, vetoed.id}
    assert intake.facts_of("dossier.read", f"cycle:{intake.cycle}") != []
    absent(intake.office.get(f"/cycles/{asked.id}/screening"))
    absent(award.client("supervisor", "supervisor-9").get(path))
    refused(award.client("committee", "clerk-9", duties=["office"]).get(path), "undertaking_missing", "7.6")


def test_a_department_reads_the_criterion_it_was_asked_and_its_evidence_alone(intake: Intake, award: Award) -> None:
    applicant = intake.drafted(70, indicators=of_year(intake))

    def added(requirement: str) -> str:
        params = {"name": "证明.pdf", "requirement": requirement}
        return str(ok(applicant.client.post(f"{applicant.path}/attachments", params=params, content=PDF))["id"])

    proof, other = added("3.3.2"), added("3.2.5")
    ok(applicant.submit())
    award.at(FILING)
    ok(intake.town.post(f"{applicant.path}/endorsement", json=ENDORSED))
    award.at(SCREENING)
    department = award.client("endorser", "economy-7", body="dept-economy")
    content = f"{applicant.path}/attachments/{{}}/content"
    absent(department.get(content.format(proof)))
    question = {"body": "dept-economy", "criterion": "3.3.2", "question": "抽查有无不合格？", "due_on": "2026-04-20"}
    asked = ok(intake.office.post(f"{applicant.path}/verifications", json=question))["id"]
    refused(department.get(f"/verifications/{asked}"), "undertaking_missing", "7.6")
    refused(department.get(content.format(proof)), "undertaking_missing", "7.6")
    intake.swear(department)
    assert [one["id"] for one in ok(department.get(f"/verifications/{asked}"))["evidence"]] == [proof]
    assert department.get(content.format(proof)).content == PDF
    absent(department.get(content.format(other)))
    absent(department.get(f"{applicant.path}/sections/overview"))
    assert {"thing": f"attachments/{proof}"} in intake.facts_of("dossier.read", f"application:{applicant.id}")
    assert list(ok(department.get("/verifications", params={"standing": "overdue"}))["items"]) == []


def test_what_is_found_out_later_disqualifies_by_the_committee_s_ruling_alone(award: Award) -> None:
    award.at(DRAFTING)
    intake = Intake(award, 2044)
    found = intake.filed(81, indicators=of_year(intake))
    award.at(DRAFTING)
    other = intake.filed(82, indicators=of_year(intake))
    award.at(SCREENING)
    for applicant in (found, other):
        ok(intake.settle(applicant))
        ok(intake.determine(applicant))
    ok(intake.close())
    report = {"text": "该组织发生过安全生产事故。", "application": found.id}
    case = ok(award.client().post(f"/cycles/{intake.cycle}/reports", json=report))["id"]
    path = f"/objections/{case}"
    body = {"findings": "事故属实。", "report": "提请评委会取消资格。"}
    ok(intake.office.put(f"{path}/investigation", json=body, headers={"If-Match": intake.office.get(path).headers["etag"]}))
    refused(intake.settle(found, c_3_3_1={"outcome": "fail", "reason": "事故属实。"}), "wrong_phase", "5.3.1")
    assert found.read()["state"] == "eligible"
    committee = Committee(award)
    for voter in VOTERS:
        committee.tell("undertaking.given", person=voter, cycle=intake.cycle)
    lost = committee.decide(intake.cycle, "ruling", yes=1, objection=case, removes_name=True)
    refused(intake.office.post(f"{path}/ruling", json={"motion": lost["id"]}), "motion_not_passed", "5.4.2")
    assert found.read()["state"] == "eligible"
    motion = committee.decide(intake.cycle, "ruling", objection=case, removes_name=True)
    assert ok(intake.office.post(f"{path}/ruling", json={"motion": motion["id"]}))["removed"]
    intake.hear()
    assert (found.read()["state"], other.read()["state"]) == ("disqualified", "eligible")
    assert len(intake.facts_of("application.disqualified", f"application:{found.id}")) == 1
    refused(intake.determine(found), "wrong_state", "5.3.1")


def test_what_is_found_out_later_reopens_nothing_here_and_the_committee_takes_the_review_back(award: Award) -> None:
    award.at(DRAFTING)
    intake = Intake(award, 2045)
    applicant = intake.filed(83, indicators=of_year(intake))
    award.at(SCREENING)
    ok(intake.settle(applicant))
    ok(intake.determine(applicant))
    ok(intake.close())
    question = {"body": "dept-economy", "criterion": "3.3.1", "question": "有无事故？", "due_on": "2026-05-20"}
    failed = {"outcome": "fail", "reason": "新发现事故。"}

    def reopens_nothing() -> None:
        refused(intake.settle(applicant, c_3_3_1=failed), "wrong_phase", "5.3.1")
        refused(intake.office.post(f"{applicant.path}/verifications", json=question), "wrong_phase", "5.3.1")
        refused(intake.determine(applicant), "wrong_phase", "5.3.1")
        refused(intake.close(), "wrong_state", "5.3.1")

    reopens_nothing()
    committee, panel = Committee(award), str(uuid4())
    for voter in VOTERS:
        committee.tell("undertaking.given", person=voter, cycle=intake.cycle)
    early = {"kind": "reopening", "title": "退回", "text": "补充资格审查。"}
    assert intake.office.post(f"/cycles/{intake.cycle}/motions", json=early).json()["clause"] == "2.1.2"
    seats = {"name": "一组", "leader": "r-1", "members": ["r-1", "r-2", "r-3"], "applications": [applicant.id]}
    committee.tell("panel.formed", cycle=intake.cycle, panel=panel, **seats)
    result = {"application": applicant.id, "numerator": 14000, "denominator": 1, **COUNTED}
    reported = {"stage": "material", "report": "报告", "recommended": [applicant.id], "results": [result]}
    committee.tell("panel.reported", cycle=intake.cycle, panel=panel, **reported)
    ok(intake.office.post(f"/cycles/{intake.cycle}/shortlist", json={}))

    def stands() -> tuple[str, str, str]:
        intake.hear()
        read = applicant.read()
        return read["state"], read["phase"], read["stage"]

    def reopen(yes: int) -> httpx.Response:
        motion = committee.decide(intake.cycle, "reopening", yes=yes, text="材料评审有误。")
        return intake.office.post(f"/cycles/{intake.cycle}/reopening", json={"motion": motion["id"]})

    assert stands() == ("eligible", "site_review", "shortlisted")
    refused(reopen(1), "motion_not_passed", "2.1.2")
    assert stands() == ("eligible", "site_review", "shortlisted")
    assert ok(reopen(5))["entered"] == "material_review"
    assert stands() == ("eligible", "material_review", "eligible")
    reopens_nothing()
