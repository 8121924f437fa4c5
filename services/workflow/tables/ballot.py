"""The committee's meetings, motions and votes, and the steps it took back."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import new_id
from services.workflow.tables.base import Base


class Meeting(Base):
    """A meeting of the committee: its agenda as a list of {title, motion or null}, who attends, who sent word why not, its minutes."""

    __tablename__ = "meeting"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    title: Mapped[str]
    place: Mapped[str]
    starts_at: Mapped[datetime]
    agenda: Mapped[list[dict[str, Any]]]
    state: Mapped[str]
    present: Mapped[list[str]] = mapped_column(default=list)
    absent: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    minutes: Mapped[str | None]
    ended_at: Mapped[datetime | None]


class Reopening(Base):
    """A step taken back by the committee's motion, with what it undid as it stood."""

    __tablename__ = "reopening"

    motion_id: Mapped[UUID] = mapped_column(ForeignKey("motion.id"), primary_key=True)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    left: Mapped[str]
    """The phase that was left, `entered` the one that runs again."""
    entered: Mapped[str]
    undone: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class Motion(Base):
    """What the committee votes on; one ballot per name, or a single one where no name is at stake.

    `subject`: rules → {rules_hash}; reopening → {from}; removal → {application, credit_codes}; ruling → {objection, removes_name,
    credit_codes}; major_matter on a tie → {tie: shortlist or winners, applications (the chosen), credit_codes, motion, award}.
    `outcome`: passed (of winners: any name), rejected, no_quorum.
    Roll, recusals, quorum and the way of voting are frozen when it opens.
    """

    __tablename__ = "motion"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    kind: Mapped[str]
    title: Mapped[str]
    text: Mapped[str]
    subject: Mapped[dict[str, Any]]
    meeting_id: Mapped[UUID | None] = mapped_column(ForeignKey("meeting.id"), index=True)
    """The meeting on whose agenda it stands; without one it is voted on by circulation."""
    state: Mapped[str] = mapped_column(default="proposed")
    outcome: Mapped[str | None]
    roll: Mapped[list[str]] = mapped_column(default=list)
    by_rules: Mapped[bool] = mapped_column(default=False)
    """Whether the approved rules govern the vote; before their approval it is more than the edition's share of the full roster."""
    secret: Mapped[bool] = mapped_column(default=False)
    proposed_at: Mapped[datetime]
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    closing_reason: Mapped[str | None]
    """Why it was closed while members who could still vote had not."""


class Ballot(Base):
    """The vote on one name (`application` and `award`), or on a motion as a whole.

    `outcome`: passed, rejected, no_quorum; `won` is set once the cap decided (null: tied across the cap, until a major matter decides).
    A name whose notice fell, or whose contender dropped out, frees its seat.
    """

    __tablename__ = "ballot"
    __table_args__ = (UniqueConstraint("motion_id", "application"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    motion_id: Mapped[UUID] = mapped_column(ForeignKey("motion.id"), index=True)
    application: Mapped[UUID | None]
    award: Mapped[str | None]
    credit_code: Mapped[str | None]
    recused: Mapped[list[str]] = mapped_column(default=list)
    tally: Mapped[dict[str, Any] | None]
    outcome: Mapped[str | None]
    won: Mapped[bool | None]


class Vote(Base):
    """A member's vote; of a secret one, `choice` stays null and `sealed` leads to it until closing destroys the link."""

    __tablename__ = "vote"

    ballot_id: Mapped[UUID] = mapped_column(ForeignKey("ballot.id"), primary_key=True)
    person: Mapped[str] = mapped_column(primary_key=True)
    choice: Mapped[str | None]
    sealed: Mapped[UUID | None]
    at: Mapped[datetime]


class SealedChoice(Base):
    """A secret choice, encrypted, under a random id."""

    __tablename__ = "sealed_choice"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    ballot_id: Mapped[UUID] = mapped_column(ForeignKey("ballot.id"), index=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
