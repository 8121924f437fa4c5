"""The use of an honour, its winner's duties, and an honour taken back."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import new_id
from services.workflow.tables.base import Base


class HonourUse(Base):
    """A use of an honour: registered beforehand, or observed by the office (7.4); `broken` is the rule that an observed one broke."""

    __tablename__ = "honour_use"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    award_id: Mapped[UUID] = mapped_column(ForeignKey("award.id"), index=True)
    wording: Mapped[str]
    medium: Mapped[str]
    used_on: Mapped[date]
    promotes_product: Mapped[bool]
    observed: Mapped[bool]
    broken: Mapped[str | None]
    clause: Mapped[str | None]
    state: Mapped[str | None]
    """Of a broken rule, how far it was followed up, as in the regulation's table; null of a proper use."""
    due_on: Mapped[date | None]
    """By when the office demanded that it be put right."""
    by: Mapped[str]
    at: Mapped[datetime]


class HonourFollowUp(Base):
    """A step that followed a misuse of an honour: demand, correct or settle (2.2.5, 7.4)."""

    __tablename__ = "honour_follow_up"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    use_id: Mapped[UUID] = mapped_column(ForeignKey("honour_use.id"), index=True)
    step: Mapped[str]
    text: Mapped[str]
    due_on: Mapped[date | None]
    role: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime]


class Promotion(Base):
    """An entry of an award's log: its winner's methods promoted, or its improvement reported (7.3, 2.2.5)."""

    __tablename__ = "promotion"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    award_id: Mapped[UUID] = mapped_column(ForeignKey("award.id"), index=True)
    kind: Mapped[str]
    text: Mapped[str]
    held_on: Mapped[date]
    role: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime]


class RevocationCase(Base):
    """From a ground to the government's decision on an honour (7.2, 7.5); `state` as in the regulation's table."""

    __tablename__ = "revocation_case"
    __table_args__ = (
        Index(
            "uq_revocation_case_open", "award_id", unique=True, postgresql_where=text("state in ('investigating', 'verified', 'revoked')")
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    award_id: Mapped[UUID] = mapped_column(ForeignKey("award.id"), index=True)
    ground: Mapped[str]
    occurred_on: Mapped[date | None]
    text: Mapped[str]
    objection_id: Mapped[UUID | None] = mapped_column(ForeignKey("objection.id"))
    state: Mapped[str]
    opened_at: Mapped[datetime]
    opened_by: Mapped[str]
    findings: Mapped[str | None]
    evidence: Mapped[str | None]
    """Number of the finding or judgement that the office's verification rests on."""
    verified_on: Mapped[date | None]
    verified_by: Mapped[str | None]
    document_number: Mapped[str | None]
    dated: Mapped[date | None]
    scan_id: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]


class Recovery(Base):
    """What came back of a revoked honour: prize money (`amount` whole yuan, with its voucher), the certificate or the plaque."""

    __tablename__ = "recovery"
    __table_args__ = (
        UniqueConstraint("case_id", "voucher"),
        Index("uq_recovery_object", "case_id", "item", unique=True, postgresql_where=text("item <> 'prize'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("revocation_case.id"), index=True)
    item: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)
    recovered_on: Mapped[date]
    voucher: Mapped[str | None]
    by: Mapped[str]
    at: Mapped[datetime]


class Disclosure(Base):
    """How a revocation was made known: the credit-file entry or the announcement (7.2, 7.5); `reference` is its number or medium."""

    __tablename__ = "disclosure"

    case_id: Mapped[UUID] = mapped_column(ForeignKey("revocation_case.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    disclosed_on: Mapped[date]
    reference: Mapped[str]
    text: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime]
