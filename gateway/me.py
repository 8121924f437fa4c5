"""Who am I, and what waits for me across the services."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import httpx
from anyio import CancelScope
from fastapi import Header, Request
from pydantic import TypeAdapter
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from gateway.program import Gateway
from gateway.registration import registrations_to_verify
from gateway.tables import Account
from kernel.clock import wall
from kernel.identity import Duty, Principal, Role, SignedIn
from kernel.logs import log
from kernel.problems import TOO_MANY, Problem
from kernel.requests import Transaction
from kernel.service import Task, explained, router
from kernel.settings import ServiceName
from kernel.wire import Answer

routes = router("me")

ASKED: tuple[ServiceName, ...] = ("intake", "scoring", "workflow")
TASKS = TypeAdapter(list[Task])
SETTLING_SECONDS = 0.3
"""How long a stream waits after something was done: a handful of steps in a row is told once, and news between services has arrived."""
UNBUFFERED = {"cache-control": "no-store", "x-accel-buffering": "no"}
ABOUT = "Events `tasks`, each the whole list as JSON with its hash as the id."
STREAMED: Mapping[str, Any] = {
    "text/event-stream": {"schema": {"type": "string"}, "example": 'event: tasks\nid: 3f0c…\ndata: {"tasks": [], "missing": []}\n\n'}
}


class Me(Answer):
    """The caller in the role of this token; `missing` names the services that couldn't be asked for tasks."""

    person: str
    name: str | None
    login: str | None
    role: Role | None
    duties: list[Duty]
    org: str | None
    body: str | None
    roles: list[Role]
    tasks: list[Task]
    missing: list[ServiceName]


async def tasks_of(gateway: Gateway, name: ServiceName, request: Request) -> Sequence[Task] | None:
    """Ask a service what waits for the caller, with the caller's own token; None where it doesn't answer."""
    passed = {key: request.headers[key] for key in ("authorization", "accept-language") if key in request.headers}
    try:
        answer = await gateway.peers.clients[name].get("/internal/tasks", headers=passed)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        log.warning("tasks", extra={"fact": {"service": name, "error": type(error).__name__}})
        return None
    return TASKS.validate_json(answer.content)


def account_of(gateway: Gateway, person: Principal, request: Request) -> tuple[Me, Sequence[Task]]:
    """Read who the caller is, and what waits here."""
    with gateway.sessions() as session:
        account = session.get(Account, account_id_of(person))
        me = Me(
            person=person.person,
            name=account.name if account else None,
            login=account.login if account else None,
            role=person.role,
            duties=sorted(person.duties),
            org=person.org,
            body=person.body,
            roles=[grant.role for grant in account.grants] if account else [],
            tasks=[],
            missing=[],
        )
        return me, explained(registrations_to_verify(Transaction(session, request), person), gateway.settings.edition)


def account_id_of(person: Principal) -> UUID:
    """Give the account that a person is; one that nobody has for who has none."""
    try:
        return UUID(person.person)
    except ValueError:
        return UUID(int=0)


async def asked(request: Request, person: Principal) -> Me:
    """Read who the caller is, and ask every service what waits for them; earliest due first."""
    gateway: Gateway = request.app.state.service
    asking = asyncio.gather(*(tasks_of(gateway, name, request) for name in ASKED))
    me, own = await run_in_threadpool(account_of, gateway, person, request)
    others = await asking
    me.missing = [name for name, found in zip(ASKED, others, strict=True) if found is None]
    tasks = [*own, *(task for found in others if found is not None for task in found)]
    me.tasks = sorted(tasks, key=lambda task: (task.due is None, task.due.timestamp() if task.due else 0.0))
    return me


class TaskList(Answer):
    """What waits for a person, as one event of the stream; `missing` names the services that couldn't be asked."""

    tasks: list[Task]
    missing: list[ServiceName]


async def changes(request: Request, person: Principal, seen: str) -> AsyncIterator[ServerSentEvent]:
    """Give the whole list each time it differs from the one last seen; its hash is the event's id, so nothing has to be kept to resume.

    Ends with the token: when it expires, and as soon as it is no longer good.
    """
    gateway: Gateway = request.app.state.service
    while wall().timestamp() < person.expires_at and not await gateway.denylist.denies(person):
        with CancelScope(shield=True):  # who hangs up must not break off a question that is under way in a service
            me = await asked(request, person)
        content = TaskList(tasks=me.tasks, missing=me.missing).model_dump_json()
        digest = hashlib.sha256(content.encode()).hexdigest()[:32]
        if digest != seen:
            yield ServerSentEvent(content, event="tasks", id=digest)
            seen = digest
        await gateway.stirred(gateway.settings.stream_seconds)
        await asyncio.sleep(SETTLING_SECONDS)


async def counted(gateway: Gateway, person: str, events: AsyncIterator[ServerSentEvent]) -> AsyncIterator[ServerSentEvent]:
    """Hold one of the person's places while the stream is open."""
    gateway.streams[person] += 1
    try:
        async for event in events:
            yield event
    finally:
        gateway.streams[person] -= 1


@routes.get("/me", operation_id="get_me")
async def get_me(request: Request, person: SignedIn) -> Me:
    """Tell who the caller is, and the tasks (待办) across the services, earliest due first."""
    return await asked(request, person)


@routes.get(
    "/me/stream",
    operation_id="stream_my_tasks",
    response_class=EventSourceResponse,
    responses={200: {"content": STREAMED, "description": ABOUT}},
)
async def stream_my_tasks(
    request: Request, person: SignedIn, last_event_id: Annotated[str, Header(max_length=64)] = ""
) -> EventSourceResponse:
    """Tell the caller's tasks as they change (server-sent events); `Last-Event-ID` names the list last seen."""
    gateway: Gateway = request.app.state.service
    if gateway.streams[person.person] >= gateway.settings.streams_each:
        raise Problem(TOO_MANY, headers={"Retry-After": "60"})
    return EventSourceResponse(counted(gateway, person.person, changes(request, person, last_event_id)), headers=UNBUFFERED)
