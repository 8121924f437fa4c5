"""A cycle's course, as every act here needs it: load and lock it, tell its phase, move it on, and tell who sees what."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any
from uuid import UUID

import rfc8785
from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.bundle import plain
from kernel.identity import Principal
from kernel.problems import absent
from kernel.requests import Transaction
from regulation import edition, lifecycle
from regulation.calendar import day
from regulation.conduct import check_findings_answered, check_undertaking
from regulation.edition import Parameters
from regulation.implementation import ImplementationRules, implementation_rules
from regulation.lifecycle import Step
from services.workflow.tables import Attachment, Cycle, Disqualified, Finding, Recusal, Seat, Supervisor, Undertaking

PEERS = ("intake", "scoring")
ENDED = ("closed", "cancelled")


def parameters_of(cycle: Cycle, now: datetime) -> Parameters:
    """Give what the cycle's edition says: as on the day of its launch, before that as of today (8)."""
    return edition.load(cycle.edition).parameters(cycle.launched_on or day(now))


def rules_of(cycle: Cycle) -> ImplementationRules:
    """Read the cycle's implementation rules; refused where there are none yet (2.1.1)."""
    return implementation_rules(cycle.rules or {})


def rules_hash(document: Mapping[str, Any]) -> str:
    """Hash a rules document: SHA-256 of its RFC 8785 form."""
    return hashlib.sha256(rfc8785.dumps(dict(document))).hexdigest()


def phase_of(cycle: Cycle, now: datetime) -> str:
    """Tell the phase the cycle is in now."""
    return lifecycle.phase(cycle.phase, cycle.closes, now)


def edition_document(name: str, p: Parameters) -> dict[str, Any]:
    """Give an edition with the parameters that a cycle keeps, as its hash in the record and its bundle have it (8)."""
    about = edition.load(name)
    return {
        "name": name,
        "title": about.title,
        "status": about.status,
        "published_on": about.published_on.isoformat(),
        "parameters": plain(p),
    }


def phases(session: Session, now: datetime) -> list[tuple[int, str]]:
    """Give every running cycle's year with the phase that it is in, as the metrics show them."""
    return [(cycle.year, phase_of(cycle, now)) for cycle in session.scalars(select(Cycle).where(Cycle.phase.not_in(ENDED)))]


def plan_of(cycle: Cycle) -> dict[str, date]:
    """Give the plan's milestones."""
    return {phase: date.fromisoformat(on) for phase, on in cycle.milestones.items()}


def find_cycle(transaction: Transaction, cycle_id: UUID) -> Cycle:
    """Load a cycle; 404 where there is none."""
    cycle = transaction.session.get(Cycle, cycle_id)
    if cycle is None:
        raise absent()
    return cycle


def lock_cycle(transaction: Transaction, cycle_id: UUID) -> Cycle:
    """Load a cycle and lock its row: whatever counts or moves within a cycle waits here."""
    cycle = transaction.session.get(Cycle, cycle_id, with_for_update=True)
    if cycle is None:
        raise absent()
    return cycle


def check_move(transaction: Transaction, cycle: Cycle, action: str) -> Step:
    """Give the step an action takes; refused in the wrong phase, and while a finding holds it (7.1)."""
    now = transaction.now
    found = lifecycle.step(lifecycle.cycle(parameters_of(cycle, now)), phase_of(cycle, now), action)
    held = transaction.session.scalars(
        select(Finding.holds).where(Finding.cycle_id == cycle.id, Finding.holds.is_not(None), Finding.answered_at.is_(None))
    )
    check_findings_answered(action, {one for one in held if one is not None})
    return found


def move(
    transaction: Transaction,
    cycle: Cycle,
    action: str,
    *,
    kind: str = "cycle.phase_changed",
    facts: Mapping[str, Any] | None = None,
    tell: tuple[str, ...] = PEERS,
) -> None:
    """Take a cycle's next step, and tell the peers; lock the cycle first."""
    taken = check_move(transaction, cycle, action)
    cycle.phase = taken.to
    cycle.version += 1
    transaction.record(
        kind,
        f"cycle:{cycle.id}",
        clause=taken.clause,
        facts={"cycle": str(cycle.id), "phase": taken.to, "action": action, **(facts or {})},
        tell=tell,
    )


def hidden_from(transaction: Transaction, principal: Principal, cycle: Cycle) -> frozenset[str]:
    """Give the credit codes of the organisations that don't exist for this caller: recusal follows the person (2.4.5).

    The clause names no committee members: for one without the office's duty the implementation rules say.
    """
    if (
        principal.role == "committee"
        and not principal.has_duty("office")
        and not (cycle.rules_hash and rules_of(cycle).voting.members_recused)
    ):
        return frozenset()
    return frozenset(transaction.session.scalars(select(Recusal.credit_code).where(Recusal.person == principal.person)))


def hidden_from_caller(transaction: Transaction, cycle: Cycle) -> frozenset[str]:
    """Give the credit codes of the organisations that don't exist for whoever calls."""
    return hidden_from(transaction, transaction.actor, cycle) if transaction.actor else frozenset()


def is_supervisor(transaction: Transaction, principal: Principal, cycle: Cycle) -> bool:
    """Tell whether the caller sits in this cycle's supervision group, which dissolves with the cycle's end (7.1)."""
    seat = transaction.session.get(Supervisor, (cycle.id, principal.person))
    return principal.role == "supervisor" and serves(transaction, seat) and cycle.phase not in ENDED


def serves(transaction: Transaction, seat: Seat | Supervisor | None) -> bool:
    """Tell whether somebody holds a seat whose term, where it has one, runs today."""
    today = day(transaction.now)
    return seat is not None and (seat.since is None or seat.since <= today) and (seat.until is None or today <= seat.until)


def check_insight(transaction: Transaction, principal: Principal, cycle: Cycle) -> None:
    """Admit the office, this cycle's committee and its supervision group to its papers; for anyone else they are absent (7.6)."""
    if not has_insight(transaction, principal, cycle):
        raise absent()
    if principal.role == "supervisor":
        note_reading(transaction, principal)


def note_reading(transaction: Transaction, supervisor: Principal) -> None:
    """Record what a supervisor reads, each time they do (7.1)."""
    facts = {"thing": transaction.request.url.path}
    transaction.record("supervisor.read", f"supervisor:{supervisor.person}", clause="7.1", facts=facts)


def check_scan(transaction: Transaction, scan: UUID | None, subject: str) -> None:
    """Demand that a scan named by its id was kept beside this very thing; 404 otherwise."""
    found = transaction.session.get(Attachment, scan) if scan else None
    if scan is not None and (found is None or found.subject != subject):
        raise absent()


def has_insight(transaction: Transaction, principal: Principal, cycle: Cycle) -> bool:
    """Tell whether a cycle's papers are there for this caller."""
    seated = principal.role == "committee" and serves(transaction, transaction.session.get(Seat, (cycle.id, principal.person)))
    return principal.has_duty("office") or seated or is_supervisor(transaction, principal, cycle)


def has_undertaken(transaction: Transaction, principal: Principal, cycle: Cycle) -> bool:
    """Tell whether the caller has given the confidentiality undertaking for this cycle (7.6)."""
    return transaction.session.get(Undertaking, (principal.person, cycle.id)) is not None


def undertaking(transaction: Transaction, principal: Principal | None, cycle: Cycle) -> Callable[[], None]:
    """Load what the check of the undertaking rests on; calling it refuses whoever has given none, or was disqualified (7.6)."""
    given = transaction.session.get(Undertaking, (principal.person, cycle.id)) if principal else None
    disqualified = principal is not None and transaction.session.get(Disqualified, principal.person) is not None
    return partial(check_undertaking, given.given_on if given else None, disqualified=disqualified)


def check_undertaken(transaction: Transaction, principal: Principal | None, cycle: Cycle) -> None:
    """Refuse whoever has given no confidentiality undertaking for this cycle, or was disqualified (7.6)."""
    undertaking(transaction, principal, cycle)()


def check_secrets(transaction: Transaction, principal: Principal, cycle: Cycle) -> None:
    """Admit to what the cycle's papers say of applicants: who is part of the cycle, once the undertaking is given (7.6)."""
    check_insight(transaction, principal, cycle)
    check_undertaken(transaction, principal, cycle)
