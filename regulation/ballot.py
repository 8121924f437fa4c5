"""The committee: who sits on it, who may vote, what a ballot decided, and who wins where more pass than the cap admits."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal

from regulation.edition import Parameters
from regulation.implementation import Share, Voting
from regulation.lifecycle import MOTIONS
from regulation.refusal import Refusal

Duty = Literal["office", "chair", "vice_chair", "member"]
VOTING: tuple[Duty, ...] = ("chair", "vice_chair", "member")


@dataclass(frozen=True)
class Seat:
    """One person of the roster with the duties held, and the first and last day of the term where one is set."""

    person: str
    duties: tuple[Duty, ...]
    since: date | None = None
    until: date | None = None

    @property
    def votes(self) -> bool:
        """Whether this person votes: duty `office` alone never does."""
        return any(duty in VOTING for duty in self.duties)


@dataclass(frozen=True)
class Tally:
    """A ballot's outcome with its arithmetic: `base` is what the majority is counted of, recused members stand in neither part."""

    roster: int
    recused: int
    yes: int
    no: int
    abstain: int
    quorum: int
    base: int
    majority: int
    outcome: Literal["passed", "rejected", "no_quorum"]


@dataclass(frozen=True)
class Named:
    """A name that passed its ballot: the yes votes, the exact score as a fraction, and whether 3.2.5 prefers it."""

    application: str
    yes: int
    score: tuple[int, int]
    preferred: bool


def in_office(roster: Sequence[Seat], on: date) -> list[Seat]:
    """Give those of the roster whose term runs on a day.

    Clause 2.0.
    """
    return [seat for seat in roster if (seat.since is None or seat.since <= on) and (seat.until is None or on <= seat.until)]


def check_roster(roster: Sequence[Seat], p: Parameters) -> None:
    """Refuse a committee without exactly one chair and the edition's number of vice-chairs, or with a person twice.

    Clause 2.0.
    """
    if len({seat.person for seat in roster}) < len(roster):
        raise Refusal("roster_person_twice", "2.0")
    chairs, vice_chairs = (sum(duty in seat.duties for seat in roster) for duty in ("chair", "vice_chair"))
    if chairs != 1:
        raise Refusal("roster_chair", "2.0", found=chairs)
    if vice_chairs != p.vice_chairs:
        raise Refusal("roster_vice_chairs", "2.0", found=vice_chairs, wanted=p.vice_chairs)
    if any({"chair", "vice_chair"} <= set(seat.duties) for seat in roster):
        raise Refusal("roster_duties_clash", "2.0")


def check_vote(person: str, roster: Sequence[Seat], recused: Collection[str], voted: Collection[str], voting: Voting) -> None:
    """Refuse the vote of somebody without a vote, of a recused member where the rules recuse members, and a second one unless they let it.

    Clauses 2.0, 2.4.5, 5.4.2.
    """
    if not any(seat.person == person and seat.votes for seat in roster):
        raise Refusal("no_vote", "2.0")
    if voting.members_recused and person in recused:
        raise Refusal("member_recused", "2.4.5")
    if person in voted and not voting.votes_changeable:
        raise Refusal("voted_already", "5.4.2")


def check_meeting_quorum(present: int, roster: int, voting: Voting) -> None:
    """Refuse to open a vote at a meeting that fewer voting members attend than the quorum of the whole roll.

    Clause 5.4.2.
    """
    if present < (needed := voting.quorum.needed(roster)):
        raise Refusal("meeting_without_quorum", "5.4.2", present=present, needed=needed)


def check_attends(person: str, present: Collection[str]) -> None:
    """Refuse the vote of a member who does not attend the meeting that votes: nobody votes for another.

    Clause 5.4.2.
    """
    if person not in present:
        raise Refusal("not_at_the_meeting", "5.4.2")


def check_substitute(awards: Collection[str], fallen: Collection[str]) -> None:
    """Refuse a substitute for an award of which no name has fallen.

    Clause 5.4.2.
    """
    if whole := sorted(set(awards) - set(fallen)):
        raise Refusal("no_name_fell", "5.4.2", award=whole[0])


def check_reopening(winners_motions: int) -> None:
    """Refuse to take the cycle back behind the candidates once the committee has been asked to vote on them.

    Clause 2.1.2.
    """
    if winners_motions:
        raise Refusal("reopening_too_late", "2.1.2")


def result(roster: int, recused: int, yes: int, no: int, abstain: int, voting: Voting) -> Tally:
    """Count one ballot: `roster` voting members, of whom `recused` leave numerator and denominator where the rules recuse members.

    Without a quorum there is no result.

    Clauses 5.4.2, 2.4.5.
    """
    left_out = recused if voting.members_recused else 0
    return _tally(roster, left_out, (yes, no, abstain), voting.quorum.needed(roster - left_out), voting.majority, voting.majority_of)


def adoption(roster: int, yes: int, no: int, abstain: int, p: Parameters) -> Tally:
    """Count the named ballot on the implementation rules: more than the edition's share of the full roster must say yes.

    Clause 2.1.1.
    """
    majority = Share(*p.adoption_majority, more_than=True)
    return _tally(roster, 0, (yes, no, abstain), majority.needed(roster), majority, "roster")


def _tally(
    roster: int, recused: int, votes: tuple[int, int, int], quorum: int, majority: Share, majority_of: Literal["present", "roster"]
) -> Tally:
    present, able = sum(votes), roster - recused
    if present > able:
        raise ValueError("more votes than voters")
    base = present if majority_of == "present" else able
    needed = majority.needed(base)
    outcome: Literal["passed", "rejected", "no_quorum"] = "passed" if votes[0] >= needed else "rejected"
    return Tally(roster, recused, *votes, quorum, base, needed, "no_quorum" if present < quorum else outcome)


def check_member_recusal(person: str, by: str, *, opened: bool) -> None:
    """Refuse to take somebody else out of a vote once it has opened: roll, recusals and quorum are frozen but for who steps back.

    Clause 5.4.2.
    """
    if opened and person != by:
        raise Refusal("roll_frozen", "5.4.2")


def check_closing(outstanding: int, reason: str) -> None:
    """Refuse to close a vote while members who may still vote have not, unless the reason is given and so recorded.

    Clause 5.4.2.
    """
    if outstanding and not reason.strip():
        raise Refusal("votes_outstanding", "5.4.2", count=outstanding)


def check_winners_motions(states: Collection[str], tied: Collection[str]) -> None:
    """Refuse to end the deliberation before any vote on winners, during one, or while the committee has yet to part names tied at the cap.

    Clause 5.4.2.
    """
    if not states:
        raise Refusal("winners_undecided", "5.4.2")
    if any(state != "decided" for state in states):
        raise Refusal("winners_motion_open", "5.4.2")
    if tied:
        raise Refusal("winners_tied", "5.4.2", applications=", ".join(sorted(tied)))


def check_none_left_out(waiting: Collection[str], named: Collection[str]) -> None:
    """Refuse to leave a winner of the vote (an application) off the public notice.

    Clause 5.4.2.
    """
    if left_out := sorted(set(waiting) - set(named)):
        raise Refusal("winner_left_out", "5.4.2", applications=", ".join(left_out))


def check_passed(kind: str, outcome: str, needed: str) -> None:
    """Refuse what only a motion of kind `needed` that passed can do.

    Clauses 2.1.1, 2.1.2, 2.1.3, 1.5, 5.4.2.
    """
    if (kind, outcome) != (needed, "passed"):
        raise Refusal("motion_not_passed", MOTIONS[needed][1], kind=kind, outcome=outcome, needed=needed)


def check_winner_cap(award: str, winners: int, p: Parameters) -> None:
    """Refuse more winners of an award than the edition admits; fewer, even none, is allowed.

    Clause 1.5.
    """
    cap = p.award(award).cap
    if winners > cap:
        raise Refusal("too_many_winners", "1.5", winners=winners, cap=cap)


def winners(
    names: Sequence[Named], cap: int, tie_chain: Sequence[Literal["score", "preference"]], decided: Collection[str] = ()
) -> tuple[str, ...]:
    """Order the names that passed and cut at the cap: most votes, then the rules' chain of exact score and 3.2.5, then escalate.

    An exact tie across the cap is refused until the committee has decided, by a motion on a major matter, which of the tied take the
    seats left (`decided`).

    Clauses 1.5, 2.1.2, 3.2.5, 5.4.2.
    """

    def merit(name: Named) -> tuple[int | Fraction, ...]:
        chain = {"score": Fraction(*name.score), "preference": Fraction(name.preferred)}
        return (name.yes, *(chain[link] for link in tie_chain))

    order = sorted(names, key=merit, reverse=True)
    if len(order) <= cap or merit(order[cap - 1]) > merit(order[cap]):
        return tuple(name.application for name in order[:cap])
    ahead = [name.application for name in order if merit(name) > merit(order[cap])]
    tied = [name.application for name in order if merit(name) == merit(order[cap])]
    seats = cap - len(ahead)
    if not decided:
        raise Refusal("tie_at_the_cap", "5.4.2", tied="、".join(tied), seats=seats)
    if len(set(decided)) != seats or not set(decided) <= set(tied):
        raise Refusal("tie_decided_wrongly", "2.1.2", tied="、".join(tied), seats=seats)
    return (*ahead, *(application for application in tied if application in decided))
