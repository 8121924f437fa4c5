"""Who am I, and what waits for me across the services."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import httpx
from fastapi import Request
from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool

from gateway.program import Gateway
from gateway.registration import registrations_to_verify
from gateway.tables import Account
from kernel.identity import Duty, Principal, Role, SignedIn
from kernel.logs import log
from kernel.requests import Transaction
from kernel.service import Task, explained, router
from kernel.settings import ServiceName
from kernel.wire import Answer

routes = router("me")

ASKED: tuple[ServiceName, ...] = ("intake", "scoring", "workflow")
TASKS = TypeAdapter(list[Task])


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
        account = session.get(Account, UUID(person.person)) if _is_id(person.person) else None
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


def _is_id(person: str) -> bool:
    try:
        UUID(person)
    except ValueError:
        return False
    return True


@routes.get("/me", operation_id="get_me")
async def get_me(request: Request, person: SignedIn) -> Me:
    """Tell who the caller is, and the tasks (待办) across the services, earliest due first."""
    gateway: Gateway = request.app.state.service
    asked = asyncio.gather(*(tasks_of(gateway, name, request) for name in ASKED))
    me, own = await run_in_threadpool(account_of, gateway, person, request)
    others = await asked
    me.missing = [name for name, found in zip(ASKED, others, strict=True) if found is None]
    tasks = [*own, *(task for found in others if found is not None for task in found)]
    me.tasks = sorted(tasks, key=lambda task: (task.due is None, task.due.timestamp() if task.due else 0.0))
    return me
