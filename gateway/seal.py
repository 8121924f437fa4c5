"""Secrets at rest: what the database keeps of them is encrypted under a key that it never sees."""

import base64
import secrets

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

NONCE_BYTES = 12


class Seal:
    """AES-256-GCM; each secret is bound to what it belongs to, so that none can be moved to another row."""

    def __init__(self, seed: SecretStr) -> None:
        """Derive the key from the gateway's record seed (HKDF, RFC 5869), for this one purpose."""
        raw = base64.urlsafe_b64decode(seed.get_secret_value() + "==")
        self._cipher = AESGCM(HKDF(SHA256(), 32, salt=None, info=b"quality-award gateway secrets at rest").derive(raw))

    def close(self, secret: bytes, owner: str) -> bytes:
        """Encrypt."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, owner.encode())

    def open(self, sealed: bytes, owner: str) -> bytes:
        """Decrypt; raises `cryptography.exceptions.InvalidTag` where the row was changed, or the key is another."""
        return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], owner.encode())
