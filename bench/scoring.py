"""Scoring's advice beside statsmodels, pingouin and krippendorff; each pair is checked to say the same before it is timed."""

import warnings
from typing import Any

import krippendorff
import numpy as np
import pandas as pd
import pingouin
from numpy.typing import NDArray
from statsmodels.regression.mixed_linear_model import MixedLM

from bench.rows import Row, seconds
from regulation import edition, rubric
from regulation.score import TWENTIETHS
from services.scoring.diagnostics.advice import advise
from services.scoring.diagnostics.agreement import Level, alphas, correlations
from services.scoring.diagnostics.evidence import OpenSheet, evidence
from services.scoring.diagnostics.robustness import robustness
from services.scoring.diagnostics.totals import totals
from services.scoring.diagnostics.variance import Fit, fit
from services.scoring.outcome import Contender, Rules, Scored

COUNTIES, APPLICATIONS, REVIEWERS = 2844, 60, 5
GBT = rubric.load("gbt-19580-2012")
CLOSE = 2e-3
"""How far two estimates of the same thing may lie apart, as a share."""
LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval", "ratio")


def rows() -> list[Row]:
    """Measure the specification's table, but for the draw."""
    random = np.random.default_rng(19580)
    return [_totals(random), *_severity(random), _correlations(random), _alpha(random), _district(random)]


def _scores(random: np.random.Generator) -> NDArray[np.float64]:
    merits, severities = random.normal(600, 30, APPLICATIONS), random.normal(0, 15, REVIEWERS)
    return np.asarray(merits[:, None] + severities + random.normal(0, 20, (APPLICATIONS, REVIEWERS)))


def _long(scores: NDArray[np.float64]) -> pd.DataFrame:
    present = np.argwhere(~np.isnan(scores))
    points = scores[~np.isnan(scores)]
    return pd.DataFrame({"application": present[:, 0], "reviewer": present[:, 1], "points": points, "all": 1})


def _must_agree(name: str, ours: list[float], theirs: list[float]) -> None:
    if not np.allclose(ours, theirs, rtol=CLOSE, atol=CLOSE):
        raise SystemExit(f"{name}: {ours} is not {theirs}")


def _totals(random: np.random.Generator) -> Row:
    points = np.array([item.points for item in GBT.items], np.int64)
    steps = random.integers(0, 21, (len(points), COUNTIES * APPLICATIONS * REVIEWERS), np.uint8)
    ours = totals(steps, points)
    if not np.array_equal(ours[:1000], points @ steps[:, :1000].astype(np.int64)):
        raise SystemExit("totals are wrong")
    words = steps.ravel()[: steps.size // 8 * 8].view(np.uint64)  # the same bytes, eight at a time: no sum reads them faster
    name = f"totals of {steps.size:,} item scores; NumPy's sum over the same bytes"
    return Row(name, seconds(lambda: totals(steps, points), 7), seconds(words.sum, 7), 1 / 20)


def _reference_fit(table: pd.DataFrame) -> Any:  # noqa: ANN401 - statsmodels has no types
    parts = {"application": "0 + C(application)", "reviewer": "0 + C(reviewer)"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of its own convergence
        return MixedLM.from_formula("points ~ 1", groups="all", vc_formula=parts, data=table).fit(reml=True)


def _severity(random: np.random.Generator) -> list[Row]:
    complete = _scores(random)
    incomplete = complete.copy()
    for row in range(APPLICATIONS):
        incomplete[row, [row % REVIEWERS, (row + 2) % REVIEWERS]] = np.nan
    found = []
    for name, scores, times, at_least in (("complete", complete, 200, 1000.0), ("incomplete", incomplete, 5, 15.0)):
        table = _long(scores)
        ours, theirs = fit(scores), _reference_fit(table)
        _must_agree(f"severity, {name}", _spreads(ours), [*np.sqrt(theirs.vcomp), np.sqrt(theirs.scale)])
        timed = seconds(lambda scores=scores: fit(scores), times), seconds(lambda table=table: _reference_fit(table), 1)  # type: ignore[misc]
        found.append(Row(f"severity, {name} design 60 × 5; statsmodels MixedLM", *timed, at_least))
    return found


def _spreads(found: Fit) -> list[float]:
    return [found.applicant_sd, found.reviewer_sd, found.residual_sd]


def _correlations(random: np.random.Generator) -> Row:
    scores = _scores(random)
    table = _long(scores)

    def reference() -> pd.DataFrame:
        found: pd.DataFrame = pingouin.intraclass_corr(table, targets="application", raters="reviewer", ratings="points")
        return found

    _must_agree("ICC", [one.value or 0 for one in correlations(scores)], list(reference()["ICC"]))
    name = "ICC, six forms with intervals, 60 × 5; pingouin"
    return Row(name, seconds(lambda: correlations(scores), 200), seconds(reference, 5), 100)


def _alpha(random: np.random.Generator) -> Row:
    units = APPLICATIONS * len(GBT.items)
    ratings = np.clip(random.integers(8, 16, units) + random.integers(-2, 3, (REVIEWERS, units)), 0, 20)

    def reference() -> list[float]:
        return [float(krippendorff.alpha(reliability_data=ratings.astype(float), level_of_measurement=level)) for level in LEVELS]

    _must_agree("alpha", [alphas(ratings)[level] or 0 for level in LEVELS], reference())
    return Row(f"alpha on {units:,} units, four levels; krippendorff", seconds(lambda: alphas(ratings), 100), seconds(reference, 5), 10)


def _district(random: np.random.Generator) -> Row:
    """Time everything that a cycle's diagnostics compute of one district's sheets."""
    merits, severities = random.normal(12.4, 1, APPLICATIONS), random.normal(0, 0.6, REVIEWERS)
    sheets = []
    for application, merit in enumerate(merits):
        for reviewer, severity in enumerate(severities):
            steps = np.clip(np.rint(merit + severity + random.normal(0, 2, len(GBT.items))), 0, 20).astype(int)
            ratings = {item.id: int(step) for item, step in zip(GBT.items, steps, strict=True)}
            sheets.append(OpenSheet(f"{application}-{reviewer}", str(application), str(reviewer), ratings))
    p = edition.load("jindong-2022").parameters(edition.load("jindong-2022").in_force_on)
    rules = Rules("mean", 60, 40, fallback_between_awards=True, p=p)
    arranged = evidence(sheets, GBT)
    twentieths: dict[str, dict[str, int]] = {}
    for sheet, summed in zip(sheets, arranged.twentieths.tolist(), strict=True):
        twentieths.setdefault(sheet.application, {})[sheet.person] = summed
    stages = {application: {"material": Scored(of), "site": Scored(of)} for application, of in twentieths.items()}
    awards = frozenset(award.key for award in p.awards)
    contenders = [
        Contender(application, application, awards, falls_back=True, preferred=False, recommended=True, stages=of)  # type: ignore[arg-type]
        for application, of in stages.items()
    ]
    minimum = {award.key: award.minimum_points for award in p.awards}

    def everything() -> None:
        advise(evidence(sheets, GBT), minimum, p.site_review_cap)
        robustness(contenders, rules)

    mean = float(arranged.scores.mean())
    if not 0 < mean < GBT.total or arranged.twentieths[0] != round(arranged.scores[0, 0] * TWENTIETHS):
        raise SystemExit("the district's sheets are not what they should be")
    return Row("all diagnostics of one district, 10,000 draws; 50 ms", seconds(everything, 40), 0.05, 1)
