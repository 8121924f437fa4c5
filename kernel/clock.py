"""The business clock: wall time, shifted in environment `demo` or `test` alone. It decides phases and deadlines."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, insert, select, text
from sqlalchemy.orm import Session

from kernel.database import clock_shift
from kernel.settings import Environment


def wall() -> datetime:
    """Give the wall clock's instant; tokens, the relay and limits go by it."""
    return datetime.now(UTC)


def business_now(session: Session, environment: Environment) -> datetime:
    """Read the business clock, once per transaction."""
    if environment == "production":
        return wall()
    shift = session.execute(select(clock_shift)).one_or_none()
    if shift is None:
        return wall()
    if shift.frozen_at is not None:
        frozen: datetime = shift.frozen_at
        return frozen
    offset: timedelta = shift.offset
    return wall() + offset


def set_clock(session: Session, to: datetime, *, running: bool) -> None:
    """Move the business clock; a clock that is not running stands still at `to`. Of two who move it at once, the last is right."""
    session.execute(text("lock table clock_shift in exclusive mode"))
    session.execute(delete(clock_shift))
    session.execute(insert(clock_shift).values(offset=to - wall(), frozen_at=None if running else to))


def is_shifted(session: Session) -> bool:
    """Tell whether the business clock was ever moved in this database."""
    return session.execute(select(clock_shift)).one_or_none() is not None
