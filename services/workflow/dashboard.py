"""A cycle as its readers see it: its phase now, what the caller could do, and what blocks its next step."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import partial
from uuid import UUID

from sqlalchemy import func, select

from kernel.problems import Kind, Problem
from kernel.requests import Transaction, offer, why_not
from kernel.service import API
from kernel.wire import Action, Answer, Why
from regulation import lifecycle
from regulation.calendar import day, midnight
from regulation.launch import check_launch
from regulation.lifecycle import PHASES
from services.workflow.approval import check_approve
from services.workflow.ballot.papers import seen_motions
from services.workflow.course import ENDED, check_move, has_insight, hidden_from_caller, parameters_of, phase_of, plan_of
from services.workflow.defence import check_hear
from services.workflow.evaluation import check_confirm_evaluation, check_evaluate
from services.workflow.notice import check_end, check_publish, end_of_notice
from services.workflow.roster import seats_of, supervisors_of
from services.workflow.shortlist import check_confirm
from services.workflow.tables import Cycle, Finding, Motion, Panel, PanelReport
from services.workflow.tasks import next_step, office_tasks, others_due

ANNOUNCED = Kind(409, "announced_already", "申报通告已经发布", "The announcement was made already")


class Waiting(Answer):
    """Somebody the cycle waits for: `who` is the office, or a person's id; what is to be done, by which clause, until when, and where."""

    who: str
    what: str
    clause: str | None
    due: datetime | None
    overdue: bool
    href: str


class NoticeForeseen(Answer):
    """The public notice as planned: when it would end, or why that can't be said, as in a year whose holidays are not published yet."""

    published_on: date
    ends_at: datetime | None
    why: Why | None


class Dashboard(Answer):
    """What stands before the cycle's next step (`next.why` says what blocks it), who must act, and what is overdue."""

    next: Action | None
    waits_for: list[Waiting]
    open_findings: int
    open_motions: int
    panels_without_report: list[str]
    milestones_overdue: list[str]
    notice_foreseen: NoticeForeseen | None
    budget_yuan: int | None


class CycleSummary(Answer):
    """A cycle; `phase` is the one it is in now."""

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


class CycleAnswer(CycleSummary):
    """A cycle with what the caller could do; the dashboard is for those who run and watch it."""

    dashboard: Dashboard | None
    actions: dict[str, Action]


def check_launchable(transaction: Transaction, cycle: Cycle) -> None:
    """Refuse a launch without adopted rules, a plan, a proper committee, a supervision group, or out of its phase."""
    check_launch(
        rules_adopted=cycle.rules_hash is not None,
        supervisors=len(supervisors_of(transaction, cycle)),
        roster=seats_of(transaction, cycle),
        plan=plan_of(cycle),
        p=parameters_of(cycle, transaction.now),
    )
    check_move(transaction, cycle, "launch")


def check_announceable(transaction: Transaction, cycle: Cycle) -> None:
    """Refuse a second announcement, or one out of its phase (5.1)."""
    check_move(transaction, cycle, "announce")
    if cycle.opens is not None:
        raise Problem(ANNOUNCED)


def check_convene(transaction: Transaction, cycle: Cycle) -> None:
    """Refuse a meeting once the cycle's results are published (2.1.2)."""
    lifecycle.step(lifecycle.MEETING, "new", "convene", phase_of(cycle, transaction.now))


CycleCheck = Callable[[Transaction, Cycle], object]


def moving(action: str) -> CycleCheck:
    """Ask whether the cycle is in the phase for an action, and no finding holds it."""
    return lambda transaction, cycle: check_move(transaction, cycle, action)


OFFICE_ACTIONS: Mapping[str, tuple[str, str, CycleCheck]] = {
    "plan": ("PUT", "plan", moving("plan")),
    "draft_rules": ("PUT", "rules", moving("draft_rules")),
    "approve_rules": ("POST", "rules/approval", moving("approve_rules")),
    "set_committee": ("PUT", "committee", moving("set_committee")),
    "launch": ("POST", "launch", check_launchable),
    "announce": ("POST", "announcement", check_announceable),
    "confirm_shortlist": ("POST", "shortlist", check_confirm),
    "hear_defences": ("POST", "defences", check_hear),
    "evaluate": ("POST", "evaluation", check_evaluate),
    "confirm_evaluation": ("POST", "evaluation/confirmation", check_confirm_evaluation),
    "publish_notice": ("POST", "notices", check_publish),
    "end_deliberation": ("POST", "deliberation-end", check_end),
    "approve": ("POST", "approval", check_approve),
    "publish": ("POST", "publication", moving("publish")),
    "close": ("POST", "closure", moving("close")),
    "reopen": ("POST", "reopening", moving("reopen")),
    "convene": ("POST", "meetings", check_convene),
    "cancel": ("POST", "cancellation", moving("cancel")),
}
"""What the office may do with a cycle as a whole: by which request, and the check that the command asks first."""


def actions_on(transaction: Transaction, cycle: Cycle) -> dict[str, Action]:
    """Offer what this caller's role could do with the cycle as a whole."""
    caller = transaction.actor
    assert caller is not None  # noqa: S101 - the route admits the signed-in only
    here = f"{API}/cycles/{cycle.id}"
    found: dict[str, Action] = {}
    if caller.has_duty("office"):
        found = {
            name: offer(transaction, method, f"{here}/{path}", partial(check, transaction, cycle))
            for name, (method, path, check) in OFFICE_ACTIONS.items()
            if name != "hear_defences" or parameters_of(cycle, transaction.now).oral_defence
        }
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
    motions = motions.where(Motion.id.in_(seen_motions(hidden_from_caller(transaction, cycle))))
    passed = PHASES[: PHASES.index(phase) + 1] if phase in PHASES else PHASES
    step = next_step(transaction, cycle)
    return Dashboard(
        next=actions.get(step.action) if step else None,
        waits_for=waiting_in(transaction, cycle),
        open_findings=session.scalar(findings) or 0,
        open_motions=session.scalar(motions) or 0,
        panels_without_report=list(session.scalars(missing)) if stage else [],
        milestones_overdue=[name for name, on in plan_of(cycle).items() if on < day(now) and name not in passed],
        notice_foreseen=notice_foreseen(transaction, cycle, phase),
        budget_yuan=cycle.budget_yuan,
    )


def notice_foreseen(transaction: Transaction, cycle: Cycle, phase: str) -> NoticeForeseen | None:
    """Count the planned notice's days as the rules say (5.4.2); None without a plan for it, without rules, or once it is due."""
    on = plan_of(cycle).get("public_notice")
    if on is None or cycle.rules is None or phase not in PHASES[: PHASES.index("public_notice")]:
        return None
    count = partial(end_of_notice, cycle, parameters_of(cycle, transaction.now), midnight(on))
    why = why_not(transaction, count)
    return NoticeForeseen(published_on=on, ends_at=None if why else count(), why=why)


def waiting_in(transaction: Transaction, cycle: Cycle) -> list[Waiting]:
    """List whom the cycle waits for: the very tasks that those people are shown, as far as this caller may know of them."""
    caller = transaction.actor
    assert caller is not None  # noqa: S101 - the route admits the signed-in only
    owed = [("office", task) for task in office_tasks(transaction, cycle, caller)] + list(others_due(transaction, cycle, caller))
    return [
        Waiting(
            who=who,
            what=task.title,
            clause=task.clause,
            due=task.due,
            overdue=task.due is not None and task.due < transaction.now,
            href=task.href,
        )
        for who, task in owed
        if cycle.phase not in ENDED
    ]


def summary(transaction: Transaction, cycle: Cycle) -> CycleSummary:
    """Give what a list shows of a cycle."""
    return CycleSummary(
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
    )


def show_cycle(transaction: Transaction, cycle: Cycle) -> CycleAnswer:
    """Give a cycle as this caller sees it."""
    caller = transaction.actor
    actions = actions_on(transaction, cycle)
    watches = caller is not None and has_insight(transaction, caller, cycle)
    dashboard = dashboard_of(transaction, cycle, actions) if watches else None
    return CycleAnswer(**summary(transaction, cycle).model_dump(), dashboard=dashboard, actions=actions)


def answer_cycle(transaction: Transaction, cycle: Cycle) -> CycleAnswer:
    """Answer with one cycle and its version."""
    transaction.version = cycle.version
    transaction.session.flush()
    return show_cycle(transaction, cycle)
