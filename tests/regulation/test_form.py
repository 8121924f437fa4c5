from typing import Any

import pytest

from regulation.edition import load, names
from regulation.form import Case, Field, Section, form, missing, unproved

EDITION = "jindong-2022"
INDUSTRY, SERVICE, INNOVATOR = Case(True, False, 2026), Case(False, False, 2026), Case(False, True, 2026)  # noqa: FBT003 - named by position
EXAMPLES: dict[str, dict[str, Any]] = {name: dict(section.example) for name, section in form(EDITION).items()}


def lacking(case: Case = INDUSTRY, **changed: dict[str, Any] | None) -> list[str]:
    sections = {name: content for name, content in (EXAMPLES | changed).items() if content is not None}
    return [one.named for one in missing(EDITION, sections, case)]


def every_field(fields: tuple[Field, ...]) -> list[Field]:
    return [one for field in fields for one in (field, *every_field(field.columns))]


def test_the_examples_together_are_a_complete_form() -> None:
    assert lacking() == lacking(SERVICE) == lacking(INNOVATOR) == []


@pytest.mark.parametrize("edition", names())
def test_every_section_and_field_names_a_clause_that_asks_for_it_and_both_languages(edition: str) -> None:
    clauses = load(edition).clauses
    for section in form(edition).values():
        named: list[Section | Field] = [section, *every_field(section.fields)]
        for one in named:
            assert one.clause in clauses
            assert one.zh
            assert one.en


def test_an_empty_form_lacks_each_required_section_with_its_clause() -> None:
    asked = ["declarations (1.4)", "overview (5.2)", "self_assessment (4.2)", "products (3.2.4)", "indicators (3.2.4)", "history (3.3)"]
    assert [one.named for one in missing(EDITION, {}, SERVICE)] == asked
    assert "innovation (1.3)" in [one.named for one in missing(EDITION, {}, INNOVATOR)]


def test_a_section_in_part_lacks_its_other_fields() -> None:
    assert lacking(overview={"summary": "简介"}) == ["overview/employees (5.2)", "overview/products (5.2)"]


def test_a_declaration_must_be_affirmed() -> None:
    assert lacking(declarations=EXAMPLES["declarations"] | {"truthful": False}) == ["declarations/truthful (7.2)"]


def test_three_years_before_the_cycle_are_asked_for() -> None:
    years = EXAMPLES["indicators"]["years"]
    assert lacking(indicators=EXAMPLES["indicators"] | {"years": years[:2]}) == ["indicators/years/2025 (3.2.4)"]


def test_industry_alone_states_its_land() -> None:
    years = [{name: year[name] for name in year if name != "land_mu"} for year in EXAMPLES["indicators"]["years"]]
    stated = EXAMPLES["indicators"] | {"years": years}
    assert lacking(SERVICE, indicators=stated) == []
    assert lacking(indicators=stated) == [f"indicators/years/{place}/land_mu (3.2.7)" for place in range(3)]


def test_who_seeks_the_innovation_award_states_a_result() -> None:
    assert lacking(INNOVATOR, innovation={"results": []}) == ["innovation/results (1.3)"]
    assert lacking(SERVICE, innovation={"results": []}) == []


def test_a_product_has_an_indicator_and_a_repair_its_day() -> None:
    assert lacking(products={"items": [{"name": "机床", "indicators": []}]}) == ["products/items/0/indicators (3.2.4)"]
    incident = EXAMPLES["history"]["incidents"][0] | {"repair": {"confirmed_by": "区市场监督管理局"}}
    assert lacking(history={"incidents": [incident]}) == ["history/incidents/0/repair/confirmed_on (3.4)"]


def test_a_proof_that_is_named_must_be_attached() -> None:
    stated = {"titles": [EXAMPLES["preferences"]["titles"][0] | {"attachment": "a-file"}]}
    assert lacking(preferences=stated) == ["preferences/titles/0/attachment (3.2.5)"]
    assert lacking(Case(True, False, 2026, frozenset({"a-file"})), preferences=stated) == []  # noqa: FBT003 - named by position


@pytest.mark.parametrize(
    ("proved", "bare"),
    [
        ([], ["certificates/items/0/attachment (3.2.3)", "preferences/titles/0/attachment (3.2.5)"]),
        (["3.2.5"], ["certificates/items/0/attachment (3.2.3)"]),
        (["certificates", "3.2.5"], []),
    ],
)
def test_what_nothing_proves_is_told_by_its_clause(proved: list[str], bare: list[str]) -> None:
    assert [one.named for one in unproved(EDITION, EXAMPLES, proved)] == bare
    named = {"titles": [{"attachment": "a-file"}]}
    assert unproved(EDITION, {"preferences": named}, []) == []
