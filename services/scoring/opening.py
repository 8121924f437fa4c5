"""Opening: a round's sealed sheets are shown together, with all that checks their commitments (2.3.1), or early by the office (2.0)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import rfc8785
from fastapi import Path, Query
from pydantic import ConfigDict
from sqlalchemy import select

from kernel.identity import Office, Principal, roles
from kernel.problems import absent
from kernel.requests import DryRun, InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer, Body, Mark, Reason
from regulation.lifecycle import SHEET, step
from regulation.score import check_sheets, sheet_twentieths
from services.scoring import rounds, tables
from services.scoring.access import Stage, blind_to, dossier_of, panel_for, panel_for_office, parameters_of, rubric_of, stage_of
from services.scoring.sheet import SheetItem, hash_of_texts, items_of, mark, percents
from services.scoring.tables import Dossier, Round

PanelId = Annotated[UUID, Path(alias="id")]
PanelMember = Annotated[Principal, roles("reviewer", "supervisor")]
AskedStage = Annotated[Stage | None, Query(description="the stage; where left out, site for a shortlisted application, else material")]


class Closing(Body):
    """Why the office opens a round before every sheet is in."""

    reason: Reason

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "一名评审员因病不能按时提交。"}]})


class OpenedSheet(Answer):
    """An opened sheet with all that its commitment was made from.

    commitment = SHA-256(nonce ‖ `committed_ratings` ‖ `texts_hash`) and texts_hash = SHA-256(salt ‖ `committed_texts`), the hex decoded and
    the two texts in UTF-8 as they stand here.
    """

    id: UUID
    person: str
    items: list[SheetItem]
    total: Mark
    commitment: str
    nonce: str
    salt: str
    committed_ratings: str
    committed_texts: str
    texts_hash: str
    sealed_at: datetime


class LeftOut(Answer):
    """A sheet that isn't counted, and why."""

    id: UUID
    person: str
    why: str


class OpenedSheets(Answer):
    """The opened sheets of one application in one stage."""

    application: UUID
    stage: str
    opened_at: datetime
    closing_reason: str | None
    sheets: list[OpenedSheet]
    not_counted: list[LeftOut]


class Opening(Answer):
    """A round that the office has closed and opened."""

    application: UUID
    stage: str
    opened_at: datetime
    counted: int


def opened_round(transaction: Transaction, dossier: Dossier, reader: Principal, stage: Stage | None) -> Round:
    """Load an opened round for a reader; absent before it opens, and to a member who still has to score blind."""
    asked = stage or ("site" if dossier.shortlisted else "material")
    query = select(Round).where(Round.application == dossier.application, Round.stage == asked, Round.opened_at.is_not(None))
    found = transaction.session.scalar(query)
    if found is None:
        raise absent()
    if (found.application, found.stage) in blind_to(transaction.session, reader.person):
        raise absent()
    return found


def left_out(transaction: Transaction, found: Round) -> list[tables.Sheet]:
    """List the sheets of a round that were withdrawn."""
    query = select(tables.Sheet).where(tables.Sheet.round == found.id, tables.Sheet.state == "withdrawn").order_by(tables.Sheet.id)
    return list(transaction.session.scalars(query))


def read_opened(transaction: Transaction, key: UUID, application: UUID, reader: Principal, stage: Stage | None) -> OpenedSheets:
    """Give the opened sheets of an application with everything that checks their commitments."""
    panel, cycle = panel_for(transaction, key, reader)
    dossier = dossier_of(transaction, panel, application, reader.person)
    found = opened_round(transaction, dossier, reader, stage)
    rubric = rubric_of(cycle)
    return OpenedSheets(
        application=application,
        stage=found.stage,
        opened_at=found.opened_at,
        closing_reason=found.closing_reason,
        sheets=[
            OpenedSheet(
                id=sheet.id,
                person=sheet.person,
                items=items_of(sheet, cycle),
                total=mark(sheet_twentieths(percents(sheet), rubric)),
                commitment=(sheet.commitment or b"").hex(),
                nonce=(sheet.nonce or b"").hex(),
                salt=(sheet.salt or b"").hex(),
                committed_ratings=rfc8785.dumps(dict(percents(sheet))).decode(),
                committed_texts=rfc8785.dumps(sheet.texts).decode(),
                texts_hash=hash_of_texts(sheet.salt or b"", sheet.texts).hex(),
                sealed_at=sheet.sealed_at,
            )
            for sheet in rounds.opened_sheets(transaction, found)
        ],
        not_counted=[LeftOut(id=sheet.id, person=sheet.person, why=sheet.why_withdrawn or "") for sheet in left_out(transaction, found)],
    )


def close_round(transaction: Transaction, key: UUID, application: UUID, reason: str, office: Principal) -> Opening:
    """Open a round without the sheets still missing, never under the edition's minimum; the missing are named as not counted."""
    panel, cycle = panel_for_office(transaction, key, lock=True)
    dossier = dossier_of(transaction, panel, application, office.person)
    stage = stage_of(cycle)
    found = transaction.session.scalar(
        select(Round).where(Round.application == dossier.application, Round.stage == stage).with_for_update()
    )
    if found is None:
        raise absent()
    sheets = rounds.live_sheets(transaction, found)
    handed_in = [sheet for sheet in sheets if sheet.state != "draft"]
    drafts = [sheet for sheet in sheets if sheet.state == "draft"]
    check_sheets(len(handed_in), parameters_of(cycle))
    if not drafts:
        step(SHEET, "opened", "open")  # every sheet is in, so they were opened when the last one came
    rounds.withdraw(transaction, found, drafts, "round_closed", "2.0")
    found.closing_reason = reason
    rounds.open_sheets(transaction, panel, found, handed_in, reason)
    return Opening(application=application, stage=found.stage, opened_at=found.opened_at or transaction.now, counted=len(handed_in))


routes = router("sheets")


@routes.get("/panels/{id}/applications/{application}/sheets", operation_id="list_opened_sheets")
def get_opened_sheets(
    key: PanelId, application: UUID, reader: PanelMember, transaction: InTransaction, stage: AskedStage = None
) -> OpenedSheets:
    """Read the opened sheets of an application with nonces, salts and texts; before they are opened there is nothing here."""
    return read_opened(transaction, key, application, reader, stage)


@routes.post("/panels/{id}/applications/{application}/opening", operation_id="open_sheets_early")
def post_opening(
    key: PanelId, application: UUID, closing: Closing, office: Office, transaction: InTransaction, _dry_run: DryRun
) -> Opening:
    """Close a round with a recorded reason and open the sheets that are in; never under the edition's minimum (2.0)."""
    return close_round(transaction, key, application, closing.reason, office)
