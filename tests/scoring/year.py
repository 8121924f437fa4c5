"""A cycle as scoring meets it: told of by its peers' letters, acted on through the door."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx

from embedded.caller import Caller
from kernel.database import new_id
from kernel.identity import service_audience
from regulation import rubric
from regulation.edition import example_rules
from regulation.identifiers import CHARACTERS, WEIGHTS
from tests.rig import Award

RULES = example_rules("jindong-2022") | {"aggregation": "mean", "material_weight": 60, "site_weight": 40}
RUBRIC = rubric.load("gbt-19580-2012")
REVIEWER = {
    "degree": "bachelor",
    "senior_title": False,
    "years": 5,
    "policy_knowledge_on": "2026-01-12",
    "ethics_on": "2026-01-13",
    "trainings": [{"standard": "GB/T 19580", "on": "2025-06-03"}, {"standard": "GB/Z 19579", "on": "2025-06-04"}],
    "leader_qualified": False,
    "expertise": ["C"],
}


def credit_code(number: int) -> str:
    body = f"91330703{number:09}"
    total = sum(weight * CHARACTERS.index(character) for weight, character in zip(WEIGHTS, body, strict=True))
    return body + CHARACTERS[-total % 31]


def refusal(answer: httpx.Response) -> tuple[int, str, str | None]:
    problem = answer.json()
    return answer.status_code, problem["code"], problem.get("clause")


def is_absent(answer: httpx.Response) -> bool:
    return refusal(answer) == (404, "absent", None)


class Panels:
    """The reviewers and the panels of one cycle at work, by the door."""

    def __init__(self, award: Award, year: int, cycle: str, office: Caller) -> None:
        self.award, self.year, self.id, self.office = award, year, cycle, office
        self.mark = uuid4().hex[:6]
        self._callers: dict[str, Caller] = {}

    def person(self, name: str) -> str:
        return f"{name}-{self.mark}"

    def client(self, name: str) -> Caller:
        """Give a reviewer's one caller."""
        if name not in self._callers:
            self._callers[name] = self.award.client("reviewer", self.person(name))
        return self._callers[name]

    def appoint(self, *names: str, leaders: Sequence[str] = ()) -> None:
        for name in names:
            new = REVIEWER | {"person": self.person(name), "name": name, "leader_qualified": name in leaders}
            answer = self.office.post("/reviewers", json=new)
            assert answer.status_code == 201, answer.text

    def undertake(self, *names: str) -> None:
        for name in names:
            answer = self.client(name).post("/me/undertakings", json={"cycle": self.id})
            assert answer.status_code == 201, answer.text

    def panel_body(self, members: Sequence[str], applications: Sequence[str], leader: str | None = None) -> dict[str, Any]:
        return {
            "cycle": self.id,
            "name": "第一评审组",
            "leader": self.person(leader or members[0]),
            "members": [self.person(name) for name in members],
            "applications": list(applications),
        }

    def form(self, members: Sequence[str], applications: Sequence[str]) -> str:
        answer = self.office.post("/panels", json=self.panel_body(members, applications))
        assert answer.status_code == 201, answer.text
        panel: str = answer.json()["id"]
        return panel

    def sheet(self, name: str, application: str, stage: str = "material") -> str:
        items = self.client(name).get("/sheets", params={"limit": 200}).json()["items"]
        [found] = [sheet["id"] for sheet in items if sheet["application"] == application and sheet["stage"] == stage]
        return str(found)

    def rate(self, name: str, sheet: str, percent: int = 60, better: Mapping[str, int] | None = None) -> httpx.Response:
        """Rate every item alike, but those named."""
        body = {item.id: rating((better or {}).get(item.id, percent)) for item in RUBRIC.items}
        client = self.client(name)
        tag = client.get(f"/sheets/{sheet}").headers["etag"]
        return client.put(f"/sheets/{sheet}/items", json={"items": body}, headers={"If-Match": tag})

    def hand_in(
        self, name: str, application: str, percent: int = 60, stage: str = "material", better: Mapping[str, int] | None = None
    ) -> httpx.Response:
        sheet = self.sheet(name, application, stage)
        rated = self.rate(name, sheet, percent, better)
        assert rated.status_code == 200, rated.text
        return self.client(name).post(f"/sheets/{sheet}/submission")

    def agree(
        self,
        leader: str,
        panel: str,
        application: str,
        percent: int = 60,
        better: Mapping[str, int] | None = None,
        reasons: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        where = f"/panels/{panel}/applications/{application}/consensus"
        client = self.client(leader)
        tag = client.get(where).headers["etag"]
        items = {
            item.id: {"percent": (better or {}).get(item.id, percent), "reason": (reasons or {}).get(item.id)} for item in RUBRIC.items
        }
        return client.put(where, json={"items": items}, headers={"If-Match": tag})

    def sign(self, name: str, panel: str, application: str, stance: str = "agree", reason: str | None = None) -> httpx.Response:
        where = f"/panels/{panel}/applications/{application}/consensus"
        client = self.client(name)
        tag = client.get(where).headers["etag"]
        return client.post(f"{where}/signatures", json={"stance": stance, "reason": reason}, headers={"If-Match": tag})

    def report(self, members: Sequence[str], panel: str, body: Mapping[str, object]) -> httpx.Response:
        """Have the first draft a report and, unless that is refused, the others sign it; gives the leader's answer."""
        drafted = self.client(members[0]).post(f"/panels/{panel}/report", json=body)
        for name in members[1:] if drafted.status_code == 201 else ():
            stance = {"report": drafted.json()["id"], "stance": "agree"}
            signed = self.client(name).post(f"/panels/{panel}/report/signatures", json=stance)
            assert signed.status_code == 201, signed.text
        return drafted

    def settle(self, members: Sequence[str], panel: str, application: str, percent: int = 60, stage: str = "material") -> None:
        """Bring an application from draft sheets to a consensus that every member signed."""
        for name in members:
            assert self.hand_in(name, application, percent, stage).status_code == 200
        self.conclude(members, panel, application, percent)

    def conclude(
        self, members: Sequence[str], panel: str, application: str, percent: int = 60, better: Mapping[str, int] | None = None
    ) -> None:
        """Have the first write the consensus, and every member sign it."""
        assert self.agree(members[0], panel, application, percent, better).status_code == 200
        for name in members:
            assert self.sign(name, panel, application).status_code == 201


class Year(Panels):
    """One cycle told of by letters, with its office and what its applications are called."""

    def __init__(self, award: Award, year: int, **rules: object) -> None:
        self.office_person = f"office-{uuid4().hex[:6]}"
        super().__init__(award, year, str(new_id()), award.client("committee", self.office_person, duties=["office"]))
        self.supervisor = award.client("supervisor", f"supervisor-{self.mark}")
        self.codes: dict[str, str] = {}
        self.used: set[str] = set()
        launch = {"cycle": self.id, "year": year, "edition": "jindong-2022", "rubric": RUBRIC.id, "rules_hash": "0" * 64}
        self.tell("workflow", "cycle.launched", **launch, rules=RULES | rules, launched_on="2026-03-01")
        self.tell("workflow", "supervision.appointed", cycle=self.id, members=[{"person": f"supervisor-{self.mark}"}])
        self.tell("workflow", "committee.set", cycle=self.id, members=[{"person": self.person("member")}])
        for overseer in (self.office, self.supervisor):
            assert overseer.post("/me/undertakings", json={"cycle": self.id}).status_code == 201

    def tell(self, sender: str, kind: str, /, **facts: object) -> None:
        """Bring scoring a letter, as the relay of a peer does."""
        letter = {"id": str(new_id()), "at": "2026-03-01T09:00:00+08:00", "kind": kind, "subject": "test", "actor": None, "facts": facts}
        answer = asyncio.run(self._ask(sender, "POST", "/internal/events", json=letter))
        assert answer.status_code == 204, answer.text

    def may_read(self, person: str, application: str) -> bool:
        """Ask what intake asks before it shows a dossier."""
        params = {"person": self.person(person), "application": application}
        answer: bool = asyncio.run(self._ask("intake", "GET", "/internal/dossier-access", params=params)).json()["may_read"]
        return answer

    def tasks(self, name: str) -> list[dict[str, Any]]:
        """Ask what waits for a reviewer, as the door does for `/me`."""
        return self._tasks(self.person(name), {"role": "reviewer"})

    def office_tasks(self) -> list[dict[str, Any]]:
        """Ask what waits for the office in this cycle's year."""
        found = self._tasks(self.office_person, {"role": "committee", "duties": ["office"]})
        return [task for task in found if str(self.year) in task["title"]]

    def _tasks(self, person: str, claims: Mapping[str, object]) -> list[dict[str, Any]]:
        token = self.award.product.door.tokens.sign(person, claims)
        found: list[dict[str, Any]] = asyncio.run(self._call(token, "GET", "/internal/tasks")).json()
        return found

    def decisions(self, name: str) -> list[str]:
        """Ask which decisions a reviewer is told of."""
        token = self.award.product.door.tokens.sign(self.person(name), {"role": "reviewer"})
        told = asyncio.run(self._call(token, "GET", "/internal/standing", params={"since": "2020-01-01T00:00:00Z"})).json()["decisions"]
        return [one["title"] for one in told]

    async def _ask(self, sender: str, method: str, path: str, **given: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own arguments
        token = self.award.product.door.tokens.sign(sender, {"scope": "service"}, audience=service_audience("scoring"))
        return await self._call(token, method, path, **given)

    async def _call(self, token: str, method: str, path: str, **given: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own arguments
        transport = httpx.ASGITransport(self.award.product.programs["scoring"])
        async with httpx.AsyncClient(transport=transport, base_url="http://scoring") as peer:
            return await peer.request(method, path, headers={"Authorization": f"Bearer {token}"}, **given)

    def close_screening(self, count: int) -> list[str]:
        found = [str(new_id()) for _ in range(count)]
        base = UUID(self.id).int % 10**6 * 100
        self.codes = {application: credit_code(base + place) for place, application in enumerate(found)}
        applications = [
            {
                "application": application,
                "credit_code": code,
                "organisation": f"org {code[-4:]}",
                "township": "330703101",
                "industry": "C34",
                "awards": ["quality", "innovation"],
                "fallback": True,
                "preferred": False,
                "attachments": [file_of(application)],
            }
            for application, code in self.codes.items()
        ]
        self.tell("intake", "screening.closed", cycle=self.id, count=count, hash="0" * 64, applications=applications)
        return found


def file_of(application: str) -> str:
    """Give the id of the one file in an application's dossier."""
    return str(uuid5(UUID(application), "file"))


def rating(percent: int) -> dict[str, object]:
    evidence = [{"section": "self_assessment", "place": "第12页"}]
    return {"percent": percent, "strengths": "方法系统", "opportunities": "标杆不足", "evidence": evidence}
