"""Verification: the office asks a department about a criterion, and the department answers (5.3.1)."""

from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field
from sqlalchemy import ColumnElement, Select, and_, select

from kernel.identity import Endorser, Office, Principal, roles
from kernel.problems import Kind, Problem, absent
from kernel.requests import Cursor, IfMatch, InTransaction, Limit, Transaction, check_version, offer, paginate
from kernel.service import API, router
from kernel.wire import Action, Answer, Body, Day, Line, Page, Reason
from regulation.calendar import day
from regulation.eligibility import CRITERIA
from services.intake import access, attachment, steps
from services.intake.attachment import AttachmentAnswer
from services.intake.body import known_bodies
from services.intake.form import DeclaredIncident
from services.intake.tables import Application, Attachment, Cycle, Organisation, Recusal, Verification

NO_DEPARTMENT = Kind(422, "verifying_department_unknown", "没有这个核实部门", "There is no such department to ask")
NO_CRITERION = Kind(422, "criterion_unknown", "没有这个审查条件", "There is no such criterion")
DUE_IN_THE_PAST = Kind(422, "due_in_the_past", "答复期限早于今天", "It would be due before today")


Standing = Literal["asked", "answered", "overdue"]


class Question(Body):
    """What the office asks which department, and until when."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"body": "dept-economy", "criterion": "3.3.1", "question": "近三年有无重大安全事故？", "due_on": "2026-04-20"}]
        }
    )

    body: Annotated[str, Line(40)]
    criterion: Annotated[str, Line(20)]
    question: Reason
    due_on: Day


class Reply(Body):
    """The department's answer: whether it confirms what was stated, and what of 3.3 it has on file."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"finding": "confirmed", "answer": "经查，无相关记录。", "incidents": []}]})

    finding: Literal["confirmed", "contradicted", "unknown"]
    answer: Reason
    incidents: Annotated[list[DeclaredIncident], Field(max_length=100, default_factory=list)]


class VerificationAnswer(Answer):
    """A question to a department with its answer, if there is one; `evidence` is what the dossier proves the criterion with."""

    id: UUID
    version: int
    application: UUID
    credit_code: str
    organisation: str
    body: str
    criterion: str
    question: str
    due_on: date
    standing: Standing
    evidence: list[AttachmentAnswer]
    asked_at: datetime
    answer: dict[str, Any] | None
    answered_at: datetime | None
    actions: dict[str, Action]


def ask(transaction: Transaction, application: UUID, question: Question) -> Verification:
    """Ask a department about one criterion of a filed application.

    Clause 5.3.1.
    """
    found, cycle = access.hold(transaction, application)
    steps.check_screening(transaction, found, cycle)
    if question.body not in known_bodies(transaction, cycle.edition):
        raise Problem(NO_DEPARTMENT)
    if question.criterion not in {criterion.clause for criterion in CRITERIA}:
        raise Problem(NO_CRITERION)
    if question.due_on < day(transaction.now):
        raise Problem(DUE_IN_THE_PAST)
    asked = Verification(
        application_id=found.id, asked_at=transaction.now, asked_by=access.caller(transaction).person, **question.model_dump()
    )
    transaction.session.add(asked)
    transaction.session.flush()
    facts = question.model_dump(mode="json") | {"verification": str(asked.id)}
    transaction.record("verification.asked", f"application:{found.id}", clause="5.3.1", facts=facts)
    return asked


def reply(transaction: Transaction, verification: UUID, given: Reply, version: int) -> Verification:
    """Answer, or correct the answer while the screening is open; what is determined meanwhile must be determined again.

    Clauses 3.3.1, 3.3.2, 3.3.3, 5.3.1.
    """
    session = transaction.session
    seen = _find(transaction, verification)
    found, cycle = access.lock(transaction, transaction.session.get_one(Application, seen.application_id))
    asked = session.get_one(Verification, verification, with_for_update=True, populate_existing=True)
    check_version(version, asked.version)
    steps.check_screening(transaction, found, cycle)
    asked.answer = given.model_dump(mode="json")
    asked.answered_at, asked.answered_by = transaction.now, access.caller(transaction).person
    asked.version += 1
    found.determination = None
    facts = asked.answer | {"verification": str(asked.id), "body": asked.body}
    transaction.record("verification.answered", f"application:{found.id}", clause="5.3.1", facts=facts)
    return asked


def standing_of(transaction: Transaction, asked: Verification) -> Standing:
    """Tell how a question stands today: overdue from the day after it was due."""
    if asked.answer is not None:
        return "answered"
    return "overdue" if asked.due_on < day(transaction.now) else "asked"


def stands(transaction: Transaction, standing: Standing) -> ColumnElement[bool]:
    """Say in SQL how a question stands today."""
    if standing == "answered":
        return Verification.answer.is_not(None)
    late = Verification.due_on < day(transaction.now)
    return and_(Verification.answer.is_(None), late if standing == "overdue" else ~late)


def seen_by(transaction: Transaction, person: Principal) -> ColumnElement[bool]:
    """Say in SQL what a caller may know of: a department what it was asked; nobody what they are recused from (2.4.5, 7.1)."""
    recused = select(Recusal.credit_code).where(Recusal.person == person.person)
    seen = Application.credit_code.not_in(recused)
    if person.role == "supervisor":
        return and_(seen, Application.cycle_id.in_(access.watched(transaction, person)))
    return and_(seen, Verification.body == person.body) if person.role == "endorser" else seen


def _seen(transaction: Transaction, person: Principal) -> Select[Verification]:
    return select(Verification).join(Application, Application.id == Verification.application_id).where(seen_by(transaction, person))


def _find(transaction: Transaction, verification: UUID) -> Verification:
    found = transaction.session.scalar(_seen(transaction, access.caller(transaction)).where(Verification.id == verification))
    if found is None:
        raise absent()
    return found


def show(transaction: Transaction, verification: Verification) -> VerificationAnswer:
    """Show a question with its answer."""
    session = transaction.session
    application = session.get_one(Application, verification.application_id)
    proof = select(Attachment).where(
        Attachment.application_id == application.id, Attachment.requirement == verification.criterion, Attachment.frozen
    )
    actions = {}
    if access.caller(transaction).role == "endorser":
        cycle = session.get_one(Cycle, application.cycle_id)
        check = partial(steps.check_screening, transaction, application, cycle)
        actions["answer"] = offer(transaction, "PUT", f"{API}/verifications/{verification.id}", check)
    return VerificationAnswer(
        id=verification.id,
        version=verification.version,
        application=application.id,
        credit_code=application.credit_code,
        organisation=session.get_one(Organisation, application.credit_code).name,
        body=verification.body,
        criterion=verification.criterion,
        question=verification.question,
        due_on=verification.due_on,
        standing=standing_of(transaction, verification),
        evidence=[attachment.show(one) for one in session.scalars(proof.order_by(Attachment.id))],
        asked_at=verification.asked_at,
        answer=verification.answer,
        answered_at=verification.answered_at,
        actions=actions,
    )


routes = router("verification")

Reader = Annotated[Principal, roles("endorser", "supervisor", "committee", duties=("office",))]


@routes.post("/applications/{application}/verifications", operation_id="ask_department", status_code=201)
def post_verification(application: UUID, question: Question, _office: Office, transaction: InTransaction) -> VerificationAnswer:
    """Ask a department about a criterion; the determination waits for its answer until the day it is due (5.3.1)."""
    asked = ask(transaction, application, question)
    transaction.version = asked.version
    return show(transaction, asked)


@routes.get("/verifications", operation_id="list_verifications")
def list_verifications(
    reader: Reader,
    transaction: InTransaction,
    application: UUID | None = None,
    standing: Standing | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[VerificationAnswer]:
    """List the questions, oldest first: a department those it was asked; of cycles for which one gave the undertaking (5.3.1, 7.6)."""
    statement = _seen(transaction, reader).where(Application.cycle_id.in_(access.sworn(reader)))
    if application is not None:
        statement = statement.where(Verification.application_id == application)
    if standing is not None:
        statement = statement.where(stands(transaction, standing))
    found, following = paginate(transaction.session, statement, Verification.id, cursor, limit)
    for one in found:
        access.note_reading(transaction, f"application:{one.application_id}", "verifications")
    return Page(items=[show(transaction, one) for one in found], next_cursor=following)


@routes.get("/verifications/{verification}", operation_id="get_verification")
def get_verification(verification: UUID, _reader: Reader, transaction: InTransaction) -> VerificationAnswer:
    """Read a question with its answer, once the undertaking is given; the reading is recorded (5.3.1, 7.6)."""
    found = _find(transaction, verification)
    access.check_sworn(transaction, transaction.session.get_one(Application, found.application_id).cycle_id)
    access.note_reading(transaction, f"application:{found.application_id}", "verifications")
    transaction.version = found.version
    return show(transaction, found)


@routes.put("/verifications/{verification}", operation_id="answer_verification")
def put_verification(
    verification: UUID, given: Reply, _endorser: Endorser, transaction: InTransaction, version: IfMatch
) -> VerificationAnswer:
    """Answer as the department that was asked (5.3.1)."""
    answered = reply(transaction, verification, given, version)
    transaction.version = answered.version
    return show(transaction, answered)
