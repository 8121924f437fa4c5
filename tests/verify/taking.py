"""What the supervision group and an outsider take from a year that was played: bundles, checkpoints with co-signatures, leaf hashes."""

import base64
import time
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from embedded.demo.cast import SUPERVISORS
from embedded.demo.year import Year
from embedded.product import kept_secrets
from kernel.note import COSIGNATURE, key_id_of
from tests.verify.campaign import Kept
from tests.verify.forgery import leaves_file

SERVICES = ("intake", "scoring", "workflow")
PATIENCE_SECONDS = 30.0


class Witness:
    """A witness with an Ed25519 key of its own."""

    def __init__(self, name: str) -> None:
        """Make the key."""
        self.name = name
        self._key = Ed25519PrivateKey.generate()
        self._raw = COSIGNATURE + self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def key(self) -> str:
        """Give the public key as it is registered."""
        return f"{self.name}+{key_id_of(self.name, self._raw).hex()}+{base64.b64encode(self._raw).decode()}"

    def cosign(self, checkpoint: str, at: int) -> str:
        """Give a checkpoint with this witness's signature below."""
        text = checkpoint.partition("\n\n")[0] + "\n"
        signature = self._key.sign(f"cosignature/v1\ntime {at}\n{text}".encode())
        line = base64.b64encode(key_id_of(self.name, self._raw) + at.to_bytes(8, "big") + signature).decode()
        return f"{checkpoint}\N{EM DASH} {self.name} {line}\n"


def take(year: Year, data: Path) -> Kept:
    """Register a witness, let it sign each record's checkpoint, keep those and the leaf hashes, then take both bundles."""
    stage, witness = year.stage, Witness("supervision-group")
    checkpoints, leaves = [], []
    for service in SERVICES:
        year.chair.expect("POST", f"/record/{service}/witnesses", {"key": witness.key})
    for service in SERVICES:
        checkpoint = settled(year, service, "witness.registered")
        stage.send("POST", f"/record/{service}/cosignatures", None, json={"checkpoint": witness.cosign(checkpoint, 1_780_000_000)})
        checkpoints.append(checkpoint)
        leaves.append(leaves_file(service, stage.send("GET", f"/record/{service}/leaves", None).text.split()))
    own = bundle(year, year.people[SUPERVISORS[0]].token)
    return Kept(own, bundle(year, None), checkpoints, leaves, dict(kept_secrets(data).seeds))


def settled(year: Year, service: str, kind: str) -> str:
    """Read a checkpoint once an event of this kind stands in the record."""
    supervisor, deadline = year.people[SUPERVISORS[0]], time.monotonic() + PATIENCE_SECONDS
    found = False
    while not found and time.monotonic() < deadline:
        after, more = -1, True
        while more and not found:
            page = supervisor.expect("GET", f"/record/{service}/events", params={"after": after, "limit": 200}, step=False)["items"]
            found = any(event["kind"] == kind for event in page)
            more = bool(page)
            after = page[-1]["index"] if page else after
    return year.stage.send("GET", f"/record/{service}/checkpoint", None).text


def bundle(year: Year, token: str | None) -> bytes:
    """Fetch the bundle; while the record settles the door says 503, and the same request again succeeds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = year.stage.send("GET", f"{year.here}/bundle", token)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
            answer.raise_for_status()
            return answer.content
