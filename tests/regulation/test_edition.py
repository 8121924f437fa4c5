"""Editions as data: what a folder must say, and what a second edition may say otherwise."""

import re
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from regulation.calendar import CHINA, anniversary, day, midnight
from regulation.edition import EDITIONS, EditionError, example_rules, load, names, read
from regulation.implementation import implementation_rules
from regulation.refusal import Refusal

JINDONG = EDITIONS / "jindong-2022"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(JINDONG, tmp_path / "elsewhere"))


def rewrite(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_shipped_edition_is_an_example_in_force_thirty_days_after_publication() -> None:
    assert "jindong-2022" in names()
    edition = load("jindong-2022")
    assert (edition.status, edition.published_on, edition.in_force_on) == ("example", date(2022, 6, 1), date(2022, 7, 1))


def test_the_second_edition_is_an_example_too_and_differs_by_data_alone() -> None:
    edition = load("biennial-example")
    assert edition.status == "example"
    p = edition.parameters(date(2026, 1, 1))
    assert (p.cycle_years, p.panel_minimum, p.reapplication_ban_years) == (2, 5, 5)
    assert (p.notice_days, p.notice_day, p.ballot_kind) == (5, "working", "secret")
    assert [(award.key, award.cap, award.minimum_points) for award in p.awards] == [
        ("quality", 2, 620),
        ("innovation", 4, 610),
        ("nomination", 5, 600),
    ]
    shipped = load("jindong-2022")
    assert {key: (clause.held, clause.by) for key, clause in edition.clauses.items()} == {
        key: (clause.held, clause.by) for key, clause in shipped.clauses.items()
    }
    told = {key for key, clause in edition.clauses.items() if clause.text != shipped.clauses[key].text}
    assert told == {"1.1", "1.5", "2.0", "3.1", "4.2", "5.4.1", "5.4.2", "6.1", "8"}


def test_an_edition_held_as_another_has_its_clauses_and_no_other(folder: Path) -> None:
    rewrite(folder, "parameters.toml", 'status = "example"', 'held_as = "jindong-2022"\nstatus = "example"')
    rewrite(folder, "clauses.toml", '["2.2.6"]', '["2.2.7"]')
    with pytest.raises(EditionError, match=re.escape("unlike those of jindong-2022: ['2.2.6', '2.2.7']")):
        read(folder)


def test_an_edition_is_applied_from_the_day_it_is_in_force() -> None:
    edition = load("jindong-2022")
    assert edition.parameters(date(2022, 7, 1)).notice_days == 7
    with pytest.raises(Refusal) as caught:
        edition.parameters(date(2022, 6, 30))
    assert (caught.value.code, caught.value.clause) == ("edition_not_in_force", "8")
    assert caught.value.earliest == datetime(2022, 7, 1, tzinfo=CHINA)


def test_an_edition_that_does_not_ship_is_not_known() -> None:
    with pytest.raises(Refusal) as caught:
        load("../jindong-2022")
    assert (caught.value.code, caught.value.clause) == ("unknown_edition", "8")


def test_the_awards_stand_in_their_order_and_only_they_are_known() -> None:
    p = load("jindong-2022").parameters(date(2026, 1, 1))
    assert [(award.key, award.cap, award.minimum_points) for award in p.awards] == [("quality", 3, 610), ("innovation", 3, 600)]
    assert p.award("innovation").prize_after == {"innovation": 0}
    with pytest.raises(Refusal) as caught:
        p.award("gold")
    assert (caught.value.code, caught.value.clause) == ("unknown_award", "1.1")


def test_a_later_value_counts_from_its_day(folder: Path) -> None:
    rewrite(folder, "parameters.toml", "values = { 2022-07-01 = 7 }", "values = { 2022-07-01 = 7, 2025-01-01 = 5 }")
    edition = read(folder)
    assert edition.parameters(date(2024, 12, 31)).notice_days == 7
    assert edition.parameters(date(2025, 1, 1)).notice_days == 5


def test_a_third_award_is_data(folder: Path) -> None:
    text = (folder / "parameters.toml").read_text(encoding="utf-8")
    blocks = [block for block in re.split(r"(?m)^(?=\[)", text) if block.startswith("[awards.innovation.")]
    third = "".join(block.replace("[awards.innovation.", "[awards.brand.") for block in blocks).replace(
        "2022-07-01 = 2 }", "2022-07-01 = 3 }"
    )
    (folder / "parameters.toml").write_text(text + third, encoding="utf-8")
    assert [award.key for award in read(folder).parameters(date(2026, 1, 1)).awards] == ["quality", "innovation", "brand"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('[notice_days]\nclause = "5.4.2"\n', "[notice_days]\n", "notice_days cites no clause"),
        ('[notice_days]\nclause = "5.4.2"\n', '[notice_days]\nclause = "5.4.9"\n', "notice_days cites no clause"),
        ("values = { 2022-07-01 = 7 }", "", "notice_days has no value with its in-force date"),
        ("values = { 2022-07-01 = 7 }", "values = { 2022-07-02 = 7 }", "notice_days has no value on 2022-07-01"),
        ("values = { 2022-07-01 = 7 }", "values = { someday = 7 }", "notice_days: Invalid isoformat"),
        ("values = { 2022-07-01 = 7 }", "values = { 2022-07-01 = true }", "notice_days: True does not fit"),
        ("values = { 2022-07-01 = 7 }", "values = { 2022-07-01 = 7 }\nnote = 'x'", "notice_days has unknown entries"),
        ("values = { 2022-07-01 = [1, 2] }", "values = { 2022-07-01 = [1, 2, 3] }", "adoption_majority"),
        ("values = { 2022-07-01 = [1, 2] }", "values = { 2022-07-01 = 'half' }", "adoption_majority"),
        ('values = { 2022-07-01 = "rules" }', 'values = { 2022-07-01 = "lunar" }', "notice_day"),
        ("values.2022-07-01 = { innovation = 350000 }", "values.2022-07-01 = { innovation = '350000' }", "prize_after"),
        ('why = "the text knows no oral defence (答辩) before the committee"\n', "", "nothing says why"),
        ("[oral_defence]", "[oral_defense]", "missing ['oral_defence'], unknown ['oral_defense']"),
        ('status = "example"', 'status = "rumoured"', "edition.status"),
    ],
)
def test_parameters_that_say_too_little_or_something_else_are_refused(folder: Path, old: str, new: str, said: str) -> None:
    rewrite(folder, "parameters.toml", old, new)
    with pytest.raises(EditionError, match=re.escape(said)):
        read(folder)


def test_a_clause_held_in_no_known_way_is_refused(folder: Path) -> None:
    rewrite(folder, "clauses.toml", 'held = ["outside"]', 'held = ["hopefully"]')
    with pytest.raises(EditionError, match="hopefully"):
        read(folder)


def test_a_day_begins_at_midnight_in_the_district() -> None:
    assert day(datetime(2026, 10, 8, 16, 0, tzinfo=UTC)) == date(2026, 10, 9)
    assert midnight(date(2026, 10, 9)) == datetime(2026, 10, 8, 16, 0, tzinfo=UTC)


def test_the_29th_of_february_counts_from_the_28th() -> None:
    assert anniversary(date(2024, 2, 29), 3) == date(2027, 2, 28)
    assert anniversary(date(2024, 2, 29), 4) == date(2028, 2, 28)
    assert anniversary(date(2024, 3, 1), 4) == date(2028, 3, 1)


@pytest.mark.parametrize("edition", names())
def test_the_example_of_implementation_rules_is_a_complete_document(edition: str) -> None:
    assert implementation_rules(example_rules(edition)).voting.quorum.needed(9) == 6
