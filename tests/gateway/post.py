"""A real mail server for the tests of notifications, which does to a mail what it is told to."""

import asyncio
import email
import socket
import threading
from collections.abc import Callable
from email.message import Message
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

PATIENCE_SECONDS = 30
HANGS, HANGS_UP = "HANGS", "HANGS UP"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Post:
    """Keeps what it is given; `replies` are given in turn instead of 250: `HANGS_UP` and `HANGS` take it and answer nothing."""

    def __init__(self) -> None:
        self.port = free_port()
        self.came: list[tuple[str, Message]] = []
        self.replies: list[str] = []
        self._news = threading.Condition()
        self._controller: Controller | None = None

    def open(self, **given: Any) -> None:  # noqa: ANN401 - as the library's controller takes it
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **given)
        self._controller.start()

    def close(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as the library calls it
        content = envelope.content
        assert isinstance(content, bytes)
        reply = self.replies.pop(0) if self.replies else "250 OK"
        with self._news:
            if reply[0] in "2H":
                self.came.append((envelope.rcpt_tos[0], email.message_from_bytes(content, policy=default)))
            self._news.notify_all()
        if reply == HANGS:
            await asyncio.Event().wait()
        if reply == HANGS_UP:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return reply

    def to(self, address: str) -> list[Any]:
        return [message for receiver, message in self.came if receiver == address]

    def wait(self, address: str, number: int) -> list[Any]:
        """Wait until so many came to an address, and give all that did."""
        self.wait_until(lambda: len(self.to(address)) >= number)
        return self.to(address)

    def wait_until(self, holds: Callable[[], bool]) -> None:
        with self._news:
            assert self._news.wait_for(holds, PATIENCE_SECONDS), [message["Subject"] for _, message in self.came]
