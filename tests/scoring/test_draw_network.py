"""The network behind a draw: whole vertices, the same optimum by another solver, the constraint named where there is none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scoring.draw import flow, linking, network
from services.scoring.draw.network import Candidate, Constraints, Drawn, Infeasible, Problem, Unit

SECTIONS = "CFG"
PARTS = ("4.5", "4.7", "4.6", "4.2")


def pool(many: int, *, leaders: int, experts: str = SECTIONS) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(f"r{one:02}", one < leaders, frozenset(experts[one % len(experts)]), frozenset({PARTS[one % 4]})) for one in range(many)
    )


def units(many: int, recused: dict[int, set[str]] | None = None) -> tuple[Unit, ...]:
    return tuple(
        Unit((f"a{one}",), frozenset(SECTIONS[one % len(SECTIONS)]), frozenset((recused or {}).get(one, set()))) for one in range(many)
    )


def limits(size: int, floor: int, ceiling: int, *, linked: bool = False) -> Constraints:
    return Constraints(size, floor, ceiling, expert=True, linked=linked)


def made(problem: Problem) -> Drawn | str:
    """Draw, or give the constraint that stands in the way."""
    try:
        drawn = network.draw(problem)
        return linking.link(problem, drawn) if problem.constraints.linked else drawn
    except Infeasible as infeasible:
        return infeasible.constraint


def holds(problem: Problem, drawn: Drawn) -> None:
    """Demand every constraint of a draw."""
    wanted, able = problem.constraints, {one.person: one for one in problem.pool}
    for unit, seats in zip(problem.units, drawn.seats, strict=True):
        assert unit.recused.isdisjoint(seats)
        kept = ["leader", *["expert"] * wanted.expert, *(f"category:{category}" for category in wanted.categories)]
        assert sorted(seats.values()) == sorted([*kept, *["general"] * (wanted.size - len(kept))])
        assert all(slot.removeprefix("category:") in able[who].categories for who, slot in seats.items() if slot.startswith("category:"))
        assert all(able[person].leads for person, slot in seats.items() if slot == "leader")
        assert all(able[person].expertise & unit.sections for person, slot in seats.items() if slot == "expert")
    load = [sum(person in seats for seats in drawn.seats) for person in able]
    assert all(wanted.floor <= one <= wanted.ceiling for one in load)
    if wanted.linked:
        assert len(set(linking.components(drawn.seats))) == 1


@settings(max_examples=40, deadline=None)
@given(
    seed=st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12),
    many=st.integers(6, 18),
    count=st.integers(1, 8),
    size=st.integers(3, 5),
    floor=st.integers(0, 1),
    ceiling=st.integers(1, 5),
    categories=st.sampled_from([(), ("4.7",)]),
    recused=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 17)), max_size=6),
)
def test_a_draw_holds_every_constraint_and_another_solver_finds_the_same_least_cost(
    seed: str, many: int, count: int, size: int, floor: int, ceiling: int, categories: tuple[str, ...], recused: list[tuple[int, int]]
) -> None:
    away: dict[int, set[str]] = {}
    for unit, person in recused:
        away.setdefault(unit, set()).add(f"r{person:02}")
    wanted = Constraints(size, floor, ceiling, expert=True, linked=False, categories=categories)
    problem = Problem(seed, pool(many, leaders=4), units(count, away), wanted)
    drawn = made(problem)
    if isinstance(drawn, str):
        with pytest.raises(Infeasible) as other:
            network.draw(problem, flow.solve)
        assert other.value.constraint == drawn
        return
    holds(problem, drawn)
    assert network.draw(problem) == drawn
    assert network.draw(problem, flow.solve).objective == drawn.objective


def test_pruned_candidates_give_the_optimum_of_the_whole_pool_by_either_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem("lot", pool(60, leaders=20), units(60), Constraints(5, 3, 7, expert=True, linked=True))
    whole = network.draw(problem)
    monkeypatch.setattr(network, "WHOLE_POOL", 0)
    pruned = network.draw(problem)
    assert pruned.objective == whole.objective == network.draw(problem, flow.solve).objective
    holds(problem, linking.link(problem, pruned))


def test_another_seed_draws_others() -> None:
    drawn = {str(network.draw(Problem(seed, pool(18, leaders=6), units(6), limits(3, 0, 3))).seats) for seed in "abcdef"}
    assert len(drawn) == 6


@pytest.mark.parametrize(
    ("problem", "constraint"),
    [
        (Problem("s", pool(6, leaders=2), units(1, {0: {"r00", "r02", "r03", "r04"}}), limits(3, 0, 9)), "recusals"),
        (Problem("s", pool(6, leaders=1), units(1, {0: {"r00"}}), limits(3, 0, 9)), "leader"),
        (Problem("s", pool(6, leaders=2, experts="F"), units(1), limits(3, 0, 9)), "expertise"),
        (Problem("s", pool(6, leaders=6), units(5), limits(3, 0, 2)), "ceiling"),
        (Problem("s", pool(9, leaders=3), units(2), Constraints(3, 0, 9, expert=True, linked=False, categories=("4.1",))), "categories"),
        (
            Problem("s", pool(7, leaders=3), units(3), Constraints(3, 0, 2, expert=True, linked=False, categories=("4.2",))),
            "categories + ceiling",
        ),
        (Problem("s", pool(9, leaders=9), units(1), limits(3, 1, 9)), "floor"),
        (Problem("s", pool(9, leaders=1), units(3), limits(3, 0, 2)), "leader + ceiling"),
        (Problem("s", pool(9, leaders=9), units(3), limits(3, 0, 1, linked=True)), "linked"),
    ],
)
def test_the_constraint_that_stands_in_the_way_is_named(problem: Problem, constraint: str) -> None:
    assert made(problem) == constraint


def test_panels_without_a_common_member_are_linked_at_the_least_cost() -> None:
    apart = Problem("apart", pool(9, leaders=9, experts="C"), units(3), Constraints(3, 0, 2, expert=False, linked=True))
    drawn = Drawn(tuple({f"r{3 * unit + seat:02}": "leader" if seat == 0 else "general" for seat in range(3)} for unit in range(3)), 0, ())
    linked = linking.link(apart, drawn)
    holds(apart, linked)
    assert len(linked.links) == 2
    full = Problem("full", pool(6, leaders=6, experts="C"), units(4), Constraints(3, 2, 2, expert=False, linked=True))
    halves = Drawn(
        tuple({f"r{3 * (unit % 2) + seat:02}": "leader" if seat == 0 else "general" for seat in range(3)} for unit in range(4)), 0, ()
    )
    holds(full, swapped := linking.link(full, halves))
    assert len(swapped.links) == 2


def test_what_a_draw_with_somebody_would_cost() -> None:
    problem = Problem("why", pool(9, leaders=3), units(2), Constraints(3, 0, 2, expert=True, linked=False))
    drawn = network.draw(problem)
    for one in problem.pool:
        price = network.cost_with(problem, 0, one.person)
        assert price is not None
        assert (price == drawn.objective) is (one.person in drawn.seats[0])
        assert price >= drawn.objective


def test_no_panel_mixes_industries_where_it_keeps_an_experts_slot() -> None:
    applications = [(f"a{one}", SECTIONS[one % 3]) for one in range(10)]
    apart = network.group("s", applications, 2, by_section=True)
    assert sorted(len(one) for one in apart) == [1, 1, 2, 2, 2, 2]
    assert all(len({dict(applications)[application] for application in one}) == 1 for one in apart)
    assert sorted(len(one) for one in network.group("s", applications, 4, by_section=False)) == [2, 4, 4]
