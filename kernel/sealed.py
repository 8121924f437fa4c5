"""Contact data at rest: sealed with AES-256-GCM under a key from the settings, opened where it is read; the database holds no plain text.

A sealed value is `sealed:1:KEY:CONTENT`: the first eight digits of its key's SHA-256, and nonce and ciphertext in base64url, bound to
its column. What stood there in the clear before is read as it is, and sealed by `reseal`, as is what an earlier key sealed.
"""

import base64
import hashlib
import json
import secrets
from typing import Any
from weakref import WeakKeyDictionary

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr
from sqlalchemy import Column, ColumnElement, Dialect, Engine, MetaData, Text, cast, select, type_coerce, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator

MARK = "sealed:1:"
KEY_BYTES, NONCE_BYTES = 32, 12
AT_ONCE = 500


class SealError(Exception):
    """There is no key, a key is none, or a value was not sealed with any key that is known; the message holds no value and no key."""


class Seal:
    """The key that seals, and the earlier ones that still open."""

    def __init__(self, key: SecretStr, former: SecretStr) -> None:
        """Take the key as 32 bytes in base64url, and the earlier ones likewise, comma by comma."""
        given = [key.get_secret_value(), *filter(None, former.get_secret_value().split(","))]
        self._keys = dict(map(_key, given))
        self.current = next(iter(self._keys))

    def close(self, text: str, place: str) -> str:
        """Seal a text for one column."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        content = nonce + self._keys[self.current].encrypt(nonce, text.encode(), place.encode())
        return f"{MARK}{self.current}:{base64.urlsafe_b64encode(content).decode()}"

    def open(self, sealed: str, place: str) -> str:
        """Open what was sealed for this column; `SealError` where its key is unknown, or it was altered or moved."""
        key, _, content = sealed.removeprefix(MARK).partition(":")
        if key not in self._keys:
            raise SealError(f"{place} was sealed with the key {key}, which is not among the settings'")
        raw = base64.urlsafe_b64decode(content)
        try:
            return self._keys[key].decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], place.encode()).decode()
        except InvalidTag:
            raise SealError(f"{place} was altered, or sealed for another place") from None


def _key(text: str) -> tuple[str, AESGCM]:
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raw = b""
    if len(raw) != KEY_BYTES:
        raise SealError("QUALITY_AWARD_CONTACT_KEY must be 32 secret bytes in base64url")
    return hashlib.sha256(raw).hexdigest()[:8], AESGCM(raw)


_SEALS: WeakKeyDictionary[Dialect, Seal] = WeakKeyDictionary()


def give_seal(engine: Engine, seal: Seal) -> None:
    """Let what this engine reads and writes be opened and sealed."""
    _SEALS[engine.dialect] = seal


def seal_of(dialect: Dialect) -> Seal:
    """Give the seal of an engine's dialect; `SealError` where it was given none."""
    if dialect not in _SEALS:
        raise SealError("QUALITY_AWARD_CONTACT_KEY is not set: contact data can't be kept or read without it")
    return _SEALS[dialect]


class SealedText(TypeDecorator[str]):
    """A text column that holds sealed values alone; `place` is `table.column`."""

    impl = Text
    cache_ok = True

    def __init__(self, place: str) -> None:
        """Bind every value to its place."""
        super().__init__()
        self.place = place

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Seal on the way in."""
        return None if value is None else seal_of(dialect).close(value, self.place)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Open on the way out."""
        return seal_of(dialect).open(value, self.place) if value is not None and value.startswith(MARK) else value


class SealedJson(TypeDecorator[Any]):
    """A JSONB column whose whole content stands sealed in one JSON string; `place` is `table.column`."""

    impl = JSONB(none_as_null=True)
    cache_ok = True

    def __init__(self, place: str) -> None:
        """Bind every value to its place."""
        super().__init__(none_as_null=True)
        self.place = place

    def process_bind_param(self, value: object, dialect: Dialect) -> str | None:
        """Seal on the way in."""
        return None if value is None else seal_of(dialect).close(json.dumps(value, ensure_ascii=False), self.place)

    def process_result_value(self, value: object, dialect: Dialect) -> object:
        """Open on the way out."""
        is_sealed = isinstance(value, str) and value.startswith(MARK)
        return json.loads(seal_of(dialect).open(str(value), self.place)) if is_sealed else value


def _is_unsealed(column: Column[Any], current: str) -> ColumnElement[bool]:
    if isinstance(column.type, SealedText):
        return type_coerce(column, Text).not_like(f"{MARK}{current}:%")
    return cast(type_coerce(column, JSONB), Text).not_like(f'"{MARK}{current}:%')


def reseal(session: Session, metadata: MetaData) -> dict[str, int]:
    """Seal with the current key whatever stands in the clear or under an earlier key; gives how many values of each column."""
    assert session.bind is not None  # noqa: S101 - every session of ours is made with its engine
    current, done = seal_of(session.bind.dialect).current, {}
    columns = [column for table in metadata.sorted_tables for column in table.columns if isinstance(column.type, SealedText | SealedJson)]
    for column in columns:
        table = column.table
        keys = list(table.primary_key.columns)
        unsealed = select(*keys, column).where(column.is_not(None), _is_unsealed(column, current)).limit(AT_ONCE).with_for_update()
        count = 0
        while rows := session.execute(unsealed).all():
            for *key, value in rows:
                session.execute(update(table).where(*(one == part for one, part in zip(keys, key, strict=True))).values({column: value}))
            session.commit()
            count += len(rows)
        done[f"{table.name}.{column.name}"] = count
    return done
