"""How long workflow keeps what it needs of people: who objected or reported, and how to reach them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from kernel.settings import Settings
from kernel.upkeep import Found, Keeping
from services.workflow.tables import Objection, ObjectionContact


def _settled(session: Session, before: datetime) -> Found:
    rows = session.execute(
        select(Objection.id, Objection.settled_at)
        .join(ObjectionContact, ObjectionContact.objection_id == Objection.id)
        .where(Objection.settled_at < before)
    )
    return [(key, settled_at) for key, settled_at in rows if settled_at is not None]


def _forget(session: Session, objections: Sequence[Any]) -> None:
    session.execute(delete(ObjectionContact).where(ObjectionContact.objection_id.in_(objections)))


def keepings(settings: Settings) -> list[Keeping]:
    """Say what is kept how long."""
    return [Keeping("objectors", settings.objector_days, _settled, _forget)]
