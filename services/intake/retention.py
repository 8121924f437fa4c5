"""How long intake keeps what it needs of people: an organisation's contacts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select, union_all, update
from sqlalchemy.orm import Session

from kernel.database import event
from kernel.settings import Settings
from kernel.upkeep import Found, Keeping
from services.intake.tables import Application, Cycle, Honour, Organisation

OVER = ("closed", "cancelled")


def _idle(session: Session, before: datetime) -> Found:
    """Find the organisations that applied, stated or were imported nothing since, have no application running and hold no honour."""
    running = (
        select(Application.credit_code)
        .join(Cycle, Cycle.id == Application.cycle_id)
        .where(or_(Cycle.phase.not_in(OVER), Cycle.closes >= before))
    )
    honoured = select(Honour.credit_code).where(Honour.revoked_on.is_(None))
    stated = select(func.replace(event.c.subject, "organisation:", "").label("code"), event.c.at).where(
        event.c.kind == "organisation.saved"
    )
    imported = select(func.jsonb_array_elements_text(event.c.facts["added"]).label("code"), event.c.at).where(
        event.c.kind == "organisations.imported"
    )
    said = union_all(stated, imported).subquery()
    last = select(said.c.code, func.max(said.c.at).label("at")).group_by(said.c.code).subquery()
    rows = session.execute(
        select(Organisation.credit_code, last.c.at, Organisation.contacts)
        .join(last, last.c.code == Organisation.credit_code)
        .where(last.c.at < before, Organisation.credit_code.not_in(running), Organisation.credit_code.not_in(honoured))
    )
    return [(code, at) for code, at, contacts in rows if contacts]


def _forget(session: Session, codes: Sequence[Any]) -> None:
    session.execute(update(Organisation).where(Organisation.credit_code.in_(codes)).values(contacts=[], version=Organisation.version + 1))


def keepings(settings: Settings) -> list[Keeping]:
    """Say what is kept how long."""
    return [Keeping("organisation_contacts", settings.applicant_days, _idle, _forget)]
