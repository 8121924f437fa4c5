"""The government's decision, awards and their money, and what platform clients follow."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import new_id
from services.workflow.tables.base import Base


class GovernmentDecision(Base):
    """What the district government decided on a cycle's proposed winners (5.4.3); the newest one counts."""

    __tablename__ = "government_decision"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    decision: Mapped[str]
    document_number: Mapped[str]
    dated: Mapped[date]
    scan_id: Mapped[UUID | None]
    at: Mapped[datetime]


class Publication(Base):
    """The publication of a cycle's results (5.4.3)."""

    __tablename__ = "publication"

    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), primary_key=True)
    document: Mapped[str]
    medium: Mapped[str]
    published_on: Mapped[date]
    at: Mapped[datetime]


class Award(Base):
    """An award: won in a cycle here, or (without `cycle_id`) imported from earlier years. `state`: proposed, published, revoked."""

    __tablename__ = "award"
    __table_args__ = (UniqueConstraint("credit_code", "award", "year"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    cycle_id: Mapped[UUID | None] = mapped_column(ForeignKey("cycle.id"), index=True)
    application: Mapped[UUID | None]
    credit_code: Mapped[str] = mapped_column(index=True)
    organisation: Mapped[str]
    edition: Mapped[str]
    award: Mapped[str]
    title: Mapped[str | None] = mapped_column(comment="what it is called with its year, as it was last told to platform clients")
    year: Mapped[int]
    rank: Mapped[int | None] = mapped_column(comment="among its award's winners of the year, where the published document ranks them")
    state: Mapped[str]
    prize: Mapped[int] = mapped_column(BigInteger)
    earlier: Mapped[list[dict[str, Any]]]
    """The organisation's earlier awards that the prize was computed from."""
    certificate: Mapped[str | None] = mapped_column(unique=True)
    plaque: Mapped[str | None] = mapped_column(unique=True)
    document_number: Mapped[str]
    approved_on: Mapped[date]
    published_on: Mapped[date | None]
    revoked_on: Mapped[date | None]
    revocation_clause: Mapped[str | None]
    revocation_document: Mapped[str | None]


class Payment(Base):
    """Money paid, in whole yuan: an award's prize, a higher honour's reward, or a cycle's review costs (with their `purpose`)."""

    __tablename__ = "payment"
    __table_args__ = (
        UniqueConstraint("award_id", "voucher"),
        UniqueConstraint("external_honour_id", "voucher"),
        UniqueConstraint("cycle_id", "voucher"),
        CheckConstraint("num_nonnulls(award_id, external_honour_id, cycle_id) = 1", name="one_subject"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    award_id: Mapped[UUID | None] = mapped_column(ForeignKey("award.id"), index=True)
    external_honour_id: Mapped[UUID | None] = mapped_column(ForeignKey("external_honour.id"), index=True)
    cycle_id: Mapped[UUID | None] = mapped_column(ForeignKey("cycle.id"), index=True)
    purpose: Mapped[str | None]
    amount: Mapped[int] = mapped_column(BigInteger)
    paid_on: Mapped[date]
    voucher: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime]


class ResultChange(Base):
    """What platform clients follow: each change of a published result, whole, at a position given in the order of the commits."""

    __tablename__ = "result_change"

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    award_id: Mapped[UUID] = mapped_column(ForeignKey("award.id"), index=True)
    kind: Mapped[str]
    at: Mapped[datetime]
    result: Mapped[dict[str, Any]]


class Webhook(Base):
    """To whom changes of the results are brought, and how far: `position` is the last that was taken."""

    __tablename__ = "webhook"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    client: Mapped[UUID] = mapped_column(index=True)
    url: Mapped[str]
    position: Mapped[int] = mapped_column(BigInteger)
    failures: Mapped[int] = mapped_column(default=0)
    last_failure: Mapped[str | None]
    tried_at: Mapped[datetime | None]
    retry_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    key_number: Mapped[int] = mapped_column(default=1, server_default="1", comment="which of its signing keys is the newest")
    rekeyed_at: Mapped[datetime | None]


class ExternalHonour(Base):
    """An award of a higher government, and the district's reward for it in whole yuan (6.2)."""

    __tablename__ = "external_honour"
    __table_args__ = (UniqueConstraint("credit_code", "honour", "year"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    credit_code: Mapped[str] = mapped_column(index=True)
    organisation: Mapped[str]
    edition: Mapped[str]
    honour: Mapped[str]
    year: Mapped[int]
    awarded_on: Mapped[date]
    document_number: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)
    amount_document: Mapped[str | None]
    """Number of the document that decided an amount which the edition doesn't fix."""
    by: Mapped[str]
    at: Mapped[datetime]
