"""What anyone may hold against the record: signed checkpoints (C2SP tlog-checkpoint), and proofs of inclusion and consistency."""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse
from sqlalchemy import select

from kernel import merkle
from kernel.database import event, leaf
from kernel.identity import Anyone, SignedIn, Supervisor
from kernel.note import Note
from kernel.problems import absent
from kernel.record import Tree, document, events_after
from kernel.requests import InTransaction, Limit, Route
from kernel.wire import Answer
from kernel.witness import Size, serve_outsiders

NewSize = Annotated[int | None, Query(alias="to", ge=1, le=2**62, description="the later size; as it is now where none is given")]
OldSize = Annotated[int, Query(alias="from", ge=1, le=2**62, description="the earlier checkpoint's size")]
LeafHash = Annotated[str, Query(alias="leaf", pattern="^[0-9a-f]{64}$", description="the leaf hash, in hexadecimal")]


class RecordedEvent(Answer):
    """One event of the record, with its place and leaf hash."""

    index: int
    leaf_hash: str
    id: UUID
    at: datetime
    recorded_at: datetime
    kind: str
    subject: str
    actor: str | None
    role: str | None
    clause: str | None
    facts: dict[str, Any]
    request_id: str
    told: list[str]


class RecordPage(Answer):
    """A stretch of the record in its order; ask again with `after` set to the last index."""

    items: list[RecordedEvent]


class Inclusion(Answer):
    """That a leaf stands in the tree of `size` leaves: hashes in base64, siblings from the leaf to the root (RFC 6962)."""

    index: int
    size: int
    root: str
    proof: list[str]


class Consistency(Answer):
    """That the smaller tree is the beginning of the larger one: hashes in base64 (RFC 6962)."""

    old_size: int
    old_root: str
    new_size: int
    new_root: str
    proof: list[str]


class Receipt(Answer):
    """What somebody did, as the record holds it: the event's canonical JSON hashes to the leaf, which the proof leads to the checkpoint."""

    event: dict[str, Any]
    leaf_hash: str
    inclusion: Inclusion
    checkpoint: str


def _base64(hashes: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(one).decode() for one in hashes]


def include(tree: Tree, index: int, size: int) -> Inclusion:
    """Prove a leaf's place; 404 where the tree of that size doesn't hold it."""
    if not index < size <= tree.size:
        raise absent()
    root = merkle.root(size, tree.node)
    return Inclusion(
        index=index,
        size=size,
        root=base64.b64encode(root).decode(),
        proof=_base64(merkle.inclusion_proof(index, size, tree.node)),
    )


def record_routes(name: str, note: Note) -> APIRouter:
    """Serve this service's record: its events to the supervision group, its checkpoints and proofs to anyone."""
    routes = APIRouter(route_class=Route, tags=["record"], prefix=f"/record/{name}")

    @routes.get("/events", operation_id=f"list_{name}_events")
    def list_events(
        supervisor: Supervisor, transaction: InTransaction, limit: Limit = 50, after: Annotated[int, Query(ge=-1, le=2**62)] = -1
    ) -> RecordPage:
        """Read the record in its order (7.1), without the events about organisations that the reader is recused from (2.4.5)."""
        withheld = transaction.service.withheld(transaction, supervisor)
        found = events_after(transaction.session, after, limit, withheld)
        return RecordPage(items=[RecordedEvent(**content) for _, content in found])

    @routes.get("/key", operation_id=f"get_{name}_record_key", response_class=PlainTextResponse)
    def get_key(_anyone: Anyone) -> str:
        """Give the public key of the checkpoints' signer, as verifiers of signed notes take it."""
        return note.verifier_key

    @routes.get("/inclusion", operation_id=f"get_{name}_inclusion")
    def get_inclusion(_anyone: Anyone, transaction: InTransaction, leaf_hash: LeafHash, size: Size = None) -> Inclusion:
        """Prove that a leaf, named by its hash, stands in the record; a leaf hash reveals nothing."""
        index = transaction.session.scalar(select(leaf.c.index).where(leaf.c.hash == bytes.fromhex(leaf_hash)))
        tree = Tree(transaction.session)
        if index is None:
            raise absent()
        return include(tree, index, tree.size if size is None else size)

    @routes.get("/consistency", operation_id=f"get_{name}_consistency")
    def get_consistency(_anyone: Anyone, transaction: InTransaction, old: OldSize, new: NewSize = None) -> Consistency:
        """Prove that an earlier checkpoint's tree is the beginning of a later one's."""
        tree = Tree(transaction.session)
        later = tree.size if new is None else new
        if not old <= later <= tree.size:
            raise absent()
        roots = [merkle.root(size, tree.node) for size in (old, later)]
        return Consistency(
            old_size=old,
            old_root=base64.b64encode(roots[0]).decode(),
            new_size=later,
            new_root=base64.b64encode(roots[1]).decode(),
            proof=_base64(merkle.consistency_proof(old, later, tree.node)),
        )

    @routes.get("/receipts/{event_id}", operation_id=f"get_{name}_receipt")
    def get_receipt(event_id: UUID, person: SignedIn, transaction: InTransaction) -> Receipt:
        """Give whoever acted the proof that what they did stands in the record; 404 for anyone else."""
        row = transaction.session.execute(
            select(leaf.c.index, leaf.c.hash, event)
            .join(event, event.c.id == leaf.c.event_id)
            .where(event.c.id == event_id, event.c.actor == person.person)
        ).one_or_none()
        if row is None:
            raise absent()
        tree = Tree(transaction.session)
        inclusion = include(tree, row[0], tree.size)
        checkpoint = note.checkpoint(tree.size, base64.b64decode(inclusion.root))
        return Receipt(event=document(row), leaf_hash=row.hash.hex(), inclusion=inclusion, checkpoint=checkpoint)

    serve_outsiders(routes, name, note)
    return routes
