"""The four programs as processes of their own, as a deployment runs them, so that one can be killed and started again."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from sqlalchemy import URL, create_engine, text

from embedded import postgres
from embedded.caller import Caller
from embedded.product import SERVICES, Secrets, migrated
from kernel.settings import ServiceName

ROOT = Path(__file__).parents[2]


def eventually(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Look again and again until it holds; the relay says nothing by itself when it has delivered."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        pause.wait(0.02)


class Programs:
    """Start, kill and reach the programs; the door is the gateway."""

    def __init__(self, server: postgres.Server, database: str, kept: Secrets, folder: Path) -> None:
        self._server = server
        self.database = database
        self.kept = kept
        self._folder = folder
        self.settings: dict[str, str] = {}
        """What every program is told beside its own, or instead."""
        self.own_settings: dict[ServiceName, dict[str, str]] = {name: {} for name in SERVICES}
        self._ports = {name: free_port() for name in SERVICES}
        self._running: dict[ServiceName, subprocess.Popen[bytes]] = {}

    def url(self, name: ServiceName) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    def environment(self, name: ServiceName) -> dict[str, str]:
        own = {
            "environment": "test",
            "host": "127.0.0.1",
            "port": str(self._ports[name]),
            "database_url": self._server.url(name, self.kept.passwords[name], self.database).render_as_string(hide_password=False),
            "service_secret": self.kept.clients[name],
            "record_seed": self.kept.seeds[name],
            "contact_key": self.kept.contact_key,
            "files": str(self._folder / "files"),
            "state": str(self._folder),
        }
        own |= {f"{peer}_url": self.url(peer) for peer in SERVICES} | {f"{peer}_secret": self.kept.clients[peer] for peer in SERVICES}
        own |= self.settings | self.own_settings[name]
        return dict(os.environ) | {f"QUALITY_AWARD_{key.upper()}": value for key, value in own.items()}

    def start(self, name: ServiceName, under: Sequence[str] = ()) -> None:
        """Start a program, or, `under` another module, that one with the program's name behind it."""
        module = "gateway" if name == "gateway" else f"services.{name}"
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603 - our own words
                [sys.executable, "-m", *under, module], cwd=ROOT, env=self.environment(name), stdout=log, stderr=log
            )
        eventually(lambda: self._answers(name), 60)

    def is_running(self, name: ServiceName) -> bool:
        return name in self._running and self._running[name].poll() is None

    def address(self, name: ServiceName) -> tuple[str, int]:
        return "127.0.0.1", self._ports[name]

    def _answers(self, name: ServiceName) -> bool:
        assert self.is_running(name), (self._folder / f"{name}.log").read_text()[-2000:]
        try:
            return httpx.get(f"{self.url(name)}/readyz", trust_env=False).is_success
        except httpx.TransportError:
            return False

    def signal(self, name: ServiceName, what: signal.Signals) -> None:
        self._running[name].send_signal(what)
        if what == signal.SIGKILL:
            self._running.pop(name).wait(timeout=10)

    def process(self, name: ServiceName) -> int:
        return self._running[name].pid

    def restart(self, name: ServiceName, **settings: str) -> None:
        """Stop a program and start it again, told this beside its own settings, or instead."""
        self.stop(name)
        self.own_settings[name] = settings
        self.start(name)

    def stop(self, *names: ServiceName) -> None:
        """Stop these, or all."""
        stopped = [self._running.pop(name) for name in (names or SERVICES) if name in self._running]
        for process in stopped:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in stopped:
            process.wait(timeout=20)

    def door(self, token: str | None = None) -> Caller:
        headers = {"Accept-Language": "en"} | ({"Authorization": f"Bearer {token}"} if token else {})
        return Caller(base_url=f"{self.url('gateway')}/api/v1", headers=headers, timeout=30, trust_env=False)

    def rows(self, schema: str, statement: str) -> list[tuple[object, ...]]:
        url: URL = self._server.admin_url.set(database=self.database)
        engine = create_engine(url, connect_args={"options": f"-csearch_path={schema}"})
        with engine.connect() as connection:
            found = [tuple(row) for row in connection.execute(text(statement))]
        engine.dispose()
        return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def programs(server: postgres.Server, kept: Secrets, folder: Path) -> Iterator[Programs]:
    """Run all four over a fresh database."""
    database = f"programs_{os.getpid()}"
    migrated(server, database, kept)
    running = Programs(server, database, kept, folder)
    try:
        for name in SERVICES:
            running.start(name)
        yield running
    finally:
        running.stop()
