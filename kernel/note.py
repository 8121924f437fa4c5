"""C2SP signed notes: a service signs its checkpoints, a witness signs the same text with a key of its own (tlog-cosignature)."""

import base64
import hashlib
from functools import cached_property

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ED25519, COSIGNATURE = b"\x01", b"\x04"
TIME_BYTES, KEY_BYTES, KEY_ID_BYTES = 8, 32, 4


def key_id_of(name: str, raw: bytes) -> bytes:
    """Give the four bytes by which a signature names its key."""
    return hashlib.sha256(name.encode() + b"\n" + raw).digest()[:KEY_ID_BYTES]


class Note:
    """Signs checkpoints as C2SP signed notes, with an Ed25519 key that is this service's own."""

    def __init__(self, name: str, seed: str) -> None:
        """Take the key's name and its 32 secret bytes in base64url."""
        self.name = f"quality-award/{name}"
        self._key = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(seed + "=" * (-len(seed) % 4)))

    @cached_property
    def _public(self) -> bytes:
        return ED25519 + self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @cached_property
    def _key_id(self) -> bytes:
        return key_id_of(self.name, self._public)

    @property
    def verifier_key(self) -> str:
        """Give the key's public half, as verifiers of signed notes take it."""
        return f"{self.name}+{self._key_id.hex()}+{base64.b64encode(self._public).decode()}"

    def checkpoint(self, size: int, root: bytes) -> str:
        """Sign the tree's size and root."""
        return self.sign(f"{self.name}\n{size}\n{base64.b64encode(root).decode()}\n")

    def sign(self, text: str) -> str:
        """Sign a text of whole lines; its first line says what it is, so that nothing signed here passes for another thing."""
        signature = base64.b64encode(self._key_id + self._key.sign(text.encode())).decode()
        return f"{text}\n\N{EM DASH} {self.name} {signature}\n"


def parse_witness_key(text: str) -> tuple[str, bytes]:
    """Read a witness's key, `name+hash+base64`: gives name and public key; raises ValueError where it is none."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = base64.b64decode(encoded, validate=True)
    if not name or raw[:1] != COSIGNATURE or len(raw) != 1 + KEY_BYTES or key_id != key_id_of(name, raw).hex():
        raise ValueError("no public key of a witness")
    return name, raw[1:]


def is_cosigned(line: str, key: str, text: str) -> bool:
    """Tell whether a note's line is this witness's signature of the note's text (C2SP tlog-cosignature)."""
    name, public = parse_witness_key(key)
    prefix = f"\N{EM DASH} {name} "
    try:
        raw = base64.b64decode(line.removeprefix(prefix), validate=True)
    except ValueError:
        return False
    if not line.startswith(prefix) or raw[:KEY_ID_BYTES] != key_id_of(name, COSIGNATURE + public):
        return False
    time, signature = raw[KEY_ID_BYTES : KEY_ID_BYTES + TIME_BYTES], raw[KEY_ID_BYTES + TIME_BYTES :]
    signed = f"cosignature/v1\ntime {int.from_bytes(time, 'big')}\n{text}"
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed.encode())
    except InvalidSignature:
        return False
    return True
