"""Where motions are served."""

from collections.abc import Collection, Sequence
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body as FromBody
from sqlalchemy import func, select

from kernel.identity import Office, Principal, roles
from kernel.requests import Cursor, DryRun, InTransaction, Limit, Transaction, offer, paginate
from kernel.service import API, router
from kernel.wire import Action, Page
from services.workflow.ballot.papers import Papers, papers, seen_motions, visible_ballots
from services.workflow.ballot.proposal import propose_motion
from services.workflow.ballot.schemas import (
    MOTION_EXAMPLES,
    BallotAnswer,
    MemberRecusal,
    MotionAnswer,
    MotionClosing,
    NewMotion,
    NewVote,
    TallyAnswer,
    VoteAnswer,
)
from services.workflow.ballot.use_cases import (
    cast_vote,
    check_may_vote,
    check_motion_step,
    close_motion,
    find_motion,
    not_voted,
    open_motion,
    recuse_member,
)
from services.workflow.course import check_insight, find_cycle, has_undertaken, hidden_from
from services.workflow.stage import Insider
from services.workflow.tables import Ballot, Contender, Cycle, Motion, Vote

Clerk = Annotated[Principal, roles("committee", duties=("office", "chair"))]
"""Who opens and closes a vote."""
Member = Annotated[Principal, roles("committee")]


def show_ballot(transaction: Transaction, motion: Motion, ballot: Ballot, votes: Sequence[Vote]) -> BallotAnswer:
    """Give a ballot: every vote once it is closed, before that the caller's own alone."""
    caller = transaction.actor
    contender = transaction.session.get(Contender, ballot.application) if ballot.application else None
    closed = motion.state == "decided"
    tally: dict[str, Any] = ballot.tally or {}
    return BallotAnswer(
        application=ballot.application,
        award=ballot.award,
        organisation=contender.organisation if contender else None,
        recused=ballot.recused,
        quorum=tally.get("quorum"),
        voted=len(votes),
        not_voted=not_voted(motion, ballot, votes) if closed else [],
        votes=[VoteAnswer.model_validate(vote) for vote in votes if closed or (caller and vote.person == caller.person)],
        tally=TallyAnswer(**tally) if closed else None,
        outcome=ballot.outcome,
        won=ballot.won,
    )


def actions_on(transaction: Transaction, known: Papers, motion: Motion, ballots: list[Ballot]) -> dict[str, Action]:
    """Offer what this caller's role could do with a motion."""
    caller = transaction.actor
    assert caller is not None  # noqa: S101 - the routes admit the signed-in only
    here = f"{API}/motions/{motion.id}"

    def step(action: str, path: str) -> Action:
        return offer(transaction, "POST", f"{here}/{path}", lambda: check_motion_step(transaction, known.cycle, motion, action))

    found: dict[str, Action] = {}
    if caller.role == "committee":
        found["recuse"] = step("recuse", "recusals")
    if caller.has_duty("office", "chair"):
        found |= {"open": step("open", "opening"), "close": step("close", "closing")}
    if caller.has_duty("chair", "vice_chair", "member"):
        for ballot in ballots:
            name = f"vote:{ballot.application}" if ballot.application else "vote"
            check = partial(check_may_vote, transaction, caller, known, motion, ballot)
            found[name] = offer(transaction, "POST", f"{here}/ballots", check)
    return found


def show_motions(transaction: Transaction, cycle: Cycle, motions: Collection[Motion]) -> list[MotionAnswer]:
    """Give a cycle's motions as this caller sees them: without the names they are recused from."""
    caller = transaction.actor
    assert caller is not None  # noqa: S101 - the routes admit the signed-in only
    known = papers(transaction, caller, cycle, motions)
    return [_shown(transaction, known, motion) for motion in motions]


def _shown(transaction: Transaction, known: Papers, motion: Motion) -> MotionAnswer:
    ballots = visible_ballots(known, motion)
    return MotionAnswer(
        id=motion.id,
        version=motion.version,
        cycle=motion.cycle_id,
        kind=motion.kind,
        title=motion.title,
        text=motion.text,
        subject=motion.subject,
        state=motion.state,
        outcome=motion.outcome,
        meeting=motion.meeting_id,
        secret=motion.secret,
        roll=motion.roll,
        proposed_at=motion.proposed_at,
        opened_at=motion.opened_at,
        closed_at=motion.closed_at,
        closing_reason=motion.closing_reason,
        ballots=[show_ballot(transaction, motion, ballot, known.votes[ballot.id]) for ballot in ballots],
        actions=actions_on(transaction, known, motion, ballots),
    )


def answer_motion(transaction: Transaction, motion: Motion) -> MotionAnswer:
    """Answer with one motion and its version."""
    transaction.session.flush()
    transaction.version = motion.version
    return show_motions(transaction, find_cycle(transaction, motion.cycle_id), [motion])[0]


routes = router("ballot")


@routes.post("/cycles/{cycle_id}/motions", operation_id="propose_motion", status_code=201)
def post_motion(
    cycle_id: UUID,
    new: Annotated[NewMotion, FromBody(openapi_examples=dict(MOTION_EXAMPLES))],
    _office: Office,
    transaction: InTransaction,
    _dry_run: DryRun,
) -> MotionAnswer:
    """Put a motion before the committee (2.1.1, 2.1.2, 2.1.3, 5.4.2)."""
    return answer_motion(transaction, propose_motion(transaction, cycle_id, new))


@routes.get("/cycles/{cycle_id}/motions", operation_id="list_motions")
def list_motions(
    cycle_id: UUID, insider: Insider, transaction: InTransaction, limit: Limit = 50, cursor: Cursor = None
) -> Page[MotionAnswer]:
    """List a cycle's motions in the order they were proposed: without those about organisations the caller is recused from (2.4.5).

    Those about any organisation are for those who have given the undertaking (7.6).
    """
    cycle = find_cycle(transaction, cycle_id)
    check_insight(transaction, insider, cycle)
    seen = seen_motions(hidden_from(transaction, insider, cycle))
    if not has_undertaken(transaction, insider, cycle):
        named = Motion.subject["credit_codes"].as_string()
        seen = seen.where(Ballot.credit_code.is_(None), func.coalesce(named, "[]") == "[]")
    statement = select(Motion).where(Motion.cycle_id == cycle.id, Motion.id.in_(seen))
    found, following = paginate(transaction.session, statement, Motion.id, cursor, limit)
    return Page(items=show_motions(transaction, cycle, found), next_cursor=following)


@routes.get("/motions/{motion_id}", operation_id="get_motion")
def get_motion(motion_id: UUID, insider: Insider, transaction: InTransaction) -> MotionAnswer:
    """Read a motion: who voted what once a named ballot is closed, before that only one's own vote."""
    cycle, motion = find_motion(transaction, motion_id)
    check_insight(transaction, insider, cycle)
    return answer_motion(transaction, motion)


@routes.post("/motions/{motion_id}/recusals", operation_id="recuse_from_motion")
def post_recusal(motion_id: UUID, recusal: MemberRecusal, member: Member, transaction: InTransaction, _dry_run: DryRun) -> MotionAnswer:
    """Leave a vote, or have the office take a member out of it (2.4.5)."""
    return answer_motion(transaction, recuse_member(transaction, motion_id, member, recusal))


@routes.post("/motions/{motion_id}/opening", operation_id="open_motion")
def post_opening(motion_id: UUID, clerk: Clerk, transaction: InTransaction, _dry_run: DryRun) -> MotionAnswer:
    """Open the vote; roll, recusals and quorum are frozen and recorded first (5.4.2)."""
    return answer_motion(transaction, open_motion(transaction, motion_id, clerk))


@routes.post("/motions/{motion_id}/ballots", operation_id="cast_vote")
def post_vote(motion_id: UUID, vote: NewVote, member: Member, transaction: InTransaction, _dry_run: DryRun) -> MotionAnswer:
    """Vote on a name, or on a motion as a whole (5.4.2); refused to the office, which has no vote (2.0)."""
    return answer_motion(transaction, cast_vote(transaction, motion_id, member, vote))


@routes.post("/motions/{motion_id}/closing", operation_id="close_motion")
def post_closing(motion_id: UUID, closing: MotionClosing, clerk: Clerk, transaction: InTransaction, _dry_run: DryRun) -> MotionAnswer:
    """Close the vote and count it, before everybody who may has voted only with the reason; without a quorum there is no result (5.4.2)."""
    return answer_motion(transaction, close_motion(transaction, motion_id, clerk, closing.reason))
