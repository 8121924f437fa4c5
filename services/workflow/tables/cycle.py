"""The cycle, who runs and watches it, and what it announced."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import new_id
from services.workflow.tables.base import Base


class Cycle(Base):
    """An award year; `phase` is the stored one, ask `cycle.phase_of` for the phase it is in now."""

    __tablename__ = "cycle"
    __table_args__ = (Index("uq_cycle_year", "year", unique=True, postgresql_where=text("phase <> 'cancelled'")),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    year: Mapped[int]
    edition: Mapped[str]
    phase: Mapped[str] = mapped_column(default="planned")
    milestones: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Phase → ISO day."""
    window_opens: Mapped[datetime | None]
    window_closes: Mapped[datetime | None]
    budget_yuan: Mapped[int | None] = mapped_column(BigInteger)
    rules: Mapped[dict[str, Any] | None]
    """The implementation rules: a draft until `rules_hash` is set, frozen from then on."""
    rules_hash: Mapped[str | None]
    rules_motion: Mapped[UUID | None]
    launched_on: Mapped[date | None]
    opens: Mapped[datetime | None]
    """The window as announced; null before the announcement."""
    closes: Mapped[datetime | None]
    screening: Mapped[dict[str, Any] | None]
    """Count and hash of the eligible list, as intake closed it."""


class Seat(Base):
    """A person of the committee's roster or the office."""

    __tablename__ = "seat"

    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), primary_key=True)
    person: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    unit: Mapped[str]
    duties: Mapped[list[str]]
    since: Mapped[date | None]
    """The first day of the term, `until` its last; null where none is set."""
    until: Mapped[date | None]


class Supervisor(Base):
    """A member of the cycle's supervision group; dissolved when the cycle closes."""

    __tablename__ = "supervisor"

    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), primary_key=True)
    person: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    since: Mapped[date | None]
    until: Mapped[date | None]


class Announcement(Base):
    """The announcement that opens a cycle's window (5.1)."""

    __tablename__ = "announcement"

    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), primary_key=True)
    announced_on: Mapped[date]
    medium: Mapped[str]
    text: Mapped[str]
    at: Mapped[datetime]


class Notification(Base):
    """A notice of the announcement to an endorsing body (`code` is its body code) or a committee member's unit (5.1)."""

    __tablename__ = "notification"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    kind: Mapped[str]
    code: Mapped[str | None]
    recipient: Mapped[str]
    at: Mapped[datetime]


class Finding(Base):
    """What the supervision group found; `holds` is the cycle's action that waits for the answer (7.1)."""

    __tablename__ = "finding"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    text: Mapped[str]
    holds: Mapped[str | None]
    by: Mapped[str]
    at: Mapped[datetime]
    answer: Mapped[str | None]
    answered_by: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    sanction: Mapped[dict[str, Any] | None]
    """The sanction that the group proposes: {person, measure}."""
    sanction_imposed: Mapped[bool | None]


class Attachment(Base):
    """A file beside something here: `subject` is `cycle:`, `objection:` or `revocation_case:` and its id."""

    __tablename__ = "attachment"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(index=True)
    name: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    by: Mapped[str | None]
    at: Mapped[datetime]
