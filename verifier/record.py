"""The record: RFC 8785 text, RFC 6962 tree, signed checkpoints (C2SP), and what somebody outside has kept of them."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verifier.finding import MALFORMED, Report

SIGNATURE, COSIGNATURE = 1, 4
"""Kinds of keys of signed notes: a plain Ed25519 signature, and a witness's with its time."""
SERVICES = ("intake", "scoring", "workflow")
TEXT = json.JSONEncoder(ensure_ascii=False).encode
DASH = "\N{EM DASH}"
MOST_NAMED = 20


@dataclass(frozen=True)
class Checkpoint:
    """A signed note's content: whose record, how many leaves, their root; `text` is what was signed, `lines` the signatures."""

    origin: str
    size: int
    root: bytes
    text: str
    lines: tuple[str, ...]

    @property
    def service(self) -> str:
        """Name the service whose record it is."""
        return self.origin.rpartition("/")[2]


def canonical(value: Any) -> bytes:  # noqa: ANN401 - any JSON without floats
    """Write JSON as RFC 8785 has it: members ordered by UTF-16 code units, whole numbers alone."""
    return _ordered(value).encode()


def _ordered(value: Any) -> str:  # noqa: ANN401 - same
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{TEXT(name)}:{_ordered(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_ordered, value)) + "]"
    return TEXT(value) if isinstance(value, str) else json.dumps(value)


def sha256(content: bytes) -> bytes:
    """Hash bytes."""
    return hashlib.sha256(content).digest()


def leaf_hash(event: Mapping[str, Any]) -> bytes:
    """Hash an event as the tree's leaf."""
    return sha256(b"\x00" + canonical(dict(event)))


def parent(left: bytes, right: bytes) -> bytes:
    """Hash two neighbours into the node above them."""
    return sha256(b"\x01" + left + right)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Hash the tree of these leaves: pairs level by level, a last one without a neighbour rises as it is."""
    if not leaves:
        return sha256(b"")
    level = list(leaves)
    while len(level) > 1:
        level = [parent(level[i], level[i + 1]) if i + 1 < len(level) else level[i] for i in range(0, len(level), 2)]
    return level[0]


def climbs(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """Give the root to which an inclusion proof leads from a leaf; raises ValueError where its length can't be right."""
    path, last = list(proof), size - 1
    while last:
        if index % 2 or index < last:
            if not path:
                raise ValueError("too short a proof")
            sibling = path.pop(0)
            leaf = parent(sibling, leaf) if index % 2 else parent(leaf, sibling)
        index, last = index // 2, last // 2
    if path:
        raise ValueError("too long a proof")
    return leaf


def parse_note(text: str) -> Checkpoint:
    """Read a checkpoint; raises ValueError where it is none."""
    signed, _, signatures = text.strip("\n").partition("\n\n")
    origin, size, root = signed.split("\n")
    if not size.isdecimal() or str(int(size)) != size:
        raise ValueError("no size")
    return Checkpoint(origin, int(size), base64.b64decode(root, validate=True), f"{signed}\n", tuple(signatures.split("\n")))


def parse_key(text: str) -> tuple[str, int, bytes, bytes]:
    """Read a public key of signed notes: its name, kind, key id and the key; raises ValueError where the parts don't fit."""
    name, key_id, encoded = text.split("+", 2)
    raw = base64.b64decode(encoded, validate=True)
    if sha256(name.encode() + b"\n" + raw)[:4].hex() != key_id or base64.b64encode(raw).decode() != encoded:
        raise ValueError("a key whose hash doesn't fit")
    return name, raw[0], bytes.fromhex(key_id), raw[1:]


def signed_by(note: Checkpoint, line: str, key: str) -> bool:
    """Tell whether a line of a note is this key's valid signature."""
    try:
        name, kind, key_id, public = parse_key(key)
        prefix = f"{DASH} {name} "
        raw = base64.b64decode(line.removeprefix(prefix), validate=True)
        fits = line == prefix + base64.b64encode(raw).decode() and raw[:4] == key_id
        message, signature = note.text, raw[4:]
        if kind == COSIGNATURE:
            message, signature = f"cosignature/v1\ntime {int.from_bytes(raw[4:12], 'big')}\n{note.text}", raw[12:]
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message.encode())
    except (InvalidSignature, ValueError, IndexError):
        return False
    return fits


def check_note(where: str, text: str, record: Mapping[str, Any], leaves: Sequence[bytes], report: Report) -> None:
    """Check a checkpoint of the bundle: its root over the leaves, the service's signature, and each witness's."""
    try:
        note = parse_note(text)
    except ValueError:
        report.find("checkpoint", where, "no checkpoint")
        return
    in_reach = note.size <= len(leaves) and note.root == root_of(leaves[: note.size])
    report.check("checkpoints", in_reach, "checkpoint", where, "its root is not that of the leaves")
    own, rest = note.lines[0], note.lines[1:]
    report.check("signatures", signed_by(note, own, record["key"]), "signature", where, "the service's signature is not valid")
    for line in rest:
        valid = any(signed_by(note, line, key) for key in record["witnesses"])
        report.check("co-signatures", valid, "co-signature", where, "no registered witness's valid signature")
    whole = note.text + "\n" + "".join(f"{line}\n" for line in note.lines)
    report.check("checkpoints in their one form", whole == text, "checkpoint", where, "not written as checkpoints are")


def check(service: str, record: Mapping[str, Any], report: Report) -> None:
    """Check a service's record within itself: leaves, root, signatures, and that each event given is the leaf it says."""
    where = f"record-{service}"
    leaves = [bytes.fromhex(one) for one in record["leaves"]]
    if any(leaf.hex() != text or len(leaf) != len(sha256(b"")) for leaf, text in zip(leaves, record["leaves"], strict=True)):
        report.find("leaf", where, "a leaf hash that is none")
    expected = f"quality-award/{service}"
    name, kind, _, _ = parse_key(record["key"])
    report.check("keys", (name, kind) == (expected, SIGNATURE), "key", where, f"not the key of {expected}")
    for key in record["witnesses"]:
        report.check("keys", parse_key(key)[1] == COSIGNATURE, "key", where, "no witness's key")
    current = parse_note(record["checkpoint"])
    report.check("checkpoints", current.size == len(leaves), "checkpoint", where, "its size is not the number of leaves")
    for text in (record["checkpoint"], *record["cosigned"]):
        origin = text.partition("\n")[0]
        report.check("checkpoints", origin == expected, "checkpoint", where, f"of another record: {origin[:60]}")
        check_note(f"{where} checkpoint", text, record, leaves, report)
    before = -1
    for entry in record["events"]:
        if set(entry) != {"index", "event", "proof"}:
            report.find("event", where, "an entry with other members than index, event and proof")
        index, event = entry["index"], entry["event"]
        here = f"{where} leaf {index} ({event['kind']} {event['subject']})"
        report.check("places of events", before < index < len(leaves), "event", here, "out of order, or beyond the record")
        before = index
        hashed = leaf_hash(event)
        report.check("leaf hashes", hashed == leaves[index], "event", here, "its content is not what the record holds")
        try:
            reached = climbs(index, len(leaves), hashed, [bytes.fromhex(one) for one in entry["proof"]])
        except ValueError:
            reached = b""
        plain = all(one == one.lower() for one in entry["proof"])
        report.check("inclusion proofs", reached == current.root and plain, "proof", here, "it doesn't lead to the checkpoint")


def check_complete(service: str, record: Mapping[str, Any], report: Report) -> None:
    """Demand every event of a record: what is not there was left out."""
    given = {entry["index"] for entry in record["events"]}
    for index in range(len(record["leaves"])):
        report.check("events left out", index in given, "omitted", f"record-{service} leaf {index}", "the bundle has no event for it")


def check_kept(texts: Sequence[str], records: Mapping[str, Mapping[str, Any]], report: Report) -> None:
    """Hold checkpoints that were kept outside against the records: each must be the beginning of its record."""
    notes = []
    for text in texts:
        try:
            note = parse_note(text)
            leaves = [bytes.fromhex(one) for one in records[note.service]["leaves"]]
            notes.append((note, leaves))
        except MALFORMED:
            report.find("kept", "a kept checkpoint", "no checkpoint of any of these records")
    good: dict[str, int] = {}
    for note, leaves in sorted(notes, key=lambda one: one[0].size):
        where = f"record-{note.service} against the checkpoint of {note.size} leaves"
        known = any(signed_by(note, line, records[note.service]["key"]) for line in note.lines)
        report.check("kept checkpoints", known, "kept", where, "signed by another key than the bundle's")
        if note.size > len(leaves):
            report.find("kept", where, f"rolled back: the record has only {len(leaves)}")
        elif root_of(leaves[: note.size]) != note.root:
            since = good.get(note.service, 0)
            report.find("kept", where, f"rewritten: something among leaves {since} to {note.size - 1} is not what it was")
        else:
            good[note.service] = note.size


def check_leaves(texts: Sequence[str], records: Mapping[str, Mapping[str, Any]], report: Report) -> None:
    """Hold leaf hashes that were kept outside against the records, and name each event that is not what it was.

    A file's first line is the record's origin, each further line one leaf hash.
    """
    for text in texts:
        origin, *kept = text.split()
        service = origin.rpartition("/")[2]
        record = records.get(service)
        if record is None:
            report.find("kept", "kept leaves", "of none of these records")
            continue
        events = {entry["index"]: entry["event"] for entry in record["events"]}
        if len(kept) > len(record["leaves"]):
            report.find("kept", f"record-{service}", f"rolled back: {len(kept)} leaves were kept, the record has {len(record['leaves'])}")
        changed = [i for i, (one, other) in enumerate(zip(kept, record["leaves"], strict=False)) if one != other]
        report.checked["kept leaves"] += len(kept)
        for index in changed[:MOST_NAMED]:
            event = events.get(index, {"kind": "an event that is not shown", "subject": ""})
            what = f"{event['kind']} {event['subject']}".strip()
            report.find("altered", f"record-{service} leaf {index} ({what})", "not what was kept outside")
