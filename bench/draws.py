"""Drawing panels from a pool of 200 for 1,000 applications, five members each."""

import random
from string import ascii_uppercase

from bench.rows import Row, seconds
from services.scoring.draw import linking, network
from services.scoring.draw.network import Candidate, Constraints, Problem, Unit

SECTIONS = ascii_uppercase[:20]
REVIEWERS, APPLICATIONS, MEMBERS = 200, 1000, 5
ALLOWED_SECONDS = 3.0


def problem() -> Problem:
    """Make up a district's largest year: one reviewer in four may lead, each knows four industries, each application has five recusals."""
    lot = random.Random(20220601)  # noqa: S311 - made-up data, the same every time
    pool = tuple(Candidate(f"r{one:03}", one % 4 == 0, frozenset(lot.sample(SECTIONS, 4))) for one in range(REVIEWERS))
    persons = [one.person for one in pool]
    units = tuple(Unit((f"a{one:04}",), frozenset(lot.choice(SECTIONS)), frozenset(lot.sample(persons, 5))) for one in range(APPLICATIONS))
    return Problem("bench", pool, units, Constraints(MEMBERS, 20, 30, expert=True, linked=True))


def rows() -> list[Row]:
    """Measure the draw with its links; the reference is the time allowed."""
    made = problem()
    ours = seconds(lambda: linking.link(made, network.draw(made)), 3)
    return [Row("draw 200 reviewers × 1,000 applications × 5; 3 s", ours, ALLOWED_SECONDS, 1)]
