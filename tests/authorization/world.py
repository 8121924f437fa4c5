"""A world in which something of everything exists, and the people who stand to it in every relation: own, assigned, recused, another's.

Two cycles: one in its material review, with real applications before a real panel, and one whose winners are published.
"""

from collections.abc import Mapping
from pathlib import Path

from embedded import postgres
from embedded.caller import Caller
from embedded.product import Secrets
from kernel.identity import Duty, Role
from tests import rig
from tests.intake.applicants import ENDORSED, FILING, PDF, SCREENING, TOWN, Intake, credit_code
from tests.rig import Award
from tests.scoring.year import Panels
from tests.workflow.committee import RULES, ok
from tests.workflow.year import Year, points

OTHER_TOWN, DEPARTMENT = "330703102", "dept-economy"
MEMBERS = ("rv-1", "rv-2", "rv-3", "rv-4")
World = dict[str, str]

PEOPLE: Mapping[str, tuple[Role, str, tuple[Duty, ...]]] = {
    "office": ("committee", "office-1", ("office",)),
    "recused-office": ("committee", "clerk-2", ("office",)),
    "unsworn-office": ("committee", "clerk-3", ("office",)),
    "chair": ("committee", "chair-1", ("chair",)),
    "other-chair": ("committee", "chair-9", ("chair",)),
    "member": ("committee", "member-1", ("member",)),
    "recused-member": ("committee", "member-2", ("member",)),
    "other-member": ("committee", "member-9", ("member",)),
    "supervisor": ("supervisor", "supervisor-1", ()),
    "recused-supervisor": ("supervisor", "supervisor-2", ()),
    "other-supervisor": ("supervisor", "supervisor-9", ()),
    "leader": ("reviewer", "rv-1", ()),
    "reviewer": ("reviewer", "rv-2", ()),
    "third-reviewer": ("reviewer", "rv-3", ()),
    "recused-reviewer": ("reviewer", "rv-4", ()),
    "other-reviewer": ("reviewer", "rv-5", ()),
    "town": ("endorser", "town-1", ()),
    "recused-town": ("endorser", "town-2", ()),
    "other-town": ("endorser", "town-9", ()),
    "department": ("endorser", "economy-1", ()),
    "own": ("applicant", "applicant-201", ()),
    "other-applicant": ("applicant", "applicant-203", ()),
    "winner": ("applicant", "winner-1", ()),
}
"""Each with role, person and duties; `recused-…` are recused from the first application, `other-…` have to do with another."""
BODIES = {"town": TOWN, "recused-town": TOWN, "other-town": OTHER_TOWN, "department": DEPARTMENT}
RECUSED = ("clerk-2", "member-2", "supervisor-2", "town-2")
SWORN = ("office-1", "clerk-2", "supervisor-1", "supervisor-2", "supervisor-9", "town-1", "town-2", "town-9", "economy-1", *MEMBERS, "rv-5")


def callers(award: Award, world: World) -> dict[str, Caller]:
    """Give everybody a client."""
    orgs = {"own": world["own_code"], "other-applicant": world["other_code"], "winner": world["winner_code"]}
    return {
        name: award.client(role, person, duties=duties, org=orgs.get(name), body=BODIES.get(name))
        for name, (role, person, duties) in PEOPLE.items()
    }


class Review(Panels):
    """The year in its material review: one application before the panel with open sheets, one that is settled, one that was never sent."""

    def __init__(self, award: Award) -> None:
        intake = Intake(award)
        super().__init__(award, 2026, intake.cycle, intake.office)
        self.intake, committee = intake, intake.committee
        seats = {"members": [{"person": f"supervisor-{number}", "name": "赵"} for number in (1, 2)]}
        ok(committee.edit(committee.chair, f"/cycles/{self.id}/supervision-group", seats))
        self.people = callers(award, {"own_code": "", "other_code": "", "winner_code": ""})
        for name, (_, person, _) in PEOPLE.items():
            if person in SWORN and name != "office":
                intake.swear(self.people[name])
        self.first, self.second, self.draft, self.returned = (intake.drafted(number) for number in (201, 202, 203, 204))
        self.scan = self.attached(self.first.client, f"{self.first.path}/attachments", requirement="3.1")
        ok(self.first.submit())
        ok(self.second.submit())
        ok(self.returned.submit())
        award.at(FILING)
        for applicant in (self.first, self.second):
            ok(intake.town.post(f"{applicant.path}/endorsement", json=ENDORSED))
        ok(intake.town.post(f"{self.returned.path}/endorsement", json={"decision": "return", "remarks": "请更换扫描件。"}))
        self.late_scan = self.attached(self.returned.client, f"{self.returned.path}/attachments", requirement="3.1")
        for name, (_, person, _) in PEOPLE.items():
            if person in RECUSED:
                self.recuse(name)

    def person(self, name: str) -> str:
        return name

    def recuse(self, name: str) -> None:
        interest = {"credit_code": self.first.code, "kind": "kinship", "reason": "亲属任职"}
        ok(self.people[name].put("/me/interests", json={"interests": [interest]}))

    @staticmethod
    def attached(by: Caller, path: str, **params: str) -> str:
        return str(ok(by.post(path, params={"name": "a.pdf"} | params, content=PDF))["id"])

    def screened(self) -> World:
        """Screen both applications, with a question to a department; gives what there is to know of them."""
        self.award.at(SCREENING)
        question = {"body": DEPARTMENT, "criterion": "3.3.1", "question": "近三年有无重大事故？", "due_on": "2026-04-20"}
        asked = ok(self.office.post(f"{self.first.path}/verifications", json=question))["id"]
        reply = {"finding": "confirmed", "answer": "无。", "incidents": []}
        ok(self.people["department"].put(f"/verifications/{asked}", json=reply, headers={"If-Match": '"1"'}))
        for applicant in (self.first, self.second):
            ok(self.intake.settle(applicant))
            ok(self.intake.determine(applicant))
        request = {"person": "rv-3", "reason": "曾任顾问。"}
        recusal = ok(self.first.client.post(f"{self.first.path}/recusal-requests", json=request))["id"]
        ok(self.intake.close())
        return {
            "cycle": self.id, "first": self.first.id, "second": self.second.id, "draft": self.draft.id, "scan": self.scan, "asked": asked,
            "returned": self.returned.id, "late_scan": self.late_scan, "recusal_request": recusal,
            "own_code": self.first.code, "other_code": self.draft.code,
        }  # fmt: skip

    def reviewed(self) -> World:
        """Form the panel; settle the second application, leave the first one's sheets open."""
        self.appoint(*MEMBERS, "rv-5", "rv-6", leaders=["rv-1"])
        limits = {"size": 4, "applications_per_panel": 2, "floor": 0, "ceiling": 2}
        lot = {"cycle": self.id, "seed": "lot", "constraints": limits, "applications": [self.first.id, self.second.id]}
        draw = ok(self.office.post("/draws", json=lot | {"pool": [*MEMBERS, "rv-5"]}))["id"]
        panel = self.form(MEMBERS, [self.first.id, self.second.id])
        self.settle(MEMBERS, panel, self.second.id)
        self.recuse("recused-reviewer")
        sheets = {f"sheet_{name[-1]}": self.sheet(name, self.first.id) for name in ("rv-1", "rv-2")}
        roster = {one["person"]: one["id"] for one in ok(self.office.get("/reviewers", params={"limit": 200}))["items"]}
        return {
            "draw": draw,
            "panel": panel,
            "settled_sheet": self.sheet("rv-2", self.second.id),
            "reviewer": roster["rv-2"],
            "other_reviewer": roster["rv-5"],
            "idle_reviewer": roster["rv-6"],
        } | sheets


def finished(award: Award) -> World:
    """Bring a second cycle to its publication, with an objection on the way; its first winner is whom some are recused from."""
    year = Year(award, 2090, [{"material": points(700 - place)} for place in range(3)])
    group = {"members": [{"person": f"supervisor-{number}", "name": "赵"} for number in (1, 2)]}
    ok(year.committee.edit(year.committee.chair, f"/cycles/{year.cycle}/supervision-group", group))
    first = year.names[0]
    year.evaluated()
    agenda = {
        "title": "会议",
        "place": "301会议室",
        "starts_at": year.committee.dated("2026-08-20T14:00:00+08:00"),
        "agenda": [{"title": "审议"}],
    }
    meeting = ok(year.post("meetings", **agenda))["id"]
    motion = year.ballot({first: 4, year.names[1]: 4})
    notice = ok(year.notice({first: motion, year.names[1]: motion}))["id"]
    objected = ok(year.anyone.post(f"/notices/{notice}/objections", json={"application": first, "text": "举报"}))
    code = {"Tracking-Code": objected["tracking_code"]}
    proof = ok(year.anyone.post(f"/objections/{objected['id']}/attachments", params={"name": "a.pdf"}, content=PDF, headers=code))["id"]
    ok(year.rule(objected["id"], removes_name=False))
    year.published()
    held = {
        one["application"]: one["id"] for one in ok(year.office.get("/awards", params={"limit": 200}))["items"] if one.get("application")
    }
    award_id = held[first]
    scan = Review.attached(year.office, f"/cycles/{year.cycle}/attachments")
    use = {
        "wording": "质量奖产品",
        "medium": "网站",
        "used_on": year.committee.dated("2026-10-01"),
        "promotes_product": True,
        "observed": True,
    }
    misuse = ok(year.office.post(f"/awards/{award_id}/honour-uses", json=use))["id"]
    honour = {"credit_code": credit_code(7100), "organisation": "示例机械有限公司", "honour": "city_quality", "year": 2026}
    ok(year.office.post("/external-honours", json=honour | {"awarded_on": "2026-08-12", "document_number": "金政发〔2026〕31号"}))
    planned, bare = year.committee.open_cycle(2092), year.committee.open_cycle(2093)
    year.committee.watch(planned)
    ok(year.committee.edit(year.office, f"/cycles/{planned}/rules", RULES))
    finding = ok(year.committee.supervisor.post("/findings", json={"cycle": year.cycle, "text": "名单有误"}))["id"]
    case = ok(year.office.post(f"/awards/{award_id}/revocation-cases", json={"ground": "fraud", "text": "举报"}))["id"]
    decision = Review.attached(year.office, f"/revocation-cases/{case}/attachments")
    for person in ("clerk-2", "supervisor-2", "member-2"):
        year.tell("undertaking.given", person=person)
        year.tell("recusal.declared", person=person, credit_code=year.codes[first], kind="kinship", source="declared")
    return {
        "past": year.cycle, "winning": first, "winner_code": year.codes[first], "motion": motion, "notice": notice,
        "objection": objected["id"], "proof": proof,
        "award": award_id, "paper": scan, "finding": finding, "case": case, "decision": decision,
        "meeting": meeting, "misuse": misuse, "second_award": held[year.names[1]], "planned": planned, "bare": bare,
    }  # fmt: skip


def stand(server: postgres.Server, template: str, kept: Secrets, folder: Path) -> tuple[str, World]:
    """Build the world in a database that is kept as a template; the files are in the folder."""
    with rig.running(server, template, kept, folder, keep=True) as award:
        return award.name, build(award)


def build(award: Award) -> World:
    """Build it; gives the name and the id, or code, of everything in it."""
    review = Review(award)
    world = review.screened() | review.reviewed()
    world |= finished(award)
    owner = award.database("workflow")
    with owner.begin() as connection:  # intake and scoring never heard of the second cycle's applications
        connection.exec_driver_sql("delete from outbox")
    owner.dispose()
    return world
