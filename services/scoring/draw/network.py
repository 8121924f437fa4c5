"""The draw as an integral network flow: reviewers flow through (reviewer, panel) into each panel's slots.

A panel has a leader's slot, an expert's slot (industry match), a slot for each category of the rubric that is asked for, and general
slots. With slots every row of the linear programme belongs to
one of two nested families, so its matrix is totally unimodular and the simplex method's vertex is whole: no search over integers is needed.
Costs are whole numbers: the lot (16 bits of SHAKE-256 over seed, panel and reviewer), and more where they don't know the industry.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack

Slot = str
"""`leader`, `expert`, `category:4.7` for one who knows that part of the standard, or `general`."""
CATEGORY = "category:"
LOT = 1 << 16
"""Lots lie below this; knowing the industry weighs as much as the whole range."""
WHOLE_POOL = 40_000
"""Up to so many (reviewer, panel) pairs nobody is pruned."""
KEPT, KEPT_GENERAL = 8, 16
"""Beyond that, so many of each panel's cheapest candidates are kept for each slot, and for the general ones."""


@dataclass(frozen=True)
class Candidate:
    """A reviewer in the pool: whether leader-qualified, and which industry sections and categories of the rubric they know."""

    person: str
    leads: bool
    expertise: frozenset[str]
    categories: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Unit:
    """What one panel will review: applications of these industry sections, and who is recused from any of them."""

    applications: tuple[str, ...]
    sections: frozenset[str]
    recused: frozenset[str]


@dataclass(frozen=True)
class Constraints:
    """Members of a panel; fewest and most panels for a reviewer; slots kept for experts; whether panels are to be linked."""

    size: int
    floor: int
    ceiling: int
    expert: bool
    linked: bool
    categories: tuple[str, ...] = ()

    def seats(self) -> dict[Slot, int]:
        """Count a panel's seats by slot."""
        kept = {"leader": 1, "expert": int(self.expert), **{f"{CATEGORY}{category}": 1 for category in self.categories}}
        return {**kept, "general": self.size - sum(kept.values())}


@dataclass(frozen=True)
class Problem:
    """A draw to be made."""

    seed: str
    pool: tuple[Candidate, ...]
    units: tuple[Unit, ...]
    constraints: Constraints


@dataclass(frozen=True)
class Drawn:
    """The draw's outcome: for each unit person → slot; `objective` is the least cost, before panels were linked."""

    seats: tuple[Mapping[str, Slot], ...]
    objective: int
    links: tuple[tuple[int, str, str], ...]
    """Changes that link panels: (unit, who leaves, who comes)."""


def fits(one: Candidate, unit: Unit, slot: Slot) -> bool:
    """Tell whether a reviewer could take a slot of a unit."""
    if one.person in unit.recused:
        return False
    if slot.startswith(CATEGORY):
        return slot.removeprefix(CATEGORY) in one.categories
    return {"leader": one.leads, "expert": bool(one.expertise & unit.sections)}.get(slot, True)


class Infeasible(Exception):  # noqa: N818 - it is an answer
    """No draw satisfies the constraints; `constraint` names what stands in the way."""

    def __init__(self, constraint: str, **facts: object) -> None:
        """Keep what is to be told."""
        super().__init__(constraint)
        self.constraint = constraint
        self.facts = facts


@dataclass(frozen=True)
class Network:
    """The flow's arcs: each is one reviewer in one unit's slot, at a cost."""

    unit: NDArray[np.int64]
    reviewer: NDArray[np.int64]
    slot: NDArray[np.int64]
    cost: NDArray[np.int64]


def costs(problem: Problem) -> NDArray[np.int64]:
    """Draw the lots: a whole cost for every unit and reviewer, from the seed alone."""
    lots = np.stack(
        [
            np.frombuffer(hashlib.shake_256(f"{problem.seed}\n{'|'.join(unit.applications)}".encode()).digest(2 * len(problem.pool)), ">u2")
            for unit in problem.units
        ]
    ).astype(np.int64)
    return lots + LOT * ~matches(problem)


def matches(problem: Problem) -> NDArray[np.bool_]:
    """Tell who knows the industry of which unit."""
    known = {frozenset(sections): [not sections.isdisjoint(one.expertise) for one in problem.pool] for sections in _sections(problem)}
    return np.array([known[unit.sections] for unit in problem.units], dtype=bool)


def _sections(problem: Problem) -> set[frozenset[str]]:
    return {unit.sections for unit in problem.units}


def network(problem: Problem, must: tuple[int, int] | None = None, *, whole: bool = False) -> Network:
    """Lay out the arcs; a large pool keeps each unit's cheapest candidates, and `must` (unit, reviewer) whatever they cost."""
    cost, knows = costs(problem), matches(problem)
    leads = np.array([one.leads for one in problem.pool], dtype=bool)
    of_category = {
        f"{CATEGORY}{category}": np.array([category in one.categories for one in problem.pool], dtype=bool)
        for category in problem.constraints.categories
    }
    place = {one.person: index for index, one in enumerate(problem.pool)}
    seats = problem.constraints.seats()
    parts: list[tuple[NDArray[np.int64], int, int]] = []
    for unit, row in enumerate(problem.units):
        free = np.ones(len(problem.pool), dtype=bool)
        free[[place[person] for person in row.recused if person in place]] = False
        able = {"leader": free & leads, "expert": free & knows[unit], "general": free}
        able |= {name: free & known for name, known in of_category.items()}
        kept = free if whole or cost.size <= WHOLE_POOL else _cheapest(able, cost[unit])
        if must is not None and must[0] == unit:
            kept = kept.copy()
            kept[must[1]] = free[must[1]]
        parts += [(np.flatnonzero(able[name] & kept), unit, index) for index, name in enumerate(seats) if seats[name]]
    reviewer = np.concatenate([part[0] for part in parts])
    unit_of = np.repeat([part[1] for part in parts], [len(part[0]) for part in parts])
    slot_of = np.repeat([part[2] for part in parts], [len(part[0]) for part in parts])
    return Network(unit_of, reviewer, slot_of, cost[unit_of, reviewer])


def _cheapest(able: Mapping[str, NDArray[np.bool_]], cost: NDArray[np.int64]) -> NDArray[np.bool_]:
    kept = np.zeros(len(cost), dtype=bool)
    for name, free in able.items():
        found = np.flatnonzero(free)
        kept[found[np.argsort(cost[found], kind="stable")[: KEPT_GENERAL if name == "general" else KEPT]]] = True
    return kept


def solve(problem: Problem, arcs: Network, must: tuple[int, int] | None = None) -> NDArray[np.int64] | None:
    """Find the cheapest flow with HiGHS's dual simplex; gives the arcs used, or None where there is none."""
    many, pool, limits = len(arcs.cost), len(problem.pool), problem.constraints
    column, one = np.arange(many), np.ones(many)
    seats = np.array(list(limits.seats().values()))
    demand = np.tile(seats, len(problem.units))
    slots = csr_array((one, (arcs.unit * len(seats) + arcs.slot, column)), shape=(len(demand), many))
    pair, pair_of = np.unique(arcs.unit * pool + arcs.reviewer, return_inverse=True)
    several = np.bincount(pair_of)[pair_of] > 1
    rows = [(arcs.reviewer, np.ones(many, dtype=bool), pool, limits.ceiling, 1), (pair_of, several, len(pair), 1, 1)]
    if limits.floor:
        rows.append((arcs.reviewer, np.ones(many, dtype=bool), pool, -limits.floor, -1))
    start = np.cumsum([0, *(row[2] for row in rows)])
    inequal = csr_array(
        (
            np.concatenate([sign * one[used] for _, used, _, _, sign in rows]),
            (
                np.concatenate([place[used] + at for (place, used, _, _, _), at in zip(rows, start, strict=False)]),
                np.concatenate([column[used] for _, used, _, _, _ in rows]),
            ),
        ),
        shape=(int(start[-1]), many),
    )
    bound = np.concatenate([np.full(count, limit) for _, _, count, limit, _ in rows])
    equal, wanted = slots, demand
    if must is not None:
        forced = ((arcs.unit == must[0]) & (arcs.reviewer == must[1])).astype(float)
        equal = csr_array(vstack([slots, csr_array(forced[np.newaxis])]))
        wanted = np.append(demand, 1)
    found = linprog(  # type: ignore[call-overload]  # the stubs know no sparse matrices, which SciPy takes
        arcs.cost, A_ub=inequal, b_ub=bound, A_eq=equal, b_eq=wanted, bounds=(0, 1), method="highs-ds"
    )
    return np.flatnonzero(found.x > 1 / 2) if found.status == 0 else None


Solver = Callable[[Problem, Network], NDArray[np.int64] | None]


def draw(problem: Problem, solver: Solver = solve) -> Drawn:
    """Draw the panels; raises Infeasible with the constraint that stands in the way, never gives a part."""
    check_counts(problem)
    arcs = network(problem)
    used = solver(problem, arcs)
    if used is None and len(problem.pool) * len(problem.units) > WHOLE_POOL:
        arcs = network(problem, whole=True)
        used = solver(problem, arcs)
    if used is None:
        raise Infeasible(" + ".join(culprits(problem)))
    seats: list[dict[str, Slot]] = [{} for _ in problem.units]
    names = list(problem.constraints.seats())
    for arc in sorted(used, key=lambda arc: (arcs.slot[arc], arcs.reviewer[arc])):
        seats[arcs.unit[arc]][problem.pool[arcs.reviewer[arc]].person] = names[arcs.slot[arc]]
    return Drawn(tuple(seats), int(arcs.cost[used].sum()), ())


def check_counts(problem: Problem) -> None:
    """Refuse by counting what no flow can cure, naming the panel."""
    limits, pool = problem.constraints, problem.pool
    for number, unit in enumerate(problem.units, 1):
        free = [one for one in pool if one.person not in unit.recused]
        if len(free) < limits.size:
            raise Infeasible("recusals", panel=number, eligible=len(free), needed=limits.size)
        if not any(one.leads for one in free):
            raise Infeasible("leader", panel=number, eligible=0, needed=1)
        if limits.expert and not any(unit.sections & one.expertise for one in free):
            raise Infeasible("expertise", panel=number, sections="".join(sorted(unit.sections)), eligible=0, needed=1)
        for category in limits.categories:
            if not any(category in one.categories for one in free):
                raise Infeasible("categories", panel=number, category=category, eligible=0, needed=1)
    seats = limits.size * len(problem.units)
    if seats > len(pool) * limits.ceiling:
        raise Infeasible("ceiling", seats=seats, most=len(pool) * limits.ceiling)
    if seats < len(pool) * limits.floor:
        raise Infeasible("floor", seats=seats, fewest=len(pool) * limits.floor)


def culprits(problem: Problem) -> list[str]:
    """Name each constraint whose removal alone would make the draw possible; all of them where no single one does."""
    limits, pool = problem.constraints, problem.pool
    without = {
        "expertise": replace(problem, constraints=replace(limits, expert=False)),
        "categories": replace(problem, constraints=replace(limits, categories=())),
        "leader": replace(problem, pool=tuple(replace(one, leads=True) for one in pool)),
        "floor": replace(problem, constraints=replace(limits, floor=0)),
        "ceiling": replace(problem, constraints=replace(limits, ceiling=len(problem.units))),
        "recusals": replace(problem, units=tuple(replace(unit, recused=frozenset()) for unit in problem.units)),
    }
    cured = [name for name, relaxed in without.items() if solve(relaxed, network(relaxed, whole=True)) is not None]
    return cured or list(without)


def cost_with(problem: Problem, unit: int, person: str) -> int | None:
    """Give the least cost of a draw that seats this person in that unit; None where no such draw exists."""
    must = (unit, [one.person for one in problem.pool].index(person))
    arcs = network(problem, must)
    used = solve(problem, arcs, must)
    return None if used is None else int(arcs.cost[used].sum())


def group(seed: str, applications: Sequence[tuple[str, str]], per_panel: int, *, by_section: bool) -> list[list[str]]:
    """Put applications (id, industry section) into panels by lot; with `by_section` no panel mixes sections."""

    def lot(application: str) -> bytes:
        return hashlib.sha256(f"{seed}\n{application}".encode()).digest()

    sections = sorted({section for _, section in applications}) if by_section else [None]
    groups: list[list[str]] = []
    for section in sections:
        own = sorted((one for one, its in applications if section in {None, its}), key=lot)
        groups += [own[start : start + per_panel] for start in range(0, len(own), per_panel)]
    return groups
