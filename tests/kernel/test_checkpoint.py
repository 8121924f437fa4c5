"""An outsider's view of the record: nothing but what the API answers, `cryptography`, and RFC 8785."""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from embedded.caller import Caller
from kernel import merkle
from tests.rig import Award
from tests.workflow.committee import Committee

Checkpoint = tuple[int, bytes]


@pytest.fixture(scope="module")
def office(award: Award) -> Iterator[Caller]:
    with award.client("committee", "clerk", duties=("office",)) as caller:
        yield caller


@pytest.fixture(scope="module")
def anyone(award: Award) -> Iterator[Caller]:
    with award.client() as caller:
        yield caller


def verified(note: str, key: str) -> Checkpoint:
    name, key_id, public = key.split("+", 2)
    text, _, signatures = note.partition("\n\n")
    signed = base64.b64decode(signatures.strip().removeprefix(f"\N{EM DASH} {name} "))
    raw = base64.b64decode(public)
    assert signed[:4].hex() == key_id == hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4].hex()
    Ed25519PublicKey.from_public_bytes(raw[1:]).verify(signed[4:], f"{text}\n".encode())
    origin, size, root = text.split("\n")
    assert origin == name
    return int(size), base64.b64decode(root)


def act(office: Caller, year: int) -> str:
    made = office.post("/cycles", json={"year": year})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def checkpoint_of(anyone: Caller, at_least: int = 0) -> Checkpoint:
    """Give a checkpoint once the sequencer has come so far."""
    key = anyone.get("/record/workflow/key").text
    while True:
        found = verified(anyone.get("/record/workflow/checkpoint").text, key)
        if found[0] >= at_least:
            return found


def event_of(award: Award, cycle: str) -> dict[str, Any]:
    committee = Committee(award)
    committee.watch(cycle)
    events = committee.supervisor.get("/record/workflow/events", params={"limit": 200}).json()["items"]
    committee.close()
    return next(event for event in events if event["subject"] == f"cycle:{cycle}")


def test_what_was_done_is_proven_to_stand_in_a_signed_checkpoint(award: Award, office: Caller, anyone: Caller) -> None:
    size, _ = checkpoint_of(anyone)
    cycle = act(office, 2041)
    size, root = checkpoint_of(anyone, size + 1)
    event = event_of(award, cycle)
    found = anyone.get("/record/workflow/inclusion", params={"leaf": event["leaf_hash"], "size": size}).json()
    proof = [base64.b64decode(one) for one in found["proof"]]
    assert base64.b64decode(found["root"]) == root
    assert merkle.verify_inclusion(found["index"], size, bytes.fromhex(event["leaf_hash"]), proof, root)


def test_a_later_checkpoint_is_proven_to_continue_an_earlier_one(office: Caller, anyone: Caller) -> None:
    act(office, 2043)
    old = checkpoint_of(anyone, 1)
    for year in (2045, 2047, 2049):
        act(office, year)
    new = checkpoint_of(anyone, old[0] + 3)
    found = anyone.get("/record/workflow/consistency", params={"from": old[0], "to": new[0]}).json()
    proof = [base64.b64decode(one) for one in found["proof"]]
    assert merkle.verify_consistency(old[0], new[0], proof, old[1], new[1])
    assert not merkle.verify_consistency(old[0], new[0], proof, new[1], old[1])


def test_whoever_acted_gets_a_receipt_that_verifies_and_nobody_else_does(award: Award, office: Caller, anyone: Caller) -> None:
    size, _ = checkpoint_of(anyone)
    cycle = act(office, 2051)
    checkpoint_of(anyone, size + 1)
    event = event_of(award, cycle)
    receipt = office.get(f"/record/workflow/receipts/{event['id']}").json()
    leaf = hashlib.sha256(b"\x00" + rfc8785.dumps(receipt["event"])).digest()
    size, root = verified(receipt["checkpoint"], anyone.get("/record/workflow/key").text)
    proof = [base64.b64decode(one) for one in receipt["inclusion"]["proof"]]
    assert leaf.hex() == receipt["leaf_hash"] == event["leaf_hash"]
    assert merkle.verify_inclusion(receipt["inclusion"]["index"], size, leaf, proof, root)
    with award.client("committee", "another-clerk", duties=("office",)) as other:
        assert other.get(f"/record/workflow/receipts/{event['id']}").status_code == 404


def test_a_checkpoint_that_was_touched_does_not_verify(anyone: Caller) -> None:
    note, key = anyone.get("/record/intake/checkpoint").text, anyone.get("/record/intake/key").text
    verified(note, key)
    with pytest.raises(InvalidSignature):
        verified(note.replace("\n0\n", "\n1\n", 1), key)


@pytest.mark.parametrize("params", [{"from": 1, "to": 10**9}, {"from": 10**9}])
def test_there_is_no_proof_about_a_record_that_is_not_there_yet(anyone: Caller, params: dict[str, int]) -> None:
    assert anyone.get("/record/workflow/consistency", params=params).status_code == 404


def test_a_leaf_that_is_not_in_the_record_has_no_proof(anyone: Caller) -> None:
    assert anyone.get("/record/workflow/inclusion", params={"leaf": "0" * 64}).status_code == 404
