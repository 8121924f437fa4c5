"""The stream of a person's tasks: told as they change, resumed without loss or repetition, ended with the sign-in."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest

from embedded.caller import Caller
from tests.intake.applicants import credit_code
from tests.rig import Award

TOWNSHIP = "330703101"


class Stream:
    """An open stream, read event by event."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.iter_lines()
        self.id = ""

    def next(self) -> list[str]:
        """Wait for the next event; gives the titles of its tasks."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if not line and "data" in fields:
                break
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value
        assert fields["event"] == "tasks"
        self.id = fields["id"]
        return [task["title"] for task in json.loads(fields["data"])["tasks"]]

    def ends(self) -> bool:
        """Read to the end, which must come without another event."""
        return not [line for line in self._lines if line.startswith("data")]


@contextmanager
def streamed(caller: Caller, **headers: str) -> Iterator[Stream]:
    with caller.stream("GET", "/me/stream", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer)


def register(award: Award, number: int) -> str:
    name = f"某某机械{number}有限公司"
    form = {
        "credit_code": credit_code(number),
        "organisation": name,
        "township": TOWNSHIP,
        "login": f"stream.{number}",
        "password": "correct-Horse-7",
        "name": "王某",
    }
    with award.client() as anyone:
        assert anyone.post("/auth/registrations", json=form).status_code == 201
    return name


@pytest.fixture
def clerk(award: Award) -> Iterator[Caller]:
    with award.client("endorser", body=TOWNSHIP) as caller:
        yield caller


def test_a_task_is_told_when_it_comes_up(award: Award, clerk: Caller) -> None:
    with streamed(clerk) as stream:
        before = stream.next()
        name = register(award, 501)
        assert [title for title in stream.next() if title not in before] == [f"Verify who registered for {name}"]


def test_whoever_comes_back_hears_what_changed_meanwhile_and_nothing_twice(award: Award, clerk: Caller) -> None:
    with streamed(clerk) as stream:
        before, seen = stream.next(), stream.id
    with streamed(clerk, **{"Last-Event-ID": seen}) as stream:
        name = register(award, 502)
        assert set(stream.next()) - set(before) == {f"Verify who registered for {name}"}
        seen = stream.id
    away = register(award, 503)
    with streamed(clerk, **{"Last-Event-ID": seen}) as stream:
        assert f"Verify who registered for {away}" in stream.next()


def test_the_stream_ends_with_the_sign_in(clerk: Caller) -> None:
    with streamed(clerk) as stream:
        stream.next()
        assert clerk.post("/auth/logout").status_code == 204
        assert stream.ends()


def test_a_person_holds_no_more_streams_than_the_setting_says(award: Award) -> None:
    person = str(uuid4())
    most: int = award.product.door.gateway.settings.streams_each
    with award.client("endorser", person, body=TOWNSHIP) as caller:
        held = [caller.send(caller.build_request("GET", "/me/stream"), stream=True) for _ in range(most)]
        assert {answer.status_code for answer in held} == {200}
        refused: Any = caller.get("/me/stream")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        for answer in held:
            answer.close()
