import base64
import json
from pathlib import Path
from typing import Any

import pytest

from kernel import merkle

VECTORS = Path(__file__).parent / "vectors"


def vectors(name: str) -> list[Any]:
    found = json.loads((VECTORS / f"merkle-{name}.json").read_text())
    return [pytest.param(vector, id=f"{vector['case']}-{number}") for number, vector in enumerate(found)]


def raw(text: str) -> bytes:
    return base64.b64decode(text)


@pytest.mark.parametrize("vector", vectors("inclusion"))
def test_a_published_inclusion_proof_is_judged_right(vector: dict[str, Any]) -> None:
    proof = [raw(one) for one in vector["proof"] or []]
    good = merkle.verify_inclusion(vector["leafIdx"], vector["treeSize"], raw(vector["leafHash"]), proof, raw(vector["root"]))
    assert good is not vector["wantErr"]


@pytest.mark.parametrize("vector", vectors("consistency"))
def test_a_published_consistency_proof_is_judged_right(vector: dict[str, Any]) -> None:
    proof = [raw(one) for one in vector["proof"] or []]
    good = merkle.verify_consistency(vector["size1"], vector["size2"], proof, raw(vector["root1"]), raw(vector["root2"]))
    assert good is not vector["wantErr"]


def test_every_proof_of_every_small_tree_is_judged_right_and_no_other() -> None:
    nodes: dict[tuple[int, int], bytes] = {}

    def fetch(level: int, index: int) -> bytes:
        return nodes[level, index]

    leaves = [merkle.leaf_hash(bytes([number])) for number in range(33)]
    for number, leaf in enumerate(leaves):
        completed = merkle.completed(number, leaf, fetch)
        nodes |= {(level, number >> level): one for level, one in enumerate([leaf, *completed])}
    roots = [merkle.root(size, fetch) for size in range(len(leaves) + 1)]
    for size in range(1, len(leaves) + 1):
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, fetch)
            assert [merkle.verify_inclusion(index, size, leaf, proof, roots[size]) for leaf in leaves].count(True) == 1
        for old in range(1, size + 1):
            proof = merkle.consistency_proof(old, size, fetch)
            assert [merkle.verify_consistency(old, size, proof, root, roots[size]) for root in roots].count(True) == 1


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3)])
def test_there_is_no_proof_for_a_leaf_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no such leaf"):
        merkle.inclusion_proof(index, size, lambda *_: b"")


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3)])
def test_there_is_no_proof_from_a_tree_that_never_was(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="no earlier tree"):
        merkle.consistency_proof(old, new, lambda *_: b"")
