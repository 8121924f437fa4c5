"""The keys that sign access tokens: PEM files in one folder, all of them published, one of them signing."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from kernel.identity import KeySet, public_jwk

KEY_BITS = 2048
SIGNING = "signing"


@dataclass(frozen=True)
class SigningKeys:
    """The private keys by `kid`, and the `kid` of the one that signs; the others are not yet, or no longer, signing."""

    private: Mapping[str, rsa.RSAPrivateKey]
    signing: str

    def published(self) -> KeySet:
        """Give every public key by `kid`."""
        return {kid: public_jwk(kid, key.public_key()) for kid, key in self.private.items()}

    def signing_pem(self) -> str:
        """Give the signing key."""
        return _pem(self.private[self.signing]).decode()


def load_keys(folder: Path) -> SigningKeys:
    """Read the keys (`<kid>.pem`, and the signing one's `kid` in the file `signing`); make the first where there is none."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / SIGNING).exists():
        _make_first(folder)
    private = {}
    for path in sorted(folder.glob("*.pem")):
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError(f"{path}: not an RSA key")  # noqa: TRY004 - the file is wrong, not the caller
        private[path.stem] = key
    signing = (folder / SIGNING).read_text(encoding="ascii").strip()
    if signing not in private:
        raise ValueError(f"{folder}: the signing key {signing!r} is not there")
    return SigningKeys(private, signing)


def _make_first(folder: Path) -> None:
    """Make a key and let it sign; of several programs that start at once on one folder, one key wins."""
    kid = secrets.token_hex(8)
    key = folder / f"{kid}.pem"
    _write_private(key, _pem(rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)))
    draft = folder / f".{kid}"
    _write_private(draft, kid.encode())
    try:
        os.link(draft, folder / SIGNING)
    except FileExistsError:
        key.unlink()
    finally:
        draft.unlink()


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _write_private(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
