"""How a request is taken: one transaction, idempotency, versions, ETags, pages, and what the caller could do next."""

import asyncio
import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from datetime import datetime
from functools import wraps
from inspect import signature
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Query, Request, Response
from fastapi.params import Form
from fastapi.routing import APIRoute
from sqlalchemy import ColumnElement, Row, Select, bindparam, func, insert, select
from sqlalchemy.orm import InstrumentedAttribute, Session
from starlette.concurrency import run_in_threadpool

from kernel import body, files, record, table
from kernel.clock import business_now
from kernel.database import idempotency
from kernel.identity import Policy, Principal
from kernel.problems import (
    BUSY,
    KEY_IN_FLIGHT,
    KEY_REUSED,
    MALFORMED,
    STALE,
    UNSUPPORTED,
    VERSION_REQUIRED,
    Kind,
    Problem,
    absent,
    language_of,
    refusal_parts,
)
from kernel.wire import Action, Why
from regulation.refusal import Refusal

JSON = "application/json"
LONGEST_WAIT_SECONDS = 30
READS = frozenset({"GET", "HEAD"})
UNKEYED = ("/api/v1/auth/", "/internal/")
KEY_SHAPE = re.compile(r"[\x21-\x7e]{8,128}")
ETAG_SHAPE = re.compile(r'(?:W/)?"(\d{1,18})(?:-[0-9a-f]*)?"')
NO_DRY_RUN = Kind(400, "dry_run_unsupported", "该请求不支持 dry_run，未执行", "This request takes no dry_run; nothing was done")
KEY_MISSING = Kind(
    400,
    "idempotency_key_missing",
    "该请求必须带 Idempotency-Key（8–128 个可见字符）",
    "This request needs an Idempotency-Key of 8 to 128 visible characters",
)


KEEP = insert(idempotency).values(
    {column: bindparam(f"kept_{column.name}", type_=column.type) for column in idempotency.c if column.server_default is None}
)
KEEP_AND_WRITE = record.WRITE.add_cte(KEEP.cte("kept"))
"""One way to the database and back for the answer and the one event that most requests have."""


class Transaction:
    """One request's transaction: its session, its business instant, its caller; it commits before the answer leaves."""

    now: datetime
    """The business clock's reading, taken once."""

    def __init__(self, session: Session, request: Request) -> None:
        """Prepare; nothing is asked of the database before `begin`."""
        self.service = request.app.state.service
        self.session = session
        self.request = request
        self.request_id: str = request.state.request_id
        self.actor: Principal | None = getattr(request.state, "principal", None)
        self.dry_run = False
        self.version: int | None = None
        self.secrets: tuple[str, ...] = ()
        self.told: dict[str, UUID] = {}
        self.held: object = None
        """Rows that the session is not to forget while this request lasts: asked for by their keys again, they cost no query."""
        self._entries: list[dict[str, Any]] = []
        """The events of this transaction, written when it is committed: with the answer that is kept, where there is just one."""
        self._has_recorded = False

    def begin(self) -> None:
        """Read the business clock, see what news is missing, and give the stored answer where the same request was answered before."""
        self.now = business_now(self.session, self.service.settings.environment)
        expected = self.request.headers.get("quality-award-news")
        self.request.state.news_missing = expected is not None and not self.service.has_received(self.session, expected)
        if hasattr(self.request.state, "key"):
            _replay(self)

    def say(self, zh: str, en: str) -> str:
        """Choose what the caller reads, by Accept-Language."""
        return en if language_of(self.request) == "en" else zh

    def record(
        self,
        kind: str,
        subject: str,
        *,
        clause: str | None = None,
        facts: Mapping[str, Any] | None = None,
        tell: Sequence[str] = (),
        actor: str | None = None,
    ) -> UUID:
        """Have an event written into the record as this is committed; `tell` names the peers to which the relay brings it."""
        entry = record.entry(
            at=self.now,
            kind=kind,
            subject=subject,
            actor=actor or (self.actor.person if self.actor else None),
            role=self.actor.role if self.actor else None,
            clause=clause,
            facts=facts or {},
            request_id=self.request_id,
            told=tell,
        )
        self._entries.append(entry)
        self.told |= dict.fromkeys(tell, entry["id"])
        self._has_recorded = True
        return entry["id"]  # type: ignore[no-any-return]  # a UUID

    def commit(self) -> None:
        """Commit, unless this was a dry run, and tell the relay where there may be something for it."""
        if self.dry_run:
            self.session.rollback()
            return
        if self._entries:
            self.session.flush()  # the rows are locked before their events get their places
            self.session.execute(record.WRITE, self._entries)
            self._entries = []
        self.request.state.committing = True
        self.session.commit()
        if self._has_recorded or self.request.method not in READS:
            self.service.nudge(recorded=self._has_recorded, awaited=bool(self.told))

    async def settle(self, response: Response) -> None:
        """Keep the answer for whoever asks again with the same key, and commit; what has no key was committed where it was done."""
        if hasattr(self.request.state, "key"):
            await run_in_threadpool(self._keep_and_commit, response)

    def _keep_and_commit(self, response: Response) -> None:
        if not self.dry_run:
            kept = _kept(self, response)
            self.session.flush()
            if len(self._entries) == 1:
                self.session.execute(KEEP_AND_WRITE, [kept | self._entries.pop()])
            else:
                self.session.execute(KEEP, [kept])
        self.commit()

    async def end(self) -> None:
        """Roll back what was not committed, and give the request's turn to the next."""
        try:
            if self.session.in_transaction():
                await run_in_threadpool(self.session.close)
        finally:
            self.service.room.release()


async def _open(request: Request) -> Transaction:
    """Let in no more requests than there are connections: whoever waits in a thread keeps it from those that hold a connection."""
    service = request.app.state.service
    try:
        async with asyncio.timeout(LONGEST_WAIT_SECONDS):
            await service.room.acquire()
    except TimeoutError:
        raise Problem(BUSY, headers={"Retry-After": "1"}) from None
    request.state.transaction = Transaction(service.sessions(), request)
    _check_dry_run(request)
    return request.state.transaction  # type: ignore[no-any-return]  # set just above


def _check_dry_run(request: Request) -> None:
    """Refuse a dry run where there is none: the caller would take what was done for what would be done."""
    tried = request.query_params.get("dry_run", "false") != "false"
    if tried and request.method not in READS and not request.scope["route"].dry_runs:
        raise Problem(NO_DRY_RUN)


InTransaction = Annotated[Transaction, Depends(_open)]
"""The request's transaction; declare it after the policy, so that a stranger opens none."""


async def _dry_run(
    transaction: InTransaction,
    dry_run: Annotated[bool, Query(description="answer what would happen, and change nothing")] = False,  # noqa: FBT002 - FastAPI reads it
) -> bool:
    transaction.dry_run = dry_run
    return dry_run


DryRun = Annotated[bool, Depends(_dry_run)]


class ReplayedAnswer(Exception):  # noqa: N818 - it carries an answer
    """The stored answer to the same request."""

    def __init__(self, response: Response) -> None:
        """Carry it to the one place that renders."""
        super().__init__()
        self.response = response


async def on_replay(_request: Request, replayed: Exception) -> Response:
    """Give the stored answer."""
    assert isinstance(replayed, ReplayedAnswer)  # noqa: S101 - registered for this class alone
    return replayed.response


def _key_scope(transaction: Transaction) -> tuple[str, str, str]:
    request = transaction.request
    subject = transaction.actor.person if transaction.actor else "anyone"
    return subject, f"{request.method} {request.url.path}", request.state.key


def _fingerprint(transaction: Transaction) -> bytes:
    """Tell this request from another under the same key: by what was sent, and by the capacity in which the person asks."""
    sent: bytes = transaction.request.state.fingerprint
    actor = transaction.actor
    return hashlib.sha256(f"{actor.role}\0{actor.org}\0{actor.body}\0".encode() + sent).digest() if actor else sent


def check_unnamed(transaction: Transaction, answer: Mapping[str, Any], hidden: Collection[str]) -> None:
    """Raise the 404 of what never was where a stored answer, or the path asked, names what doesn't exist for the caller now (2.4.5)."""
    told = f"{transaction.request.url.path} {json.dumps(answer)}"
    if any(name in told for name in hidden):
        raise absent()


def _replay(transaction: Transaction) -> None:
    subject, route, key = _key_scope(transaction)
    number = int.from_bytes(hashlib.sha256(f"{subject}\0{route}\0{key}".encode()).digest()[:8], "big", signed=True)
    if not transaction.session.scalar(select(func.pg_try_advisory_xact_lock(number))):
        raise Problem(KEY_IN_FLIGHT, headers={"Retry-After": "1"})
    stored = transaction.session.execute(
        select(idempotency).where(idempotency.c.subject == subject, idempotency.c.route == route, idempotency.c.key == key)
    ).one_or_none()
    if stored is None:
        return
    if stored.fingerprint != _fingerprint(transaction):
        raise Problem(KEY_REUSED)
    if transaction.actor is not None:
        answer = json.loads(stored.body) if stored.headers.get("content-type") == JSON else {}
        transaction.service.revisit(transaction, transaction.actor, answer)
    raise ReplayedAnswer(Response(stored.body, stored.status, {**stored.headers, "idempotent-replayed": "true"}))


def _kept(transaction: Transaction, response: Response) -> dict[str, Any]:
    """Give what `KEEP` takes."""
    subject, route, key = _key_scope(transaction)
    content = bytes(response.body)
    if transaction.secrets:
        answer = json.loads(content)
        content = json.dumps(answer | dict.fromkeys(transaction.secrets), ensure_ascii=False).encode()
    headers = {name: response.headers[name] for name in ("content-type", "location", "etag") if name in response.headers}
    return {
        "kept_subject": subject, "kept_route": route, "kept_key": key, "kept_fingerprint": _fingerprint(transaction),
        "kept_status": response.status_code, "kept_headers": headers, "kept_body": content,
    }  # fmt: skip


async def _take_body(request: Request, *, is_form: bool) -> None:
    raw = await body.whole(request, request.receive)
    request._body = raw  # noqa: SLF001 - Starlette keeps a body that was read in this place; it offers no other
    if raw and not is_form:
        if request.headers.get("content-type", JSON).partition(";")[0].strip().lower() != JSON:
            raise Problem(UNSUPPORTED)
        body.check_json(raw)
    request.state.fingerprint = hashlib.sha256(str(request.url.query).encode() + b"\0" + raw).digest()


def _within(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Begin the transaction in the thread in which its endpoint runs, and commit it there where no answer is to be kept with it."""
    named = [name for name, parameter in signature(endpoint).parameters.items() if parameter.annotation == InTransaction]
    if not named:
        return endpoint

    def run(transaction: Transaction, given: Mapping[str, Any]) -> Any:  # noqa: ANN401 - as the endpoint has it
        transaction.begin()
        answer = endpoint(**given)
        if not hasattr(transaction.request.state, "key"):
            transaction.commit()
        return answer

    @wraps(endpoint)
    async def taken(**given: Any) -> Any:  # noqa: ANN401 - same
        return await run_in_threadpool(run, given[named[0]], given)

    return taken


class Route(APIRoute):
    """Every route of a service: strict JSON, Idempotency-Key on POST, ETag on what it answers."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:  # noqa: ANN401 - as FastAPI has it
        """Say in the route's description who may call it."""
        super().__init__(path, _within(endpoint), **given)
        self.streams = any(dependant.call in {files.receive, table.receive} for dependant in self.dependant.dependencies)
        self.dry_runs = any(dependant.call is _dry_run for dependant in self.dependant.dependencies)
        for dependant in self.dependant.dependencies:
            if isinstance(dependant.call, Policy):
                self.openapi_extra = dependant.call.described() | (self.openapi_extra or {})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler; it still runs inside the request's transaction."""
        original = super().get_route_handler()

        async def handler(request: Request) -> Response:
            if request.method not in {"GET", "HEAD"} and not self.streams:
                await _take_body(request, is_form=self.body_field is not None and isinstance(self.body_field.field_info, Form))
            if request.method == "POST" and not request.url.path.startswith(UNKEYED):
                key = request.headers.get("idempotency-key", "")
                if not KEY_SHAPE.fullmatch(key):
                    raise Problem(KEY_MISSING)
                request.state.key = key
            try:
                response = await original(request)
                transaction: Transaction | None = getattr(request.state, "transaction", None)
                if transaction is not None:
                    _tag(request, response, transaction)
                    await transaction.settle(response)
                    if transaction.told and not transaction.dry_run:
                        response.headers["quality-award-told"] = ",".join(f"{peer}={told}" for peer, told in transaction.told.items())
            finally:
                if hasattr(request.state, "transaction"):
                    await request.state.transaction.end()
            if _unchanged(request, response):
                kept = {name: response.headers[name] for name in ("etag", "cache-control") if name in response.headers}
                return Response(status_code=304, headers=kept)
            return response

        return handler


def _tag(request: Request, response: Response, transaction: Transaction) -> None:
    body = getattr(response, "body", None)
    if body is not None and (request.method == "GET" or transaction.version is not None):
        digest = hashlib.sha256(body).hexdigest()[:16]
        response.headers["etag"] = f'"{transaction.version or 0}-{digest}"'


def _unchanged(request: Request, response: Response) -> bool:
    etag = response.headers.get("etag")
    asked = request.headers.get("if-none-match", "")
    return request.method == "GET" and etag is not None and etag in [one.strip().removeprefix("W/") for one in asked.split(",")]


async def _if_match(
    if_match: Annotated[str | None, Header(description="the ETag that the edit starts from; its version alone is compared")] = None,
) -> int:
    if if_match is None:
        raise Problem(VERSION_REQUIRED)
    match = ETAG_SHAPE.fullmatch(if_match.strip())
    if match is None:
        raise Problem(MALFORMED, reason="If-Match")
    return int(match[1])


IfMatch = Annotated[int, Depends(_if_match)]
"""The version that an edit starts from; 428 where it is missing."""


def check_version(expected: int, current: int) -> None:
    """Answer 412 with the current version where somebody else was faster."""
    if expected != current:
        raise Problem(STALE, current_version=current)


async def _cursor(
    cursor: Annotated[str | None, Query(max_length=64, description="`next_cursor` of the page before")] = None,
) -> UUID | None:
    if cursor is None:
        return None
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=="))
    except (ValueError, binascii.Error):
        raise Problem(MALFORMED, reason="cursor") from None


Cursor = Annotated[UUID | None, Depends(_cursor)]
Limit = Annotated[int, Query(ge=1, le=200, description="how many at most")]


def page_of(
    session: Session, statement: Select[Any], key: InstrumentedAttribute[UUID] | ColumnElement[UUID], cursor: UUID | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    """Read one keyset page, in order of `key`, which is each row's last value; gives the rows and the next cursor."""
    if cursor is not None:
        statement = statement.where(key > cursor)
    rows = session.execute(statement.add_columns(key).order_by(key).limit(limit + 1)).all()
    more = len(rows) > limit
    rows = rows[:limit]
    following = base64.urlsafe_b64encode(rows[-1][-1].bytes).rstrip(b"=").decode() if more else None
    return rows, following


def paginate(
    session: Session, statement: Select[Any], key: InstrumentedAttribute[UUID] | ColumnElement[UUID], cursor: UUID | None, limit: int
) -> tuple[Sequence[Any], str | None]:
    """Read one keyset page; gives the rows' first entities and the next cursor."""
    rows, following = page_of(session, statement, key, cursor, limit)
    return [row[0] for row in rows], following


Check = Callable[[], object]
"""A question to the regulation: it returns, or raises Refusal or Problem."""


def why_not(transaction: Transaction, check: Check) -> Why | None:
    """Ask, and tell why it was refused; None where it was not."""
    language = language_of(transaction.request)
    try:
        check()
    except Refusal as refusal:
        return Why(**refusal_parts(refusal, language, transaction.service.settings.edition))
    except Problem as problem:
        sentence = (problem.kind.en if language == "en" else problem.kind.zh).format_map(problem.facts)
        return Why(code=problem.kind.code, detail=sentence)
    return None


def offer(transaction: Transaction, method: str, href: str, check: Check) -> Action:
    """Tell whether an action is open now by asking the very check that the command asks."""
    why = why_not(transaction, check)
    return Action(method=method, href=href, allowed=why is None, why=why)
