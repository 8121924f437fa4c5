"""What the office does in a screening."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

import rfc8785
from sqlalchemy import ColumnElement, Select, and_, exists, select

from kernel.problems import Kind, Problem, absent, language_of, refusal_parts
from kernel.requests import Transaction, paginate
from kernel.wire import Why
from regulation import lifecycle
from regulation.conduct import check_findings_answered
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
from services.intake.screening.schemas import (
    AskedDepartment,
    Closure,
    CriterionAnswer,
    CriterionInBrief,
    CriterionOutcome,
    ScreeningAnswer,
    ScreeningInBrief,
)
from services.intake.tables import Application, Cycle, FrozenVersion, HoldingFinding, Outcome, Verification
from services.intake.verification import Standing, standing_of, stands

CRITERION_TWICE = Kind(422, "criterion_twice", "同一审查条件出现两次", "A criterion is given twice")
REPAIR_OF_NOTHING = Kind(422, "repair_of_nothing", "没有该文号的记录：{number}", "There is no finding with the number {number}")
NOT_CONFIRMED = Kind(422, "repair_not_confirmed", "部门的答复未确认该信用修复", "No department's answer confirms that repair")
NOT_CLAIMED = Kind(422, "title_not_claimed", "申报材料中没有该称号：{flag}", "The dossier claims no such title: {flag}")


def settle(transaction: Transaction, application: Application, cycle: Cycle, given: CriterionOutcome) -> Outcome:
    """Keep the office's outcome on one criterion; it can't be a pass where a rule refuses.

    Clauses 3.1, 3.2.1, 3.2.5, 3.2.7, 3.3.1, 3.3.2, 3.3.3, 3.4, 5.3.1.
    """
    session, key = transaction.session, (application.id, given.criterion)
    if given.repairs:
        _check_repairs(dossier.screened_facts(transaction, application, cycle), given)
        _check_confirmations(transaction, application, given)
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


def _check_confirmations(transaction: Transaction, application: Application, given: CriterionOutcome) -> None:
    named = {repair.verification for repair in given.repairs if repair.verification is not None}
    asked = transaction.session.scalars(
        select(Verification).where(Verification.id.in_(named), Verification.application_id == application.id)
    )
    if {one.id for one in asked if one.answer and one.answer["finding"] == "confirmed"} != named:
        raise Problem(NOT_CONFIRMED)


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
    failed = select(Outcome).where(Outcome.application_id == found.id, Outcome.criterion.in_(settled.clauses)).order_by(Outcome.criterion)
    found.determination = {
        "eligible": settled.eligible,
        "clauses": list(settled.clauses),
        "reasons": [{"clause": one.criterion, "reason": one.reason} for one in transaction.session.scalars(failed)],
        "remarks": remarks,
        "determined_at": transaction.now.isoformat(),
    }
    transaction.record("screening.determined", f"application:{found.id}", clause="5.3.1", facts=found.determination)
    return found


def close_screening(transaction: Transaction, cycle_id: UUID) -> Closure:
    """Close a cycle's screening once every filed application is determined, and tell the peers the eligible list.

    Clauses 5.3.1, 7.1.
    """
    session = transaction.session
    cycle = session.get(Cycle, cycle_id, with_for_update=True)
    if cycle is None:
        raise absent()
    step = lifecycle.step(lifecycle.cycle(access.parameters(cycle)), access.phase(cycle, transaction), "close_screening")
    held = session.scalars(select(HoldingFinding.holds).where(HoldingFinding.cycle_id == cycle.id))
    check_findings_answered("close_screening", frozenset(held))
    filed = select(Application).where(Application.cycle_id == cycle.id, Application.state.in_(["filed", "eligible", "ineligible"]))
    applications = session.scalars(filed.order_by(Application.id)).all()
    check_screening_closure(sum(application.determination is None for application in applications))
    listed = [_summary(transaction, application) for application in applications if application.state == "eligible"]
    digest = hashlib.sha256(rfc8785.dumps(listed)).hexdigest()
    cycle.phase = step.to
    facts = {"cycle": str(cycle.id), "count": len(listed), "hash": digest, "applications": listed}
    transaction.record("screening.closed", f"cycle:{cycle.id}", clause=step.clause, facts=facts, tell=("workflow", "scoring"))
    eligible = filed.where(Application.state == "eligible", access.may_see(transaction, access.caller(transaction)))
    seen = [application.id for application in session.scalars(eligible.order_by(Application.id))]
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
        "attachments": [one["id"] for one in content["attachments"]],
    }


@dataclass
class Examined:
    """What a screening rests on, as loaded for one application of many."""

    content: Mapping[str, Any] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    questions: list[Verification] = field(default_factory=list)

    def facts(self, application: Application, cycle: Cycle) -> Facts:
        """Put together what the rules ask."""
        answers = [question.answer for question in self.questions if question.answer]
        return dossier.examined_facts(self.content, application, cycle, answers, [one.repairs for one in self.outcomes.values()])


def examine(transaction: Transaction, applications: Iterable[Application]) -> Mapping[UUID, Examined]:
    """Load what the screenings of these applications rest on, in three queries however many they are."""
    session, found = transaction.session, defaultdict[UUID, Examined](Examined)
    ids = [application.id for application in applications]
    for version in session.scalars(
        select(FrozenVersion)
        .join(Application, and_(Application.id == FrozenVersion.application_id, Application.submitted == FrozenVersion.number))
        .where(FrozenVersion.application_id.in_(ids))
    ):
        found[version.application_id].content = version.content
    for outcome in session.scalars(select(Outcome).where(Outcome.application_id.in_(ids))):
        found[outcome.application_id].outcomes[outcome.criterion] = outcome
    for question in session.scalars(select(Verification).where(Verification.application_id.in_(ids)).order_by(Verification.id)):
        found[question.application_id].questions.append(question)
    return found


def show_criteria(transaction: Transaction, application: Application, cycle: Cycle) -> list[CriterionAnswer]:
    """Show what the rules find on every criterion, what departments were asked, and what the office has settled."""
    examined = examine(transaction, [application])[application.id]
    facts = examined.facts(application, cycle)
    return [_show(transaction, one, facts, cycle, examined) for one in CRITERIA]


def _show(transaction: Transaction, about: Criterion, facts: Facts, cycle: Cycle, examined: Examined) -> CriterionAnswer:
    finding, row = machine_finding(about.clause, facts, access.parameters(cycle)), examined.outcomes.get(about.clause)
    refusal = finding.refusal and Why(**refusal_parts(finding.refusal, language_of(transaction.request), cycle.edition))
    return CriterionAnswer(
        criterion=about.clause,
        zh=about.zh,
        en=about.en,
        finding=finding.verdict,
        refusal=refusal,
        verifications=[_asked(transaction, one) for one in examined.questions if one.criterion == about.clause],
        version=row.version if row else 0,
        outcome=row.outcome if row else None,
        reason=row.reason if row else None,
        evidence=row.evidence if row else [],
        repairs=row.repairs if row else [],
        proven=row.proven if row else [],
        settled_at=row.settled_at if row else None,
    )


def _asked(transaction: Transaction, asked: Verification) -> AskedDepartment:
    given = asked.answer or {}
    return AskedDepartment(
        verification=asked.id,
        body=asked.body,
        question=asked.question,
        due_on=asked.due_on,
        standing=standing_of(transaction, asked),
        finding=given.get("finding"),
        answer=given.get("answer"),
        answered_at=asked.answered_at,
    )


@dataclass(frozen=True)
class Wanted:
    """The filters of a cycle's view; None lets everything through."""

    determination: Literal["open", "eligible", "ineligible"] | None = None
    township: str | None = None
    section: str | None = None
    criterion: str | None = None
    finding: Literal["refused", "passed"] | None = None
    outcome: Literal["none", "pass", "fail"] | None = None
    asked: Standing | None = None


def _select(transaction: Transaction, cycle: Cycle, wanted: Wanted) -> Select[Application]:
    organisation = FrozenVersion.content["organisation"]
    filters: list[ColumnElement[bool]] = [
        access.may_see(transaction, access.caller(transaction)),
        Application.cycle_id == cycle.id,
        Application.filed_at.is_not(None),
        Application.state != "withdrawn",
    ]
    if wanted.determination == "open":
        filters.append(Application.determination.is_(None))
    elif wanted.determination:
        filters += [Application.determination.is_not(None), Application.state == wanted.determination]
    if wanted.township:
        filters.append(organisation["township"].astext == wanted.township)
    if wanted.section:
        filters.append(organisation["industry"].astext.startswith(wanted.section, autoescape=True))
    about_outcome = [Outcome.application_id == Application.id]
    about_question = [Verification.application_id == Application.id]
    if wanted.criterion:
        about_outcome.append(Outcome.criterion == wanted.criterion)
        about_question.append(Verification.criterion == wanted.criterion)
    if wanted.outcome == "none":
        filters.append(~exists().where(*about_outcome))
    elif wanted.outcome:
        filters.append(exists().where(*about_outcome, Outcome.outcome == wanted.outcome))
    if wanted.asked:
        filters.append(exists().where(*about_question, stands(transaction, wanted.asked)))
    version = and_(FrozenVersion.application_id == Application.id, FrozenVersion.number == Application.submitted)
    return select(Application).join(FrozenVersion, version).where(*filters)


def view(
    transaction: Transaction, cycle: Cycle, wanted: Wanted, cursor: UUID | None, limit: int
) -> tuple[Sequence[ScreeningInBrief], str | None]:
    """Give a page of a cycle's screening; what the rules find can be asked only of what was read, page by page.

    Clause 5.3.1.
    """
    statement, shown = _select(transaction, cycle, wanted), list[ScreeningInBrief]()
    while True:
        found, following = paginate(transaction.session, statement, Application.id, cursor, limit - len(shown))
        examined = examine(transaction, found)
        briefs = [_brief(transaction, one, cycle, examined[one.id]) for one in found]
        shown += [one for one in briefs if wanted.finding is None or _has_finding(one, wanted)]
        if following is None or len(shown) == limit:
            return shown, following
        cursor = found[-1].id


def _has_finding(brief: ScreeningInBrief, wanted: Wanted) -> bool:
    return any(one.finding == wanted.finding for one in brief.criteria if wanted.criterion in {None, one.criterion})


def _brief(transaction: Transaction, application: Application, cycle: Cycle, examined: Examined) -> ScreeningInBrief:
    facts, p = examined.facts(application, cycle), access.parameters(cycle)
    criteria = [
        CriterionInBrief.model_validate(
            {
                "criterion": one.clause,
                "finding": machine_finding(one.clause, facts, p).verdict,
                "outcome": examined.outcomes[one.clause].outcome if one.clause in examined.outcomes else None,
                "asked": [standing_of(transaction, asked) for asked in examined.questions if asked.criterion == one.clause],
            }
        )
        for one in CRITERIA
    ]
    organisation = examined.content["organisation"]
    shown = {name: organisation[name] for name in ("township", "industry")} | {"organisation": organisation["name"]}
    shown |= {name: getattr(application, name) for name in ("credit_code", "state", "filed_at", "determination")}
    return ScreeningInBrief.model_validate(shown | {"application": application.id, "criteria": criteria})


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


def filed(transaction: Transaction, application: UUID) -> tuple[Application, Cycle]:
    """Find a filed application for whoever reads its screening, and record the reading (7.6)."""
    found = access.find(transaction, application)
    access.check_sworn(transaction, found.cycle_id)
    if found.filed_at is None:
        raise absent()
    access.note_reading(transaction, f"application:{found.id}", "screening")
    return found, transaction.session.get_one(Cycle, found.cycle_id)
