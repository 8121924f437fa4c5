"""Screening: every criterion of chapter 3 gets its outcome, the application its determination, the cycle its eligible list (5.3.1)."""

import hashlib
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import rfc8785
from pydantic import ConfigDict, Field
from sqlalchemy import select

from kernel.identity import Anyone, Office, Principal, roles
from kernel.problems import Kind, Problem, absent, language_of, refusal_parts
from kernel.requests import DryRun, IfMatch, InTransaction, Transaction, check_version
from kernel.service import router
from kernel.wire import Answer, Body, Day, Line, Name, Reason, Why, Words
from regulation import lifecycle
from regulation.eligibility import (
    CRITERIA,
    Criterion,
    Facts,
    PriorityFlag,
    Repair,
    check_outcome,
    check_repair,
    check_screening_closure,
    has_priority,
    machine_finding,
)
from regulation.eligibility import Outcome as Settled
from services.intake import access, dossier, steps
from services.intake.application import ApplicationAnswer, show
from services.intake.tables import Application, Cycle, Outcome

CRITERION_TWICE = Kind(422, "criterion_twice", "同一审查条件出现两次", "A criterion is given twice")
REPAIR_OF_NOTHING = Kind(422, "repair_of_nothing", "没有该文号的记录：{number}", "There is no finding with the number {number}")
NOT_CLAIMED = Kind(422, "title_not_claimed", "申报材料中没有该称号：{flag}", "The dossier claims no such title: {flag}")

OUTCOME_EXAMPLE: dict[str, Any] = {"outcome": "pass", "reason": "营业执照与登记信息一致。", "evidence": ["市场主体登记档案"]}


class RepairDecision(Body):
    """Whether a credit repair that a department has confirmed counts, for the finding with this number (3.4)."""

    number: Annotated[str, Line(80)]
    confirmed_by: Name
    confirmed_on: Day
    accepted: bool
    reason: Reason


class OutcomeBody(Body):
    """The office's outcome on one criterion; `proven` (3.2.5 alone) names the titles whose proof it has seen: they break a tie."""

    model_config = ConfigDict(json_schema_extra={"examples": [OUTCOME_EXAMPLE]})

    outcome: Literal["pass", "fail"]
    reason: Annotated[str, Words(4000, least=0)]
    evidence: Annotated[list[Annotated[str, Line(500)]], Field(max_length=50, default_factory=list)]
    repairs: Annotated[list[RepairDecision], Field(max_length=50, default_factory=list)]
    proven: Annotated[list[PriorityFlag], Field(max_length=3, default_factory=list)]


class CriterionOutcome(OutcomeBody):
    """An outcome with its criterion, by its clause."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"criterion": "3.1"} | OUTCOME_EXAMPLE]})

    criterion: Annotated[str, Line(20)]


class OutcomesBody(Body):
    """Several outcomes at once."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"outcomes": [{"criterion": "3.1"} | OUTCOME_EXAMPLE]}]})

    outcomes: Annotated[list[CriterionOutcome], Field(min_length=1, max_length=len(CRITERIA))]


class DeterminationBody(Body):
    """What the office adds to a determination, which follows from the outcomes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"remarks": "符合申报条件。"}]})

    remarks: Annotated[str, Words(4000, least=0)] = ""


class CriterionAnswer(Answer):
    """A criterion: what the rules alone find (`judgement` leaves it to the office), and the outcome so far; version 0: none yet."""

    criterion: str
    zh: str
    en: str
    finding: Literal["refused", "passed", "judgement"]
    refusal: Why | None
    version: int
    outcome: Literal["pass", "fail"] | None
    reason: str | None
    evidence: list[str]
    repairs: list[dict[str, Any]]
    proven: list[PriorityFlag]
    settled_at: datetime | None


class ScreeningAnswer(Answer):
    """An application's screening."""

    application: UUID
    version: int
    criteria: list[CriterionAnswer]


class CriterionDescription(Answer):
    """A criterion of chapter 3; where `rule` is true the system refuses what fails, and a person judges the rest."""

    clause: str
    zh: str
    en: str
    rule: bool


class Criteria(Answer):
    """The criteria of a cycle's screening."""

    items: list[CriterionDescription]


class Closure(Answer):
    """The end of a cycle's screening: the eligible as the caller may see them; `hash` is the SHA-256 of the whole list in RFC 8785 form."""

    cycle: UUID
    count: int
    hash: str
    applications: list[UUID]
    closed_at: datetime


def settle(transaction: Transaction, application: Application, cycle: Cycle, given: CriterionOutcome) -> Outcome:
    """Keep the office's outcome on one criterion; it can't be a pass where a rule refuses.

    Clauses 3.1, 3.2.1, 3.2.5, 3.2.7, 3.3.1, 3.3.2, 3.3.3, 3.4, 5.3.1.
    """
    session, key = transaction.session, (application.id, given.criterion)
    if given.repairs:
        _check_repairs(dossier.screened_facts(transaction, application, cycle), given)
    claimed = access.latest(transaction, application).content["sections"].get("preferences", {}).get("titles", [])
    for flag in given.proven:
        if given.criterion != "3.2.5" or flag not in {title["flag"] for title in claimed}:
            raise Problem(NOT_CLAIMED, flag=flag)
    content = given.model_dump(mode="json", exclude={"criterion"}) | {
        "settled_at": transaction.now,
        "settled_by": access.caller(transaction).person,
    }
    row = session.get(Outcome, key)
    if row is None:
        row = Outcome(application_id=application.id, criterion=given.criterion, version=0)
        session.add(row)
    for name, value in content.items():
        setattr(row, name, value)
    row.version += 1
    application.screening_version += 1
    application.determination = None
    session.flush()
    facts = dossier.screened_facts(transaction, application, cycle)
    check_outcome(Settled(given.criterion, given.outcome == "pass", given.reason), facts, access.parameters(cycle))
    transaction.record(
        "screening.outcome_settled",
        f"application:{application.id}",
        clause=given.criterion,
        facts=given.model_dump(mode="json") | {"version": row.version},
    )
    return row


def _check_repairs(facts: Facts, given: CriterionOutcome) -> None:
    found = {incident.number: incident.kind for incident in facts.incidents}
    for repair in given.repairs:
        if repair.number not in found:
            raise Problem(REPAIR_OF_NOTHING, number=repair.number)
        check_repair(found[repair.number], Repair(repair.confirmed_by, repair.confirmed_on, repair.accepted, repair.reason))


def determine(transaction: Transaction, application: UUID, remarks: str) -> Application:
    """Settle an application's screening: eligible, or ineligible by the clauses that failed.

    Clause 5.3.1.
    """
    found, cycle = access.hold(transaction, application)
    settled = steps.check_determination(transaction, found, cycle)
    action = "find_eligible" if settled.eligible else "find_ineligible"
    if found.state != ("eligible" if settled.eligible else "ineligible"):
        found.state = steps.check_step(transaction, cycle, found.state, action).to
    found.version += 1
    found.determination = {
        "eligible": settled.eligible,
        "clauses": list(settled.clauses),
        "remarks": remarks,
        "determined_at": transaction.now.isoformat(),
    }
    transaction.record("screening.determined", f"application:{found.id}", clause="5.3.1", facts=found.determination)
    return found


def close_screening(transaction: Transaction, cycle_id: UUID) -> Closure:
    """Close a cycle's screening once every filed application is determined, and tell the peers the eligible list.

    Clause 5.3.1.
    """
    session = transaction.session
    cycle = session.get(Cycle, cycle_id, with_for_update=True)
    if cycle is None:
        raise absent()
    step = lifecycle.step(lifecycle.cycle(access.parameters(cycle)), access.phase(cycle, transaction), "close_screening")
    filed = select(Application).where(Application.cycle_id == cycle.id, Application.state.in_(["filed", "eligible", "ineligible"]))
    applications = session.scalars(filed.order_by(Application.id)).all()
    check_screening_closure(sum(application.determination is None for application in applications))
    listed = [_summary(transaction, application) for application in applications if application.state == "eligible"]
    digest = hashlib.sha256(rfc8785.dumps(listed)).hexdigest()
    cycle.phase = step.to
    facts = {"cycle": str(cycle.id), "count": len(listed), "hash": digest, "applications": listed}
    transaction.record("screening.closed", f"cycle:{cycle.id}", clause=step.clause, facts=facts, tell=("workflow", "scoring"))
    eligible = filed.where(Application.state == "eligible", access.may_see(access.caller(transaction))).order_by(Application.id)
    seen = [application.id for application in session.scalars(eligible)]
    return Closure(cycle=cycle.id, count=len(seen), hash=digest, applications=seen, closed_at=transaction.now)


def _summary(transaction: Transaction, application: Application) -> dict[str, Any]:
    content = access.latest(transaction, application).content
    proven = transaction.session.get_one(Outcome, (application.id, "3.2.5")).proven
    flags: list[PriorityFlag] = [title["flag"] for title in content["sections"].get("preferences", {}).get("titles", [])]
    return {
        "application": str(application.id),
        "credit_code": application.credit_code,
        "organisation": content["organisation"]["name"],
        "township": content["organisation"]["township"],
        "industry": content["organisation"]["industry"],
        "awards": content["awards"],
        "fallback": content["fallback"],
        "preferred": has_priority(frozenset(flag for flag in flags if flag in proven)),
    }


def show_criteria(transaction: Transaction, application: Application, cycle: Cycle) -> list[CriterionAnswer]:
    """Show what the rules find on every criterion, and what the office has settled."""
    facts = dossier.screened_facts(transaction, application, cycle)
    rows = transaction.session.scalars(select(Outcome).where(Outcome.application_id == application.id))
    settled = {row.criterion: row for row in rows}
    return [_show(transaction, one, facts, cycle, settled.get(one.clause)) for one in CRITERIA]


def _show(transaction: Transaction, about: Criterion, facts: Facts, cycle: Cycle, row: Outcome | None) -> CriterionAnswer:
    finding = machine_finding(about.clause, facts, access.parameters(cycle))
    refusal = finding.refusal and Why(**refusal_parts(finding.refusal, language_of(transaction.request), cycle.edition))
    return CriterionAnswer(
        criterion=about.clause,
        zh=about.zh,
        en=about.en,
        finding=finding.verdict,
        refusal=refusal,
        version=row.version if row else 0,
        outcome=row.outcome if row else None,
        reason=row.reason if row else None,
        evidence=row.evidence if row else [],
        repairs=row.repairs if row else [],
        proven=row.proven if row else [],
        settled_at=row.settled_at if row else None,
    )


def show_screening(transaction: Transaction, application: Application, cycle: Cycle) -> ScreeningAnswer:
    """Show every criterion."""
    transaction.version = application.screening_version
    criteria = show_criteria(transaction, application, cycle)
    return ScreeningAnswer(application=application.id, version=application.screening_version, criteria=criteria)


def show_criterion(transaction: Transaction, application: Application, cycle: Cycle, criterion: str) -> CriterionAnswer:
    """Show one criterion, by its clause."""
    for answer in show_criteria(transaction, application, cycle):
        if answer.criterion == criterion:
            transaction.version = answer.version
            return answer
    raise absent()


def _filed(transaction: Transaction, application: UUID) -> tuple[Application, Cycle]:
    found = access.find(transaction, application)
    access.check_sworn(transaction, found.cycle_id)
    if found.filed_at is None:
        raise absent()
    return found, transaction.session.get_one(Cycle, found.cycle_id)


routes = router("screening")

Screener = Annotated[Principal, roles("supervisor", "committee", duties=("office",))]


@routes.get("/criteria", operation_id="list_criteria")
def list_criteria(_anyone: Anyone, transaction: InTransaction, cycle: UUID) -> Criteria:
    """List the criteria of a cycle's screening (chapter 3)."""
    if transaction.session.get(Cycle, cycle) is None:
        raise absent()
    return Criteria(items=[CriterionDescription(clause=one.clause, zh=one.zh, en=one.en, rule=one.rule) for one in CRITERIA])


@routes.get("/applications/{application}/screening", operation_id="get_screening")
def get_screening(application: UUID, _screener: Screener, transaction: InTransaction) -> ScreeningAnswer:
    """Read an application's screening, with what the rules alone find (5.3.1)."""
    return show_screening(transaction, *_filed(transaction, application))


@routes.put("/applications/{application}/screening", operation_id="put_screening")
def put_screening(application: UUID, given: OutcomesBody, _office: Office, transaction: InTransaction, version: IfMatch) -> ScreeningAnswer:
    """Settle several criteria at once; all of them or none (5.3.1)."""
    found, cycle = access.hold(transaction, application)
    check_version(version, found.screening_version)
    steps.check_screening(transaction, found, cycle)
    if len({one.criterion for one in given.outcomes}) != len(given.outcomes):
        raise Problem(CRITERION_TWICE)
    for one in given.outcomes:
        settle(transaction, found, cycle, one)
    return show_screening(transaction, found, cycle)


@routes.get("/applications/{application}/screening/{criterion}", operation_id="get_criterion")
def get_criterion(application: UUID, criterion: str, _screener: Screener, transaction: InTransaction) -> CriterionAnswer:
    """Read one criterion, by its clause (5.3.1)."""
    return show_criterion(transaction, *_filed(transaction, application), criterion)


@routes.put("/applications/{application}/screening/{criterion}", operation_id="put_criterion")
def put_criterion(
    application: UUID, criterion: str, given: OutcomeBody, _office: Office, transaction: InTransaction, version: IfMatch
) -> CriterionAnswer:
    """Settle one criterion with the reason; the first time from version 0 (5.3.1)."""
    found, cycle = access.hold(transaction, application)
    row = transaction.session.get(Outcome, (found.id, criterion))
    check_version(version, row.version if row else 0)
    steps.check_screening(transaction, found, cycle)
    settle(transaction, found, cycle, CriterionOutcome(criterion=criterion, **given.model_dump(mode="json")))
    return show_criterion(transaction, found, cycle, criterion)


@routes.post("/applications/{application}/screening/determination", operation_id="determine_application")
def post_determination(
    application: UUID, given: DeterminationBody, _office: Office, transaction: InTransaction, _dry_run: DryRun
) -> ApplicationAnswer:
    """Determine an application eligible, or ineligible by the clauses that failed, which its applicant sees (5.3.1)."""
    return show(transaction, determine(transaction, application, given.remarks))


@routes.post("/cycles/{cycle}/screening-closure", operation_id="close_screening")
def post_closure(cycle: UUID, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> Closure:
    """Close the screening: the eligible list goes to the review, and the cycle moves on to it (5.3.1)."""
    return close_screening(transaction, cycle)
