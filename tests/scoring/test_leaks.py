"""Recusal is leak-proof: to the recused person no answer tells whether hidden sheets exist, nor the application from one that never was."""

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from embedded.caller import Caller
from gateway.door import service_of
from kernel import logs
from tests.intake.applicants import SCREENING, SECTIONS, TOWN, Applicant, Intake
from tests.rig import Award
from tests.scoring.year import RUBRIC, Panels, Year, is_absent
from tests.workflow.committee import ok

MEMBERS = ("leader", "second", "third", "recused")
NEVER = str(uuid4())
Answers = Mapping[tuple[str, str], tuple[int, str, str]]


class RealYear(Panels):
    """A cycle whose applications came through intake."""

    def __init__(self, award: Award) -> None:
        intake = Intake(award)
        applicants = [intake.filed(number) for number in (1, 2)]
        award.at(SCREENING)
        for applicant in applicants:
            ok(intake.settle(applicant))
            ok(intake.determine(applicant))
        ok(intake.close())
        super().__init__(award, 2026, intake.cycle, intake.office)
        self.supervisor = intake.committee.supervisor
        self.codes = {applicant.id: applicant.code for applicant in applicants}
        self.applicants: list[Applicant] = applicants
        self.appoint(*MEMBERS, leaders=["leader"])
        self.undertake(*MEMBERS)
        limits = {"size": 4, "applications_per_panel": 2, "ceiling": 1, "expertise": False}
        pool = [self.person(name) for name in MEMBERS]
        drawn = ok(self.office.post("/draws", json={"cycle": self.id, "seed": "lot", "constraints": limits, "pool": pool}))
        self.draw: str = drawn["id"]
        ok(self.office.post(f"/draws/{self.draw}/panels", headers={"If-Match": '"1"'}))
        [panel] = ok(self.office.get("/panels", params={"cycle": self.id}))["items"]
        self.panel: str = panel["id"]


@pytest.fixture(scope="module")
def year(award: Award) -> RealYear:
    return RealYear(award)


def reads(year: Panels, known: Mapping[str, Sequence[str]], *services: str) -> list[str]:
    """Fill every read of these services, as the API describes them, with what is known of each kind of id."""
    with year.award.client() as anyone:
        described = anyone.get("/openapi.json").json()["paths"]
    templates = [path.removeprefix("/api/v1") for path, methods in described.items() if "get" in methods]
    walked = [one for one in templates if service_of(f"/api/v1{one}") in services and not one.startswith("/record/")]
    assert len(walked) > 20 * len(services)
    filled = ["/me"]
    for template in walked:
        names = re.findall(r"(?:([a-z-]+)/)?\{(\w+)\}", template)
        choices = [known.get(name) or known.get(before) or [NEVER] for before, name in names]
        for chosen in itertools.product(*choices):
            path = template
            for (_, name), value in zip(names, chosen, strict=True):
                path = path.replace(f"{{{name}}}", value, 1)
            asked = [one["name"] for one in described[f"/api/v1{template}"]["get"].get("parameters", []) if one["required"]]
            query = "&".join(f"{name}={known[name][0]}" for name in asked if f"{{{name}}}" not in template)
            filled.append(f"{path}?{query}" if query else path)
    return filled


def answers(callers: Mapping[str, Caller], paths: Sequence[str]) -> Answers:
    """Read everything; request ids are taken out, the business clock stands still."""
    found = {}
    for (role, caller), path in itertools.product(callers.items(), paths):
        answer = caller.get(path)
        text = re.sub(r'"request_id": ?"[^"]*"', "", answer.text)
        assert answer.status_code not in {401, 405, 422, 500, 503}, (role, path, text)
        found[role, path] = (answer.status_code, answer.headers.get("etag", ""), text)
    return found


BACKGROUND = re.compile(r"\b(received|outbox|unsequenced|leaf|denial)\b")
"""Tables that no read is about: what has arrived is remembered, the record goes on by itself, the door looks every while who is denied."""


def asked_of_the_database(callers: Mapping[str, Caller], paths: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """Tell the statements by which each read is answered: what time an answer takes follows from them, and from nothing that is hidden."""
    sent: dict[str, list[str]] = {}

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not BACKGROUND.search(statement):
            sent.setdefault(logs.request_id.get(), []).append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        return {
            (role, path): sent.get(caller.get(path).headers["x-request-id"], [])
            for (role, caller), path in itertools.product(callers.items(), paths)
        }
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_no_read_of_scoring_tells_the_recused_whether_hidden_sheets_exist_or_the_application_does(award: Award) -> None:
    year = Year(award, 2026)
    year.appoint(*MEMBERS, leaders=["leader"])
    year.undertake(*MEMBERS)
    hidden, seen = year.close_screening(2)
    panel = year.form(MEMBERS, [hidden, seen])
    own, other = year.sheet("recused", hidden), year.sheet("leader", hidden)
    asked = {"person": year.person("recused"), "application": hidden, "reason": "亲属任职"}
    assert year.office.post(f"/panels/{panel}/recusals", json=asked).status_code == 201
    known = {"panels": [panel], "sheets": [own, other], "application": [hidden, NEVER], "cycle": [year.id], "cycles": [year.id]}
    paths = reads(year, known | {"chart": ["radar"], "rubrics": [RUBRIC.id]}, "scoring")
    callers = {"reviewer": year.client("recused"), "office": award.client("committee", year.person("recused"), duties=["office"])}
    before, statements = answers(callers, paths), asked_of_the_database(callers, paths)
    assert sum(map(len, statements.values())) > 3 * len(paths)
    for name in MEMBERS[:3]:
        assert year.hand_in(name, hidden, 70).status_code == 200
    assert year.agree("leader", panel, hidden, 75).status_code == 200
    assert answers(callers, paths) == before
    assert asked_of_the_database(callers, paths) == statements
    for (role, path), answer in before.items():
        assert hidden not in answer[2], (role, path)
        assert other not in answer[2], (role, path)
        assert answer == before[role, path.replace(hidden, NEVER)], (role, path)


@pytest.mark.full
def test_no_read_tells_the_recused_whether_hidden_sheets_exist_or_the_application_does(year: RealYear) -> None:
    hidden, seen = year.codes
    person = year.person("recused")
    own, others = year.sheet("recused", hidden), [year.sheet(name, hidden) for name in MEMBERS[:3]]
    asked = {"person": person, "application": hidden, "reason": "亲属任职"}
    assert year.client("recused").post(f"/panels/{year.panel}/recusals", json=asked).status_code == 201
    roster = {one["person"]: one["id"] for one in year.office.get("/reviewers", params={"limit": 200}).json()["items"]}
    known = {
        "panels": [year.panel],
        "draws": [year.draw],
        "sheets": [own, *others, year.sheet("recused", seen)],
        "reviewers": [roster[person]],
        "person": [person],
        "application": [hidden, seen, NEVER],
        "cycle": [year.id],
        "cycles": [year.id],
        "rubrics": [RUBRIC.id],
        "forms": ["jindong-2022"],
        "organisations": [year.codes[hidden]],
        "section": [next(iter(SECTIONS))],
        "criterion": ["3.1"],
        "number": ["1"],
        "chart": ["radar"],
    }
    paths = reads(year, known, "scoring", "intake")
    callers = {
        "reviewer": year.client("recused"),
        "office": year.award.client("committee", person, duties=["office"]),
        "supervisor": year.award.client("supervisor", person),
        "endorser": year.award.client("endorser", person, body=TOWN),
    }
    free = {"reviewer": year.client("second")}
    sheets = [f"/panels/{year.panel}/applications/{hidden}/{what}" for what in ("sheets", "consensus")]
    before, visible = answers(callers, paths), answers(free, sheets)
    year.hand_in("leader", hidden, 85)
    year.hand_in("second", hidden, 70)
    halfway = answers({"reviewer": callers["reviewer"]}, paths)
    assert halfway == {place: answer for place, answer in before.items() if place[0] == "reviewer"}
    assert year.hand_in("third", hidden, 70).json()["state"] == "opened"
    reasons = {item.id: "讨论" for item in RUBRIC.items}
    assert year.agree("leader", year.panel, hidden, 75, reasons=reasons).status_code == 200
    for name in MEMBERS[:3]:
        assert year.sign(name, year.panel, hidden).status_code == 201
    assert answers(callers, paths) == before
    assert answers(free, sheets) != visible
    for (role, path), answer in before.items():
        if hidden in path:
            assert answer == before[role, path.replace(hidden, NEVER)], (role, path)
        assert hidden not in answer[2], (role, path)
        assert not any(sheet in answer[2] for sheet in others), (role, path)
    assert sum(answer[0] == 200 for (_, path), answer in before.items() if seen in path) > 10


@pytest.mark.full
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_until_the_last_sheet_is_in_nobody_learns_anything_of_the_others(award: Award, data: st.DataObject) -> None:
    made = sealing_year(award)
    application = next(one for one in made.codes if one not in made.used)
    made.used.add(application)
    panel = made.form(MEMBERS[:3], [application])
    order = data.draw(st.permutations(MEMBERS[:3]))
    steps = {name: data.draw(st.integers(0, 20)) for name in order}
    paths = [f"/panels/{panel}/applications/{application}/{what}" for what in ("sheets", "consensus")]
    paths += [f"/panels/{panel}", f"/panels/{panel}/reports", "/sheets?limit=200"]
    watching = {name: made.client(name) for name in order} | {"office": made.office, "supervisor": made.supervisor}
    sheets = {name: made.sheet(name, application) for name in order}
    before, statements = answers(watching, paths), asked_of_the_database(watching, paths)
    for name in order[:2]:
        made.hand_in(name, application, 5 * steps[name])
        assert asked_of_the_database(watching, paths) == statements
        for (watcher, path), answer in answers(watching, paths).items():
            if watcher not in order[: order.index(name) + 1] or not path.startswith("/sheets"):
                assert answer == before[watcher, path]
            if watcher != name and watcher in order:
                assert is_absent(watching[watcher].get(f"/sheets/{sheets[name]}"))
    made.hand_in(order[2], application, 5 * steps[order[2]])
    seen: list[dict[str, Any]] = json.loads(answers(watching, paths[:1])[order[0], paths[0]][2])["sheets"]
    assert {sheet["person"]: sheet["total"]["twentieths"] for sheet in seen} == {made.person(name): 1000 * steps[name] for name in order}


SEALING: dict[Award, Year] = {}


def sealing_year(award: Award) -> Year:
    """Set one year up for all the examples."""
    if award not in SEALING:
        made = SEALING[award] = Year(award, 2027)
        made.appoint(*MEMBERS[:3], leaders=["leader"])
        made.undertake(*MEMBERS[:3])
        made.close_screening(20)
    return SEALING[award]
