"""Who may see what now: recusal follows the person (2.4.5), undertaking and standing come first (7.6), panels end (2.3.end)."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import StringConstraints
from sqlalchemy import BindParameter, ColumnElement, ScalarSelect, Select, and_, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from kernel.identity import Principal
from kernel.problems import absent
from kernel.requests import Transaction
from regulation import edition, lifecycle, recusal, rubric
from regulation.calendar import day
from regulation.conduct import check_undertaking
from regulation.edition import Parameters
from regulation.implementation import ImplementationRules, implementation_rules
from regulation.report import check_panel_access
from services.scoring.tables import (
    CommitteeMember,
    Cycle,
    Disqualified,
    Dossier,
    Fallen,
    Panel,
    Recusal,
    Reviewer,
    Round,
    Seat,
    Sheet,
    Supervisor,
    Undertaking,
)

Stage = Literal["material", "site"]
Person = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
"""A person's id, the `sub` of their tokens."""

Who = str | BindParameter[str]
"""A person's id, or the place of one in a statement that is built once."""

ENDED = ("closed", "cancelled")
STAGES: dict[str, Stage] = {"material_review": "material", "site_review": "site"}


def cycle_of(transaction: Transaction, key: UUID) -> Cycle:
    """Load a cycle; 404 where workflow has told of none."""
    cycle = transaction.session.get(Cycle, key)
    if cycle is None:
        raise absent()
    return cycle


def phase_of(transaction: Transaction, cycle: Cycle) -> str:
    """Tell the phase that a cycle is in at this transaction's instant."""
    return lifecycle.phase(cycle.phase, cycle.closes, transaction.now)


def stage_of(cycle: Cycle) -> Stage | None:
    """Tell the stage that is scored in the cycle's phase; None before and after the review."""
    return STAGES.get(cycle.phase)


def parameters_of(cycle: Cycle) -> Parameters:
    """Give the edition's parameters with which the cycle was launched."""
    return edition.load(cycle.edition).parameters(cycle.launched_on)


def rules_of(cycle: Cycle) -> ImplementationRules:
    """Give the implementation rules that the committee approved for the cycle."""
    return implementation_rules(cycle.rules)


def rubric_of(cycle: Cycle) -> rubric.Rubric:
    """Give the rubric bound to the cycle at its launch."""
    return rubric.load(cycle.rubric)


def recusals_of(session: Session, persons: Collection[str]) -> frozenset[recusal.Recusal]:
    """Tell from which organisations these persons are recused now, whatever the source."""
    standing = session.scalars(select(Recusal).where(Recusal.person.in_(persons), Recusal.lifted_at.is_(None)))
    sources: dict[str, Literal["declared", "office", "requested"]] = {
        "declared": "declared",
        "office": "office",
        "requested": "requested",
    }
    return recusal.recusals(recusal.Ground(one.person, one.credit_code, sources[one.source], granted=True) for one in standing)


def not_recused(person: Who) -> ColumnElement[bool]:
    """Select dossiers whose organisation the person is not recused from."""
    return ~exists().where(Recusal.person == person, Recusal.credit_code == Dossier.credit_code, Recusal.lifted_at.is_(None))


def standing() -> ColumnElement[bool]:
    """Select dossiers that were neither withdrawn nor disqualified."""
    return ~exists().where(Fallen.application == Dossier.application)


def seated(person: Who) -> ColumnElement[bool]:
    """Select the panels on which the person sits."""
    return exists().where(Seat.panel == Panel.id, Seat.person == person, Seat.left_at.is_(None))


def undertaken(person: str) -> ColumnElement[bool]:
    """Select the panels of cycles for which the person gave the undertaking; none for one who was disqualified (7.6)."""
    return sworn(person, Panel.cycle)


def sworn(person: str, cycle: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """Select what belongs to cycles for which the person gave the undertaking; nothing for one who was disqualified (7.6)."""
    given = exists().where(Undertaking.person == person, Undertaking.cycle == cycle)
    return and_(given, ~exists().where(Disqualified.person == person))


def admitted(person: str) -> ColumnElement[bool]:
    """Select the panels that a seated, appointed reviewer may read now: undertaking given, panel not dissolved."""
    return and_(
        Panel.state == "formed",
        seated(person),
        undertaken(person),
        exists().where(Reviewer.person == person, Reviewer.standing == "appointed"),
    )


def undertaken_at(session: Session, person: str, cycle: UUID) -> datetime | None:
    """Tell when the person gave the confidentiality undertaking for a cycle."""
    return session.scalar(select(Undertaking.given_at).where(Undertaking.person == person, Undertaking.cycle == cycle))


def secrecy(person: Who, cycle: UUID | InstrumentedAttribute[UUID]) -> tuple[ScalarSelect[datetime], ColumnElement[bool]]:
    """Say in SQL when the person gave the undertaking for a cycle, and whether they are out of office (7.6)."""
    given = select(Undertaking.given_at).where(Undertaking.person == person, Undertaking.cycle == cycle).scalar_subquery()
    struck = exists().where(Reviewer.person == person, Reviewer.standing != "appointed")
    return given, or_(exists().where(Disqualified.person == person), struck)


def check_secrecy(transaction: Transaction, person: str, cycle: Cycle) -> None:
    """Refuse whoever gave no undertaking for this cycle, or was disqualified (7.6)."""
    given_at, is_out = transaction.session.execute(select(*secrecy(person, cycle.id))).one()
    check_sworn(given_at, is_out=is_out)


def check_sworn(given_at: datetime | None, *, is_out: bool) -> None:
    """Refuse whoever gave no undertaking, or is out of office (7.6)."""
    check_undertaking(day(given_at) if given_at else None, disqualified=is_out)


def watched(transaction: Transaction, reader: Principal) -> Select[UUID]:
    """Select the cycles in whose supervision group, until they end, or in whose committee the reader sits today (7.1, 7.6)."""
    today = day(transaction.now)
    seat: type[Supervisor | CommitteeMember] = Supervisor if reader.role == "supervisor" else CommitteeMember
    in_office = and_(func.coalesce(seat.since, today) <= today, func.coalesce(seat.until, today) >= today)
    seats = select(seat.cycle).where(seat.person == reader.person, in_office)
    return seats.join(Cycle, Cycle.id == seat.cycle).where(Cycle.phase.not_in(ENDED)) if seat is Supervisor else seats


def check_watching(transaction: Transaction, reader: Principal, cycle: UUID | None = None) -> None:
    """Raise the 404 of what never was for a supervisor or committee member without a seat in the cycle; without a cycle, in any (7.1).

    The office needs none; reviewers are asked for their panels.
    """
    if reader.role not in {"supervisor", "committee"} or reader.has_duty("office"):
        return
    seats = watched(transaction, reader)
    here = seats if cycle is None else seats.where(seats.selected_columns[0] == cycle)
    if transaction.session.scalar(here.limit(1)) is None:
        raise absent()


def recused_from(session: Session, person: str) -> Collection[str]:
    """Give the ids of the organisations that a person is recused from, of their applications and sheets (2.4.5)."""
    codes = {one.organisation for one in recusals_of(session, [person])}
    applications = session.scalars(select(Dossier.application).where(Dossier.credit_code.in_(codes))).all()
    sheets = session.scalars(select(Sheet.id).join(Round, Round.id == Sheet.round).where(Round.application.in_(applications)))
    return {*codes, *map(str, applications), *map(str, sheets)}


def withheld(transaction: Transaction, supervisor: Principal) -> Collection[str]:
    """Give what the record tells a supervisor nothing of; there is no record for who sits in no group (7.1)."""
    check_watching(transaction, supervisor)
    return recused_from(transaction.session, supervisor.person)


def panel_for_member(transaction: Transaction, key: UUID, person: str, *, lock: bool = False) -> tuple[Panel, Cycle]:
    """Load a panel for one of its members; absent to everybody else, refused to a member whose access has ended (2.3.end, 7.6)."""
    query = select(Panel).where(Panel.id == key, seated(person))
    panel = transaction.session.scalar(query.with_for_update() if lock else query)
    if panel is None:
        raise absent()
    cycle = cycle_of(transaction, panel.cycle)
    check_panel_access(phase_of(transaction, cycle))
    check_secrecy(transaction, person, cycle)
    return panel, cycle


def panel_for_office(transaction: Transaction, key: UUID, *, lock: bool = False) -> tuple[Panel, Cycle]:
    """Load any panel for the office, or one of their cycle's for a supervisor, once the undertaking is given (7.1, 7.6)."""
    panel = transaction.session.get(Panel, key, with_for_update=lock, populate_existing=True)
    if panel is None or transaction.actor is None:
        raise absent()
    check_watching(transaction, transaction.actor, panel.cycle)
    cycle = cycle_of(transaction, panel.cycle)
    check_secrecy(transaction, transaction.actor.person, cycle)
    return panel, cycle


def panel_for(transaction: Transaction, key: UUID, caller: Principal, *, lock: bool = False) -> tuple[Panel, Cycle]:
    """Load a panel for whoever calls: a reviewer sees the panels they sit on, supervisors their cycle's, the office all."""
    if caller.role == "reviewer":
        return panel_for_member(transaction, key, caller.person, lock=lock)
    return panel_for_office(transaction, key, lock=lock)


def dossiers_by_panel(transaction: Transaction, panels: Collection[UUID], person: str) -> Mapping[UUID, list[Dossier]]:
    """List each panel's applications as this person may see them: those they are recused from are absent."""
    return _by_panel(transaction, panels, select(Dossier).where(Dossier.panel.in_(panels), not_recused(person)))


def _by_panel(transaction: Transaction, panels: Collection[UUID], query: Select[Dossier]) -> Mapping[UUID, list[Dossier]]:
    found: dict[UUID, list[Dossier]] = {panel: [] for panel in panels}
    for dossier in transaction.session.scalars(query.order_by(Dossier.application)):
        if dossier.panel is not None:
            found[dossier.panel].append(dossier)
    return found


def dossiers_of(transaction: Transaction, panel: Panel, person: str) -> list[Dossier]:
    """List one panel's applications as this person may see them."""
    return dossiers_by_panel(transaction, [panel.id], person)[panel.id]


def dossier_of(transaction: Transaction, panel: Panel, application: UUID, person: str) -> Dossier:
    """Load one application of a panel; absent where the person is recused."""
    query = select(Dossier).where(Dossier.panel == panel.id, Dossier.application == application, not_recused(person))
    dossier = transaction.session.scalar(query)
    if dossier is None:
        raise absent()
    return dossier


def reviewed_by_panel(transaction: Transaction, panels: Collection[UUID], stage: Stage) -> Mapping[UUID, list[Dossier]]:
    """List what each panel reviews in a stage: its applications that still stand, in site review the shortlisted."""
    query = select(Dossier).where(Dossier.panel.in_(panels), standing())
    return _by_panel(transaction, panels, query.where(Dossier.shortlisted) if stage == "site" else query)


def reviewed(transaction: Transaction, panel: Panel, stage: Stage) -> list[Dossier]:
    """List what one panel reviews in a stage."""
    return reviewed_by_panel(transaction, [panel.id], stage)[panel.id]


def members_by_panel(session: Session, panels: Collection[UUID]) -> Mapping[UUID, list[Reviewer]]:
    """List each panel's members, whatever their standing, in the order of their names."""
    found: dict[UUID, list[Reviewer]] = {panel: [] for panel in panels}
    query = select(Seat.panel, Reviewer).join(Seat, and_(Seat.person == Reviewer.person, Seat.left_at.is_(None)))
    for panel, member in session.execute(query.where(Seat.panel.in_(panels)).order_by(Reviewer.name, Reviewer.id)):
        found[panel].append(member)
    return found


def members_of(session: Session, panel: Panel) -> list[Reviewer]:
    """List one panel's members."""
    return members_by_panel(session, [panel.id])[panel.id]


def eligible_for(session: Session, panel: Panel, credit_code: str) -> frozenset[str]:
    """Name the members who score an organisation: appointed and not recused (2.0, 2.4.5)."""
    members = [member.person for member in members_of(session, panel) if member.standing == "appointed"]
    return recusal.eligible_members(members, credit_code, recusals_of(session, members))


def blind_to(session: Session, person: str) -> frozenset[tuple[UUID, str]]:
    """Name the opened rounds (application, stage) in which a person still scores: in no role do they read what was opened."""
    query = (
        select(Round.application, Round.stage)
        .join(Sheet, Sheet.round == Round.id)
        .where(Sheet.person == person, Sheet.state.in_(("draft", "sealed")), Round.opened_at.is_not(None))
    )
    return frozenset((application, stage) for application, stage in session.execute(query))


def may_read_dossier(session: Session, person: str, application: UUID) -> bool:
    """Tell whether the person may read this dossier now as a member of the panel that reviews it (2.4.5, 7.6, 2.3.end)."""
    query = (
        select(Dossier.application)
        .join(Panel, Panel.id == Dossier.panel)
        .join(Cycle, Cycle.id == Panel.cycle)
        .where(Dossier.application == application, admitted(person), not_recused(person))
        .where(~or_(Cycle.phase == "closed", Cycle.phase == "cancelled"))
    )
    return session.scalar(query) is not None
