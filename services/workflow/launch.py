"""Launch and announcement: what a cycle needs before it starts, and what opens its window for applications (2.1.1, 5.1)."""

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, model_validator
from sqlalchemy import select

from kernel.bundle import plain
from kernel.identity import Office, SignedIn
from kernel.problems import absent
from kernel.requests import DryRun, InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer, Body, Day, Instant, Line, Words
from regulation import rubric
from regulation.calendar import day
from regulation.endorsement import bodies
from regulation.launch import check_announcement
from services.workflow.course import edition_document, find_cycle, lock_cycle, move, parameters_of, rules_hash
from services.workflow.dashboard import CycleAnswer, answer_cycle, check_announceable, check_launchable
from services.workflow.tables import Announcement, Cycle, Department, Notification, Seat


class Window(Body):
    """The half-open window [opens, closes) in which applications are filed."""

    opens: Instant
    closes: Instant

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.opens >= self.closes:
            raise ValueError("the window closes after it opens")
        return self


class NewAnnouncement(Body):
    """The announcement (5.1): when, in which district medium, its text; the window is the plan's unless another is announced."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"announced_on": "2026-02-20", "medium": "金东新闻", "text": "2026年度区政府质量奖申报工作启动。"}]}
    )

    announced_on: Day
    medium: Annotated[str, Line(120)]
    text: Annotated[str, Words(20_000)]
    window: Window | None = None


class Notified(Answer):
    """Who was sent the announcement: an endorsing body (with its code) or a committee member's unit."""

    kind: str
    code: str | None
    recipient: str
    at: datetime


class AnnouncementAnswer(Answer):
    """The announcement and everyone who was notified."""

    cycle: UUID
    announced_on: date
    medium: str
    text: str
    opens: datetime
    closes: datetime
    notified: list[Notified]


def launch_cycle(transaction: Transaction, cycle_id: UUID) -> Cycle:
    """Launch: from here on the edition, the rubric and the rules are fixed, and the peers know the cycle."""
    cycle = lock_cycle(transaction, cycle_id)
    check_launchable(transaction, cycle)
    cycle.launched_on = day(transaction.now)
    p = parameters_of(cycle, transaction.now)
    facts = {
        "year": cycle.year,
        "edition": cycle.edition,
        "edition_hash": rules_hash(edition_document(cycle.edition, p)),
        "rubric": p.rubric,
        "rubric_hash": rules_hash(plain(rubric.load(p.rubric))),
        "rules": cycle.rules,
        "rules_hash": cycle.rules_hash,
        "launched_on": cycle.launched_on.isoformat(),
    }
    move(transaction, cycle, "launch", kind="cycle.launched", facts=facts)
    return cycle


def announce_cycle(transaction: Transaction, cycle_id: UUID, new: NewAnnouncement) -> Cycle:
    """Announce the cycle, which opens the window and sends every endorsing body and committee member's unit its notice (5.1)."""
    cycle = lock_cycle(transaction, cycle_id)
    check_announceable(transaction, cycle)
    opens = new.window.opens if new.window else cycle.window_opens
    closes = new.window.closes if new.window else cycle.window_closes
    assert opens is not None  # noqa: S101 - no launch without a plan, and a plan has its window
    assert closes is not None  # noqa: S101 - same
    units = transaction.session.scalars(select(Seat.unit).where(Seat.cycle_id == cycle.id).distinct().order_by(Seat.unit))
    named = {body.code: body.zh for body in bodies(cycle.edition).values()}
    named |= {stated.code: stated.zh for stated in transaction.session.scalars(select(Department).order_by(Department.code))}
    notices = [Notification(kind="body", code=code, recipient=name) for code, name in named.items()]
    notices += [Notification(kind="unit", code=None, recipient=unit) for unit in units]
    for notice in notices:
        notice.cycle_id, notice.at = cycle.id, transaction.now
    check_announcement(new.announced_on, new.medium, opens, closes, (), transaction.now)  # the notices go out with it: nobody lacks one
    transaction.session.add_all(notices)
    transaction.session.add(
        Announcement(cycle_id=cycle.id, announced_on=new.announced_on, medium=new.medium, text=new.text, at=transaction.now)
    )
    facts = {"opens": opens.isoformat(), "closes": closes.isoformat(), "medium": new.medium, "notified": len(notices)}
    move(transaction, cycle, "announce", kind="cycle.announced", facts=facts)
    cycle.opens, cycle.closes = opens, closes
    return cycle


routes = router("launch")


@routes.post("/cycles/{cycle_id}/launch", operation_id="launch_cycle")
def post_launch(cycle_id: UUID, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> CycleAnswer:
    """Launch a cycle whose rules, plan, committee and supervision group stand (2.1.1, 7.1)."""
    return answer_cycle(transaction, launch_cycle(transaction, cycle_id))


@routes.post("/cycles/{cycle_id}/announcement", operation_id="announce_cycle", status_code=201)
def post_announcement(cycle_id: UUID, new: NewAnnouncement, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> CycleAnswer:
    """Announce the cycle in the district's media and to every body, which opens the window (5.1)."""
    return answer_cycle(transaction, announce_cycle(transaction, cycle_id, new))


@routes.get("/cycles/{cycle_id}/announcement", operation_id="get_announcement")
def get_announcement(cycle_id: UUID, _person: SignedIn, transaction: InTransaction) -> AnnouncementAnswer:
    """Read the announcement and who was notified (5.1)."""
    cycle = find_cycle(transaction, cycle_id)
    made = transaction.session.get(Announcement, cycle.id)
    if made is None or cycle.opens is None or cycle.closes is None:
        raise absent()
    notices = transaction.session.scalars(select(Notification).where(Notification.cycle_id == cycle.id).order_by(Notification.id))
    return AnnouncementAnswer(
        cycle=cycle.id,
        announced_on=made.announced_on,
        medium=made.medium,
        text=made.text,
        opens=cycle.opens,
        closes=cycle.closes,
        notified=[Notified.model_validate(notice) for notice in notices],
    )
