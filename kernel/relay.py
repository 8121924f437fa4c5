"""How one service tells another: events go to the peers over REST, at least once, in one total order per sender."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import httpx
from sqlalchemy import delete, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool

from kernel import logs
from kernel.clock import wall
from kernel.database import event, leaf, outbox
from kernel.identity import service_audience
from kernel.logs import log
from kernel.problems import PEER_UNREACHABLE, Problem
from kernel.record import WAITING, document, sequence
from kernel.settings import ServiceName, Settings
from kernel.traces import Traces

PEERS: tuple[ServiceName, ...] = ("gateway", "intake", "scoring", "workflow")
BATCH = 100
IDLE_SECONDS = 1.0
APART_SECONDS = 0.25
"""How far apart passes of the sequencer lie over events that no peer waits for: appending them costs the requests beside it little."""
LONGEST_WAIT_SECONDS = 5.0
TOKEN_MARGIN_SECONDS = 60

Transports = Mapping[ServiceName, httpx.AsyncBaseTransport]


class Peers:
    """The other services, as HTTP clients that carry this service's own token."""

    def __init__(self, name: ServiceName, settings: Settings, transports: Transports, traces: Traces) -> None:
        """Reach each peer at its address, or through the transport given for it."""
        self._name = name
        self._traces = traces
        self._secret = settings.service_secret.get_secret_value()
        self.clients = {
            peer: httpx.AsyncClient(base_url=settings.peer_url(peer), transport=transports.get(peer), timeout=10, trust_env=False)
            for peer in PEERS
        }
        self._tokens: dict[ServiceName, tuple[str, float]] = {}

    async def _token(self, peer: ServiceName) -> str:
        token, until = self._tokens.get(peer, ("", 0.0))
        if wall().timestamp() < until:
            return token
        answer = await self.clients["gateway"].post(
            "/api/v1/auth/token",
            data={
                "grant_type": "client_credentials",
                "client_id": self._name,
                "client_secret": self._secret,
                "audience": service_audience(peer),
            },
        )
        answer.raise_for_status()
        granted = answer.json()
        self._tokens[peer] = (granted["access_token"], wall().timestamp() + granted["expires_in"] - TOKEN_MARGIN_SECONDS)
        return self._tokens[peer][0]

    async def call(
        self,
        peer: ServiceName,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str] | None = None,
        request_id: str | None = None,
    ) -> httpx.Response:
        """Call a peer with this service's token, for the current request or the one named; httpx.HTTPError where it doesn't answer well."""
        token = await self._token(peer)
        own = request_id or logs.request_id.get()
        headers = {"authorization": f"Bearer {token}"} | ({"x-request-id": own} if own else {})
        with self._traces.client(f"{method} {peer}", {"peer": peer}, request_id) as carried:
            answer = await self.clients[peer].request(method, path, json=json, params=params, headers=headers | carried)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._tokens.pop(peer, None)
        answer.raise_for_status()
        return answer

    async def ask(self, peer: ServiceName, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        """Read from a peer; 503 where it can't be reached, for a question that must fail closed."""
        try:
            answer = await self.call(peer, "GET", path, params=params)
        except httpx.HTTPError as error:
            log.warning("peer unreachable", extra={"fact": {"peer": peer, "error": type(error).__name__}})
            raise Problem(PEER_UNREACHABLE, headers={"Retry-After": "1"}, peer=peer) from None
        found: dict[str, Any] = answer.json()
        return found

    async def close(self) -> None:
        """Close every connection."""
        for client in self.clients.values():
            await client.aclose()


class Relay:
    """Sequences the record and delivers to each peer, as tasks of the service's event loop."""

    def __init__(self, sessions: sessionmaker[Session], peers: Peers, name: ServiceName) -> None:
        """Prepare; `start` begins."""
        self._sessions = sessions
        self._peers = peers
        self.others = [peer for peer in PEERS if peer != name]
        self._wake: dict[str, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    def start(self) -> None:
        """Begin sequencing and delivering."""
        self._loop = asyncio.get_running_loop()
        self._wake = {name: asyncio.Event() for name in ("sequencer", "awaited", *self.others)}
        self._tasks = [
            asyncio.create_task(self._keep_sequencing()),
            *(asyncio.create_task(self._keep_delivering(peer)) for peer in self.others),
        ]
        for task in self._tasks:
            task.add_done_callback(_tell_end)

    def is_at_work(self) -> bool:
        """Tell whether nothing has ended the sequencer or a deliverer; a fault of ours that did is in the log."""
        return not any(task.done() for task in self._tasks)

    async def stop(self) -> None:
        """Stop after the letter in hand; what is undelivered stays in the outbox."""
        self._stopping = True
        for wake in self._wake.values():
            wake.set()
        if self._tasks:
            _, hanging = await asyncio.wait(self._tasks, timeout=LONGEST_WAIT_SECONDS)
            for task in hanging:
                task.cancel()
        self._tasks = []

    def nudge(self, *, awaited: bool) -> None:
        """Tell the sequencer, from any thread, that something was committed, and whether a peer waits for it."""
        if self._loop is not None and not self._loop.is_closed():
            for name in ("sequencer", "awaited") if awaited else ("sequencer",):
                self._loop.call_soon_threadsafe(self._wake[name].set)

    async def _woken(self, name: str, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._wake[name].wait(), seconds)
        except TimeoutError:
            return
        finally:
            self._wake[name].clear()

    async def _keep_sequencing(self) -> None:
        while not self._stopping:
            await self._woken("sequencer", IDLE_SECONDS)
            self._wake["awaited"].clear()
            try:
                for peer in await run_in_threadpool(self._sequence):
                    self._wake[peer].set()
            except SQLAlchemyError as error:
                log.warning("sequencer", extra={"fact": {"error": type(error).__name__}})
            if not self._stopping:
                await self._woken("awaited", APART_SECONDS)

    def _sequence(self) -> Collection[str]:
        """Sequence until nothing waits; gives the peers that are to be told."""
        told: set[str] = set()
        while True:
            with self._sessions.begin() as session:
                placed = sequence(session)
            told.update(*placed)
            if len(placed) < WAITING:
                return told

    async def _keep_delivering(self, peer: ServiceName) -> None:
        wait = IDLE_SECONDS
        while not self._stopping:
            await self._woken(peer, wait)
            try:
                while await self._deliver(peer):
                    pass
                wait = IDLE_SECONDS
            except (httpx.HTTPError, SQLAlchemyError) as error:
                wait = min(wait * 2, LONGEST_WAIT_SECONDS)
                log.warning("delivery", extra={"fact": {"peer": peer, "error": type(error).__name__}})

    async def _deliver(self, peer: ServiceName) -> int:
        """Bring one batch, one deliverer at a time; a letter leaves the outbox once the peer has committed it."""
        session = self._sessions()
        try:
            letters = await run_in_threadpool(_letters, session, peer)
            for index, content in letters:
                if self._stopping:
                    return 0
                await self._peers.call(peer, "POST", "/internal/events", json=content, request_id=content["request_id"])
                await run_in_threadpool(session.execute, delete(outbox).where(outbox.c.peer == peer, outbox.c.leaf_index == index))
            return len(letters)
        finally:
            await run_in_threadpool(_finish, session)


def _tell_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the relay has ended", exc_info=error)


def _letters(session: Session, peer: str) -> list[tuple[int, dict[str, Any]]]:
    if not session.scalar(select(func.pg_try_advisory_xact_lock(text("hashtext(current_schema())"), func.hashtext(peer)))):
        return []
    rows = session.execute(
        select(leaf.c.index, event)
        .join(outbox, outbox.c.leaf_index == leaf.c.index)
        .join(event, event.c.id == leaf.c.event_id)
        .where(outbox.c.peer == peer)
        .order_by(leaf.c.index)
        .limit(BATCH)
    )
    return [(row[0], document(row)) for row in rows]


def _finish(session: Session) -> None:
    """Keep what was delivered, also where the batch broke off."""
    try:
        session.commit()
    finally:
        session.close()
