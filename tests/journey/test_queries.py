"""How many queries each read costs, counted over a whole demo year: as many for a page of everything as for a page of one."""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import event

from embedded import demo
from embedded.demo.applying import PDF
from embedded.demo.scenario import JINDONG
from embedded.demo.stage import Person, Stage
from embedded.demo.year import Year
from gateway.first import ensure_first_office
from kernel import logs
from tests import rig
from tests.intake.applicants import credit_code

VOTE, LAST = "The committee votes", "Results are published, prizes are paid"
PEOPLE = ("office", "chair", "member-one", "supervisor-one", "reviewer-01", "reviewer-02", "body-330703101", "org.bamboo")
EACH = 2
"""So many things of a kind are read."""
ALIKE = {"edition": ["jindong-2022"], "section": ["overview"], "chart": ["radar"], "number": ["1"], "criterion": ["3.1"]}
UNREAD = {
    "/me/stream",  # never ends
    "/draws/{id}", "/draws/{id}/replay", "/draws/{id}/applications/{application}/reviewers/{person}",  # its panels are formed by hand
    "/cycles/{cycle_id}/defences",  # its edition has none
    "/applications/{application}/versions/{number}/difference",  # every version is somebody's first
}  # fmt: skip
"""What the demo year has nothing of."""
FEW = {"/mails", "/draws", "/verifications", "/public/notices", "/cycles/{cycle_id}/notices", "/cycles/{cycle_id}/reopenings"}
"""Lists that hold fewer than two things in it."""
MOST = 24
"""So many queries cost the dearest read: the office's own cycle, with every action that it could take."""

APART = re.compile(r"FROM (clock_shift|received|denial|signing_key)\b")
"""What is asked never in production, once for each piece of news, or once in some seconds for all."""


class Counted:
    """The queries of each request, by its id, in every program of the product."""

    def __init__(self, award: rig.Award) -> None:
        self._asked: Counter[str] = Counter()
        self.headers: dict[str, str] = {}
        self._engines = [award.product.door.gateway.engine, *(one.state.service.engine for one in award.product.programs.values())]
        for engine in self._engines:
            event.listen(engine, "before_cursor_execute", self._count)

    def _count(self, _connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if not APART.search(statement):
            self._asked[logs.request_id.get()] += 1

    def of(self, caller: Person, path: str, params: Mapping[str, Any]) -> tuple[int, httpx.Response]:
        """Read it, twice where it is there, for the first may find something to keep; gives what the last cost."""
        for _ in range(2):
            request_id = uuid4().hex
            answer = caller.stage.send(
                "GET", path, caller.token, params=params, headers=self.headers | {"X-Request-Id": request_id}, step=False
            )
            if not answer.is_success:
                break
        return self._asked[request_id], answer

    def close(self) -> None:
        for engine in self._engines:
            event.remove(engine, "before_cursor_execute", self._count)


def convene(year: Year) -> None:
    """Convene two meetings, one with a motion."""
    matter = {"kind": "major_matter", "title": "重大事项", "text": "审议"}
    motion = year.office.expect("POST", f"{year.here}/motions", matter)["id"]
    for agenda in ([{"title": "审议", "motion": motion}], [{"title": "其他事项"}]):
        new = {"title": "会议", "place": "301会议室", "starts_at": "2026-07-06T14:00:00+08:00", "agenda": agenda}
        year.office.expect("POST", f"{year.here}/meetings", new)


def supplement(year: Year) -> None:
    """Make two of what the demo year has one or none of."""
    office, cycle = year.office, year.here
    awards = office.expect("GET", "/awards", params={"year": 2026})["items"]
    reviewer = office.expect("GET", "/reviewers")["items"][0]["id"]
    for number, award in enumerate(awards[:2]):
        used = {"wording": "荣获2026年金东区人民政府质量奖", "medium": f"网站{number}", "used_on": "2026-07-20", "promotes_product": False}
        office.expect("POST", f"/awards/{awards[0]['id']}/honour-uses", used)
        entry = {"kind": "promotion", "text": f"经验交流会{number}", "held_on": "2026-07-20"}
        office.expect("POST", f"/awards/{awards[0]['id']}/promotions", entry)
        office.expect("POST", f"/awards/{award['id']}/revocation-cases", {"ground": "fraud", "text": "举报"})
        cost = {"amount": 100, "paid_on": "2026-07-20", "voucher": f"费用-{number}", "purpose": "专家费"}
        office.expect("POST", f"{cycle}/review-costs", cost)
        year.people["supervisor-one"].expect("POST", "/findings", {"cycle": year.cycle, "text": f"问题{number}"})
        honour = {
            "credit_code": credit_code(900 + number), "organisation": "示例公司", "honour": "city_quality", "year": 2025,
            "awarded_on": "2025-10-12", "document_number": "金政发〔2025〕31号",
        }  # fmt: skip
        office.expect("POST", "/external-honours", honour)
        office.expect("POST", "/results/webhooks", {"client": str(uuid4()), "url": "https://data.example.com/hooks"})
        office.expect("POST", "/cycles", {"year": 2028 + 2 * number})
        note = {"cycle": year.cycle, "finding": "in_order", "text": "认真", "seen_on": "2026-06-18"}
        office.expect("POST", f"/reviewers/{reviewer}/notes", note)
        anybody = Person(year.stage, "anybody")
        reported = anybody.expect("POST", f"{cycle}/reports", {"text": "材料造假"})
        year.result |= {"tracking": reported["tracking_code"], "objection": reported["id"]}
        file: dict[str, Any] = {"content": PDF, "params": {"name": "a.pdf"}}
        code = {"Tracking-Code": reported["tracking_code"]}
        anybody.expect("POST", f"/objections/{reported['id']}/attachments", headers=code, **file)
        case = office.expect("GET", "/revocation-cases", params={"award": award["id"]})["items"][0]["id"]
        for place in (cycle, f"/revocation-cases/{case}"):
            office.expect("POST", f"{place}/attachments", **file)


@pytest.fixture(scope="module")
def year(award: rig.Award) -> Iterator[Year]:
    """Play the year with everybody in this process, until its prizes are paid."""
    gateway = award.product.door.gateway
    first = ensure_first_office(gateway, gateway.settings)
    assert first is not None
    played = Year(Stage(award.address), first.secret, JINDONG)
    with closing(played.stage.caller):
        for title, scene in demo.SCENES[: [title for title, _ in demo.SCENES].index(LAST) + 1]:
            if title == VOTE:
                convene(played)
            scene(played)
        supplement(played)
        assert played.stage.surprises == []
        invited = played.office.expect("POST", "/accounts", {"kind": "client", "name": "虚构公共数据平台", "scopes": ["results:read"]})
        played.people["platform"] = Person(played.stage, "platform").sign_in_as_machine(invited["id"], invited["client_secret"])
        yield played


class Walk:
    """Every read that the API describes, over what the lists tell there is."""

    def __init__(self, year: Year, counted: Counted) -> None:
        self._counted = counted
        described = year.stage.send("GET", "/openapi.json", None).json()["paths"]
        self.described: Mapping[str, Any] = {
            path.removeprefix("/api/v1"): methods["get"] for path, methods in described.items() if "get" in methods
        }
        self.callers = [*(year.people[login] for login in (*PEOPLE, "platform")), Person(year.stage, "anybody")]
        self.known: dict[str, list[str]] = ALIKE | {
            "objections": [year.result["objection"]], "cycle": [year.cycle],
        }  # fmt: skip
        self.costs: dict[str, dict[str, set[int]]] = {}
        """By operation and caller, how many queries it took."""
        self.pages: dict[str, list[tuple[str, int, int, int]]] = {}
        """By list: caller, how long the long page was, and the queries of a page of one and of that one."""

    def walk(self) -> None:
        reads = [(template, operation) for template, operation in self.described.items() if template not in UNREAD]
        for template, operation in sorted(reads, key=lambda entry: entry[0].count("{")):
            for path, caller in itertools.product(list(self._paths(template)), self.callers):
                self._read(template, operation.get("parameters", []), path, caller)

    def _paths(self, template: str) -> Iterator[str]:
        names = re.findall(r"(?:([a-z-]+)/)?\{(\w+)\}", template)
        choices = [(self._known(template, name) or self.known.get(before) or [])[:EACH] for before, name in names]
        for chosen in itertools.product(*choices):
            path = template
            for (_, name), value in zip(names, chosen, strict=True):
                path = path.replace(f"{{{name}}}", value, 1)
            yield path

    def _known(self, template: str, name: str) -> list[str]:
        """Give what is known by a parameter's name; of a record's parts and of files, its own."""
        if template.startswith("/record/"):
            return self.known.get(f"{name} of {template.split('/')[2]}", [])
        return self.known.get(f"attachments of {template.split('/')[1]}" if name.startswith("attachment") else name, [])

    def _read(self, template: str, parameters: list[Mapping[str, Any]], path: str, caller: Person) -> None:
        wanted = [one["name"] for one in parameters if one["in"] == "query" and one["required"]]
        asked = {name: (self._known(template, name) or ["1"])[0] for name in wanted}
        path = path if not path.startswith("/.well-known") else f"{caller.stage.url}{path}"
        queries, answer = self._counted.of(caller, path, asked)
        assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, answer.text
        if not answer.is_success:
            return
        self.costs.setdefault(template, {}).setdefault(caller.login, set()).add(queries)
        if answer.headers["content-type"] == "application/json":
            self._learn(template, answer.json())
        if any(one["name"] == "limit" for one in parameters):
            short, long = (self._counted.of(caller, path, asked | {"limit": limit}) for limit in (1, 200))
            content = long[1].json() if "json" in long[1].headers["content-type"] else {"items": long[1].text.split()}
            self._learn(template, content)
            self.pages.setdefault(template, []).append((caller.login, len(content["items"]), short[0], long[0]))

    def _learn(self, template: str, content: Any) -> None:  # noqa: ANN401 - an answer's JSON
        kind, record = template.rpartition("/")[2], template.split("/")[2] if template.startswith("/record/") else ""
        for item in content if isinstance(content, list) else content.get("items", []):
            if not isinstance(item, dict):
                continue
            found = {kind: item.get("id") or item.get("application") or item.get("name"), "organisations": item.get("credit_code")}
            if record:
                own = item.get("actor") in {caller.id for caller in self.callers if caller.id}
                found = {f"event_id of {record}": item.get("id") if own else None, f"leaf of {record}": item.get("leaf_hash")}
            elif kind == "attachments":
                found = {f"attachments of {template.split('/')[1]}": item.get("id")}
            for name, value in found.items():
                if isinstance(value, str):
                    self.known[name] = list(dict.fromkeys([*self.known.get(name, []), value]))


@pytest.mark.full
@pytest.mark.timeout(900)
def test_no_read_asks_the_database_once_for_each_of_its_items(award: rig.Award, year: Year) -> None:
    with closing(Counted(award)) as counted:
        counted.headers = {"Tracking-Code": year.result["tracking"]}
        walk = Walk(year, counted)
        walk.walk()
    assert set(walk.described) - set(walk.costs) == UNREAD
    assert {one for one, pages in walk.pages.items() if max(length for _, length, _, _ in pages) < 2} == FEW
    assert {one: pages for one, pages in walk.pages.items() if any(short != long for _, _, short, long in pages)} == {}
    assert {one: by for one, by in walk.costs.items() if max(map(max, by.values())) > MOST} == {}
