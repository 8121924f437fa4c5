"""Where draws are served."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from sqlalchemy import select

from kernel.identity import Office, Principal, roles
from kernel.requests import Cursor, DryRun, IfMatch, InTransaction, Limit, Transaction, paginate
from kernel.service import router
from kernel.wire import Page
from services.scoring.access import Person, check_secrecy, check_watching, cycle_of, sworn, watched
from services.scoring.draw.schemas import DrawAnswer, NewDraw, NewOverride, Replay, WhyNot
from services.scoring.draw.use_cases import draw, form_panels, found, override, replay, show, why_not
from services.scoring.tables import Draw

routes = router("draws")

DrawId = Annotated[UUID, Path(alias="id")]
DrawReader = Annotated[Principal, roles("committee", "supervisor", duties=("office",))]


def watched_draw(transaction: Transaction, key: UUID, reader: Principal) -> Draw:
    """Load a draw for the office, or for a supervisor of its cycle's group, once the undertaking is given (7.1, 7.6)."""
    made = found(transaction, key)
    check_watching(transaction, reader, made.cycle)
    check_secrecy(transaction, reader.person, cycle_of(transaction, made.cycle))
    return made


@routes.post("/draws", status_code=201, operation_id="draw_panels")
def post_draw(new: NewDraw, office: Office, transaction: InTransaction, _dry_run: DryRun) -> DrawAnswer:
    """Draw panels from a seed; refused with the constraint that stands in the way, never in part. They are formed in a second step."""
    return show(transaction, draw(transaction, new, office), office)


@routes.get("/draws", operation_id="list_draws")
def get_draws(
    reader: DrawReader,
    transaction: InTransaction,
    cycle: Annotated[UUID | None, Query(description="draws of this cycle only")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DrawAnswer]:
    """List draws of the cycles for which one gave the undertaking, in the order they were made (7.6).

    A supervisor finds those of the cycles whose group they sit in (7.1).
    """
    query = select(Draw).where(sworn(reader.person, Draw.cycle))
    if cycle is not None:
        query = query.where(Draw.cycle == cycle)
    if reader.role == "supervisor":
        query = query.where(Draw.cycle.in_(watched(transaction, reader)))
    made, following = paginate(transaction.session, query, Draw.id, cursor, limit)
    items = [show(transaction, one, reader) for one in made]
    transaction.version = None
    return Page(items=items, next_cursor=following)


@routes.get("/draws/{id}", operation_id="get_draw")
def get_draw(key: DrawId, reader: DrawReader, transaction: InTransaction) -> DrawAnswer:
    """Read a draw with its seed, its pool, its panels, and what was changed of it."""
    return show(transaction, watched_draw(transaction, key, reader), reader)


@routes.get("/draws/{id}/replay", operation_id="replay_draw")
def get_replay(key: DrawId, reader: DrawReader, transaction: InTransaction) -> Replay:
    """Make the draw again from its stored seed, roster and constraints, and tell whether it gives the same panels."""
    return replay(transaction, watched_draw(transaction, key, reader), reader)


@routes.get("/draws/{id}/applications/{application}/reviewers/{person}", operation_id="explain_draw")
def get_explanation(
    key: DrawId, application: UUID, person: Annotated[Person, Path()], reader: DrawReader, transaction: InTransaction
) -> WhyNot:
    """Ask why a reviewer was, or was not, drawn for an application's panel."""
    return why_not(transaction, watched_draw(transaction, key, reader), person, application, reader)


@routes.post("/draws/{id}/overrides", operation_id="override_draw")
def post_override(
    key: DrawId, given: NewOverride, office: Office, transaction: InTransaction, _dry_run: DryRun, version: IfMatch
) -> DrawAnswer:
    """Put another in a drawn member's place with a recorded reason; a recused or disqualified one is refused (2.4.5, 7.6)."""
    return show(transaction, override(transaction, key, given, version, office), office)


@routes.post("/draws/{id}/panels", operation_id="form_drawn_panels")
def post_panels(key: DrawId, office: Office, transaction: InTransaction, _dry_run: DryRun, version: IfMatch) -> DrawAnswer:
    """Form every panel of a draw, or none (2.0, 2.2.2)."""
    return show(transaction, form_panels(transaction, key, version, office), office)
