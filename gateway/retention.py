"""How long the gateway keeps the traces of sign-ins and one-time links."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from gateway.settings import GatewaySettings
from gateway.tables import Activation, Family
from kernel.upkeep import Found, Keeping


def _ended(session: Session, before: datetime) -> Found:
    return [(row[0], row[1]) for row in session.execute(select(Family.id, Family.expires_at).where(Family.expires_at < before))]


def _forget_sign_ins(session: Session, families: Sequence[Any]) -> None:
    session.execute(delete(Family).where(Family.id.in_(families)))


def _lapsed(session: Session, before: datetime) -> Found:
    rows = session.execute(select(Activation.secret_hash, Activation.expires_at).where(Activation.expires_at < before))
    return [(row[0], row[1]) for row in rows]


def _forget_links(session: Session, links: Sequence[Any]) -> None:
    session.execute(delete(Activation).where(Activation.secret_hash.in_(links)))


def keepings(settings: GatewaySettings) -> list[Keeping]:
    """Say what is kept how long."""
    return [
        Keeping("sign_ins", settings.sign_in_days, _ended, _forget_sign_ins, by_wall=True),
        Keeping("one_time_links", settings.sign_in_days, _lapsed, _forget_links, by_wall=True),
    ]
