"""What is done with a case of the docket; the cycle's row is locked where approval counts what is open."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import select

from kernel.arrival import count_arrival
from kernel.identity import Principal
from kernel.problems import absent
from kernel.requests import Transaction, check_version, offer
from kernel.service import API
from regulation import lifecycle
from regulation.calendar import midnight
from regulation.notice import check_dismissable, check_dismissal, check_ruling
from services.workflow.ballot.use_cases import OUT, check_motion_passed, winners_motions
from services.workflow.course import PEERS, check_secrets, check_undertaken, find_cycle, hidden_from, hidden_from_caller, lock_cycle
from services.workflow.notice import check_object, let_fall, standing_names
from services.workflow.objection.schemas import (
    Dismissal,
    DismissalResult,
    Dismissals,
    Investigation,
    NewObjection,
    ObjectionReceipt,
    Ruling,
)
from services.workflow.tables import Arrival, Contender, Cycle, Notice, NoticeName, Objection, ObjectionContact

OPEN = ("received", "investigating", "reported")
UNINVESTIGATED = ("received", "investigating")
VOTED = ("public_notice", "approval")
RUNNING = ("eligible", "shortlisted", "candidate")


def due_of(objection: Objection) -> datetime | None:
    """Tell by when an investigation is to be over: as the office set it, else when the notice is."""
    if objection.due_on is not None:
        return midnight(objection.due_on + timedelta(days=1))
    return objection.notice.ends_at if objection.notice else None


def is_overdue(transaction: Transaction, objection: Objection) -> bool:
    """Tell whether an investigation should be over and is not."""
    due = due_of(objection)
    return objection.state in UNINVESTIGATED and due is not None and transaction.now >= due


def receive(transaction: Transaction, cycle: Cycle, notice: Notice | None, new: NewObjection) -> ObjectionReceipt:
    """Put a case on the docket; of the tracking code only a hash is kept. The cycle's row is locked: approval counts what is open."""
    count_arrival(transaction.session, transaction.request, Arrival, transaction.service.settings.objections_per_hour)
    objection = Objection(cycle_id=cycle.id, notice_id=notice.id if notice else None, text=new.text)
    if new.application is not None:
        objection.credit_code = _concerned(transaction, objection, new.application)
        objection.application = new.application
    tracking = enter(transaction, objection)
    if new.name or new.contact:
        transaction.session.add(ObjectionContact(objection_id=objection.id, name=new.name, contact=new.contact))
    transaction.secrets = ("tracking_code",)
    return ObjectionReceipt(id=objection.id, tracking_code=tracking, state=objection.state, received_at=objection.received_at)


def enter(transaction: Transaction, objection: Objection) -> str:
    """Open a case, and record it; gives its tracking code, of which only a hash is kept."""
    tracking = secrets.token_urlsafe(24)
    objection.tracking_hash, objection.state, objection.version = tracking_hash(tracking), "received", 1
    objection.received_at = transaction.now
    transaction.session.add(objection)
    transaction.session.flush()
    facts = {
        "cycle": str(objection.cycle_id),
        "notice": str(objection.notice_id) if objection.notice_id else None,
        "application": _name(objection.application),
        "text_sha256": _digest(objection.text),
    }
    transaction.record("objection.received", f"objection:{objection.id}", clause="5.4.2" if objection.notice_id else "2.2.4", facts=facts)
    return tracking


def report_recusal(transaction: Transaction, application: UUID, person: str) -> None:
    """Put the recusal of somebody whose sheets counted on the docket, once winners are put to the vote: the committee judges it (2.4.5)."""
    contender = transaction.session.get(Contender, application)
    if contender is None or contender.stage in OUT:
        return
    cycle = lock_cycle(transaction, contender.cycle_id)
    known = select(Objection.id).where(Objection.application == application, Objection.recused == person)
    voted = cycle.phase in VOTED or (cycle.phase == "deliberation" and winners_motions(transaction, cycle))
    if not voted or transaction.session.scalar(known) is not None:
        return
    text = f"评审员{person}须回避，其评分已计入该组织的评审结果，而拟获奖名单已提请评委会表决。请调查核实并提请评委会裁定（二（四）5）。"
    enter(transaction, Objection(cycle_id=cycle.id, application=application, credit_code=contender.credit_code, recused=person, text=text))


def _digest(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


def _name(application: UUID | None) -> str | None:
    return None if application is None else str(application)


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
    objection.due_on = investigation.due_on or objection.due_on
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
    facts = {
        "state": objection.state,
        "application": _name(objection.application),
        "findings_sha256": _digest(objection.findings),
        "report_sha256": _digest(objection.report),
    }
    transaction.record("objection.investigated", f"objection:{objection.id}", clause="2.2.4", facts=facts)
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
    if removed and objection.application is not None:
        remove_name(transaction, cycle, objection.application)
    return objection


def remove_name(transaction: Transaction, cycle: Cycle, application: UUID) -> None:
    """Let a name before the public fall (5.4.2); one that is not there yet is disqualified from the rest of the review (3.3)."""
    for name in standing_names(transaction, cycle):
        if name.application == application:
            let_fall(transaction, cycle, name, "5.4.2")
    contender = transaction.session.get_one(Contender, application)
    if contender.stage in RUNNING:
        contender.stage = "disqualified"
        facts = {"cycle": str(cycle.id), "application": str(application), "clause": "3.3", "reason": "经调查核实，评委会裁定取消资格"}
        transaction.record("application.disqualified", f"application:{application}", clause="3.3", facts=facts, tell=PEERS)


def check_dismiss(objection: Objection) -> None:
    """Refuse to dismiss what is before the committee or settled, or a late recusal (5.4.2)."""
    lifecycle.step(lifecycle.OBJECTION, objection.state, "dismiss")
    check_dismissable(of_recusal=objection.recused is not None)


def judged_inadmissible(transaction: Transaction, item: Dismissal) -> Objection:
    """Give the objection, locked; refused where it is not there, is before the committee or settled, or no reasons are given."""
    objection = _lock(transaction, item.objection)
    check_dismiss(objection)
    check_dismissal(item.reasons)
    return objection


def dismiss(transaction: Transaction, dismissals: Dismissals) -> Sequence[DismissalResult]:
    """Dismiss the inadmissible, each judged by itself: one that can't be dismissed doesn't hinder the others."""
    results = []
    for item in sorted(dismissals.items, key=lambda one: one.objection):
        judged = offer(transaction, "POST", f"{API}/objections/dismissals", partial(judged_inadmissible, transaction, item))
        results.append(DismissalResult(objection=item.objection, dismissed=judged.allowed, why=judged.why))
        if judged.allowed:
            objection = judged_inadmissible(transaction, item)
            objection.state = lifecycle.step(lifecycle.OBJECTION, objection.state, "dismiss").to
            objection.dismissal, objection.settled_at = item.reasons.strip(), transaction.now
            objection.version += 1
            facts = {"reasons": objection.dismissal}
            transaction.record("objection.dismissed", f"objection:{objection.id}", clause="5.4.2", facts=facts)
            transaction.session.flush()
    return results


def tracking_hash(tracking: str) -> bytes:
    """Give what is kept of a tracking code."""
    return hashlib.sha256(tracking.encode()).digest()


def check_seen(transaction: Transaction, cycle: Cycle, application: UUID) -> None:
    """Raise the 404 of what never was for an application that the caller is recused from (2.4.5)."""
    contender = transaction.session.get(Contender, application)
    if contender is not None and contender.credit_code in hidden_from_caller(transaction, cycle):
        raise absent()


def _concerned(transaction: Transaction, objection: Objection, application: UUID) -> str:
    """Give the organisation that an objection is about: a name of its notice; of a report, a contender of the cycle."""
    contender = transaction.session.get(Contender, application)
    on_notice = select(NoticeName.ballot_id).where(NoticeName.notice_id == objection.notice_id, NoticeName.application == application)
    unnamed = objection.notice_id is not None and transaction.session.scalar(on_notice) is None
    if contender is None or contender.cycle_id != objection.cycle_id or unnamed:
        raise absent()
    return contender.credit_code


def _hidden(transaction: Transaction, objection: Objection) -> bool:
    caller = transaction.actor
    cycle = find_cycle(transaction, objection.cycle_id)
    return caller is None or objection.credit_code in hidden_from(transaction, caller, cycle)


def _find(transaction: Transaction, objection_id: UUID) -> Objection:
    objection = transaction.session.get(Objection, objection_id)
    if objection is None or _hidden(transaction, objection):
        raise absent()
    return objection


def find_objection(transaction: Transaction, insider: Principal, objection_id: UUID) -> Objection:
    """Load a case for somebody of its cycle; 404 for anyone else, and for whoever is recused from the organisation."""
    objection = _find(transaction, objection_id)
    check_secrets(transaction, insider, find_cycle(transaction, objection.cycle_id))
    return objection


def _lock(transaction: Transaction, objection_id: UUID) -> Objection:
    objection = transaction.session.get(Objection, objection_id, with_for_update=True, populate_existing=True)
    if objection is None or _hidden(transaction, objection):
        raise absent()
    check_undertaken(transaction, transaction.actor, find_cycle(transaction, objection.cycle_id))
    return objection
