"""How far reviewers agree: intraclass correlations (Shrout and Fleiss 1979, McGraw and Wong 1996) and Krippendorff's alpha."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri

from services.scoring.diagnostics.design import Scores
from services.scoring.diagnostics.variance import strata

Level = Literal["nominal", "ordinal", "interval", "ratio"]

MISSING = -1
"""Stands in ratings where a reviewer gave none."""


@dataclass(frozen=True)
class Correlation:
    """One form of the intraclass correlation with its confidence interval; null where nothing varies."""

    form: str
    value: float | None
    low: float | None
    high: float | None


@np.errstate(divide="ignore", invalid="ignore")  # where reviewers agree less than by chance a form or an end may not exist
def correlations(scores: Scores, confidence: float = 0.95) -> list[Correlation]:
    """Give the six forms for a complete design: one-way, two-way random, two-way mixed, each for one reviewer and for the mean of all."""
    parts = strata(scores)
    n, k = scores.shape
    rest, rows, columns = np.divide(parts.squares, parts.freedom)
    within = (parts.squares[0] + parts.squares[2]) / (n * (k - 1))
    if rest == 0 or within == 0:
        return [Correlation(form, None, None, None) for form in ("ICC1", "ICC2", "ICC3", "ICC1k", "ICC2k", "ICC3k")]
    tail = 1 - (1 - confidence) / 2
    of_rows, of_rest, of_within = n - 1, (n - 1) * (k - 1), n * (k - 1)

    def one_of(ratio: float) -> float:
        return float((ratio - 1) / (ratio + k - 1))

    def mean_of(ratio: float) -> float:
        return 1 - 1 / ratio if ratio > 0 else -np.inf

    free, fixed = rows / within, rows / rest
    ends = {
        "ICC1": (free / fdtri(of_rows, of_within, tail), free * fdtri(of_within, of_rows, tail)),
        "ICC3": (fixed / fdtri(of_rows, of_rest, tail), fixed * fdtri(of_rest, of_rows, tail)),
    }
    absolute = (rows - rest) / (rows + (k - 1) * rest + k * (columns - rest) / n)
    between = columns / rest
    spread = k * absolute * between + n * (1 + (k - 1) * absolute) - k * absolute
    freedom = of_rest * spread**2 / ((n - 1) * (k * absolute * between) ** 2 + (spread - k * absolute * between) ** 2)
    above, below = fdtri(of_rows, freedom, tail), fdtri(freedom, of_rows, tail)
    error = k * columns + (k * n - k - n) * rest
    low = n * (rows / above - rest) / (error + n * rows / above)
    high = n * (below * rows - rest) / (error + n * below * rows)
    single = {
        "ICC1": (one_of(free), *map(one_of, ends["ICC1"])),
        "ICC2": (absolute, low, high),
        "ICC3": (one_of(fixed), *map(one_of, ends["ICC3"])),
    }
    averaged = {
        "ICC1k": (mean_of(free), *map(mean_of, ends["ICC1"])),
        "ICC2k": ((rows - rest) / (rows + (columns - rest) / n), *(k * one / (1 + (k - 1) * one) for one in (low, high))),
        "ICC3k": (mean_of(fixed), *map(mean_of, ends["ICC3"])),
    }
    return [
        Correlation(form, *(float(one) if np.isfinite(one) else None for one in values)) for form, values in (single | averaged).items()
    ]


def alphas(ratings: NDArray[np.integer]) -> Mapping[Level, float | None]:
    """Give Krippendorff's alpha at each level of measurement.

    `ratings` holds whole numbers from zero, a row a reviewer, a column a unit, MISSING where there is none; null where nothing varies.
    """
    pairs, values = _coincidences(ratings)
    totals = pairs.sum(axis=0)
    whole = totals.sum()
    expected = np.outer(totals, totals) - np.diag(totals)
    found: dict[Level, float | None] = {}
    for level, apart in _distances(values, totals).items():
        chance = float(np.vdot(expected, apart))
        found[level] = 1 - float(whole - 1) * float(np.vdot(pairs, apart)) / chance if chance > 0 else None
    return found


def _coincidences(ratings: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Count how often two values meet in one unit, each unit weighing as its number of ratings; values that never meet are left out."""
    units = ratings.shape[1]
    highest = int(ratings.max(initial=0)) + 1
    cells = ratings.astype(np.intp) + 1 + np.arange(units) * (highest + 1)
    counts = np.bincount(cells.ravel(), minlength=units * (highest + 1)).reshape(units, highest + 1)[:, 1:].astype(float)
    rated = counts.sum(axis=1)
    weights = np.divide(1.0, rated - 1, out=np.zeros(units), where=rated > 1)
    pairs = (counts.T * weights) @ counts
    pairs[np.diag_indices(highest)] -= weights @ counts
    met = np.flatnonzero(weights @ counts)
    return pairs[np.ix_(met, met)], met.astype(float)


def _distances(values: NDArray[np.float64], totals: NDArray[np.float64]) -> Mapping[Level, NDArray[np.float64]]:
    one, other = values[:, None], values[None, :]
    middle = np.cumsum(totals) - totals / 2
    both = one + other
    relative = np.divide(one - other, both, out=np.zeros_like(both), where=both > 0)
    return {
        "nominal": (one != other).astype(float),
        "ordinal": (middle[:, None] - middle[None, :]) ** 2,
        "interval": (one - other) ** 2,
        "ratio": relative**2,
    }
