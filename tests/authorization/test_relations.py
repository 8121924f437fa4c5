"""Every operation on things that exist, before everybody who stands to them in any relation: own, assigned, recused, another's, unsworn."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import partial
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
COMMANDS = {row: told for row, told in RELATIONS.items() if not row.startswith(("GET ", "LIST "))}
LISTS = {row.removeprefix("LIST "): told for row, told in RELATIONS.items() if row.startswith("LIST ")}
HIDDEN = ("first", "own_code", "scan", "asked", "recusal_request", "sheet_1", "sheet_2")
HIDDEN_BEFORE = ("winning", "winner_code", "objection", "proof", "case", "decision")
NAMED = ("first", "own_code", "winning", "winner_code", "award", "case", "asked")
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
    opens = OPERATIONS[shape_of(row)]["opens"]
    return is_let_in(opens, kind_of(person))


def expected(row: str, told: Mapping[str, str], person: str) -> int:
    if not is_opened(row, person) or person in told.get("barred", "").split():
        return 403
    if person in told.get("held", "").split():
        return 409
    return 200 if person in told.get("seen", "").split() else 404


def wrong_in(stage: Stage, row: str, told: Mapping[str, str], person: str) -> str | None:
    answer, wanted = stage.send(row, stage.people[person]), expected(row, told, person)
    if answer.status_code != wanted:
        return f"{row} before {person}: {answer.status_code}, not {wanted}: {answer.text[:160]}"
    if wanted == 404 and set(answer.json()) - PLAIN:
        return f"{row} before {person}: an absent thing says {set(answer.json()) - PLAIN}"
    if person.startswith("recused-") and not any(open_one in row for open_one in PUBLISHED):
        named = [name for name in hidden_from(person) if stage.world[name] in answer.text]
        return f"{row} before {person}: names {named}" if named else None
    return None


def wrong_list(stage: Stage, path: str, told: Mapping[str, str], person: str) -> str | None:
    answer = stage.people[person].get(path, params={"limit": 200} if path != "/me" else None)
    named = any(stage.world[name] in answer.text for name in NAMED)
    if named != (person in told["names"].split()) or answer.status_code >= 500:
        return f"{path} before {person}: {answer.status_code}, named: {named}"
    return None


def reads(stage: Stage) -> Iterator[Cell]:
    return (partial(wrong_in, stage, row, told, person) for row, told in READS.items() for person in stage.people)


def lists(stage: Stage) -> Iterator[Cell]:
    return (partial(wrong_list, stage, path, told, person) for path, told in LISTS.items() for person in stage.people)


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
