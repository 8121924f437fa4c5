"""Severity by crossed random effects: y = μ + applicant + reviewer + error, variances by REML (or ML), effects with shrinkage.

Every deviance is minus twice the log-likelihood. Ratios of variances are searched in x = log(1 + k·σ²applicant/σ²error) and
y = log(1 + n·σ²reviewer/σ²error), with k sheets an application and n a reviewer on the average: both from zero up, and in a complete
design the logarithms of the ratios of its mean squares, for which REML has a closed form.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dtrtrs

from services.scoring.diagnostics.design import Scores, is_complete

Vector = NDArray[np.float64]
Method = Literal["reml", "ml"]

NOTHING = 1e-9
"""A sum of squares below this is none: scores are twentieths of a point."""
LARGEST_LOG_RATIO = 25.0
STENCIL, CLOSE, FLATTEST, LONGEST_STEP, MOST_STEPS = 1e-3, 1e-8, 1e-4, 3.0, 60
"""Newton's method: how far apart differences are taken, when a step is none, the least curvature trusted, the longest step, the most."""


@dataclass(frozen=True)
class Fit:
    """Variances as standard deviations in points; `applicants` μ + effect, `severities` points that a reviewer gives above the others."""

    method: Method
    mean: float
    applicant_sd: float
    reviewer_sd: float
    residual_sd: float
    deviance: float
    applicants: Vector
    severities: Vector


@dataclass(frozen=True)
class Strata:
    """The sums of squares of a complete design with their degrees of freedom: residual, applications, reviewers."""

    grand: float
    rows: Vector
    columns: Vector
    squares: tuple[float, float, float]
    freedom: tuple[int, int, int]


@dataclass(frozen=True)
class Solution:
    """The penalised least squares at one pair of ratios: `factor` is the lower Cholesky factor of reviewers and mean, applications gone."""

    ratios: tuple[float, float]
    factor: NDArray[np.float64]
    half: Vector
    squares: float
    log_determinant: float


def strata(scores: Scores) -> Strata:
    """Take a complete design apart."""
    applications, reviewers = scores.shape
    grand = float(scores.mean())
    centred = scores - grand
    rows, columns = centred.mean(axis=1), centred.mean(axis=0)
    rest = centred - rows[:, None] - columns
    squares = (float(np.vdot(rest, rest)), reviewers * float(rows @ rows), applications * float(columns @ columns))
    a, b, c = (one if one > NOTHING else 0.0 for one in squares)
    return Strata(grand, rows, columns, (a, b, c), ((applications - 1) * (reviewers - 1), applications - 1, reviewers - 1))


def fit(scores: Scores, method: Method = "reml") -> Fit:
    """Estimate variances and effects of one linked design with at least two of each and a degree of freedom for the error."""
    if method == "reml" and is_complete(scores):
        return _closed_form(scores)
    crossed = Crossed(scores)
    if crossed.is_additive:
        return _without_error(scores, method)
    best = crossed.best(method)
    applicants, severities, mean = crossed.effects(best)
    error = crossed.error(best, method)
    applicant, reviewer = (float(np.sqrt(ratio)) * error for ratio in best.ratios)
    return Fit(method, mean, applicant, reviewer, error, crossed.deviance(best, method), applicants, severities)


def _closed_form(scores: Scores) -> Fit:
    parts = strata(scores)
    applications, reviewers = scores.shape
    levels = [square / freedom for square, freedom in zip(parts.squares, parts.freedom, strict=True)]
    square, freedom = parts.squares[0], parts.freedom[0]
    for stratum in sorted((1, 2), key=lambda one: levels[one]):
        if levels[stratum] < square / freedom:  # no variance of its own: the stratum tells of the error only
            square, freedom = square + parts.squares[stratum], freedom + parts.freedom[stratum]
    error = square / freedom
    ours, theirs = (max(level, error) for level in levels[1:])
    deviance = -np.inf
    if error > 0:
        logs = sum(count * np.log(level) for count, level in zip(parts.freedom, (error, ours, theirs), strict=True))
        squares = sum(one / level for one, level in zip(parts.squares, (error, ours, theirs), strict=True))
        deviance = (scores.size - 1) * np.log(2 * np.pi) + np.log(scores.size) + logs + squares
    kept = [1 - error / level if level > 0 else 0.0 for level in (ours, theirs)]
    return Fit(
        "reml",
        parts.grand,
        float(np.sqrt((ours - error) / reviewers)),
        float(np.sqrt((theirs - error) / applications)),
        float(np.sqrt(error)),
        float(deviance),
        parts.grand + kept[0] * parts.rows,
        kept[1] * parts.columns,
    )


def least_squares(scores: Scores) -> tuple[Vector, Vector]:
    """Fit applicants and severities as fixed effects; the severities sum to zero. The design must be linked."""
    present = ~np.isnan(scores)
    values, linked = np.where(present, scores, 0.0), present.astype(float)
    of_application = linked.sum(axis=1)
    system = np.diag(linked.sum(axis=0)) - (linked.T / of_application) @ linked + 1  # the ones hold the sum at zero
    severities = np.linalg.solve(system, values.sum(axis=0) - (values.sum(axis=1) / of_application) @ linked)
    return (values.sum(axis=1) - linked @ severities) / of_application, severities


def _without_error(scores: Scores, method: Method) -> Fit:
    """Where scores are exactly applicant plus reviewer, nothing is shrunk."""
    applicants, severities = least_squares(scores)
    spread = [float(np.std(effects, ddof=1)) for effects in (applicants, severities)]
    return Fit(method, float(applicants.mean()), spread[0], spread[1], 0.0, -np.inf, applicants, severities)


def _derivatives(deviance: Callable[[Vector], float], at: Vector, middle: float) -> tuple[Vector, NDArray[np.float64]]:
    """Give slope and curvature by central differences about a point, whose own deviance is `middle`."""
    across, up = np.array([STENCIL, 0.0]), np.array([0.0, STENCIL])
    right, left, above, below = (deviance(at + off) for off in (across, -across, up, -up))
    corner = deviance(at + across + up)
    mixed = corner - right - above + middle
    slope = np.array([right - left, above - below]) / (2 * STENCIL)
    return slope, np.array([[right + left - 2 * middle, mixed], [mixed, above + below - 2 * middle]]) / STENCIL**2


class Crossed:
    """Any linked design, by penalised least squares; applications are eliminated, so that only reviewers are solved for."""

    def __init__(self, scores: Scores) -> None:
        """Sum up what every evaluation needs."""
        present = ~np.isnan(scores)
        self.applications, self.reviewers = scores.shape
        self.sheets = int(present.sum())
        self.centre = float(scores[present].mean())
        values = np.where(present, scores - self.centre, 0.0)
        self.linked = present.astype(float)
        self.of_application, self.of_reviewer = self.linked.sum(axis=1), self.linked.sum(axis=0)
        self.sum_application, self.sum_reviewer = values.sum(axis=1), values.sum(axis=0)
        self.square, self.sum = float(np.vdot(values, values)), float(values.sum())
        applicants, severities = least_squares(scores)
        rest = np.where(present, scores - applicants[:, None] - severities, 0.0)
        self.is_additive = float(np.vdot(rest, rest)) < NOTHING

    def ratios(self, x: float, y: float) -> tuple[float, float]:
        """Turn logarithms of ratios into the variances of applicants and reviewers over the error's."""
        return float(np.expm1(x)) * self.applications / self.sheets, float(np.expm1(y)) * self.reviewers / self.sheets

    def solve(self, x: float, y: float) -> Solution:
        """Solve at one pair of log ratios."""
        ours, theirs = self.ratios(x, y)
        weight = 1 + ours * self.of_application
        shrunk = ours / weight
        root = np.sqrt(theirs)
        size = self.reviewers + 1
        system, right = np.empty((size, size), order="F"), np.empty(size)
        system[:-1, :-1] = -theirs * (self.linked.T * shrunk) @ self.linked
        diagonal = np.arange(self.reviewers)
        system[diagonal, diagonal] += 1 + theirs * self.of_reviewer
        system[-1, :-1] = root * (self.of_reviewer - (shrunk * self.of_application) @ self.linked)
        system[-1, -1] = self.sheets - shrunk @ self.of_application**2
        right[:-1] = root * (self.sum_reviewer - (shrunk * self.sum_application) @ self.linked)
        right[-1] = self.sum - (shrunk * self.of_application) @ self.sum_application
        factor, _ = dpotrf(system, lower=1, clean=1)
        half, _ = dtrtrs(factor, right, lower=1)
        squares = self.square - shrunk @ self.sum_application**2 - half @ half
        return Solution((ours, theirs), factor, half, float(squares), float(np.log(weight).sum() + 2 * np.log(np.diag(factor)[:-1]).sum()))

    def deviance(self, solution: Solution, method: Method) -> float:
        """Give the deviance with the error's variance at its best."""
        count, log_determinant = self.sheets, solution.log_determinant
        if method == "reml":
            count, log_determinant = count - 1, log_determinant + 2 * np.log(solution.factor[-1, -1])
        return float(log_determinant + count * (1 + np.log(2 * np.pi * solution.squares / count)))

    def error(self, solution: Solution, method: Method) -> float:
        """Give the error's standard deviation."""
        return float(np.sqrt(solution.squares / (self.sheets - (method == "reml"))))

    def best(self, method: Method) -> Solution:
        """Find the ratios with the lowest deviance, by Newton's method within their bounds."""

        def deviance(at: Vector) -> float:
            return self.deviance(self.solve(float(at[0]), float(at[1])), method)

        at = np.array([2.0, 1.0])
        here = deviance(at)
        for _ in range(MOST_STEPS):
            inside = np.maximum(at, STENCIL)
            slope, curvature = _derivatives(deviance, inside, here if np.array_equal(inside, at) else deviance(inside))
            free = (at > 0) | (slope < 0)
            bend, turn = np.linalg.eigh(curvature[np.ix_(free, free)])
            step = np.zeros(2)
            step[free] = -turn @ ((turn.T @ slope[free]) / np.maximum(np.abs(bend), FLATTEST))
            step *= min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), NOTHING))
            there = np.clip(at + step, 0.0, LARGEST_LOG_RATIO)
            found = deviance(there)
            while found > here and float(np.abs(there - at).max()) > CLOSE:
                there = (at + there) / 2
                found = deviance(there)
            moved, at, here = float(np.abs(there - at).max()), there, found
            if moved <= CLOSE:
                break
        return self.solve(float(at[0]), float(at[1]))

    def effects(self, solution: Solution) -> tuple[Vector, Vector, float]:
        """Give applicants, severities and the mean, in points."""
        whole, _ = dtrtrs(solution.factor, solution.half, lower=1, trans=1)
        applicants, severities = self.back(solution, whole)
        return self.centre + whole[-1] + applicants, severities, self.centre + float(whole[-1])

    def back(self, solution: Solution, whole: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Turn scaled reviewers and mean (the last row) into applicants' and reviewers' effects; further axes are draws."""
        ours, theirs = solution.ratios
        severities = np.sqrt(theirs) * whole[:-1]
        shrunk = (ours / (1 + ours * self.of_application)).reshape(-1, *[1] * (whole.ndim - 1))
        given = self.sum_application.reshape(shrunk.shape) - self.linked @ severities
        return shrunk * (given - self.of_application.reshape(shrunk.shape) * whole[-1]), severities
