"""Random histories of ballots and of phase commands, against oracles that look at the history alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import combinations
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from regulation import lifecycle
from regulation.ballot import Named, Seat, check_vote, result, winners
from regulation.calendar import CHINA
from regulation.edition import load
from regulation.implementation import Share, Voting
from regulation.refusal import Refusal

HISTORIES = 10_000
QUICK = 400
STEPS = 12
MEMBERS = tuple(f"member {number}" for number in range(1, 8))
P = load("jindong-2022").parameters(date(2026, 1, 1))
OPENS = datetime(2026, 3, 1, tzinfo=CHINA)
CLOSES = OPENS + timedelta(days=31)


@dataclass(frozen=True)
class Event:
    """Something somebody tried in a ballot: to vote so, to step back (`recuse`), or to close."""

    kind: str
    person: str = ""
    choice: str = ""


def reaches(part: int, whole: int, share: Share) -> bool:
    """Whether a part is the share of a whole; nobody never is."""
    wanted = Fraction(share.numerator * whole, share.denominator)
    return part > 0 and (part > wanted if share.more_than else part >= wanted)


def recused_in(history: Sequence[Event]) -> set[str]:
    return {event.person for event in history if event.kind == "recuse"}


def accepted(history: Sequence[Event], event: Event, voting: Voting) -> bool:
    """Say from the history alone whether the next event may happen."""
    voted = {past.person for past in history if past.kind == "vote"}
    if any(past.kind == "close" for past in history):
        return False
    if event.kind == "vote" and voting.members_recused and event.person in recused_in(history):
        return False
    return event.kind != "vote" or event.person not in voted or voting.votes_changeable


def outcome(history: Sequence[Event], roster: int, voting: Voting) -> tuple[str, int, int]:
    """Say from the history alone what a ballot decided, with yes votes and the base they are counted of."""
    last = {event.person: event.choice for event in history if event.kind == "vote"}
    able = roster - (len(recused_in(history)) if voting.members_recused else 0)
    yes = sum(choice == "yes" for choice in last.values())
    base = len(last) if voting.majority_of == "present" else able
    if not reaches(len(last), able, voting.quorum):
        return "no_quorum", yes, base
    return ("passed" if reaches(yes, base, voting.majority) else "rejected"), yes, base


SHARES = st.builds(
    lambda whole, part, more: Share(min(part, whole - more) or 1, whole + (more and whole == 1), more_than=more),
    st.integers(1, 4),
    st.integers(1, 4),
    st.booleans(),
)
VOTINGS = st.builds(
    lambda quorum, majority, of, ballot, changeable, recused: Voting(
        quorum, majority, of, ballot, votes_changeable=changeable, members_recused=recused
    ),
    SHARES,
    SHARES,
    st.sampled_from(["present", "roster"]),
    st.sampled_from(["named", "secret"]),
    st.booleans(),
    st.booleans(),
)


class Ballots(RuleBasedStateMachine):
    """One ballot under random rules, held by the regulation's functions as the service holds it."""

    @initialize(voting=VOTINGS, size=st.integers(1, len(MEMBERS)))
    def open(self, voting: Voting, size: int) -> None:
        self.voting, self.members = voting, MEMBERS[:size]
        self.roster = [Seat(person, ("member",)) for person in self.members]
        self.history: list[Event] = []
        self.votes: dict[str, str] = {}
        self.recused: set[str] = set()
        self.state = lifecycle.step(lifecycle.motion("winners"), "proposed", "open", "deliberation").to

    def attempt(self, event: Event) -> bool:
        action = event.kind
        try:
            taken = lifecycle.step(lifecycle.motion("winners"), self.state, action, "deliberation")
            if action == "vote":
                check_vote(event.person, self.roster, self.recused, self.votes, self.voting)
        except Refusal:
            assert not accepted(self.history, event, self.voting)
            return False
        assert accepted(self.history, event, self.voting)
        self.state = taken.to
        self.history.append(event)
        return True

    @rule(place=st.integers(0, len(MEMBERS) - 1), choice=st.sampled_from(["yes", "yes", "no", "abstain"]))
    def vote(self, place: int, choice: str) -> None:
        person = self.members[place % len(self.members)]
        if self.attempt(Event("vote", person, choice)):
            self.votes[person] = choice

    @rule(place=st.integers(0, len(MEMBERS) - 1))
    def recuse(self, place: int) -> None:
        person = self.members[place % len(self.members)]
        if person not in self.votes and self.attempt(Event("recuse", person)):
            self.recused.add(person)

    @precondition(lambda self: len(self.history) > 1)
    @rule()
    def close(self) -> None:
        self.attempt(Event("close"))

    @invariant()
    def the_count_is_what_the_history_says(self) -> None:
        if not hasattr(self, "voting"):
            return
        cast = list(self.votes.values())
        yes, no, abstain = (cast.count(choice) for choice in ("yes", "no", "abstain"))
        tally = result(len(self.members), len(self.recused), yes, no, abstain, self.voting)
        assert (tally.outcome, tally.yes, tally.base) == outcome(self.history, len(self.members), self.voting)


ORDER = ("planned", "rules_approved", "open", "screening", "material_review", "site_review", "evaluation", "deliberation", "public_notice",
         "approval", "published", "closed")  # fmt: skip
FORWARD = ("approve_rules", "launch", "", "close_screening", "confirm_shortlist", "evaluate", "confirm_evaluation", "publish_notice",
           "approve", "publish", "close")  # fmt: skip
BACK = {"reopen": {5: 4, 6: 5, 7: 6}, "remove_name": {8: 7, 9: 7}, "refuse": {8: 7, 9: 7}}
STAYS = {"plan": range(2), "draft_rules": range(1), "announce": range(2, 3), "set_committee": range(10), "set_supervision_group": range(10)}
COMMANDS = sorted({*filter(None, FORWARD), "end_deliberation", *BACK, *STAYS, "cancel"})


def where(history: Sequence[str]) -> str:
    """Say from the commands that were taken, and the window's end among them, which phase a cycle is in."""
    place = 0
    for command in history:
        if command == "cancel":
            return "cancelled"
        if command in BACK:
            place = BACK[command][place]
        elif command not in STAYS:
            place += 1
    return ORDER[place]


def possible(history: Sequence[str], command: str) -> bool:
    """Say from the history alone whether a command may come next."""
    phase = where(history)
    if phase == "cancelled":
        return False
    place = ORDER.index(phase)
    if command == "cancel":
        return place < ORDER.index("published")
    if command in BACK:
        return place in BACK[command]
    if command in STAYS:
        return place in STAYS[command]
    return (command == "end_deliberation" and place == ORDER.index("deliberation")) or (place < len(FORWARD) and command == FORWARD[place])


class Phases(RuleBasedStateMachine):
    """One cycle under random commands; likely ones come more often, so that histories reach the end."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[str] = []
        self.stored, self.closes, self.now = "planned", CLOSES, OPENS

    def attempt(self, command: str) -> None:
        phase = lifecycle.phase(self.stored, self.closes, self.now)
        try:
            self.stored = lifecycle.step(lifecycle.cycle(P), phase, command, phase).to
        except Refusal:
            assert not possible(self.history, command)
            return
        assert possible(self.history, command)
        self.history.append(command)

    @rule(command=st.sampled_from(COMMANDS))
    def anything(self, command: str) -> None:
        self.attempt(command)

    @rule(choice=st.integers(0, len(COMMANDS)))
    def something_possible(self, choice: int) -> None:
        if open_ := [command for command in COMMANDS if possible(self.history, command) and command not in STAYS and command != "cancel"]:
            self.attempt(open_[choice % len(open_)])

    @rule()
    def time_passes(self) -> None:
        if self.stored == "open" and self.now < self.closes:
            self.history.append("the window closes")
        self.now = CLOSES if self.stored == "open" else self.now

    @invariant()
    def the_phase_is_what_the_history_says(self) -> None:
        assert lifecycle.phase(self.stored, self.closes, self.now) == where(self.history)


def run(machine: type[RuleBasedStateMachine], histories: int) -> None:
    chosen = settings(
        max_examples=histories, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    run_state_machine_as_test(machine, settings=chosen)


@pytest.mark.parametrize("machine", [Ballots, Phases])
def test_histories_agree_with_what_their_oracle_says(machine: type[RuleBasedStateMachine]) -> None:
    run(machine, QUICK)


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("machine", [Ballots, Phases])
def test_ten_thousand_histories_agree_with_what_their_oracle_says(machine: type[RuleBasedStateMachine]) -> None:
    run(machine, HISTORIES // 2)


NAMES = st.lists(st.tuples(st.integers(3, 5), st.integers(598, 602), st.booleans()), max_size=6)
Link = Literal["score", "preference"]
CHAINS: st.SearchStrategy[tuple[Link, Link]] = st.sampled_from([("score", "preference"), ("preference", "score")])


@settings(max_examples=500, deadline=None)
@given(names=NAMES, cap=st.integers(1, 4), chain=CHAINS)
def test_the_winners_are_the_one_set_that_beats_everyone_else(
    names: list[tuple[int, int, bool]], cap: int, chain: tuple[Link, Link]
) -> None:
    named = [Named(str(place), yes, (score, 1), preferred) for place, (yes, score, preferred) in enumerate(names)]

    def beats(one: Named, other: Named) -> bool:
        parts = {"score": (one.score[0], other.score[0]), "preference": (int(one.preferred), int(other.preferred))}
        differing = [(mine, its) for mine, its in ((one.yes, other.yes), *(parts[link] for link in chain)) if mine != its]
        return bool(differing) and differing[0][0] > differing[0][1]

    seats = min(cap, len(named))

    def stands(chosen: Sequence[Named]) -> bool:
        return all(beats(one, other) for one in chosen for other in named if other not in chosen)

    clear = [{one.application for one in chosen} for chosen in combinations(named, seats) if stands(chosen)]
    if clear:
        assert [set(winners(named, cap, chain))] == clear
    else:
        with pytest.raises(Refusal, match="tie_at_the_cap"):
            winners(named, cap, chain)
