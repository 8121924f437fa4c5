"""What of the year depends on the edition it runs under: facts worked out by hand, and nothing that acts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from embedded.demo.cast import BODIES, ORGANISATIONS
from regulation.edition import example_rules


@dataclass(frozen=True)
class Panel:
    """A panel: its members by number, the first of whom leads, and what it reviews."""

    name: str
    members: tuple[int, ...]
    applications: tuple[str, ...]


@dataclass(frozen=True)
class Scenario:
    """A year under one edition, by the keys of the cast.

    `sought` and `bodies` are what differs from the cast, `taken` is a year that the cycle bars, `earlier` the award, year and prize of
    bamboo's award from before; `totals` are twentieths as a fraction, and points; `too_low` is somebody whom an award's minimum leaves
    out, `evaluated_out` everyone whom one does; `otherwise` says who doesn't vote yes by the name voted on, `counted` gives yes, no,
    abstained and recused.
    """

    edition: str
    panels: tuple[Panel, ...]
    taken: int
    earlier: tuple[str, int, int]
    totals: Mapping[str, tuple[int, int, str]]
    too_low: tuple[str, str]
    evaluated_out: tuple[str, ...]
    named: Mapping[str, str]
    otherwise: Mapping[str, Mapping[str, str]]
    counted: Mapping[str, tuple[int, int, int, int]]
    prizes: Mapping[str, int]
    objected_to: str
    notice_days: int
    sought: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bodies: frozenset[str] = frozenset()
    defences: bool = False

    @property
    def rules(self) -> dict[str, Any]:
        """The implementation rules that the committee adopts: those of the edition's example."""
        return example_rules(self.edition)

    @property
    def told(self) -> set[str]:
        """Every body that is told of the announcement, by code."""
        return {*BODIES, *self.bodies}

    def awards_of(self, key: str) -> tuple[str, ...]:
        """Name the awards that an organisation seeks."""
        return self.sought.get(key, ORGANISATIONS[key].awards)

    def candidates(self) -> dict[str, set[str]]:
        """Give the candidates by award: everyone who is voted on."""
        return {award: {key for key, its in self.named.items() if its == award} for award in self.named.values()}


REVIEWED = (
    ("bamboo", "lateryce", "frostleaf", "dipper"),
    ("egret", "inkstone", "crabapple", "tundra"),
    ("redpine", "stonebridge", "windbell", "bamboobrook"),
    ("cloudsail", "firefly", "wheatwave", "amber"),
)
NAMES = ("第一评审组", "第二评审组", "第三评审组", "第四评审组")


def panels(*members: tuple[int, ...]) -> tuple[Panel, ...]:
    """Make the four panels of these members."""
    return tuple(Panel(name, those, applications) for name, those, applications in zip(NAMES, members, REVIEWED, strict=True))


JINDONG = Scenario(
    edition="jindong-2022",
    panels=panels((1, 2, 3, 4), (4, 5, 6, 7), (7, 8, 9, 10), (10, 11, 12, 1)),  # 1, 4, 7 and 10 sit on two: all four are connected
    taken=2026,
    earlier=("innovation", 2023, 150_000),
    totals={  # 0.4 × material + 0.6 × site
        "bamboo": (12740, 1, "637.00"),
        "egret": (12490, 1, "624.50"),
        "redpine": (12460, 1, "623.00"),
        "lateryce": (12402, 1, "620.10"),
        "inkstone": (12200, 1, "610.00"),
        "cloudsail": (12195, 1, "609.75"),
        "stonebridge": (12000, 1, "600.00"),
        "windbell": (11999, 1, "599.95"),
    },
    too_low=("windbell", "innovation"),
    evaluated_out=("windbell",),
    named={
        "bamboo": "quality",
        "egret": "quality",
        "inkstone": "quality",
        "redpine": "quality",
        "cloudsail": "innovation",
        "lateryce": "innovation",
        "stonebridge": "innovation",
    },
    otherwise={
        "inkstone": {"member-four": "no"},
        "redpine": {"vice-two": "no", "member-one": "no"},
        "lateryce": {"vice-one": "abstain"},
        "stonebridge": {"vice-one": "no", "member-one": "no", "member-two": "no"},
    },
    counted={  # all seven pass; redpine, with the fewest votes for a Quality Award, finds no seat
        "bamboo": (7, 0, 0, 0),
        "egret": (6, 0, 0, 1),
        "inkstone": (6, 1, 0, 0),
        "redpine": (5, 2, 0, 0),
        "cloudsail": (7, 0, 0, 0),
        "lateryce": (6, 0, 1, 0),
        "stonebridge": (4, 3, 0, 0),
    },
    prizes={  # 6.1: bamboo has the Innovation Award of 2023
        "bamboo": 350_000,
        "egret": 500_000,
        "inkstone": 500_000,
        "cloudsail": 150_000,
        "lateryce": 150_000,
        "stonebridge": 150_000,
    },
    objected_to="inkstone",
    notice_days=7,
)
BIENNIAL = Scenario(
    edition="biennial-example",
    panels=panels((1, 2, 3, 4, 9, 12), (4, 5, 6, 7, 8), (7, 8, 9, 10, 11), (10, 11, 12, 1, 2)),  # six, where one will be recused
    taken=2027,
    earlier=("innovation", 2020, 100_000),  # the ban of five years is over in 2026
    totals={  # (material + site) / 2, in lowest terms
        "bamboo": (12750, 1, "637.50"),
        "egret": (25005, 2, "625.12"),
        "redpine": (12450, 1, "622.50"),
        "lateryce": (12395, 1, "619.75"),
        "inkstone": (12205, 1, "610.25"),
        "cloudsail": (12190, 1, "609.50"),
        "stonebridge": (12010, 1, "600.50"),
        "windbell": (24015, 2, "600.37"),
    },
    too_low=("stonebridge", "innovation"),
    evaluated_out=("inkstone", "stonebridge"),
    sought={"cloudsail": ("quality", "innovation", "nomination"), "windbell": ("nomination",)},
    named={
        "bamboo": "quality",
        "egret": "quality",
        "redpine": "quality",
        "lateryce": "innovation",
        "cloudsail": "nomination",
        "windbell": "nomination",
    },
    otherwise={
        "redpine": {"vice-two": "no", "member-one": "no"},
        "lateryce": {"vice-one": "abstain"},
        "windbell": {"vice-one": "no", "member-one": "no", "member-two": "no"},
    },
    counted={  # all six pass; of three names for two Quality Awards, redpine has the fewest votes
        "bamboo": (7, 0, 0, 0),
        "egret": (6, 0, 0, 1),
        "redpine": (5, 2, 0, 0),
        "lateryce": (6, 0, 1, 0),
        "cloudsail": (7, 0, 0, 0),
        "windbell": (4, 3, 0, 0),
    },
    prizes={"bamboo": 200_000, "egret": 300_000, "lateryce": 100_000, "cloudsail": 50_000, "windbell": 50_000},
    objected_to="lateryce",
    notice_days=5,
    bodies=frozenset({"dept-science"}),
    defences=True,
)
SCENARIOS: Mapping[str, Scenario] = MappingProxyType({one.edition: one for one in (JINDONG, BIENNIAL)})
