"""The public notice: the committee's winners stand before the public for the rules' days, each name for itself (5.4.2)."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import Annotated
from uuid import UUID

import holidays
from pydantic import ConfigDict, Field
from sqlalchemy import select

from kernel.identity import Anyone, Office, SignedIn
from kernel.problems import Kind, Problem, absent
from kernel.requests import Cursor, DryRun, InTransaction, Limit, Transaction, offer, paginate
from kernel.service import API, router
from kernel.wire import Action, Answer, Body, Id, Name, Page, Reason, Words
from regulation import lifecycle
from regulation.ballot import check_none_left_out, check_winner_cap, check_winners_motions
from regulation.edition import Parameters
from regulation.honour import award_title
from regulation.implementation import notice_day
from regulation.notice import check_objection_window, notice_end
from regulation.refusal import Refusal
from services.workflow.award import drop_proposed_awards
from services.workflow.ballot.use_cases import tied_in, winning_ballots
from services.workflow.course import check_move, find_cycle, lock_cycle, move, parameters_of, phase_of, rules_of
from services.workflow.evaluation import check_stands
from services.workflow.stage import set_stage, veiled
from services.workflow.tables import (
    Announcement,
    Award,
    Ballot,
    Contender,
    Cycle,
    Disclosure,
    Evaluation,
    Motion,
    Notice,
    NoticeName,
    Publication,
    RevocationCase,
)

CALENDAR_UNKNOWN = Kind(
    409,
    "working_days_unknown",
    "国务院办公厅 {year} 年节假日安排未收录，无法计算工作日",
    "The working days of {year} are not known yet, so the notice's end can't be counted",
)
NOTICED_ALREADY = Kind(
    409, "noticed_already", "申报 {application} 已在公示", "Application {application} has had its notice from that motion"
)


class WinnerName(Body):
    """A name for the notice: the application, and the motion whose ballot it won."""

    application: Id
    motion: Id

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"application": "01912d68-783e-7a03-8467-5661c1243ad4", "motion": "01912d68-783e-7a03-8467-5661c1243ad5"}]
        }
    )


class NewNotice(Body):
    """A notice of every winner who has had none: its text and the medium that carries it."""

    text: Annotated[str, Words(8000)]
    medium: Name
    names: list[WinnerName] = Field(min_length=1, max_length=50)

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "text": "2026年度金东区人民政府质量奖拟获奖名单公示",
                    "medium": "金东区人民政府门户网站",
                    "names": [{"application": "01912d68-783e-7a03-8467-5661c1243ad4", "motion": "01912d68-783e-7a03-8467-5661c1243ad5"}],
                }
            ]
        }
    )


class EndOfDeliberation(Body):
    """Why the committee names nobody (more)."""

    reasons: Reason

    model_config = ConfigDict(json_schema_extra={"examples": [{"reasons": "评委会决定不再递补"}]})


class Ended(Answer):
    """The cycle's phase after the committee's last word."""

    cycle: UUID
    phase: str


class PublicName(Answer):
    """A name on a notice; `title` calls the award with its year, `fallen_by` is the clause by which a fallen name fell."""

    application: UUID
    organisation: str
    credit_code: str
    award: str
    title: str
    state: str
    fallen_at: datetime | None
    fallen_by: str | None


class NoticeAnswer(Answer):
    """A public notice, over at the instant `ends_at`; anyone may object until then."""

    id: UUID
    cycle: UUID
    year: int
    text: str
    medium: str
    counting: str
    days: int
    published_at: datetime
    ends_at: datetime
    names: list[PublicName]
    actions: dict[str, Action]


class Bulletin(Answer):
    """What the office has announced: the start of a cycle (5.1), its results (5.4.3), or that an honour was revoked (7.2, 7.5).

    Of an honour imported from earlier years there is no cycle.
    """

    kind: str
    cycle: UUID | None
    year: int
    on: date
    medium: str
    text: str


class Bulletins(Answer):
    """Everything announced, the newest first."""

    items: list[Bulletin]


@cache
def _workdays(year: int) -> holidays.HolidayBase:
    calendar = holidays.country_holidays("CN", years=(year, year + 1))
    if not any(swapped.year == year for swapped in calendar.weekend_workdays):
        raise Problem(CALENDAR_UNKNOWN, year=year)
    return calendar


def is_working_day(on: date) -> bool:
    """Tell whether a day is worked in China; 409 for a year whose holidays are not published (each has swapped weekends)."""
    return _workdays(on.year).is_working_day(on)


def end_of_notice(cycle: Cycle, p: Parameters, published: datetime) -> datetime:
    """Work out when a notice published at that instant is over, by the kind of days that the rules name."""
    return notice_end(published, p.notice_days, notice_day(p, rules_of(cycle)), is_working_day)


def unnoticed(transaction: Transaction, cycle: Cycle) -> dict[tuple[UUID, UUID], Ballot]:
    """Load the ballots won in this cycle whose name stands and has had no notice, by application and motion."""
    noticed = set(transaction.session.scalars(select(NoticeName.ballot_id).where(NoticeName.cycle_id == cycle.id)))
    waiting = [ballot for ballot in winning_ballots(transaction, cycle) if ballot.id not in noticed]
    return {(ballot.application, ballot.motion_id): ballot for ballot in waiting if ballot.application is not None}


def standing_names(transaction: Transaction, cycle: Cycle) -> Sequence[NoticeName]:
    """Load the names of this cycle that were put before the public and have not fallen."""
    return transaction.session.scalars(
        select(NoticeName).where(NoticeName.cycle_id == cycle.id, NoticeName.state == "running").order_by(NoticeName.ballot_id)
    ).all()


def check_voted(transaction: Transaction, cycle: Cycle) -> None:
    """Refuse to leave deliberation while a vote on winners is due or open, or names tied at the cap are not parted (5.4.2)."""
    check_stands(transaction, cycle)
    evaluation = transaction.session.get(Evaluation, cycle.id)
    if evaluation is not None and not any((evaluation.candidates or {}).values()):
        return  # nobody reached a minimum, so there is nobody to vote on: fewer winners, even none, are allowed (1.5)
    states = transaction.session.scalars(select(Motion.state).where(Motion.cycle_id == cycle.id, Motion.kind.in_(lifecycle.NAMING))).all()
    check_winners_motions(states, {str(ballot.application) for ballot in tied_in(transaction, cycle)})


@veiled
def check_end(transaction: Transaction, cycle: Cycle) -> None:
    """Refuse to end the deliberation in the wrong phase, before the votes are through, or with a winner who has had no notice."""
    check_move(transaction, cycle, "end_deliberation")
    check_voted(transaction, cycle)
    check_none_left_out({str(application) for application, _ in unnoticed(transaction, cycle)}, ())


def check_publish(transaction: Transaction, cycle: Cycle) -> None:
    """Refuse a notice in the wrong phase, or while the committee is still voting on winners."""
    check_move(transaction, cycle, "publish_notice")
    check_voted(transaction, cycle)


@veiled
def publish_notice(transaction: Transaction, cycle_id: UUID, new: NewNotice) -> Notice:
    """Put every winner who has had no notice before the public."""
    cycle = lock_cycle(transaction, cycle_id)
    check_publish(transaction, cycle)
    p = parameters_of(cycle, transaction.now)
    waiting = unnoticed(transaction, cycle)
    named = {(name.application, name.motion): _won(transaction, cycle, name, waiting) for name in new.names}
    check_none_left_out({str(application) for application, _ in waiting}, {str(application) for application, _ in named})
    winners = Counter(ballot.award for ballot in named.values()) + Counter(name.award for name in standing_names(transaction, cycle))
    for award, count in winners.items():
        check_winner_cap(award or "", count, p)
    notice = Notice(
        cycle_id=cycle.id,
        text=new.text,
        medium=new.medium,
        counting=notice_day(p, rules_of(cycle)),
        days=p.notice_days,
        published_at=transaction.now,
        ends_at=end_of_notice(cycle, p, transaction.now),
    )
    transaction.session.add(notice)
    transaction.session.flush()
    for ballot in named.values():
        _put_up(transaction, cycle, notice, ballot)
    transaction.record(
        "notice.published",
        f"notice:{notice.id}",
        clause="5.4.2",
        facts={
            "cycle": str(cycle.id),
            "ends_at": notice.ends_at.isoformat(),
            "names": [str(ballot.application) for ballot in named.values()],
        },
    )
    move(transaction, cycle, "publish_notice")
    return notice


def _won(transaction: Transaction, cycle: Cycle, name: WinnerName, waiting: dict[tuple[UUID, UUID], Ballot]) -> Ballot:
    """Give the ballot that a name won; refused where it won none that still stands (2.1.3)."""
    if ballot := waiting.get((name.application, name.motion)):
        return ballot
    motion = transaction.session.get(Motion, name.motion)
    ballot = transaction.session.scalar(select(Ballot).where(Ballot.motion_id == name.motion, Ballot.application == name.application))
    if motion is None or motion.cycle_id != cycle.id or ballot is None:
        raise absent()
    if any(name.ballot_id == ballot.id for name in standing_names(transaction, cycle)):
        raise Problem(NOTICED_ALREADY, application=name.application)
    if ballot.outcome == "passed" and ballot.won is False and ballot.award:  # all seats went to others: it would be one too many
        p = parameters_of(cycle, transaction.now)
        check_winner_cap(ballot.award, p.award(ballot.award).cap + 1, p)
    raise Refusal("motion_not_passed", "2.1.3", kind=motion.kind, outcome=ballot.outcome, needed="winners")


def _put_up(transaction: Transaction, cycle: Cycle, notice: Notice, ballot: Ballot) -> None:
    contender = transaction.session.get_one(Contender, ballot.application)
    step = lifecycle.step(lifecycle.NOTICE, "new", "publish", phase_of(cycle, transaction.now))
    transaction.session.add(
        NoticeName(
            ballot_id=ballot.id,
            notice_id=notice.id,
            cycle_id=cycle.id,
            application=contender.id,
            credit_code=contender.credit_code,
            organisation=contender.organisation,
            award=ballot.award,
            state=step.to,
        )
    )
    set_stage(transaction, contender, "proposed", step.clause)


@veiled
def end_deliberation(transaction: Transaction, cycle_id: UUID, end: EndOfDeliberation) -> Cycle:
    """Go on without a (further) name: fewer winners, even none, are allowed (1.5)."""
    cycle = lock_cycle(transaction, cycle_id)
    check_end(transaction, cycle)
    move(transaction, cycle, "end_deliberation", facts={"reasons": end.reasons})
    return cycle


def let_fall(transaction: Transaction, cycle: Cycle, name: NoticeName, clause: str) -> None:
    """Let one name fall: its seat is free again, and a cycle that had left deliberation goes back to it. Lock the cycle first."""
    phase = phase_of(cycle, transaction.now)
    name.state = lifecycle.step(lifecycle.NOTICE, name.state, "remove", phase).to
    name.fallen_at, name.fallen_by = transaction.now, clause
    drop_proposed_awards(transaction, cycle)
    contender = transaction.session.get_one(Contender, name.application)
    if contender.stage == "proposed":
        set_stage(transaction, contender, "fallen", clause)
    if phase != "deliberation":
        move(transaction, cycle, "remove_name", facts={"application": str(name.application)})


def show_notice(transaction: Transaction, cycle: Cycle, notice: Notice) -> NoticeAnswer:
    """Give a notice as anybody may read it."""
    p = parameters_of(cycle, transaction.now)
    names = transaction.session.scalars(select(NoticeName).where(NoticeName.notice_id == notice.id).order_by(NoticeName.ballot_id))
    return NoticeAnswer(
        id=notice.id,
        cycle=cycle.id,
        year=cycle.year,
        text=notice.text,
        medium=notice.medium,
        counting=notice.counting,
        days=notice.days,
        published_at=notice.published_at,
        ends_at=notice.ends_at,
        names=[
            PublicName(
                application=name.application,
                organisation=name.organisation,
                credit_code=name.credit_code,
                award=name.award,
                title=award_title(name.award, cycle.year, "zh", p),
                state=name.state,
                fallen_at=name.fallen_at,
                fallen_by=name.fallen_by,
            )
            for name in names
        ],
        actions={
            "object": offer(transaction, "POST", f"{API}/notices/{notice.id}/objections", lambda: check_object(transaction, cycle, notice))
        },
    )


def check_object(transaction: Transaction, cycle: Cycle, notice: Notice) -> None:
    """Refuse an objection outside the notice's days (5.4.2)."""
    check_objection_window(notice.published_at, notice.ends_at, transaction.now)
    lifecycle.step(lifecycle.OBJECTION, "new", "object", phase_of(cycle, transaction.now))


routes = router("notice")


@routes.post("/cycles/{cycle_id}/notices", operation_id="publish_notice", status_code=201)
def post_notice(cycle_id: UUID, new: NewNotice, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> NoticeAnswer:
    """Publish the notice of the winners; a substitute gets one of its own, with its own days (5.4.2)."""
    notice = publish_notice(transaction, cycle_id, new)
    return show_notice(transaction, find_cycle(transaction, cycle_id), notice)


@routes.post("/cycles/{cycle_id}/deliberation-end", operation_id="end_deliberation", status_code=201)
def post_deliberation_end(cycle_id: UUID, end: EndOfDeliberation, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> Ended:
    """End the deliberation with the names that stand, or with none (1.5)."""
    cycle = end_deliberation(transaction, cycle_id, end)
    return Ended(cycle=cycle.id, phase=cycle.phase)


@routes.get("/cycles/{cycle_id}/notices", operation_id="list_notices")
def list_notices(
    cycle_id: UUID, _person: SignedIn, transaction: InTransaction, limit: Limit = 50, cursor: Cursor = None
) -> Page[NoticeAnswer]:
    """List a cycle's notices in the order of their publication."""
    cycle = find_cycle(transaction, cycle_id)
    found, following = paginate(transaction.session, select(Notice).where(Notice.cycle_id == cycle.id), Notice.id, cursor, limit)
    return Page(items=[show_notice(transaction, cycle, notice) for notice in found], next_cursor=following)


@routes.get("/public/notices", operation_id="list_public_notices")
def list_public_notices(_anyone: Anyone, transaction: InTransaction, limit: Limit = 50, cursor: Cursor = None) -> Page[NoticeAnswer]:
    """Read every public notice, no account needed."""
    found, following = paginate(transaction.session, select(Notice), Notice.id, cursor, limit)
    return Page(
        items=[show_notice(transaction, find_cycle(transaction, notice.cycle_id), notice) for notice in found], next_cursor=following
    )


@routes.get("/public/announcements", operation_id="list_public_announcements")
def list_public_announcements(_anyone: Anyone, transaction: InTransaction) -> Bulletins:
    """Read what was announced: cycles that opened, results, and honours revoked; no account needed."""
    session = transaction.session
    opened = session.execute(select(Announcement, Cycle.year).join(Cycle, Cycle.id == Announcement.cycle_id))
    decided = session.execute(select(Publication, Cycle.year).join(Cycle, Cycle.id == Publication.cycle_id))
    revoked = session.execute(
        select(Disclosure, Award.cycle_id, Award.year)
        .join(RevocationCase, RevocationCase.id == Disclosure.case_id)
        .join(Award, Award.id == RevocationCase.award_id)
        .where(Disclosure.kind == "announcement")
    )
    items = [
        *(
            Bulletin(kind="revocation", cycle=cycle, year=year, on=one.disclosed_on, medium=one.reference, text=one.text)
            for one, cycle, year in revoked
        ),
        *(
            Bulletin(kind="opening", cycle=one.cycle_id, year=year, on=one.announced_on, medium=one.medium, text=one.text)
            for one, year in opened
        ),
        *(
            Bulletin(kind="results", cycle=one.cycle_id, year=year, on=one.published_on, medium=one.medium, text=one.document)
            for one, year in decided
        ),
    ]
    return Bulletins(items=sorted(items, key=lambda one: (one.on, one.kind), reverse=True))
