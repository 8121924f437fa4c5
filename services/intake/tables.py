"""What intake keeps: applicants and their applications, what was filed, how it was screened, and what the peers have told."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship
from sqlalchemy.types import BigInteger

from kernel.database import COLUMN_TYPES, new_id, service_metadata
from kernel.sealed import SealedJson


class Base(DeclarativeBase):
    """Intake's tables, in the schema of its role."""

    metadata = service_metadata()
    type_annotation_map = COLUMN_TYPES


class Cycle(Base):
    """A cycle as workflow has told it; `phase` is as stored, `regulation.lifecycle.phase` says what it is now."""

    __tablename__ = "cycle"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    year: Mapped[int]
    edition: Mapped[str]
    launched_on: Mapped[date]
    rules: Mapped[dict[str, Any]] = mapped_column(comment="the implementation rules as approved")
    phase: Mapped[str]
    opens: Mapped[datetime | None]
    closes: Mapped[datetime | None]


class Organisation(Base):
    """An applicant organisation as it states itself now; what it filed stands frozen in a version."""

    __tablename__ = "organisation"

    credit_code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    name: Mapped[str]
    legal_form: Mapped[str]
    township: Mapped[str]
    address: Mapped[str]
    registered_on: Mapped[date]
    in_district_since: Mapped[date]
    industry: Mapped[str]
    size: Mapped[str]
    contacts: Mapped[list[dict[str, Any]]] = mapped_column(SealedJson("organisation.contacts"))


class Department(Base):
    """A department as the office stated it last: it adds to the bodies of an edition, or restates one of theirs."""

    __tablename__ = "department"

    code: Mapped[str] = mapped_column(primary_key=True)
    zh: Mapped[str]
    en: Mapped[str]
    sections: Mapped[list[str]]


class Section(Base):
    """One section of an application as the applicant edits it."""

    __tablename__ = "section"

    application_id: Mapped[UUID] = mapped_column(ForeignKey("application.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    content: Mapped[dict[str, Any]]


class Application(Base):
    """One organisation's application in one cycle."""

    __tablename__ = "application"
    __table_args__ = (
        Index("uq_application_cycle_credit_code", "cycle_id", "credit_code", unique=True, postgresql_where=text("state <> 'withdrawn'")),
        Index("ix_application_cycle_page", "cycle_id", "id"),
        Index("ix_application_body_page", "body", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"))
    credit_code: Mapped[str] = mapped_column(ForeignKey("organisation.credit_code"), index=True)
    awards: Mapped[list[str]]
    field: Mapped[str]
    fallback: Mapped[bool]
    state: Mapped[str]
    stage: Mapped[str | None]
    body: Mapped[str | None] = mapped_column(comment="the endorsing body it was last addressed to")
    submitted: Mapped[int] = mapped_column(default=0, comment="number of the latest frozen version")
    filed_at: Mapped[datetime | None]
    screening_version: Mapped[int] = mapped_column(default=0)
    determination: Mapped[dict[str, Any] | None] = mapped_column(comment="null again once an outcome changes")

    sections: Mapped[list[Section]] = relationship(viewonly=True)
    """The sections as they stood when this request first asked; a section is saved by itself."""
    section_versions: Mapped[dict[str, int] | None] = column_property(
        select(func.jsonb_object_agg(Section.name, Section.version)).where(Section.application_id == id).scalar_subquery(),  # noqa: A003 - the column above
        deferred=True,
    )
    """The version of each section that was saved, without what stands in it."""


class Attachment(Base):
    """A file of an application, or an endorsing body's seal scan (`body`); once removed, it stays where it is frozen or was replaced."""

    __tablename__ = "attachment"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    application_id: Mapped[UUID] = mapped_column(ForeignKey("application.id"), index=True)
    name: Mapped[str]
    requirement: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes]
    added_at: Mapped[datetime]
    body: Mapped[str | None]
    replaces: Mapped[UUID | None] = mapped_column(ForeignKey("attachment.id"), unique=True)
    replaced: Mapped[bool] = mapped_column(default=False)
    frozen: Mapped[bool] = mapped_column(default=False, comment="a submitted version or a decision holds it")
    removed_at: Mapped[datetime | None]


class FrozenVersion(Base):
    """What was submitted, addressed by the SHA-256 of its RFC 8785 canonical JSON."""

    __tablename__ = "frozen_version"

    application_id: Mapped[UUID] = mapped_column(ForeignKey("application.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[bytes]
    content: Mapped[dict[str, Any]]
    contacts: Mapped[list[dict[str, Any]] | None] = mapped_column(
        SealedJson("frozen_version.contacts"), comment="of a version from the time when the hash took them in"
    )
    submitted_at: Mapped[datetime]
    submitted_by: Mapped[str]

    def whole(self) -> dict[str, Any]:
        """Give the content that the SHA-256 is of."""
        if self.contacts is None:
            return self.content
        return self.content | {"organisation": self.content["organisation"] | {"contacts": self.contacts}}


class Endorsement(Base):
    """What an endorsing body decided on a version: endorsed, declined, or returned for correction."""

    __tablename__ = "endorsement"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    application_id: Mapped[UUID] = mapped_column(ForeignKey("application.id"), index=True)
    number: Mapped[int]
    body: Mapped[str]
    decision: Mapped[str]
    opinion: Mapped[str]
    signatory: Mapped[str]
    signed_on: Mapped[date | None]
    seal: Mapped[UUID | None] = mapped_column(ForeignKey("attachment.id"))
    remarks: Mapped[str]
    section_remarks: Mapped[dict[str, Any]]
    decided_at: Mapped[datetime]
    decided_by: Mapped[str]


class Outcome(Base):
    """What the office settled on one criterion of chapter 3."""

    __tablename__ = "outcome"

    application_id: Mapped[UUID] = mapped_column(ForeignKey("application.id"), primary_key=True)
    criterion: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    outcome: Mapped[str]
    reason: Mapped[str]
    evidence: Mapped[list[str]]
    repairs: Mapped[list[dict[str, Any]]]
    proven: Mapped[list[str]]
    settled_at: Mapped[datetime]
    settled_by: Mapped[str]


class Verification(Base):
    """A question of the office to a department about one criterion, and the department's answer."""

    __tablename__ = "verification"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    application_id: Mapped[UUID] = mapped_column(ForeignKey("application.id"), index=True)
    body: Mapped[str] = mapped_column(index=True)
    criterion: Mapped[str]
    question: Mapped[str]
    due_on: Mapped[date]
    asked_at: Mapped[datetime]
    asked_by: Mapped[str]
    answer: Mapped[dict[str, Any] | None]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str | None]


class RecusalRequest(Base):
    """An applicant's reasoned request that a person take no part, and the office's ruling."""

    __tablename__ = "recusal_request"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    application_id: Mapped[UUID] = mapped_column(ForeignKey("application.id"), index=True)
    person: Mapped[str]
    reason: Mapped[str]
    requested_at: Mapped[datetime]
    granted: Mapped[bool | None]
    ruling_reason: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]


class Recusal(Base):
    """Who has nothing to do with which organisation, as scoring has told; it follows the person through every role."""

    __tablename__ = "recusal"

    person: Mapped[str] = mapped_column(primary_key=True)
    credit_code: Mapped[str] = mapped_column(primary_key=True)


class Undertaking(Base):
    """Who has given the confidentiality undertaking for which cycle, as scoring has told."""

    __tablename__ = "undertaking"

    person: Mapped[str] = mapped_column(primary_key=True)
    cycle_id: Mapped[UUID] = mapped_column(primary_key=True)
    given_on: Mapped[date]


class Supervisor(Base):
    """Who sits in which cycle's supervision group, as workflow has told; it dissolves with its cycle (7.1)."""

    __tablename__ = "supervisor"

    cycle_id: Mapped[UUID] = mapped_column(primary_key=True)
    person: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[date | None]
    until: Mapped[date | None]


class HoldingFinding(Base):
    """A finding of the supervision group that holds a step of this service until workflow tells of its answer (7.1)."""

    __tablename__ = "holding_finding"

    finding: Mapped[UUID] = mapped_column(primary_key=True)
    cycle_id: Mapped[UUID]
    holds: Mapped[str]


class Disqualified(Base):
    """Who was disqualified from the review, as scoring or the door has told; it follows the person (7.6)."""

    __tablename__ = "disqualified"

    person: Mapped[str] = mapped_column(primary_key=True)


class Honour(Base):
    """An award that an organisation holds or held, as workflow has told; `revoked_on` where it was taken back."""

    __tablename__ = "honour"

    credit_code: Mapped[str] = mapped_column(primary_key=True)
    award: Mapped[str] = mapped_column(primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revoked_on: Mapped[date | None]


class Reading(Base):
    """When a reading was last recorded, while once in fifteen minutes was enough: a program of the release before may still ask."""

    __tablename__ = "reading"

    person: Mapped[str] = mapped_column(primary_key=True)
    thing: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
