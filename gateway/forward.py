"""The way to a service on another host: an ASGI application that passes a request on and streams the answer back, both as they came."""

from collections.abc import AsyncIterator
from urllib.parse import quote

import aiohttp
from fastapi import Request
from multidict import CIMultiDict
from starlette.types import Receive, Scope, Send
from yarl import URL

from kernel.logs import log
from kernel.problems import PEER_UNREACHABLE, Problem, render_problem

CONNECT_SECONDS = 3
KEEP_ALIVE_SECONDS = 2  # less than a server keeps an idle connection, so that none is used that it is just closing
SKIPPED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
NOT_PASSED_BACK = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"date", b"server"})


class Forwarder:
    """One service's upstream."""

    def __init__(self, name: str, base: str, silent_seconds: float) -> None:
        """Remember where it is; the connections are opened with the first request."""
        self._name = name
        self._base = base.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silent_seconds)
        self._session: aiohttp.ClientSession | None = None

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=SKIPPED,
                timeout=self._timeout,
                trust_env=False,
            )
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on; 503 that names the service where it can't be reached or is silent before it answers."""
        started = False
        try:
            async with self._client().request(
                scope["method"], self._address(scope), headers=_headers(scope), data=_body(scope, receive), allow_redirects=False
            ) as answer:
                headers = [(key.lower(), value) for key, value in answer.raw_headers if key.lower() not in NOT_PASSED_BACK]
                started = True
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
                async for chunk in answer.content.iter_any():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except (TimeoutError, aiohttp.ClientError) as error:
            log.warning("service unreachable", extra={"fact": {"service": self._name, "error": type(error).__name__}})
            if started:  # the caller must see that the answer broke off
                raise
            problem = Problem(PEER_UNREACHABLE, headers={"Retry-After": "1"}, peer=self._name)
            problem.headers["x-request-id"] = scope["state"]["request_id"]
            await render_problem(Request(scope), problem)(scope, receive, send)

    def _address(self, scope: Scope) -> URL:
        raw = scope.get("raw_path") or quote(scope["path"]).encode()
        query = scope["query_string"]
        return URL(self._base + (raw + b"?" + query if query else raw).decode("latin-1"), encoded=True)


def _headers(scope: Scope) -> CIMultiDict[str]:
    passed = ((key, value) for key, value in scope["headers"] if key != b"expect")
    return CIMultiDict((key.decode("latin-1"), value.decode("latin-1")) for key, value in passed)


def _body(scope: Scope, receive: Receive) -> AsyncIterator[bytes] | None:
    """Stream the request's body; None where it has none."""
    given = dict(scope["headers"])
    if given.get(b"content-length", b"0") == b"0" and not scope["state"].get("chunked"):
        return None
    return _chunks(receive)


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise aiohttp.ClientConnectionError("the caller went away")
        more = message.get("more_body", False)
        if message.get("body"):
            yield message["body"]
