"""Put the advice into words for one reader."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from kernel.problems import language_of
from kernel.requests import Transaction
from regulation.edition import Parameters
from regulation.refusal import Language
from regulation.rubric import Rubric
from services.scoring.access import Stage, parameters_of, rubric_of
from services.scoring.diagnostics.advice import Advice, Comparison, Part, advise
from services.scoring.diagnostics.answers import (
    ApplicationAdvice,
    CorrelationAdvice,
    Diagnostics,
    PartAdvice,
    ReviewerAdvice,
    RobustnessAdvice,
    SignAdvice,
    Spread,
    VariationAdvice,
)
from services.scoring.diagnostics.evidence import Evidence, OpenSheet, evidence
from services.scoring.diagnostics.reading import Scope, contenders, current_stage, names_of, opened, rules_for
from services.scoring.diagnostics.robustness import Robustness, robustness
from services.scoring.diagnostics.words import MEANINGS, NOT_CONNECTED, NOTICE, TOO_FEW


@dataclass(frozen=True)
class Basis:
    """What advice was computed from, and what it says, before it is put into words."""

    scope: Scope
    stage: Stage
    rubric: Rubric
    p: Parameters
    evidence: Evidence
    advice: Advice
    organisations: Mapping[str, str]
    names: Mapping[str, str]
    language: Language


def look(transaction: Transaction, scope: Scope, stage: Stage | None) -> Basis:
    """Compute advice on what this reader may see of a stage."""
    chosen = stage or current_stage(transaction, scope.cycle)
    rubric, p = rubric_of(scope.cycle), parameters_of(scope.cycle)
    organisations: dict[str, str] = {}
    sheets = []
    for sheet, found, dossier in transaction.session.execute(opened(scope)):
        if found.stage == chosen:
            organisations[str(dossier.application)] = dossier.organisation
            sheets.append(OpenSheet(str(sheet.id), str(dossier.application), sheet.person, sheet.ratings))
    given = evidence(sheets, rubric)
    advice = advise(given, minimum_points(p), p.site_review_cap)
    names = names_of(transaction, given.reviewers)
    return Basis(scope, chosen, rubric, p, given, advice, organisations, names, language_of(transaction.request))


def minimum_points(p: Parameters) -> dict[str, int]:
    """Give the awards' minimum points."""
    return {award.key: award.minimum_points for award in p.awards}


def diagnose(transaction: Transaction, scope: Scope, stage: Stage | None, panel: UUID | None = None) -> Diagnostics:
    """Give all advice on a stage."""
    basis = look(transaction, scope, stage)
    comparable = len(basis.advice.parts) < 2  # noqa: PLR2004 - with a second part there is something that can't be compared
    sturdy = robustness(contenders(transaction, scope), rules_for(scope.cycle)) if scope.panels is None else None
    return Diagnostics(
        notice=NOTICE[basis.language],
        cycle=scope.cycle.id,
        panel=panel,
        stage=basis.stage,
        sheets=len(basis.evidence.sheets),
        places=basis.p.site_review_cap,
        minimum_points=minimum_points(basis.p),
        comparable=comparable,
        why_not_comparable=None if comparable else NOT_CONNECTED[basis.language],
        parts=[_part(basis, part, comparable=comparable) for part in basis.advice.parts],
        alpha={level: _rounded(value, 6) for level, value in basis.advice.alphas.items()},
        sheets_to_look_at=_signs(basis),
        robustness=_robustness(sturdy) if sturdy else None,
    )


def _part(basis: Basis, part: Part, *, comparable: bool) -> PartAdvice:
    compared = part.compared
    found = compared.found if compared else None
    return PartAdvice(
        applications=[_application(basis, part, place, comparable=comparable) for place in range(len(part.component.applications))],
        reviewers=[_reviewer(basis, part, place) for place in range(len(part.component.reviewers))],
        spread=Spread(
            mean=_points(found.mean),
            applicants=_points(found.applicant_sd),
            reviewers=_points(found.reviewer_sd),
            residual=_points(found.residual_sd),
        )
        if found
        else None,
        icc=[
            CorrelationAdvice(form=one.form, **{name: _rounded(getattr(one, name), 4) for name in ("value", "low", "high")})
            for one in part.correlations
        ],
        why_not=None if compared else TOO_FEW[basis.language],
    )


def _application(basis: Basis, part: Part, place: int, *, comparable: bool) -> ApplicationAdvice:
    row = int(part.component.applications[place])
    key = basis.evidence.applications[row]
    scores = basis.evidence.scores[row]
    known: dict[str, object] = dict.fromkeys(("merit", "low", "high", "reaches", "ranks", "among_best"))
    if (compared := part.compared) is not None:
        known = _merit(compared, place) | {
            "reaches": {award: _share(shares[place]) for award, shares in compared.reaches.items()},
            "ranks": [_share(share) for share in compared.ranks[place]],
            "among_best": _share(compared.among_best[place]) if comparable else None,
        }
    count = int(np.count_nonzero(~np.isnan(scores)))
    described = {"application": key, "organisation": basis.organisations[key], "sheets": count, "mean": _points(float(np.nanmean(scores)))}
    return ApplicationAdvice.model_validate(described | known)


def _merit(compared: Comparison, place: int) -> dict[str, object]:
    low, high = compared.merit
    return {"merit": _points(compared.found.applicants[place]), "low": _points(low[place]), "high": _points(high[place])}


def _reviewer(basis: Basis, part: Part, place: int) -> ReviewerAdvice:
    column = int(part.component.reviewers[place])
    person = basis.evidence.reviewers[column]
    severity = low = high = None
    if part.compared is not None:
        severity, low, high = (_points(one[place]) for one in (part.compared.found.severities, *part.compared.severity))
    count = int(np.count_nonzero(basis.evidence.reviewer == column))
    return ReviewerAdvice(person=person, name=basis.names.get(person, person), sheets=count, severity=severity, low=low, high=high)


def _signs(basis: Basis) -> list[SignAdvice]:
    found = []
    for sign in basis.advice.signs:
        sheet = basis.evidence.sheets[sign.sheet] if sign.sheet is not None else None
        found.append(
            SignAdvice(
                kind=sign.kind,
                person=basis.evidence.reviewers[sign.reviewer],
                application=UUID(sheet.application) if sheet else None,
                sheet=UUID(sheet.id) if sheet else None,
                value=round(sign.value, 3),
                limit=round(sign.limit, 3),
                meaning=MEANINGS[sign.kind][basis.language],
            )
        )
    return found


def _robustness(found: Robustness) -> RobustnessAdvice:
    return RobustnessAdvice(
        aggregation=found.aggregation,
        lists=_ids(found.lists),
        variations=[
            VariationAdvice(without=one.without, changes=one.changes, joins=_ids(one.joins), leaves=_ids(one.leaves))
            for one in found.variations
        ],
    )


def _ids(lists: Mapping[str, frozenset[str]]) -> dict[str, list[UUID]]:
    return {name: sorted(UUID(application) for application in listed) for name, listed in lists.items()}


def _points(value: float) -> float:
    return round(float(value), 2)


def _share(value: float) -> float:
    return round(float(value), 4)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)
