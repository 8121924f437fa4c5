"""Every operation on things that exist, before everybody who stands to them in any relation: own, assigned, recused, another's, unsworn."""

import asyncio
import re
import time
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from embedded import postgres
from embedded.caller import Caller
from embedded.product import Secrets
from tests import rig
from tests.authorization.test_operations import CALLERS, OPERATIONS, PLAIN, SECTION, VALUES, Cell, Walk, is_let_in
from tests.authorization.world import PEOPLE, World, callers, stand
from tests.rig import Award

pytestmark = pytest.mark.full

RELATIONS: Mapping[str, Mapping[str, str]] = tomllib.loads(Path(__file__).with_name("relations.toml").read_text())
READS = {row: told for row, told in RELATIONS.items() if row.startswith("GET ")}
PARTS = {row: told for row, told in RELATIONS.items() if row.startswith("PART ")}
TASKS = {row.removeprefix("TASKS "): told for row, told in RELATIONS.items() if row.startswith("TASKS ")}
COMMANDS = {row: told for row, told in RELATIONS.items() if not row.startswith(("GET ", "LIST ", "PART ", "TASKS "))}
LISTS = {row.removeprefix("LIST "): told for row, told in RELATIONS.items() if row.startswith("LIST ")}
HIDDEN = ("first", "own_code", "scan", "asked", "recusal_request", "sheet_1", "sheet_2")
HIDDEN_BEFORE = ("winning", "winner_code", "objection", "proof", "case", "decision")
NAMED = ("first", "own_code", "winning", "winner_code", "award", "case", "asked")
UNSWORN = "undertaking_missing"
"""The code of the refusal that asks for the undertaking (7.6)."""
PUBLISHED = ("/awards", "/cycles/{past}/notices", "/cycles/{past}/approval")
"""What anybody may read without an account too."""


class Stage:
    """The world, on a database of its own, and everybody in it."""

    def __init__(self, award: Award, world: World) -> None:
        self.award, self.world = award, world
        self.people = callers(award, world)
        self.walk = Walk(award)

    def path(self, row: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: self.world[found[1]], row.partition(" ")[2])

    def send(self, row: str, caller: Caller) -> httpx.Response:
        """Send what is right but for whom it comes from."""
        method, path = row.split(" ", maxsplit=1)[0], self.path(row)
        given: dict[str, Any] = {"json": SECTION if "/sections/" in path else self.walk.bodies.get(shape_of(row))}
        if path.endswith("/attachments"):
            given = {"content": b"%PDF-1.7"}
        params = ({"dry_run": "true"} if getattr(self.walk.routes[shape_of(row)], "dry_runs", False) else {}) | (
            {"name": "a.pdf", "requirement": "3.1"} if path.endswith("/attachments") else {}
        )
        return caller.request(method, path, params=params if method != "GET" else None, headers={"If-Match": '"0"'}, **given)

    def ask(self, row: str, caller: Caller) -> httpx.Response:
        """Ask one service for its part of a bundle, past the door; again while the record is being put into its order."""
        _, service, question = row.split(" ")

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.award.product.programs[service])  # type: ignore[index]  # the table names services
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{service}") as peer:
                return await peer.get(self.path(f"GET {question}"), headers={"Authorization": caller.headers["Authorization"]})

        deadline = time.monotonic() + 20
        while (answer := asyncio.run(asked())).status_code == 503 and time.monotonic() < deadline:
            pass
        return answer


def shape_of(row: str) -> str:
    """Give the operation that a row is about."""
    method, _, path = row.partition(" ")
    path = path.partition("?")[0]
    known = {re.escape(value) for value in VALUES.values()} | {r"\{\w+\}", "overview", r"\d+(?:\.\d+)*"}
    return f"{method} {'/'.join('{}' if re.fullmatch('|'.join(known), part) and part else part for part in path.split('/'))}"


def kind_of(person: str) -> str:
    """Give the sort of caller, as operations.toml names it."""
    role, _, duties = PEOPLE[person]
    return next(iter(duties), role)


@pytest.fixture(scope="module")
def stage(server: postgres.Server, kept: Secrets, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Build the world, and everybody in it."""
    folder = tmp_path_factory.mktemp("product")
    database, world = stand(server, template, kept, folder)
    with rig.running(server, database, kept, folder) as award:
        yield Stage(award, world)


def is_opened(row: str, person: str) -> bool:
    if row in PARTS:
        return True
    opens = OPERATIONS[shape_of(row)]["opens"]
    return is_let_in(opens, kind_of(person))


def expected(row: str, told: Mapping[str, str], person: str) -> int:
    if not is_opened(row, person) or person in told.get("barred", "").split():
        return 403
    if person in (told.get("held", "") + " " + told.get("early", "")).split():
        return 409
    return 200 if person in told.get("seen", "").split() else 404


@cache
def operation_of(request: str) -> str:
    """Give the operation that serves a request: of those whose shape it has, the one that says most of it."""
    fits = [one for one in OPERATIONS if re.fullmatch(re.escape(one).replace(r"\{\}", "[^/]+"), request)]
    return min(fits, key=lambda one: one.count("{}"))


def offers_in(answer: object) -> Iterator[str]:
    """Give the operations that an answer offers, wherever in it."""
    if isinstance(answer, dict) and {"method", "href", "allowed"} <= set(answer):
        yield operation_of(f"{answer['method']} {answer['href'].removeprefix('/api/v1')}")
    for one in answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list) else ():
        yield from offers_in(one)


def strange_offers(answer: httpx.Response, person: str) -> list[str]:
    """Give what an answer offers that is not this person's to do."""
    if not answer.is_success or answer.headers.get("content-type") != "application/json":
        return []
    return sorted({one for one in offers_in(answer.json()) if not is_let_in(OPERATIONS[one]["opens"], kind_of(person))})


def wrong_in(stage: Stage, row: str, told: Mapping[str, str], person: str) -> str | None:
    return judged(stage, row, told, person, stage.send(row, stage.people[person]))


def wrong_part(stage: Stage, row: str, told: Mapping[str, str], person: str) -> str | None:
    return judged(stage, row, told, person, stage.ask(row, stage.people[person]))


def wrong_tasks(stage: Stage, person: str) -> str | None:
    tasks = stage.people[person].get("/me").json()["tasks"]
    found, wanted = {one["key"].partition(":")[0] for one in tasks}, set(TASKS.get(person, {}).get("keys", "").split())
    return f"tasks of {person}: {sorted(found)}, not {sorted(wanted)}" if found != wanted else None


def judged(stage: Stage, row: str, told: Mapping[str, str], person: str, answer: httpx.Response) -> str | None:
    wanted = expected(row, told, person)
    if answer.status_code != wanted:
        return f"{row} before {person}: {answer.status_code}, not {wanted}: {answer.text[:160]}"
    if wanted == 404 and set(answer.json()) - PLAIN:
        return f"{row} before {person}: an absent thing says {set(answer.json()) - PLAIN}"
    if person in told.get("held", "").split() and wanted == 409 and answer.json()["code"] != UNSWORN:
        return f"{row} before {person}: {answer.json()['code']}, not {UNSWORN}"
    if strange := strange_offers(answer, person):
        return f"{row} before {person}: offers {strange}"
    if person.startswith("recused-") and not any(open_one in row for open_one in PUBLISHED):
        named = [name for name in hidden_from(person) if stage.world[name] in answer.text]
        return f"{row} before {person}: names {named}" if named else None
    return None


def wrong_list(stage: Stage, path: str, told: Mapping[str, str], person: str) -> str | None:
    answer = stage.people[person].get(path, params={"limit": 200} if path != "/me" else None)
    named = any(stage.world[name] in answer.text for name in NAMED)
    if named != (person in told["names"].split()) or answer.status_code >= 500:
        return f"{path} before {person}: {answer.status_code}, named: {named}"
    strange = strange_offers(answer, person)
    return f"{path} before {person}: offers {strange}" if strange else None


def reads(stage: Stage) -> Iterator[Cell]:
    yield from (partial(wrong_in, stage, row, told, person) for row, told in READS.items() for person in stage.people)
    yield from (partial(wrong_part, stage, row, told, person) for row, told in PARTS.items() for person in stage.people)


def lists(stage: Stage) -> Iterator[Cell]:
    yield from (partial(wrong_list, stage, path, told, person) for path, told in LISTS.items() for person in stage.people)
    yield from (partial(wrong_tasks, stage, person) for person in stage.people)


def commands(stage: Stage) -> Iterator[Cell]:
    return (
        partial(wrong_in, stage, row, told, person)
        for row, told in COMMANDS.items()
        for person in stage.people
        if person not in told["may"].split()
    )


def hidden_from(person: str) -> tuple[str, ...]:
    return HIDDEN if person in {"recused-reviewer", "recused-town"} else HIDDEN + HIDDEN_BEFORE


def test_every_row_is_about_an_operation_and_every_caller_is_somebody() -> None:
    assert [row for row in (*READS, *COMMANDS) if shape_of(row) not in OPERATIONS] == []
    named = {name for told in RELATIONS.values() for names in told.values() for name in names.split()}
    assert named <= set(PEOPLE)
    assert {kind_of(person) for person in PEOPLE} == set(CALLERS) - {"platform"}


def test_a_thing_is_there_for_whom_the_table_says_and_absent_for_everybody_else(stage: Stage) -> None:
    walk("reads", reads(stage))


def test_no_list_names_what_is_absent(stage: Stage) -> None:
    walk("lists", lists(stage))


def test_no_command_reaches_a_thing_that_is_another_s(stage: Stage) -> None:
    walk("commands", commands(stage))


def walk(what: str, cells: Iterator[Cell]) -> None:
    asked = [cell() for cell in cells]
    print(f"relations: {len(asked)} cells of {what}")  # noqa: T201 - how much was walked
    wrong = [said for said in asked if said is not None]
    assert wrong == [], "\n".join(wrong)
