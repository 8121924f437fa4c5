"""The tables: where a cycle can go, and what is refused with its reason."""

import dataclasses
from datetime import date, datetime, timedelta

import pytest

from regulation.ballot import result
from regulation.calendar import CHINA
from regulation.edition import load
from regulation.implementation import Share, Voting
from regulation.lifecycle import (
    APPLICATION,
    AWARD,
    HONOUR_USE,
    MEETING,
    MOTIONS,
    NAMES,
    NOTICE,
    OBJECTION,
    PANEL,
    PHASES,
    REVOCATION,
    SHEET,
    Step,
    answers,
    cycle,
    motion,
    phase,
    step,
)
from regulation.refusal import Refusal

P = load("jindong-2022").parameters(date(2026, 1, 1))
CYCLE = cycle(P)
TABLES = [
    CYCLE,
    cycle(dataclasses.replace(P, oral_defence=True)),
    APPLICATION,
    PANEL,
    SHEET,
    NOTICE,
    OBJECTION,
    AWARD,
    REVOCATION,
    HONOUR_USE,
    *map(motion, MOTIONS),
    MEETING,
]
CLOSES = datetime(2026, 5, 1, tzinfo=CHINA)


def walk(*actions: str) -> str:
    state = "planned"
    for action in actions:
        state = step(CYCLE, phase(state, CLOSES, CLOSES), action).to
    return state


TO_DELIBERATION = ("approve_rules", "launch", "close_screening", "confirm_shortlist", "evaluate", "confirm_evaluation")


def test_a_year_runs_from_its_plan_to_its_closure() -> None:
    assert walk(*TO_DELIBERATION, "publish_notice", "approve", "publish", "close") == "closed"


def test_a_name_that_falls_sends_the_cycle_back_to_the_committee() -> None:
    assert walk(*TO_DELIBERATION, "publish_notice", "remove_name") == "deliberation"
    assert walk(*TO_DELIBERATION, "publish_notice", "remove_name", "end_deliberation", "approve", "publish") == "published"


def test_a_refusal_of_the_government_sends_the_cycle_back_to_the_committee() -> None:
    assert walk(*TO_DELIBERATION, "publish_notice", "refuse") == "deliberation"
    assert walk(*TO_DELIBERATION, "publish_notice", "approve", "refuse") == "deliberation"


def test_a_cycle_is_cancelled_before_publication_and_never_after() -> None:
    assert walk(*TO_DELIBERATION, "cancel") == "cancelled"
    with pytest.raises(Refusal, match="wrong_state") as caught:
        walk(*TO_DELIBERATION, "publish_notice", "approve", "publish", "cancel")
    assert caught.value.clause == "1.5"


def test_nothing_is_launched_before_the_rules_are_approved() -> None:
    with pytest.raises(Refusal, match="wrong_state") as caught:
        walk("launch")
    assert (caught.value.clause, caught.value.facts["allowed"]) == ("2.1.1", "rules approved")
    assert caught.value.sentence("zh") == "当前状态为“计划制订”，此操作只适用于：细则审定。"


def test_a_window_that_is_over_is_screening_without_anybodys_act() -> None:
    assert phase("open", CLOSES, CLOSES - timedelta(microseconds=1)) == "open"
    assert phase("open", CLOSES, CLOSES) == "screening"
    assert phase("open", None, CLOSES) == "open"
    assert phase("deliberation", CLOSES, CLOSES) == "deliberation"


def test_an_edition_with_an_oral_defence_evaluates_after_it() -> None:
    table = cycle(dataclasses.replace(P, oral_defence=True))
    assert step(table, "site_review", "hear_defences").to == "oral_defence"
    assert step(table, "oral_defence", "evaluate").to == "evaluation"
    with pytest.raises(Refusal, match="wrong_state"):
        step(table, "site_review", "evaluate")
    with pytest.raises(LookupError):
        step(CYCLE, "site_review", "hear_defences")


def test_an_application_is_endorsed_while_the_window_is_open_only() -> None:
    assert step(APPLICATION, "submitted", "endorse", "open") == Step("filed", ("open",), "5.2")
    with pytest.raises(Refusal, match="wrong_phase") as caught:
        step(APPLICATION, "submitted", "endorse", "screening")
    assert (caught.value.clause, caught.value.facts["state"], caught.value.facts["allowed"]) == ("5.2", "screening", "open")
    assert caught.value.sentence("en") == "The cycle is in screening; this is possible only in: open."


def test_the_answers_say_of_every_action_what_it_does_or_why_not() -> None:
    found = answers(APPLICATION, "filed", "screening")
    assert {action for action, answer in found.items() if isinstance(answer, Step)} == {
        "screen",
        "find_eligible",
        "find_ineligible",
        "withdraw",
        "disqualify",
    }
    assert isinstance(found["edit"], Refusal)


def test_a_motion_has_its_phases() -> None:
    assert step(motion("winners"), "new", "propose", "deliberation").to == "proposed"
    with pytest.raises(Refusal, match="wrong_phase"):
        step(motion("winners"), "new", "propose", "evaluation")
    assert step(motion("major_matter"), "voting", "close", "planned").to == "decided"


def test_a_motion_of_no_known_kind_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        motion("banquet")
    assert (caught.value.code, caught.value.clause) == ("unknown_motion", "2.1.2")


@pytest.mark.parametrize("table", TABLES)
def test_every_state_has_its_name_and_every_phase_exists(table: dict[tuple[str, str], Step]) -> None:
    for (state, _), found in table.items():
        assert {state, found.to} <= NAMES.keys()
        assert set(found.during or ()) <= {*PHASES, "cancelled"}


@pytest.mark.parametrize("table", TABLES)
def test_every_state_is_reached_from_the_first(table: dict[tuple[str, str], Step]) -> None:
    reached = {"planned" if ("planned", "plan") in table else "new", "screening"}
    while more := {found.to for (state, _), found in table.items() if state in reached} - reached:
        reached |= more
    assert {state for state, _ in table} <= reached


def test_more_votes_than_voters_are_a_fault_of_the_program() -> None:
    share = Share(1, 2, more_than=True)
    with pytest.raises(ValueError, match="more votes than voters"):
        result(3, 1, 3, 0, 0, Voting(share, share, "present", "named", votes_changeable=False, members_recused=True))
