"""Endorsement by the addressed body: an application is filed at the moment it is endorsed (5.2)."""

from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field
from sqlalchemy import ColumnElement, Select, and_, select

from kernel.identity import Endorser, Principal, roles
from kernel.problems import NEWS_UNDER_WAY, Kind, Problem, absent
from kernel.requests import Cursor, DryRun, InTransaction, Limit, Transaction, offer, paginate, why_not
from kernel.service import API, router
from kernel.wire import Action, Answer, Body, Day, Id, Line, Page, Why, Words
from regulation.calendar import day
from regulation.endorsement import check_opinion
from services.intake import access, steps
from services.intake.application import ApplicationAnswer, Reader, State, show
from services.intake.form import SectionRemarks, check_sections
from services.intake.tables import Application, Attachment, Cycle, Endorsement, FrozenVersion

APPLICATION_TWICE = Kind(422, "application_twice", "同一申报出现两次", "An application is given twice")
REMARKS_MISSING = Kind(422, "remarks_missing", "退回或不予推荐须说明理由", "A return and a refusal need remarks that give the reasons")
SEAL_UNKNOWN = Kind(422, "seal_unknown", "本单位未为该申报上传此印章扫描件", "Your body has uploaded no such seal scan to this application")
DONE = {"endorse": "application.endorsed", "decline": "application.declined", "return": "application.returned"}
ENDORSED: dict[str, Any] = {"opinion": "情况属实，同意推荐。", "signatory": "王建国", "signed_on": "2026-03-20"}
ONE_OF_SEVERAL = {"application": "01980000-0000-7000-8000-000000000001", "decision": "endorse"} | ENDORSED
SEVERAL = 200

Standing = Literal["waiting", "overdue", "endorsed", "declined", "returned"]


class EndorsementBody(Body):
    """The body's decision: `endorse` with its signed opinion, `decline` or `return` for correction with remarks that say why.

    `seal` names the attachment that holds the scan of the seal, uploaded by the body beforehand.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"decision": "endorse"} | ENDORSED]})

    decision: Literal["endorse", "decline", "return"]
    opinion: Annotated[str, Words(4000, least=0)] = ""
    signatory: Annotated[str, Line(60, least=0)] = ""
    signed_on: Day | None = None
    seal: Id | None = None
    remarks: Annotated[str, Words(4000, least=0)] = ""
    section_remarks: SectionRemarks = Field(default_factory=dict)


class OneOfSeveral(EndorsementBody):
    """A decision with the application that it is on."""

    model_config = ConfigDict(json_schema_extra={"examples": [ONE_OF_SEVERAL]})

    application: Id


class EndorsementsBody(Body):
    """Several decisions, each judged by itself."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"decisions": [ONE_OF_SEVERAL]}]})

    decisions: Annotated[list[OneOfSeveral], Field(min_length=1, max_length=SEVERAL)]


class Judged(Answer):
    """What became of one decision of several: `why` says why it was refused."""

    application: UUID
    done: bool
    state: State | None
    filed_at: datetime | None
    why: Why | None


class AllJudged(Answer):
    """What became of each decision, in the order given."""

    items: list[Judged]


class DecisionAnswer(Answer):
    """What a body decided on a version."""

    number: int
    body: str
    decision: Literal["endorse", "decline", "return"]
    opinion: str
    signatory: str
    signed_on: date | None
    seal: UUID | None
    remarks: str
    section_remarks: dict[str, str]
    decided_at: datetime


class Decisions(Answer):
    """Every decision of endorsing bodies on an application, in order."""

    items: list[DecisionAnswer]


class Queued(Answer):
    """An application in its body's queue; one on which the body has not decided by `due` is `overdue`."""

    application: UUID
    cycle: UUID
    credit_code: str
    organisation: str
    township: str
    industry: str
    awards: list[str]
    body: str
    standing: Standing
    version: int
    submitted_at: datetime
    due: datetime
    actions: dict[str, Action]


def endorse(transaction: Transaction, endorser: Principal, application: UUID, decided: EndorsementBody) -> Application:
    """Endorse, decline, or return for correction; endorsing files the application, inside the half-open window.

    Clauses 3.1, 3.2.1, 3.2.7, 3.3.1, 3.3.2, 3.3.3, 5.2.
    """
    found, cycle = access.hold(transaction, application)
    step = steps.check_step(transaction, cycle, found.state, decided.decision)
    if decided.decision == "endorse":
        steps.check_endorsement(transaction, found, cycle)
        check_opinion(decided.opinion, decided.signatory, decided.signed_on, day(transaction.now))
        found.filed_at = transaction.now
    elif not decided.remarks:
        raise Problem(REMARKS_MISSING)
    check_sections(cycle.edition, decided.section_remarks)
    if decided.seal is not None:
        _keep_seal(transaction, found, endorser, decided.seal)
    found.state = step.to
    found.version += 1
    stated = decided.model_dump(exclude={"application"})
    transaction.session.add(
        Endorsement(
            application_id=found.id,
            number=found.submitted,
            body=endorser.body,
            decided_at=transaction.now,
            decided_by=endorser.person,
            **stated,
        )
    )
    facts = {"version": found.submitted, "body": endorser.body} | decided.model_dump(mode="json", exclude={"application"})
    transaction.record(DONE[decided.decision], f"application:{found.id}", clause=step.clause, facts=facts)
    transaction.session.flush()
    return found


def _keep_seal(transaction: Transaction, application: Application, endorser: Principal, seal: UUID) -> None:
    scan = transaction.session.get(Attachment, seal)
    if scan is None or (scan.application_id, scan.body, scan.removed_at) != (application.id, endorser.body, None):
        raise Problem(SEAL_UNKNOWN)
    scan.frozen = True


def endorse_several(transaction: Transaction, endorser: Principal, decisions: list[OneOfSeveral]) -> list[Judged]:
    """Decide on several applications of one queue at one instant; what is refused of one leaves the others as decided.

    Clause 5.2.
    """
    if len({one.application for one in decisions}) != len(decisions):
        raise Problem(APPLICATION_TWICE)

    def decide(one: OneOfSeveral) -> None:
        with transaction.session.begin_nested():
            endorse(transaction, endorser, one.application, one)

    # locked in one order, so that two such calls can't wait for each other
    refused = {one.application: why_not(transaction, partial(decide, one)) for one in sorted(decisions, key=lambda one: one.application)}
    if any(refused.values()) and transaction.request.state.news_missing:
        raise Problem(NEWS_UNDER_WAY, headers={"Retry-After": "1"})
    return [_judged(transaction, one.application, refused[one.application]) for one in decisions]


def _judged(transaction: Transaction, application: UUID, why: Why | None) -> Judged:
    if why is not None:
        return Judged(application=application, done=False, state=None, filed_at=None, why=why)
    found = transaction.session.get_one(Application, application)
    return Judged.model_validate({"application": application, "done": True, "state": found.state, "filed_at": found.filed_at, "why": None})


def _stands(transaction: Transaction, standing: Standing) -> ColumnElement[bool]:
    waits = Application.state == "submitted"
    match standing:
        case "waiting":
            return and_(waits, Cycle.closes > transaction.now)
        case "overdue":
            return and_(waits, Cycle.closes <= transaction.now)
        case "endorsed":
            return Application.filed_at.is_not(None)
        case _:
            return Application.state == standing


def queue(
    transaction: Transaction, caller: Principal, body: str | None, cycle: UUID | None, standing: Standing | None
) -> Select[Application]:
    """Give what was addressed to the caller's body, for the office and the supervision group to any (5.2)."""
    statement = select(Application).join(Cycle, Cycle.id == Application.cycle_id).where(access.may_see(transaction, caller))
    statement = statement.where(Application.state.not_in(["draft", "withdrawn"]))
    if body is not None:
        statement = statement.where(Application.body == body)
    if cycle is not None:
        statement = statement.where(Application.cycle_id == cycle)
    return statement if standing is None else statement.where(_stands(transaction, standing))


def _queued(transaction: Transaction, caller: Principal, application: Application) -> Queued:
    cycle = transaction.session.get_one(Cycle, application.cycle_id)
    version: FrozenVersion = access.latest(transaction, application)
    organisation = version.content["organisation"]
    standing: Standing = "endorsed"
    if application.state == "submitted":
        standing = "overdue" if cycle.closes is not None and transaction.now >= cycle.closes else "waiting"
    elif application.filed_at is None:
        standing = "declined" if application.state == "declined" else "returned"
    actions = {}
    if caller.role == "endorser":
        check = partial(steps.check_endorsement, transaction, application, cycle)
        actions["endorsement"] = offer(transaction, "POST", f"{API}/applications/{application.id}/endorsement", check)
    shown = {name: organisation[name] for name in ("credit_code", "township", "industry")} | {"organisation": organisation["name"]}
    return Queued.model_validate(
        shown
        | {
            "application": application.id,
            "cycle": cycle.id,
            "awards": application.awards,
            "body": application.body,
            "standing": standing,
            "version": version.number,
            "submitted_at": version.submitted_at,
            "due": cycle.closes,
            "actions": actions,
        }
    )


routes = router("endorsement")

QueueReader = Annotated[Principal, roles("endorser", "supervisor", "committee", duties=("office",))]


@routes.post("/applications/{application}/endorsement", operation_id="endorse_application")
def post_endorsement(
    application: UUID, decided: EndorsementBody, endorser: Endorser, transaction: InTransaction, _dry_run: DryRun
) -> ApplicationAnswer:
    """Decide on an application addressed to one's own body; one that is endorsed is filed at this moment (5.2)."""
    return show(transaction, endorse(transaction, endorser, application, decided))


@routes.get("/applications/{application}/endorsement", operation_id="list_endorsement_decisions")
def list_decisions(application: UUID, _reader: Reader, transaction: InTransaction) -> Decisions:
    """Read what endorsing bodies decided on an application, and why (5.2)."""
    found = access.find(transaction, application)
    rows = transaction.session.scalars(select(Endorsement).where(Endorsement.application_id == found.id).order_by(Endorsement.id))
    return Decisions(items=[DecisionAnswer.model_validate(row) for row in rows])


@routes.get("/endorsements", operation_id="list_endorsement_queue")
def list_queue(
    caller: QueueReader,
    transaction: InTransaction,
    body: Annotated[str | None, Line(40)] = None,
    cycle: UUID | None = None,
    standing: Standing | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Queued]:
    """List one's body's queue, oldest first, and what is overdue in it; the office sees every body's (5.2)."""
    if caller.role == "endorser" and body not in {None, caller.body}:
        raise absent()
    found, following = paginate(transaction.session, queue(transaction, caller, body, cycle, standing), Application.id, cursor, limit)
    latest = and_(FrozenVersion.application_id == Application.id, FrozenVersion.number == Application.submitted)
    beside = select(FrozenVersion, Cycle).select_from(Application).join(FrozenVersion, latest).join(Cycle, Cycle.id == Application.cycle_id)
    transaction.held = transaction.session.execute(beside.where(Application.id.in_([one.id for one in found]))).all()
    return Page(items=[_queued(transaction, caller, one) for one in found], next_cursor=following)


@routes.post("/endorsements", operation_id="endorse_several")
def post_endorsements(given: EndorsementsBody, endorser: Endorser, transaction: InTransaction, _dry_run: DryRun) -> AllJudged:
    """Decide on several applications of one's queue in one call, each judged by itself (5.2)."""
    return AllJudged(items=endorse_several(transaction, endorser, given.decisions))
