"""How fast a request's body must come: nobody holds a connection, or half a file, by sending a byte a second."""

import asyncio
from time import perf_counter

from starlette.types import Message, Receive

from gateway.settings import GatewaySettings
from kernel.problems import Kind, Problem

TOO_SLOW = Kind(408, "body_too_slow", "请求内容传输过慢，未做任何处理", "The body came too slowly; nothing was done")


def paced(receive: Receive, settings: GatewaySettings) -> Receive:
    """Give the body as it comes; 408 where it stands still, or comes more slowly than the settings say; our own time doesn't count."""
    waited, received, more = 0.0, 0, True

    async def in_time() -> Message:
        nonlocal waited, received, more
        if not more:
            return await receive()
        began = perf_counter()
        left = settings.body_stall_seconds + received / settings.body_bytes_per_second - waited
        try:
            async with asyncio.timeout(min(settings.body_stall_seconds, left)):
                message = await receive()
        except TimeoutError:
            raise Problem(TOO_SLOW, headers={"Connection": "close"}) from None
        waited += perf_counter() - began
        received += len(message.get("body", b""))
        more = message.get("more_body", False)
        return message

    return in_time
