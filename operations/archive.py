"""The folder of the backups: `wal` (the write-ahead log, piece by piece), `base` (base backups) and `files` (attachments).

Database first, files after it: a file is on the disk before the row that names it is committed, and its bytes never change, so a copy of
the files that is younger than the database's lacks none. Files are only ever added here; what was removed since goes with the oldest
base backup that knew it.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from kernel.logs import log

MIRROR_SECONDS = 30.0
"""How often new attachments are copied: more often than the log, so that a row that comes back finds its file."""
LOG_SECONDS = 60
"""How old what is not archived yet may become."""
FACTS = "facts.json"
PIECE = re.compile(r"[0-9A-F]{24}")
PIECES_A_LOG = 256
"""How many pieces of 16 MB have the same first eight digits behind the timeline's."""
FILE = re.compile(r"[0-9a-f]{32}")
PARTS = ("wal", "base", "files")


class BackupError(Exception):
    """A backup can't be taken or used; the message is one sentence for whoever asked."""


@dataclass(frozen=True)
class Base:
    """A base backup: where it stands, when it was taken, and what was there when it was begun."""

    name: str
    begun_at: str
    ended_at: str
    first_piece: str
    """The first piece of the log that its recovery needs."""
    record: dict[str, tuple[int, str]]
    """For each service the size of its record, and the tree's root in hexadecimal."""
    files: Mapping[str, list[str]]
    """For each store the files that were in it."""


def log_settings(wal: str, seconds: int = LOG_SECONDS) -> dict[str, str]:
    """Give PostgreSQL's settings with which it archives its log into the folder `wal`, and finds it there again.

    A piece is whole and on the disk before it has its name, and is never overwritten: another database's archive is an error.
    """
    place = shlex.quote(wal).replace("%", "%%")
    kept, arriving = f"{place}/%f", f"{place}/.%f"
    return {
        "archive_mode": "on",
        "archive_timeout": str(seconds),
        "archive_command": f"cmp -s %p {kept} || "
        f"{{ test ! -f {kept} && cp %p {arriving} && sync {arriving} && mv {arriving} {kept} && sync {place}; }}",
        "restore_command": f"cp {kept} %p",
    }


def stored(store: Path) -> Iterator[Path]:
    """Give the files of a store that have arrived."""
    return (file for file in store.glob("??/*") if FILE.fullmatch(file.name))


def copy_missing(source: Path, target: Path) -> int:
    """Copy every file of one store that another lacks, whole or not at all; gives how many."""
    copied = 0
    for file in stored(source):
        kept = target / file.parent.name / file.name
        if kept.exists():
            continue
        kept.parent.mkdir(parents=True, exist_ok=True)
        arriving = kept.with_name(f".{file.name}")
        try:
            shutil.copy2(file, arriving)
        except FileNotFoundError:  # removed meanwhile, before anything of it was committed or with its row
            continue
        for place in (arriving, kept.parent):
            with_fsync(place)
        arriving.replace(kept)
        copied += 1
    return copied


def with_fsync(place: Path) -> None:
    """See a file or a folder on the disk."""
    handle = os.open(place, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def place(piece: str) -> int:
    """Give a piece's place in the log, whatever its timeline."""
    return int(piece[8:16], 16) * PIECES_A_LOG + int(piece[16:24], 16)


class Archive:
    """The backups of one deployment."""

    def __init__(self, folder: Path) -> None:
        """Name its folder."""
        self.folder = folder
        self.wal, self.base, self.files = (folder / part for part in PARTS)

    def made(self) -> Self:
        """Make the folders that are missing."""
        for part in (self.wal, self.base, self.files):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self

    def mirror(self, stores: Mapping[str, Path]) -> int:
        """Copy the attachments that are not here yet; gives how many."""
        return sum(copy_missing(store, self.files / name) for name, store in stores.items())

    def keep_mirroring(self, stores: Mapping[str, Path], seconds: float, stopping: threading.Event) -> None:
        """Copy what is new again and again until told to stop; a disk that is full or away is logged, and tried again."""
        while True:
            try:
                self.mirror(stores)
            except OSError as error:
                log.error("attachments not backed up", extra={"fact": {"error": error.strerror}})
            if stopping.wait(seconds):
                return

    def give_back(self, stores: Mapping[str, Path]) -> int:
        """Copy the attachments that the stores lack into them; gives how many."""
        return sum(copy_missing(self.files / name, store) for name, store in stores.items())

    def keep(self, base: Base) -> None:
        """Give a base backup that is whole its name."""
        unfinished = self.unfinished(base.name)
        (unfinished / FACTS).write_text(json.dumps(asdict(base)))
        with_fsync(unfinished / FACTS)
        unfinished.rename(self.base / base.name)
        with_fsync(self.base)

    def unfinished(self, name: str) -> Path:
        """Name the folder of a base backup that is being taken."""
        return self.base / f".{name}"

    def bases(self) -> list[Base]:
        """List the base backups, the oldest first."""
        facts = (json.loads(path.read_text()) for path in sorted(self.base.glob(f"[0-9]*/{FACTS}")))
        return [Base(**one | {"record": {name: (size, root) for name, (size, root) in one["record"].items()}}) for one in facts]

    def choose(self, until: datetime | None) -> Base:
        """Give the newest base backup that was whole before a moment."""
        found = [one for one in self.bases() if until is None or datetime.fromisoformat(one.ended_at) < until]
        if not found:
            raise BackupError(f"There is no base backup in {self.base} that is older than the moment asked for.")
        return found[-1]

    def check_log(self, base: Base) -> None:
        """See that every piece of the log from a base backup on is there and can be read; recovery takes the first gap for the end."""
        pieces = [piece for piece in self.wal.iterdir() if PIECE.fullmatch(piece.name)]
        closed = next((piece.name for piece in pieces if not os.access(piece, os.R_OK)), None)
        if closed:
            raise BackupError(f"The archived log's piece {closed} can't be read: it belongs to another user.")
        numbers = {place(piece.name) for piece in pieces} | {place(base.first_piece)}
        missing = sorted(set(range(place(base.first_piece), max(numbers))) - numbers)
        if missing:
            name = f"{missing[0] // PIECES_A_LOG:08X}{missing[0] % PIECES_A_LOG:08X}"
            raise BackupError(f"The archived log lacks its piece …{name}: what came after it can't be recovered.")

    def abandon(self, until: datetime) -> None:
        """Set aside the base backups that are younger than the moment gone back to: what goes on from there knows nothing of them."""
        for one in self.bases():
            if datetime.fromisoformat(one.ended_at) >= until:
                (self.base / one.name).rename(self.base / f"abandoned-{one.name}")

    def prune(self, keep: int, stores: Mapping[str, Path], programs: Path) -> None:
        """Let go of all but the newest `keep` base backups, and of the log and the files that none of those needs."""
        bases = self.bases()
        for old in bases[:-keep]:
            shutil.rmtree(self.base / old.name)
        oldest = bases[-keep:][0]
        subprocess.run([programs / "pg_archivecleanup", "-b", self.wal, oldest.first_piece], check=True)  # noqa: S603 - our own words
        since = datetime.fromisoformat(oldest.begun_at).timestamp()
        for name, store in stores.items():
            needed = {*oldest.files.get(name, ()), *(file.name for file in stored(store))}
            for file in stored(self.files / name):
                if file.name not in needed and file.stat().st_mtime < since:
                    file.unlink()
