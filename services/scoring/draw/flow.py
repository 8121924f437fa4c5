"""The same network solved by OR-Tools' minimum-cost flow, an optional extra for very large pools."""

import numpy as np
from numpy.typing import NDArray
from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

from services.scoring.draw.network import Network, Problem


def solve(problem: Problem, arcs: Network) -> NDArray[np.int64] | None:
    """Find the cheapest flow; gives the arcs used, or None where there is none.

    Nodes are a source, the reviewers, the (reviewer, panel) pairs and the panels' slots. A floor's arc is so cheap that it is filled.
    """
    limits, pool = problem.constraints, len(problem.pool)
    pair, pair_of = np.unique(arcs.unit * pool + arcs.reviewer, return_inverse=True)
    source, first_pair = 0, 1 + pool
    first_slot = first_pair + len(pair)
    seats = list(limits.seats().values())
    demand = np.tile(seats, len(problem.units))
    reward = int(arcs.cost.sum()) + 1
    everyone = np.arange(pool) + 1
    flow = SimpleMinCostFlow()
    floor = flow.add_arcs_with_capacity_and_unit_cost(np.full(pool, source), everyone, np.full(pool, limits.floor), np.full(pool, -reward))
    flow.add_arcs_with_capacity_and_unit_cost(
        np.full(pool, source), everyone, np.full(pool, limits.ceiling - limits.floor), np.zeros(pool, dtype=np.int64)
    )
    ones = np.ones(len(pair), dtype=np.int64)
    flow.add_arcs_with_capacity_and_unit_cost(pair % pool + 1, first_pair + np.arange(len(pair)), ones, ones - 1)
    seated = flow.add_arcs_with_capacity_and_unit_cost(
        first_pair + pair_of, first_slot + arcs.unit * len(seats) + arcs.slot, np.ones(len(arcs.cost), dtype=np.int64), arcs.cost
    )
    flow.set_nodes_supplies(np.array([source]), np.array([int(demand.sum())]))
    flow.set_nodes_supplies(first_slot + np.arange(len(demand)), -demand)
    if flow.solve() != flow.OPTIMAL or (flow.flows(floor) < limits.floor).any():
        return None
    return np.flatnonzero(flow.flows(seated))
