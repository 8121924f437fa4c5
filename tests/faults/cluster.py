"""The database server of the harness, which can be killed, stopped and started again; and small disks, which can be filled."""

import ctypes
import os
import shutil
import signal
import subprocess
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from embedded import postgres
from tests.faults.programs import eventually

MEGABYTE = 1024 * 1024
MOST_LOG_FILES = 64
RECOVERY_SECONDS = 15.0


class Disk:
    """A small disk of its own (tmpfs), which only root may mount; `reason` says why there is none."""

    def __init__(self, folder: Path, megabytes: int, reason: str | None = None) -> None:
        self.folder = folder
        self.reason = reason
        self._ballast = folder / "ballast"
        folder.mkdir()
        if reason is not None:
            return
        if os.geteuid() != 0:
            self.reason = "only root may mount a small disk"
            return
        options = f"size={megabytes * MEGABYTE},mode=0755"
        mounted = subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False, capture_output=True)  # noqa: S603 - our own words
        if mounted.returncode:
            self.reason = f"a small disk can't be mounted here: {mounted.stderr.decode().strip()}"

    def fill(self) -> None:
        """Take the last byte."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (MEGABYTE, 4096):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def unmount(self) -> None:
        if self.reason is None:
            flags = 2  # MNT_DETACH: also where a file is still open
            ctypes.CDLL(None).umount2(os.fsencode(self.folder), flags)


class Cluster:
    """PostgreSQL in a folder, its write-ahead log on a disk of its own where there is one.

    A crash loses what was never written out of the server's own memory, as the loss of the machine would.
    """

    def __init__(self, folder: Path, log_disk: Disk, log: postgres.Log | None = None) -> None:
        self._folder = folder
        self.log_disk = log_disk
        self._log = log
        self._held = ExitStack()
        self.server = self._held.enter_context(postgres.running(folder, log))
        if log_disk.reason is None:
            self.do("alter system set max_wal_size = '64MB'", "alter system set min_wal_size = '32MB'")
            self._held.close()
            self._move_log()
            self.start_again()

    def _move_log(self) -> None:
        place, log, owner = self.log_disk.folder / "pg_wal", self._folder / "cluster" / "pg_wal", self.owner()
        shutil.copytree(log, place)
        for one in (place, *place.rglob("*")):
            os.chown(one, owner.st_uid, owner.st_gid)
        shutil.rmtree(log)
        log.symlink_to(place)

    def use_up_log(self) -> None:
        """Write the log on from file to file until the full disk has no room for the next one, and the server gives up."""
        said = self._folder / "postgresql.log"
        before = len(said.read_text())
        with suppress(OperationalError):
            for _ in range(MOST_LOG_FILES):
                self.do("select pg_logical_emit_message(false, 'fault', 'fault'), pg_switch_wal()")
        assert "No space left on device" in said.read_text()[before:], "the log's disk was not full"

    def postmaster(self) -> int:
        return int((self._folder / "cluster" / "postmaster.pid").read_text().split()[0])

    def processes(self) -> list[int]:
        """The postmaster and its children."""
        postmaster = self.postmaster()
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]

    def kill(self) -> None:
        """Kill every process of the server at once: what stands in shared memory alone is gone."""
        processes = self.processes()
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        for process in processes:
            os.kill(process, signal.SIGKILL)

    def recover(self) -> None:
        """Wait until a server that broke down takes connections again by itself; start it anew where it has given up for good."""
        try:
            eventually(self._answers, RECOVERY_SECONDS)
        except AssertionError:
            with suppress(FileNotFoundError):  # one that has ended has taken its number away
                self.kill()
            self.start_again()

    def _answers(self) -> bool:
        try:
            self.do("select 1")
        except OperationalError:
            return False
        return True

    def start_again(self) -> None:
        self._held.close()
        self._held = ExitStack()
        self.server = self._held.enter_context(postgres.running(self._folder, self._log))

    def stop(self) -> None:
        self._held.close()

    def do(self, *statements: str, database: str = "postgres") -> None:
        engine = create_engine(self.server.admin_url.set(database=database), isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def backends(self, database: str) -> list[int]:
        """The server processes that serve connections to a database now."""
        engine = create_engine(self.server.admin_url, poolclass=NullPool)
        with engine.connect() as connection:
            return list(connection.scalars(text("select pid from pg_stat_activity where datname = :name"), {"name": database}))

    def owner(self) -> os.stat_result:
        return (self._folder / "cluster").stat()


def wait(seconds: float) -> None:
    """Let a fault last; what is waited for here is time itself."""
    threading.Event().wait(seconds)
