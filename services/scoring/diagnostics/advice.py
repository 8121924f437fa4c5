"""All advice on one stage's opened sheets, computed at once."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.scoring.diagnostics.agreement import MISSING, Correlation, Level, alphas, correlations
from services.scoring.diagnostics.design import Component, can_be_compared, components, is_complete
from services.scoring.diagnostics.evidence import Evidence
from services.scoring.diagnostics.inspection import Sign, signs, unusual_totals
from services.scoring.diagnostics.posterior import DRAWS, draw, interval, ranks, reaches
from services.scoring.diagnostics.variance import Fit, Vector, fit

MOST_NUMBERS = 4_000_000
"""Draws times applications are held below this."""

Range = tuple[Vector, Vector]


@dataclass(frozen=True)
class Comparison:
    """What is known of one linked part: merits and severities with 90 percent intervals, and what is likely to be reached."""

    found: Fit
    merit: Range
    severity: Range
    reaches: Mapping[str, Vector]
    ranks: NDArray[np.float64]
    among_best: Vector


@dataclass(frozen=True)
class Part:
    """A linked part of the design; `compared` is null where it has too few sheets, `correlations` are empty where a sheet is missing."""

    component: Component
    compared: Comparison | None
    correlations: list[Correlation]


@dataclass(frozen=True)
class Advice:
    """Everything; scores of applications in different parts can't be compared."""

    parts: list[Part]
    alphas: Mapping[Level, float | None]
    signs: list[Sign]


def advise(evidence: Evidence, minimum_points: Mapping[str, int], places: int, draws: int = DRAWS) -> Advice:
    """Work out all advice; `minimum_points` by award, `places` in site review."""
    scores = evidence.scores
    distances = np.full(scores.shape, np.nan)
    parts = []
    for component in components(scores):
        chosen = np.ix_(component.applications, component.reviewers)
        own = scores[chosen]
        compared = None
        if can_be_compared(own):
            posterior = draw(own, min(draws, MOST_NUMBERS // len(own)))
            placed, found = ranks(posterior), fit(own)
            compared = Comparison(
                found,
                interval(posterior.applicants),
                interval(posterior.severities),
                {award: reaches(posterior, points) for award, points in minimum_points.items()},
                placed.probability,
                placed.in_top(places),
            )
            distances[chosen] = unusual_totals(own, found)
        parts.append(Part(component, compared, correlations(own) if compared and is_complete(own) else []))
    return Advice(parts, alphas(_ratings(evidence)), signs(evidence, distances))


def _ratings(evidence: Evidence) -> NDArray[np.int8]:
    """Lay ratings out for agreement: a row a reviewer, a column an item of an application."""
    table = np.full((len(evidence.reviewers), len(evidence.applications), len(evidence.steps)), MISSING, np.int8)
    table[evidence.reviewer, evidence.application] = evidence.steps.T
    return table.reshape(len(evidence.reviewers), len(evidence.applications) * len(evidence.steps))
