"""The docket: objections to a notice and reports at any time, investigated, then ruled on or dismissed (5.4.2, 2.2.4)."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import ConfigDict, Field
from sqlalchemy import select

from kernel.identity import Anyone, Office, Principal
from kernel.problems import absent
from kernel.requests import Cursor, DryRun, IfMatch, InTransaction, Limit, Transaction, check_version, offer, paginate
from kernel.service import API, router
from kernel.wire import Action, Answer, Body, Id, Line, Name, Page, Why, Words
from regulation import lifecycle
from regulation.notice import check_dismissal, check_ruling
from services.workflow.ballot.use_cases import check_motion_passed
from services.workflow.course import check_secrets, check_undertaken, find_cycle, hidden_from, hidden_from_caller, lock_cycle
from services.workflow.notice import check_object, let_fall, standing_names
from services.workflow.stage import Insider
from services.workflow.tables import Contender, Cycle, Notice, NoticeName, Objection, ObjectionContact

OPEN = ("received", "investigating", "reported")


class NewObjection(Body):
    """What somebody objects to or reports, about one application or in general; name and contact are kept apart and may be left out."""

    text: Annotated[str, Words(8000)]
    application: Id | None = None
    name: Name | None = None
    contact: Annotated[str, Line(200)] | None = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "该企业2024年曾受环保处罚。", "application": "01912d68-783e-7a03-8467-5661c1243ad4"}]}
    )


class Investigation(Body):
    """What the office found; with `report` the investigation is over and goes to the committee."""

    findings: Annotated[str, Words(20_000)]
    application: Id | None = None
    """The application it turns out to be about, where whoever objected named none."""
    report: Annotated[str, Words(20_000)] | None = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"findings": "经向生态环境分局核实，处罚属实。", "report": "建议提请评委会复议。"}]}
    )


class Ruling(Body):
    """The ruling motion that passed; it says whether the name is kept or removed."""

    motion: Id

    model_config = ConfigDict(json_schema_extra={"examples": [{"motion": "01912d68-783e-7a03-8467-5661c1243ad5"}]})


class Dismissal(Body):
    """Why one objection is inadmissible."""

    objection: Id
    reasons: str = Field(max_length=4000)

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"objection": "01912d68-783e-7a03-8467-5661c1243ad4", "reasons": "未指明任何事实"}]}
    )


class Dismissals(Body):
    """Objections to dismiss as inadmissible, each judged by itself."""

    items: list[Dismissal] = Field(min_length=1, max_length=500)

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [{"objection": "01912d68-783e-7a03-8467-5661c1243ad4", "reasons": "未指明任何事实"}]}]}
    )


class ObjectionReceipt(Answer):
    """What was received; the tracking code is told this once, and opens GET /public/objections/{tracking_code}."""

    id: UUID
    tracking_code: str | None
    state: str
    received_at: datetime


class ObjectionProgress(Answer):
    """How far an objection is, for whoever holds its tracking code."""

    id: UUID
    state: str
    received_at: datetime
    settled_at: datetime | None
    removed: bool | None
    dismissal: str | None


class Objector(Answer):
    """Who objected, for the office alone."""

    name: str | None
    contact: str | None


class ObjectionAnswer(Answer):
    """A case of the docket; `kind` tells an objection to a notice from a report, `objector` is there for the office alone."""

    id: UUID
    version: int
    kind: Literal["objection", "report"]
    cycle: UUID
    notice: UUID | None
    application: UUID | None
    credit_code: str | None
    text: str
    state: str
    received_at: datetime
    findings: str | None
    report: str | None
    motion: UUID | None
    removed: bool | None
    dismissal: str | None
    settled_at: datetime | None
    objector: Objector | None
    actions: dict[str, Action]


class DismissalResult(Answer):
    """Whether one objection was dismissed; where not, why."""

    objection: UUID
    dismissed: bool
    why: Why | None


class DismissalResults(Answer):
    """The result for each, in order of the objections' ids."""

    items: list[DismissalResult]


def receive(transaction: Transaction, cycle: Cycle, notice: Notice | None, new: NewObjection) -> ObjectionReceipt:
    """Put a case on the docket; of the tracking code only a hash is kept. The cycle's row is locked: approval counts what is open."""
    tracking = secrets.token_urlsafe(24)
    objection = Objection(
        cycle_id=cycle.id,
        notice_id=notice.id if notice else None,
        text=new.text,
        tracking_hash=_hash(tracking),
        state="received",
        received_at=transaction.now,
        version=1,
    )
    if new.application is not None:
        objection.credit_code = _concerned(transaction, objection, new.application)
        objection.application = new.application
    transaction.session.add(objection)
    transaction.session.flush()
    if new.name or new.contact:
        transaction.session.add(ObjectionContact(objection_id=objection.id, name=new.name, contact=new.contact))
    facts = {
        "cycle": str(cycle.id),
        "notice": str(notice.id) if notice else None,
        "text_sha256": hashlib.sha256(new.text.encode()).hexdigest(),
    }
    transaction.record("objection.received", f"objection:{objection.id}", clause="5.4.2" if notice else "2.2.4", facts=facts)
    transaction.secrets = ("tracking_code",)
    return ObjectionReceipt(id=objection.id, tracking_code=tracking, state=objection.state, received_at=objection.received_at)


def object_to_notice(transaction: Transaction, notice_id: UUID, new: NewObjection) -> ObjectionReceipt:
    """Take an objection while its notice runs (5.4.2)."""
    notice = transaction.session.get(Notice, notice_id)
    if notice is None:
        raise absent()
    cycle = lock_cycle(transaction, notice.cycle_id)
    check_object(transaction, cycle, notice)
    return receive(transaction, cycle, notice, new)


def investigate(transaction: Transaction, objection_id: UUID, version: int, investigation: Investigation) -> Objection:
    """Record what the investigation found, and its report where it is over."""
    objection = _lock(transaction, objection_id)
    check_version(version, objection.version)
    objection.state = lifecycle.step(lifecycle.OBJECTION, objection.state, "investigate").to
    objection.findings = investigation.findings
    if investigation.application is not None and objection.application is None:
        check_seen(transaction, find_cycle(transaction, objection.cycle_id), investigation.application)
        objection.application, objection.credit_code = (
            investigation.application,
            _concerned(transaction, objection, investigation.application),
        )
    if investigation.report is not None:
        objection.state = lifecycle.step(lifecycle.OBJECTION, objection.state, "report").to
        objection.report = investigation.report
    objection.version += 1
    transaction.record("objection.investigated", f"objection:{objection.id}", clause="2.2.4", facts={"state": objection.state})
    return objection


def rule(transaction: Transaction, objection_id: UUID, ruling: Ruling) -> Objection:
    """Carry out the committee's ruling: the name is kept, or falls (5.4.2)."""
    found = _find(transaction, objection_id)
    cycle = lock_cycle(transaction, found.cycle_id)
    objection = _lock(transaction, objection_id)
    step = lifecycle.step(lifecycle.OBJECTION, objection.state, "rule")
    motion = check_motion_passed(transaction, cycle, ruling.motion, "ruling")
    if motion.subject["objection"] != str(objection.id):
        raise absent()
    removed: bool = motion.subject["removes_name"]
    check_ruling(removes_name=removed, names_somebody=objection.application is not None)
    objection.state, objection.motion_id, objection.removed = step.to, motion.id, removed
    objection.settled_at = transaction.now
    objection.version += 1
    facts = {"motion": str(motion.id), "removed": removed, "application": str(objection.application)}
    transaction.record("objection.ruled", f"objection:{objection.id}", clause="5.4.2", facts=facts)
    for name in standing_names(transaction, cycle):
        if removed and name.application == objection.application:
            let_fall(transaction, cycle, name, "5.4.2")
    return objection


def check_dismissable(transaction: Transaction, item: Dismissal) -> Objection:
    """Give the objection, locked; refused where it is not there, is before the committee or settled, or no reasons are given."""
    objection = _lock(transaction, item.objection)
    lifecycle.step(lifecycle.OBJECTION, objection.state, "dismiss")
    check_dismissal(item.reasons)
    return objection


def dismiss(transaction: Transaction, dismissals: Dismissals) -> Sequence[DismissalResult]:
    """Dismiss the inadmissible, each judged by itself: one that can't be dismissed doesn't hinder the others."""
    results = []
    for item in sorted(dismissals.items, key=lambda one: one.objection):
        judged = offer(transaction, "POST", f"{API}/objections/dismissals", partial(check_dismissable, transaction, item))
        results.append(DismissalResult(objection=item.objection, dismissed=judged.allowed, why=judged.why))
        if judged.allowed:
            objection = check_dismissable(transaction, item)
            objection.state = lifecycle.step(lifecycle.OBJECTION, objection.state, "dismiss").to
            objection.dismissal, objection.settled_at = item.reasons.strip(), transaction.now
            objection.version += 1
            facts = {"reasons": objection.dismissal}
            transaction.record("objection.dismissed", f"objection:{objection.id}", clause="5.4.2", facts=facts)
            transaction.session.flush()
    return results


def _hash(tracking: str) -> bytes:
    return hashlib.sha256(tracking.encode()).digest()


def _concerned(transaction: Transaction, objection: Objection, application: UUID) -> str:
    """Give the organisation that an objection is about: a name of its notice; of a report, a contender of the cycle."""
    contender = transaction.session.get(Contender, application)
    on_notice = select(NoticeName.ballot_id).where(NoticeName.notice_id == objection.notice_id, NoticeName.application == application)
    unnamed = objection.notice_id is not None and transaction.session.scalar(on_notice) is None
    if contender is None or contender.cycle_id != objection.cycle_id or unnamed:
        raise absent()
    return contender.credit_code


def check_seen(transaction: Transaction, cycle: Cycle, application: UUID) -> None:
    """Raise the 404 of what never was for an application that the caller is recused from (2.4.5)."""
    contender = transaction.session.get(Contender, application)
    if contender is not None and contender.credit_code in hidden_from_caller(transaction, cycle):
        raise absent()


def _hidden(transaction: Transaction, objection: Objection) -> bool:
    caller = transaction.actor
    cycle = find_cycle(transaction, objection.cycle_id)
    return caller is None or objection.credit_code in hidden_from(transaction, caller, cycle)


def _find(transaction: Transaction, objection_id: UUID) -> Objection:
    objection = transaction.session.get(Objection, objection_id)
    if objection is None or _hidden(transaction, objection):
        raise absent()
    return objection


def _lock(transaction: Transaction, objection_id: UUID) -> Objection:
    objection = transaction.session.get(Objection, objection_id, with_for_update=True, populate_existing=True)
    if objection is None or _hidden(transaction, objection):
        raise absent()
    check_undertaken(transaction, transaction.actor, find_cycle(transaction, objection.cycle_id))
    return objection


def show_objection(transaction: Transaction, principal: Principal, objection: Objection) -> ObjectionAnswer:
    """Give a case; who objected is for the office alone."""
    office = principal.has_duty("office")
    contact = transaction.session.get(ObjectionContact, objection.id) if office else None
    here = f"{API}/objections/{objection.id}"

    def check(action: str) -> object:
        check_undertaken(transaction, principal, find_cycle(transaction, objection.cycle_id))
        return lifecycle.step(lifecycle.OBJECTION, objection.state, action)

    actions = {
        "investigate": offer(transaction, "PUT", f"{here}/investigation", lambda: check("investigate")),
        "rule": offer(transaction, "POST", f"{here}/ruling", lambda: check("rule")),
        "dismiss": offer(transaction, "POST", f"{API}/objections/dismissals", lambda: check("dismiss")),
    }
    return ObjectionAnswer(
        id=objection.id,
        version=objection.version,
        kind="objection" if objection.notice_id else "report",
        cycle=objection.cycle_id,
        notice=objection.notice_id,
        application=objection.application,
        credit_code=objection.credit_code,
        text=objection.text,
        state=objection.state,
        received_at=objection.received_at,
        findings=objection.findings,
        report=objection.report,
        motion=objection.motion_id,
        removed=objection.removed,
        dismissal=objection.dismissal,
        settled_at=objection.settled_at,
        objector=Objector.model_validate(contact) if contact else None,
        actions=actions if office else {},
    )


routes = router("objection")


@routes.post("/notices/{notice_id}/objections", operation_id="object_to_notice", status_code=201)
def post_objection(notice_id: UUID, new: NewObjection, _anyone: Anyone, transaction: InTransaction) -> ObjectionReceipt:
    """Object to a notice while it runs; no account needed (5.4.2)."""
    return object_to_notice(transaction, notice_id, new)


@routes.post("/cycles/{cycle_id}/reports", operation_id="report_to_office", status_code=201)
def post_report(cycle_id: UUID, new: NewObjection, _anyone: Anyone, transaction: InTransaction) -> ObjectionReceipt:
    """Report something to the office at any time in a cycle; no account needed (2.2.4)."""
    return receive(transaction, lock_cycle(transaction, cycle_id), None, new)


@routes.get("/public/objections/{tracking_code}", operation_id="follow_objection")
def get_progress(tracking_code: str, _anyone: Anyone, transaction: InTransaction) -> ObjectionProgress:
    """Follow one's own objection by its tracking code."""
    objection = transaction.session.scalar(select(Objection).where(Objection.tracking_hash == _hash(tracking_code)))
    if objection is None:
        raise absent()
    return ObjectionProgress.model_validate(objection)


@routes.get("/objections", operation_id="list_objections")
def list_objections(
    insider: Insider,
    transaction: InTransaction,
    cycle: UUID,
    state: Annotated[str | None, Query(max_length=20)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ObjectionAnswer]:
    """List a cycle's docket, in the order received."""
    found = find_cycle(transaction, cycle)
    check_secrets(transaction, insider, found)
    hidden = hidden_from(transaction, insider, found)
    statement = select(Objection).where(Objection.cycle_id == cycle)
    if hidden:
        statement = statement.where(Objection.credit_code.is_(None) | Objection.credit_code.not_in(hidden))
    if state is not None:
        statement = statement.where(Objection.state == state)
    objections, following = paginate(transaction.session, statement, Objection.id, cursor, limit)
    return Page(items=[show_objection(transaction, insider, one) for one in objections], next_cursor=following)


@routes.get("/objections/{objection_id}", operation_id="get_objection")
def get_objection(objection_id: UUID, insider: Insider, transaction: InTransaction) -> ObjectionAnswer:
    """Read one case of the docket."""
    objection = _find(transaction, objection_id)
    check_secrets(transaction, insider, find_cycle(transaction, objection.cycle_id))
    transaction.version = objection.version
    return show_objection(transaction, insider, objection)


@routes.put("/objections/{objection_id}/investigation", operation_id="record_investigation")
def put_investigation(
    objection_id: UUID, investigation: Investigation, office: Office, transaction: InTransaction, version: IfMatch
) -> ObjectionAnswer:
    """Record an investigation; its report sends the objection to the committee (2.2.4, 5.4.2)."""
    objection = investigate(transaction, objection_id, version, investigation)
    transaction.version = objection.version
    return show_objection(transaction, office, objection)


@routes.post("/objections/{objection_id}/ruling", operation_id="rule_on_objection", status_code=201)
def post_ruling(objection_id: UUID, ruling: Ruling, office: Office, transaction: InTransaction, _dry_run: DryRun) -> ObjectionAnswer:
    """Carry out the committee's ruling on an objection; the cycle goes back to deliberation where the name falls (5.4.2)."""
    objection = rule(transaction, objection_id, ruling)
    transaction.version = objection.version
    return show_objection(transaction, office, objection)


@routes.post("/objections/dismissals", operation_id="dismiss_objections", status_code=201)
def post_dismissals(dismissals: Dismissals, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> DismissalResults:
    """Dismiss inadmissible objections, singly or in bulk, each with its reasons (5.4.2)."""
    return DismissalResults(items=list(dismiss(transaction, dismissals)))
