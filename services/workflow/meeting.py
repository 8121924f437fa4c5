"""The committee's meetings: convened with an agenda, held by those who attend, ended with minutes (2.1.2, 5.4.2)."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field
from sqlalchemy import select, update

from kernel.identity import Office, Principal, roles
from kernel.problems import Kind, Problem, absent
from kernel.requests import Cursor, DryRun, IfMatch, InTransaction, Limit, Transaction, check_version, offer, paginate
from kernel.service import API, router
from kernel.wire import Action, Answer, Body, Id, Instant, Line, Name, Page, Reason, Words
from regulation import lifecycle
from regulation.ballot import check_meeting_quorum
from regulation.refusal import Refusal
from services.workflow.ballot.papers import seen_motions
from services.workflow.ballot.use_cases import voting_of
from services.workflow.course import check_insight, find_cycle, hidden_from, hidden_from_caller, lock_cycle, parameters_of, phase_of
from services.workflow.roster import seats_of
from services.workflow.stage import Insider
from services.workflow.tables import Ballot, Cycle, Meeting, Motion

NOT_SEATED = Kind(422, "not_seated", "不是评委会委员：{people}", "Not on the committee's roster: {people}")
ON_AN_AGENDA = Kind(
    409, "motion_on_an_agenda", "议案 {motion} 已列入议程或已开始表决", "Motion {motion} stands on an agenda or was voted on"
)
STILL_VOTING = Kind(409, "meeting_votes_open", "会议尚有议案未表决完毕", "A motion of this meeting is still being voted on")

Clerk = Annotated[Principal, roles("committee", duties=("office", "chair"))]
"""Who notes the attendance and ends the meeting."""
AGENDA_EXAMPLE: dict[str, Any] = {"title": "审议拟获奖组织名单", "motion": "01975f2e-8a6b-7cde-8f01-23456789abcd"}


class AgendaItem(Body):
    """A point of the agenda; one that is decided names its motion."""

    title: Name
    motion: Id | None = None


class NewMeeting(Body):
    """A meeting to convene."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "title": "评委会第二次会议",
                    "place": "区政府301会议室",
                    "starts_at": "2026-07-06T14:00:00+08:00",
                    "agenda": [AGENDA_EXAMPLE],
                }
            ]
        }
    )

    title: Name
    place: Name
    starts_at: Instant
    agenda: Annotated[list[AgendaItem], Field(min_length=1, max_length=50)]


class Agenda(Body):
    """The whole agenda, until the meeting begins."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"agenda": [AGENDA_EXAMPLE]}]})

    agenda: Annotated[list[AgendaItem], Field(min_length=1, max_length=50)]


class Absence(Body):
    """A member who stays away, and why."""

    person: Annotated[str, Line(64)]
    reason: Reason


class Attendance(Body):
    """Who attends; noted anew whenever somebody comes or goes."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"present": ["chair-1", "vice-1"], "absent": [{"person": "member-1", "reason": "出差"}]}]}
    )

    present: Annotated[list[Annotated[str, Line(64)]], Field(min_length=1, max_length=100)]
    absent: list[Absence] = Field(default_factory=list, max_length=100)


class Minutes(Body):
    """What the minutes say."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"minutes": "会议审议并表决了拟获奖组织名单。"}]})

    minutes: Annotated[str, Words(20_000)]


class CallingOff(Body):
    """Why the meeting doesn't take place."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "到会人数预计不足。"}]})

    reason: Reason


class AgendaAnswer(Answer):
    """A point of the agenda with its motion's outcome, null while it is undecided or where there is no motion."""

    title: str
    motion: UUID | None
    outcome: str | None


class AbsenceAnswer(Answer):
    """A member who stayed away, and why."""

    person: str
    reason: str


class MeetingAnswer(Answer):
    """A meeting; `voters_present` of `roll` voting members attend, and `quorum` of them are needed for any vote."""

    id: UUID
    version: int
    cycle: UUID
    title: str
    place: str
    starts_at: datetime
    state: str
    agenda: list[AgendaAnswer]
    present: list[str]
    absent: list[AbsenceAnswer]
    roll: int
    voters_present: int
    quorum: int
    quorate: bool
    minutes: str | None
    ended_at: datetime | None
    actions: dict[str, Action]


def check_meeting_step(transaction: Transaction, cycle: Cycle, meeting: Meeting, action: str) -> lifecycle.Step:
    """Give the step that an action takes on a meeting; refused in the wrong state."""
    return lifecycle.step(lifecycle.MEETING, meeting.state, action, phase_of(cycle, transaction.now))


def convene(transaction: Transaction, cycle_id: UUID, new: NewMeeting) -> Meeting:
    """Convene a meeting with its agenda."""
    cycle = lock_cycle(transaction, cycle_id)
    step = lifecycle.step(lifecycle.MEETING, "new", "convene", phase_of(cycle, transaction.now))
    meeting = Meeting(
        cycle_id=cycle.id, title=new.title, place=new.place, starts_at=new.starts_at, agenda=[], state=step.to, version=1, present=[],
        absent=[],
    )  # fmt: skip
    transaction.session.add(meeting)
    transaction.session.flush()
    put_on_agenda(transaction, cycle, meeting, new.agenda)
    facts = {"cycle": str(cycle.id), **new.model_dump(mode="json")}
    transaction.record("meeting.convened", f"meeting:{meeting.id}", clause=step.clause, facts=facts)
    return meeting


def listed_on(agenda: Collection[Mapping[str, Any]]) -> list[UUID]:
    """Name the motions on an agenda."""
    return [UUID(item["motion"]) for item in agenda if item["motion"]]


def seen_of(transaction: Transaction, hidden: Collection[str], motions: Collection[UUID]) -> set[UUID]:
    """Name those of these motions that are not about organisations which are hidden alone (2.4.5)."""
    return set(transaction.session.scalars(seen_motions(hidden).where(Ballot.motion_id.in_(motions))))


def put_on_agenda(transaction: Transaction, cycle: Cycle, meeting: Meeting, agenda: list[AgendaItem]) -> None:
    """Set the agenda; a motion stands on one agenda, and is not voted on yet. What doesn't exist for the caller stays as it is."""
    new = [item.model_dump(mode="json") for item in agenda]
    seen = seen_of(transaction, hidden_from_caller(transaction, cycle), [*listed_on(meeting.agenda), *listed_on(new)])
    kept = [item for item in meeting.agenda if item["motion"] and UUID(item["motion"]) not in seen]
    free = update(Motion).where(Motion.meeting_id == meeting.id, Motion.id.not_in(listed_on(kept)))
    transaction.session.execute(free.values(meeting_id=None))
    for item in agenda:
        if item.motion is None:
            continue
        motion = transaction.session.get(Motion, item.motion, with_for_update=True, populate_existing=True)
        if motion is None or motion.cycle_id != meeting.cycle_id or motion.id not in seen:
            raise absent()
        if motion.meeting_id is not None or motion.state != "proposed":
            raise Problem(ON_AN_AGENDA, motion=motion.id)
        motion.meeting_id = meeting.id
        transaction.session.flush()
    meeting.agenda = new + kept


def change(transaction: Transaction, meeting_id: UUID, principal: Principal, action: str, version: int | None = None) -> Meeting:
    """Lock a meeting's cycle and the meeting, and take its step; 404 for whoever is no part of the cycle."""
    meeting = transaction.session.get(Meeting, meeting_id)
    if meeting is None:
        raise absent()
    cycle = lock_cycle(transaction, meeting.cycle_id)
    check_insight(transaction, principal, cycle)
    transaction.session.refresh(meeting, with_for_update=True)
    if version is not None:
        check_version(version, meeting.version)
    meeting.state, meeting.version = check_meeting_step(transaction, cycle, meeting, action).to, meeting.version + 1
    return meeting


def amend_agenda(transaction: Transaction, meeting_id: UUID, principal: Principal, version: int, new: Agenda) -> Meeting:
    """Change the agenda of a meeting that has not begun."""
    meeting = change(transaction, meeting_id, principal, "amend", version)
    put_on_agenda(transaction, find_cycle(transaction, meeting.cycle_id), meeting, new.agenda)
    transaction.record("meeting.amended", f"meeting:{meeting.id}", clause="2.1.2", facts={"agenda": meeting.agenda})
    return meeting


def note_attendance(transaction: Transaction, meeting_id: UUID, principal: Principal, version: int, new: Attendance) -> Meeting:
    """Note who attends, which begins the meeting; without a quorum it meets, but votes on nothing."""
    meeting = change(transaction, meeting_id, principal, "attend", version)
    cycle = find_cycle(transaction, meeting.cycle_id)
    seated = {seat.person for seat in seats_of(transaction, cycle)}
    named = {*new.present, *(one.person for one in new.absent)}
    if strangers := sorted(named - seated):
        raise Problem(NOT_SEATED, people=", ".join(strangers))
    meeting.present = sorted(set(new.present))
    meeting.absent = [one.model_dump() for one in new.absent if one.person not in meeting.present]
    facts = {"present": meeting.present, "absent": meeting.absent}
    transaction.record("meeting.attended", f"meeting:{meeting.id}", clause="5.4.2", facts=facts)
    return meeting


def voting_in(transaction: Transaction, meetings: Collection[Meeting]) -> frozenset[UUID | None]:
    """Name those of these meetings that are voting on a motion."""
    voting = select(Motion.meeting_id).where(Motion.meeting_id.in_([meeting.id for meeting in meetings]), Motion.state == "voting")
    return frozenset(transaction.session.scalars(voting))


def check_end(transaction: Transaction, cycle: Cycle, meeting: Meeting, voting: Collection[UUID | None]) -> None:
    """Refuse to end a meeting that is not in session, or is among those `voting` on one of its motions."""
    check_meeting_step(transaction, cycle, meeting, "end")
    if meeting.id in voting:
        raise Problem(STILL_VOTING)


def end_meeting(transaction: Transaction, meeting_id: UUID, principal: Principal, new: Minutes) -> Meeting:
    """End a meeting with its minutes; what it did not come to is free for another agenda."""
    found = find_meeting(transaction, meeting_id, principal)
    check_end(transaction, lock_cycle(transaction, found.cycle_id), found, voting_in(transaction, [found]))
    meeting = change(transaction, meeting_id, principal, "end")
    meeting.minutes, meeting.ended_at = new.minutes, transaction.now
    free(transaction, meeting)
    transaction.record("meeting.ended", f"meeting:{meeting.id}", clause="2.1.2", facts={"minutes": new.minutes})
    return meeting


def call_off(transaction: Transaction, meeting_id: UUID, principal: Principal, new: CallingOff) -> Meeting:
    """Call a meeting off before it begins."""
    meeting = change(transaction, meeting_id, principal, "call_off")
    free(transaction, meeting)
    transaction.record("meeting.called_off", f"meeting:{meeting.id}", clause="2.1.2", facts={"reason": new.reason})
    return meeting


def free(transaction: Transaction, meeting: Meeting) -> None:
    """Take what was not voted on off the agenda, so that another meeting may."""
    transaction.session.execute(update(Motion).where(Motion.meeting_id == meeting.id, Motion.state == "proposed").values(meeting_id=None))


def find_meeting(transaction: Transaction, meeting_id: UUID, principal: Principal) -> Meeting:
    """Load a meeting; 404 where there is none, and for whoever is no part of its cycle."""
    meeting = transaction.session.get(Meeting, meeting_id)
    if meeting is None:
        raise absent()
    check_insight(transaction, principal, find_cycle(transaction, meeting.cycle_id))
    return meeting


@dataclass(frozen=True)
class Papers:
    """What meetings of a cycle are shown with: the voting members, the motions on the agendas that exist for the caller, who is voting."""

    cycle: Cycle
    roll: frozenset[str]
    motions: Mapping[UUID, Motion]
    hidden: frozenset[UUID]
    voting: frozenset[UUID | None]


def show_meetings(transaction: Transaction, principal: Principal, cycle: Cycle, meetings: Collection[Meeting]) -> list[MeetingAnswer]:
    """Give a cycle's meetings without the points about organisations that this caller is recused from."""
    transaction.session.flush()
    hidden = hidden_from(transaction, principal, cycle)
    listed = [motion for meeting in meetings for motion in listed_on(meeting.agenda)]
    motions = {motion.id: motion for motion in transaction.session.scalars(select(Motion).where(Motion.id.in_(listed)))}
    roll = frozenset(seat.person for seat in seats_of(transaction, cycle) if seat.votes)
    unseen = motions.keys() - seen_of(transaction, hidden, listed)
    known = Papers(cycle, roll, motions, frozenset(unseen), voting_in(transaction, meetings))
    return [_shown(transaction, principal, known, meeting) for meeting in meetings]


def _shown(transaction: Transaction, principal: Principal, known: Papers, meeting: Meeting) -> MeetingAnswer:
    agenda = []
    for item in meeting.agenda:
        motion = known.motions[UUID(item["motion"])] if item["motion"] else None
        if motion is None or motion.id not in known.hidden:
            agenda.append(AgendaAnswer(title=item["title"], motion=motion and motion.id, outcome=motion and motion.outcome))
    roll, voting = known.roll, voting_of(known.cycle, parameters_of(known.cycle, transaction.now))
    voters = len(roll & {*meeting.present})
    return MeetingAnswer(
        id=meeting.id,
        version=meeting.version,
        cycle=meeting.cycle_id,
        title=meeting.title,
        place=meeting.place,
        starts_at=meeting.starts_at,
        state=meeting.state,
        agenda=agenda,
        present=meeting.present,
        absent=[AbsenceAnswer.model_validate(one) for one in meeting.absent],
        roll=len(roll),
        voters_present=voters,
        quorum=voting.quorum.needed(len(roll)),
        quorate=passes(lambda: check_meeting_quorum(voters, len(roll), voting)),
        minutes=meeting.minutes,
        ended_at=meeting.ended_at,
        actions=actions_on(transaction, principal, known, meeting),
    )


def passes(check: Callable[[], None]) -> bool:
    """Tell whether a rule lets pass."""
    try:
        check()
    except Refusal:
        return False
    return True


def actions_on(transaction: Transaction, principal: Principal, known: Papers, meeting: Meeting) -> dict[str, Action]:
    """Offer what this caller's role could do with a meeting."""
    here = f"{API}/meetings/{meeting.id}"

    def step(method: str, path: str, action: str) -> Action:
        return offer(transaction, method, f"{here}/{path}", lambda: check_meeting_step(transaction, known.cycle, meeting, action))

    found: dict[str, Action] = {}
    if principal.has_duty("office"):
        found |= {"amend": step("PUT", "agenda", "amend"), "call_off": step("POST", "calling-off", "call_off")}
    if principal.has_duty("office", "chair"):
        found["attend"] = step("PUT", "attendance", "attend")
        found["end"] = offer(transaction, "POST", f"{here}/ending", lambda: check_end(transaction, known.cycle, meeting, known.voting))
    return found


def answer_meeting(transaction: Transaction, principal: Principal, meeting: Meeting) -> MeetingAnswer:
    """Answer with one meeting and its version."""
    transaction.version = meeting.version
    return show_meetings(transaction, principal, find_cycle(transaction, meeting.cycle_id), [meeting])[0]


routes = router("meeting")


@routes.post("/cycles/{cycle_id}/meetings", operation_id="convene_meeting", status_code=201)
def post_meeting(cycle_id: UUID, new: NewMeeting, office: Office, transaction: InTransaction, _dry_run: DryRun) -> MeetingAnswer:
    """Convene a meeting of the committee with its agenda (2.1.2)."""
    return answer_meeting(transaction, office, convene(transaction, cycle_id, new))


@routes.get("/cycles/{cycle_id}/meetings", operation_id="list_meetings")
def list_meetings(
    cycle_id: UUID, insider: Insider, transaction: InTransaction, limit: Limit = 50, cursor: Cursor = None
) -> Page[MeetingAnswer]:
    """List a cycle's meetings in the order they were convened."""
    cycle = find_cycle(transaction, cycle_id)
    check_insight(transaction, insider, cycle)
    found, following = paginate(transaction.session, select(Meeting).where(Meeting.cycle_id == cycle.id), Meeting.id, cursor, limit)
    return Page(items=show_meetings(transaction, insider, cycle, found), next_cursor=following)


@routes.get("/meetings/{meeting_id}", operation_id="get_meeting")
def get_meeting(meeting_id: UUID, insider: Insider, transaction: InTransaction) -> MeetingAnswer:
    """Read a meeting: its agenda, who attends, and whether that is a quorum."""
    return answer_meeting(transaction, insider, find_meeting(transaction, meeting_id, insider))


@routes.put("/meetings/{meeting_id}/agenda", operation_id="amend_agenda")
def put_agenda(meeting_id: UUID, new: Agenda, office: Office, transaction: InTransaction, version: IfMatch) -> MeetingAnswer:
    """Change the agenda of a meeting that has not begun (2.1.2)."""
    return answer_meeting(transaction, office, amend_agenda(transaction, meeting_id, office, version, new))


@routes.put("/meetings/{meeting_id}/attendance", operation_id="note_attendance")
def put_attendance(meeting_id: UUID, new: Attendance, clerk: Clerk, transaction: InTransaction, version: IfMatch) -> MeetingAnswer:
    """Note who attends, which begins the meeting; without a quorum nothing is voted on (5.4.2)."""
    return answer_meeting(transaction, clerk, note_attendance(transaction, meeting_id, clerk, version, new))


@routes.post("/meetings/{meeting_id}/ending", operation_id="end_meeting")
def post_ending(meeting_id: UUID, new: Minutes, clerk: Clerk, transaction: InTransaction, _dry_run: DryRun) -> MeetingAnswer:
    """End a meeting with its minutes (2.1.2)."""
    return answer_meeting(transaction, clerk, end_meeting(transaction, meeting_id, clerk, new))


@routes.post("/meetings/{meeting_id}/calling-off", operation_id="call_meeting_off")
def post_calling_off(meeting_id: UUID, new: CallingOff, office: Office, transaction: InTransaction, _dry_run: DryRun) -> MeetingAnswer:
    """Call a meeting off before it begins (2.1.2)."""
    return answer_meeting(transaction, office, call_off(transaction, meeting_id, office, new))
