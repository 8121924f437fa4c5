"""A service as one ASGI application: its routes, its record, its relay, its health, its errors."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any
from uuid import UUID

import httpx
from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry, Counter, Histogram
from pydantic import ConfigDict
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, sessionmaker
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kernel import logs, problems
from kernel.checkpoint import record_routes
from kernel.clock import is_shifted, set_clock
from kernel.database import make_engine, new_id, received
from kernel.errand import Errand
from kernel.files import open_store
from kernel.health import Phases, health_routes, newest_revision, register
from kernel.identity import API_AUDIENCE, KeySet, Peer, Principal, SignedIn, Verifier, service_audience
from kernel.logs import log
from kernel.note import Note
from kernel.problems import CATALOGUE, PEER_UNREACHABLE, Kind, Problem
from kernel.relay import Peers, Relay, Transports
from kernel.requests import InTransaction, ReplayedAnswer, Route, Transaction, on_replay
from kernel.sealed import give_seal
from kernel.settings import Environment, ServiceName, Settings
from kernel.traces import Traces, tell
from kernel.wire import Answer, Body, Id, Instant
from regulation import edition

API = "/api/v1"
KEPT_FOR_THE_RELAY = 4
CAUTIOUS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
"""What every answer says unless it says otherwise: no copy is to stay in a browser or a cache; its type is what it says."""
UNLOGGED = frozenset({"/livez", "/healthz", "/readyz", "/metrics", "/internal/standing"})
"""What is asked every few seconds, by machines."""
UNKNOWN_NEWS = Kind(501, "unknown_news", "不认识的事件：{news}", "An event of an unknown kind: {news}")


@dataclass(frozen=True)
class News:
    """An event that a peer has sent."""

    id: UUID
    at: datetime
    kind: str
    subject: str
    actor: str | None
    facts: Mapping[str, Any]
    sender: str


Listener = Callable[[Transaction, News], None]


class Task(Answer):
    """Something that waits for this person (待办)."""

    key: str
    """What is to be done, and about what: the same for as long as it waits, in any language."""
    title: str
    href: str
    due: datetime | None = None
    clause: str | None = None
    why: str | None = None
    """The text of the clause that has this person act, where the task says nothing of its own."""


def explained(tasks: Iterable[Task], edition_name: str) -> list[Task]:
    """Say of each task why it is this person's: by the text of its clause."""
    clauses = edition.load(edition_name).clauses
    return [task.model_copy(update={"why": task.why or (clauses[task.clause].text if task.clause else None)}) for task in tasks]


class Decision(Answer):
    """Something that was decided, and that this person may know of; `key` names it for good."""

    key: str
    title: str
    href: str
    clause: str | None = None


class Standing(Answer):
    """What waits for a person, and what was decided of late."""

    tasks: list[Task]
    decisions: list[Decision]


Tasks = Callable[[Transaction, Principal], Sequence[Task]]
Decisions = Callable[[Transaction, Principal, datetime], Iterable[Decision]]
"""Gives what was recorded since a wall instant and that this person may know of."""
Withheld = Callable[[Transaction, Principal], Collection[str]]
"""Tells by credit code and id what of the record doesn't exist for a reader (2.4.5)."""


Revisit = Callable[[Transaction, Principal, Mapping[str, Any]], None]
"""Raises what a read would, where the caller may no longer see what a stored answer, given to it, is about."""


class Service:
    """What a program is made of at run time; `app.state.service` everywhere."""

    def __init__(self, name: ServiceName, settings: Settings, transports: Transports | None = None) -> None:
        """Connect lazily: nothing is reached before the first request or the start of the relay."""
        self.name = name
        self.settings = settings
        self.engine = make_engine(settings.database(), name, settings.pool_size)
        if settings.contact_key.get_secret_value():
            give_seal(self.engine, settings.contact_seal())
        self.sessions: sessionmaker[Session] = sessionmaker(self.engine, expire_on_commit=False)
        self.revision = newest_revision(name)
        self.traces = Traces(name, settings.otlp_endpoint, settings.otlp_share)
        self.traces.watch(self.engine)
        self.peers = Peers(name, settings, transports or {}, self.traces)
        self.files = open_store(settings)
        self.room = asyncio.Semaphore(max(settings.pool_size - KEPT_FOR_THE_RELAY, 1))
        self.relay = Relay(self.sessions, self.peers, name)
        self.withheld: Withheld
        self.revisit: Revisit
        self.errands: list[Errand] = []
        self.note = Note(name, settings.record_seed.get_secret_value())
        self._arrived = ""
        self.registry = CollectorRegistry()
        self.requests = Counter("requests", "Requests answered", ["method", "route", "status"], registry=self.registry)
        self.seconds = Histogram("request_seconds", "Time to answer", ["route"], registry=self.registry)
        self.tokens_refused = Counter("tokens_refused", "Tokens refused", ["reason"], registry=self.registry)
        self.verifier = self.make_verifier(API_AUDIENCE, service_audience(name))

    def make_verifier(self, *audiences: str) -> Verifier:
        """Give a verifier for these audiences that counts what it refuses."""
        return Verifier(
            self.settings.issuer, frozenset(audiences), self.fetch_keys, lambda reason: self.tokens_refused.labels(reason).inc()
        )

    async def fetch_keys(self) -> KeySet:
        """Fetch the keys that verify tokens from the door; 503 where it can't be reached."""
        try:
            answer = await self.peers.clients["gateway"].get("/.well-known/jwks.json")
            answer.raise_for_status()
        except httpx.HTTPError:
            raise Problem(PEER_UNREACHABLE, headers={"Retry-After": "1"}, peer="gateway") from None
        return {key["kid"]: key for key in answer.json()["keys"]}

    def nudge(self, *, recorded: bool = True, awaited: bool = True) -> None:
        """Tell whoever has an errand that something was committed, and the relay where that stands in the record, or a peer awaits it."""
        if recorded:
            self.relay.nudge(awaited=awaited)
        for errand in self.errands:
            errand.nudge()

    def has_received(self, session: Session, expected: str) -> bool:
        """Tell whether every event that the door named (`sender=id,...`) has arrived; what has arrived once is not asked again."""
        if expected != self._arrived:
            ids = {UUID(part.partition("=")[2]) for part in expected.split(",")}
            found = session.scalars(select(received.c.event_id).where(received.c.event_id.in_(ids))).all()
            if len(found) < len(ids):
                return False
            self._arrived = expected
        return True

    async def rest(self) -> None:
        """Stop what is done beside requests: errands and relay."""
        await asyncio.gather(*(errand.stop() for errand in self.errands))
        await self.relay.stop()

    def check_clock(self) -> None:
        """Refuse to serve in production with a business clock that was moved."""
        if self.settings.environment == "production":
            with self.sessions() as session:
                if is_shifted(session):
                    raise SystemExit(f"{self.name}: the business clock of this database was shifted; production does not start on it")


def answered(scope: Scope, route: str, status: int, seconds: float) -> dict[str, object]:
    """Say for the log what was asked and how it ended; a refusal by its code."""
    code = scope["state"].get("code")
    return {"method": scope["method"], "route": route, "status": status, "seconds": round(seconds, 4)} | ({"code": code} if code else {})


class Metered:
    """Gives every request an id, counts it, and times it."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        """Wrap the application."""
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"").decode("latin-1")[:64] or str(new_id())
        scope.setdefault("state", {})["request_id"] = request_id
        logs.request_id.set(request_id)
        started, status = perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                named = {key.lower() for key, _ in message["headers"]}
                added = [(b"x-request-id", request_id.encode("latin-1")), *(one for one in CAUTIOUS if one[0] not in named)]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        parent = headers.get(b"traceparent", b"").decode("latin-1") or None
        with self.service.traces.server(scope["method"], request_id, parent) as span:
            try:
                await self.app(scope, receive, answer)
            finally:
                route = problems.route_of(scope)
                seconds = perf_counter() - started
                self.service.requests.labels(scope["method"], route, str(status)).inc()
                self.service.seconds.labels(route).observe(seconds)
                tell(span, f"{scope['method']} {route}", {"http.route": route, "request_id": request_id}, status)
                if route not in UNLOGGED:
                    log.info("request", extra={"fact": answered(scope, route, status, seconds)})


class Letter(Body):
    """An event as the relay brings it; the sender's record holds the same document."""

    model_config = ConfigDict(extra="ignore")

    id: Id
    at: Instant
    kind: str
    subject: str
    actor: str | None
    facts: dict[str, Any]


class ClockSetting(Body):
    """Where to move the business clock; one that is not running stands still there."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"now": "2026-03-01T09:00:00+08:00", "running": False}]})

    now: Instant
    running: bool = True


def create_service(
    service: Service,
    title: str,
    routers: Sequence[APIRouter],
    *,
    tasks: Tasks,
    decisions: Decisions,
    withheld: Withheld,
    revisit: Revisit,
    listeners: Mapping[str, Listener] | None = None,
    phases: Phases | None = None,
) -> FastAPI:
    """Build the application: business routes under /api/v1, what peers and operators need beside them."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        service.check_clock()
        current_default_thread_limiter().total_tokens += service.settings.pool_size  # a thread for every connection
        service.relay.start()
        for errand in service.errands:
            errand.start()
        yield
        await service.rest()
        await service.peers.close()
        service.engine.dispose()
        service.traces.close()

    app = FastAPI(
        title=title, lifespan=lifespan, openapi_url="/internal/openapi.json", docs_url=None, redoc_url=None, redirect_slashes=False
    )
    app.state.service = service
    register(service.registry, service, phases)
    service.withheld, service.revisit = withheld, revisit
    app.router.route_class = Route
    problems.install(app)
    app.add_exception_handler(ReplayedAnswer, on_replay)
    for router in routers:
        app.include_router(router, prefix=API)
    app.include_router(record_routes(service.name, service.note), prefix=API)
    app.include_router(internal_routes(listeners or {}, tasks, decisions, service.settings.environment))
    app.include_router(health_routes())
    app.add_middleware(Metered, service=service)
    describe_problems(app)
    return app


def describe_problems(app: FastAPI) -> None:
    """Let the application's OpenAPI document list every problem code that it may answer."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        return plain() | {"x-problems": {kind.code: {"status": kind.status, "zh": kind.zh, "en": kind.en} for kind in CATALOGUE.values()}}

    app.openapi = described  # type: ignore[method-assign]  # how FastAPI says an application's document is extended


def router(tag: str) -> APIRouter:
    """Give the router on which an act serves its endpoints."""
    return APIRouter(route_class=Route, tags=[tag])


def take_letter(transaction: Transaction, letter: Letter, sender: str, listeners: Mapping[str, Listener]) -> None:
    """Hand one event to its listener, once, in one transaction with what the listener changes."""
    first = transaction.session.execute(
        insert(received).values(event_id=letter.id, sender=sender).on_conflict_do_nothing().returning(received.c.event_id)
    ).one_or_none()
    if first is None:
        return
    if letter.kind not in listeners:
        raise Problem(UNKNOWN_NEWS, news=letter.kind)
    listeners[letter.kind](transaction, News(sender=sender, **letter.model_dump()))


def internal_routes(listeners: Mapping[str, Listener], tasks: Tasks, decisions: Decisions, environment: Environment) -> APIRouter:
    """Serve what only peers and the door call; the door never sends a stranger here."""
    internal = APIRouter(route_class=Route, include_in_schema=False, prefix="/internal")

    @internal.post("/events", status_code=204)
    def take_event(letter: Letter, peer: Peer, transaction: InTransaction) -> None:
        take_letter(transaction, letter, peer.person, listeners)

    @internal.get("/tasks")
    def list_tasks(person: SignedIn, transaction: InTransaction) -> list[Task]:
        return explained(tasks(transaction, person), transaction.service.settings.edition)

    @internal.get("/standing")
    def get_standing(person: SignedIn, transaction: InTransaction, since: datetime) -> Standing:
        return Standing(tasks=list(tasks(transaction, person)), decisions=list(decisions(transaction, person, since)))

    if environment != "production":

        @internal.put("/clock", status_code=204)
        def put_clock(setting: ClockSetting, _peer: Peer, transaction: InTransaction) -> None:
            set_clock(transaction.session, setting.now, running=setting.running)

    return internal
