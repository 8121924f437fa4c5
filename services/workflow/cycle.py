"""The cycle (评审周期): opened once a year, planned, launched, announced, closed, or cancelled by the committee."""

from collections.abc import Mapping
from datetime import date, datetime
from functools import partial
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from sqlalchemy import func, select, text

from kernel.identity import Office, SignedIn
from kernel.problems import Kind, Problem, absent
from kernel.requests import Check, Cursor, DryRun, IfMatch, InTransaction, Limit, Transaction, check_version, offer, paginate
from kernel.service import API, router
from kernel.wire import Action, Answer, Body, Day, Id, Instant, Line, Page, Words, Yuan
from regulation import edition, launch
from regulation.calendar import day
from regulation.endorsement import bodies
from regulation.launch import check_announcement, check_plan, check_year
from regulation.lifecycle import PHASES
from services.workflow.ballot.use_cases import check_motion_passed
from services.workflow.course import PEERS, check_move, find_cycle, lock_cycle, move, parameters_of, phase_of
from services.workflow.roster import seats_of, supervisors_of
from services.workflow.tables import Announcement, Cycle, Finding, Motion, Notification, Panel, PanelReport, Seat

Milestone = Literal[
    "planned", "rules_approved", "open", "screening", "material_review", "site_review", "oral_defence", "evaluation",
    "deliberation", "public_notice", "approval", "published", "closed",
]  # fmt: skip

ANNOUNCED = Kind(409, "announced_already", "申报通告已经发布", "The announcement was made already")

OFFICE_MOVES: Mapping[str, tuple[str, str]] = {
    "plan": ("PUT", "plan"),
    "draft_rules": ("PUT", "rules"),
    "approve_rules": ("POST", "rules/approval"),
    "set_committee": ("PUT", "committee"),
    "confirm_shortlist": ("POST", "shortlist"),
    "evaluate": ("POST", "evaluation"),
    "confirm_evaluation": ("POST", "evaluation/confirmation"),
    "publish_notice": ("POST", "notices"),
    "end_deliberation": ("POST", "deliberation-end"),
    "approve": ("POST", "approval"),
    "publish": ("POST", "publication"),
    "close": ("POST", "closure"),
    "cancel": ("POST", "cancellation"),
}
"""What the office may do with a cycle as a whole, by request; launch and announcement have checks of their own."""
NEXT: Mapping[str, str] = {
    "planned": "approve_rules",
    "rules_approved": "launch",
    "open": "announce",
    "material_review": "confirm_shortlist",
    "site_review": "evaluate",
    "evaluation": "confirm_evaluation",
    "deliberation": "publish_notice",
    "public_notice": "approve",
    "approval": "publish",
    "published": "close",
}


class NewCycle(Body):
    """A year to open; the edition is the deployment's where it is left out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"year": 2026}]})

    year: Annotated[int, Field(ge=2000, le=2200)]
    edition: Annotated[str, Line(60)] | None = None


class Window(Body):
    """The half-open window [opens, closes) in which applications are filed."""

    opens: Instant
    closes: Instant

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.opens >= self.closes:
            raise ValueError("the window closes after it opens")
        return self


class Plan(Body):
    """The annual plan (2.2.1): by which day each phase begins, the window for applications, and the year's budget in yuan."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "milestones": {"open": "2026-03-01", "screening": "2026-04-01", "public_notice": "2026-09-01"},
                    "window": {"opens": "2026-03-01T00:00:00+08:00", "closes": "2026-04-01T00:00:00+08:00"},
                    "budget_yuan": 2500000,
                }
            ]
        }
    )

    milestones: dict[Milestone, Day]
    window: Window
    budget_yuan: Yuan


class NewAnnouncement(Body):
    """The announcement (5.1): when, in which district medium, its text; the window is the plan's unless another is announced."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"announced_on": "2026-02-20", "medium": "金东新闻", "text": "2026年度区政府质量奖申报工作启动。"}]}
    )

    announced_on: Day
    medium: Annotated[str, Line(120)]
    text: Annotated[str, Words(20_000)]
    window: Window | None = None


class MotionReference(Body):
    """The motion of the committee that this rests on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"motion": "01975f2e-8a6b-7cde-8f01-23456789abcd"}]})

    motion: Id


class Dashboard(Answer):
    """What stands before the cycle's next step."""

    next: Action | None
    open_findings: int
    open_motions: int
    panels_without_report: list[str]
    milestones_overdue: list[str]
    budget_yuan: int | None


class CycleAnswer(Answer):
    """A cycle; `phase` is the one it is in now, the dashboard is for those who run and watch it."""

    id: UUID
    version: int
    year: int
    edition: str
    phase: str
    milestones: dict[str, date]
    window_opens: datetime | None
    window_closes: datetime | None
    opens: datetime | None
    closes: datetime | None
    rules_hash: str | None
    launched_on: date | None
    rubric: str
    dashboard: Dashboard | None
    actions: dict[str, Action]


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


def plan_of(cycle: Cycle) -> dict[str, date]:
    """Give the plan's milestones."""
    return {phase: date.fromisoformat(on) for phase, on in cycle.milestones.items()}


def open_cycle(transaction: Transaction, new: NewCycle) -> Cycle:
    """Open a year (1.5); one at a time, so that two can't take the same."""
    name = new.edition or transaction.service.settings.edition
    p = edition.load(name).parameters(day(transaction.now))
    transaction.session.execute(text("select pg_advisory_xact_lock(hashtext('cycle.year'))"))
    check_year(new.year, transaction.session.scalars(select(Cycle.year).where(Cycle.phase != "cancelled")).all(), p)
    cycle = Cycle(year=new.year, edition=name, phase="planned", version=1, milestones={})
    transaction.session.add(cycle)
    transaction.session.flush()
    transaction.record("cycle.opened", f"cycle:{cycle.id}", clause="1.5", facts={"year": new.year, "edition": name})
    return cycle


def plan_cycle(transaction: Transaction, cycle_id: UUID, version: int, plan: Plan) -> Cycle:
    """Set the annual plan (2.2.1)."""
    cycle = lock_cycle(transaction, cycle_id)
    check_version(version, cycle.version)
    milestones = {str(phase): on for phase, on in plan.milestones.items()}
    check_plan(milestones)
    cycle.milestones = {phase: on.isoformat() for phase, on in milestones.items()}
    cycle.window_opens, cycle.window_closes, cycle.budget_yuan = plan.window.opens, plan.window.closes, plan.budget_yuan
    move(transaction, cycle, "plan", kind="cycle.planned", facts=plan.model_dump(mode="json"), tell=())
    return cycle


def check_launchable(transaction: Transaction, cycle: Cycle) -> None:
    """Refuse a launch without adopted rules, a plan, a proper committee, a supervision group, or out of its phase."""
    launch.check_launch(
        rules_adopted=cycle.rules_hash is not None,
        supervisors=len(supervisors_of(transaction, cycle)),
        roster=seats_of(transaction, cycle),
        plan=plan_of(cycle),
        p=parameters_of(cycle, transaction.now),
    )
    check_move(transaction, cycle, "launch")


def launch_cycle(transaction: Transaction, cycle_id: UUID) -> Cycle:
    """Launch: from here on the edition, the rubric and the rules are fixed, and the peers know the cycle."""
    cycle = lock_cycle(transaction, cycle_id)
    check_launchable(transaction, cycle)
    cycle.launched_on = day(transaction.now)
    facts = {
        "year": cycle.year,
        "edition": cycle.edition,
        "rubric": parameters_of(cycle, transaction.now).rubric,
        "rules": cycle.rules,
        "rules_hash": cycle.rules_hash,
        "launched_on": cycle.launched_on.isoformat(),
    }
    move(transaction, cycle, "launch", kind="cycle.launched", facts=facts)
    return cycle


def check_announceable(transaction: Transaction, cycle: Cycle) -> None:
    """Refuse a second announcement, or one out of its phase (5.1)."""
    check_move(transaction, cycle, "announce")
    if cycle.opens is not None:
        raise Problem(ANNOUNCED)


def announce_cycle(transaction: Transaction, cycle_id: UUID, new: NewAnnouncement) -> Cycle:
    """Announce the cycle, which opens the window and sends every endorsing body and committee member's unit its notice (5.1)."""
    cycle = lock_cycle(transaction, cycle_id)
    check_announceable(transaction, cycle)
    opens = new.window.opens if new.window else cycle.window_opens
    closes = new.window.closes if new.window else cycle.window_closes
    assert opens is not None  # noqa: S101 - no launch without a plan, and a plan has its window
    assert closes is not None  # noqa: S101 - same
    units = transaction.session.scalars(select(Seat.unit).where(Seat.cycle_id == cycle.id).distinct().order_by(Seat.unit))
    notices = [Notification(kind="body", code=body.code, recipient=body.zh) for body in bodies(cycle.edition).values()]
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


def close_cycle(transaction: Transaction, cycle_id: UUID) -> Cycle:
    """End the cycle: panels, their members' access and the supervision group end with it (2.3.end, 7.1)."""
    cycle = lock_cycle(transaction, cycle_id)
    move(transaction, cycle, "close", kind="cycle.closed")
    return cycle


def cancel_cycle(transaction: Transaction, cycle_id: UUID, motion_id: UUID) -> Cycle:
    """Cancel a mistaken cycle by the committee's motion, which frees its year (1.5)."""
    cycle = lock_cycle(transaction, cycle_id)
    check_move(transaction, cycle, "cancel")
    motion = check_motion_passed(transaction, cycle, motion_id, "cancellation")
    told = PEERS if cycle.launched_on else ()
    move(transaction, cycle, "cancel", facts={"motion": str(motion.id)}, tell=told)
    return cycle


def actions_on(transaction: Transaction, cycle: Cycle) -> dict[str, Action]:
    """Offer what this caller's role could do with the cycle as a whole."""
    caller = transaction.actor
    assert caller is not None  # noqa: S101 - the route admits the signed-in only
    here = f"{API}/cycles/{cycle.id}"
    found: dict[str, Action] = {}
    if caller.has_duty("office"):
        checks: dict[str, tuple[str, str, Check]] = {
            name: (method, path, partial(check_move, transaction, cycle, name)) for name, (method, path) in OFFICE_MOVES.items()
        }
        checks["launch"] = ("POST", "launch", partial(check_launchable, transaction, cycle))
        checks["announce"] = ("POST", "announcement", partial(check_announceable, transaction, cycle))
        found = {name: offer(transaction, method, f"{here}/{path}", check) for name, (method, path, check) in checks.items()}
    if caller.has_duty("chair"):
        found["set_supervision_group"] = offer(
            transaction, "PUT", f"{here}/supervision-group", lambda: check_move(transaction, cycle, "set_supervision_group")
        )
    return found


def dashboard_of(transaction: Transaction, cycle: Cycle, actions: Mapping[str, Action]) -> Dashboard:
    """Tell what blocks the next step."""
    session, now = transaction.session, transaction.now
    phase = phase_of(cycle, now)
    stage = {"material_review": "material", "site_review": "site"}.get(phase)
    reported = select(PanelReport.panel_id).where(PanelReport.cycle_id == cycle.id, PanelReport.stage == stage)
    missing = select(Panel.name).where(Panel.cycle_id == cycle.id, Panel.id.not_in(reported)).order_by(Panel.name)
    findings = select(func.count()).select_from(Finding).where(Finding.cycle_id == cycle.id, Finding.answered_at.is_(None))
    motions = select(func.count()).select_from(Motion).where(Motion.cycle_id == cycle.id, Motion.state != "decided")
    order = list(PHASES)
    passed = order[: order.index(phase) + 1] if phase in order else order
    return Dashboard(
        next=actions.get(NEXT.get(phase, "")),
        open_findings=session.scalar(findings) or 0,
        open_motions=session.scalar(motions) or 0,
        panels_without_report=list(session.scalars(missing)) if stage else [],
        milestones_overdue=[name for name, on in plan_of(cycle).items() if on < day(now) and name not in passed],
        budget_yuan=cycle.budget_yuan,
    )


def show_cycle(transaction: Transaction, cycle: Cycle) -> CycleAnswer:
    """Give a cycle as this caller sees it."""
    caller = transaction.actor
    actions = actions_on(transaction, cycle)
    watches = caller is not None and caller.role in {"committee", "supervisor"}
    return CycleAnswer(
        id=cycle.id,
        version=cycle.version,
        year=cycle.year,
        edition=cycle.edition,
        phase=phase_of(cycle, transaction.now),
        milestones=plan_of(cycle),
        window_opens=cycle.window_opens,
        window_closes=cycle.window_closes,
        opens=cycle.opens,
        closes=cycle.closes,
        rules_hash=cycle.rules_hash,
        launched_on=cycle.launched_on,
        rubric=parameters_of(cycle, transaction.now).rubric,
        dashboard=dashboard_of(transaction, cycle, actions) if watches else None,
        actions=actions,
    )


def answer_cycle(transaction: Transaction, cycle: Cycle) -> CycleAnswer:
    """Answer with one cycle and its version."""
    transaction.version = cycle.version
    transaction.session.flush()
    return show_cycle(transaction, cycle)


routes = router("cycle")


@routes.post("/cycles", operation_id="open_cycle", status_code=201)
def post_cycle(new: NewCycle, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> CycleAnswer:
    """Open a year's cycle (1.5)."""
    return answer_cycle(transaction, open_cycle(transaction, new))


@routes.get("/cycles", operation_id="list_cycles")
def list_cycles(_person: SignedIn, transaction: InTransaction, limit: Limit = 50, cursor: Cursor = None) -> Page[CycleAnswer]:
    """List the cycles, in the order they were opened."""
    found, following = paginate(transaction.session, select(Cycle), Cycle.id, cursor, limit)
    return Page(items=[show_cycle(transaction, cycle) for cycle in found], next_cursor=following)


@routes.get("/cycles/{cycle_id}", operation_id="get_cycle")
def get_cycle(cycle_id: UUID, _person: SignedIn, transaction: InTransaction) -> CycleAnswer:
    """Read a cycle, its phase now, and what blocks its next step."""
    return answer_cycle(transaction, find_cycle(transaction, cycle_id))


@routes.put("/cycles/{cycle_id}/plan", operation_id="set_plan")
def put_plan(cycle_id: UUID, plan: Plan, _office: Office, transaction: InTransaction, version: IfMatch) -> CycleAnswer:
    """Set the annual plan (2.2.1)."""
    return answer_cycle(transaction, plan_cycle(transaction, cycle_id, version, plan))


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


@routes.post("/cycles/{cycle_id}/closure", operation_id="close_cycle")
def post_closure(cycle_id: UUID, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> CycleAnswer:
    """Close a published cycle: panels dissolve and all their access ends (2.3.end)."""
    return answer_cycle(transaction, close_cycle(transaction, cycle_id))


@routes.post("/cycles/{cycle_id}/cancellation", operation_id="cancel_cycle")
def post_cancellation(
    cycle_id: UUID, reference: MotionReference, _office: Office, transaction: InTransaction, _dry_run: DryRun
) -> CycleAnswer:
    """Cancel a cycle by the committee's motion (1.5)."""
    return answer_cycle(transaction, cancel_cycle(transaction, cycle_id, reference.motion))
