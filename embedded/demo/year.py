"""What the acts of the year share: the people, the cycle, and where each organisation stands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from embedded.demo.cast import COMMITTEE, ORGANISATIONS, REVIEWERS
from embedded.demo.scenario import Scenario
from embedded.demo.stage import Person, Stage


@dataclass(frozen=True)
class Stop:
    """Where an organisation's way ended, and by which clause."""

    where: str
    clause: str


@dataclass
class Year:
    """The award year as far as it has come; people by login, applications and panels by the names of the cast.

    `items` are the rubric's, with their points.
    """

    stage: Stage
    activation: str
    scenario: Scenario
    people: dict[str, Person] = field(default_factory=dict)
    cycle: str = ""
    applications: dict[str, str] = field(default_factory=dict)
    panels: dict[str, str] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)
    stops: dict[str, Stop] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def office(self) -> Person:
        """The review office."""
        return self.people["office"]

    @property
    def chair(self) -> Person:
        """The committee's chair."""
        return self.people["chair"]

    @property
    def voters(self) -> list[Person]:
        """Whoever votes on the committee."""
        return [self.people[member.key] for member in COMMITTEE]

    @property
    def reviewers(self) -> list[Person]:
        """The reviewers, in the order of their numbers."""
        return [self.people[login] for login in REVIEWERS]

    @property
    def here(self) -> str:
        """The cycle's path."""
        return f"/cycles/{self.cycle}"

    def version(self) -> int:
        """Read the cycle's version, from which an edit starts."""
        version: int = self.office.expect("GET", self.here)["version"]
        return version

    def path(self, key: str) -> str:
        """Give the path of an organisation's application."""
        return f"/applications/{self.applications[key]}"

    def key_of(self, application: str) -> str:
        """Name the organisation of an application."""
        return next(key for key, known in self.applications.items() if known == application)

    def stop(self, key: str, where: str, clause: str) -> None:
        """Note that an organisation goes no further."""
        self.stops[key] = Stop(where, clause)

    def vote(self, motion: str, choices: Mapping[str, str], name: str | None = None) -> None:
        """Have members vote, by login, each for itself."""
        ballot = {} if name is None else {"name": name}
        self.stage.together(
            lambda member: self.people[member].expect("POST", f"/motions/{motion}/ballots", ballot | {"vote": choices[member]}), choices
        )

    def carry(self, new: Mapping[str, Any], choices: Mapping[str, str]) -> dict[str, Any]:
        """Take a motion without names through: proposed, opened, voted on, closed; gives it as decided."""
        motion = self.office.expect("POST", f"{self.here}/motions", new)["id"]
        self.office.expect("POST", f"/motions/{motion}/opening")
        self.vote(motion, choices)
        decided: dict[str, Any] = self.office.expect("POST", f"/motions/{motion}/closing", {"reason": "其余成员未参加表决。"})
        return decided


Scene = tuple[str, Callable[[Year], None]]
"""A scene's title and what happens in it."""

EVERYBODY_YES: Mapping[str, str] = {member.key: "yes" for member in COMMITTEE}


def township_of(key: str) -> str:
    """Name the body of an organisation's registered address."""
    return f"body-{ORGANISATIONS[key].township}"


def endorser_of(key: str) -> str:
    """Name the login of whoever acts for the body that an organisation asks for its endorsement."""
    return f"body-{ORGANISATIONS[key].endorser}"
