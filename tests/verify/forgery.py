"""What a dishonest platform could do with its own keys: alter a value, hash everything anew, and sign everything anew."""

import base64
import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kernel import merkle
from kernel.note import Note
from kernel.record import leaf_hash
from verifier import archive
from verifier.finding import Report

Documents = dict[str, Any]


def opened(raw: bytes) -> Documents:
    """Take a bundle's documents out."""
    return {name: json.loads(text) for name, text in archive.read(raw, Report()).items()}


def packed(documents: Mapping[str, Any]) -> bytes:
    """Put documents into a bundle as the door does."""
    return archive.pack({f"{name}.json": archive.write(content) for name, content in documents.items()})


def resigned(documents: Documents, service: str, seed: str) -> None:
    """Hash a record anew from its events, make every proof anew, and sign the new root with the platform's own key."""
    record, note = documents[f"record-{service}"], Note(service, seed)
    leaves = [bytes.fromhex(one) for one in record["leaves"]]
    for entry in record["events"]:
        leaves[entry["index"]] = leaf_hash(entry["event"])
    levels: list[list[bytes]] = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([merkle.parent(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])

    def node(level: int, index: int) -> bytes:
        return levels[level][index]

    for entry in record["events"]:
        entry["proof"] = [one.hex() for one in merkle.inclusion_proof(entry["index"], len(leaves), node)]
    record["leaves"] = [one.hex() for one in leaves]
    record["checkpoint"] = note.checkpoint(len(leaves), merkle.root(len(leaves), node))
    record["cosigned"], record["witnesses"], record["key"] = [], [], note.verifier_key


def altered(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Give another value of the same shape, or None where there is nothing in it to alter."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 5
    if isinstance(value, str) and value:
        return value[:-1] + ("0" if value[-1] != "0" else "1")
    return None


def places(value: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - any JSON
    """Walk every value that can be altered: gives what holds it, and its key there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in pairs:
        if isinstance(one, dict | list):
            yield from places(one)
        elif altered(one) is not None:
            yield value, key


def event_forgeries(documents: Documents) -> Iterator[tuple[str, str, int]]:
    """Name one event of each kind that the bundle shows: its service, kind and leaf."""
    for service in ("intake", "scoring", "workflow"):
        seen: set[str] = set()
        for entry in documents[f"record-{service}"]["events"]:
            if entry["event"]["kind"] not in seen:
                seen.add(entry["event"]["kind"])
                yield service, entry["event"]["kind"], entry["index"]


def forged_event(documents: Documents, service: str, leaf: int) -> Documents:
    """Alter one value of an event, everywhere in the bundle that it stands, under the platform's own signature."""
    forged = copy.deepcopy(documents)
    entry = next(one for one in forged[f"record-{service}"]["events"] if one["index"] == leaf)
    holder, key = next(places(entry["event"]["facts"]), (entry["event"], "actor"))
    holder[key] = altered(holder[key]) if holder[key] is not None else "somebody-else"
    return forged


def forged_document(documents: Documents, name: str) -> Documents:
    """Alter one value of a document, and leave the record as it is."""
    forged = copy.deepcopy(documents)
    holder, key = next(places(forged[name]))
    holder[key] = altered(holder[key])
    return forged


def changed(documents: Documents, change: Callable[[Documents], object]) -> bytes:
    """Give a bundle with a change."""
    forged = copy.deepcopy(documents)
    change(forged)
    return packed(forged)


def note_of(checkpoint: str) -> tuple[int, bytes]:
    """Give a checkpoint's size and root."""
    _, size, root = checkpoint.split("\n")[:3]
    return int(size), base64.b64decode(root)


def leaves_file(service: str, leaves: Sequence[str]) -> str:
    """Write leaf hashes as an outsider keeps them."""
    return "\n".join([f"quality-award/{service}", *leaves]) + "\n"
