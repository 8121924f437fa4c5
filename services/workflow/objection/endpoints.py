"""Where the docket is served."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from kernel.identity import Anyone, Office, Principal
from kernel.problems import absent
from kernel.requests import Cursor, DryRun, IfMatch, InTransaction, Limit, Transaction, offer, paginate
from kernel.service import API, router
from kernel.wire import Page
from regulation import lifecycle
from services.workflow.course import check_secrets, find_cycle, hidden_from, lock_cycle
from services.workflow.objection.schemas import (
    DismissalResults,
    Dismissals,
    Investigation,
    NewObjection,
    ObjectionAnswer,
    ObjectionProgress,
    ObjectionReceipt,
    Objector,
    Ruling,
    TrackingCode,
)
from services.workflow.objection.use_cases import (
    check_dismiss,
    dismiss,
    due_of,
    find_objection,
    investigate,
    is_overdue,
    object_to_notice,
    receive,
    rule,
    tracking_hash,
)
from services.workflow.stage import Insider
from services.workflow.tables import Objection


def show_objection(transaction: Transaction, principal: Principal, objection: Objection) -> ObjectionAnswer:
    """Give a case, to one who was asked for the undertaking before; who objected is for the office alone."""
    office = principal.has_duty("office")
    contact = objection.contact if office else None
    here = f"{API}/objections/{objection.id}"

    def check(action: str) -> object:
        return lifecycle.step(lifecycle.OBJECTION, objection.state, action)

    actions = {
        "investigate": offer(transaction, "PUT", f"{here}/investigation", lambda: check("investigate")),
        "rule": offer(transaction, "POST", f"{here}/ruling", lambda: check("rule")),
        "dismiss": offer(transaction, "POST", f"{API}/objections/dismissals", lambda: check_dismiss(objection)),
    }
    return ObjectionAnswer(
        id=objection.id,
        version=objection.version,
        kind="recusal" if objection.recused else "objection" if objection.notice_id else "report",
        cycle=objection.cycle_id,
        notice=objection.notice_id,
        application=objection.application,
        credit_code=objection.credit_code,
        text=objection.text,
        state=objection.state,
        received_at=objection.received_at,
        due=due_of(objection),
        overdue=is_overdue(transaction, objection),
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


@routes.get("/public/objection", operation_id="follow_objection")
def get_progress(_anyone: Anyone, transaction: InTransaction, tracking_code: TrackingCode = "") -> ObjectionProgress:
    """Follow one's own objection, or report, by its tracking code; without the code of one it is absent (2.2.4, 5.4.2)."""
    objection = transaction.session.scalar(select(Objection).where(Objection.tracking_hash == tracking_hash(tracking_code)))
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
    statement = select(Objection).where(Objection.cycle_id == cycle).options(selectinload(Objection.notice))
    if insider.has_duty("office"):
        statement = statement.options(selectinload(Objection.contact))
    if hidden:
        statement = statement.where(Objection.credit_code.is_(None) | Objection.credit_code.not_in(hidden))
    if state is not None:
        statement = statement.where(Objection.state == state)
    objections, following = paginate(transaction.session, statement, Objection.id, cursor, limit)
    return Page(items=[show_objection(transaction, insider, one) for one in objections], next_cursor=following)


@routes.get("/objections/{objection_id}", operation_id="get_objection")
def get_objection(objection_id: UUID, insider: Insider, transaction: InTransaction) -> ObjectionAnswer:
    """Read one case of the docket."""
    objection = find_objection(transaction, insider, objection_id)
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
