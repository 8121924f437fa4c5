"""The office's watch over the reviewers' work: dated notes that outlive the cycle (2.2.2)."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import ConfigDict
from sqlalchemy import select

from kernel.identity import Office, Principal
from kernel.problems import FORBIDDEN, Kind, Problem, absent
from kernel.requests import Cursor, DryRun, InTransaction, Limit, Transaction, paginate
from kernel.service import router
from kernel.wire import Answer, Body, Day, Id, Page, Reason
from regulation.calendar import day
from services.scoring.access import check_watching
from services.scoring.reviewer import OfficeOrSupervisor, ReviewerId, locked
from services.scoring.tables import Panel, Reviewer, Seat, SupervisionNote

routes = router("reviewers")

NOT_SEATED = Kind(409, "reviewer_not_seated", "此人未参加该年度评审组，无履职情况可记", "This person sat on none of that cycle's panels")
NOTED_AHEAD = Kind(409, "note_dated_ahead", "日期 {seen_on} 尚未到来", "The day {seen_on} is yet to come")


class NewNote(Body):
    """What the office saw of a reviewer's work in a cycle, and when; a `breach` of discipline calls for a sanction beside it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "cycle": "01975f2e-8a6b-7cde-8f01-23456789abcd",
                    "finding": "concern",
                    "text": "现场评审迟到一小时，已提醒。",
                    "seen_on": "2026-06-18",
                }
            ]
        }
    )

    cycle: Id
    finding: Literal["in_order", "concern", "breach"]
    text: Reason
    seen_on: Day


class NoteAnswer(Answer):
    """A note as entered; nobody changes or strikes it."""

    id: UUID
    cycle: UUID
    finding: str
    text: str
    seen_on: date
    by: str
    at: datetime


def note(transaction: Transaction, key: UUID, new: NewNote, office: Principal) -> SupervisionNote:
    """Enter a note on somebody who sat on one of the cycle's panels; nobody watches over themselves (2.2.2)."""
    reviewer = locked(transaction, key)
    if reviewer.person == office.person:
        raise Problem(FORBIDDEN)
    seats = select(Seat.id).join(Panel, Panel.id == Seat.panel).where(Panel.cycle == new.cycle, Seat.person == reviewer.person)
    if transaction.session.scalar(seats.limit(1)) is None:
        raise Problem(NOT_SEATED)
    if new.seen_on > day(transaction.now):
        raise Problem(NOTED_AHEAD, seen_on=new.seen_on.isoformat())
    entered = SupervisionNote(reviewer=reviewer.id, **new.model_dump(), by=office.person, at=transaction.now)
    transaction.session.add(entered)
    transaction.session.flush()
    facts = {"note": str(entered.id), "person": reviewer.person} | new.model_dump(mode="json")
    transaction.record("reviewer.noted", f"reviewer:{reviewer.id}", clause="2.2.2", facts=facts)
    return entered


@routes.post("/reviewers/{id}/notes", status_code=201, operation_id="note_reviewer")
def post_note(key: ReviewerId, new: NewNote, office: Office, transaction: InTransaction, _dry_run: DryRun) -> NoteAnswer:
    """Enter what the office saw of a reviewer's work (2.2.2)."""
    return NoteAnswer.model_validate(note(transaction, key, new, office))


@routes.get("/reviewers/{id}/notes", operation_id="list_reviewer_notes")
def get_notes(
    key: ReviewerId, reader: OfficeOrSupervisor, transaction: InTransaction, limit: Limit = 50, cursor: Cursor = None
) -> Page[NoteAnswer]:
    """List the notes on a reviewer in the order they were entered, to the office and to who sits in a supervision group (2.2.2, 7.1)."""
    check_watching(transaction, reader)
    if transaction.session.get(Reviewer, key) is None:
        raise absent()
    found, following = paginate(
        transaction.session, select(SupervisionNote).where(SupervisionNote.reviewer == key), SupervisionNote.id, cursor, limit
    )
    return Page(items=[NoteAnswer.model_validate(one) for one in found], next_cursor=following)
