"""What goes over the wire about motions and votes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from kernel.wire import Action, Answer, Body, Id, Line, Name, Reason, Words

Choice = Literal["yes", "no", "abstain"]
Text = Annotated[str, Words(20_000, least=0)]
AwardKey = Annotated[str, Line(40)]


class RulesMotion(Body):
    """To adopt the implementation rules as drafted (2.1.1)."""

    kind: Literal["rules"]
    title: Name
    text: Text = ""


class ProposedName(Body):
    """An application proposed for an award."""

    application: Id
    award: AwardKey


class WinnersMotion(Body):
    """To propose winners, each by a ballot of its own (2.1.3)."""

    kind: Literal["winners"]
    title: Name
    text: Text = ""
    names: Annotated[list[ProposedName], Field(min_length=1, max_length=50)]


class SubstituteMotion(Body):
    """To propose names for the seats of names that fell, each by a ballot of its own (5.4.2)."""

    kind: Literal["substitute"]
    title: Name
    text: Text = ""
    names: Annotated[list[ProposedName], Field(min_length=1, max_length=50)]


class RemovalMotion(Body):
    """To remove a name that stands before the public, without any objection, with the reasons (5.4.2)."""

    kind: Literal["removal"]
    title: Name
    text: Reason
    application: Id


class ReopeningMotion(Body):
    """To take the cycle back to the step before, with the reasons (2.1.2)."""

    kind: Literal["reopening"]
    title: Name
    text: Reason


class RulingMotion(Body):
    """To rule on an objection: its name is removed or kept (5.4.2)."""

    kind: Literal["ruling"]
    title: Name
    text: Text = ""
    objection: Id
    removes_name: bool


class CancellationMotion(Body):
    """To cancel a mistaken cycle, with the reasons (1.5)."""

    kind: Literal["cancellation"]
    title: Name
    text: Reason


class Tie(Body):
    """Which of the exactly tied take the places left; a tie of winners names the motion and the award."""

    among: Literal["shortlist", "winners"]
    applications: Annotated[list[Id], Field(min_length=1, max_length=50)]
    motion: Id | None = None
    award: AwardKey | None = None

    @model_validator(mode="after")
    def _winners_by_motion(self) -> Self:
        if (self.among == "winners") != (self.motion is not None) or (self.motion is None) != (self.award is None):
            raise ValueError("a tie of winners names its motion and its award, a tie of the shortlist neither")
        return self


class MajorMatter(Body):
    """To decide a major matter, a tie among them (2.1.2)."""

    kind: Literal["major_matter"]
    title: Name
    text: Text = ""
    tie: Tie | None = None


NewMotion = Annotated[
    RulesMotion | WinnersMotion | SubstituteMotion | RulingMotion | RemovalMotion | CancellationMotion | ReopeningMotion | MajorMatter,
    Field(discriminator="kind"),
]

MOTION_EXAMPLES: Mapping[str, Any] = {
    "rules": {"value": {"kind": "rules", "title": "审定2026年度评审实施细则"}},
    "winners": {
        "value": {
            "kind": "winners",
            "title": "审议拟获奖组织名单",
            "names": [{"application": "01975f2e-8a6b-7cde-8f01-23456789abcd", "award": "quality"}],
        }
    },
}


class MemberRecusal(Body):
    """A member who leaves a vote, on one name or on all, and why; a member without the office's duty names only themselves."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"person": "member-1", "reason": "本人配偶在该企业任职"}]})

    person: Annotated[str, Line(64)]
    name: Id | None = None
    reason: Reason


class NewVote(Body):
    """A member's vote; `name` is the application voted on, left out where the motion is no list of names."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "01975f2e-8a6b-7cde-8f01-23456789abcd", "vote": "yes"}]})

    name: Id | None = None
    vote: Choice


class MotionClosing(Body):
    """Why the vote is closed while members who may still vote have not."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"reason": "一名成员因公出国，无法表决。"}]})

    reason: Reason | None = None


class VoteAnswer(Answer):
    """Who voted what; of a secret ballot, only that they voted."""

    person: str
    choice: str | None


class TallyAnswer(Answer):
    """The count with its arithmetic: `base` is what the majority is counted of; `majority` and `quorum` are the fewest needed."""

    roster: int
    recused: int
    yes: int
    no: int
    abstain: int
    quorum: int
    base: int
    majority: int
    outcome: str


class BallotAnswer(Answer):
    """The ballot on one name, or on the motion as a whole; votes are shown once it is closed, before that only one's own."""

    application: UUID | None
    award: str | None
    organisation: str | None
    recused: list[str]
    quorum: int | None
    voted: int
    not_voted: list[str]
    """Once it is closed, who on the roll neither voted nor was recused."""
    votes: list[VoteAnswer]
    tally: TallyAnswer | None
    outcome: str | None
    won: bool | None


class MotionAnswer(Answer):
    """A motion, its ballots, and what the caller can do with it."""

    id: UUID
    version: int
    cycle: UUID
    kind: str
    title: str
    text: str
    subject: dict[str, Any]
    state: str
    outcome: str | None
    meeting: UUID | None
    secret: bool
    roll: list[str]
    proposed_at: datetime
    opened_at: datetime | None
    closed_at: datetime | None
    closing_reason: str | None
    """Why it was closed while members who could still vote had not."""
    ballots: list[BallotAnswer]
    actions: dict[str, Action]
