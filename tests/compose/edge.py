"""The edge from the outside: who is slow or sends too much is cut off by nginx itself, and the door never sees it."""

import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

PATIENCE_SECONDS = 40.0
CUT_SECONDS = 20.0
"""A header must be whole after ten seconds, and ten pass at most between two pieces of a body; nginx looks now and then."""
HEAD = b"POST /api/v1/auth/token HTTP/1.1\r\nHost: localhost\r\n"
TOO_MUCH = 60 * 1024 * 1024


class Slow:
    """One connection that a client keeps open for as long as it is let."""

    def __init__(self, port: int, trust: ssl.SSLContext) -> None:
        self._socket = trust.wrap_socket(
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS), server_hostname="localhost"
        )

    def send(self, content: bytes) -> None:
        self._socket.sendall(content)

    def cut_after(self, piece: bytes) -> tuple[float, bytes]:
        """Send a piece every second until the edge has had enough; gives how long that took, and what it said."""
        begun, said = time.monotonic(), b""
        self._socket.settimeout(1)
        while time.monotonic() - begun < PATIENCE_SECONDS:
            try:
                if piece:
                    self._socket.sendall(piece)
                received = self._socket.recv(4096)
            except TimeoutError:
                continue
            except OSError:
                break
            if not received:
                break
            said += received
        self._socket.close()
        return time.monotonic() - begun, said


def slow_head(port: int, trust: ssl.SSLContext) -> str | None:
    """Send a header a byte a second: nobody who does so is listened to for long."""
    client = Slow(port, trust)
    client.send(HEAD)
    seconds, _ = client.cut_after(b"X")
    return None if seconds < CUT_SECONDS else f"a header of a byte a second was taken for {seconds:.0f} s"


def silent_body(port: int, trust: ssl.SSLContext) -> str | None:
    """Promise a body and send none."""
    client = Slow(port, trust)
    client.send(HEAD + b"Content-Length: 100\r\n\r\n")
    seconds, said = client.cut_after(b"")
    return None if seconds < CUT_SECONDS and b" 200 " not in said else f"a body that never came was waited for during {seconds:.0f} s"


def silent(port: int, trust: ssl.SSLContext) -> str | None:
    """Connect and say nothing."""
    seconds, _ = Slow(port, trust).cut_after(b"")
    return None if seconds < CUT_SECONDS else f"a client that says nothing was kept for {seconds:.0f} s"


def too_much(port: int, trust: ssl.SSLContext) -> str | None:
    """Promise more than the edge takes: it says so at once, as a problem, and reads none of it."""
    client = Slow(port, trust)
    client.send(HEAD + f"Content-Length: {TOO_MUCH}\r\n\r\n".encode())
    _, said = client.cut_after(b"")
    held = said.startswith(b"HTTP/1.1 413 ") and b"application/problem+json" in said and b'"code":"too_large"' in said
    return None if held else f"a body over the limit got {said[:80]!r}"


def judge(port: int, trust: ssl.SSLContext) -> list[str]:
    """Do them all at once; gives what doesn't hold."""
    attempts = (slow_head, silent_body, silent, too_much)
    with ThreadPoolExecutor(len(attempts)) as hands:
        return [found for found in hands.map(lambda attempt: attempt(port, trust), attempts) if found]
