"""Replacement of a member in mid-round: what they finished may be kept, who comes scores blind, and the answer says which sheets count."""

from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field
from sqlalchemy import select, update

from kernel.identity import Office, Principal
from kernel.problems import Problem
from kernel.requests import DryRun, InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer, Body, Reason
from regulation.lifecycle import PANEL, step
from regulation.recusal import check_not_recused
from services.scoring import rounds
from services.scoring.access import Person, dossiers_of, members_of, panel_for_office, phase_of, recusals_of, standing
from services.scoring.panel import (
    MEMBER_ALREADY,
    NOT_A_MEMBER,
    PanelAnswer,
    PanelId,
    appointed_members,
    check_composition,
    show,
    tell,
)
from services.scoring.tables import Cycle, Dossier, Panel, Round, Seat, Sheet

routes = router("panels")


class Replacement(Body):
    """One member for another; `leader` names the new leader where the outgoing member leads, the incoming member where left out.

    Opened sheets count as before: what they hold is known, so that nobody may choose by it. With `keep_finished` the sealed sheets of the
    outgoing member count too. The incoming member gets a sheet for the rest. Nothing is kept of a member who is recused or disqualified:
    their sheets were withdrawn when they became so.
    """

    outgoing: Person
    incoming: Person
    leader: Person | None = None
    keep_finished: bool = False
    reason: Reason

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"outgoing": "r-2", "incoming": "r-4", "keep_finished": True, "reason": "原成员因病退出。"}]}
    )


class TouchedSheet(Answer):
    """A sheet of the outgoing or the incoming member: whether it counts (once it is handed in), and where not, why."""

    sheet: UUID
    application: UUID
    stage: str
    person: str
    state: str
    counts: bool
    why: str | None


class Replaced(PanelAnswer):
    """The panel after a replacement, with what became of the two members' sheets."""

    sheets: Annotated[list[TouchedSheet], Field(description="of the outgoing and the incoming member, in every stage")]


def replace(transaction: Transaction, key: UUID, given: Replacement) -> tuple[Panel, Cycle]:
    """Put one member in another's place; the incoming member scores blind whatever the outgoing one leaves without a sheet that counts."""
    panel, cycle = panel_for_office(transaction, key, lock=True)
    step(PANEL, panel.state, "replace", phase_of(transaction, cycle))
    members = {member.person: member.leader_qualified for member in members_of(transaction.session, panel)}
    if given.outgoing not in members:
        raise Problem(NOT_A_MEMBER, person=given.outgoing)
    if given.incoming in members:
        raise Problem(MEMBER_ALREADY, person=given.incoming)
    incoming = appointed_members(transaction, [given.incoming])
    leader = (given.leader or given.incoming) if given.outgoing == panel.leader else given.leader or panel.leader
    after = {person: leads for person, leads in members.items() if person != given.outgoing} | incoming
    dossiers = transaction.session.scalars(select(Dossier).where(Dossier.panel == panel.id, standing())).all()
    recusals = recusals_of(transaction.session, [given.incoming])
    for dossier in dossiers:
        check_not_recused(given.incoming, dossier.credit_code, recusals)
    check_composition(transaction, cycle, after, leader, [])  # strength is judged where sheets open: two may have to be replaced in turn
    ended = {"left_at": transaction.now, "leaving_reason": given.reason}
    transaction.session.execute(
        update(Seat).where(Seat.panel == panel.id, Seat.person == given.outgoing, Seat.left_at.is_(None)).values(ended)
    )
    transaction.session.add(Seat(panel=panel.id, person=given.incoming, replaces=given.outgoing, since=transaction.now))
    panel.leader = leader
    panel.version += 1
    transaction.session.flush()
    rounds.leave(transaction, given.outgoing, "replaced", "2.0", panel=panel, keep_finished=given.keep_finished)
    rounds.begin(transaction, panel, cycle)
    facts = {"outgoing": given.outgoing, "incoming": given.incoming, "kept": given.keep_finished, "reason": given.reason}
    tell(transaction, panel, "panel.changed", "2.0", **facts)
    return panel, cycle


def touched(transaction: Transaction, panel: Panel, persons: tuple[str, str], reader: Principal) -> list[TouchedSheet]:
    """List the sheets of two persons on a panel, of whatever the reader isn't recused from."""
    seen = [dossier.application for dossier in dossiers_of(transaction, panel, reader.person)]
    query = (
        select(Sheet, Round)
        .join(Round, Round.id == Sheet.round)
        .where(Round.panel == panel.id, Round.application.in_(seen), Sheet.person.in_(persons))
        .order_by(Round.id, Sheet.id)
        .execution_options(populate_existing=True)
    )
    return [
        TouchedSheet(
            sheet=sheet.id,
            application=found.application,
            stage=found.stage,
            person=sheet.person,
            state=sheet.state,
            counts=sheet.state != "withdrawn",
            why=sheet.why_withdrawn,
        )
        for sheet, found in transaction.session.execute(query).all()
    ]


@routes.post("/panels/{id}/replacements", operation_id="replace_panel_member")
def post_replacement(key: PanelId, given: Replacement, office: Office, transaction: InTransaction, _dry_run: DryRun) -> Replaced:
    """Put one member in another's place; refused for one who is recused from any of the panel's applications (2.4.5)."""
    panel, cycle = replace(transaction, key, given)
    answer = show(transaction, panel, cycle, office)
    return Replaced(**answer.model_dump(), sheets=touched(transaction, panel, (given.outgoing, given.incoming), office))
