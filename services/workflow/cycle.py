"""The cycle (评审周期): opened once a year, planned, launched, announced, closed, or cancelled by the committee."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field
from sqlalchemy import select, text

from kernel.identity import Office, SignedIn
from kernel.requests import Cursor, DryRun, IfMatch, InTransaction, Limit, Transaction, check_version, paginate
from kernel.service import router
from kernel.wire import Body, Day, Id, Line, Page, Yuan
from regulation import edition
from regulation.calendar import day
from regulation.launch import check_plan, check_year
from services.workflow.award import drop_proposed_awards
from services.workflow.ballot.use_cases import check_motion_passed
from services.workflow.course import PEERS, check_move, find_cycle, lock_cycle, move
from services.workflow.dashboard import CycleAnswer, CycleSummary, answer_cycle, summary
from services.workflow.launch import Window
from services.workflow.tables import Cycle

Milestone = Literal[
    "planned", "rules_approved", "open", "screening", "material_review", "site_review", "oral_defence", "evaluation",
    "deliberation", "public_notice", "approval", "published", "closed",
]  # fmt: skip


class NewCycle(Body):
    """A year to open; the edition is the deployment's where it is left out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"year": 2026}]})

    year: Annotated[int, Field(ge=2000, le=2200)]
    edition: Annotated[str, Line(60)] | None = None


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


class MotionReference(Body):
    """The motion of the committee that this rests on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"motion": "01975f2e-8a6b-7cde-8f01-23456789abcd"}]})

    motion: Id


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
    drop_proposed_awards(transaction, cycle)
    move(transaction, cycle, "cancel", facts={"motion": str(motion.id)}, tell=told)
    return cycle


routes = router("cycle")


@routes.post("/cycles", operation_id="open_cycle", status_code=201)
def post_cycle(new: NewCycle, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> CycleAnswer:
    """Open a year's cycle (1.5)."""
    return answer_cycle(transaction, open_cycle(transaction, new))


@routes.get("/cycles", operation_id="list_cycles")
def list_cycles(_person: SignedIn, transaction: InTransaction, limit: Limit = 50, cursor: Cursor = None) -> Page[CycleSummary]:
    """List the cycles, in the order they were opened; what could be done with one, it tells itself."""
    found, following = paginate(transaction.session, select(Cycle), Cycle.id, cursor, limit)
    return Page(items=[summary(transaction, cycle) for cycle in found], next_cursor=following)


@routes.get("/cycles/{cycle_id}", operation_id="get_cycle")
def get_cycle(cycle_id: UUID, _person: SignedIn, transaction: InTransaction) -> CycleAnswer:
    """Read a cycle, its phase now, and what blocks its next step."""
    return answer_cycle(transaction, find_cycle(transaction, cycle_id))


@routes.put("/cycles/{cycle_id}/plan", operation_id="set_plan")
def put_plan(cycle_id: UUID, plan: Plan, _office: Office, transaction: InTransaction, version: IfMatch) -> CycleAnswer:
    """Set the annual plan (2.2.1)."""
    return answer_cycle(transaction, plan_cycle(transaction, cycle_id, version, plan))


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
