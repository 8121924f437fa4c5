"""The product as a deployment has it, four programs and a database server, with a wire on every link and a load at the door."""

import json
import os
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from embedded import postgres
from embedded.product import SERVICES, kept_secrets, migrated
from kernel.identity import service_audience
from kernel.settings import ServiceName
from tests.faults.cluster import Cluster, Disk
from tests.faults.ledger import Ledger, Verdict
from tests.faults.load import Journal
from tests.faults.programs import Programs, eventually
from tests.faults.wires import Wire, Wiring

DATABASE = "award"
PASSWORD = "Correct-horse-7"  # noqa: S105 - of an account that lives as long as this run
TOKEN_SECONDS = 300.0
DISK_MEGABYTES, LOG_MEGABYTES = 96, 192
SILENT_SECONDS = 1.5
"""How long the door waits for a service here, so that one that is stopped is noticed in this run's time."""


class House:
    """Everything that a fault can be done to."""

    def __init__(self, folder: Path, cluster: Cluster, disk: Disk, wiring: Wiring) -> None:
        self.folder = folder
        self.cluster = cluster
        self.disk = disk
        self.wiring = wiring
        self.journal = Journal()
        self.injected: dict[ServiceName, set[str]] = {name: set() for name in SERVICES}
        self.checkpoints: dict[ServiceName, list[str]] = {name: [] for name in SERVICES}
        self.skew = folder / "skew"
        self.set_skew(0)
        kept = kept_secrets(folder)
        self.files = (disk.folder if disk.reason is None else folder) / "files"
        self._lay_out_database()
        migrated(cluster.server, DATABASE, kept)
        self.programs = Programs(cluster.server, DATABASE, kept, folder)
        self.peer: dict[ServiceName, Wire] = {name: wiring.wire(self.programs.address(name)) for name in SERVICES}
        socket = cluster.server.socket / f".s.PGSQL.{postgres.PORT}"
        self.database: dict[ServiceName, Wire] = {name: wiring.wire(socket) for name in SERVICES}
        self.programs.settings = {
            **{f"{name}_url": f"http://127.0.0.1:{self.peer[name].port}" for name in SERVICES},
            "files": str(self.files),
            "upstream_seconds": str(SILENT_SECONDS),
            "objections_per_hour": str(10**9),
        }
        for name in SERVICES:
            address = f"127.0.0.1:{self.database[name].port}/{DATABASE}?sslmode=disable&gssencmode=disable"
            self.programs.own_settings[name] = {"database_url": f"postgresql+psycopg://{name}:{kept.passwords[name]}@{address}"}
            self.programs.start(name)
        self.base = f"http://127.0.0.1:{self.peer['gateway'].port}/api/v1"
        self._token, self._token_at, self._token_lock = "", -TOKEN_SECONDS, threading.Lock()
        self._activate()
        self.cycle = self._open_cycle()

    def _lay_out_database(self) -> None:
        if self.disk.reason is not None:
            return
        place, owner = self.disk.folder / "tablespace", self.cluster.owner()
        place.mkdir(mode=0o700)
        os.chown(place, owner.st_uid, owner.st_gid)
        self.cluster.do(f"create tablespace small location '{place}'", f"create database {DATABASE} tablespace small")

    def _activate(self) -> None:
        secret = (self.folder / "office-activation").read_text().strip()
        with self.programs.door() as anyone:
            answer = anyone.post("/auth/activation", json={"secret": secret, "password": PASSWORD})
            assert answer.is_success, answer.text

    def _open_cycle(self) -> str:
        with self.programs.door(self.office()) as office:
            answer = office.post("/cycles", json={"year": 2026})
            assert answer.is_success, answer.text
            return str(answer.json()["id"])

    def office(self) -> str:
        """The office's token; an old one is kept where no new one can be had."""
        with self._token_lock:
            if time.monotonic() - self._token_at > TOKEN_SECONDS:
                form = {"grant_type": "password", "username": "office", "password": PASSWORD}
                with self.programs.door() as anyone:
                    try:
                        answer = anyone.post("/auth/token", data=form)
                    except httpx.TransportError:
                        return self._token
                if answer.is_success:
                    self._token, self._token_at = answer.json()["access_token"], time.monotonic()
            return self._token

    def peer_token(self, sender: ServiceName, receiver: ServiceName) -> str:
        """A token with which one service calls another."""
        form = {
            "grant_type": "client_credentials",
            "client_id": sender,
            "client_secret": self.programs.kept.clients[sender],
            "audience": service_audience(receiver),
        }
        with self.programs.door() as anyone:
            answer = anyone.post("/auth/token", data=form)
            assert answer.is_success, answer.text
            return str(answer.json()["access_token"])

    def move_clock(self, instant: str) -> None:
        with self.programs.door() as anyone:
            answer = anyone.put("/demo/clock", json={"now": instant, "running": True})
            assert answer.is_success, answer.text

    def set_skew(self, seconds: float) -> None:
        with self.skew.open("r+b" if self.skew.exists() else "wb") as file:
            file.write(struct.pack("d", seconds))

    def ledger(self) -> Ledger:
        return Ledger(self.cluster, DATABASE, self.files)

    def keep_checkpoints(self) -> None:
        """Keep what each record signs now, as an outsider would."""
        with self.programs.door() as anyone:
            for name in SERVICES:
                answer = anyone.get(f"/record/{name}/checkpoint")
                assert answer.is_success, answer.text
                self.checkpoints[name].append(answer.text)

    def judge(self) -> Verdict:
        """Wait until the records and the peers have settled, then judge."""
        ledger = self.ledger()
        eventually(ledger.is_settled, 60)
        self.keep_checkpoints()
        return ledger.judge(self.journal, self.checkpoints, self.injected)

    def logged(self, words: str) -> list[dict[str, Any]]:
        """The programs' log lines that hold these words."""
        lines = [line for name in SERVICES for line in (self.folder / f"{name}.log").read_text().splitlines() if words in line]
        return [json.loads(line) for line in lines if line.startswith("{")]


@contextmanager
def house(log: postgres.Log | None = None) -> Iterator[House]:
    """Build it in a folder of its own, and leave nothing; one that archives its `log` has no small disks, which no backup would cover."""
    reason = None if log is None else "the database is backed up"
    with tempfile.TemporaryDirectory(prefix="qa-faults-", dir="/tmp", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        folder.chmod(0o711)  # PostgreSQL's user passes through to the small disk; every secret in here is a file of mode 0600
        disk, log_disk = Disk(folder / "disk", DISK_MEGABYTES, reason), Disk(folder / "log", LOG_MEGABYTES, reason)
        try:
            cluster = Cluster(folder / "postgresql", log_disk, log)
            try:
                with Wiring() as wiring:
                    built = House(folder, cluster, disk, wiring)
                    try:
                        yield built
                    finally:
                        built.programs.stop()
            finally:
                cluster.stop()
        finally:
            disk.unmount()
            log_disk.unmount()
