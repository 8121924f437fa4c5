"""What of motions a caller sees, loaded for all of them at once: ballots, votes, and what hides them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, Text, false, func, select
from sqlalchemy.dialects.postgresql import array

from kernel.identity import Principal
from kernel.problems import absent
from kernel.requests import Transaction
from services.workflow.course import hidden_from, undertaking
from services.workflow.tables import Ballot, Contender, Cycle, Meeting, Motion, Vote


@dataclass(frozen=True)
class Papers:
    """Ballots by motion and votes by ballot; the organisations that are hidden from the caller; the check of the undertaking (7.6).

    Contenders and meetings are held so that asking the session for one of them costs no query.
    """

    cycle: Cycle
    hidden: frozenset[str]
    check_undertaken: Callable[[], None]
    ballots: Mapping[UUID, Sequence[Ballot]]
    votes: Mapping[UUID, Sequence[Vote]]
    contenders: Sequence[Contender]
    meetings: Sequence[Meeting]


def papers(transaction: Transaction, principal: Principal, cycle: Cycle, motions: Collection[Motion]) -> Papers:
    """Load what this caller's view of a cycle's motions rests on."""
    session = transaction.session
    ballots = ballots_by_motion(transaction, [motion.id for motion in motions])
    listed = [ballot for of_motion in ballots.values() for ballot in of_motion]
    contenders = select(Contender).where(Contender.id.in_({one.application for one in listed if one.application}))
    meetings = select(Meeting).where(Meeting.id.in_({motion.meeting_id for motion in motions if motion.meeting_id}))
    return Papers(
        cycle,
        hidden_from(transaction, principal, cycle),
        undertaking(transaction, principal, cycle),
        ballots,
        votes_by_ballot(transaction, [ballot.id for ballot in listed]),
        session.scalars(contenders).all(),
        session.scalars(meetings).all(),
    )


def ballots_by_motion(transaction: Transaction, motions: Collection[UUID]) -> Mapping[UUID, list[Ballot]]:
    """Load each motion's ballots in their order."""
    found: dict[UUID, list[Ballot]] = {motion: [] for motion in motions}
    for ballot in transaction.session.scalars(select(Ballot).where(Ballot.motion_id.in_(found)).order_by(Ballot.id)):
        found[ballot.motion_id].append(ballot)
    return found


def votes_by_ballot(transaction: Transaction, ballots: Collection[UUID]) -> Mapping[UUID, list[Vote]]:
    """Load each ballot's votes, in the order of the persons."""
    found: dict[UUID, list[Vote]] = {ballot: [] for ballot in ballots}
    for vote in transaction.session.scalars(select(Vote).where(Vote.ballot_id.in_(found)).order_by(Vote.person)):
        found[vote.ballot_id].append(vote)
    return found


def concerned(motion: Motion, ballot: Ballot) -> set[str]:
    """Give the credit codes of the organisations that a ballot is about."""
    codes: list[str] = motion.subject.get("credit_codes", [])
    return {ballot.credit_code} if ballot.credit_code else set(codes)


def seen_motions(hidden: Collection[str]) -> Select[UUID]:
    """Select the motions with a ballot that is about none of these organisations."""
    concern = func.coalesce(Motion.subject["credit_codes"].has_any(array(list(hidden), type_=Text)), false())
    return select(Ballot.motion_id).join(Motion).where(Ballot.credit_code.is_(None) | Ballot.credit_code.not_in(hidden), ~concern)


def visible_ballots(known: Papers, motion: Motion) -> list[Ballot]:
    """Give the ballots that exist for this caller; 404 where none does (2.4.5), refused on names before the undertaking (7.6)."""
    found = [ballot for ballot in known.ballots[motion.id] if not concerned(motion, ballot) & known.hidden]
    if not found:
        raise absent()
    if any(concerned(motion, ballot) for ballot in found):
        known.check_undertaken()
    return found
