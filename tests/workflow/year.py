"""A cycle before the office and the committee, and a year behind its screening, with exact scores, brought to the phase a test needs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self
from uuid import uuid4

import httpx

from tests.rig import Award
from tests.workflow.committee import ANNOUNCED, RULES, VOTERS, Committee, eligible, ok

SCREENED = "2026-04-10T09:00:00+08:00"
PUBLISHED = "2026-09-01T15:30:00+08:00"
LAST_INSTANT = "2026-09-08T23:59:59.999999+08:00"
OVER = "2026-09-09T00:00:00+08:00"


def points(number: float) -> int:
    """Give points as twentieths; only for halves and quarters, which a float holds exactly."""
    return int(number * 20)


class Proceedings(ABC):
    """One cycle before the office and the committee: from its shortlist to its awards, by the door. Days are told as of 2026."""

    def __init__(self, committee: Committee, year: int, cycle: str) -> None:
        self.award, self.committee, self.office = committee.award, committee, committee.office
        self.anyone = self.award.client()
        self.year, self.cycle = year, cycle
        self.names: list[str] = []
        self.codes: dict[str, str] = {}

    @abstractmethod
    def reviewed(self) -> Self:
        """Bring the shortlist into site review."""

    @abstractmethod
    def visit(self) -> None:
        """Bring the results of the site review."""

    def at(self, instant: str) -> None:
        self.award.at(self.committee.dated(instant))

    def post(self, act: str, **body: object) -> httpx.Response:
        return self.office.post(f"/cycles/{self.cycle}/{act}", json=body)

    def phase(self) -> str:
        return str(ok(self.office.get(f"/cycles/{self.cycle}"))["phase"])

    def evaluated(self) -> Self:
        """Bring the computed candidates before the committee."""
        self.reviewed()
        self.visit()
        if "hear_defences" in ok(self.office.get(f"/cycles/{self.cycle}"))["actions"]:
            ok(self.hear())
        ok(self.post("evaluation"))
        ok(self.post("evaluation/confirmation"))
        return self

    def hear(self, *silent: str) -> httpx.Response:
        """Record the oral defences of all but the `silent`."""
        heard = [{"application": name, "record": "答辩情况良好。"} for name in self.names if name not in silent]
        return self.post("defences", held_on=self.committee.dated(SCREENED[:10]), place="区政府二号会议室", heard=heard)

    def ballot(self, names: Mapping[str, int], award: str = "quality", kind: str = "winners") -> str:
        """Vote on names of one award, each with so many yes votes of five; gives the motion."""
        motion = self.committee.propose(self.cycle, kind, names=[{"application": name, "award": award} for name in names])
        ok(self.office.post(f"/motions/{motion}/opening"))
        for name, yes in names.items():
            self.committee.vote(motion, yes, name=name, no=len(VOTERS) - yes)
        ok(self.office.post(f"/motions/{motion}/closing", json={}))
        return motion

    def notice(self, names: Mapping[str, str], at: str = PUBLISHED) -> httpx.Response:
        """Publish the notice of names, each with the motion whose ballot it won."""
        self.at(at)
        named = [{"application": name, "motion": motion} for name, motion in names.items()]
        return self.post("notices", text="拟获奖名单公示", medium="区政府门户网站", names=named)

    def noticed(self, count: int = 1) -> str:
        """Bring the first names, all won, before the public; gives the notice."""
        self.evaluated()
        motion = self.ballot(dict.fromkeys(self.names[:count], 5))
        return str(ok(self.notice(dict.fromkeys(self.names[:count], motion)))["id"])

    def approve(self, dated: str = "2026-09-09") -> httpx.Response:
        return self.post("approval", decision="approve", document_number="金东政发〔2026〕12号", dated=self.committee.dated(dated))

    def rule(self, objection: str, *, removes_name: bool) -> httpx.Response:
        """Investigate, report, vote and rule."""
        read = self.office.get(f"/objections/{objection}")
        body = {"findings": "经核实", "report": "提请评委会复议"}
        ok(self.office.put(f"/objections/{objection}/investigation", json=body, headers={"If-Match": read.headers["etag"]}))
        motion = self.committee.decide(self.cycle, "ruling", objection=objection, removes_name=removes_name)
        return self.office.post(f"/objections/{objection}/ruling", json={"motion": motion["id"]})

    def published(self, on: str = OVER[:10]) -> None:
        """Approve and publish at the beginning of a day after the notice."""
        self.at(f"{on}T00:00:00+08:00")
        ok(self.approve(dated=on))
        on = self.committee.dated(on)
        ok(self.post("publication", document="金东政发〔2026〕12号", medium="区政府门户网站", published_on=on))


class Year(Proceedings):
    """One cycle told of by letters; `material` and `site` are twentieths by application."""

    def __init__(
        self,
        award: Award,
        year: int,
        contenders: Sequence[Mapping[str, Any]],
        rules: dict[str, Any] | None = None,
        edition: str | None = None,
    ) -> None:
        award.at(ANNOUNCED)
        committee = Committee(award)
        super().__init__(committee, year, committee.launch(year, rules, edition))
        committee.swear(self.cycle)
        award.at(SCREENED)
        scores = ("material", "site")
        numbered = [(eligible(year % 100 * 10 + place), given) for place, given in enumerate(contenders, start=1)]
        listed = [base | {key: value for key, value in given.items() if key not in scores} for base, given in numbered]
        self.names = [one["application"] for one in listed]
        self.codes = {one["application"]: one["credit_code"] for one in listed}
        self.material = {name: given["material"] for name, given in zip(self.names, contenders, strict=True)}
        self.site = {name: given.get("site", given["material"]) for name, given in zip(self.names, contenders, strict=True)}
        self.tell("screening.closed", "intake", count=len(listed), hash="0" * 64, applications=listed)
        self.panel = str(uuid4())
        self.tell("panel.formed", panel=self.panel, name="第一评审组", leader="r1", members=["r1", "r2", "r3"], applications=self.names)

    def tell(self, news: str, sender: str = "scoring", /, **facts: object) -> None:
        self.committee.tell(news, sender, cycle=self.cycle, **facts)

    def report(self, stage: str, scores: Mapping[str, int], recommended: Sequence[str] = (), news: str = "panel.reported") -> None:
        results = [
            {
                "application": name, "numerator": score, "denominator": 1, "aggregation": "consensus", "counted": ["s1", "s2", "s3"],
                "not_counted": [],
            }
            for name, score in scores.items()
        ]  # fmt: skip
        facts = {"panel": self.panel, "stage": stage, "report": str(uuid4()), "recommended": list(recommended), "results": results}
        self.tell(news, **facts)

    def reviewed(self) -> Self:
        """Bring every name into site review."""
        self.report("material", self.material, self.names)
        ok(self.post("shortlist"))
        return self

    def visit(self) -> None:
        self.report("site", self.site)

    def post_import(self, row: Mapping[str, object], *, dry_run: bool = False) -> httpx.Response:
        return self.office.post("/awards/imports", json={"awards": [row]}, params={"dry_run": str(dry_run).lower()})


WORKING_DAYS = RULES | {"notice_day": "working"}
