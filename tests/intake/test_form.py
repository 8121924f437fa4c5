"""The form as data, drafts that lose no edit, and what is still missing."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.intake.applicants import DRAFTING, ENDORSED, FILING, PDF, SECTIONS, Applicant, Intake, absent, indicators
from tests.rig import Award
from tests.workflow.committee import ok, refused

PARTS = ("leadership", "strategy", "customers", "resources", "processes", "measurement", "results")


@pytest.fixture(scope="module")
def module_intake(award: Award) -> Intake:
    return Intake(award)


@pytest.fixture
def intake(module_intake: Intake) -> Intake:
    module_intake.award.at(DRAFTING)
    return module_intake


def lacks(answer: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    return {
        one["section"]: [(lack["pointer"], lack["clause"]) for lack in one["missing"]] for one in answer["sections"] if not one["complete"]
    }


def test_every_section_is_described_by_json_schema_2020_12_in_both_languages(intake: Intake) -> None:
    form = ok(intake.award.client().get("/forms/jindong-2022"))
    for section in form["sections"]:
        schema = section["content_schema"]
        Draft202012Validator.check_schema(schema)
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert (schema["title"], schema["x-title-en"]) == (section["label"]["zh"], section["label"]["en"])
        Draft202012Validator(schema).validate(section["example"])
    by_name = {section["name"]: section["content_schema"] for section in form["sections"]}
    assert by_name["overview"]["properties"]["summary"]["maxLength"] == 3000
    assert by_name["self_assessment"]["x-total"] == 30_000
    land = by_name["indicators"]["properties"]["years"]["items"]["properties"]["land_mu"]
    assert (land["x-unit"], land["x-clause"], land["x-need"]) == ("亩", "3.2.7", "industrial")


def test_what_the_tests_fill_in_is_as_the_schema_says(intake: Intake) -> None:
    form = ok(intake.award.client().get("/forms/jindong-2022"))
    schemas = {section["name"]: section["content_schema"] for section in form["sections"]}
    for name, content in SECTIONS.items():
        Draft202012Validator(schemas[name]).validate(content)


def test_the_industries_are_served_by_level(intake: Intake) -> None:
    anyone = intake.award.client()
    below = ok(anyone.get("/forms/jindong-2022/industries", params={"below": "C342"}))["items"]
    assert below[0] == {"code": "C342", "zh": "金属加工机械制造"}
    assert below[1] == {"code": "C3421", "zh": "金属切削机床制造"}
    assert len(ok(anyone.get("/forms/jindong-2022/industries"))["items"]) == 1972
    absent(anyone.get("/forms/elsewhere/industries"))


@pytest.mark.parametrize(
    ("section", "content", "pointer"),
    [
        ("overview", {"summary": "长" * 3001}, "/body/summary"),
        ("self_assessment", dict.fromkeys(PARTS, "长" * 4286), "/body"),
        ("indicators", indicators(tax_paid="1.234"), "/body/years/2/tax_paid"),
        ("indicators", indicators(tax_paid=12.5), "/body/years/2/tax_paid"),
        ("indicators", indicators(tax_paid="1E+7"), "/body/years/2/tax_paid"),
        ("indicators", indicators(land_mu="0.00"), "/body/years/2/land_mu"),
        ("indicators", indicators(profits="1.00"), "/body/years/2/profits"),
        ("certificates", {"items": [{"kind": "iso"}]}, "/body/items/0/kind"),
        ("certificates", {"items": [{"issued_on": "2026-02-30"}]}, "/body/items/0/issued_on"),
        ("encouraged", {"industries": [{"industry": "gold"}]}, "/body/industries/0/industry"),
        ("overview", {"summary": None}, "/body/summary"),
    ],
)
def test_what_the_form_does_not_take_is_refused_by_its_place(intake: Intake, section: str, content: dict[str, Any], pointer: str) -> None:
    applicant = Applicant(intake.award, 101)
    ok(applicant.state_organisation())
    found = ok(applicant.client.get("/applications"))["items"]
    if found:
        applicant.id = found[0]["id"]
    else:
        ok(applicant.start(intake.cycle))
    answer = applicant.save(section, content)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.text


@pytest.mark.parametrize(
    ("number", "section", "content"),
    [
        (111, "overview", {"summary": "长" * 3000}),
        (112, "self_assessment", dict.fromkeys(PARTS[:6], "长" * 4286) | {PARTS[6]: "长" * 4284}),
    ],
)
def test_a_text_may_be_as_long_as_the_form_says(intake: Intake, number: int, section: str, content: dict[str, str]) -> None:
    applicant = Applicant(intake.award, number)
    ok(applicant.state_organisation())
    ok(applicant.start(intake.cycle))
    assert ok(applicant.save(section, content))["content"] == content


def test_the_form_asks_for_figures_certificates_awards_and_results_of_every_kind(intake: Intake) -> None:
    form = ok(intake.award.client().get("/forms/jindong-2022"))
    schemas = {section["name"]: section["content_schema"]["properties"] for section in form["sections"]}

    def row(section: str, rows: str = "items") -> dict[str, Any]:
        columns: dict[str, Any] = schemas[section][rows]["items"]["properties"]
        return columns

    def keys(choice: dict[str, Any]) -> list[str]:
        return [one["const"] for one in choice["oneOf"]]

    units = {name: column.get("x-unit") for name, column in row("indicators", "years").items()}
    in_yuan = ("assets", "revenue", "profit", "tax_paid", "sales", "research")
    assert {name: units[name] for name in in_yuan} == dict.fromkeys(in_yuan, "元")
    assert {"land_mu", "labour_productivity", "quality_loss_rate", "new_product_share", "energy_use"} <= {
        name for name in units if units[name]
    }
    assert (units["land_mu"], schemas["indicators"]["years"]["minItems"]) == ("亩", 3)
    indicator = row("products")["indicators"]["items"]["properties"]
    assert {"indicator", "own", "domestic", "international"} <= indicator.keys()
    assert {"number", "issuer", "issued_on", "valid_until"} <= row("certificates").keys()
    assert keys(row("certificates")["kind"])[:6] == [
        "quality", "environment", "occupational_health", "pinzi_brand", "patent_demonstration", "high_tech",
    ]  # fmt: skip
    assert keys(row("earlier_awards")["level"]) == ["national", "provincial", "city", "district", "other"]
    assert form["innovation_fields"] == ["management", "standards", "brand", "intellectual_property"]
    assert row("innovation", "results")["field"]["enum"] == form["innovation_fields"]
    assert {"voluntary", "truthful"} <= schemas["declarations"].keys()


def test_a_proof_is_wanted_until_an_attachment_proves_it_and_one_that_is_named_must_be_there(intake: Intake) -> None:
    title = {"flag": "high_tech", "certificate": "GR202333001234"}
    certificate = {"kind": "quality", "number": "1", "issuer": "某中心", "issued_on": "2025-01-10"}
    applicant = intake.drafted(113, preferences={"titles": [title]}, certificates={"items": [certificate]})
    attachments = f"{applicant.path}/attachments"

    def wanted() -> dict[str, list[str]]:
        sections = ok(applicant.client.get(f"{applicant.path}/completeness"))["sections"]
        return {one["section"]: [lack["pointer"] for lack in one["unproved"]] for one in sections if one["unproved"]}

    def added(requirement: str) -> str:
        params = {"name": "证明.pdf", "requirement": requirement}
        return str(ok(applicant.client.post(attachments, params=params, content=PDF))["id"])

    assert wanted() == {"certificates": ["/items/0/attachment"], "preferences": ["/titles/0/attachment"]}
    proofs = [added("3.2.5"), added("3.2.5")]
    assert wanted() == {"certificates": ["/items/0/attachment"]}
    assert [one["id"] for one in ok(applicant.client.get(attachments))["items"] if one["requirement"] == "3.2.5"] == proofs
    scan = added("other")
    ok(applicant.save("certificates", {"items": [certificate | {"attachment": scan}]}))
    assert wanted() == {}
    assert applicant.client.delete(f"{attachments}/{scan}").status_code == 204
    left = lacks(ok(applicant.client.get(f"{applicant.path}/completeness")))
    assert left == {"certificates": [("/items/0/attachment", "3.2.3")]}
    refused(applicant.submit(), "sections_missing", "5.2")
    ok(applicant.save("certificates", {"items": [certificate]}))
    ok(applicant.submit())


def test_a_section_that_the_form_does_not_have_is_absent(intake: Intake) -> None:
    applicant = intake.drafted(102)
    absent(applicant.client.get(f"{applicant.path}/sections/horoscope"))
    absent(applicant.client.put(f"{applicant.path}/sections/horoscope", json={}, headers={"If-Match": '"0"'}))


def test_an_exact_number_stays_as_it_was_written(intake: Intake) -> None:
    applicant = intake.drafted(103, indicators=indicators(tax_paid="99999999999999.99", profit="-0.10"))
    year = ok(applicant.client.get(f"{applicant.path}/sections/indicators"))["content"]["years"][2]
    assert (year["tax_paid"], year["profit"]) == ("99999999999999.99", "-0.10")
    taxes = ok(applicant.client.get(f"{applicant.path}/completeness"))["tax_per_mu"]
    assert taxes[2] == {"year": 2025, "yuan": "1999999999999.99"}


def test_completeness_says_what_is_missing_with_the_clause_that_asks_for_it(intake: Intake) -> None:
    applicant = Applicant(intake.award, 104)
    ok(applicant.state_organisation())
    ok(applicant.start(intake.cycle))
    path = f"{applicant.path}/completeness"
    empty = ok(applicant.client.get(path))
    assert lacks(empty)["self_assessment"] == [("", "4.2")]
    assert set(lacks(empty)) == {"declarations", "overview", "self_assessment", "products", "indicators", "history"}
    ok(applicant.save("overview", {"summary": "专业生产机床。"}))
    assert lacks(ok(applicant.client.get(path)))["overview"] == [("/employees", "5.2"), ("/products", "5.2")]
    applicant.fill(indicators={"years": indicators()["years"][:2], "ranking": "第3位"})
    left = ok(applicant.client.get(path))
    assert (left["complete"], lacks(left)) == (False, {"indicators": [("/years/2025", "3.2.4")]})
    refused(applicant.submit(), "sections_missing", "5.2")
    ok(applicant.save("indicators", indicators()))
    assert ok(applicant.client.get(path))["complete"] is True
    ok(applicant.submit())
    assert ok(intake.town.get(path))["complete"] is True


def test_two_people_edit_different_sections_and_both_succeed(intake: Intake) -> None:
    applicant = intake.drafted(105)
    colleague = intake.award.client("applicant", "colleague-105", org=applicant.code)
    edits = {"overview": SECTIONS["overview"] | {"employees": 7}, "declarations": SECTIONS["declarations"] | {"signatory": "方二"}}
    tags = {name: applicant.client.get(f"{applicant.path}/sections/{name}").headers["etag"] for name in edits}

    def save(name: str) -> int:
        client = applicant.client if name == "overview" else colleague
        return client.put(f"{applicant.path}/sections/{name}", json=edits[name], headers={"If-Match": tags[name]}).status_code

    with ThreadPoolExecutor() as together:
        assert list(together.map(save, edits)) == [200, 200]
    assert {name: ok(colleague.get(f"{applicant.path}/sections/{name}"))["content"] for name in edits} == edits


def test_of_two_edits_of_one_section_the_later_is_told_the_current_version(intake: Intake) -> None:
    applicant = intake.drafted(106)
    path = f"{applicant.path}/sections/overview"
    tag = {"If-Match": applicant.client.get(path).headers["etag"]}
    ok(applicant.client.put(path, json={"summary": "先"}, headers=tag))
    late = applicant.client.put(path, json={"summary": "后"}, headers=tag)
    assert (late.status_code, late.json()["current_version"]) == (412, 2)
    assert applicant.client.put(path, json={"summary": "后"}).status_code == 428
    assert ok(applicant.client.get(path))["content"] == {"summary": "先"}


def test_of_edits_of_one_section_at_once_one_wins_and_the_others_are_told_its_version(intake: Intake) -> None:
    applicant = intake.drafted(119)
    path = f"{applicant.path}/sections/overview"
    colleague = intake.award.client("applicant", "colleague-119", org=applicant.code)
    tag = {"If-Match": applicant.client.get(path).headers["etag"]}
    edits = [(applicant.client if number % 2 else colleague, {"summary": f"第{number}稿"}) for number in range(8)]
    with ThreadPoolExecutor(len(edits)) as together:
        answers = list(together.map(lambda edit: edit[0].put(path, json=edit[1], headers=tag), edits))
    won = [edit[1] for edit, answer in zip(edits, answers, strict=True) if answer.is_success]
    late = [answer for answer in answers if not answer.is_success]
    assert [(one.status_code, one.json()["current_version"]) for one in late] == [(412, 2)] * 7
    assert won == [ok(colleague.get(path))["content"]]
    ok(applicant.save("overview", {"summary": "合稿"}))
    assert ok(colleague.get(path))["content"] == {"summary": "合稿"}


def test_encouraged_industries_are_tags_of_the_form(intake: Intake) -> None:
    tags = {"industries": [{"industry": "smart_manufacturing", "grounds": "数字化车间"}, {"industry": "hub_economy"}]}
    applicant = intake.submitted(107, encouraged=tags)
    frozen = ok(applicant.client.get(f"{applicant.path}/versions/1"))["content"]
    assert frozen["sections"]["encouraged"] == tags


def test_a_return_says_what_to_correct_and_a_new_version_what_was(intake: Intake) -> None:
    applicant = intake.submitted(108)
    back = {"decision": "return", "remarks": "请补正。", "section_remarks": {"overview": "从业人数有误。"}}
    path = f"{applicant.path}/endorsement"
    unknown = intake.town.post(path, json=back | {"section_remarks": {"horoscope": "缺。"}})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "section_unknown")
    ok(intake.town.post(path, json=back))
    section = f"{applicant.path}/sections/overview"
    assert ok(applicant.client.get(section))["remark"] == "从业人数有误。"
    assert ok(applicant.client.get(f"{applicant.path}/sections/history"))["remark"] is None
    ok(applicant.save("overview", SECTIONS["overview"] | {"employees": 421}))
    added = {"items": [{"kind": "quality", "number": "1", "issuer": "某中心", "issued_on": "2025-01-10"}]}
    ok(applicant.save("certificates", added))
    ok(applicant.submit())
    assert ok(applicant.client.get(section))["remark"] is None
    difference = ok(intake.town.get(f"{applicant.path}/versions/2/difference"))
    assert (difference["number"], difference["against"]) == (2, 1)
    assert sorted(difference["changes"], key=lambda one: one["pointer"]) == [
        {"pointer": "/sections/certificates", "change": "added", "before": None, "after": added},
        {"pointer": "/sections/overview/employees", "change": "changed", "before": 420, "after": 421},
    ]
    back_again = ok(applicant.client.get(f"{applicant.path}/versions/1/difference", params={"against": 2}))["changes"]
    assert {one["change"] for one in back_again} == {"removed", "changed"}
    first = ok(intake.town.get(f"{applicant.path}/versions/1"))["content"]["sections"]
    assert (first["overview"]["employees"], "certificates" in first) == (420, False)
    for nothing in ("1/difference", "3/difference", "2/difference?against=9"):
        absent(applicant.client.get(f"{applicant.path}/versions/{nothing}"))


def test_the_office_sends_a_filed_application_back_while_the_window_is_open(intake: Intake) -> None:
    applicant = intake.filed(109)
    ok(applicant.client.get(f"{applicant.path}/receipt"))
    path = f"{applicant.path}/correction"
    given = {"remarks": "请补正。", "section_remarks": {"indicators": "与完税证明不一致。"}}
    assert ok(intake.office.get(applicant.path))["actions"]["correction"]["allowed"] is True
    assert intake.town.post(path, json=given).status_code == 403
    assert ok(intake.office.post(path, json=given))["state"] == "returned"
    absent(applicant.client.get(f"{applicant.path}/receipt"))
    refused(intake.office.post(path, json=given), "wrong_state", "5.3.1")
    assert ok(applicant.client.get(f"{applicant.path}/sections/indicators"))["remark"] == "与完税证明不一致。"
    ok(applicant.save("indicators", indicators(tax_paid="11000000.00")))
    ok(applicant.submit())
    ok(intake.town.post(f"{applicant.path}/endorsement", json=ENDORSED))
    receipt = ok(applicant.client.get(f"{applicant.path}/receipt"))
    assert (receipt["version"], receipt["filed_at"][:10]) == (2, FILING[:10])
    intake.award.at("2026-04-01T00:00:00+08:00")
    refused(intake.office.post(path, json=given), "wrong_phase", "5.3.1")
