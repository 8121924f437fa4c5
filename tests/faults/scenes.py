"""The faults, each done to the running house under load and taken away again."""

import random
import signal
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from os import kill
from typing import Any
from uuid import uuid4

import httpx

from embedded.product import SERVICES
from kernel.settings import ServiceName
from tests.faults.cluster import wait
from tests.faults.house import DATABASE, SILENT_SECONDS, House

HOLD_SECONDS = 0.7
LONGER_THAN_THE_DOOR_WAITS = SILENT_SECONDS + 1
SAME_TIME = 8
BEHIND_THE_DOOR: tuple[ServiceName, ...] = ("intake", "scoring", "workflow")


@dataclass(frozen=True)
class Scene:
    """One fault: how it is done and undone, and whether a client must notice it for it to have been one."""

    name: str
    play: Callable[[House], None]
    bites: bool = False
    also: frozenset[int] = frozenset()
    """Statuses that a client may get meanwhile, besides 503."""


class NotPlayedError(Exception):
    """This fault can't be done on this machine; the message says why."""


def killed(name: ServiceName) -> Scene:
    def play(house: House) -> None:
        house.programs.signal(name, signal.SIGKILL)
        wait(HOLD_SECONDS)
        house.programs.start(name)

    return Scene(f"{name} killed", play, bites=True)


def stopped(name: ServiceName) -> Scene:
    def play(house: House) -> None:
        house.programs.signal(name, signal.SIGSTOP)
        wait(LONGER_THAN_THE_DOOR_WAITS)
        house.programs.signal(name, signal.SIGCONT)

    return Scene(f"{name} stopped", play, bites=name in BEHIND_THE_DOOR)


def server_killed(house: House) -> None:
    house.cluster.kill()
    wait(HOLD_SECONDS)
    house.cluster.start_again()


def postmaster_killed(house: House) -> None:
    kill(house.cluster.postmaster(), signal.SIGKILL)
    wait(HOLD_SECONDS)
    house.cluster.start_again()


def server_stopped(house: House) -> None:
    processes = house.cluster.processes()
    for process in processes:
        kill(process, signal.SIGSTOP)
    wait(LONGER_THAN_THE_DOOR_WAITS)
    for process in processes:
        kill(process, signal.SIGCONT)


def postmaster_stopped(house: House) -> None:
    postmaster = house.cluster.postmaster()
    kill(postmaster, signal.SIGSTOP)
    wait(HOLD_SECONDS)
    kill(postmaster, signal.SIGCONT)


def backend(what: signal.Signals) -> Callable[[House], None]:
    """Kill one server process (the others are restarted with it), or end one connection."""

    def play(house: House) -> None:
        with suppress(ProcessLookupError):
            kill(random.choice(house.cluster.backends(DATABASE)), what)  # noqa: S311 - any of them
        wait(HOLD_SECONDS)

    return play


def on_wire(name: ServiceName, what: str, *, database: bool) -> Scene:
    """Do one thing to the wire between the door and a service, or between a service and its database."""

    def play(house: House) -> None:
        wire = (house.database if database else house.peer)[name]
        change: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "cut": wire.cut,
            "slow": lambda: wire.slow(0.02 if database else 0.2),
            "stalled": wire.stall,
            "half closed": wire.half_close,
            "losing answers": lambda: wire.lose_answers(b"COMMIT" if database else b"POST /api"),
        }
        house.wiring.do(change[what]())
        wait(LONGER_THAN_THE_DOOR_WAITS if what == "stalled" else HOLD_SECONDS)
        house.wiring.do(wire.heal())

    link = f"{name} to its database" if database else f"anyone to {name}"
    waits = database and name == "gateway" and what == "stalled"  # nobody stands before the door who would wait less than its callers do
    return Scene(f"wire {link} {what}", play, bites=what != "slow" and not waits)


def killed_at(name: ServiceName, words: bytes, what: str, *, before: bool) -> Scene:
    """Kill a program at one exact statement: before the database has heard it, or behind it and before its answer."""

    def play(house: House) -> None:
        wire = house.database[name]
        house.wiring.do(wire.cut())  # on new connections no statement is known by a number yet
        house.wiring.do(wire.heal())
        house.wiring.do(wire.hold_at(words, before=before))
        assert wire.reached.wait(20), f"{words.decode()} was never sent"
        house.programs.signal(name, signal.SIGKILL)
        house.wiring.do(wire.heal())
        house.programs.start(name)

    return Scene(f"{name} killed {what}", play, bites=True)


def disk_full(house: House) -> None:
    if house.disk.reason is not None:
        raise NotPlayedError(house.disk.reason)
    house.disk.fill()
    wait(3 * HOLD_SECONDS)
    house.disk.free()


def log_full(house: House) -> None:
    """Fill the disk of the write-ahead log: the server breaks down, and comes back once there is room."""
    disk = house.cluster.log_disk
    if disk.reason is not None:
        raise NotPlayedError(disk.reason)
    disk.fill()
    house.cluster.use_up_log()
    wait(HOLD_SECONDS)
    disk.free()
    house.cluster.recover()


Rows = Callable[[ServiceName, str], Sequence[tuple[object, ...]]]


def letters(rows: Rows, sender: ServiceName, receiver: ServiceName, newest: int) -> list[dict[str, object]]:
    """What a sender's record has for a peer, delivered or not, as the relay would bring it; the newest last."""
    found = rows(
        sender,
        "select e.id::text, to_json(e.at)#>>'{}', e.kind, e.subject, e.actor, e.facts from event e join leaf l on l.event_id = e.id "  # noqa: S608 - our own words
        f"where '{receiver}' = any(e.told) order by l.index desc limit {newest}",
    )
    names = ("id", "at", "kind", "subject", "actor", "facts")
    return [dict(zip(names, row, strict=True)) for row in reversed(found)]


def old_letters(rows: Rows, sender: ServiceName, receiver: ServiceName, newest: int) -> list[dict[str, object]]:
    """Those that the peer has: one that is still under way, brought out of its turn, would upset the order that the relay keeps."""
    taken = {row[0] for row in rows(receiver, f"select event_id::text from received where sender = '{sender}'")}  # noqa: S608 - our own words
    return [one for one in letters(rows, sender, receiver, newest) if one["id"] in taken]


def _bring(house: House, sender: ServiceName, receiver: ServiceName, letters: Sequence[dict[str, object]]) -> None:
    headers = {"Authorization": f"Bearer {house.peer_token(sender, receiver)}"}
    with httpx.Client(base_url=house.programs.url(receiver), headers=headers, timeout=20, trust_env=False) as peer:
        for letter in letters:
            answer = peer.post("/internal/events", json=letter)
            assert answer.status_code == httpx.codes.NO_CONTENT, answer.text


def letters_twice(house: House) -> None:
    """Bring old letters again, several at once and in any order."""
    for receiver in BEHIND_THE_DOOR:
        old = old_letters(house.ledger().rows, "gateway", receiver, 30)
        random.shuffle(old)
        bring = partial(_bring, house, "gateway", receiver)
        with ThreadPoolExecutor(4) as hands:
            list(hands.map(bring, [old, old[::-1], old[::2], old[1::2]]))


def letters_early(house: House) -> None:
    """Bring letters that are still under way, the newest first; the relay brings the same ones later, in their order."""
    wire = house.peer["scoring"]
    house.wiring.do(wire.cut())
    wait(2 * HOLD_SECONDS)
    early = letters(house.ledger().rows, "gateway", "scoring", 40)[::-1]
    house.injected["scoring"] |= {str(letter["id"]) for letter in early}
    _bring(house, "gateway", "scoring", early)
    house.wiring.do(wire.heal())


def same_key_at_once(house: House) -> None:
    """Send one request several times at once: one is done, every other gets its answer or is asked to wait."""
    marker, key = uuid4().hex, uuid4().hex

    def send(_turn: int) -> httpx.Response:
        headers = {"Idempotency-Key": key}
        return httpx.post(f"{house.base}/cycles/{house.cycle}/reports", json={"text": marker}, headers=headers, timeout=20, trust_env=False)

    for _ in range(3):
        with ThreadPoolExecutor(SAME_TIME) as hands:
            answers = list(hands.map(send, range(SAME_TIME)))
        assert {answer.status_code for answer in answers} <= {201, 409, 503}, [answer.text for answer in answers]
        done = {answer.json()["id"] for answer in answers if answer.is_success}
        assert len(done) == 1, done
    rows = house.ledger().rows("workflow", f"select id::text from objection where text = '{marker}'")  # noqa: S608 - our own words
    assert [row[0] for row in rows] == list(done), rows


def business_clock_jumps(house: House) -> None:
    for instant in ("2027-05-04T09:00:00+08:00", "2025-03-01T09:00:00+08:00", "2026-03-01T09:00:00+08:00"):
        house.move_clock(instant)
        wait(HOLD_SECONDS / 2)


def wall_clock_jumps(house: House) -> None:
    """Let one machine's own clock run hours ahead, then behind: tokens are refused there (401) until it is right again."""
    house.programs.signal("intake", signal.SIGKILL)
    house.programs.start("intake", ("tests.faults.skewed", str(house.skew)))
    for seconds in (7200, -7200, 0):
        house.set_skew(seconds)
        wait(HOLD_SECONDS)
    house.programs.signal("intake", signal.SIGKILL)
    house.programs.start("intake")


WIRES = ("cut", "slow", "stalled", "half closed", "losing answers")


def scenes(chance: random.Random) -> list[Scene]:
    """One round of faults, in an order of chance; links take turns by chance too."""
    round_of = [
        *map(killed, SERVICES),
        *map(stopped, SERVICES),
        Scene("every process of PostgreSQL killed", server_killed, bites=True),
        Scene("postmaster killed", postmaster_killed, bites=True),
        Scene("every process of PostgreSQL stopped", server_stopped, bites=True),
        Scene("postmaster stopped", postmaster_stopped),
        Scene("one PostgreSQL backend killed", backend(signal.SIGKILL)),
        Scene("one PostgreSQL connection ended", backend(signal.SIGTERM)),
        *(on_wire(chance.choice(BEHIND_THE_DOOR), what, database=False) for what in WIRES),
        on_wire("gateway", "losing answers", database=False),
        *(on_wire(chance.choice(SERVICES), what, database=True) for what in WIRES),
        on_wire("workflow", "losing answers", database=True),
        killed_at("gateway", b"INSERT INTO leaf", "inside the sequencer", before=True),
        killed_at("gateway", b"DELETE FROM outbox", "between a letter's delivery and its removal", before=True),
        killed_at("workflow", b"COMMIT", "between a commit and its answer", before=False),
        killed_at("intake", b"INSERT INTO idempotency", "before its key is kept", before=True),
        Scene("disk full", disk_full, bites=True),
        Scene("disk of the write-ahead log full", log_full, bites=True),
        Scene("letters brought twice", letters_twice),
        Scene("letters brought early", letters_early),
        Scene("the same request several times at once", same_key_at_once),
        Scene("the business clock jumps", business_clock_jumps),
        Scene("a machine's clock jumps", wall_clock_jumps, bites=True, also=frozenset({401})),
    ]
    chance.shuffle(round_of)
    return round_of
