"""What a cycle needs before it starts: its year, its plan, its people, and the announcement that opens the window."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from itertools import pairwise

from regulation.ballot import Seat, check_roster
from regulation.calendar import day
from regulation.edition import Parameters
from regulation.lifecycle import PHASES
from regulation.refusal import Refusal


def check_year(year: int, taken: Collection[int], p: Parameters) -> None:
    """Refuse a cycle in a year too near one that has a cycle already; a cancelled one frees its year (leave it out of `taken`).

    Clause 1.5.
    """
    near = [other for other in taken if abs(year - other) < p.cycle_years]
    if near:
        raise Refusal("year_taken", "1.5", year=year, taken=min(near), years=p.cycle_years)


def check_plan(plan: Mapping[str, date]) -> None:
    """Refuse a plan without a dated milestone, with one that is no phase of the cycle, or whose dates go back.

    Clause 2.2.1.
    """
    if not plan:
        raise Refusal("plan_missing", "2.2.1")
    for milestone in plan:
        if milestone not in PHASES:
            raise Refusal("plan_unknown_milestone", "2.2.1", milestone=milestone)
    dates = [(plan[milestone], milestone) for milestone in PHASES if milestone in plan]
    for (earlier, first), (later, second) in pairwise(dates):
        if later < earlier:
            raise Refusal("plan_goes_back", "2.2.1", first=first, second=second)


def check_launch(*, rules_adopted: bool, supervisors: int, roster: Sequence[Seat], plan: Mapping[str, date], p: Parameters) -> None:
    """Refuse to launch without adopted rules, a plan, a proper committee and, where the edition has one, a supervision group.

    Clauses 2.0, 2.1.1, 2.2.1, 7.1.
    """
    if not rules_adopted:
        raise Refusal("rules_not_adopted", "2.1.1")
    check_roster(roster, p)
    check_supervision_group(supervisors, p, launched=True)
    check_plan(plan)


def check_supervision_group(supervisors: int, p: Parameters, *, launched: bool) -> None:
    """Refuse a cycle that is launched a supervision group of nobody, where the edition has one.

    Clause 7.1.
    """
    if launched and p.supervision_group and not supervisors:
        raise Refusal("supervision_group_missing", "7.1")


def check_announcement(
    announced_on: date, medium: str, opens: datetime, closes: datetime, unnotified: Sequence[str], now: datetime
) -> None:
    """Refuse an announcement without a medium, dated ahead, with an empty window, or while a body or member unit has no notice yet.

    Clause 5.1.
    """
    if not medium.strip():
        raise Refusal("announcement_medium_missing", "5.1")
    if announced_on > day(now):
        raise Refusal("announcement_dated_ahead", "5.1", announced_on=announced_on.isoformat())
    if opens >= closes or closes <= now:
        raise Refusal("window_empty", "5.1", opens=opens.isoformat(), closes=closes.isoformat())
    if unnotified:
        raise Refusal("bodies_unnotified", "5.1", bodies="、".join(unnotified))
