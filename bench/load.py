"""A load generator of raw connections: each sends the same request again as soon as its answer has come; as little work as can be."""

import asyncio
import re
from collections.abc import Sequence
from time import perf_counter
from typing import cast

import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
HEAD_END = b"\r\n\r\n"


class Caller(asyncio.Protocol):
    """One connection; counts answers of status 2xx until it is told to stop."""

    def __init__(self, requests: Sequence[bytes]) -> None:
        """Take the requests that are sent in turn."""
        self._requests = requests
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self.answered = 0
        self.refused = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class
        self._send()

    def _send(self) -> None:
        if self._transport is not None:
            self._transport.write(self._requests[self.answered % len(self._requests)])

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer; a whole one is counted, and the next request sent."""
        self._received += data
        head, found, body = self._received.partition(HEAD_END)
        if not found:
            return
        length = LENGTH.search(head + b"\r\n")
        if length is None or len(body) < int(length[1]):
            return
        if head[9:10] != b"2":
            self.refused = self.refused or self._received
        self._received = b""
        self.answered += 1
        self._send()


async def press(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> float:
    """Give how many answers came in a second, after a short warm-up; raises where one was no success."""
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Caller(requests), "127.0.0.1", port) for _ in range(connections)]
    await asyncio.sleep(seconds / 4)
    before, started = sum(caller.answered for _, caller in made), perf_counter()
    await asyncio.sleep(seconds)
    after, ended = sum(caller.answered for _, caller in made), perf_counter()
    for transport, _ in made:
        transport.close()
    refused = next((caller.refused for _, caller in made if caller.refused), b"")
    if refused:
        raise SystemExit(f"not a success: {refused[:600].decode(errors='replace')}")
    return (after - before) / (ended - started)


def rate(port: int, request: bytes | Sequence[bytes], connections: int = 16, seconds: float = 2.5) -> float:
    """Press for some seconds; gives answers a second."""
    requests = [request] if isinstance(request, bytes) else request
    return uvloop.run(press(port, requests, connections, seconds))


def request(method: str, path: str, token: str = "", body: bytes = b"", **headers: str) -> bytes:
    """Write a request of HTTP/1.1 that keeps its connection."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body
