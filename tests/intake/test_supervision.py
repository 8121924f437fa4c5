"""The supervision group reads its own cycle while it runs, and a finding holds the screening (7.1); the disqualified read nothing (7.6)."""

import pytest

from tests.faults.programs import eventually
from tests.gateway.people import PASSWORD, a_login
from tests.intake.applicants import DRAFTING, SCREENING, TOWN, Intake, absent, credit_code
from tests.rig import Award
from tests.workflow.committee import Committee, ok, refused


@pytest.fixture(scope="module")
def one_cycle(award: Award) -> Intake:
    return Intake(award)


@pytest.fixture
def intake(one_cycle: Intake) -> Intake:
    one_cycle.award.at(DRAFTING)
    return one_cycle


def test_the_group_reads_its_cycle_and_what_a_member_is_recused_from_is_absent(intake: Intake, award: Award) -> None:
    seen, hidden = (intake.filed(number) for number in (31, 32))
    stranger, supervisor = (award.client("supervisor", person) for person in ("supervisor-of-none", "supervisor-1"))
    ok(stranger.post("/me/undertakings", json={"cycle": intake.cycle}))
    absent(stranger.get(seen.path))
    absent(stranger.get(f"/cycles/{intake.cycle}/screening"))
    absent(stranger.get("/record/intake/events"))
    absent(stranger.get("/record/gateway/events"))
    assert ok(stranger.get("/applications"))["items"] == []
    refused(supervisor.get(f"{seen.path}/sections/overview"), "undertaking_missing", "7.6")
    ok(supervisor.post("/me/undertakings", json={"cycle": intake.cycle}))
    ok(supervisor.get(f"{seen.path}/sections/overview"))
    ok(supervisor.get(f"/cycles/{intake.cycle}/screening"))
    interest = {"credit_code": hidden.code, "kind": "kinship", "reason": "配偶在该企业任职。"}
    ok(supervisor.put("/me/interests", json={"interests": [interest]}))
    intake.hear()
    absent(supervisor.get(hidden.path))
    for service in ("intake", "scoring", "workflow", "gateway"):
        events = ok(supervisor.get(f"/record/{service}/events", params={"limit": 200}))["items"]
        assert hidden.id not in str(events)
        assert hidden.code not in str(events)
    filed = {event["subject"] for event in ok(supervisor.get("/record/intake/events", params={"limit": 200}))["items"]}
    assert f"application:{seen.id}" in filed


def test_of_the_people_of_an_organisation_the_recused_read_nothing_in_the_door_s_record(intake: Intake, award: Award) -> None:
    supervisor, anyone = award.client("supervisor", "supervisor-1"), award.client()
    theirs, another = credit_code(41), credit_code(42)
    acts_for: dict[str, str] = {}
    for code in (theirs, another):
        person = {"login": a_login(), "password": PASSWORD, "name": "王某", "credit_code": code, "organisation": "某", "township": TOWN}
        account = ok(anyone.post("/auth/registrations", json=person))["account"]
        ok(intake.office.post(f"/accounts/{account}/verification"))
        colleague = ok(intake.office.post("/accounts/colleagues", json={"login": a_login(), "name": "李某", "credit_code": code}))[
            "account"
        ]
        ok(intake.office.post(f"/accounts/{colleague}/activation-links", json={"purpose": "activation"}))
        acts_for |= {f"account:{account}": code, f"account:{colleague}": code}

    def told() -> set[tuple[str, str]]:
        events = ok(supervisor.get("/record/gateway/events", params={"limit": 200}))["items"]
        return {(acts_for[event["subject"]], event["kind"]) for event in events if event["subject"] in acts_for}

    kinds = {"organisation.registered", "account.verified", "account.colleague_invited", "account.link_issued"}
    everything = {(code, kind) for code in (theirs, another) for kind in kinds}
    eventually(lambda: told() == everything)
    interest = {"credit_code": theirs, "kind": "kinship", "reason": "配偶在该企业任职。"}
    ok(supervisor.put("/me/interests", json={"interests": [interest]}))
    eventually(lambda: told() == {(another, kind) for kind in kinds})
    ok(intake.office.post("/reviewers/recusals/lifting", json={"person": "supervisor-1", "credit_code": theirs, "reason": "关系已终止。"}))
    eventually(lambda: told() == everything)


def test_a_recusal_that_is_lifted_is_one_person_s_alone(intake: Intake, award: Award) -> None:
    applicant = intake.filed(35)
    clerks = [award.client("committee", f"clerk-{number}", duties=["office"]) for number in (4, 5)]
    for clerk in clerks:
        ok(clerk.put("/me/interests", json={"interests": [{"credit_code": applicant.code, "kind": "kinship", "reason": "亲属任职。"}]}))
    eventually(lambda: {clerk.get(applicant.path).status_code for clerk in clerks} == {404})
    lifting = {"person": "clerk-4", "credit_code": applicant.code, "reason": "误填。"}
    ok(intake.office.post("/reviewers/recusals/lifting", json=lifting))
    eventually(lambda: clerks[0].get(applicant.path).status_code == 200)
    absent(clerks[1].get(applicant.path))


def test_screening_and_verifications_are_read_after_the_undertaking_and_the_reading_is_recorded(intake: Intake, award: Award) -> None:
    applicant = intake.filed(33)
    award.at(SCREENING)
    question = {"body": "dept-economy", "criterion": "3.3.1", "question": "近三年有无重大事故？", "due_on": "2026-04-20"}
    asked = f"/verifications/{ok(intake.office.post(f'{applicant.path}/verifications', json=question))['id']}"
    clerk = award.client("committee", "clerk-3", duties=["office"])
    refused(clerk.get(asked), "undertaking_missing", "7.6")
    assert ok(clerk.get("/verifications", params={"application": applicant.id}))["items"] == []
    intake.swear(clerk)
    ok(clerk.get(asked))
    ok(clerk.get(f"{applicant.path}/screening"))
    read = {facts["thing"] for facts in intake.facts_of("dossier.read", f"application:{applicant.id}")}
    assert {"screening", "verifications"} <= read


def test_a_finding_holds_the_screening_until_it_is_answered(intake: Intake, award: Award) -> None:
    award.at(SCREENING)
    supervisor = award.client("supervisor", "supervisor-1")
    finding = {"cycle": intake.cycle, "text": "两家组织的核实意见不一致，请说明。", "holds": "close_screening"}
    held = ok(supervisor.post("/findings", json=finding))["id"]
    intake.hear()
    refused(intake.close(), "finding_unanswered", "7.1")
    ok(intake.office.post(f"/findings/{held}/answer", json={"answer": "已补充说明。"}))
    refused(intake.close(), "screening_open", "5.3.1")


def test_who_is_disqualified_in_one_place_is_out_everywhere(intake: Intake, award: Award) -> None:
    applicant = intake.filed(34)
    login = {"kind": "person", "login": "clerk.four", "name": "周", "grants": [{"role": "committee", "duties": ["office"]}]}
    account = ok(intake.office.post("/accounts", json=login))
    clerk = award.client("committee", account["id"], duties=["office"])
    intake.swear(clerk)
    ok(clerk.get(f"{applicant.path}/sections/overview"))
    stated = {"code": "dept-water", "zh": "区水务局", "en": "District Bureau of Water", "sections": []}
    key = {"Idempotency-Key": "stated-before"}
    assert ok(clerk.post("/endorsing-bodies", json=stated, headers=key)) == ok(clerk.post("/endorsing-bodies", json=stated, headers=key))
    sanction = {"kind": "disqualification", "reason": "泄露申报组织的商业秘密。"}
    ok(intake.office.post(f"/accounts/{account['id']}/sanctions", json=sanction))
    version = intake.office.get(f"/accounts/{account['id']}").headers["etag"]
    ok(intake.office.patch(f"/accounts/{account['id']}", json={"status": "active"}, headers={"If-Match": version}))
    intake.hear()
    again = award.client("committee", account["id"], duties=["office"])
    refused(again.get(f"{applicant.path}/sections/overview"), "disqualified_from_review", "7.6")
    refused(again.post("/endorsing-bodies", json=stated, headers=key), "disqualified_from_review", "7.6")
    assert ok(again.get("/panels"))["items"] == []
    refused(again.get("/objections", params={"cycle": intake.cycle}), "disqualified_from_review", "7.6")


def test_the_group_dissolves_with_its_cycle(intake: Intake, award: Award) -> None:
    supervisor = award.client("supervisor", "supervisor-1")
    assert ok(supervisor.get("/applications"))["items"]
    motion = Committee(award).decide(intake.cycle, "cancellation", text="年度评审计划调整。")["id"]
    ok(intake.office.post(f"/cycles/{intake.cycle}/cancellation", json={"motion": motion}))
    intake.hear()
    assert ok(supervisor.get("/applications"))["items"] == []
    for service in ("intake", "scoring", "workflow", "gateway"):
        absent(supervisor.get(f"/record/{service}/events"))
