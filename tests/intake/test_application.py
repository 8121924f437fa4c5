import hashlib
from typing import Any

import pytest
import rfc8785
from sqlalchemy import event

from kernel import logs
from tests.intake.applicants import (
    DRAFTING,
    ENDORSED,
    FILING,
    INNOVATION,
    ORGANISATION,
    PDF,
    SCREENING,
    SECTIONS,
    TOWN,
    Applicant,
    Intake,
    absent,
    incident,
    indicators,
)
from tests.rig import Award
from tests.workflow.committee import ok, refused


@pytest.fixture(scope="module")
def module_intake(award: Award) -> Intake:
    return Intake(award)


@pytest.fixture
def intake(module_intake: Intake) -> Intake:
    module_intake.award.at(DRAFTING)
    return module_intake


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"legal_form": "branch"}, "no_legal_person_branch"),
        ({"legal_form": "sole_trader"}, "no_legal_person_sole_trader"),
        ({"township": "330702001"}, "outside_district"),
        ({"industry": "C0100"}, "industry_section"),
    ],
)
def test_only_a_legal_person_of_the_district_states_itself(intake: Intake, given: dict[str, object], code: str) -> None:
    refused(Applicant(intake.award, 1).state_organisation(**given), code, "3.1")


@pytest.mark.parametrize(("code", "right"), [("91330703MA00000901", "0"), ("N2330703MF0000013U", "T")])
def test_a_wrong_check_character_is_told_which_is_right(intake: Intake, code: str, right: str) -> None:
    client = intake.award.client("applicant", org=code)
    answer = client.put(f"/organisations/{code}", json=ORGANISATION, headers={"If-Match": '"0"'})
    refused(answer, "credit_code_check_character", "3.1")
    assert f"“{right}”" in answer.json()["detail"]


def test_a_rural_collective_states_itself_by_its_code(intake: Intake) -> None:
    code = "N2330703MF0000013T"
    client = intake.award.client("applicant", org=code)
    assert ok(client.put(f"/organisations/{code}", json=ORGANISATION, headers={"If-Match": '"0"'}))["credit_code"] == code


def test_an_industry_is_stated_at_any_level_and_the_whole_profile_is_kept(intake: Intake) -> None:
    applicant = Applicant(intake.award, 2)
    for industry in ("C", "C34", "C342", "C3421"):
        assert ok(applicant.state_organisation(industry=industry))["industry"] == industry
    refused(applicant.state_organisation(industry="C3420"), "industry_unknown", "3.1")
    refusals: list[dict[str, Any]] = [{"size": "huge"}, {"contacts": []}, {"name": ""}, {"registered_on": "2023-02-30"}]
    for wrong in refusals:
        assert applicant.state_organisation(**wrong).status_code == 422
    kept = ok(applicant.client.get(f"/organisations/{applicant.code}"))
    contact = {"name": "方志远", "telephone": "0579-82190000", "position": "", "email": None}
    assert {name: kept[name] for name in ORGANISATION} == ORGANISATION | {"contacts": [contact]}


def test_an_organisation_is_its_own_and_the_office_s_to_read(intake: Intake) -> None:
    mine, other = Applicant(intake.award, 3), Applicant(intake.award, 4)
    ok(mine.state_organisation())
    path = f"/organisations/{mine.code}"
    absent(other.client.get(path))
    assert ok(intake.office.get(path))["actions"] == {}
    assert mine.client.put(path, json={}, headers={"If-Match": '"0"'}).status_code == 422
    assert mine.state_organisation(name="新名称").headers["etag"].startswith('"2-')
    stale = {name: value for name, value in ok(mine.client.get(path)).items() if name not in {"credit_code", "version", "actions"}}
    assert mine.client.put(path, json=stale, headers={"If-Match": '"1"'}).status_code == 412


@pytest.mark.parametrize(
    ("given", "code", "clause"),
    [
        ({"awards": []}, "awards_sought", "1.1"),
        ({"awards": ["gold"]}, "unknown_award", "1.1"),
        ({"field": "finance"}, "field_not_covered", "1.2"),
    ],
)
def test_an_application_seeks_what_there_is(intake: Intake, given: dict[str, object], code: str, clause: str) -> None:
    applicant = Applicant(intake.award, 5)
    ok(applicant.state_organisation())
    refused(applicant.start(intake.cycle, **given), code, clause)


def test_one_organisation_has_one_application_a_cycle(intake: Intake) -> None:
    applicant = Applicant(intake.award, 6)
    refused(applicant.start(intake.cycle), "organisation_missing")
    ok(applicant.state_organisation())
    ok(applicant.start(intake.cycle))
    refused(applicant.start(intake.cycle), "second_application", "3.1")
    ok(applicant.client.post(f"{applicant.path}/withdrawal", json={"reason": "计划调整。"}))
    assert ok(applicant.start(intake.cycle))["state"] == "draft"


def test_a_stored_answer_is_not_for_who_acts_for_another_organisation_now(intake: Intake) -> None:
    applicant, other = Applicant(intake.award, 8), Applicant(intake.award, 9)
    ok(applicant.state_organisation())
    sought = {"cycle": intake.cycle, "awards": ["quality"], "field": "production"}
    key = {"Idempotency-Key": "started-for-one"}
    assert ok(applicant.client.post("/applications", json=sought, headers=key)) == ok(
        applicant.client.post("/applications", json=sought, headers=key)
    )
    moved = intake.award.client("applicant", applicant.person, org=other.code)
    assert moved.post("/applications", json=sought, headers=key).json()["code"] == "idempotency_key_reused"


def test_an_incomplete_application_is_not_submitted(intake: Intake) -> None:
    applicant = Applicant(intake.award, 7)
    ok(applicant.state_organisation())
    ok(applicant.start(intake.cycle))
    refused(applicant.submit(), "not_voluntary", "1.4")
    ok(applicant.save("declarations", SECTIONS["declarations"] | {"voluntary": False}))
    refused(applicant.submit(), "not_voluntary", "1.4")
    ok(applicant.save("declarations", SECTIONS["declarations"]))
    refused(applicant.submit(), "sections_missing", "5.2")
    why = applicant.read()["actions"]["submission"]["why"]
    assert why["code"] == "sections_missing"


@pytest.mark.parametrize(
    ("number", "organisation", "sections", "code", "clause"),
    [
        (10, {"registered_on": "2023-04-01"}, {}, "too_young", "3.2.1"),
        (11, {"in_district_since": "2023-04-01"}, {}, "too_young", "3.2.1"),
        (12, {}, {"indicators": indicators(tax_paid="9999999.99")}, "tax_per_mu_too_low", "3.2.7"),
        (13, {}, {"indicators": indicators(2024)}, "sections_missing", "5.2"),
        (14, {}, {"history": {"incidents": [incident("accident", "2023-03-31")]}}, "veto_accident", "3.3.1"),
        (15, {}, {"history": {"incidents": [incident("spot_check", "2024-01-01")]}}, "veto_spot_check", "3.3.2"),
        (16, {}, {"history": {"incidents": [incident("complaint", "2024-01-01")]}}, "veto_complaint", "3.3.3"),
        (17, {}, {"history": {"incidents": [incident("credit_record", "2024-01-01")]}}, "veto_credit_record", "3.3.1"),
    ],
)
def test_what_no_day_of_the_window_can_cure_is_not_submitted(
    intake: Intake, number: int, organisation: dict[str, Any], sections: dict[str, Any], code: str, clause: str
) -> None:
    refused(intake.drafted(number, organisation=organisation, **sections).submit(), code, clause)


def test_a_repair_is_for_credit_alone(intake: Intake) -> None:
    repair = {"confirmed_by": "区市场监督管理局", "confirmed_on": "2025-05-01"}
    hurt = intake.drafted(18, history={"incidents": [incident("complaint", "2024-01-01", repair=repair)]})
    refused(hurt.submit(), "repair_impossible", "3.4")
    mended = intake.drafted(19, history={"incidents": [incident("credit_record", "2024-01-01", repair=repair)]})
    assert ok(mended.submit())["state"] == "submitted"


def test_an_innovation_seeker_states_results_in_a_known_field(intake: Intake) -> None:
    seeker = intake.drafted(20, sought={"awards": ["innovation"]})
    refused(seeker.submit(), "innovation_results_missing", "1.3")
    refused(seeker.save("innovation", {"results": [{"field": "luck", "result": "无。"}]}), "innovation_field_unknown", "1.3")
    ok(seeker.save("innovation", INNOVATION))
    assert ok(seeker.submit())["state"] == "submitted"


def test_the_right_body_is_that_of_the_address_or_of_the_industry(intake: Intake) -> None:
    applicant = intake.drafted(21)
    refused(applicant.submit("330703102"), "wrong_township", "5.2")
    refused(applicant.submit("dept-agriculture"), "department_not_authorised", "5.2")
    assert applicant.submit("nobody").status_code == 422
    assert ok(applicant.submit("dept-economy"))["endorsing_body"] == "dept-economy"
    absent(intake.town.get(applicant.path))


def test_a_frozen_version_is_addressed_by_its_content(intake: Intake) -> None:
    applicant = intake.drafted(22)
    path = f"{applicant.path}/attachments"
    added = ok(
        applicant.client.post(
            path, params={"name": "执照.pdf", "requirement": "3.1"}, content=PDF, headers={"content-type": "application/pdf"}
        )
    )
    assert (added["sha256"], added["media_type"]) == (hashlib.sha256(PDF).hexdigest(), "application/pdf")
    ok(applicant.submit())
    frozen = ok(applicant.client.get(f"{applicant.path}/versions/1"))
    assert hashlib.sha256(rfc8785.dumps(frozen["content"])).hexdigest() == frozen["sha256"]
    assert [one["id"] for one in frozen["content"]["attachments"]] == [added["id"]]
    content = intake.town.get(f"{path}/{added['id']}/content")
    assert (content.content, content.headers["x-content-type-options"]) == (PDF, "nosniff")
    refused(applicant.save("overview", SECTIONS["overview"]), "wrong_state", "5.2")
    refused(applicant.client.delete(f"{path}/{added['id']}"), "wrong_state", "5.2")


def test_what_was_returned_is_corrected_while_officials_read_what_was_submitted(intake: Intake) -> None:
    applicant = intake.submitted(23)
    returned = {"decision": "return", "remarks": "请补充产值说明。"}
    assert intake.town.post(f"{applicant.path}/endorsement", json={"decision": "return"}).status_code == 422
    ok(intake.town.post(f"{applicant.path}/endorsement", json=returned))
    ok(applicant.save("overview", SECTIONS["overview"] | {"employees": 421}))
    section = f"{applicant.path}/sections/overview"
    assert ok(intake.town.get(section))["content"]["employees"] == 420
    assert ok(applicant.client.get(section))["content"]["employees"] == 421
    ok(applicant.submit())
    assert ok(intake.town.get(section))["content"]["employees"] == 421
    assert len(ok(applicant.client.get(f"{applicant.path}/versions"))["items"]) == 2


def test_a_declined_application_goes_to_another_body_unchanged(intake: Intake) -> None:
    applicant = intake.submitted(24)
    ok(intake.town.post(f"{applicant.path}/endorsement", json={"decision": "decline", "remarks": "不予推荐。"}))
    refused(applicant.submit(), "declined_by_this_body", "5.2")
    rerouted = ok(applicant.submit("dept-economy"))
    assert (rerouted["state"], rerouted["submitted_version"]) == ("submitted", 1)
    absent(intake.town.get(applicant.path))


def test_an_endorsement_is_a_signed_opinion_of_the_addressed_body(intake: Intake) -> None:
    applicant = intake.submitted(25)
    intake.award.at(FILING)
    path = f"{applicant.path}/endorsement"
    absent(intake.award.client("endorser", body="330703102").post(path, json=ENDORSED))
    refused(intake.town.post(path, json=ENDORSED | {"opinion": " "}), "opinion_missing", "5.2")
    refused(intake.town.post(path, json=ENDORSED | {"signatory": ""}), "signatory_missing", "5.2")
    refused(intake.town.post(path, json=ENDORSED | {"signed_on": "2026-03-21"}), "signing_date", "5.2")
    absent(applicant.client.get(f"{applicant.path}/receipt"))
    tried = ok(intake.town.post(path, params={"dry_run": "true"}, json=ENDORSED))
    assert (tried["state"], applicant.read()["state"]) == ("filed", "submitted")
    assert ok(intake.town.post(path, json=ENDORSED))["state"] == "filed"
    receipt = ok(applicant.client.get(f"{applicant.path}/receipt"))
    assert (receipt["endorsing_body"], receipt["version"]) == (TOWN, 1)
    assert receipt["sha256"] == ok(applicant.client.get(f"{applicant.path}/versions"))["items"][0]["sha256"]
    kinds = [one["kind"] for one in ok(applicant.client.get(f"{applicant.path}/timeline"))["items"]]
    assert kinds == ["application.started", "application.submitted", "application.endorsed"]


def test_three_years_are_counted_to_the_day_of_filing(intake: Intake) -> None:
    applicant = intake.submitted(26, organisation={"registered_on": "2023-03-20", "in_district_since": "2023-03-20"})
    path = f"{applicant.path}/endorsement"
    intake.award.at("2026-03-19T23:59:59+08:00")
    refused(intake.town.post(path, json=ENDORSED | {"signed_on": "2026-03-19"}), "too_young", "3.2.1")
    why = ok(intake.town.get(applicant.path))["actions"]["endorsement"]["why"]
    assert (why["clause"], why["earliest"]) == ("3.2.1", "2026-03-20T00:00:00+08:00")
    intake.award.at("2026-03-20T00:00:00+08:00")
    assert ok(intake.town.post(path, json=ENDORSED))["state"] == "filed"


def test_the_window_is_half_open(award: Award) -> None:
    intake = Intake(award, 2027)
    early = intake.drafted(27, indicators=indicators(2026))
    award.at("2026-02-28T23:59:59+08:00")
    refused(early.submit(), "window_not_open", "5.2")
    award.at("2026-03-01T00:00:00+08:00")
    ok(early.submit())
    award.at(SCREENING)
    path = f"{early.path}/endorsement"
    refused(intake.town.post(path, json=ENDORSED), "window_closed", "5.2")
    why = ok(intake.town.get(early.path))["actions"]["endorsement"]["why"]
    assert (why["code"], why["clause"]) == ("window_closed", "5.2")
    late = Applicant(award, 28)
    ok(late.state_organisation())
    refused(late.start(intake.cycle), "wrong_phase", "5.2")
    award.at("2026-03-31T23:59:59+08:00")
    assert ok(intake.town.post(path, json=ENDORSED))["state"] == "filed"


def test_lists_show_one_s_own(intake: Intake) -> None:
    applicant = intake.submitted(29)
    assert [one["id"] for one in ok(applicant.client.get("/applications"))["items"]] == [applicant.id]
    addressed = ok(intake.town.get("/applications", params={"cycle": intake.cycle, "state": "submitted", "limit": 200}))["items"]
    assert {one["endorsing_body"] for one in addressed} == {TOWN}
    assert applicant.id in {one["id"] for one in addressed}
    page = ok(intake.office.get("/applications", params={"limit": 1}))
    following = ok(intake.office.get("/applications", params={"limit": 1, "cursor": page["next_cursor"]}))
    assert page["items"][0]["id"] < following["items"][0]["id"]
    draft = intake.drafted(30)
    absent(intake.office.get(draft.path))


def test_the_form_describes_every_section(intake: Intake) -> None:
    form = ok(intake.award.client().get("/forms/jindong-2022"))
    assert [section["name"] for section in form["sections"]] == [
        "declarations", "overview", "encouraged", "self_assessment", "products", "indicators", "certificates", "earlier_awards",
        "innovation", "preferences", "history",
    ]  # fmt: skip
    absent(intake.award.client().get("/forms/elsewhere"))
    applicant = intake.drafted(31)
    answer = applicant.save("overview", {"summary": "简介", "employees": "many", "products": "机床"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/body/employees")


def test_ones_own_application_is_read_with_three_queries(award: Award, intake: Intake) -> None:
    applicant = intake.drafted(77)
    asked: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if logs.request_id.get() == "count-these" and "clock_shift" not in statement:  # production has no clock to ask for
            asked.append(statement)

    engine = award.product.programs["intake"].state.service.engine
    event.listen(engine, "before_cursor_execute", count)
    try:
        ok(applicant.client.get(applicant.path, headers={"X-Request-Id": "count-these"}))
    finally:
        event.remove(engine, "before_cursor_execute", count)
    assert len(asked) == 3, "\n".join(asked)
