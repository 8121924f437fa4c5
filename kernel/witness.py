"""Witnesses: whoever the chair registers signs the record's checkpoints too, so that the platform alone can't take anything back (7.1)."""

import base64
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse
from pydantic import ConfigDict
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kernel import merkle
from kernel.database import cosignature, leaf, witness
from kernel.identity import Anyone, Chair
from kernel.note import Note, is_cosigned, parse_witness_key
from kernel.problems import Kind, Problem, absent
from kernel.record import Tree
from kernel.requests import InTransaction, Transaction
from kernel.wire import Answer, Body, Line, Words

MOST_LEAVES = 100_000
Size = Annotated[int | None, Query(ge=1, le=2**62, description="the tree's size; as it is now where none is given")]
BAD_WITNESS_KEY = Kind(422, "witness_key_malformed", "不是见证人公钥", "That is no public key of a witness: name+hash+base64, of kind 0x04")
WITNESS_KNOWN = Kind(409, "witness_known", "该见证人已登记", "A witness of that name or key is registered")
NOT_OUR_CHECKPOINT = Kind(409, "checkpoint_not_ours", "不是本记录的检查点", "That is no checkpoint of this record")
NO_COSIGNATURE = Kind(
    409, "cosignature_invalid", "没有已登记见证人的有效签名", "That checkpoint bears no valid signature of a registered witness"
)


def cosigned(session: Session, note: Note, size: int, root: bytes) -> str:
    """Sign the tree's size and root, and add what witnesses have signed of the same."""
    lines = session.scalars(
        select(cosignature.c.line).where(cosignature.c.size == size, cosignature.c.root == root).order_by(cosignature.c.key)
    )
    return note.checkpoint(size, root) + "".join(f"{line}\n" for line in lines)


def cosigned_checkpoints(session: Session, note: Note) -> list[str]:
    """Give every checkpoint that a witness has signed, as it was signed, the oldest first."""
    found = session.execute(select(cosignature.c.size, cosignature.c.root).distinct().order_by(cosignature.c.size)).all()
    return [cosigned(session, note, row.size, row.root) for row in found]


def witnesses_of(session: Session) -> list[str]:
    """List the registered witnesses' keys."""
    return list(session.scalars(select(witness.c.key).order_by(witness.c.key)))


class NewWitness(Body):
    """A witness's public key as verifiers of signed notes take it: `name+hash+base64`, an Ed25519 key of kind 0x04."""

    key: Annotated[str, Line(300)]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"key": "supervision+a1b2c3d4+BBERERERERERERERERERERERERERERERERERERERERER"}]}
    )


class Witness(Answer):
    """A registered witness, and the size of the last checkpoint it signed."""

    name: str
    key: str
    registered_at: datetime
    signed_size: int | None


class Witnesses(Answer):
    """Every registered witness."""

    items: list[Witness]


class NewCosignature(Body):
    """A checkpoint of this record as it was given, with a registered witness's signature as one more line."""

    checkpoint: Annotated[str, Words(8000)]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"checkpoint": "quality-award/workflow\n12\nq83v…\n\n\N{EM DASH} quality-award/workflow …\n"}]}
    )


def register(transaction: Transaction, key: str) -> Witness:
    """Register a witness's key, once, and record it (7.1)."""
    try:
        name, _ = parse_witness_key(key)
    except ValueError:
        raise Problem(BAD_WITNESS_KEY) from None
    row = {"key": key, "name": name, "registered_at": transaction.now}
    made = insert(witness).values(row).on_conflict_do_nothing().returning(witness.c.key)
    if transaction.session.scalar(made) is None:
        raise Problem(WITNESS_KNOWN)
    transaction.record("witness.registered", f"witness:{name}", clause="7.1", facts={"key": key})
    return Witness(**row, signed_size=None)


def cosign(transaction: Transaction, note: Note, given: str) -> str:
    """Keep the registered witnesses' signatures of a checkpoint of this record, and answer with all that it bears now."""
    session = transaction.session
    text, _, signatures = given.strip().partition("\n\n")
    tree, parts = Tree(session), text.split("\n")
    size = int(parts[1]) if len(parts) == len(("name", "size", "root")) and parts[1].isdecimal() else -1
    if not 0 <= size <= tree.size:
        raise Problem(NOT_OUR_CHECKPOINT)
    root = merkle.root(size, tree.node)
    signed = f"{note.name}\n{size}\n{base64.b64encode(root).decode()}\n"
    if f"{text}\n" != signed:
        raise Problem(NOT_OUR_CHECKPOINT)
    lines = {key: line for key in witnesses_of(session) for line in signatures.split("\n") if is_cosigned(line, key, signed)}
    if not lines:
        raise Problem(NO_COSIGNATURE)
    rows = [{"size": size, "key": key, "root": root, "line": line, "at": transaction.now} for key, line in lines.items()]
    session.execute(insert(cosignature).values(rows).on_conflict_do_nothing())
    return cosigned(session, note, size, root)


def serve_outsiders(routes: APIRouter, name: str, note: Note) -> None:
    """Serve what outsiders keep of this service's record, and its witnesses."""

    @routes.get("/checkpoint", operation_id=f"get_{name}_checkpoint", response_class=PlainTextResponse)
    def get_checkpoint(_anyone: Anyone, transaction: InTransaction, size: Size = None) -> str:
        """Give the record's size and root, signed (C2SP tlog-checkpoint); keep it, and nobody can take anything back unseen.

        Witnesses' signatures of the same size stand below (C2SP tlog-cosignature).
        """
        tree = Tree(transaction.session)
        asked = tree.size if size is None else size
        if asked > tree.size:
            raise absent()
        return cosigned(transaction.session, note, asked, merkle.root(asked, tree.node))

    @routes.get("/leaves", operation_id=f"get_{name}_leaves", response_class=PlainTextResponse)
    def get_leaves(
        _anyone: Anyone,
        transaction: InTransaction,
        after: Annotated[int, Query(ge=-1, le=2**62)] = -1,
        limit: Annotated[int, Query(ge=1, le=MOST_LEAVES)] = MOST_LEAVES,
    ) -> str:
        """Give leaf hashes in their order, a line each; they reveal nothing, and who keeps them can name an event that was altered."""
        found = transaction.session.scalars(select(leaf.c.hash).where(leaf.c.index > after).order_by(leaf.c.index).limit(limit))
        return "".join(f"{one.hex()}\n" for one in found)

    @routes.get("/witnesses", operation_id=f"list_{name}_witnesses")
    def list_witnesses(_anyone: Anyone, transaction: InTransaction) -> Witnesses:
        """List the registered witnesses of this record's checkpoints."""
        last = select(func.max(cosignature.c.size)).where(cosignature.c.key == witness.c.key).scalar_subquery()
        rows = transaction.session.execute(select(witness, last.label("signed_size")).order_by(witness.c.name))
        return Witnesses(items=[Witness.model_validate(row) for row in rows])

    @routes.post("/witnesses", operation_id=f"register_{name}_witness", status_code=201)
    def post_witness(new: NewWitness, _chair: Chair, transaction: InTransaction) -> Witness:
        """Register a witness of this record's checkpoints, as the chair: the supervision group's key, or an outsider's (7.1)."""
        return register(transaction, new.key)

    @routes.post("/cosignatures", operation_id=f"cosign_{name}_checkpoint", status_code=201, response_class=PlainTextResponse)
    def post_cosignature(new: NewCosignature, _anyone: Anyone, transaction: InTransaction) -> str:
        """Add a registered witness's signature to a checkpoint; the signature itself says whose it is, so no account is needed."""
        return cosign(transaction, note, new.checkpoint)
