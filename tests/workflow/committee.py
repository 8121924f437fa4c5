"""A committee at work, for the workflow's tests: its people as callers, and the steps that many tests need behind them."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import httpx

from embedded.caller import Caller
from kernel.database import new_id
from kernel.identity import service_audience
from regulation.edition import example_rules
from tests.rig import Award

ANNOUNCED = "2026-02-20T09:00:00+08:00"
COUNTED = {"aggregation": "consensus", "counted": [], "not_counted": []}
VOTERS = ("chair-1", "vice-1", "vice-2", "member-1", "member-2")
RULES = example_rules("jindong-2022") | {"material_weight": 60, "site_weight": 40}
EARLY = {"reason": "其余成员未能参加表决。"}
"""Why a vote is closed while somebody could still vote."""
PLAN = {
    "milestones": {"open": "2026-03-01", "screening": "2026-04-01"},
    "window": {"opens": "2026-03-01T00:00:00+08:00", "closes": "2026-04-01T00:00:00+08:00"},
    "budget_yuan": 2_500_000,
}
ROSTER = {
    "members": [
        {"person": "office-1", "name": "周", "unit": "区市场监督管理局", "duties": ["office"]},
        {"person": "chair-1", "name": "王", "unit": "区人民政府", "duties": ["chair"]},
        {"person": "vice-1", "name": "李", "unit": "区人民政府办公室", "duties": ["vice_chair"]},
        {"person": "vice-2", "name": "陈", "unit": "区市场监督管理局", "duties": ["vice_chair", "office"]},
        {"person": "member-1", "name": "张", "unit": "区财政局", "duties": ["member"]},
        {"person": "member-2", "name": "吴", "unit": "区教育局", "duties": ["member"]},
    ]
}


class Committee:
    """The people of one cycle, each with a client of their own."""

    def __init__(self, award: Award, calendar: int = 2026) -> None:
        self.award, self.calendar = award, calendar
        self.office = award.client("committee", "office-1", duties=["office"])
        self.supervisor = award.client("supervisor", "supervisor-1")
        self.voters: dict[str, Caller] = {
            person: award.client("committee", person, duties=["vice_chair" if person.startswith("vice") else person.partition("-")[0]])  # type: ignore[list-item] # the parts before the dash are duties
            for person in VOTERS
        }
        self.chair = self.voters["chair-1"]

    def dated(self, text: str) -> str:
        """Give the same day or instant of 2026 in the year in which this cycle is run."""
        return text.replace("2026-", f"{self.calendar}-")

    def close(self) -> None:
        for client in (self.office, self.supervisor, *self.voters.values()):
            client.close()

    def open_cycle(self, year: int, edition: str | None = None) -> str:
        new = {"year": year} | ({"edition": edition} if edition else {})
        return str(ok(self.office.post("/cycles", json=new))["id"])

    def edit(self, caller: Caller, path: str, body: object) -> httpx.Response:
        """Put, with the cycle's version as the caller last read it."""
        cycle = path.split("/")[2]
        return caller.put(path, json=body, headers={"If-Match": caller.get(f"/cycles/{cycle}").headers["etag"]})

    def prepare(self, cycle: str, rules: dict[str, Any] | None = None) -> None:
        """Plan, roster and supervision group, and a draft of the rules."""
        ok(self.edit(self.office, f"/cycles/{cycle}/plan", json.loads(self.dated(json.dumps(PLAN)))))
        self.watch(cycle)
        ok(self.edit(self.office, f"/cycles/{cycle}/rules", rules or RULES))

    def watch(self, cycle: str) -> None:
        """Seat the committee, and have its chair set the supervision group."""
        ok(self.edit(self.office, f"/cycles/{cycle}/committee", ROSTER))
        ok(self.edit(self.chair, f"/cycles/{cycle}/supervision-group", {"members": [{"person": "supervisor-1", "name": "赵"}]}))

    def propose(self, cycle: str, kind: str, **subject: object) -> str:
        return str(ok(self.office.post(f"/cycles/{cycle}/motions", json={"kind": kind, "title": f"议案：{kind}", **subject}))["id"])

    def vote(self, motion: str, yes: int, *, name: str | None = None, no: int = 0, voters: tuple[str, ...] = VOTERS) -> None:
        """Have the first `yes` voters vote yes and the next `no` vote no."""
        for place, person in enumerate(voters[: yes + no]):
            body = {"vote": "yes" if place < yes else "no"} | ({"name": name} if name else {})
            ok(self.voters[person].post(f"/motions/{motion}/ballots", json=body))

    def decide(self, cycle: str, kind: str, yes: int = 5, **subject: object) -> dict[str, Any]:
        """Propose, open, vote and close a motion without names."""
        motion = self.propose(cycle, kind, **subject)
        ok(self.office.post(f"/motions/{motion}/opening"))
        self.vote(motion, yes, no=len(VOTERS) - yes)
        return ok(self.office.post(f"/motions/{motion}/closing", json={}))

    def approve_rules(self, cycle: str) -> None:
        motion = self.decide(cycle, "rules")
        ok(self.office.post(f"/cycles/{cycle}/rules/approval", json={"motion": motion["id"]}))

    def launch(self, year: int, rules: dict[str, Any] | None = None, edition: str | None = None) -> str:
        """Bring a new cycle to its announcement."""
        cycle = self.open_cycle(year, edition)
        self.prepare(cycle, rules)
        self.approve_rules(cycle)
        ok(self.office.post(f"/cycles/{cycle}/launch"))
        announcement = {"announced_on": self.dated(ANNOUNCED[:10]), "medium": "金东新闻", "text": "申报工作启动。"}
        ok(self.office.post(f"/cycles/{cycle}/announcement", json=announcement))
        return cycle

    def tell(self, kind: str, sender: str = "scoring", /, **facts: object) -> None:
        """Bring an event as a peer's relay does, on the business clock's day."""
        product = self.award.product
        token = product.door.tokens.sign(sender, {"scope": "service"}, audience=service_audience("workflow"))
        at = ok(self.office.get("/demo/clock"))["now"]
        letter = {"id": str(new_id()), "at": at, "kind": kind, "subject": "test", "actor": None, "facts": facts}

        async def bring() -> httpx.Response:
            transport = httpx.ASGITransport(product.programs["workflow"])
            async with httpx.AsyncClient(transport=transport, base_url="http://workflow") as peer:
                return await peer.post("/internal/events", json=letter, headers={"Authorization": f"Bearer {token}"})

        answer = asyncio.run(bring())
        assert answer.status_code == 204, answer.text

    def swear(self, cycle: str) -> None:
        """Bring everybody's undertaking as scoring tells it."""
        for person in ("office-1", "supervisor-1", *VOTERS):
            self.tell("undertaking.given", person=person, cycle=cycle)

    def hear(self) -> None:
        """Wait for the news under way to intake: nothing is called absent before it has arrived."""
        assert self.office.get(f"/applications/{uuid4()}").status_code == 404

    def deliberate(self, year: int, contenders: list[dict[str, Any]], points: list[int], rules: dict[str, Any] | None = None) -> str:
        """Bring a cycle to its deliberation, with these contenders and their scores in whole points."""
        cycle = self.launch(year, rules)
        self.swear(cycle)
        self.award.at("2026-04-01T00:00:00+08:00")
        self.tell("screening.closed", "intake", cycle=cycle, count=len(contenders), hash="0" * 64, applications=contenders)
        panel, ids = str(new_id()), [one["application"] for one in contenders]
        self.tell("panel.formed", cycle=cycle, panel=panel, name="一组", leader="r-1", members=["r-1", "r-2", "r-3"], applications=ids)
        for stage, act in (("material", "shortlist"), ("site", "evaluation")):
            results = [
                {"application": one, "numerator": 20 * score, "denominator": 1, **COUNTED} for one, score in zip(ids, points, strict=True)
            ]
            self.tell("panel.reported", cycle=cycle, panel=panel, stage=stage, report="报告", recommended=ids, results=results)
            ok(self.office.post(f"/cycles/{cycle}/{act}", json={}))
        ok(self.office.post(f"/cycles/{cycle}/evaluation/confirmation", json={}))
        return cycle


def ok(answer: httpx.Response) -> dict[str, Any]:
    """Give the body of an answer that must have succeeded."""
    assert answer.is_success, answer.text
    body: dict[str, Any] = answer.json()
    return body


def refused(answer: httpx.Response, code: str, clause: str | None = None) -> None:
    """Demand this refusal, with its clause."""
    body = answer.json()
    assert (answer.status_code, body["code"], body.get("clause")) == (409, code, clause), answer.text


def eligible(number: int, **given: object) -> dict[str, Any]:
    """Give an eligible application as intake tells it."""
    application = {
        "application": str(uuid4()),
        "credit_code": f"91330703MA0000{number:03d}0",
        "organisation": f"企业{number}",
        "township": "330703101",
        "industry": "C3525",
        "awards": ["quality"],
        "fallback": False,
        "preferred": False,
    }
    return application | given
