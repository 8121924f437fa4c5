"""Every operation on things that exist, before everybody who stands to them in any relation: own, assigned, recused, another's, unsworn."""

import asyncio
import json
import re
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
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
NOBODY = "nobody"
"""Whoever asks a service without a token."""
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
        return self.named(row.partition(" ")[2].partition(" #")[0])

    def named(self, text: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: self.world[found[1]], text)

    def body(self, row: str) -> object:
        """Give what is sent: what the row says, about things of the world, or the example of the document."""
        said = RELATIONS.get(row, {}).get("body")
        return self.walk.bodies.get(shape_of(row)) if said is None else json.loads(self.named(said))

    def send(self, row: str, caller: Caller) -> httpx.Response:
        """Send what is right but for whom it comes from."""
        method, path = row.split(" ", maxsplit=1)[0], self.path(row)
        given: dict[str, Any] = {"json": SECTION if "/sections/" in path else self.body(row)}
        if path.endswith("/attachments"):
            given = {"content": b"%PDF-1.7"}
        params = ({"dry_run": "true"} if getattr(self.walk.routes[shape_of(row)], "dry_runs", False) else {}) | (
            {"name": "a.pdf", "requirement": "3.1"} if path.endswith("/attachments") else {}
        )
        return caller.request(method, path, params=params if method != "GET" else None, headers={"If-Match": '"0"'}, **given)

    def ask(self, row: str, person: str) -> httpx.Response:
        """Ask one service past the door; again while the record is being put into its order."""
        _, service, method, question = row.partition(" #")[0].split(" ")
        headers = {} if person == NOBODY else {"Authorization": self.people[person].headers["Authorization"]}

        async def asked() -> httpx.Response:
            program = self.award.product.programs[service]  # type: ignore[index]  # the table names services
            transport = httpx.ASGITransport(program, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{service}") as peer:
                return await peer.request(method, self.path(f"GET {question}"), headers=headers)

        deadline = time.monotonic() + 20
        while (answer := asyncio.run(asked())).status_code == 503 and time.monotonic() < deadline:
            pass
        return answer


def shape_of(row: str) -> str:
    """Give the operation that a row is about."""
    method, _, path = row.partition(" ")
    path = path.partition("?")[0].partition(" #")[0]
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
        return person != NOBODY or "nobody" in told_of(RELATIONS[row], "open")
    opens = OPERATIONS[shape_of(row)]["opens"]
    return is_let_in(opens, kind_of(person))


def told_of(told: Mapping[str, str], *keys: str) -> set[str]:
    """Name the people of some of a row's lists; `all` are all of them."""
    return {one for key in keys for word in told.get(key, "").split() for one in (PEOPLE if word == "all" else [word])}


def expected(row: str, told: Mapping[str, str], person: str) -> int:
    if not is_opened(row, person):
        return 401 if person == NOBODY else 403
    if person in told_of(told, "barred"):
        return 403
    if person in told_of(told, "held", "early"):
        return 409
    return 200 if person in told_of(told, "seen") else 404


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
    return judged(stage, row, told, person, stage.ask(row, person))


def wrong_tasks(stage: Stage, person: str) -> str | None:
    tasks = stage.people[person].get("/me").json()["tasks"]
    found, wanted = {one["key"].partition(":")[0] for one in tasks}, set(TASKS.get(person, {}).get("keys", "").split())
    return f"tasks of {person}: {sorted(found)}, not {sorted(wanted)}" if found != wanted else None


def judged(stage: Stage, row: str, told: Mapping[str, str], person: str, answer: httpx.Response) -> str | None:
    flaw = next(flaws(stage, row, told, person, answer), None)
    return f"{row} before {person}: {flaw}" if flaw else None


def flaws(stage: Stage, row: str, told: Mapping[str, str], person: str, answer: httpx.Response) -> Iterator[str]:
    wanted = expected(row, told, person)
    if answer.status_code != wanted:
        yield f"{answer.status_code}, not {wanted}: {answer.text[:160]}"
        return
    if wanted == 404 and set(answer.json()) - PLAIN:
        yield f"an absent thing says {set(answer.json()) - PLAIN}"
    if wanted == 409 and person in told_of(told, "held") and answer.json()["code"] != UNSWORN:
        yield f"{answer.json()['code']}, not {UNSWORN}"
    if strange := strange_offers(answer, person):
        yield f"offers {strange}"
    if "names" in told and (person in told_of(told, "names")) != bool(
        named := names_in(stage, answer, told["about"].split() if "about" in told else NAMED)
    ):
        yield f"names {named}"
    if (
        person.startswith("recused-")
        and not any(one in row for one in PUBLISHED)
        and (named := names_in(stage, answer, hidden_from(person)))
    ):
        yield f"names {named}"


def names_in(stage: Stage, answer: httpx.Response, names: Sequence[str]) -> list[str]:
    return [name for name in names if stage.world[name] in answer.text]


def wrong_list(stage: Stage, path: str, told: Mapping[str, str], person: str) -> str | None:
    answer = stage.people[person].get(path, params={"limit": 200} if path != "/me" else None)
    named = any(stage.world[name] in answer.text for name in NAMED)
    if named != (person in told["names"].split()) or answer.status_code >= 500:
        return f"{path} before {person}: {answer.status_code}, named: {named}"
    strange = strange_offers(answer, person)
    return f"{path} before {person}: offers {strange}" if strange else None


def reads(stage: Stage) -> Iterator[Cell]:
    yield from (partial(wrong_in, stage, row, told, person) for row, told in READS.items() for person in stage.people)
    yield from (partial(wrong_part, stage, row, told, person) for row, told in PARTS.items() for person in (*stage.people, NOBODY))


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
    lists = ("seen", "held", "early", "barred", "may", "names", "open")
    assert set().union(*(told_of(told, *lists) for told in RELATIONS.values())) <= {*PEOPLE, NOBODY}
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
