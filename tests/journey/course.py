"""A year that goes through all the services by the door alone: applied for, endorsed, screened, scored and reported, then decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from embedded.caller import Caller
from embedded.demo.ratings import agreed
from tests.intake.applicants import INNOVATION, SCREENING, Applicant, Intake, indicators
from tests.rig import Award
from tests.scoring.year import RUBRIC, Panels
from tests.verify.forgery import opened
from tests.workflow.committee import ok
from tests.workflow.year import OVER, Proceedings
from verifier.finding import Report
from verifier.verification import verify

ITEMS = {item.id: item.points for item in RUBRIC.items}
MATERIAL, SITE = "2026-05-06T09:00:00+08:00", "2026-06-15T09:00:00+08:00"
APART = (0, 5, -5, 10, -10)
"""By how many percent each member's own sheets stand off what the panel agrees on."""


@dataclass(frozen=True)
class Contender:
    """An organisation that applies: the points on which the panel agrees in each stage, what it seeks, and its number where it has one."""

    points: str
    awards: tuple[str, ...] = ("quality",)
    fallback: bool = False
    number: int = 0


def contenders(*points: str, **sought: Any) -> list[Contender]:  # noqa: ANN401 - a contender's own fields
    return [Contender(one, **sought) for one in points]


class Course(Proceedings):
    """One year, run in the calendar year `calendar`; its panel has the first of its members for a leader."""

    def __init__(
        self,
        award: Award,
        year: int,
        given: Sequence[Contender],
        *,
        members: int = 3,
        rules: dict[str, Any] | None = None,
        edition: str | None = None,
        calendar: int = 2026,
    ) -> None:
        intake = Intake(award, year, rules, edition, calendar)
        super().__init__(intake.committee, year, intake.cycle)
        self.apart = (rules or {}).get("aggregation", "consensus") != "consensus"
        self.applicants = [self._filed(intake, place, one) for place, one in enumerate(given, start=1)]
        self._screen(intake)
        self.names = [one.id for one in self.applicants]
        self.codes = {one.id: one.code for one in self.applicants}
        self.ratings = {name: agreed(one.points, ITEMS) for name, one in zip(self.names, given, strict=True)}
        for official in (*self.committee.voters.values(), self.committee.supervisor):
            intake.swear(official)
        self.members = [f"r{number}" for number in range(members)]
        self.recused: set[tuple[str, str]] = set()
        self.panels = Panels(award, year, self.cycle, self.office)
        self.panels.appoint(*self.members, leaders=self.members[:1])
        self.panels.undertake(*self.members)
        self.panel = self.panels.form(self.members, self.names)

    def _filed(self, intake: Intake, place: int, one: Contender) -> Applicant:
        innovation = {} if one.awards == ("quality",) else {"innovation": INNOVATION}
        sought = {"awards": one.awards, "fallback": one.fallback}
        return intake.filed(one.number or self.year % 100 * 10 + place, sought=sought, indicators=indicators(self.year - 1), **innovation)

    def _screen(self, intake: Intake) -> None:
        self.at(SCREENING)
        for one in self.applicants:
            ok(intake.settle(one))
            ok(intake.determine(one))
        ok(intake.close())

    def score(self, stage: str, names: Sequence[str]) -> None:
        """Have the panel score, agree and report."""
        for name in names:
            members = self._left(name)
            for place, member in enumerate(members):
                off = APART[place] if self.apart else 0
                own = {item: percent + off for item, percent in self.ratings[name].items()}
                ok(self.panels.hand_in(member, name, stage=stage, better=own))
            self.panels.conclude(members, self.panel, name, better=self.ratings[name])
        self.send_report(stage)

    def settle_again(self, name: str) -> None:
        """Have those who are left form the consensus on a name anew, and the panel report anew."""
        self.panels.conclude(self._left(name), self.panel, name, better=self.ratings[name])
        self.send_report("material")

    def send_report(self, stage: str) -> None:
        body = {"text": "评审报告。", "recommended": self.names if stage == "material" else []}
        ok(self.panels.report(self.members, self.panel, body))

    def _left(self, name: str) -> list[str]:
        return [member for member in self.members if (member, name) not in self.recused]

    def review(self) -> None:
        """Score the material."""
        self.at(MATERIAL)
        self.score("material", self.names)

    def reviewed(self) -> Self:
        self.review()
        ok(self.post("shortlist"))
        return self

    def visit(self) -> None:
        """Plan the site visits, then score."""
        self.at(SITE)
        listed = ok(self.office.get(f"/cycles/{self.cycle}/shortlist"))["applications"]
        leader, path = self.panels.client(self.members[0]), f"/panels/{self.panel}"
        on = self.committee.dated("2026-06-16")
        visits = [{"application": one, "on": on, "programme": "首次会议、现场查看、末次会议"} for one in listed]
        ok(leader.put(f"{path}/site-plan", json={"visits": visits}, headers={"If-Match": leader.get(path).headers["etag"]}))
        self.score("site", listed)

    def read(self, name: str) -> dict[str, Any]:
        """Give an application as its own applicant reads it, once the news under way has come to it."""
        self.committee.hear()
        return self.applicants[self.names.index(name)].read()

    def winners(self) -> dict[str, str]:
        """Give who holds which award of this year, as the public reads it."""
        listed = ok(self.anyone.get("/public/awards", params={"limit": 200}))["items"]
        won = {one["credit_code"]: one["award"] for one in listed if (one["year"], one["status"]) == (self.year, "published")}
        return {name: won[code] for name, code in self.codes.items() if code in won}

    def awards(self) -> list[dict[str, Any]]:
        """Give this year's awards as the office reads them, in the order of the applications."""
        listed = ok(self.office.get("/awards", params={"year": self.year}))["items"]
        return sorted(listed, key=lambda one: self.names.index(one["application"]))

    def pay(self, award: str, amount: int) -> None:
        paid = {"amount": amount, "paid_on": self.committee.dated(OVER[:10]), "voucher": "p1"}
        ok(self.office.post(f"/awards/{award}/payments", json=paid))

    def bundle(self, reader: Caller, **params: str) -> bytes:
        answer = reader.get(f"/cycles/{self.cycle}/bundle", params=params)
        assert answer.is_success, answer.text
        return answer.content

    def verified(self, *readers: Caller) -> list[Report]:
        """Verify the bundle that each reader gets: nothing is found in it."""
        reports = [verify(self.bundle(reader), year=self.year) for reader in readers or (self.committee.supervisor, self.anyone)]
        for report in reports:
            assert list(map(str, report.findings)) == []
        return reports

    def phases(self) -> list[str]:
        """Tell the phases that the year has gone through, as the supervision group's copy of the record has them."""
        events = [entry["event"] for entry in opened(self.bundle(self.committee.supervisor))["record-workflow"]["events"]]
        mine = [event["facts"] for event in events if event["subject"] == f"cycle:{self.cycle}"]
        return list(dict.fromkeys(facts["phase"] for facts in mine if "phase" in facts))

    def closed(self) -> None:
        """End the year, and verify what the public gets of it."""
        assert ok(self.post("closure"))["phase"] == "closed"
        self.verified(self.anyone)
