"""How long the gateway keeps the traces of sign-ins and one-time links."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, or_, select
from sqlalchemy.orm import Session

from gateway.settings import GatewaySettings
from gateway.tables import Activation, Family, Mail, Notice
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


def _told(session: Session, before: datetime) -> Found:
    """Find the mails whose facts can't come up again: a task that still stands would be told anew."""
    stands = exists().where(Notice.mail_id == Mail.id, Notice.ended_at.is_(None), Notice.what != "decision")
    return [(row[0], row[1]) for row in session.execute(select(Mail.id, Mail.begun_at).where(Mail.begun_at < before, ~stands))]


def _forget_mails(session: Session, mails: Sequence[Any]) -> None:
    session.execute(delete(Notice).where(or_(Notice.mail_id.in_(mails), Notice.mail_id.is_(None) & Notice.ended_at.is_not(None))))
    session.execute(delete(Mail).where(Mail.id.in_(mails)))


def keepings(settings: GatewaySettings) -> list[Keeping]:
    """Say what is kept how long."""
    return [
        Keeping("sign_ins", settings.sign_in_days, _ended, _forget_sign_ins, by_wall=True),
        Keeping("one_time_links", settings.sign_in_days, _lapsed, _forget_links, by_wall=True),
        Keeping("mails", settings.mail_days, _told, _forget_mails, by_wall=True),
    ]
