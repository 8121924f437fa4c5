"""What a request brings: so many bytes at most, and JSON that every reader understands alike."""

import json
import math
from typing import Any

from fastapi import Request
from starlette.types import Message, Receive

from kernel.problems import MALFORMED, TOO_LARGE, Problem

LARGEST_BODY = 1024 * 1024
DEEPEST_BODY = 32


def bounded(request: Request, receive: Receive) -> Receive:
    """Receive a body of at most LARGEST_BODY bytes; 413 at once where its length says more, or where more than that comes."""
    length, received = request.headers.get("content-length", "0"), 0
    if not length.isdecimal() or int(length) > LARGEST_BODY:
        raise Problem(TOO_LARGE, limit=LARGEST_BODY)

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > LARGEST_BODY:
            raise Problem(TOO_LARGE, limit=LARGEST_BODY)
        return message

    return counted


async def whole(request: Request, receive: Receive) -> bytes:
    """Read a bounded body whole; 413 where it is too large."""
    return b"".join([chunk async for chunk in Request(request.scope, bounded(request, receive)).stream()])


def _strict_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise Problem(MALFORMED, reason="duplicate member")
    return dict(pairs)


def _no_constant(_text: str) -> object:
    raise Problem(MALFORMED, reason="NaN and Infinity are not JSON")


def _check_depth(raw: str) -> None:
    depth, quoted, escaped = 0, False, False
    for character in raw:
        if quoted:
            quoted, escaped = escaped or character != '"', character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
            if depth > DEEPEST_BODY:
                raise Problem(MALFORMED, reason=f"nested over {DEEPEST_BODY} deep")
        elif character in "]}":
            depth -= 1


def check_json(raw: bytes) -> None:
    """Refuse JSON that two readers could understand differently, or that is nested to do harm."""
    try:
        text = raw.decode("utf-8")
        _check_depth(text)
        parsed = json.loads(
            text, object_pairs_hook=_strict_pairs, parse_constant=_no_constant, parse_int=_bounded_int, parse_float=_bounded_float
        )
        if "\\" in text:
            json.dumps(parsed, ensure_ascii=False).encode("utf-8")
    except (UnicodeError, json.JSONDecodeError):
        raise Problem(MALFORMED, reason="not JSON in UTF-8") from None


def _bounded_int(digits: str) -> int:
    if len(digits) > 18:  # noqa: PLR2004 - the longest that every reader takes exactly
        raise Problem(MALFORMED, reason="a number of more than 18 digits")
    return int(digits)


def _bounded_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise Problem(MALFORMED, reason="a number beyond every reader's range")
    return number
