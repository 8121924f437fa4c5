"""What is known of persons and departments from the peers."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from services.workflow.tables.base import Base


class Recusal(Base):
    """A person may have nothing to do with an organisation, as scoring keeps it (2.4.5)."""

    __tablename__ = "recusal"

    person: Mapped[str] = mapped_column(primary_key=True)
    credit_code: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    source: Mapped[str]


class Disqualified(Base):
    """Who was disqualified from the review, as scoring or the door has told; it follows the person (7.6)."""

    __tablename__ = "disqualified"

    person: Mapped[str] = mapped_column(primary_key=True)


class Undertaking(Base):
    """A confidentiality undertaking given for a cycle (7.6)."""

    __tablename__ = "undertaking"

    person: Mapped[str] = mapped_column(primary_key=True)
    cycle_id: Mapped[UUID] = mapped_column(primary_key=True)
    given_on: Mapped[date]


class Department(Base):
    """A department that the office stated in intake: beside the edition's bodies it gets the announcement (5.1)."""

    __tablename__ = "department"

    code: Mapped[str] = mapped_column(primary_key=True)
    zh: Mapped[str]


class Reading(Base):
    """When a reading was last recorded, while once in fifteen minutes was enough: a program of the release before may still ask."""

    __tablename__ = "reading"

    person: Mapped[str] = mapped_column(primary_key=True)
    thing: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
