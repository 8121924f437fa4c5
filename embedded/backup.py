"""Backup and restore of an installation in one data folder, as `make run` has it; the work is done by `operations`."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from embedded import postgres
from embedded.product import DATABASE
from operations.archive import Archive, BackupError, Base
from operations.backup import KEPT, back_up
from operations.restore import Restored, check, lay_out

RECOVERY_SECONDS = 24 * 3600.0
NEEDED = ("secrets.json", "postgresql/password")
"""What no backup holds, being what opens it; keep a copy elsewhere."""


def stores(data: Path) -> Mapping[str, Path]:
    """Name the one store of the attachments of an installation in `data`."""
    return {"files": data / "files"}


def back_up_folder(data: Path, backups: Path, keep: int = KEPT, database: str = DATABASE) -> Base:
    """Take a base backup of the installation in `data`, running or not, into `backups`; `BackupError` or `PostgresError` in a sentence."""
    folder = data / "postgresql"
    if not (folder / "cluster").exists():
        raise BackupError(f"There is no installation in {data}.")
    archive = Archive(backups).made()
    with ExitStack() as held:
        server = postgres.found_running(folder) or held.enter_context(postgres.running(folder, postgres.Log(archive.wal)))
        return back_up(server.admin_url.set(database=database), archive, stores(data), postgres.binaries(), keep)


def restore_folder(data: Path, backups: Path, until: datetime | None = None, database: str = DATABASE) -> tuple[Restored, float]:
    """Bring the installation in `data`, which must not run, back to the end of the archived log, or to `until`.

    Gives what came back, and how many seconds it took until the database could be written again. The database that stood there
    stays beside it as `postgresql/cluster.replaced-…`; attachments are only added. `BackupError` or `PostgresError` in a sentence.
    """
    begun, archive, folder = time.monotonic(), Archive(backups).made(), data / "postgresql"
    for name in NEEDED:
        if not (data / name).exists():
            raise BackupError(f"{data / name} is missing: put your copy of it there, for no backup holds it.")
    base = archive.choose(until)
    with postgres.stopped(folder):
        lay_out(archive, base, folder / "cluster", until)
        postgres.own(folder / "cluster", archive.wal)
    archive.give_back(stores(data))
    with postgres.running(folder, postgres.Log(archive.wal), RECOVERY_SECONDS) as server:
        url = server.admin_url.set(database=database)
        seconds = time.monotonic() - begun
        return check(url, base, dict.fromkeys(("intake", "workflow"), data / "files"), until), seconds
