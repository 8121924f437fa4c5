"""Public notices, and the docket of objections and reports."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column, relationship

from kernel.arrival import Arrivals
from kernel.database import new_id
from kernel.sealed import SealedText
from services.workflow.tables.base import Base


class Notice(Base):
    """A public notice of winners (5.4.2); it is over at the instant `ends_at`."""

    __tablename__ = "notice"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    text: Mapped[str]
    medium: Mapped[str]
    counting: Mapped[str]
    days: Mapped[int]
    published_at: Mapped[datetime]
    ends_at: Mapped[datetime]


class NoticeName(Base):
    """One name of a notice, put there by the ballot that it won; `state` is running or fallen."""

    __tablename__ = "notice_name"

    ballot_id: Mapped[UUID] = mapped_column(ForeignKey("ballot.id"), primary_key=True)
    notice_id: Mapped[UUID] = mapped_column(ForeignKey("notice.id"), index=True)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    application: Mapped[UUID] = mapped_column(index=True)
    credit_code: Mapped[str]
    organisation: Mapped[str]
    award: Mapped[str]
    state: Mapped[str] = mapped_column(default="running")
    fallen_at: Mapped[datetime | None]
    fallen_by: Mapped[str | None]
    """The clause by which it fell."""


class Objection(Base):
    """An objection to a notice, or (without `notice_id`) what somebody reported to the office; one docket for both (2.2.4)."""

    __tablename__ = "objection"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    notice_id: Mapped[UUID | None] = mapped_column(ForeignKey("notice.id"), index=True)
    application: Mapped[UUID | None]
    credit_code: Mapped[str | None]
    text: Mapped[str]
    tracking_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    state: Mapped[str]
    received_at: Mapped[datetime]
    recused: Mapped[str | None]
    """The reviewer whose recusal, found after winners were put to the vote, it reports (2.4.5); null of what somebody sent."""
    due_on: Mapped[date | None]
    """By when the office set the investigation to be over; without it, the notice's end."""
    findings: Mapped[str | None]
    report: Mapped[str | None]
    motion_id: Mapped[UUID | None] = mapped_column(ForeignKey("motion.id"))
    removed: Mapped[bool | None]
    dismissal: Mapped[str | None]
    settled_at: Mapped[datetime | None]
    notice: Mapped[Notice | None] = relationship(viewonly=True)
    contact: Mapped["ObjectionContact | None"] = relationship(viewonly=True)


class ObjectionContact(Base):
    """Who objected, kept apart: the office alone reads it."""

    __tablename__ = "objection_contact"

    objection_id: Mapped[UUID] = mapped_column(ForeignKey("objection.id"), primary_key=True)
    name: Mapped[str | None] = mapped_column(SealedText("objection_contact.name"))
    contact: Mapped[str | None] = mapped_column(SealedText("objection_contact.contact"))


class Arrival(Arrivals, Base):
    """How many objections, reports and their files came from one address since `since`."""

    __tablename__ = "arrival"
