"""The types that bodies are made of: strict, bounded, normalised."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, core_schema

T = TypeVar("T")

FORBIDDEN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class Body(BaseModel):
    """What a caller sends: no unknown member, no silent conversion."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Answer(BaseModel):
    """What a caller gets."""

    model_config = ConfigDict(from_attributes=True)


def _clean(text: str) -> str:
    if FORBIDDEN_TEXT.search(text):
        raise ValueError("control and bidirectional characters are not taken")
    return unicodedata.normalize("NFC", text)


def _one_line(text: str) -> str:
    if "\n" in text or "\r" in text or "\t" in text:
        raise ValueError("one line only")
    return text


def _from_text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("a string is required")  # noqa: TRY004 - Pydantic turns a ValueError into an answer
    return value


def _from_iso(value: object) -> object:
    if not isinstance(value, str) or not ISO_DATE.match(value):
        raise ValueError("a date as YYYY-MM-DD is required")  # a bare number would be read as seconds since 1970
    return value


@dataclass(frozen=True)
class Words:
    """Annotates a text that may have several lines: `least` to `limit` characters, trimmed, NFC-normalised."""

    limit: int
    least: int = 1

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Bound and normalise."""
        bounded = core_schema.str_schema(min_length=self.least, max_length=self.limit, strip_whitespace=True, strict=True)
        return core_schema.no_info_after_validator_function(_clean, bounded)


@dataclass(frozen=True)
class Line(Words):
    """Annotates one line of text: `least` to `limit` characters, trimmed, NFC-normalised."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Bound, keep to one line, normalise."""
        return core_schema.no_info_after_validator_function(_one_line, super().__get_pydantic_core_schema__(source, handler))


Day = Annotated[date, Field(strict=False, ge=date(1900, 1, 1), lt=date(2200, 1, 1)), BeforeValidator(_from_iso)]
"""A calendar day in Asia/Shanghai, `2026-03-01`."""
Instant = Annotated[
    AwareDatetime,
    Field(strict=False, ge=datetime(1900, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC)),
    BeforeValidator(_from_iso),
]
"""An instant with its offset, RFC 3339."""
Id = Annotated[UUID, Field(strict=False), BeforeValidator(_from_text)]
"""An id, UUIDv7."""
Amount = Annotated[Decimal, Field(strict=False, max_digits=20, decimal_places=2), BeforeValidator(_from_text)]
"""An exact amount as text, at most two decimals: `"199999.99"`."""
Yuan = Annotated[int, Field(ge=0, le=10**12)]
"""Whole yuan."""
CreditCode = Annotated[str, StringConstraints(pattern=r"^[0-9A-HJ-NP-RTUWXY]{18}$")]
"""A unified social credit code by shape; its check character is the regulation's to judge."""
Name = Annotated[str, Line(120)]
"""A name or a title."""
Reason = Annotated[str, Words(4000)]
"""A judgement's reasons."""


class Page(Answer, Generic[T]):
    """One page of a list; `next_cursor` is null on the last."""

    items: Sequence[T]
    next_cursor: str | None


class Why(Answer):
    """Why an action is not open now."""

    code: str
    detail: str
    clause: str | None = None
    clause_text: str | None = None
    earliest: datetime | None = None


class Action(Answer):
    """What this caller could do here: by which request, whether now, and where not now, why."""

    method: str
    href: str
    allowed: bool
    why: Why | None = None


class Mark(Answer):
    """A score: exact twentieths of a point, and points as shown (rounded down)."""

    twentieths: int
    points: str
