"""Sheets: rated alone, sealed with a commitment, opened together (4.1, 4.2, 2.3.1).

The commitment in the record is SHA-256(nonce ‖ ratings ‖ SHA-256(salt ‖ texts)): a nonce and a salt of 32 bytes, ratings (item → percent)
and texts (item → strengths, opportunities, evidence) as RFC 8785 canonical JSON. An opened sheet gives the very texts that were hashed, so
that anybody who reads it checks the commitment with SHA-256 alone.
"""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

import rfc8785
from fastapi import Path
from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict
from sqlalchemy import Select, Text, Uuid, bindparam, select

from kernel.identity import Reviewer
from kernel.problems import Kind, Problem, absent
from kernel.requests import Cursor, DryRun, IfMatch, InTransaction, Limit, Transaction, check_version, offer, paginate
from kernel.service import router
from kernel.wire import Action, Answer, Body, Id, Line, Mark, Page, Words
from regulation.form import form
from regulation.lifecycle import SHEET, step
from regulation.report import check_panel_access, check_site_scoring
from regulation.rubric import STEP
from regulation.score import Score, check_rating, check_ratings, sheet_twentieths
from services.scoring import rounds, tables
from services.scoring.access import (
    Who,
    admitted,
    check_sworn,
    not_recused,
    phase_of,
    rubric_of,
    seated,
    secrecy,
)
from services.scoring.tables import Cycle, Dossier, Panel, Round

routes = router("sheets")

SECTION_UNKNOWN = Kind(
    409, "evidence_section_unknown", "申报表没有这一部分：{section}", "The application form has no such section: {section}"
)

SheetId = Annotated[UUID, Path(alias="id")]
ItemId = Annotated[str, Path(max_length=32)]
EXAMPLE: JsonDict = {
    "percent": 65,
    "strengths": "方法系统，部门间展开较全面。",
    "opportunities": "标杆数据的来源应说明。",
    "evidence": [{"section": "self_assessment", "place": "第12页，表4"}],
}


class Evidence(Body):
    """Where in the dossier a rating is grounded: a section or an attachment, and the place in it."""

    section: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,64}$")] | None = None
    attachment: Id | None = None
    place: Annotated[str, Line(200)] | None = None

    @model_validator(mode="after")
    def check_named(self) -> Self:
        """Demand one of the two."""
        if (self.section is None) == (self.attachment is None):
            raise ValueError("either a section or an attachment")
        return self


class Rating(Body):
    """What a reviewer gives for one item: a multiple of 5 percent, strengths (优势) and opportunities (改进空间), and where they show."""

    percent: Annotated[int, Field(ge=-1000, le=1000)]
    strengths: Annotated[str, Words(4000)]
    opportunities: Annotated[str, Words(4000)]
    evidence: Annotated[list[Evidence], Field(default_factory=list, max_length=20)]

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})


class Ratings(Body):
    """All that stands on a sheet, by item; what is left out is taken off the sheet."""

    items: Annotated[dict[Annotated[str, Words(32)], Rating], Field(max_length=200)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": {"4.1.2": EXAMPLE}}]})


class SheetItem(Answer):
    """An item as rated; null where it isn't yet."""

    item: str
    percent: int | None
    strengths: str | None
    opportunities: str | None
    evidence: list[dict[str, str]]


class SheetEntry(Answer):
    """One of the caller's sheets in the list."""

    id: UUID
    panel: UUID
    application: UUID
    organisation: str
    stage: str
    state: str
    version: int


class SheetAnswer(SheetEntry):
    """A sheet, to its author; nonce and salt prove the commitment in the record."""

    items: list[SheetItem]
    total: Mark | None
    commitment: str | None
    nonce: str | None
    salt: str | None
    sealed_at: datetime | None
    actions: dict[str, Action]


def percents(sheet: tables.Sheet) -> dict[str, int]:
    """Give a sheet's ratings in percent."""
    return {item: steps * STEP for item, steps in sheet.ratings.items()}


def mark(twentieths: int) -> Mark:
    """Show an exact score."""
    return Mark(twentieths=twentieths, points=Score(twentieths).points)


def hash_of_texts(salt: bytes, texts: Mapping[str, Any]) -> bytes:
    """Hash a sheet's texts with their salt: outsiders get this in the texts' place."""
    return hashlib.sha256(salt + rfc8785.dumps(dict(texts))).digest()


def commit_to(nonce: bytes, ratings: Mapping[str, int], salt: bytes, texts: Mapping[str, Any]) -> bytes:
    """Compute the commitment to a sheet: it reveals nothing, and fits no other content."""
    return hashlib.sha256(nonce + rfc8785.dumps(dict(ratings)) + hash_of_texts(salt, texts)).digest()


def items_of(sheet: tables.Sheet, cycle: Cycle) -> list[SheetItem]:
    """List the rubric's items as the sheet rates them."""
    rated = percents(sheet)
    blank: dict[str, Any] = {"strengths": None, "opportunities": None, "evidence": []}
    return [SheetItem(item=item.id, percent=rated.get(item.id), **sheet.texts.get(item.id, blank)) for item in rubric_of(cycle).items]


def mine(person: Who) -> Select[tables.Sheet, Round, Panel, Dossier]:
    """Select a person's sheets that were not withdrawn, of organisations they are not recused from."""
    return (
        select(tables.Sheet, Round, Panel, Dossier)
        .join(Round, Round.id == tables.Sheet.round)
        .join(Panel, Panel.id == Round.panel)
        .join(Dossier, Dossier.application == Round.application)
        .where(tables.Sheet.person == person, tables.Sheet.state != "withdrawn", not_recused(person))
    )


KEY, PERSON = bindparam("sheet", type_=Uuid), bindparam("me", type_=Text)
OWN = mine(PERSON).join(Cycle, Cycle.id == Panel.cycle).add_columns(Cycle, *secrecy(PERSON, Panel.cycle))
OWN = OWN.where(tables.Sheet.id == KEY, seated(PERSON))
OWN_LOCKED = OWN.with_for_update(of=tables.Sheet)
ROUND_LOCKED = select(Round.id).join(tables.Sheet, tables.Sheet.round == Round.id).with_for_update(of=Round)
ROUND_LOCKED = ROUND_LOCKED.where(tables.Sheet.id == KEY, tables.Sheet.person == PERSON)


def own(transaction: Transaction, key: UUID, person: str, *, lock: bool = False) -> tuple[tables.Sheet, Round, Panel, Dossier, Cycle]:
    """Load one's own sheet; absent to others, once withdrawn, and to whoever is recused; refused once access has ended."""
    named = {KEY.key: key, PERSON.key: person}
    if lock:  # whatever counts a round's sheets holds its row, which is locked first
        transaction.session.execute(ROUND_LOCKED, named)
    row = transaction.session.execute(OWN_LOCKED if lock else OWN, named).one_or_none()
    if row is None:
        raise absent()
    sheet, found, panel, dossier, cycle, given_at, is_out = row
    check_panel_access(phase_of(transaction, cycle))
    check_sworn(given_at, is_out=is_out)
    return sheet, found, panel, dossier, cycle


def check_rate(transaction: Transaction, sheet: tables.Sheet, found: Round, panel: Panel) -> None:
    """Refuse to rate a sealed sheet, outside the review, or at a site that stands in no plan (2.3.2)."""
    step(SHEET, sheet.state, "rate", rounds.phase_for(transaction, panel, found))
    if found.stage == "site":
        check_site_scoring(str(found.application), {visit["application"] for visit in panel.site_plan})


def check_submit(transaction: Transaction, sheet: tables.Sheet, found: Round, panel: Panel, cycle: Cycle) -> None:
    """Refuse to seal a sheet that may not be rated, or that leaves an item unrated (4.1)."""
    step(SHEET, sheet.state, "seal", rounds.phase_for(transaction, panel, found))
    check_rate(transaction, sheet, found, panel)
    check_ratings(percents(sheet), rubric_of(cycle))


def rate(transaction: Transaction, key: UUID, person: str, version: int, given: Mapping[str, Rating], *, whole: bool) -> SheetAnswer:
    """Put ratings on one's own draft; `whole` takes off what is not given. A file that is not in the dossier is absent, whoever's it is."""
    sheet, found, panel, dossier, cycle = own(transaction, key, person, lock=True)
    check_version(version, sheet.version)
    check_rate(transaction, sheet, found, panel)
    for item, rating in given.items():
        rubric_of(cycle).item(item)
        check_rating(rating.percent)
        for evidence in rating.evidence:
            if evidence.section is not None and evidence.section not in form(cycle.edition):
                raise Problem(SECTION_UNKNOWN, section=evidence.section)
            if evidence.attachment is not None and str(evidence.attachment) not in dossier.attachments:
                raise absent()
    ratings = {item: rating.percent // STEP for item, rating in given.items()}
    texts = {item: rating.model_dump(mode="json", exclude={"percent"}, exclude_none=True) for item, rating in given.items()}
    sheet.ratings = ratings if whole else {**sheet.ratings, **ratings}
    sheet.texts = texts if whole else {**sheet.texts, **texts}
    sheet.version += 1
    return show(transaction, sheet, found, panel, dossier, cycle)


def submit(transaction: Transaction, key: UUID, person: str) -> SheetAnswer:
    """Seal one's own sheet; the last one in opens the application's sheets in the same transaction."""
    sheet, found, panel, dossier, cycle = own(transaction, key, person, lock=True)
    check_submit(transaction, sheet, found, panel, cycle)
    sheet.state = step(SHEET, sheet.state, "seal").to
    sheet.nonce, sheet.salt = secrets.token_bytes(32), secrets.token_bytes(32)
    sheet.commitment = commit_to(sheet.nonce, percents(sheet), sheet.salt, sheet.texts)
    sheet.sealed_at = transaction.now
    sheet.version += 1
    transaction.session.flush()
    transaction.record("sheet.sealed", f"sheet:{sheet.id}", clause="2.3.1", facts={"commitment": sheet.commitment.hex()})
    rounds.open_if_complete(transaction, panel, found)
    return show(transaction, sheet, found, panel, dossier, cycle)


def show(transaction: Transaction, sheet: tables.Sheet, found: Round, panel: Panel, dossier: Dossier, cycle: Cycle) -> SheetAnswer:
    """Answer with a sheet to its author."""
    transaction.version = sheet.version
    href = f"/api/v1/sheets/{sheet.id}"
    items = items_of(sheet, cycle)
    complete = all(item.percent is not None for item in items)
    return SheetAnswer(
        **entry(sheet, found, dossier).model_dump(),
        items=items,
        total=mark(sheet_twentieths(percents(sheet), rubric_of(cycle))) if complete else None,
        commitment=sheet.commitment.hex() if sheet.commitment else None,
        nonce=sheet.nonce.hex() if sheet.nonce else None,
        salt=sheet.salt.hex() if sheet.salt else None,
        sealed_at=sheet.sealed_at,
        actions={
            "rate": offer(transaction, "PUT", f"{href}/items", lambda: check_rate(transaction, sheet, found, panel)),
            "submit": offer(transaction, "POST", f"{href}/submission", lambda: check_submit(transaction, sheet, found, panel, cycle)),
        },
    )


def entry(sheet: tables.Sheet, found: Round, dossier: Dossier) -> SheetEntry:
    """Give a sheet as a list shows it."""
    return SheetEntry(
        id=sheet.id,
        panel=found.panel,
        application=found.application,
        organisation=dossier.organisation,
        stage=found.stage,
        state=sheet.state,
        version=sheet.version,
    )


@routes.get("/sheets", operation_id="list_my_sheets")
def get_sheets(reviewer: Reviewer, transaction: InTransaction, limit: Limit = 50, cursor: Cursor = None) -> Page[SheetEntry]:
    """List your own sheets; nobody else's are ever listed."""
    query = mine(reviewer.person).where(admitted(reviewer.person)).with_only_columns(tables.Sheet)
    found, following = paginate(transaction.session, query, tables.Sheet.id, cursor, limit)
    rows = {
        row.Sheet.id: row for row in transaction.session.execute(mine(reviewer.person).where(tables.Sheet.id.in_([s.id for s in found])))
    }
    return Page(items=[entry(sheet, rows[sheet.id].Round, rows[sheet.id].Dossier) for sheet in found], next_cursor=following)


@routes.get("/sheets/{id}", operation_id="get_sheet")
def get_sheet(key: SheetId, reviewer: Reviewer, transaction: InTransaction) -> SheetAnswer:
    """Read one of your own sheets."""
    return show(transaction, *own(transaction, key, reviewer.person))


@routes.put("/sheets/{id}/items/{item}", operation_id="rate_item")
def put_item(key: SheetId, item: ItemId, rating: Rating, reviewer: Reviewer, transaction: InTransaction, version: IfMatch) -> SheetAnswer:
    """Rate one item; refused unless it is a multiple of 5 percent from 0 to 100 (4.1), and at a site before its plan (2.3.2)."""
    return rate(transaction, key, reviewer.person, version, {item: rating}, whole=False)


@routes.put("/sheets/{id}/items", operation_id="rate_items")
def put_items(key: SheetId, given: Ratings, reviewer: Reviewer, transaction: InTransaction, version: IfMatch) -> SheetAnswer:
    """Rate all items at once; items left out are taken off the sheet."""
    return rate(transaction, key, reviewer.person, version, given.items, whole=True)


@routes.post("/sheets/{id}/submission", operation_id="submit_sheet")
def post_submission(key: SheetId, reviewer: Reviewer, transaction: InTransaction, _dry_run: DryRun) -> SheetAnswer:
    """Seal your sheet: only its commitment goes into the record, and nobody reads it until every member's sheet is in."""
    return submit(transaction, key, reviewer.person)
