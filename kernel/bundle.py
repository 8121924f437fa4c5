"""A service's part of a result bundle: its documents, and its record, all leaf hashes and the events that the reader may have.

The leaf hashes reveal nothing, and let whoever kept any earlier checkpoint compare it with no network; see docs/decisions.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date
from typing import Any, Literal

from sqlalchemy import Row, select

from kernel import merkle
from kernel.database import event, leaf, unsequenced
from kernel.problems import BUSY, Problem
from kernel.record import document
from kernel.requests import Transaction
from kernel.witness import cosigned, cosigned_checkpoints, witnesses_of

Audience = Literal["supervision", "public"]
"""The supervision group's own bundle, or the one that anybody gets once the results are published."""

Part = dict[str, Any]
"""What a service gives: `documents` by name, `record`, and whether anything was left out for a recusal (`partial`)."""


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a rule's data is made of
    """Give the regulation's data as JSON has it."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value


def check_settled(transaction: Transaction) -> None:
    """Refuse while events wait for their place in the record: the documents would be ahead of it."""
    if transaction.session.scalar(select(unsequenced.c.position).limit(1)) is not None:
        raise Problem(BUSY, headers={"Retry-After": "1"})


def give(
    transaction: Transaction, documents: Mapping[str, Any], wanted: Callable[[Row[Any]], bool], withheld: Collection[str] = ()
) -> Part:
    """Put a service's part together; an event that names anything `withheld` stays out, and its leaf hash stays in."""
    session, note = transaction.session, transaction.service.note
    leaves: Sequence[bytes] = session.scalars(select(leaf.c.hash).order_by(leaf.c.index)).all()
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([merkle.parent(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])
    size, events, partial = len(leaves), [], False

    def node(level: int, index: int) -> bytes:
        return levels[level][index]

    for row in session.execute(
        select(leaf.c.index.label("place"), event).join(event, event.c.id == leaf.c.event_id).order_by(leaf.c.index)
    ):
        if row.place >= size or not wanted(row):
            continue
        content = document(row)
        if named(content, withheld):
            partial = True
            continue
        proof = [one.hex() for one in merkle.inclusion_proof(row.place, size, node)]
        events.append({"index": row.place, "event": content, "proof": proof})
    record = {
        "key": note.verifier_key,
        "checkpoint": cosigned(session, note, size, merkle.root(size, node)),
        "witnesses": witnesses_of(session),
        "cosigned": cosigned_checkpoints(session, note),
        "leaves": [one.hex() for one in leaves],
        "events": events,
    }
    return {"documents": dict(documents), "record": record, "partial": partial}


def named(content: Mapping[str, Any], withheld: Collection[str]) -> bool:
    """Tell whether an event names any of these ids."""
    text = f"{content['subject']} {json.dumps(content['facts'], ensure_ascii=False)}"
    return any(name in text for name in withheld)


def publishable(kinds: Collection[str], ids: Collection[str]) -> Callable[[Row[Any]], bool]:
    """Select what the public gets: events of these kinds about these ids, but none that states somebody's reasons (7.6)."""

    def wanted(row: Row[Any]) -> bool:
        about = row.subject.partition(":")[2] in ids or row.facts.get("cycle") in ids
        return row.kind in kinds and about and not row.facts.get("reason") and not row.facts.get("reasons")

    return wanted


def everything(_row: Row[Any]) -> bool:
    """Select every event: what the supervision group gets of a record without contact data, so that none can be left out unseen."""
    return True
