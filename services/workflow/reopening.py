"""What the committee takes back: a cycle's last step, reopened (2.1.2), and a name that stands before the public, removed (5.4.2)."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import select

from kernel.identity import Office
from kernel.problems import Kind, Problem, absent
from kernel.requests import Cursor, DryRun, InTransaction, Limit, Transaction, paginate
from kernel.service import router
from kernel.wire import Answer, Page
from regulation.ballot import check_reopening
from services.workflow.ballot.use_cases import check_motion_passed, winners_motions
from services.workflow.course import check_insight, check_move, find_cycle, lock_cycle, move
from services.workflow.cycle import MotionReference
from services.workflow.notice import NoticeAnswer, let_fall, show_notice, standing_names
from services.workflow.stage import Insider, contenders, set_stage
from services.workflow.tables import Cycle, Defence, Evaluation, Notice, NoticeName, Reopening, Shortlist

REOPENED_ALREADY = Kind(409, "reopened_already", "该议案已执行", "What that motion decided has been done")
OTHER_STEP = Kind(409, "reopening_of_another_step", "该议案表决的是退回另一环节", "That motion reopens another step")


class ReopeningAnswer(Answer):
    """A step taken back: the phase left and the one entered."""

    motion: UUID
    cycle: UUID
    left: str
    entered: str
    at: datetime


def check_reopen(transaction: Transaction, cycle: Cycle) -> None:
    """Refuse to take a step back in the wrong phase, or once the committee was asked to vote on winners (2.1.2)."""
    check_move(transaction, cycle, "reopen")
    check_reopening(winners_motions(transaction, cycle))


def reopen(transaction: Transaction, cycle_id: UUID, motion_id: UUID) -> Reopening:
    """Take the cycle's last step back by the committee's motion; what it had settled is kept with the reopening and settled anew."""
    cycle = lock_cycle(transaction, cycle_id)
    motion = check_motion_passed(transaction, cycle, motion_id, "reopening")
    if transaction.session.get(Reopening, motion.id) is not None:
        raise Problem(REOPENED_ALREADY)
    check_reopen(transaction, cycle)
    left = cycle.phase
    if motion.subject["from"] != left:
        raise Problem(OTHER_STEP)
    undone = {
        "site_review": undo_shortlist,
        "oral_defence": undo_defences,
        "evaluation": undo_evaluation,
        "deliberation": undo_confirmation,
    }[left](transaction, cycle)
    move(transaction, cycle, "reopen", facts={"motion": str(motion.id), "reasons": motion.text, "undone": undone})
    made = Reopening(motion_id=motion.id, cycle_id=cycle.id, left=left, entered=cycle.phase, undone=undone, at=transaction.now)
    transaction.session.add(made)
    return made


def undo_shortlist(transaction: Transaction, cycle: Cycle) -> dict[str, Any]:
    """Take the shortlist back: everybody is eligible again."""
    shortlist = transaction.session.get_one(Shortlist, cycle.id)
    undone = {"shortlist": shortlist.applications, "reasons": shortlist.reasons}
    transaction.session.delete(shortlist)
    for contender in contenders(transaction, cycle, "shortlisted", "not_shortlisted").values():
        set_stage(transaction, contender, "eligible", "2.1.2")
    return undone


def undo_defences(transaction: Transaction, cycle: Cycle) -> dict[str, Any]:
    """Take the record of the defences back: the site reports may be revised, and the defences are heard anew."""
    made = transaction.session.get_one(Defence, cycle.id)
    undone = {"held_on": made.held_on.isoformat(), "place": made.place, "heard": made.heard}
    transaction.session.delete(made)
    return undone


def undo_evaluation(transaction: Transaction, cycle: Cycle) -> dict[str, Any]:
    """Take the computed report back: the site reports may be revised."""
    evaluation = transaction.session.get_one(Evaluation, cycle.id)
    undone = {"report": evaluation.report}
    transaction.session.delete(evaluation)
    for contender in contenders(transaction, cycle, "shortlisted").values():
        contender.score_numerator = contender.score_denominator = None
    return undone


def undo_confirmation(transaction: Transaction, cycle: Cycle) -> dict[str, Any]:
    """Take the candidates back that were reported to the committee: the office confirms them anew."""
    evaluation = transaction.session.get_one(Evaluation, cycle.id)
    undone = {"candidates": evaluation.candidates, "reasons": evaluation.reasons}
    evaluation.candidates, evaluation.reasons, evaluation.confirmed_at = None, {}, None
    for contender in contenders(transaction, cycle, "candidate", "not_candidate").values():
        contender.candidate_for = None
        set_stage(transaction, contender, "shortlisted", "2.1.2")
    return undone


UNDO: Mapping[str, Callable[[Transaction, Cycle], dict[str, Any]]] = MappingProxyType(
    {"site_review": undo_shortlist, "oral_defence": undo_defences, "evaluation": undo_evaluation, "deliberation": undo_confirmation}
)
"""How what a step had settled is taken back, by the phase that is left; gives it as it stood."""


def remove_name(transaction: Transaction, cycle_id: UUID, motion_id: UUID) -> Notice:
    """Let a name fall that the committee voted to remove (5.4.2)."""
    cycle = lock_cycle(transaction, cycle_id)
    motion = check_motion_passed(transaction, cycle, motion_id, "removal")
    found = [name for name in standing_names(transaction, cycle) if str(name.application) == motion.subject["application"]]
    if not found or (motion.opened_at or transaction.now) < published_at(transaction, found[0]):
        raise absent()
    check_move(transaction, cycle, "remove_name")
    let_fall(transaction, cycle, found[0], "5.4.2")
    return transaction.session.get_one(Notice, found[0].notice_id)


def published_at(transaction: Transaction, name: NoticeName) -> datetime:
    """Tell since when a name stands before the public: a motion on an earlier notice of the same name removes no later one."""
    return transaction.session.get_one(Notice, name.notice_id).published_at


def show_reopening(made: Reopening) -> ReopeningAnswer:
    """Give a reopening."""
    return ReopeningAnswer(motion=made.motion_id, cycle=made.cycle_id, left=made.left, entered=made.entered, at=made.at)


routes = router("reopening")


@routes.post("/cycles/{cycle_id}/reopening", operation_id="reopen_step", status_code=201)
def post_reopening(
    cycle_id: UUID, reference: MotionReference, _office: Office, transaction: InTransaction, _dry_run: DryRun
) -> ReopeningAnswer:
    """Take the cycle's last step back, by the committee's motion (2.1.2)."""
    return show_reopening(reopen(transaction, cycle_id, reference.motion))


@routes.get("/cycles/{cycle_id}/reopenings", operation_id="list_reopenings")
def list_reopenings(
    cycle_id: UUID, insider: Insider, transaction: InTransaction, limit: Limit = 50, cursor: Cursor = None
) -> Page[ReopeningAnswer]:
    """List the steps that were taken back."""
    cycle = find_cycle(transaction, cycle_id)
    check_insight(transaction, insider, cycle)
    statement = select(Reopening).where(Reopening.cycle_id == cycle.id)
    found, following = paginate(transaction.session, statement, Reopening.motion_id, cursor, limit)
    return Page(items=[show_reopening(made) for made in found], next_cursor=following)


@routes.post("/cycles/{cycle_id}/removals", operation_id="remove_name", status_code=201)
def post_removal(cycle_id: UUID, reference: MotionReference, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> NoticeAnswer:
    """Remove a name from its notice, by the committee's motion; its seat is free for a substitute (5.4.2)."""
    notice = remove_name(transaction, cycle_id, reference.motion)
    return show_notice(transaction, find_cycle(transaction, cycle_id), notice)
