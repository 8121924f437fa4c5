"""Linking a draw's panels through the reviewers they share, so that the scores of all can be compared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from services.scoring.draw.network import Drawn, Infeasible, Problem, Slot, costs, fits

Seats = list[dict[str, Slot]]
Change = tuple[int, str, str]
"""(unit, who leaves, who comes); the one who comes takes the same slot."""


def components(seats: Sequence[Mapping[str, Slot]]) -> list[int]:
    """Give each unit the number of its component in the graph of units and the reviewers they share."""
    parent = list(range(len(seats)))

    def root(unit: int) -> int:
        while parent[unit] != unit:
            parent[unit] = parent[parent[unit]]
            unit = parent[unit]
        return unit

    first: dict[str, int] = {}
    for unit, members in enumerate(seats):
        for person in members:
            parent[root(unit)] = root(first.setdefault(person, unit))
    return [root(unit) for unit in range(len(seats))]


def link(problem: Problem, drawn: Drawn) -> Drawn:
    """Join components one by one by the cheapest change that keeps every other constraint; raises Infeasible where none does."""
    seats: Seats = [dict(members) for members in drawn.seats]
    price = costs(problem)
    place = {one.person: index for index, one in enumerate(problem.pool)}
    links: list[Change] = []
    while len(set(before := components(seats))) > 1:

        def dearer(changes: tuple[Change, ...]) -> int:
            return sum(int(price[unit, place[comes]] - price[unit, place[leaves]]) for unit, leaves, comes in changes)

        moves = sorted((dearer(changes), changes) for changes in _moves(problem, seats, before))
        best = next((changes for _, changes in moves if len(set(components(_changed(seats, changes)))) < len(set(before))), None)
        if best is None:
            raise Infeasible("linked", components=len(set(before)))
        seats = _changed(seats, best)
        links += best
    return replace(drawn, seats=tuple(seats), links=tuple(links))


def _changed(seats: Seats, changes: Sequence[Change]) -> Seats:
    after = [dict(members) for members in seats]
    for unit, leaves, comes in changes:
        after[unit] = {comes if person == leaves else person: slot for person, slot in after[unit].items()}
    return after


def _moves(problem: Problem, seats: Seats, component: Sequence[int]) -> Iterator[tuple[Change, ...]]:
    """List what could join two components: a substitution within the loads, or two members who change places."""
    limits = problem.constraints
    load = {one.person: sum(one.person in members for members in seats) for one in problem.pool}
    home = {person: component[unit] for unit, members in enumerate(seats) for person in members}
    able = {one.person: one for one in problem.pool}
    taken = [(unit, person, slot) for unit, members in enumerate(seats) for person, slot in members.items()]
    for unit, leaves, slot in taken:
        if load[leaves] > limits.floor:
            for comes, one in able.items():
                elsewhere = home.get(comes, component[unit]) != component[unit]
                if elsewhere and load[comes] < limits.ceiling and fits(one, problem.units[unit], slot):
                    yield ((unit, leaves, comes),)
    for (unit, person, slot), (other, partner, its) in combinations(taken, 2):
        if component[unit] != component[other]:
            both = fits(able[partner], problem.units[unit], slot) and fits(able[person], problem.units[other], its)
            if both and max(load[person], load[partner]) > 1:
                yield ((unit, person, partner), (other, partner, person))
