"""What goes over the wire of a draw."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from kernel.wire import Action, Answer, Body, Id, Line, Reason
from services.scoring.access import Person

SOME_ID = "0197a1c2-7d30-7cc1-9e0b-5a4d6f3e2b10"
Verdict = Literal["drawn", "linked", "override", "not_in_pool", "recused", "constraints", "lot"]


class DrawConstraints(Body):
    """What every panel of the draw has to satisfy.

    Every panel has a leader-qualified leader, `size` members of whom none is recused, with `expertise` one who knows its industry (then no
    panel mixes industry sections), and for each of `categories` one more who knows that part of the standard. Each reviewer of the pool
    sits on `floor` to `ceiling` panels. With `linked` the panels hang together through the reviewers they share, so that scores can be
    compared across them.
    """

    size: Annotated[int, Field(ge=3, le=15)]
    applications_per_panel: Annotated[int, Field(ge=1, le=100)] = 1
    floor: Annotated[int, Field(ge=0, le=1000)] = 0
    ceiling: Annotated[int, Field(ge=1, le=1000)]
    expertise: bool = True
    categories: Annotated[list[Annotated[str, Line(16)]], Field(default_factory=list, max_length=14)]
    linked: bool = True

    @model_validator(mode="after")
    def check_slots(self) -> Self:
        """Demand a seat for the leader and for every expert that is asked for, each category once."""
        if len(set(self.categories)) < len(self.categories):
            raise ValueError("a category is asked for twice")
        if self.size < 1 + int(self.expertise) + len(self.categories):
            raise ValueError("more experts are asked for than a panel has seats")
        return self


class NewDraw(Body):
    """A draw over every application of the eligible list without a panel, from every appointed reviewer, unless some are named."""

    cycle: Id
    seed: Annotated[str, Line(64)] | None = None
    """Where left out, one is made and told."""
    constraints: DrawConstraints
    applications: Annotated[list[Id], Field(min_length=1, max_length=1000)] | None = None
    pool: Annotated[list[Person], Field(min_length=1, max_length=1000)] | None = None
    solver: Literal["highs", "ortools"] = "highs"

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "cycle": SOME_ID,
                    "seed": "2026-05-06 双色球第2026052期 03 08 14 19 26 31 07",
                    "constraints": {
                        "size": 5,
                        "applications_per_panel": 4,
                        "floor": 1,
                        "ceiling": 3,
                        "expertise": True,
                        "categories": ["4.7"],
                        "linked": True,
                    },
                }
            ]
        }
    )


class NewOverride(Body):
    """One member for another, by the office's decision; the law's own rules hold, the draw's constraints may be departed from."""

    application: Id
    outgoing: Person
    incoming: Person
    reason: Reason

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"application": SOME_ID, "outgoing": "r-2", "incoming": "r-7", "reason": "原抽中人员出差在外。"}]}
    )


class DrawnMember(Answer):
    """A member with the slot they were drawn for: leader, expert, a category of the standard (`category:4.7`) or general."""

    person: str
    name: str
    slot: str


class DrawnPanel(Answer):
    """A panel as it stands after links and overrides; `number` counts from 1."""

    number: int
    applications: list[UUID]
    members: list[DrawnMember]


class DrawLink(Answer):
    """A change made so that panels hang together."""

    panel: int
    outgoing: str
    incoming: str


class Override(Answer):
    """A change that the office decided on."""

    panel: int
    outgoing: str
    incoming: str
    reason: str
    at: datetime
    by: str


class DrawAnswer(Answer):
    """A draw: `objective` is the least cost before links; `formed` once its panels were formed."""

    id: UUID
    cycle: UUID
    seed: str
    solver: str
    constraints: DrawConstraints
    pool: list[str]
    panels: list[DrawnPanel]
    objective: int
    links: list[DrawLink]
    overrides: list[Override]
    state: str
    at: datetime
    by: str
    version: int
    actions: dict[str, Action]


class Replay(Answer):
    """The draw made again from its stored seed, roster and constraints: whether it gives the same panels."""

    same: bool
    objective: int
    panels: list[DrawnPanel]


class WhyNot(Answer):
    """Why a reviewer was or wasn't drawn for the panel of an application.

    `verdict`: drawn; linked or override (seated, or unseated, afterwards); not_in_pool; recused; constraints (no draw seats them there);
    lot (a draw with them would cost `objective_with` instead of `objective`). `slots` are those they could have taken.
    """

    person: str
    application: UUID
    panel: int
    seated: bool
    verdict: Verdict
    detail: str
    clause: str | None
    slots: list[str]
    objective: int
    objective_with: int | None
