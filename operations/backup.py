"""Taking a base backup of a running database, and the attachments after it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from kernel import merkle
from kernel.record import Tree
from operations.archive import Archive, BackupError, Base, stored

SCHEMAS = ("gateway", "intake", "scoring", "workflow")
KEPT = 7
"""How many base backups stay."""
PORT = "5432"
START = re.compile(r"^START WAL LOCATION: .* \(file ([0-9A-F]{24})\)$", re.MULTILINE)


def open_schema(url: URL, schema: str) -> Engine:
    """Connect as the owner, with one service's schema in front."""
    return create_engine(url, poolclass=NullPool, connect_args={"options": f"-csearch_path={schema}"})


def roots(url: URL) -> dict[str, tuple[int, str]]:
    """Read the size and the root of every service's record."""
    found = {}
    for schema in SCHEMAS:
        with Session(open_schema(url, schema)) as session:
            tree = Tree(session)
            found[schema] = (tree.size, merkle.root(tree.size, tree.node).hex())
    return found


def verify(cluster: Path) -> None:
    """Compare every file of a base backup with its manifest; `BackupError` where one is missing, too many or another."""
    manifest = json.loads((cluster / "backup_manifest").read_text())
    for file in manifest["Files"]:
        place = cluster / file["Path"]
        try:
            with place.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            raise BackupError(f"The base backup {cluster.parent.name} lacks {file['Path']}: {error.strerror}.") from error
        if digest != file["Checksum"]:
            raise BackupError(f"The base backup {cluster.parent.name} is damaged: {file['Path']} is not what was copied.")


def _copy(url: URL, cluster: Path, programs: Path) -> None:
    where = make_conninfo(host=url.host or str(url.query["host"]), port=url.port or str(url.query.get("port", PORT)), user=url.username)
    command: list[str | Path] = [
        programs / "pg_basebackup",
        "-d",
        where,
        "-D",
        cluster,
        "--no-password",
        "--checkpoint=fast",
        "--manifest-checksums=SHA256",
    ]
    environment = {"PATH": os.defpath, "PGPASSWORD": str(url.password or "")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise BackupError(f"The database could not be copied: {said[-1]}")


def back_up(url: URL, archive: Archive, stores: Mapping[str, Path], programs: Path, keep: int = KEPT) -> Base:
    """Copy the database at `url` (its owner's) while it runs, then the attachments; keep the newest `keep` base backups.

    `programs` is the folder of PostgreSQL's own. `BackupError` where the database can't be read or copied.
    """
    begun = datetime.now(UTC)
    name = begun.strftime("%Y%m%dT%H%M%S.%fZ")
    unfinished = archive.unfinished(name)
    for left in archive.base.glob(".[0-9]*"):  # by one that was cut short
        shutil.rmtree(left)
    try:
        record, files = roots(url), {store: [file.name for file in stored(folder)] for store, folder in stores.items()}
        unfinished.mkdir(mode=0o700)
        _copy(url, unfinished / "cluster", programs)
        with open_schema(url, "public").begin() as connection:
            connection.execute(text("select pg_switch_wal()"))
    except SQLAlchemyError as error:
        raise BackupError(f"The database does not answer ({type(error).__name__}).") from error
    verify(unfinished / "cluster")
    started = START.search((unfinished / "cluster" / "backup_label").read_text())
    if started is None:
        raise BackupError(f"The base backup {name} does not say where its log begins.")
    base = Base(name, begun.isoformat(), datetime.now(UTC).isoformat(), started[1], record, files)
    archive.mirror(stores)
    archive.keep(base)
    archive.prune(keep, stores, programs)
    return base
