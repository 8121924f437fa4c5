"""Move the business clock of the whole product; there is no such path in production."""

import asyncio
from datetime import datetime

import httpx
from fastapi import Request
from starlette.concurrency import run_in_threadpool

from gateway.program import Gateway
from kernel.clock import business_now, is_shifted, set_clock
from kernel.identity import Anyone
from kernel.problems import PEER_UNREACHABLE, Problem
from kernel.service import ClockSetting, router
from kernel.settings import ServiceName
from kernel.wire import Answer

routes = router("demo")

OTHERS: tuple[ServiceName, ...] = ("intake", "scoring", "workflow")


class Clock(Answer):
    """The business clock's reading, and whether it was moved."""

    now: datetime
    shifted: bool


def read_clock(gateway: Gateway) -> Clock:
    """Read the business clock."""
    with gateway.sessions() as session:
        return Clock(now=business_now(session, gateway.settings.environment), shifted=is_shifted(session))


def set_own_clock(gateway: Gateway, setting: ClockSetting) -> None:
    """Move the gateway's own clock."""
    with gateway.sessions.begin() as session:
        set_clock(session, setting.now, running=setting.running)


async def set_peer_clock(gateway: Gateway, peer: ServiceName, setting: ClockSetting) -> None:
    """Move a service's clock; 503 where it can't be reached."""
    try:
        await gateway.peers.call(peer, "PUT", "/internal/clock", json=setting.model_dump(mode="json"))
    except httpx.HTTPError:
        raise Problem(PEER_UNREACHABLE, headers={"Retry-After": "1"}, peer=peer) from None


@routes.get("/demo/clock", operation_id="get_demo_clock")
def get_demo_clock(request: Request, _anyone: Anyone) -> Clock:
    """Read the business clock."""
    return read_clock(request.app.state.service)


@routes.put("/demo/clock", operation_id="set_demo_clock")
async def set_demo_clock(request: Request, setting: ClockSetting, _anyone: Anyone) -> Clock:
    """Move the business clock everywhere; it is answered once every service has it."""
    gateway: Gateway = request.app.state.service
    await asyncio.gather(*(set_peer_clock(gateway, peer, setting) for peer in OTHERS))
    await run_in_threadpool(set_own_clock, gateway, setting)  # last: the door never asks a service whose clock is behind its own
    return await run_in_threadpool(read_clock, gateway)
