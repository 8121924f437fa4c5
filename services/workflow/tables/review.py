"""The eligible list, what the panels reported on it, and the two lists that rest on that."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from services.workflow.tables.base import Base


class Contender(Base):
    """An eligible application, as intake's screening left it; `id` is the application's.

    `stage`: eligible, shortlisted, not_shortlisted, candidate, not_candidate, proposed, winner, fallen, withdrawn, disqualified.
    The exact score (twentieths, as a fraction) and the award it is a candidate for are set by the evaluation.
    """

    __tablename__ = "contender"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    credit_code: Mapped[str] = mapped_column(index=True)
    organisation: Mapped[str]
    township: Mapped[str]
    industry: Mapped[str]
    awards: Mapped[list[str]]
    fallback: Mapped[bool]
    preferred: Mapped[bool]
    stage: Mapped[str] = mapped_column(default="eligible")
    score_numerator: Mapped[int | None] = mapped_column(BigInteger)
    score_denominator: Mapped[int | None] = mapped_column(BigInteger)
    candidate_for: Mapped[str | None]


class Panel(Base):
    """A panel as scoring formed it."""

    __tablename__ = "panel"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    name: Mapped[str]
    leader: Mapped[str]
    members: Mapped[list[str]]
    applications: Mapped[list[str]]


class PanelReport(Base):
    """A panel's newest report on a stage (`material` or `site`)."""

    __tablename__ = "panel_report"

    panel_id: Mapped[UUID] = mapped_column(primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    report: Mapped[str]
    recommended: Mapped[list[str]]
    at: Mapped[datetime]


class StageResult(Base):
    """An application's exact score in a stage, `numerator`/`denominator` twentieths of a point, and which sheets it counted."""

    __tablename__ = "stage_result"

    application: Mapped[UUID] = mapped_column(primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    panel_id: Mapped[UUID]
    numerator: Mapped[int] = mapped_column(BigInteger)
    denominator: Mapped[int] = mapped_column(BigInteger)
    aggregation: Mapped[str]
    counted: Mapped[list[str]]
    not_counted: Mapped[list[dict[str, Any]]]


class Shortlist(Base):
    """Who goes on to site review (5.3.2), with what it rests on: the recommended in their exact order, and the office's reasons."""

    __tablename__ = "shortlist"

    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), primary_key=True)
    applications: Mapped[list[str]]
    standings: Mapped[list[dict[str, Any]]]
    tie_broken_by: Mapped[str | None]
    motion_id: Mapped[UUID | None]
    reasons: Mapped[dict[str, Any]]
    confirmed_at: Mapped[datetime]


class Defence(Base):
    """The oral defences of a cycle, where its edition has them: who was heard, and what was said, as {application, record}."""

    __tablename__ = "defence"

    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), primary_key=True)
    held_on: Mapped[date]
    place: Mapped[str]
    heard: Mapped[list[dict[str, Any]]]
    at: Mapped[datetime]


class Evaluation(Base):
    """The evaluation report (5.4.1): `report` holds every input, weight and exact total; `candidates` are those the office confirmed."""

    __tablename__ = "evaluation"

    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), primary_key=True)
    report: Mapped[dict[str, Any]]
    computed_at: Mapped[datetime]
    candidates: Mapped[dict[str, Any] | None]
    reasons: Mapped[dict[str, Any]] = mapped_column(default=dict)
    confirmed_at: Mapped[datetime | None]
