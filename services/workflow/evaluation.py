"""The evaluation report: exact totals, minimum scores, and the candidates for each award (5.4.1)."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field
from sqlalchemy import select

from kernel.identity import Office, Principal
from kernel.problems import absent
from kernel.requests import DryRun, InTransaction, Transaction, offer
from kernel.service import API, router
from kernel.wire import Action, Answer, Body, Id
from regulation.edition import Parameters
from regulation.implementation import ImplementationRules
from regulation.report import check_evaluation_stands
from regulation.score import Score, total
from regulation.shortlist import Seeker, Standing, candidates, check_candidates, check_list_stands
from services.workflow.ballot.use_cases import winners_motions
from services.workflow.course import (
    check_move,
    check_secrets,
    check_undertaken,
    find_cycle,
    hidden_from,
    lock_cycle,
    move,
    parameters_of,
    rules_hash,
    rules_of,
)
from services.workflow.stage import (
    Departure,
    ExactScore,
    Insider,
    check_stage,
    contenders,
    exact,
    recommended,
    reports_of,
    results,
    score_of,
    set_stage,
    veiled,
)
from services.workflow.tables import Contender, Cycle, Evaluation, Motion, Shortlist, StageResult


class AwardCandidates(Body):
    """The candidates that the office proposes for one award, by application."""

    award: str = Field(max_length=64)
    applications: list[Id] = Field(max_length=100)

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"award": "quality", "applications": ["01912d68-783e-7a03-8467-5661c1243ad4"]}]}
    )


class EvaluationRequest(Body):
    """Nothing to give: the report follows from the panels' results and the implementation rules."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})


class CandidatesConfirmation(Body):
    """Empty for the candidates as computed; else every award's whole list, with a reason for each name that differs."""

    candidates: list[AwardCandidates] | None = Field(default=None, max_length=20)
    reasons: list[Departure] = Field(default_factory=list, max_length=100)

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})


class StageScore(Answer):
    """A stage's exact score and what it rests on."""

    score: ExactScore
    panel: UUID
    aggregation: str
    counted: list[str]
    not_counted: list[dict[str, Any]]


class EvaluatedApplication(Answer):
    """One application's exact total and what it was computed from; `candidate_for` is what follows from the rules."""

    application: UUID
    organisation: str
    credit_code: str
    awards: list[str]
    falls_back: bool
    preferred: bool
    material: StageScore
    site: StageScore
    total: ExactScore
    candidate_for: str | None


class LeftOut(Answer):
    """An application of the shortlist that no longer stood when the report was computed, and where it stood."""

    application: UUID
    stage: str


class EvaluationAnswer(Answer):
    """The report with everything that reproduces it: edition, rules, weights, minimum points, stage results and totals.

    `candidates` by award are the computed ones until `confirmed_at` is set.
    """

    cycle: UUID
    edition: str
    in_force_on: date
    """The day whose values of the edition were applied."""
    rubric: str
    rules_hash: str
    screening: dict[str, Any]
    """Count and hash of the eligible list."""
    shortlist: list[UUID]
    aggregation: str
    material_weight: int
    site_weight: int
    fallback_between_awards: bool
    minimum_points: dict[str, int]
    applications: list[EvaluatedApplication]
    left_out: list[LeftOut]
    candidates: dict[str, list[UUID]]
    reasons: dict[str, str]
    hash: str
    """SHA-256 of the RFC 8785 form of the whole report as computed, before anything is left out for a recused reader."""
    computed_at: datetime
    confirmed_at: datetime | None
    overtaken: list[UUID]
    """The applications whose stage results a recusal has changed since: nobody goes on with the report until it is computed anew."""
    actions: dict[str, Action]


def check_evaluate(transaction: Transaction, cycle: Cycle) -> None:
    """Refuse to evaluate in the wrong phase, without an undertaking, or before every panel's reports stand (2.3.3, 5.3.3, 7.6)."""
    check_move(transaction, cycle, "evaluate")
    check_undertaken(transaction, transaction.actor, cycle)
    check_reviewed(transaction, cycle)


def check_reviewed(transaction: Transaction, cycle: Cycle) -> None:
    """Refuse to end the site review before the reports of both stages stand (2.3.3, 5.3.3).

    A late recusal may have reopened the material review, of those too who were not listed, and changed who would be (2.4.5, 5.3.2).
    """
    check_stage(transaction, cycle, "material", contenders(transaction, cycle, "shortlisted", "not_shortlisted"))
    check_list(transaction, cycle)
    check_stage(transaction, cycle, "site", contenders(transaction, cycle, "shortlisted"))


def check_list(transaction: Transaction, cycle: Cycle) -> None:
    """Refuse where the list for site review would be another by the material results as they are now; who dropped out keeps theirs."""
    found = transaction.session.get_one(Shortlist, cycle.id)
    motion = transaction.session.get(Motion, found.motion_id) if found.motion_id else None
    material, named = results(transaction, cycle, "material"), recommended(transaction, cycle)
    standing = contenders(transaction, cycle, "shortlisted", "not_shortlisted")
    before = [
        Standing(one["application"], Score(one["numerator"], one["denominator"]), one["preferred"], qualified=one["recommended"])
        for one in found.standings
    ]
    now = [
        replace(one, score=score_of(material[UUID(one.application)]), qualified=one.application in named)
        if UUID(one.application) in standing
        else one
        for one in before
    ]
    check_list_stands(before, now, parameters_of(cycle, transaction.now), parted_by(motion))


def parted_by(motion: Motion | None) -> frozenset[str] | None:
    """Name whom a motion chose among those tied for site review; None where it decided nothing of the kind."""
    return frozenset(motion.subject["applications"]) if motion and motion.subject.get("tie") == "shortlist" else None


def overtaken(transaction: Transaction, cycle: Cycle, evaluation: Evaluation) -> list[str]:
    """Name the applications whose stage results are no longer those that the report rests on: a recusal has changed them (2.4.5)."""
    now = {stage: results(transaction, cycle, stage) for stage in ("material", "site")}
    standing = contenders(transaction, cycle, "shortlisted", "candidate", "not_candidate")

    def differs(one: dict[str, Any], stage: str) -> bool:
        result = now[stage].get(UUID(one["application"]))
        return result is None or one[stage] != _stage_score(result)

    listed = [one for one in evaluation.report["applications"] if UUID(one["application"]) in standing]
    return [one["application"] for one in listed if any(differs(one, stage) for stage in now)]


@veiled
def check_stands(transaction: Transaction, cycle: Cycle) -> None:
    """Refuse to go on with a report that a recusal has overtaken, until winners are put to the vote: from then on it is in the docket."""
    evaluation = transaction.session.get(Evaluation, cycle.id)
    if evaluation is not None and not winners_motions(transaction, cycle):
        check_evaluation_stands(overtaken(transaction, cycle, evaluation))


def check_confirm_evaluation(transaction: Transaction, cycle: Cycle) -> None:
    """Refuse to report the candidates in the wrong phase, without an undertaking, or on results that have changed (2.2.3, 2.4.5, 7.6)."""
    check_move(transaction, cycle, "confirm_evaluation")
    check_undertaken(transaction, transaction.actor, cycle)
    check_stands(transaction, cycle)


@veiled
def evaluate(transaction: Transaction, cycle_id: UUID) -> Evaluation:
    """Combine material and site scores exactly, and work out the candidates."""
    cycle = lock_cycle(transaction, cycle_id)
    check_evaluate(transaction, cycle)
    p, rules = parameters_of(cycle, transaction.now), rules_of(cycle)
    material, site = (results(transaction, cycle, stage) for stage in ("material", "site"))
    shortlist = transaction.session.get_one(Shortlist, cycle.id)
    shortlisted = contenders(transaction, cycle, "shortlisted")
    for contender in shortlisted.values():
        score = total(score_of(material[contender.id]), score_of(site[contender.id]), rules.material_weight, rules.site_weight)
        contender.score_numerator, contender.score_denominator = score.numerator, score.denominator
    computed = candidates([_seeker(one) for one in shortlisted.values()], p, fallback_between_awards=rules.fallback_between_awards)
    award_of = {application: award for award, applications in computed.items() for application in applications}
    report: dict[str, Any] = _frame(cycle, p, rules) | {
        "applications": [
            {
                "application": str(one.id),
                "organisation": one.organisation,
                "credit_code": one.credit_code,
                "awards": one.awards,
                "falls_back": one.fallback,
                "preferred": one.preferred,
                "material": _stage_score(material[one.id]),
                "site": _stage_score(site[one.id]),
                "total": exact(_total_of(one)).model_dump(),
                "candidate_for": award_of.get(str(one.id)),
            }
            for one in sorted(shortlisted.values(), key=_total_of, reverse=True)
        ],
        "left_out": left_out(transaction, cycle, shortlist.applications),
        "shortlist": shortlist.applications,
        "candidates": {award: sorted(applications) for award, applications in computed.items()},
    }
    evaluation = Evaluation(cycle_id=cycle.id, report=report, computed_at=transaction.now, reasons={})
    transaction.session.add(evaluation)
    totals = {one["application"]: one["total"] for one in report["applications"]}
    facts = _frame(cycle, p, rules) | {"totals": totals, "candidates": report["candidates"], "hash": rules_hash(report)}
    facts["reports"] = reports_of(transaction, cycle, "material", "site")
    transaction.record("evaluation.computed", f"cycle:{cycle.id}", clause="5.4.1", facts=facts)
    move(transaction, cycle, "evaluate")
    return evaluation


@veiled
def confirm_evaluation(transaction: Transaction, cycle_id: UUID, confirmation: CandidatesConfirmation) -> Evaluation:
    """Confirm the candidates, as computed or with reasons for each departure, and report them to the committee (2.2.3)."""
    cycle = lock_cycle(transaction, cycle_id)
    check_confirm_evaluation(transaction, cycle)
    evaluation = transaction.session.get_one(Evaluation, cycle.id)
    p, rules = parameters_of(cycle, transaction.now), rules_of(cycle)
    standing = contenders(transaction, cycle, "shortlisted")
    seekers = [_seeker(one) for one in standing.values()]
    proposed = candidates(seekers, p, fallback_between_awards=rules.fallback_between_awards)
    if confirmation.candidates is not None:
        proposed = {one.award: frozenset(str(application) for application in one.applications) for one in confirmation.candidates}
    reasons = {str(departure.application): departure.reason for departure in confirmation.reasons}
    check_candidates(proposed, seekers, reasons, p, fallback_between_awards=rules.fallback_between_awards)
    award_of = {application: award for award, applications in proposed.items() for application in applications}
    for contender in standing.values():
        contender.candidate_for = award_of.get(str(contender.id))
        set_stage(transaction, contender, "candidate" if contender.candidate_for else "not_candidate", "5.4.1")
    evaluation.candidates = {award: sorted(applications) for award, applications in proposed.items()}
    evaluation.reasons, evaluation.confirmed_at = reasons, transaction.now
    facts = {"candidates": evaluation.candidates, "reasons": reasons}
    transaction.record("evaluation.confirmed", f"cycle:{cycle.id}", clause="2.2.3", facts=facts)
    move(transaction, cycle, "confirm_evaluation")
    return evaluation


def left_out(transaction: Transaction, cycle: Cycle, listed: list[str]) -> list[dict[str, str]]:
    """Name those of the shortlist who have dropped out since, so that nobody is silently missing."""
    gone = transaction.session.scalars(select(Contender).where(Contender.cycle_id == cycle.id, Contender.stage != "shortlisted"))
    return [{"application": str(one.id), "stage": one.stage} for one in gone if str(one.id) in listed]


def _total_of(contender: Contender) -> Score:
    return Score(contender.score_numerator or 0, contender.score_denominator or 1)


def _seeker(contender: Contender) -> Seeker:
    return Seeker(str(contender.id), contender.credit_code, _total_of(contender), frozenset(contender.awards), contender.fallback)


def _frame(cycle: Cycle, p: Parameters, rules: ImplementationRules) -> dict[str, Any]:
    return {
        "edition": cycle.edition,
        "in_force_on": cycle.launched_on.isoformat() if cycle.launched_on else None,
        "rubric": p.rubric,
        "rules_hash": cycle.rules_hash,
        "screening": cycle.screening,
        "aggregation": rules.aggregation,
        "material_weight": rules.material_weight,
        "site_weight": rules.site_weight,
        "fallback_between_awards": rules.fallback_between_awards,
        "minimum_points": {award.key: award.minimum_points for award in p.awards},
    }


def _stage_score(result: StageResult) -> dict[str, Any]:
    return {
        "score": exact(score_of(result)).model_dump(),
        "panel": str(result.panel_id),
        "aggregation": result.aggregation,
        "counted": result.counted,
        "not_counted": result.not_counted,
    }


def show_evaluation(transaction: Transaction, principal: Principal, cycle: Cycle, evaluation: Evaluation) -> EvaluationAnswer:
    """Give the report without the organisations that this caller is recused from."""
    hidden = hidden_from(transaction, principal, cycle)
    report = evaluation.report
    seen = [one for one in report["applications"] if one["credit_code"] not in hidden]
    codes = select(Contender.id).where(Contender.cycle_id == cycle.id, Contender.credit_code.in_(hidden))
    concealed = {str(one) for one in transaction.session.scalars(codes)}
    visible = {one["application"] for one in seen}
    named = evaluation.candidates if evaluation.confirmed_at else report["candidates"]
    actions = {}
    if principal.has_duty("office"):
        href = f"{API}/cycles/{cycle.id}/evaluation/confirmation"
        actions["confirm"] = offer(transaction, "POST", href, lambda: check_confirm_evaluation(transaction, cycle))
    return EvaluationAnswer.model_validate(
        report
        | {
            "cycle": cycle.id,
            "applications": seen,
            "shortlist": [one for one in report["shortlist"] if one not in concealed],
            "left_out": [one for one in report["left_out"] if one["application"] not in concealed],
            "hash": rules_hash(report),
            "candidates": {award: [one for one in applications if one in visible] for award, applications in (named or {}).items()},
            "reasons": {one: reason for one, reason in evaluation.reasons.items() if one in visible},
            "computed_at": evaluation.computed_at,
            "confirmed_at": evaluation.confirmed_at,
            "overtaken": [one for one in overtaken(transaction, cycle, evaluation) if one in visible],
            "actions": actions,
        }
    )


routes = router("evaluation")


@routes.post("/cycles/{cycle_id}/evaluation", operation_id="evaluate", status_code=201)
def post_evaluation(
    cycle_id: UUID, _nothing: EvaluationRequest, office: Office, transaction: InTransaction, _dry_run: DryRun
) -> EvaluationAnswer:
    """Compute the evaluation report; the office then confirms its candidates (5.4.1)."""
    evaluation = evaluate(transaction, cycle_id)
    return show_evaluation(transaction, office, find_cycle(transaction, cycle_id), evaluation)


@routes.post("/cycles/{cycle_id}/evaluation/confirmation", operation_id="confirm_evaluation", status_code=201)
def post_confirmation(
    cycle_id: UUID, confirmation: CandidatesConfirmation, office: Office, transaction: InTransaction, _dry_run: DryRun
) -> EvaluationAnswer:
    """Confirm the candidates and report them to the committee (2.2.3)."""
    evaluation = confirm_evaluation(transaction, cycle_id, confirmation)
    return show_evaluation(transaction, office, find_cycle(transaction, cycle_id), evaluation)


@routes.get("/cycles/{cycle_id}/evaluation", operation_id="get_evaluation")
def get_evaluation(cycle_id: UUID, insider: Insider, transaction: InTransaction) -> EvaluationAnswer:
    """Read the evaluation report; 404 before it is computed."""
    cycle = find_cycle(transaction, cycle_id)
    check_secrets(transaction, insider, cycle)
    evaluation = transaction.session.get(Evaluation, cycle_id)
    if evaluation is None:
        raise absent()
    return show_evaluation(transaction, insider, cycle, evaluation)
