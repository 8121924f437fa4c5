"""The record: every decision is an event in an append-only table, written with the business rows, then given its place in one order."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import rfc8785
from sqlalchemy import Row, Select, Text, bindparam, cast, delete, false, func, insert, or_, select, text
from sqlalchemy.orm import Session

from kernel import merkle
from kernel.clock import wall
from kernel.database import event, leaf, new_id, outbox, unsequenced

SEQUENCER_LOCK = 7_301
WAITING = 500
"""How many events get their places in one transaction."""

_WRITTEN = insert(event).values({column: bindparam(column.name, type_=column.type) for column in event.c}).returning(event.c.id).cte()
WRITE = insert(unsequenced).from_select(["event_id"], select(_WRITTEN.c.id))
"""One way to the database and back for both rows."""
_NODES = select(leaf.c.index, leaf.c.hash, leaf.c.nodes)


def entry(
    *,
    at: datetime,
    kind: str,
    subject: str,
    actor: str | None,
    role: str | None,
    clause: str | None,
    facts: Mapping[str, Any],
    request_id: str,
    told: Sequence[str],
) -> dict[str, Any]:
    """Give what `WRITE` takes for one event.

    `rfc8785.CanonicalizationError` where canonical JSON can't say the facts: once committed, they would stop the sequencer for good.
    """
    rfc8785.dumps(dict(facts))
    return {
        "id": new_id(), "at": at, "recorded_at": wall(), "kind": kind, "subject": subject, "actor": actor, "role": role, "clause": clause,
        "facts": dict(facts), "request_id": request_id, "told": list(told),
    }  # fmt: skip


def write_event(session: Session, **given: Any) -> UUID:  # noqa: ANN401 - as `entry` has it
    """Write one `entry`; it is committed with the business rows or not at all."""
    written = entry(**given)
    session.execute(WRITE, written)
    return written["id"]  # type: ignore[no-any-return]  # a UUID


def document(row: Row[Any]) -> dict[str, Any]:
    """Give an event as the JSON document that is hashed, delivered and shown."""
    return {
        "id": str(row.id),
        "at": row.at.isoformat(),
        "recorded_at": row.recorded_at.isoformat(),
        "kind": row.kind,
        "subject": row.subject,
        "actor": row.actor,
        "role": row.role,
        "clause": row.clause,
        "facts": row.facts,
        "request_id": row.request_id,
        "told": row.told,
    }


def leaf_hash(content: Mapping[str, Any]) -> bytes:
    """Hash an event's RFC 8785 canonical JSON as an RFC 6962 leaf."""
    return merkle.leaf_hash(rfc8785.dumps(dict(content)))


class Tree:
    """The record's Merkle tree, read node by node as a root or a proof needs them."""

    def __init__(self, session: Session) -> None:
        """Read over this session; what was read or added is kept."""
        self._session = session
        self._nodes: dict[tuple[int, int], bytes] = {}
        self.size: int = session.scalar(select(func.coalesce(func.max(leaf.c.index) + 1, 0))) or 0

    def node(self, level: int, index: int) -> bytes:
        """Give a complete subtree's hash: it stands with the leaf that completed it."""
        if (level, index) not in self._nodes:
            self._keep(*self._session.execute(_NODES.where(leaf.c.index == ((index + 1) << level) - 1)).one())
        return self._nodes[level, index]

    def read_edge(self) -> None:
        """Read at once what the next leaves may complete: the largest subtrees, each as its last leaf has it."""
        sizes = [1 << level for level in range(self.size.bit_length()) if self.size >> level & 1]
        for row in self._session.execute(_NODES.where(leaf.c.index.in_([self.size // size * size - 1 for size in sizes]))):
            self._keep(*row)

    def _keep(self, last: int, digest: bytes, nodes: Sequence[bytes]) -> None:
        self._nodes |= {(height, last >> height): one for height, one in enumerate([digest, *nodes])}

    def add(self, digest: bytes) -> list[bytes]:
        """Take in the next leaf; gives the subtrees that it completes."""
        nodes = merkle.completed(self.size, digest, self.node)
        self._nodes |= {(height, self.size >> height): one for height, one in enumerate([digest, *nodes])}
        self.size += 1
        return nodes


def sequence(session: Session) -> Sequence[Sequence[str]]:
    """Give the committed events their leaf indices and put them into their peers' outboxes; returns for each whom it tells.

    One sequencer at a time (advisory lock); within a subject the order is that of the row locks under which the events were written.
    """
    if not session.scalar(select(func.pg_try_advisory_xact_lock(text("hashtext(current_schema())"), SEQUENCER_LOCK))):
        return []
    waiting = session.execute(
        select(unsequenced.c.position, event)
        .join(event, event.c.id == unsequenced.c.event_id)
        .order_by(unsequenced.c.position)
        .limit(WAITING)
    ).all()
    if not waiting:
        return []
    tree = Tree(session)
    tree.read_edge()
    start, hashes = tree.size, [leaf_hash(document(row)) for row in waiting]
    leaves = [
        {"index": start + i, "event_id": row.id, "hash": digest, "nodes": tree.add(digest)}
        for i, (row, digest) in enumerate(zip(waiting, hashes, strict=True))
    ]
    session.execute(insert(leaf), leaves)
    letters = [{"peer": peer, "leaf_index": start + i} for i, row in enumerate(waiting) for peer in row.told]
    if letters:
        session.execute(insert(outbox), letters)
    session.execute(delete(unsequenced).where(unsequenced.c.position.in_([row.position for row in waiting])))
    return [row.told for row in waiting]


def happened(session: Session, since: datetime, kinds: Collection[str], subjects: Select[str] | Collection[str]) -> Sequence[Row[Any]]:
    """Read the events of these kinds on these subjects that were written since a wall instant, oldest first."""
    first = UUID(int=int(since.timestamp() * 1000) << 80)  # a UUIDv7 begins with the milliseconds at which it was made
    found = select(event).where(event.c.id >= first, event.c.kind.in_(kinds), event.c.subject.in_(subjects))
    return session.execute(found.order_by(event.c.id)).all()


def events_after(session: Session, after: int, limit: int, withheld: Collection[str] = ()) -> Sequence[tuple[int, dict[str, Any]]]:
    """Read the record in its order: the next `limit` events behind leaf index `after` (-1: from the first).

    Events that name anything `withheld` are left out; their places in the order stay empty.
    """
    named = [column.contains(name, autoescape=True) for name in withheld for column in (event.c.subject, cast(event.c.facts, Text))]
    rows = session.execute(
        select(leaf.c.index, leaf.c.hash, event)
        .join(event, event.c.id == leaf.c.event_id)
        .where(leaf.c.index > after, ~or_(false(), *named))
        .order_by(leaf.c.index)
        .limit(limit)
    )
    return [(row[0], document(row) | {"index": row[0], "leaf_hash": row.hash.hex()}) for row in rows]
