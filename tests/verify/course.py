"""A year that goes through all the services, from applications to awards, so that its bundle can be verified."""

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import uuid4

from embedded.caller import Caller
from tests.intake.applicants import DRAFTING, SCREENING, Applicant, Intake, indicators
from tests.rig import Award
from tests.scoring import year as scoring
from tests.workflow import year as workflow
from tests.workflow.committee import Committee, ok
from verifier.finding import Report
from verifier.verification import verify

MATERIAL, SITE = "2026-05-06T09:00:00+08:00", "2026-06-15T09:00:00+08:00"
APART = (0, 5, -5, 10, -10)
"""By how many percent each member's own sheets stand off what the panel agrees on."""


class Review(scoring.Year):
    """Scoring's helper over a cycle that its peers really told it of."""

    def __init__(self, award: Award, year: int, cycle: str) -> None:
        self.award, self.id, self.year, self.mark = award, cycle, year, uuid4().hex[:6]
        self.office = award.client("committee", "office-1", duties=["office"])
        self.client = cache(super().client)  # type: ignore[method-assign] # one connection for each

    def conclude(self, members: Sequence[str], panel: str, application: str, percent: int, stage: str, *, apart: bool) -> None:
        """Bring an application from draft sheets to a signed consensus; each member's sheets are their own where they stand apart."""
        for place, name in enumerate(members):
            ok(self.hand_in(name, application, percent + (APART[place] if apart else 0), stage))
        ok(self.agree(members[0], panel, application, percent))
        for name in members:
            ok(self.sign(name, panel, application))


class Course(workflow.Year):
    """One year; `percents` is what the panel agrees on for each application, all items alike."""

    def __init__(
        self,
        award: Award,
        year: int,
        percents: Sequence[int],
        *,
        members: int = 3,
        rules: dict[str, Any] | None = None,
        edition: str | None = None,
    ) -> None:
        self.award, self.year, self.calendar, self.anyone = award, year, 2026, award.client()
        intake = Intake(award, year, rules, edition)
        self.committee, self.cycle = Committee(award), intake.cycle
        self.office = self.committee.office
        self.review = Review(award, year, self.cycle)
        self.recused: set[tuple[str, str]] = set()
        self.apart = (rules or {}).get("aggregation", "consensus") != "consensus"
        applicants = [self._filed(intake, year % 100 * 10 + place) for place in range(1, len(percents) + 1)]
        self._screen(intake, applicants)
        self.names = [one.id for one in applicants]
        self.codes = {one.id: one.code for one in applicants}
        self.percents = dict(zip(self.names, percents, strict=True))
        self.members = [f"r{number}" for number in range(members)]
        for official in (*self.committee.voters.values(), self.committee.supervisor):
            self.swear(official)
        self.review.appoint(*self.members, leaders=self.members[:1])
        self.review.undertake(*self.members)
        self.panel = self.review.form(self.members, self.names)

    def swear(self, official: Caller) -> None:
        ok(official.post("/me/undertakings", json={"cycle": self.cycle}))

    @staticmethod
    def _filed(intake: Intake, number: int) -> Applicant:
        intake.award.at(DRAFTING)
        year = ok(intake.office.get(f"/cycles/{intake.cycle}"))["year"]
        return intake.filed(number, indicators=indicators(year - 1))

    @staticmethod
    def _screen(intake: Intake, applicants: Sequence[Applicant]) -> None:
        intake.award.at(SCREENING)
        for one in applicants:
            ok(intake.settle(one))
            ok(intake.determine(one))
        ok(intake.close())

    def score(self, stage: str, names: Sequence[str]) -> None:
        """Have the panel score, agree and report."""
        for name in names:
            members = [member for member in self.members if (member, name) not in self.recused]
            self.review.conclude(members, self.panel, name, self.percents[name], stage, apart=self.apart)
        self.send_report(stage)

    def settle_again(self, name: str) -> None:
        """Have those who are left form the consensus on a name anew, and the panel report anew."""
        left = [member for member in self.members if (member, name) not in self.recused]
        ok(self.review.agree(left[0], self.panel, name, self.percents[name]))
        for member in left:
            ok(self.review.sign(member, self.panel, name))
        self.send_report("material")

    def send_report(self, stage: str) -> None:
        body = {"text": "评审报告。", "recommended": self.names if stage == "material" else []}
        ok(self.review.report(self.members, self.panel, body))

    def reviewed(self) -> "Course":
        self.award.at(MATERIAL)
        self.score("material", self.names)
        ok(self.post("shortlist"))
        return self

    def evaluated(self) -> "Course":
        self.reviewed()
        self.visit()
        if "hear_defences" in ok(self.office.get(f"/cycles/{self.cycle}"))["actions"]:
            ok(self.hear())
        ok(self.post("evaluation"))
        ok(self.post("evaluation/confirmation"))
        return self

    def visit(self) -> None:
        """Plan the site visits, then score."""
        self.award.at(SITE)
        listed = ok(self.office.get(f"/cycles/{self.cycle}/shortlist"))["applications"]
        leader, path = self.review.client(self.members[0]), f"/panels/{self.panel}"
        visits = [{"application": one, "on": "2026-06-16", "programme": "首次会议、现场查看、末次会议"} for one in listed]
        ok(leader.put(f"{path}/site-plan", json={"visits": visits}, headers={"If-Match": leader.get(path).headers["etag"]}))
        self.score("site", listed)

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
