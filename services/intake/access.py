"""Who may see an application, how a command takes hold of one, and what is recorded of those who read it."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any
from uuid import UUID

import anyio.from_thread
from sqlalchemy import ColumnElement, Select, and_, false, func, select
from sqlalchemy.orm import defer, undefer

from kernel.identity import Principal
from kernel.problems import absent
from kernel.requests import Transaction, check_unnamed
from regulation import edition, lifecycle
from regulation.calendar import day
from regulation.conduct import check_undertaking
from regulation.edition import Parameters
from services.intake.tables import (
    Application,
    Cycle,
    Disqualified,
    FrozenVersion,
    Organisation,
    Recusal,
    Supervisor,
    Undertaking,
    Verification,
)

ENDED = ("closed", "cancelled")
WITH_BOTH = (
    select(Application, Cycle, Organisation)
    .join(Cycle)
    .join(Organisation)
    .options(undefer(Application.section_versions), defer(Organisation.contacts))
)


def caller(transaction: Transaction) -> Principal:
    """Give the caller of a route that only the signed-in reach."""
    assert transaction.actor is not None  # noqa: S101 - the route's policy admitted somebody
    return transaction.actor


def phase(cycle: Cycle, transaction: Transaction) -> str:
    """Tell the phase that a cycle is in now."""
    return lifecycle.phase(cycle.phase, cycle.closes, transaction.now)


def parameters(cycle: Cycle) -> Parameters:
    """Give the parameters that a cycle keeps: those of its edition on the day it was launched (8)."""
    return edition.load(cycle.edition).parameters(cycle.launched_on)


def watched(transaction: Transaction, person: Principal) -> Select[UUID]:
    """Select the cycles whose supervision group a supervisor sits in today, until they end (7.1)."""
    today = day(transaction.now)
    in_office = and_(func.coalesce(Supervisor.since, today) <= today, func.coalesce(Supervisor.until, today) >= today)
    seats = select(Supervisor.cycle_id).join(Cycle, Cycle.id == Supervisor.cycle_id)
    return seats.where(Supervisor.person == person.person, in_office, Cycle.phase.not_in(ENDED))


def check_watching(transaction: Transaction, person: Principal, cycle: UUID) -> None:
    """Raise the 404 of what never was for a supervisor outside this cycle's group (7.1)."""
    if person.role == "supervisor" and transaction.session.scalar(watched(transaction, person).where(Cycle.id == cycle)) is None:
        raise absent()


def recused_from(transaction: Transaction, person: str) -> Collection[str]:
    """Give the ids of the organisations that a person is recused from, and of their applications (2.4.5)."""
    codes = transaction.session.scalars(select(Recusal.credit_code).where(Recusal.person == person)).all()
    applications = transaction.session.scalars(select(Application.id).where(Application.credit_code.in_(codes)))
    return {*codes, *map(str, applications)}


def withheld(transaction: Transaction, supervisor: Principal) -> Collection[str]:
    """Give what the record tells a supervisor nothing of; there is no record for who sits in no group (7.1)."""
    if transaction.session.scalar(watched(transaction, supervisor).limit(1)) is None:
        raise absent()
    return recused_from(transaction, supervisor.person)


def may_see(transaction: Transaction, person: Principal) -> ColumnElement[bool]:
    """Say in SQL which applications a caller may know of; whoever is recused from one knows nothing of it (2.4.5)."""
    if person.role == "applicant":
        return Application.credit_code == person.org
    not_recused = Application.credit_code.not_in(select(Recusal.credit_code).where(Recusal.person == person.person))
    shown = and_(Application.submitted > 0, not_recused)
    if person.role == "endorser":
        return and_(shown, Application.body == person.body)
    if person.role == "supervisor":
        return and_(shown, Application.cycle_id.in_(watched(transaction, person)))
    if person.role == "reviewer" or person.has_duty("office"):
        return shown
    return false()


def find(transaction: Transaction, application: UUID) -> Application:
    """Find an application that this caller may know of; a reviewer only where scoring says so at this moment, failing closed."""
    person = caller(transaction)
    row = transaction.session.execute(WITH_BOTH.where(Application.id == application, may_see(transaction, person))).one_or_none()
    if row is None or (person.role == "reviewer" and not _assigned(transaction, person.person, application)):
        raise absent()
    transaction.held = row
    return row[0]


def revisit(transaction: Transaction, person: Principal, answer: Mapping[str, Any]) -> None:
    """Raise what a read would where the caller may no longer know of an application that a stored answer is about (2.4.5, 7.6)."""
    if person.role != "applicant":
        if transaction.session.get(Disqualified, person.person) is not None:
            check_undertaking(None, disqualified=True)
        check_unnamed(transaction, answer, recused_from(transaction, person.person))
    named = [transaction.request.path_params.get("application")]
    named += [one["application"] for one in answer.get("items", []) if one["done"]]
    for application in filter(None, named):
        find(transaction, UUID(application))


def asked(transaction: Transaction, application: UUID) -> frozenset[str]:
    """Name the criteria on which the caller's department was asked, where the application is not addressed to it (5.3.1)."""
    person = caller(transaction)
    if person.role != "endorser":
        return frozenset()
    recused = select(Recusal.credit_code).where(Recusal.person == person.person)
    questions = (
        select(Verification.criterion)
        .join(Application, Application.id == Verification.application_id)
        .where(Verification.application_id == application, Verification.body == person.body)
        .where(Application.credit_code.not_in(recused), Application.body != person.body)
    )
    return frozenset(transaction.session.scalars(questions))


def lock(transaction: Transaction, application: Application) -> tuple[Application, Cycle]:
    """Lock an application; its cycle is held against a closure of the screening meanwhile."""
    session = transaction.session
    cycle = session.get_one(Cycle, application.cycle_id, with_for_update={"read": True}, populate_existing=True)
    return session.get_one(Application, application.id, with_for_update=True, populate_existing=True), cycle


def hold(transaction: Transaction, application: UUID) -> tuple[Application, Cycle]:
    """Lock an application that this caller may know of, also after waiting for the lock."""
    _, cycle = lock(transaction, find(transaction, application))
    return find(transaction, application), cycle


def _assigned(transaction: Transaction, person: str, application: UUID) -> bool:
    question = partial(transaction.service.peers.ask, "scoring", "/internal/dossier-access")
    answer: Mapping[str, Any] = anyio.from_thread.run(question, {"person": person, "application": str(application)})
    return answer.get("may_read") is True


def check_sworn(transaction: Transaction, cycle_id: UUID) -> None:
    """Refuse an official who has given no confidentiality undertaking for this cycle, or was disqualified.

    Clause 7.6.
    """
    person = caller(transaction).person
    given = transaction.session.get(Undertaking, (person, cycle_id))
    disqualified = transaction.session.get(Disqualified, person) is not None
    check_undertaking(given.given_on if given else None, disqualified=disqualified)


def sworn(person: Principal) -> Select[UUID]:
    """Select the cycles for which an official gave the undertaking; none for one who was disqualified (7.6)."""
    disqualified = select(Disqualified.person).where(Disqualified.person == person.person).exists()
    return select(Undertaking.cycle_id).where(Undertaking.person == person.person, ~disqualified)


def read_dossier(transaction: Transaction, application: Application, thing: str) -> dict[str, Any] | None:
    """Give the frozen content that officials read, and record the reading; None for the applicant, who reads what it edits."""
    person = caller(transaction)
    if person.role == "applicant":
        return None
    if person.role in {"committee", "supervisor"}:
        check_sworn(transaction, application.cycle_id)
    note_reading(transaction, f"application:{application.id}", thing)
    return latest(transaction, application).content


def note_reading(transaction: Transaction, subject: str, thing: str) -> None:
    """Record that an official reads something, each time they do (7.6)."""
    transaction.record("dossier.read", subject, clause="7.6", facts={"thing": thing})


def latest(transaction: Transaction, application: Application) -> FrozenVersion:
    """Give the version that was submitted last."""
    return transaction.session.get_one(FrozenVersion, (application.id, application.submitted))
