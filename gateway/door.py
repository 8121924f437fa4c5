"""The one door: verifies who calls, gives the request an id, and sends the path on by one table, streaming both ways."""

import asyncio
from collections.abc import Iterable, Mapping
from time import perf_counter

from fastapi import FastAPI, Request, Response
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.forward import Forwarder
from gateway.newsboard import NEWS
from gateway.pace import paced
from gateway.program import Gateway
from gateway.signature import admitted, signs
from kernel import logs
from kernel.body import bounded
from kernel.database import new_id
from kernel.identity import API_AUDIENCE, PLAIN_ID, bearer
from kernel.logs import log
from kernel.problems import BUSY, Problem, absent, on_fault, render_problem
from kernel.service import API, CAUTIOUS, answered
from kernel.settings import ServiceName

ROUTES: Mapping[str, ServiceName] = {
    "/cycles/{cycle}/screening-closure": "intake",
    "/cycles/{cycle}/screening": "intake",
    "/cycles/{cycle}/bundle": "gateway",
    "/cycles/{cycle}/diagnostics": "scoring",
    "/cycles/{cycle}/what-if": "scoring",
    "/applications/{application}/feedback": "scoring",
    "/record/gateway": "gateway",
    "/record/intake": "intake",
    "/record/scoring": "scoring",
    "/record/workflow": "workflow",
    "/me/interests": "scoring",
    "/me/undertakings": "scoring",
    "/me": "gateway",
    "/auth": "gateway",
    "/accounts": "gateway",
    "/mails": "gateway",
    "/demo": "gateway",
    "/openapi.json": "gateway",
    "/organisations": "intake",
    "/applications": "intake",
    "/forms": "intake",
    "/verifications": "intake",
    "/endorsing-bodies": "intake",
    "/endorsements": "intake",
    "/criteria": "intake",
    "/rubrics": "scoring",
    "/reviewers": "scoring",
    "/draws": "scoring",
    "/panels": "scoring",
    "/sheets": "scoring",
    "/cycles": "workflow",
    "/motions": "workflow",
    "/notices": "workflow",
    "/objections": "workflow",
    "/awards": "workflow",
    "/meetings": "workflow",
    "/revocation-cases": "workflow",
    "/external-honours": "workflow",
    "/findings": "workflow",
    "/public": "workflow",
    "/results": "workflow",
    "/results.csv": "workflow",
    "/results.parquet": "workflow",
}
"""Which service answers below which path of the API; the longest template that fits decides."""
OUTSIDE_THE_BASE = ("/.well-known", "/docs", "/livez", "/healthz", "/readyz", "/metrics")
"""What the gateway itself answers beside the API."""
LETTERS = "/internal/events"
"""Where the services bring the gateway their letters; its own route judges their tokens, which are for no one's API."""

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer trailers transfer-encoding upgrade".split()
)
OURS = (b"x-user-", b"quality-award-", b"traceparent", b"tracestate")
TOLD, CLIENT = b"quality-award-told", b"quality-award-client"
ADDRESS = b"quality-award-address"
AT_THE_DOOR = "door"
"""What logs and metrics name as the route of an answer that the door gave by itself."""
TOKEN_PATH = f"{API}/auth/token"
SAFE, BAD = frozenset({"GET", "HEAD", "OPTIONS"}), 400

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ASKED_WITH = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", "Range", "X-Request-Id")
ANSWERED_WITH = ("Content-Disposition", "Content-Range", "ETag", "Idempotent-Replayed", "Location", "Retry-After", "X-Request-Id")
"""What a page of an admitted origin may send and read beside what every page may."""

Segments = tuple[str, ...]


def _segments(path: str) -> Segments:
    return tuple(path.strip("/").split("/"))


def _fits(template: Segments, path: Segments) -> bool:
    return len(template) <= len(path) and all(part[0] == "{" or part == given for part, given in zip(template, path, strict=False))


TEMPLATES = sorted(((_segments(template), service) for template, service in ROUTES.items()), key=lambda entry: -len(entry[0]))


def service_of(path: str) -> ServiceName | None:
    """Tell which service answers a path; None where none does."""
    if path == LETTERS or any(path == own or path.startswith(own + "/") for own in OUTSIDE_THE_BASE):
        return "gateway"
    parts = _segments(path.removeprefix(API))
    if not path.startswith(API + "/") or not {".", ".."}.isdisjoint(parts):
        return None
    return next((service for template, service in TEMPLATES if _fits(template, parts)), None)


def cleaned(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Drop what belongs to one hop, and what only the door and the services may say."""
    kept = list(headers)
    named = {name.strip().lower() for key, value in kept if key.lower() == b"connection" for name in value.split(b",")}
    dropped = HOP_BY_HOP | named
    return [(key, value) for key, value in kept if key.lower() not in dropped and not key.lower().startswith(OURS)]


def client_of(request: Request) -> str | None:
    """Take a client's Basic credentials (RFC 6749, 2.3.1) where tokens are given; anywhere else Authorization carries a token."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    return credentials if request.scope["path"] == TOKEN_PATH and scheme.lower() == "basic" else None


async def on_own_fault(request: Request, error: Exception) -> Response:
    """Answer a fault of the door's own as a problem, as the services do theirs."""
    answer = await on_fault(request, error)
    answer.headers["x-request-id"] = request.state.request_id
    return answer


class Door:
    """The ASGI application that everybody calls."""

    def __init__(self, gateway: Gateway, own: FastAPI, upstreams: Mapping[ServiceName, ASGIApp]) -> None:
        """Stand before the gateway's own routes and the services."""
        self.gateway = gateway
        self.app = own
        self.tokens = gateway.signer
        self._upstreams: Mapping[ServiceName, ASGIApp] = {**upstreams, "gateway": own}
        self._verifier = gateway.make_verifier(API_AUDIENCE)
        entry = CORSMiddleware(self._take, gateway.settings.cors_origins, METHODS, ASKED_WITH, expose_headers=ANSWERED_WITH)
        self._entry: ASGIApp = ServerErrorMiddleware(entry, handler=on_own_fault)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one connection."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] == "http":
            await self._let_in(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closing(message: Message) -> None:
            if message["type"] == "lifespan.shutdown.complete":
                await self.close()
            await send(message)

        await self.app(scope, receive, closing)

    async def close(self) -> None:
        """Close the connections to the services."""
        await asyncio.gather(*(app.close() for app in self._upstreams.values() if isinstance(app, Forwarder)))

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give a request its id; what the door answers by itself is logged and counted as a service's answers are, without the path."""
        given = Request(scope).headers.get("x-request-id", "")
        request_id = given if PLAIN_ID.fullmatch(given) else str(new_id())
        scope.setdefault("state", {})["request_id"] = request_id
        logs.request_id.set(request_id)
        started, is_cut, answers = perf_counter(), False, False
        body = paced(receive, self.gateway.settings)

        async def in_time() -> Message:
            """To whoever it was passed to, a body that is too slow is one whose sender went away."""
            nonlocal is_cut
            try:
                return await body()
            except Problem as slow:
                if not answers:
                    slow.headers["x-request-id"] = request_id
                    scope["state"].pop("passed_to", None)
                    await render_problem(Request(scope), slow)(scope, receive, answer)
                    is_cut = True
                return {"type": "http.disconnect"}

        async def answer(message: Message) -> None:
            nonlocal answers
            if is_cut:
                return
            answers = True
            if message["type"] == "http.response.start" and "passed_to" not in scope["state"]:
                status, seconds = message["status"], perf_counter() - started
                self.gateway.requests.labels(scope["method"], AT_THE_DOOR, str(status)).inc()
                self.gateway.seconds.labels(AT_THE_DOOR).observe(seconds)
                log.info("request", extra={"fact": answered(scope, AT_THE_DOOR, status, seconds)})
                message["headers"] = [*message["headers"], *(one for one in CAUTIOUS if one[0] not in dict(message["headers"]))]
            await send(message)

        await self._entry(scope, in_time, answer)

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        request_id: str = scope["state"]["request_id"]
        try:
            service = service_of(scope["path"])
            if service is None:
                raise absent()
            client, token = client_of(request), None
            if signs(request):
                token, receive = await admitted(self.gateway, request, receive)
            elif client is None and scope["path"] != LETTERS:
                await self._check_caller(request)
            receive = bounded(request, receive) if service == "gateway" else receive
        except Problem as problem:
            problem.headers["x-request-id"] = request_id
            await render_problem(request, problem)(scope, receive, send)
            return
        added = [(b"x-request-id", request_id.encode()), (ADDRESS, request.client.host.encode() if request.client else b"")]
        if token is not None:
            added.append((b"authorization", f"Bearer {token}".encode()))
        if client is not None:
            added.append((CLIENT, client.encode("latin-1")))
        scope["state"]["passed_to"] = service
        with self.gateway.traces.server(f"door {scope['method']}", request_id, None), self.gateway.traces.client(service, {}) as carried:
            added += [(key.encode(), value.encode()) for key, value in carried.items()]
            await self._pass_on(service, scope, added, receive, send)

    async def _check_caller(self, request: Request) -> None:
        """Refuse a token that is none of ours, or no longer good; whoever has none is the service's to judge."""
        token = bearer(request, self._verifier)
        if token is None:
            return
        principal = await self._verifier.verify(token)
        try:
            denied = await self.gateway.denylist.denies(principal)
        except (OperationalError, PoolTimeout):
            raise Problem(BUSY, headers={"Retry-After": "1"}) from None
        if denied:
            raise self._verifier.refusal("denied")

    async def _pass_on(self, service: ServiceName, scope: Scope, added: list[tuple[bytes, bytes]], receive: Receive, send: Send) -> None:
        names = {key for key, _ in added} | ({b"authorization"} if CLIENT in dict(added) else set())
        headers = [*((key, value) for key, value in cleaned(scope["headers"]) if key not in names), *added]
        if news := self.gateway.newsboard.told_to(service):
            headers.append((NEWS.encode(), news))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                if scope["method"] not in SAFE and message["status"] < BAD:
                    self.gateway.stir()
                for key, value in message["headers"]:
                    if key.lower() == TOLD:
                        self.gateway.newsboard.note(service, value.decode("latin-1"))
                message = {**message, "headers": cleaned(message["headers"])}
            await send(message)

        state = {
            **scope["state"],
            "chunked": any(key == b"transfer-encoding" for key, _ in scope["headers"]),
        }
        onward = {**scope, "headers": headers, "state": state}
        await self._upstreams[service](onward, receive, answer)
