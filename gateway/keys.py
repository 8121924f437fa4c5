"""The keys that sign access tokens: in the database, where every replica reads them, and rotated in four phases by command.

`publish` a new key, let it `sign` a minute later, `retire` the former one a minute after that (its private part is destroyed;
until then `sign` may name it again), and `drop` it once every token that it signed has expired.
"""

import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, sessionmaker

from gateway.seal import Seal
from gateway.tables import SigningKey
from kernel.clock import wall
from kernel.identity import ACCESS_LIFETIME, KEY_REFRESH_SECONDS, KeySet, public_jwk

KEY_BITS = 3072
READ_AGAIN_SECONDS = 5.0
ROTATION_LOCK = 7_311
KNOWN_EVERYWHERE = timedelta(seconds=KEY_REFRESH_SECONDS + 2 * READ_AGAIN_SECONDS)
"""How long after a key was published every verifier has it, or may ask for it: one asks for an unknown key once a minute at most."""
ALL_EXPIRED = ACCESS_LIFETIME + KNOWN_EVERYWHERE


class RotationError(Exception):
    """A step of the rotation that would have valid tokens refused; the message is one sentence for whoever asked for it."""


@dataclass(frozen=True)
class SigningKeys:
    """The public keys by `kid`, and the one that signs."""

    published: KeySet
    kid: str
    pem: str


class KeyRing:
    """The keys as this replica last read them."""

    def __init__(self, sessions: sessionmaker[Session], seal: Seal) -> None:
        """Read nothing before the first need."""
        self._sessions = sessions
        self._seal = seal
        self._known: SigningKeys | None = None
        self._read_at = 0.0
        self._lock = threading.Lock()

    def current(self) -> SigningKeys:
        """Give the keys, at most five seconds old; the first is made where there is none. Reads the database: not for the event loop."""
        with self._lock:
            if self._known is None or time.monotonic() - self._read_at > READ_AGAIN_SECONDS:
                self._known, self._read_at = self._read(), time.monotonic()
            return self._known

    def read_again(self) -> None:
        """Forget: the next question reads the database."""
        with self._lock:
            self._known = None

    def _read(self) -> SigningKeys:
        with self._sessions.begin() as session:
            rows = list(session.scalars(select(SigningKey)))
            if not rows:
                rows = self._first(session)
        [signing] = [row for row in rows if row.phase == "signing"]
        assert signing.sealed is not None  # noqa: S101 - only a retired key has none
        return SigningKeys({row.kid: row.public for row in rows}, signing.kid, self._seal.open(signing.sealed, signing.kid).decode())

    def _first(self, session: Session) -> list[SigningKey]:
        """Make the key that signs; of several programs that start at once, one makes it."""
        _alone(session)
        rows = list(session.scalars(select(SigningKey)))
        if not rows:
            rows = [new_key(self._seal, "signing")]
            session.add_all(rows)
        return rows


def new_key(seal: Seal, phase: str) -> SigningKey:
    """Make a key."""
    kid, now = secrets.token_hex(8), wall()
    private = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = public_jwk(kid, private.public_key())
    return SigningKey(kid=kid, phase=phase, public=public, sealed=seal.close(pem, kid), published_at=now, moved_at=now)


def _alone(session: Session) -> None:
    session.execute(select(func.pg_advisory_xact_lock(text("hashtext(current_schema())"), ROTATION_LOCK)))


def _rows(session: Session) -> Mapping[str, SigningKey]:
    _alone(session)
    return {row.kid: row for row in session.scalars(select(SigningKey).order_by(SigningKey.published_at))}


def _chosen(rows: Mapping[str, SigningKey], kid: str | None, phase: str) -> SigningKey:
    """Give the key that was named, or the only one in a phase."""
    found = [row for row in rows.values() if row.phase == phase and kid in {None, row.kid}]
    if len(found) != 1:
        raise RotationError(f"There are {len(found)} keys to choose from in phase {phase}; see `keys list`, and name one.")
    return found[0]


def _wait(since: datetime, least: timedelta, *, now: bool) -> None:
    earliest = since + least
    if not now and wall() < earliest:
        raise RotationError(f"Not before {earliest.isoformat(timespec='seconds')}, or valid tokens would be refused.")


def _signing(rows: Mapping[str, SigningKey]) -> SigningKey:
    return _chosen(rows, None, "signing")


def publish(session: Session, seal: Seal) -> SigningKey:
    """Publish a new key, which signs nothing yet."""
    _alone(session)
    key = new_key(seal, "published")
    session.add(key)
    return key


def sign(session: Session, kid: str | None = None, *, now: bool = False) -> SigningKey:
    """Let a published key sign, a minute after it was published; the former one stays published."""
    rows = _rows(session)
    if not rows:
        raise RotationError("There is no key yet; the door makes the first when it starts.")
    key, former = _chosen(rows, kid, "published"), _signing(rows)
    _wait(key.published_at, KNOWN_EVERYWHERE, now=now)
    former.phase, former.moved_at = "published", wall()
    key.phase, key.moved_at = "signing", wall()
    return key


def retire(session: Session, kid: str | None = None, *, now: bool = False) -> SigningKey:
    """Destroy the private part of a key that signs no more, a minute after its successor took over; it still verifies."""
    rows = _rows(session)
    signing = _signing(rows)
    key = _chosen({name: row for name, row in rows.items() if row.moved_at > row.published_at}, kid, "published")
    _wait(max(key.moved_at, signing.moved_at), KNOWN_EVERYWHERE, now=now)
    key.phase, key.moved_at, key.sealed = "retired", wall(), None
    return key


def drop(session: Session, kid: str | None = None, *, now: bool = False) -> SigningKey:
    """Forget a retired key once every token that it signed has expired; `now` drops one that leaked at once."""
    rows = _rows(session)
    key = _chosen(rows, kid, "retired")
    _wait(key.moved_at, ALL_EXPIRED, now=now)
    session.delete(key)
    return key


def listed(session: Session) -> Sequence[SigningKey]:
    """List the keys, oldest first."""
    return list(_rows(session).values())


STEPS = ("publish", "sign", "retire", "drop")


def take(session: Session, seal: Seal, step: str, kid: str | None, *, now: bool) -> SigningKey:
    """Take one step of a rotation by its name; raises `RotationError` where it would have valid tokens refused, unless `now`."""
    if step == "publish":
        return publish(session, seal)
    return {"sign": sign, "retire": retire, "drop": drop}[step](session, kid, now=now)
