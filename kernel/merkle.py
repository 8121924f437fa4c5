"""The RFC 6962 Merkle tree over the record's leaves: roots, proofs, and their verification; pure functions of SHA-256.

A node is named by its level (0: leaves) and its index there; only complete subtrees are nodes, the ragged right edge is computed.
"""

import hashlib
from collections.abc import Callable, Sequence

Fetch = Callable[[int, int], bytes]
"""Gives the hash of a complete subtree by level and index."""

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(content: bytes) -> bytes:
    """Hash a leaf's content."""
    return hashlib.sha256(b"\x00" + content).digest()


def parent(left: bytes, right: bytes) -> bytes:
    """Hash two neighbouring subtrees into one."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def completed(index: int, leaf: bytes, fetch: Fetch) -> list[bytes]:
    """Give the hashes of the subtrees that the leaf at `index` completes, from level 1 upwards; `fetch` knows all before it."""
    found, current, level = [], leaf, 0
    while index >> level & 1:
        current = parent(fetch(level, (index >> level) - 1), current)
        found.append(current)
        level += 1
    return found


def _split(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1


def _hash(start: int, end: int, fetch: Fetch) -> bytes:
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return fetch(level, start >> level)
    middle = start + _split(size)
    return parent(_hash(start, middle, fetch), _hash(middle, end, fetch))


def root(size: int, fetch: Fetch) -> bytes:
    """Hash the tree of the first `size` leaves."""
    return _hash(0, size, fetch) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, fetch: Fetch) -> list[bytes]:
    """Prove that the leaf at `index` stands in the tree of `size` leaves: the sibling hashes from the leaf to the root."""
    if not 0 <= index < size:
        raise ValueError("no such leaf in a tree of that size")
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_hash(middle, end, fetch))
            end = middle
        else:
            path.append(_hash(start, middle, fetch))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, fetch: Fetch) -> list[bytes]:
    """Prove that the tree of `old` leaves is the beginning of that of `new` leaves."""
    if not 0 < old <= new:
        raise ValueError("no earlier tree of that size")
    start, end, path, whole = 0, new, [], True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_hash(middle, end, fetch))
            end = middle
        else:
            path.append(_hash(start, middle, fetch))
            start, whole = middle, False
    if not whole:
        path.append(_hash(start, end, fetch))
    return path[::-1]


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], expected: bytes) -> bool:
    """Tell whether the proof leads from the leaf to the expected root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or len(leaf) != HASH_BYTES:
        return False
    node, last, current = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            current = parent(sibling, current)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            current = parent(current, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and current == expected


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Tell whether the proof shows the old tree to be the beginning of the new one (RFC 9162, 2.1.4.2); an empty tree proves nothing."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            first, second = parent(sibling, first), parent(sibling, second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = parent(second, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root
