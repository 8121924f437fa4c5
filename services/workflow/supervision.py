"""Findings of the supervision group: what it found, the step that a finding holds, and the office's answer (7.1)."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import ConfigDict
from sqlalchemy import select

from kernel.identity import Office, Principal, Supervisor, roles
from kernel.problems import Kind, Problem, absent
from kernel.requests import Cursor, DryRun, InTransaction, Limit, Transaction, offer, paginate
from kernel.service import API, router
from kernel.wire import Action, Answer, Body, Id, Page, Reason
from regulation.conduct import check_sanction_answered
from services.workflow.course import ENDED, find_cycle, is_supervisor, lock_cycle, note_reading
from services.workflow.roster import Person
from services.workflow.tables import Cycle, Finding
from services.workflow.tables import Supervisor as SupervisorSeat

ANSWERED = Kind(409, "answered_already", "该问题已经答复", "That finding has been answered")

Step = Literal[
    "approve_rules", "launch", "announce", "close_screening",
    "confirm_shortlist", "hear_defences", "evaluate", "confirm_evaluation", "publish_notice",
    "end_deliberation", "approve", "publish", "close",
]  # fmt: skip
"""The steps of a cycle that a finding can hold."""
TOLD: dict[str, tuple[str, ...]] = {"close_screening": ("intake",)}
"""Who is told of a finding, by the step that it holds: the service that takes the step."""

Reader = Annotated[Principal, roles("committee", "supervisor", duties=("office",))]


class Sanction(Body):
    """What the group proposes against a person who broke the review's discipline (7.6)."""

    person: Person
    measure: Literal["criticism", "warning", "disqualification"]


class NewFinding(Body):
    """What the group found; where `holds` names a step, that step waits for the answer. It may propose a sanction."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"cycle": "01975f2e-8a6b-7cde-8f01-23456789abcd", "text": "评审员抽取记录不完整，请说明。", "holds": "confirm_shortlist"}
            ]
        }
    )

    cycle: Id
    text: Reason
    holds: Step | None = None
    sanction: Sanction | None = None


class NewAnswer(Body):
    """The office's answer; where the group proposed a sanction, whether it was imposed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"answer": "抽取记录已补充，见附件。"}]})

    answer: Reason
    sanction_imposed: bool | None = None


class FindingAnswer(Answer):
    """A finding and its answer."""

    id: UUID
    cycle: UUID
    text: str
    holds: str | None
    sanction: Sanction | None
    sanction_imposed: bool | None
    by: str
    at: datetime
    answer: str | None
    answered_by: str | None
    answered_at: datetime | None
    actions: dict[str, Action]


def find(transaction: Transaction, new: NewFinding, principal: Principal) -> Finding:
    """Put a finding to the office; only this cycle's own group may, while it exists (7.1)."""
    cycle = lock_cycle(transaction, new.cycle)
    if not is_supervisor(transaction, principal, cycle):
        raise absent()
    sanction = new.sanction.model_dump() if new.sanction else None
    finding = Finding(
        cycle_id=cycle.id, text=new.text, holds=new.holds, sanction=sanction, by=principal.person, at=transaction.now, version=1
    )
    transaction.session.add(finding)
    transaction.session.flush()
    facts = {"finding": str(finding.id), "cycle": str(cycle.id), "text": new.text, "holds": new.holds, "sanction": sanction}
    transaction.record("finding.put", f"finding:{finding.id}", clause="7.1", facts=facts, tell=TOLD.get(new.holds or "", ()))
    return finding


def check_unanswered(finding: Finding) -> None:
    """Refuse a second answer."""
    if finding.answered_at is not None:
        raise Problem(ANSWERED)


def answer_finding(transaction: Transaction, finding_id: UUID, principal: Principal, new: NewAnswer) -> Finding:
    """Answer a finding, which lets the step it holds go on."""
    finding = transaction.session.get(Finding, finding_id, with_for_update=True)
    if finding is None:
        raise absent()
    check_unanswered(finding)
    check_sanction_answered(finding.sanction["measure"] if finding.sanction else None, imposed=new.sanction_imposed)
    finding.sanction_imposed = new.sanction_imposed
    finding.answer, finding.answered_by, finding.answered_at = new.answer, principal.person, transaction.now
    finding.version += 1
    facts = {"finding": str(finding.id)} | new.model_dump()
    transaction.record("finding.answered", f"finding:{finding.id}", clause="7.1", facts=facts, tell=TOLD.get(finding.holds or "", ()))
    return finding


def show_finding(transaction: Transaction, finding: Finding) -> FindingAnswer:
    """Give a finding with what the office can do about it."""
    actions = {}
    if transaction.actor is not None and transaction.actor.has_duty("office"):
        actions["answer"] = offer(transaction, "POST", f"{API}/findings/{finding.id}/answer", lambda: check_unanswered(finding))
    return FindingAnswer(
        id=finding.id,
        cycle=finding.cycle_id,
        text=finding.text,
        holds=finding.holds,
        sanction=Sanction.model_validate(finding.sanction) if finding.sanction else None,
        sanction_imposed=finding.sanction_imposed,
        by=finding.by,
        at=finding.at,
        answer=finding.answer,
        answered_by=finding.answered_by,
        answered_at=finding.answered_at,
        actions=actions,
    )


def one_finding(transaction: Transaction, finding: Finding) -> FindingAnswer:
    """Answer with one finding and its version."""
    transaction.version = finding.version
    return show_finding(transaction, finding)


routes = router("supervision")


@routes.post("/findings", operation_id="put_finding", status_code=201)
def post_finding(new: NewFinding, supervisor: Supervisor, transaction: InTransaction, _dry_run: DryRun) -> FindingAnswer:
    """Put a finding to the office, and hold a step with it where needed (7.1)."""
    return one_finding(transaction, find(transaction, new, supervisor))


@routes.get("/findings", operation_id="list_findings")
def list_findings(
    reader: Reader,
    transaction: InTransaction,
    cycle: Annotated[UUID | None, Query(description="only this cycle's")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[FindingAnswer]:
    """List findings: the office every one, a supervisor those of the cycles whose group they sit in (7.1)."""
    statement = select(Finding)
    if cycle is not None:
        statement = statement.where(Finding.cycle_id == find_cycle(transaction, cycle).id)
    if reader.role == "supervisor":
        note_reading(transaction, reader)
        watched = select(SupervisorSeat.cycle_id).join(Cycle).where(SupervisorSeat.person == reader.person, Cycle.phase.not_in(ENDED))
        statement = statement.where(Finding.cycle_id.in_(watched))
    found, following = paginate(transaction.session, statement, Finding.id, cursor, limit)
    return Page(items=[show_finding(transaction, finding) for finding in found], next_cursor=following)


@routes.post("/findings/{finding_id}/answer", operation_id="answer_finding")
def post_answer(finding_id: UUID, new: NewAnswer, office: Office, transaction: InTransaction, _dry_run: DryRun) -> FindingAnswer:
    """Answer a finding (7.1)."""
    return one_finding(transaction, answer_finding(transaction, finding_id, office, new))
