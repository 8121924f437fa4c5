"""The tables of the scoring schema: who reviews, what is reviewed, and the sheets, kept apart from every other service's."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from kernel.database import COLUMN_TYPES, new_id, service_metadata


class Base(DeclarativeBase):
    """The declarative base; the kernel's tables stand in the same metadata."""

    metadata = service_metadata()
    type_annotation_map = COLUMN_TYPES


class Cycle(Base):
    """A cycle as workflow has told it; `phase` is what was told last, the calendar decides between open and screening."""

    __tablename__ = "cycle"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    year: Mapped[int]
    edition: Mapped[str]
    rubric: Mapped[str]
    rules: Mapped[dict[str, Any]]
    rules_hash: Mapped[str]
    launched_on: Mapped[date]
    phase: Mapped[str]
    opens: Mapped[datetime | None]
    closes: Mapped[datetime | None]


class Dossier(Base):
    """An application of the eligible list, as intake has told it at the end of screening."""

    __tablename__ = "dossier"

    application: Mapped[UUID] = mapped_column(primary_key=True)
    cycle: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    credit_code: Mapped[str] = mapped_column(index=True)
    organisation: Mapped[str]
    township: Mapped[str]
    industry: Mapped[str]
    awards: Mapped[list[str]]
    fallback: Mapped[bool]
    preferred: Mapped[bool]
    stage: Mapped[str] = mapped_column(default="eligible")
    shortlisted: Mapped[bool] = mapped_column(default=False)
    panel: Mapped[UUID | None] = mapped_column(ForeignKey("panel.id"), index=True)
    attachments: Mapped[list[str]] = mapped_column(server_default="{}")
    """The files of the dossier, by their ids in intake."""


class Fallen(Base):
    """An application that was withdrawn or disqualified; the news may come before the eligible list does."""

    __tablename__ = "fallen"

    application: Mapped[UUID] = mapped_column(primary_key=True)
    how: Mapped[str]
    at: Mapped[datetime]


class Reviewer(Base):
    """A reviewer on the roster with what qualifies them; `standing` is appointed, disqualified or disabled."""

    __tablename__ = "reviewer"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    person: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    degree: Mapped[str]
    senior_title: Mapped[bool]
    years: Mapped[int]
    policy_knowledge_on: Mapped[date | None]
    ethics_on: Mapped[date | None]
    trainings: Mapped[list[dict[str, Any]]]
    leader_qualified: Mapped[bool]
    expertise: Mapped[list[str]]
    categories: Mapped[list[str]] = mapped_column(default=list)
    proofs: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    standing: Mapped[str] = mapped_column(default="appointed")
    appointed_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)


class Sanction(Base):
    """Discipline of a reviewer (7.6): criticism, warning or disqualification."""

    __tablename__ = "sanction"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    reviewer: Mapped[UUID] = mapped_column(ForeignKey("reviewer.id"), index=True)
    kind: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[str]


class SupervisionNote(Base):
    """What the office saw of a reviewer's work in a cycle (2.2.2); `finding` is in_order, concern or breach."""

    __tablename__ = "supervision_note"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    reviewer: Mapped[UUID] = mapped_column(ForeignKey("reviewer.id"), index=True)
    cycle: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    finding: Mapped[str]
    text: Mapped[str]
    seen_on: Mapped[date]
    by: Mapped[str]
    at: Mapped[datetime]


class Recusal(Base):
    """One ground why a person has nothing to do with an organisation (2.4.5); it holds until the office lifts it."""

    __tablename__ = "recusal"
    __table_args__ = (
        Index("ix_recusal_standing", "person", "credit_code", "source", unique=True, postgresql_where=text("lifted_at is null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    person: Mapped[str]
    credit_code: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    reason: Mapped[str]
    since: Mapped[date | None]
    until: Mapped[date | None]
    source: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[str | None]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None]
    lifting_reason: Mapped[str | None]


class Undertaking(Base):
    """A person's confidentiality undertaking for one cycle (7.6)."""

    __tablename__ = "undertaking"

    person: Mapped[str] = mapped_column(primary_key=True)
    cycle: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), primary_key=True)
    given_at: Mapped[datetime]


class Supervisor(Base):
    """Who sits in which cycle's supervision group, as workflow has told; it dissolves with its cycle (7.1)."""

    __tablename__ = "supervisor"

    cycle: Mapped[UUID] = mapped_column(primary_key=True)
    person: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[date | None]
    until: Mapped[date | None]


class CommitteeMember(Base):
    """Who sits in which cycle's committee, as workflow has told."""

    __tablename__ = "committee_member"

    cycle: Mapped[UUID] = mapped_column(primary_key=True)
    person: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[date | None]
    until: Mapped[date | None]


class Disqualified(Base):
    """Who was disqualified from the review, whatever role they hold, by the door or on the roster (7.6)."""

    __tablename__ = "disqualified"

    person: Mapped[str] = mapped_column(primary_key=True)


class Draw(Base):
    """A draw of panels with all it was made from: `inputs` is the pool, the units and the constraints, `panels` the outcome."""

    __tablename__ = "draw"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    cycle: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    seed: Mapped[str]
    solver: Mapped[str]
    inputs: Mapped[dict[str, Any]]
    panels: Mapped[list[dict[str, Any]]]
    links: Mapped[list[dict[str, Any]]]
    objective: Mapped[int] = mapped_column(BigInteger)
    overrides: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    state: Mapped[str] = mapped_column(default="drawn")
    at: Mapped[datetime]
    by: Mapped[str]
    version: Mapped[int] = mapped_column(default=1)


class Panel(Base):
    """A panel and its leader (a person); `site_plan` lists the visits."""

    __tablename__ = "panel"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    cycle: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    name: Mapped[str]
    leader: Mapped[str]
    draw: Mapped[UUID | None] = mapped_column(ForeignKey("draw.id"))
    state: Mapped[str] = mapped_column(default="formed")
    site_plan: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    version: Mapped[int] = mapped_column(default=1)


class Seat(Base):
    """A person's membership of a panel; a replaced member's seat has ended, and the next one names who it `replaces`."""

    __tablename__ = "seat"
    __table_args__ = (Index("ix_seat_taken", "panel", "person", unique=True, postgresql_where=text("left_at is null")),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    panel: Mapped[UUID] = mapped_column(ForeignKey("panel.id"))
    person: Mapped[str] = mapped_column(index=True)
    replaces: Mapped[str | None]
    since: Mapped[datetime]
    left_at: Mapped[datetime | None]
    leaving_reason: Mapped[str | None]


class Round(Base):
    """One application's scoring by its panel in one stage; its row is locked by whoever seals, opens or agrees.

    `agreed` is the consensus sheet: item → {steps, reason, changes, strengths, opportunities}; `version` counts its edits. `reopened_at` is
    set where a counted sheet was taken out after the stage's report, until the panel reports anew.
    """

    __tablename__ = "round"
    __table_args__ = (UniqueConstraint("application", "stage"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    panel: Mapped[UUID] = mapped_column(ForeignKey("panel.id"), index=True)
    application: Mapped[UUID] = mapped_column(ForeignKey("dossier.application"))
    stage: Mapped[str]
    opened_at: Mapped[datetime | None]
    closing_reason: Mapped[str | None]
    reopened_at: Mapped[datetime | None]
    agreed: Mapped[dict[str, Any] | None]
    version: Mapped[int] = mapped_column(default=0)


class Sheet(Base):
    """One reviewer's sheet in a round. `ratings`: item → steps of 5 % (0–20); `texts`: item → {strengths, opportunities, evidence}."""

    __tablename__ = "sheet"
    __table_args__ = (Index("ix_sheet_live", "round", "person", unique=True, postgresql_where=text("state <> 'withdrawn'")),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    round: Mapped[UUID] = mapped_column(ForeignKey("round.id"))
    person: Mapped[str] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(default="draft")
    why_withdrawn: Mapped[str | None]
    ratings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    texts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    nonce: Mapped[bytes | None]
    salt: Mapped[bytes | None]
    commitment: Mapped[bytes | None]
    sealed_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)


class Signature(Base):
    """A panel member's stance on the consensus sheet as it stands; an edit of the sheet removes it."""

    __tablename__ = "signature"

    round: Mapped[UUID] = mapped_column(ForeignKey("round.id"), primary_key=True)
    person: Mapped[str] = mapped_column(primary_key=True)
    stance: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]


class Report(Base):
    """A panel's report of a stage with the official results it rests on; a later revision stands beside the earlier ones.

    A draft, by the leader whose signature it bears, goes out (`sent_at`) once every member has signed it or dissented.
    One without `signed_by` was made where a counted sheet was taken out: what it rested on is left out until the panel reports anew.
    """

    __tablename__ = "report"
    __table_args__ = (UniqueConstraint("panel", "stage", "revision"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    panel: Mapped[UUID] = mapped_column(ForeignKey("panel.id"))
    stage: Mapped[str]
    revision: Mapped[int]
    text: Mapped[str]
    recommended: Mapped[list[str]]
    results: Mapped[list[dict[str, Any]]]
    findings: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    signed_by: Mapped[str | None]
    at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class ReportSignature(Base):
    """A member's stance on the report that the leader drafted."""

    __tablename__ = "report_signature"

    report: Mapped[UUID] = mapped_column(ForeignKey("report.id", ondelete="CASCADE"), primary_key=True)
    person: Mapped[str] = mapped_column(primary_key=True)
    stance: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]
