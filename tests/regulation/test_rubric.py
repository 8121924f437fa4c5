"""The rubrics that ship, and what a broken one is told."""

import pytest

from regulation.refusal import Refusal
from regulation.rubric import RUBRICS, load, names, parse

SHIPPED = (RUBRICS / "gbt-19580-2012.toml").read_text(encoding="utf-8")
FIRST_ITEM = """[[item]]
id = "4.1.2"
category = "4.1"
zh = "高层领导的作用"
en = "Role of senior leaders"
points = 50
kind = "process"
"""


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_the_standards_that_ship() -> None:
    assert {name: (len(load(name).categories), len(load(name).items), load(name).total) for name in names()} == {
        "baldrige-2021": (7, 17, 1000),
        "gbt-19580-2012": (7, 23, 1000),
    }


def test_the_items_are_those_of_the_standard() -> None:
    points = [50, 30, 30, 40, 50, 40, 50, 60, 15, 20, 15, 10, 10, 50, 50, 40, 40, 80, 80, 80, 60, 50, 50]
    assert [item.points for item in load("gbt-19580-2012").items] == points
    points = [70, 50, 45, 40, 40, 45, 45, 45, 40, 45, 45, 40, 120, 80, 80, 80, 90]
    assert [item.points for item in load("baldrige-2021").items] == points
    assert {item.id for item in load("gbt-19580-2012").items if item.kind == "results"} == {f"4.7.{number}" for number in range(2, 8)}


def test_a_rating_has_the_band_of_its_item_s_kind() -> None:
    rubric = load("gbt-19580-2012")
    band = rubric.band("4.7.2", 65)
    assert (band.kind, band.low, band.high) == ("results", 50, 65)
    assert rubric.band("4.1.2", 70).kind == "process"


def test_an_item_that_the_rubric_does_not_have() -> None:
    with pytest.raises(Refusal) as caught:
        load("gbt-19580-2012").item("4.1.1")
    assert (caught.value.code, caught.value.clause) == ("rubric_item_unknown", "4.1")


@pytest.mark.parametrize(
    ("old", "new", "code", "at"),
    [
        ("points = 50\n", "points = 51\n", "rubric_total", "total = 1000"),
        (FIRST_ITEM, FIRST_ITEM + "\n" + FIRST_ITEM, "rubric_duplicate", None),
        ('kind = "process"\n\n[[item]]', 'kind = "attitude"\n\n[[item]]', "rubric_item_kind", 'kind = "attitude"'),
        ('kind = "process"\nlow', 'kind = "attitude"\nlow', "rubric_item_kind", 'kind = "attitude"'),
        ('category = "4.1"', 'category = "4.9"', "rubric_value", 'category = "4.9"'),
        ("points = 50\n", 'points = "fifty"\n', "rubric_value", 'points = "fifty"'),
        ("points = 50\n", "points = 0\n", "rubric_value", "points = 0"),
        ("points = 50\n", "points = 50\nweight = 2\n", "rubric_value", "weight = 2"),
        ("points = 50\n", "", "rubric_value", "[[item]]"),
        ("total = 1000\n", "total = true\n", "rubric_value", "total = true"),
        ("total = 1000\n", "", "rubric_value", "\n# GB/T"),
        ("total = 1000\n", "total = 1000\nyear = 2012\n", "rubric_value", "year = 2012"),
        ("low = 10\n", "low = 15\n", "rubric_band", '[[band]]\nkind = "process"\nlow = 15'),
        ("high = 25\n", "high = 26\n", "rubric_band", '[[band]]\nkind = "process"\nlow = 10'),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(old: str, new: str, code: str, at: str | None) -> None:
    text = SHIPPED.replace(old, new, 1)
    with pytest.raises(Refusal) as caught:
        parse(text)
    expected = line_of(text, FIRST_ITEM) + FIRST_ITEM.count("\n") + 2 if at is None else line_of("\n" + text, at) - 1 or 1
    assert (caught.value.code, caught.value.clause, caught.value.facts["line"]) == (code, "4.1", expected)
    assert caught.value.sentence("zh") != caught.value.sentence("en")


def test_bands_that_stop_short_of_full_marks() -> None:
    with pytest.raises(Refusal) as caught:
        parse(SHIPPED[: SHIPPED.rindex("[[band]]")])
    assert caught.value.code == "rubric_band"


def test_a_key_missing_at_the_end_of_the_file_is_told_its_table() -> None:
    text = SHIPPED[: SHIPPED.rindex("en = ")]
    with pytest.raises(Refusal) as caught:
        parse(text)
    assert (caught.value.code, caught.value.facts["key"]) == ("rubric_value", "en")
    assert caught.value.facts["line"] == text[: text.rindex("[[band]]")].count("\n") + 1


def test_a_rubric_without_items() -> None:
    with pytest.raises(Refusal) as caught:
        parse(SHIPPED.split("[[item]]")[0])
    assert (caught.value.code, caught.value.facts["key"]) == ("rubric_value", "item")


def test_a_file_that_is_no_toml_says_where() -> None:
    with pytest.raises(Refusal) as caught:
        parse("total = x\n")
    assert caught.value.code == "rubric_not_toml"
    assert "line 1" in str(caught.value.facts["problem"])
