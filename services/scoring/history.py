"""What a reviewer has done over the years: panels, sheets, undertakings, discipline; it outlives every cycle (2.2.2, 2.4)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from kernel.identity import Principal
from kernel.problems import absent
from kernel.requests import InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer
from services.scoring.access import check_watching, not_recused, recusals_of
from services.scoring.reviewer import OfficeOrSupervisor, ReviewerId, SanctionEntry
from services.scoring.tables import Cycle, Dossier, Panel, Recusal, Reviewer, Round, Sanction, Seat, Sheet, Undertaking

routes = router("reviewers")


class Service(Answer):
    """A seat on a panel: how many of the person's sheets there stand in which state, and how many were withdrawn for which reason."""

    cycle: UUID
    year: int
    panel: UUID
    name: str
    led: bool
    since: datetime
    left_at: datetime | None
    leaving_reason: str | None
    sheets: dict[str, int]


class UndertakingGiven(Answer):
    """A confidentiality undertaking."""

    cycle: UUID
    year: int
    given_at: datetime


class PastInterest(Answer):
    """An interest that recuses, or recused until the office lifted it."""

    credit_code: str
    kind: str
    source: str
    at: datetime
    lifted_at: datetime | None
    lifting_reason: str | None


class History(Answer):
    """A reviewer's whole history; nothing of an organisation that the reader is recused from."""

    id: UUID
    person: str
    name: str
    standing: str
    appointed_at: datetime
    service: list[Service]
    undertakings: list[UndertakingGiven]
    interests: list[PastInterest]
    sanctions: list[SanctionEntry]


def sheets_of(transaction: Transaction, panel: Panel, person: str, reader: Principal) -> dict[str, int]:
    """Count a person's sheets on a panel by state, the withdrawn by reason."""
    kind = func.coalesce(Sheet.why_withdrawn, Sheet.state)
    query = (
        select(kind, func.count())
        .join(Round, Round.id == Sheet.round)
        .join(Dossier, Dossier.application == Round.application)
        .where(Round.panel == panel.id, Sheet.person == person, not_recused(reader.person))
        .group_by(kind)
        .order_by(kind)
    )
    return {row[0]: row[1] for row in transaction.session.execute(query).all()}


def history(transaction: Transaction, reviewer: Reviewer, reader: Principal) -> History:
    """Tell a reviewer's history in the order of time."""
    person, session = reviewer.person, transaction.session
    unnamed = {one.organisation for one in recusals_of(session, [reader.person])} if reader.person != person else set()
    seats = (
        select(Seat, Panel, Cycle)
        .join(Panel, Panel.id == Seat.panel)
        .join(Cycle, Cycle.id == Panel.cycle)
        .where(Seat.person == person)
        .order_by(Seat.since, Seat.id)
    )
    given = (
        select(Undertaking, Cycle)
        .join(Cycle, Cycle.id == Undertaking.cycle)
        .where(Undertaking.person == person)
        .order_by(Undertaking.given_at, Cycle.id)
    )
    return History(
        id=reviewer.id,
        person=person,
        name=reviewer.name,
        standing=reviewer.standing,
        appointed_at=reviewer.appointed_at,
        service=[
            Service(
                cycle=cycle.id,
                year=cycle.year,
                panel=panel.id,
                name=panel.name,
                led=panel.leader == person,
                since=seat.since,
                left_at=seat.left_at,
                leaving_reason=seat.leaving_reason,
                sheets=sheets_of(transaction, panel, person, reader),
            )
            for seat, panel, cycle in session.execute(seats).all()
        ],
        undertakings=[
            UndertakingGiven(cycle=cycle.id, year=cycle.year, given_at=undertaking.given_at)
            for undertaking, cycle in session.execute(given).all()
        ],
        interests=[
            PastInterest.model_validate(one)
            for one in session.scalars(select(Recusal).where(Recusal.person == person).order_by(Recusal.at, Recusal.id))
            if one.credit_code not in unnamed
        ],
        sanctions=[
            SanctionEntry.model_validate(one)
            for one in session.scalars(select(Sanction).where(Sanction.reviewer == reviewer.id).order_by(Sanction.id))
        ],
    )


@routes.get("/reviewers/{id}/history", operation_id="get_reviewer_history")
def get_history(key: ReviewerId, reader: OfficeOrSupervisor, transaction: InTransaction) -> History:
    """Read what a reviewer has done over all cycles, and how they were disciplined (2.2.2, 7.6)."""
    check_watching(transaction, reader)
    reviewer = transaction.session.get(Reviewer, key)
    if reviewer is None:
        raise absent()
    return history(transaction, reviewer, reader)
