"""Sheets and reviewers to look at again. A sign is a reason to look, never a finding."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from regulation.rubric import STEP
from services.scoring.diagnostics.design import Scores
from services.scoring.diagnostics.evidence import Evidence
from services.scoring.diagnostics.variance import Fit

Kind = Literal["residual", "halo", "range_restriction", "central_tendency"]

RESIDUAL = 2.5
"""Standard deviations of the error that a sheet lies off its expectation."""
HALO = 0.5
"""Share of the usual spread over the items below which a sheet looks rated as a whole."""
RANGE = 0.5
"""Share of the spread of the others' means below which a reviewer hardly tells applications apart."""
MIDDLE = range(40 // STEP, 60 // STEP + 1)
CENTRAL = 0.3
"""How much more often than the others, on the same applications, a reviewer rates from 40 to 60 percent."""
ENOUGH_SHEETS, ENOUGH_APPLICATIONS = 5, 3


@dataclass(frozen=True)
class Sign:
    """Why to look: at one sheet (its place in the evidence) or at all of a reviewer's; `value` passed `limit`."""

    kind: Kind
    reviewer: int
    sheet: int | None
    value: float
    limit: float


def unusual_totals(scores: Scores, found: Fit) -> NDArray[np.float64]:
    """Give each sheet's distance from its expectation, in standard deviations of the error; NaN where there is no sheet or no error."""
    expected = found.applicants[:, None] + found.severities
    return (scores - expected) / (found.residual_sd or np.nan)


def signs(evidence: Evidence, distances: NDArray[np.float64]) -> list[Sign]:
    """Collect every sign; `distances` as `unusual_totals` gives them, over all applications and reviewers."""
    return [*_residuals(evidence, distances), *_halos(evidence), *_ranges(evidence), *_central(evidence)]


def _residuals(evidence: Evidence, distances: NDArray[np.float64]) -> Iterator[Sign]:
    off = distances[evidence.application, evidence.reviewer]
    for sheet in np.flatnonzero(np.abs(off) > RESIDUAL):
        yield Sign("residual", int(evidence.reviewer[sheet]), int(sheet), float(off[sheet]), RESIDUAL)


def _halos(evidence: Evidence) -> Iterator[Sign]:
    """Find sheets whose items hardly differ once the items' means are taken off: perhaps rated as a whole."""
    if len(evidence.sheets) < ENOUGH_SHEETS:
        return
    steps = evidence.steps.astype(float)
    spread = (steps - steps.mean(axis=1, keepdims=True)).std(axis=0)
    limit = HALO * float(np.median(spread))
    for sheet in np.flatnonzero(spread < limit):
        yield Sign("halo", int(evidence.reviewer[sheet]), int(sheet), float(spread[sheet]) * STEP, limit * STEP)


def _ranges(evidence: Evidence) -> Iterator[Sign]:
    scores = evidence.scores
    present = ~np.isnan(scores)
    filled = np.where(present, scores, 0.0)
    for reviewer in range(len(evidence.reviewers)):
        others = present.sum(axis=1) - present[:, reviewer]
        rows = np.flatnonzero(present[:, reviewer] & (others > 0))
        if len(rows) < ENOUGH_APPLICATIONS:
            continue
        theirs = (filled[rows].sum(axis=1) - scores[rows, reviewer]) / others[rows]
        usual = float(theirs.std())
        share = float(scores[rows, reviewer].std()) / usual if usual > 0 else 1.0
        if share < RANGE:
            yield Sign("range_restriction", reviewer, None, share, RANGE)


def _central(evidence: Evidence) -> Iterator[Sign]:
    middle = ((evidence.steps >= MIDDLE.start) & (evidence.steps < MIDDLE.stop)).mean(axis=0)
    for reviewer in range(len(evidence.reviewers)):
        own = evidence.reviewer == reviewer
        shared = np.isin(evidence.application, evidence.application[own]) & ~own
        if len(np.unique(evidence.application[own])) < ENOUGH_APPLICATIONS or not shared.any():
            continue
        more = float(middle[own].mean() - middle[shared].mean())
        if more > CENTRAL:
            yield Sign("central_tendency", reviewer, None, more, CENTRAL)
