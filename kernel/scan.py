"""Attachments before clamd, which knows malicious content: each is streamed to it whole (INSTREAM, clamd(8)), and kept once it says OK.

Nothing passes that it has not said OK to. With `AlertExceedsMax yes` it says so too where a limit of its own made it look at a part alone.
"""

import asyncio
import socket
from pathlib import Path

import anyio
from starlette.concurrency import run_in_threadpool

from kernel.logs import log
from kernel.problems import BUSY, Kind, Problem
from kernel.settings import Settings

CHUNK = 64 * 1024
CONNECT_SECONDS = 3
LONGEST_ANSWER = 4096
OVER_ITS_STREAM = "INSTREAM size limit exceeded. ERROR"
OVER_A_LIMIT = "Heuristics.Limits.Exceeded"
INFECTED = Kind(
    422, "attachment_infected", "文件含有恶意内容（{signature}），未接收", "The file holds malicious content ({signature}) and was not kept"
)
UNSCANNABLE = Kind(
    413, "attachment_unscannable", "文件超出病毒扫描的上限，未接收", "The file is beyond what the scanner looks at and was not kept"
)


async def scan(settings: Settings, arrived: Path) -> None:
    """Have a file looked at, in constant memory; 422 with what was found, 413 over clamd's own limits, 503 where it gives no verdict."""
    try:
        async with asyncio.timeout(settings.clamd_seconds):
            verdict = await _ask(settings.clamd, arrived)
    except OSError as error:  # TimeoutError is one
        verdict = type(error).__name__
    if verdict == "stream: OK":
        return
    found = verdict.endswith(" FOUND")
    log.warning("not scanned" if not found else "refused by the scanner", extra={"fact": {"verdict": verdict}})
    signature = verdict.removeprefix("stream: ").removesuffix(" FOUND")
    if verdict == OVER_ITS_STREAM or (found and signature.startswith(OVER_A_LIMIT)):
        raise Problem(UNSCANNABLE)
    if found:
        raise Problem(INFECTED, signature=signature)
    raise Problem(BUSY, headers={"Retry-After": "1"})


def _connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    if not address.startswith("/"):
        return socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS)
    connected = socket.socket(socket.AF_UNIX)
    try:
        connected.settimeout(CONNECT_SECONDS)
        connected.connect(address)
    except OSError:
        connected.close()
        raise
    return connected


async def _ask(address: str, arrived: Path) -> str:
    """Give clamd's answer; one to more than it takes comes before the end, and then it reads no further."""
    loop, answer = asyncio.get_running_loop(), b""
    with await run_in_threadpool(_connect, address) as clamd:
        clamd.settimeout(0)
        try:
            await loop.sock_sendall(clamd, b"zINSTREAM\0")
            async with await anyio.open_file(arrived, "rb") as file:
                while chunk := await file.read(CHUNK):
                    await loop.sock_sendall(clamd, len(chunk).to_bytes(4, "big") + chunk)
            await loop.sock_sendall(clamd, bytes(4))
        except ConnectionError:
            pass
        while not answer.endswith(b"\0") and len(answer) < LONGEST_ANSWER and (part := await loop.sock_recv(clamd, LONGEST_ANSWER)):
            answer += part
    return answer.rstrip(b"\0").decode("ascii", "replace")
