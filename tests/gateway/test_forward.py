"""The way to a service on another host passes everything on as it came, and streams."""

import asyncio
import gzip
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send

from gateway.forward import Forwarder
from tests.rig import Announced

PACKED = gzip.compress(b"packed as it came")


async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer `/echo` with what came, `/away` with a redirect, `/packed` with gzip, `/slow` never, and break off in `/broken`."""
    path = scope["path"].rpartition("/")[2]
    status, headers, body = 200, [], b""
    if path == "away":
        status, headers = 302, [(b"location", b"http://elsewhere.example/"), (b"set-cookie", b"a=1")]
    elif path == "packed":
        headers, body = [(b"content-encoding", b"gzip")], PACKED
    elif path == "slow":
        await asyncio.sleep(30)
    elif path == "broken":
        headers = [(b"content-length", b"10")]
    else:
        more, sizes = True, []
        while more:
            message = await receive()
            more = message.get("more_body", False)
            sizes.append(len(message.get("body", b"")))
        given = dict(scope["headers"])
        seen = [
            scope["raw_path"],
            scope["query_string"],
            str(sum(sizes)).encode(),
            given.get(b"cookie", b""),
            given.get(b"user-agent", b"-"),
        ]
        body = b"|".join(seen)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = Announced(uvicorn.Config(upstream, port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert server.ready.wait(timeout=30)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=30)


async def passed(forwarder: Forwarder, target: str, parts: list[bytes] | None, headers: list[tuple[bytes, bytes]]) -> list[Message]:
    split = urlsplit(target)
    waiting = list(parts or [])
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": waiting.pop(0) if waiting else b"", "more_body": bool(waiting)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET" if parts is None else "POST",
        "path": split.path,
        "raw_path": split.path.encode(),
        "query_string": split.query.encode(),
        "headers": headers,
        "state": {"request_id": "r1", "chunked": parts is not None and b"content-length" not in dict(headers)},
    }
    await forwarder(scope, receive, send)
    return sent


def forward(
    base: str, target: str, parts: list[bytes] | None = None, headers: tuple[tuple[bytes, bytes], ...] = (), silent: float = 5
) -> tuple[int, dict[bytes, bytes], bytes]:
    async def run() -> list[Message]:
        forwarder = Forwarder("intake", base, silent)
        try:
            return await passed(forwarder, target, parts, list(headers))
        finally:
            await forwarder.close()

    start, *bodies = asyncio.run(run())
    return start["status"], dict(start["headers"]), b"".join(message["body"] for message in bodies)


def test_an_address_is_passed_as_it_came(address: str) -> None:
    target = "/api/v1/applications/%E4%B8%AD%2F%2e?q=%20a+b&q=%26&empty="
    assert forward(address, target)[2] == b"/api/v1/applications/%E4%B8%AD%2F%2e|q=%20a+b&q=%26&empty=|0||-"


@pytest.mark.parametrize("headers", [(), ((b"content-length", b"300000"),)])
def test_a_body_is_streamed_with_or_without_its_length(address: str, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    assert forward(address, "/echo", [b"x" * 100_000] * 3, headers)[2].split(b"|")[2] == b"300000"


def test_redirects_cookies_and_packed_bodies_are_the_callers(address: str) -> None:
    status, headers, _ = forward(address, "/away")
    assert (status, headers[b"location"], headers[b"set-cookie"]) == (302, b"http://elsewhere.example/", b"a=1")
    assert forward(address, "/echo")[2].split(b"|")[3] == b""
    _, headers, body = forward(address, "/packed")
    assert (headers[b"content-encoding"], body) == (b"gzip", PACKED)


def test_a_silent_service_is_named_after_a_while(address: str) -> None:
    status, headers, body = forward(address, "/slow", silent=0.2)
    assert (status, headers[b"retry-after"], b'"peer": "intake"' in body) == (503, b"1", True)


def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(address: str) -> None:
    with pytest.raises(Exception, match="ayload"):
        forward(address, "/broken")
