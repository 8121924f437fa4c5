"""What if: the same cycle under other weights, aggregation or thresholds; who moves, and by how much. Exact, and advice only."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from pydantic import StringConstraints
from sqlalchemy import select

from kernel.identity import Principal, roles
from kernel.problems import Kind, Problem, language_of
from kernel.requests import InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer
from regulation.score import Aggregation, Score
from services.scoring.access import check_secrecy, check_watching, cycle_of
from services.scoring.diagnostics.answers import Advisory
from services.scoring.diagnostics.reading import Scope, contenders, rules_for
from services.scoring.diagnostics.words import NOTICE
from services.scoring.outcome import Contender, Outcome, Rules, changed, outcome, places
from services.scoring.tables import Dossier

routes = router("diagnostics")

WEIGHTLESS = Kind(422, "weights_zero", "材料与现场权重不能同时为零", "The weights of material and site can't both be zero")

CommitteeOrOffice = Annotated[Principal, roles("committee")]
CycleId = Annotated[UUID, Path(alias="id")]
Weight = Annotated[int | None, Query(ge=0, le=1000, description="an integer weight; the cycle's own where left out")]
Places = Annotated[int | None, Query(ge=1, le=1000, description="places in site review")]
Minimum = Annotated[
    list[Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,64}=\d{1,5}$")]],
    Query(max_length=20, description="an award's minimum points, `quality=620`; may be given for several", examples=[["quality=620"]]),
]


class AppliedRules(Answer):
    """The rules that a standing was worked out by."""

    aggregation: str
    material_weight: int
    site_weight: int
    places: int
    minimum_points: dict[str, int]


class ExactScore(Answer):
    """An exact score: `numerator`/`denominator` twentieths of a point, and points rounded down."""

    numerator: int
    denominator: int
    points: str


class Place(Answer):
    """Where an application stands: scores and places (equals share one), whether on the list for site review, and for which award."""

    material: ExactScore | None
    total: ExactScore | None
    material_place: int | None
    total_place: int | None
    listed: bool
    tied: bool
    candidate_for: str | None
    leads: bool
    unscored: str | None


class Movement(Answer):
    """An application now and then: `gained` of the total where there is one in both, else of the material score."""

    application: UUID
    organisation: str
    now: Place
    then: Place
    gained: ExactScore | None
    moves: bool


class WhatIf(Advisory):
    """The cycle under its own rules and under others, over the applications that this caller may see; those that move come first."""

    cycle: UUID
    now: AppliedRules
    then: AppliedRules
    applications: list[Movement]


def imagine(transaction: Transaction, scope: Scope, rules: Rules, other: Rules) -> WhatIf:
    """Work both standings out, and compare."""
    given = contenders(transaction, scope)
    before, after = outcome(given, rules), outcome(given, other)
    names = _organisations(transaction, given)
    then, now = _places(given, after), _places(given, before)
    movements = [
        Movement(
            application=UUID(one.application),
            organisation=names[one.application],
            now=now[one.application],
            then=then[one.application],
            gained=_gained(before, after, one.application),
            moves=now[one.application] != then[one.application],
        )
        for one in given
    ]
    return WhatIf(
        notice=NOTICE[language_of(transaction.request)],
        cycle=scope.cycle.id,
        now=_applied(rules),
        then=_applied(other),
        applications=sorted(movements, key=lambda one: (not one.moves, one.application)),
    )


def _organisations(transaction: Transaction, given: Sequence[Contender]) -> Mapping[str, str]:
    query = select(Dossier).where(Dossier.application.in_([UUID(one.application) for one in given]))
    return {str(dossier.application): dossier.organisation for dossier in transaction.session.scalars(query)}


def _applied(rules: Rules) -> AppliedRules:
    return AppliedRules(
        aggregation=rules.aggregation,
        material_weight=rules.material_weight,
        site_weight=rules.site_weight,
        places=rules.p.site_review_cap,
        minimum_points={award.key: award.minimum_points for award in rules.p.awards},
    )


def _places(given: Sequence[Contender], found: Outcome) -> Mapping[str, Place]:
    by_material, by_total = places(found.material), places(found.totals)
    award_of = {application: award for award, applications in found.candidates.items() for application in applications}
    leading = frozenset().union(*found.leaders.values())
    return {
        key: Place(
            material=_exact(found.material.get(key)),
            total=_exact(found.totals.get(key)),
            material_place=by_material.get(key),
            total_place=by_total.get(key),
            listed=key in found.listed,
            tied=key in found.tied,
            candidate_for=award_of.get(key),
            leads=key in leading,
            unscored=found.unscored.get(key),
        )
        for key in (one.application for one in given)
    }


def _exact(score: Score | None) -> ExactScore | None:
    return None if score is None else ExactScore(numerator=score.numerator, denominator=score.denominator, points=score.points)


def _gained(before: Outcome, after: Outcome, key: str) -> ExactScore | None:
    for scores, others in ((before.totals, after.totals), (before.material, after.material)):
        if key in scores and key in others:
            now, then = scores[key], others[key]
            gained = Score(then.numerator * now.denominator - now.numerator * then.denominator, now.denominator * then.denominator)
            return _exact(gained)
    return None


@routes.get("/cycles/{id}/what-if", operation_id="imagine_other_rules")
def get_what_if(
    key: CycleId,
    reader: CommitteeOrOffice,
    transaction: InTransaction,
    aggregation: Annotated[Aggregation | None, Query(description="how a panel's sheets are combined")] = None,
    material_weight: Weight = None,
    site_weight: Weight = None,
    places: Places = None,
    minimum: Minimum = [],  # noqa: B006 - FastAPI reads it
) -> WhatIf:
    """See the cycle under other rules, as the office or the committee; what is left out stays as the cycle's rules have it."""
    cycle = cycle_of(transaction, key)
    check_watching(transaction, reader, cycle.id)
    check_secrecy(transaction, reader.person, cycle)
    rules = rules_for(cycle)
    weights = [
        own if asked is None else asked for asked, own in ((material_weight, rules.material_weight), (site_weight, rules.site_weight))
    ]
    if not any(weights):
        raise Problem(WEIGHTLESS)
    asked_points = {award: int(points) for award, _, points in (entry.partition("=") for entry in minimum)}
    for award in asked_points:
        rules.p.award(award)
    other = replace(rules, aggregation=aggregation or rules.aggregation, material_weight=weights[0], site_weight=weights[1])
    return imagine(transaction, Scope(reader, cycle, None), rules, changed(other, places, asked_points))
