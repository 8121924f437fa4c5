"""The way back: a base backup laid out for recovery, and what recovery brought back held against what was known before."""

import hashlib
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import URL, select, text
from sqlalchemy.orm import Session

from kernel import merkle
from kernel.database import event, leaf
from kernel.record import document, leaf_hash
from operations.archive import Archive, Base, with_fsync
from operations.backup import SCHEMAS, open_schema, verify

OURS = "# as the restore said:"


@dataclass
class Restored:
    """What a restore brought back."""

    base: str
    restored_to: str | None
    """When the last event that is there was recorded."""
    events: int
    record: Mapping[str, tuple[int, str]]
    files: int
    """How many attachments the rows name."""
    missing: list[str]
    """Which of them have no bytes, or others."""
    wrong: list[str] = field(default_factory=list)
    """What does not hold, a sentence each."""


def lay_out(archive: Archive, base: Base, cluster: Path, until: datetime | None = None) -> Path | None:
    """Put a base backup in the place of a cluster that does not run; its next start recovers it, to the end of the log or to `until`.

    What stood there is moved aside, never deleted; gives where it is then.
    """
    archive.check_log(base)
    verify(archive.base / base.name / "cluster")
    unfinished = cluster.with_name(f"{cluster.name}.restored")
    cluster.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(archive.base / base.name / "cluster", unfinished, symlinks=True)
    unfinished.chmod(0o700)
    lines = [OURS, "recovery_target_timeline = 'latest'", "recovery_target_action = 'promote'"]
    if until is not None:
        archive.abandon(until)
        lines.append(f"recovery_target_time = '{until.astimezone(UTC).isoformat()}'")
    own = unfinished / "postgresql.auto.conf"
    own.write_text(own.read_text().partition(OURS)[0] + "\n".join(lines) + "\n")
    (unfinished / "recovery.signal").touch(mode=0o600)
    aside = None
    if cluster.exists():
        aside = cluster.with_name(f"{cluster.name}.replaced-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
        cluster.rename(aside)
    unfinished.rename(cluster)
    with_fsync(cluster.parent)
    return aside


def await_recovery(url: URL) -> None:
    """Wait until a database that has come up as a copy of itself has read its log and may be written."""
    engine, pause = open_schema(url, "public"), threading.Event()
    while True:
        with engine.connect() as connection:
            if not connection.scalar(text("select pg_is_in_recovery()")):
                return
        pause.wait(0.2)


def tree_root(hashes: list[bytes], size: int) -> str:
    """Compute the root of the first `size` leaves from nothing but the leaves."""

    def node(level: int, index: int) -> bytes:
        return merkle.parent(node(level - 1, 2 * index), node(level - 1, 2 * index + 1)) if level else hashes[index]

    return merkle.root(size, node).hex()


def _leaves(session: Session, wrong: list[str], schema: str) -> list[bytes]:
    """Hash every event of a record anew, in its order."""
    rows = session.execute(
        select(leaf.c.index, leaf.c.hash, event).join(event, event.c.id == leaf.c.event_id).order_by(leaf.c.index),
        execution_options={"yield_per": 1000},
    )
    hashes: list[bytes] = []
    for row in rows:
        digest = leaf_hash(document(row))
        if row[0] != len(hashes) or row.hash != digest:
            wrong.append(f"{schema}: the event at place {row[0]} is not the one that the record holds there")
        hashes.append(digest)
    return hashes


def _attachments(session: Session, store: Path) -> tuple[int, list[str]]:
    """Count the attachments that rows name, and name those whose bytes are not in the store."""
    named, missing = 0, []
    statement = "select id, sha256 from attachment a where (to_jsonb(a)->>'removed_at') is null or (to_jsonb(a)->>'frozen')::boolean"
    for row in session.execute(text(statement)):
        named += 1
        place = store / row.id.hex[-2:] / row.id.hex
        if not place.is_file() or hashlib.sha256(place.read_bytes()).digest() != row.sha256:
            missing.append(str(row.id))
    return named, missing


def check(url: URL, base: Base, stores: Mapping[str, Path], until: datetime | None = None) -> Restored:
    """Hash every restored record anew and hold it against the base backup's roots; look for every attachment's bytes.

    `stores` names intake's and workflow's; one that is left out, because a bucket holds it, is not looked through.
    """
    record, wrong, last, files, missing = dict[str, tuple[int, str]](), list[str](), list[datetime](), 0, list[str]()
    for schema in SCHEMAS:
        with Session(open_schema(url, schema)) as session:
            hashes = _leaves(session, wrong, schema)
            record[schema] = (len(hashes), tree_root(hashes, len(hashes)))
            size, root = base.record[schema]
            if len(hashes) < size or tree_root(hashes, size) != root:
                wrong.append(f"{schema}: the record does not begin with the {size} events of the base backup {base.name}")
            last += session.scalars(text("select max(recorded_at) from event having count(*) > 0"))
            if schema in stores:
                named, lost = _attachments(session, stores[schema])
                files, missing = files + named, missing + lost
    if missing:
        wrong.append(f"{len(missing)} of {files} attachments have no bytes, or others")
    if until is not None and max(last) > until:
        wrong.append(f"there are events after {until.isoformat()}")
    reached = max(last).isoformat() if last else None
    return Restored(base.name, reached, sum(size for size, _ in record.values()), record, files, missing, wrong)
