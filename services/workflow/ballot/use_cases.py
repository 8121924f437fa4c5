"""What the committee does with a motion: recuse, open, vote, close; and what a closed motion decided."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from kernel.identity import Principal
from kernel.problems import Kind, Problem, absent
from kernel.requests import Transaction
from regulation import implementation, lifecycle
from regulation.ballot import (
    Named,
    Seat,
    Tally,
    adoption,
    check_attends,
    check_closing,
    check_meeting_quorum,
    check_member_recusal,
    check_passed,
    check_roster,
    check_vote,
    result,
    winners,
)
from regulation.edition import Parameters
from regulation.implementation import Share, Voting
from regulation.refusal import Refusal
from services.workflow.ballot.papers import Papers, ballots_by_motion, concerned, papers, visible_ballots, votes_by_ballot
from services.workflow.ballot.schemas import (
    MemberRecusal,
    NewVote,
)
from services.workflow.ballot.secrecy import seal, unseal
from services.workflow.course import (
    check_insight,
    find_cycle,
    lock_cycle,
    parameters_of,
    phase_of,
    rules_of,
)
from services.workflow.roster import seats_of
from services.workflow.tables import Ballot, Contender, Cycle, Meeting, Motion, NoticeName, Recusal, Vote

NO_TIE = Kind(409, "no_such_tie", "该议案没有这样的并列", "That motion left no such tie")
RECUSED_ALREADY = Kind(409, "recused_already", "该成员已回避此项表决", "That member is recused from this vote already")
"""Where a second recusal would change nothing."""

OUT = ("fallen", "withdrawn", "disqualified")


def check_motion_passed(transaction: Transaction, cycle: Cycle, motion_id: UUID, kind: str) -> Motion:
    """Give a motion of this cycle; refused unless it is of this kind and passed."""
    motion = transaction.session.get(Motion, motion_id)
    if motion is None or motion.cycle_id != cycle.id:
        raise absent()
    check_passed(motion.kind, motion.outcome or motion.state, kind)
    return motion


def winners_motions(transaction: Transaction, cycle: Cycle) -> int:
    """Count the motions on winners that were put before the committee in this cycle."""
    put = select(func.count()).select_from(Motion).where(Motion.cycle_id == cycle.id, Motion.kind.in_(lifecycle.NAMING))
    return transaction.session.scalar(put) or 0


def winning_ballots(transaction: Transaction, cycle: Cycle) -> Sequence[Ballot]:
    """Give the ballots whose names won and stand: their notice did not fall, their contender did not drop out."""
    fallen = select(NoticeName.ballot_id).where(NoticeName.cycle_id == cycle.id, NoticeName.state == "fallen")
    return transaction.session.scalars(
        select(Ballot)
        .join(Motion, Motion.id == Ballot.motion_id)
        .join(Contender, Contender.id == Ballot.application)
        .where(Motion.cycle_id == cycle.id, Ballot.won.is_(True), Ballot.id.not_in(fallen), Contender.stage.not_in(OUT))
        .order_by(Ballot.id)
    ).all()


def tied_in(transaction: Transaction, cycle: Cycle) -> Sequence[Ballot]:
    """Give the ballots that tied across a cap, whose contenders stand, and among which the committee has yet to decide."""
    return transaction.session.scalars(
        select(Ballot)
        .join(Motion, Motion.id == Ballot.motion_id)
        .join(Contender, Contender.id == Ballot.application)
        .where(Motion.cycle_id == cycle.id, Ballot.outcome == "passed", Ballot.won.is_(None), Contender.stage.not_in(OUT))
        .order_by(Ballot.id)
    ).all()


def find_motion(transaction: Transaction, motion_id: UUID) -> tuple[Cycle, Motion]:
    """Load a motion and its cycle; 404 where there is none."""
    motion = transaction.session.get(Motion, motion_id)
    if motion is None:
        raise absent()
    return find_cycle(transaction, motion.cycle_id), motion


def lock_motion(transaction: Transaction, motion_id: UUID, principal: Principal) -> tuple[Cycle, Motion]:
    """Load a motion and its cycle, and lock both, the cycle first; 404 for whoever is no part of the cycle."""
    cycle, motion = find_motion(transaction, motion_id)
    check_insight(transaction, principal, cycle)
    lock_cycle(transaction, cycle.id)
    transaction.session.refresh(motion, with_for_update=True)
    return cycle, motion


def check_motion_step(transaction: Transaction, cycle: Cycle, motion: Motion, action: str) -> lifecycle.Step:
    """Give the step that an action takes on a motion; refused in the wrong state or phase."""
    return lifecycle.step(lifecycle.motion(motion.kind), motion.state, action, phase_of(cycle, transaction.now))


def voting_of(cycle: Cycle, p: Parameters) -> Voting:
    """Give how the committee votes: by the approved rules, before their approval by the edition's share of the full roster (2.1.1)."""
    if cycle.rules_hash:
        return implementation.voting(p, rules_of(cycle))
    share = Share(*p.adoption_majority, more_than=True)
    return Voting(share, share, "roster", "named", votes_changeable=False, members_recused=False)


def recuse_member(transaction: Transaction, motion_id: UUID, principal: Principal, recusal: MemberRecusal) -> Motion:
    """Take a member out of a vote they have no vote in yet (2.4.5)."""
    cycle, motion = lock_motion(transaction, motion_id, principal)
    known = papers(transaction, principal, cycle, [motion])
    ballots = [one for one in visible_ballots(known, motion) if recusal.name in {None, one.application}]
    voters = {seat.person for seat in seats_of(transaction, cycle) if seat.votes}
    people = voters if motion.state == "proposed" else set(motion.roll)
    if not ballots or recusal.person not in (people if principal.has_duty("office") else people & {principal.person}):
        raise absent()
    step = check_motion_step(transaction, cycle, motion, "recuse")
    check_member_recusal(recusal.person, principal.person, opened=motion.state == "voting")
    fresh = [one for one in ballots if recusal.person not in one.recused]
    if not fresh:
        raise Problem(RECUSED_ALREADY)
    for ballot in fresh:
        if transaction.session.get(Vote, (ballot.id, recusal.person)) is not None:
            raise Refusal("voted_already", "5.4.2")
        leave(transaction, cycle, motion, ballot, recusal.person)
    motion.version += 1
    facts = {"person": recusal.person, "reason": recusal.reason, "ballots": [str(one.id) for one in fresh]}
    transaction.record("motion.recused", f"motion:{motion.id}", clause=step.clause, facts=facts)
    return motion


def leave(transaction: Transaction, cycle: Cycle, motion: Motion, ballot: Ballot, person: str) -> None:
    """Take a member who has not voted out of a ballot's numerator and denominator (2.4.5)."""
    ballot.recused = sorted({*ballot.recused, person})
    if motion.state == "voting":
        freeze(cycle, motion, ballot, parameters_of(cycle, transaction.now))


def leave_open_votes(transaction: Transaction, person: str, credit_code: str) -> None:
    """Take somebody recused meanwhile out of the open votes on that organisation in which they have not voted (2.4.5)."""
    found = transaction.session.scalars(select(Motion.cycle_id).where(Motion.state == "voting").distinct().order_by(Motion.cycle_id)).all()
    for cycle in [lock_cycle(transaction, key) for key in found]:
        for motion in transaction.session.scalars(select(Motion).where(Motion.cycle_id == cycle.id, Motion.state == "voting")):
            if person not in motion.roll or not (motion.by_rules and rules_of(cycle).voting.members_recused):
                continue
            for ballot in ballots_by_motion(transaction, [motion.id])[motion.id]:
                if credit_code in concerned(motion, ballot) and transaction.session.get(Vote, (ballot.id, person)) is None:
                    leave(transaction, cycle, motion, ballot, person)
                    facts = {"person": person, "ballots": [str(ballot.id)]}
                    transaction.record("motion.recused", f"motion:{motion.id}", clause="2.4.5", facts=facts)


def open_motion(transaction: Transaction, motion_id: UUID, principal: Principal) -> Motion:
    """Freeze roll, recusals and quorum, record them, and open the vote (5.4.2)."""
    cycle, motion = lock_motion(transaction, motion_id, principal)
    step = check_motion_step(transaction, cycle, motion, "open")
    p, seats = parameters_of(cycle, transaction.now), seats_of(transaction, cycle)
    check_roster(seats, p)
    voting = voting_of(cycle, p)
    motion.roll = [seat.person for seat in seats if seat.votes]
    if meeting := meeting_of(transaction, cycle, motion):
        check_meeting_quorum(len({*motion.roll} & {*meeting.present}), len(motion.roll), voting)
    motion.by_rules = cycle.rules_hash is not None
    motion.secret = voting.ballot == "secret"
    motion.state, motion.opened_at, motion.version = step.to, transaction.now, motion.version + 1
    ballots = ballots_by_motion(transaction, [motion.id])[motion.id]
    for ballot in ballots:
        known = transaction.session.scalars(
            select(Recusal.person).where(Recusal.credit_code.in_(concerned(motion, ballot)), Recusal.person.in_(motion.roll))
        )
        ballot.recused = sorted({*ballot.recused, *known} & set(motion.roll)) if voting.members_recused else []
        freeze(cycle, motion, ballot, p)
    frozen = [{"ballot": str(one.id), "application": str(one.application), "recused": one.recused, **(one.tally or {})} for one in ballots]
    facts = {"roll": motion.roll, "ballots": frozen, "secret": motion.secret}
    transaction.record("motion.opened", f"motion:{motion.id}", clause=step.clause, facts=facts)
    return motion


def meeting_of(transaction: Transaction, cycle: Cycle, motion: Motion) -> Meeting | None:
    """Give the meeting on whose agenda a motion stands; refused unless it is in session."""
    if motion.meeting_id is None:
        return None
    meeting = transaction.session.get_one(Meeting, motion.meeting_id)
    lifecycle.step(lifecycle.MEETING, meeting.state, "vote", phase_of(cycle, transaction.now))
    return meeting


def freeze(cycle: Cycle, motion: Motion, ballot: Ballot, p: Parameters) -> None:
    """Keep the quorum that the roll and the recusals make."""
    ballot.tally = {"quorum": tally(cycle, motion, ballot, (0, 0, 0), p).quorum}


def tally(cycle: Cycle, motion: Motion, ballot: Ballot, votes: tuple[int, int, int], p: Parameters) -> Tally:
    """Count a ballot by the rules it was opened under."""
    if motion.by_rules:
        return result(len(motion.roll), len(ballot.recused), *votes, rules_of(cycle).voting)
    return adoption(len(motion.roll), *votes, p)


def check_may_vote(transaction: Transaction, principal: Principal, known: Papers, motion: Motion, ballot: Ballot) -> lifecycle.Step:
    """Refuse a vote out of time or outside its meeting, by somebody without a vote, recused or not attending, and without an undertaking.

    A second vote is refused unless the rules let it be changed.

    Clauses 2.0, 2.4.5, 5.4.2, 7.6.
    """
    cycle = known.cycle
    step = check_motion_step(transaction, cycle, motion, "vote")
    roll = [Seat(person, ("member",)) for person in motion.roll]
    voting = voting_of(cycle, parameters_of(cycle, transaction.now))
    check_vote(principal.person, roll, ballot.recused, [vote.person for vote in known.votes[ballot.id]], voting)
    if meeting := meeting_of(transaction, cycle, motion):
        check_attends(principal.person, meeting.present)
    if concerned(motion, ballot):
        known.check_undertaken()
    return step


def cast_vote(transaction: Transaction, motion_id: UUID, principal: Principal, new: NewVote) -> Motion:
    """Cast a vote, or change it where the rules let members do so; a secret one lies encrypted under a random id."""
    cycle, motion = lock_motion(transaction, motion_id, principal)
    known = papers(transaction, principal, cycle, [motion])
    ballot = next((one for one in visible_ballots(known, motion) if one.application == new.name), None)
    if ballot is None:
        raise absent()
    step = check_may_vote(transaction, principal, known, motion, ballot)
    if motion.secret:
        seal(transaction, ballot, principal.person, new.vote)
    else:
        transaction.session.merge(Vote(ballot_id=ballot.id, person=principal.person, choice=new.vote, at=transaction.now))
    transaction.record("motion.voted", f"motion:{motion.id}", clause=step.clause, facts={"ballot": str(ballot.id)})
    return motion


def close_motion(transaction: Transaction, motion_id: UUID, principal: Principal, reason: str | None) -> Motion:
    """Close the vote, count every ballot, and settle who won (5.4.2); a dry run asks whether it may be closed, and counts nothing."""
    cycle, motion = lock_motion(transaction, motion_id, principal)
    step = check_motion_step(transaction, cycle, motion, "close")
    missing = sorted(outstanding(transaction, motion))
    check_closing(len(missing), reason or "")
    if transaction.dry_run:
        return motion  # told while votes are still cast, the count would tell when to close, and of a secret vote who voted how
    if missing:
        motion.closing_reason = reason
        early = {"reason": reason, "not_voted": missing}  # an event of its own: what states reasons is not for the public's bundle
        transaction.record("motion.closed_early", f"motion:{motion.id}", clause=step.clause, facts=early)
    p, ballots = parameters_of(cycle, transaction.now), ballots_by_motion(transaction, [motion.id])[motion.id]
    counted = [count(transaction, cycle, motion, ballot, p) for ballot in ballots]
    outcomes = [ballot.outcome for ballot in ballots]
    motion.outcome = next((one for one in ("passed", "rejected") if one in outcomes), "no_quorum")
    motion.state, motion.closed_at, motion.version = step.to, transaction.now, motion.version + 1
    for award in dict.fromkeys(ballot.award for ballot in ballots if ballot.award is not None):
        settle(transaction, cycle, [ballot for ballot in ballots if ballot.award == award], award)
    if motion.outcome == "passed" and motion.subject.get("tie") == "winners":
        settle_tie(transaction, cycle, motion)
    facts = {"outcome": motion.outcome, "secret": motion.secret, "ballots": counted}
    transaction.record("motion.closed", f"motion:{motion.id}", clause=step.clause, facts=facts)
    return motion


def not_voted(motion: Motion, ballot: Ballot, votes: Sequence[Vote]) -> list[str]:
    """Name who on the roll neither voted nor was recused."""
    return sorted(set(motion.roll) - set(ballot.recused) - {vote.person for vote in votes})


def outstanding(transaction: Transaction, motion: Motion) -> set[str]:
    """Name who could still vote on some name: of a vote in a meeting, those who attend it."""
    meeting = transaction.session.get(Meeting, motion.meeting_id) if motion.meeting_id else None
    able = set(meeting.present) if meeting else set(motion.roll)
    ballots = ballots_by_motion(transaction, [motion.id])[motion.id]
    votes = votes_by_ballot(transaction, [ballot.id for ballot in ballots])
    return {person for ballot in ballots for person in not_voted(motion, ballot, votes[ballot.id])} & able


def count(transaction: Transaction, cycle: Cycle, motion: Motion, ballot: Ballot, p: Parameters) -> dict[str, Any]:
    """Count one ballot; gives what the record keeps: every named vote, of a secret ballot the shuffled choices."""
    votes = votes_by_ballot(transaction, [ballot.id])[ballot.id]
    choices = unseal(transaction, ballot, votes) if motion.secret else [vote.choice for vote in votes]
    counts = (choices.count("yes"), choices.count("no"), choices.count("abstain"))
    found = tally(cycle, motion, ballot, counts, p)
    ballot.tally, ballot.outcome = asdict(found), found.outcome
    shown: object = choices if motion.secret else {vote.person: vote.choice for vote in votes}
    facts = {"ballot": str(ballot.id), "application": str(ballot.application), "tally": ballot.tally}
    return facts | {"votes": shown, "not_voted": not_voted(motion, ballot, votes)}


def seats_left(transaction: Transaction, cycle: Cycle, award: str) -> int:
    """Count the seats of an award that standing winners leave (1.5)."""
    standing = sum(one.award == award for one in winning_ballots(transaction, cycle))
    return parameters_of(cycle, transaction.now).award(award).cap - standing


def merit(transaction: Transaction, ballot: Ballot) -> Named:
    """Give what a passed name is ordered by."""
    contender = transaction.session.get_one(Contender, ballot.application)
    score = (contender.score_numerator or 0, contender.score_denominator or 1)
    return Named(str(ballot.application), (ballot.tally or {})["yes"], score, contender.preferred)


def settle(transaction: Transaction, cycle: Cycle, ballots: Sequence[Ballot], award: str) -> None:
    """Settle an award's seats; names exactly tied across the last one wait for the committee's decision (1.5, 5.4.2)."""
    chain, seats = rules_of(cycle).tie_chain, seats_left(transaction, cycle, award)
    passed = [merit(transaction, ballot) for ballot in ballots if ballot.outcome == "passed"]
    tied: frozenset[str] = frozenset()
    try:
        won = winners(passed, seats, chain) if seats else ()
    except Refusal as tie:
        tied = frozenset(str(tie.facts["tied"]).split("、"))
        ahead = [name for name in passed if name.application not in tied]
        clear = seats - int(str(tie.facts["seats"]))
        won = winners(ahead, clear, chain) if clear else ()
    for ballot in ballots:
        ballot.won = None if str(ballot.application) in tied else str(ballot.application) in won


def tied_ballots(transaction: Transaction, cycle: Cycle, motion_id: UUID, award: str) -> list[Ballot]:
    """Load the ballots that tied across an award's last seat in a winners motion of this cycle; a problem where there are none."""
    motion = transaction.session.get(Motion, motion_id)
    if motion is None or motion.cycle_id != cycle.id:
        raise absent()
    tied = [one for one in tied_in(transaction, cycle) if one.motion_id == motion.id and one.award == award]
    if not tied:
        raise Problem(NO_TIE)
    return tied


def settle_tie(transaction: Transaction, cycle: Cycle, motion: Motion) -> None:
    """Give the seats left to those of the tied whom the committee chose (2.1.2)."""
    tied = tied_ballots(transaction, cycle, UUID(motion.subject["motion"]), motion.subject["award"])
    chosen = winners_among(transaction, cycle, tied, motion.subject["award"], motion.subject["applications"])
    for ballot in tied:
        ballot.won = str(ballot.application) in chosen


def winners_among(transaction: Transaction, cycle: Cycle, tied: Sequence[Ballot], award: str, decided: Sequence[str]) -> tuple[str, ...]:
    """Check that a decision names exactly as many of the tied as seats are left (2.1.2)."""
    names = [merit(transaction, ballot) for ballot in tied]
    return winners(names, seats_left(transaction, cycle, award), rules_of(cycle).tie_chain, decided)
