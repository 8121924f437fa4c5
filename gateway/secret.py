"""Passwords and one-time secrets: how they are made, hashed, checked, and handed out once."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from fastapi import Depends, Request
from sqlalchemy import delete
from sqlalchemy.orm import Session
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from gateway.settings import GatewaySettings
from gateway.tables import Account, Activation
from kernel.clock import wall
from kernel.problems import BUSY, Kind, Problem

Purpose = Literal["activation", "reset"]

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
NOBODY = HASHER.hash("nobody has this password")
LONGEST_WAIT_SECONDS = 5
PASSWORD_WEAK = Kind(
    422,
    "password_too_weak",
    "密码至少 {length} 个字符，且不得包含登录名",
    "A password has at least {length} characters, without the login among them",
)
PASSWORD_PLAIN = Kind(
    422,
    "password_too_plain",
    "密码须包含小写字母、大写字母、数字、其他字符中的 {classes} 类",
    "A password has characters of {classes} sorts: lower case, upper case, digits, others",
)
PASSWORD_COMMON = Kind(
    422,
    "password_common",
    "密码过于常见，或只是重复、连续的字符，或包含本系统常用词，请换一个",
    "This password is a common one, repeats or counts on, or contains a word that is obvious here; choose another",
)
COMMON = frozenset(FREQUENCY_LISTS["passwords"])
"""The thirty thousand most frequent passwords of published breaches, in lower case."""
SUBSTITUTES = str.maketrans("013457@$!", "oleastasi")
SHORTEST_COMMON = 4
KEYBOARD = "1234567890qwertyuiopasdfghjklzxcvbnm"
FEWEST_TURNS = 6
"""Of how many characters a password must be, at least, that don't follow from those before."""


def secret_hash(secret: str) -> bytes:
    """Hash a secret that was drawn at random, so that no slow hash is needed."""
    return hashlib.sha256(secret.encode()).digest()


def check_password(settings: GatewaySettings, login: str, password: str) -> None:
    """Refuse a password that the settings call too weak."""
    if len(password) < settings.password_length or login.lower() in password.lower():
        raise Problem(PASSWORD_WEAK, length=settings.password_length)
    if len({_kind(character) for character in password}) < settings.password_classes:
        raise Problem(PASSWORD_PLAIN, classes=settings.password_classes)
    if is_common(password) or any(word in password.lower() for word in settings.password_words):
        raise Problem(PASSWORD_COMMON)


def is_common(password: str) -> bool:
    """Tell whether a password is one of the common ones, but for what people put around one or in the place of its letters.

    What is said several times counts once, and what only repeats or counts on (111…, 123…, abc…, qwer…) is common, too.
    """
    told = _said_once(password.lower())
    if sum(not _follows(one, other) for one, other in pairwise(f" {told}")) < FEWEST_TURNS:
        return True
    word = told.strip("0123456789!@#$%^&*()-_=+.,?~ ")
    forms = {told, word, told.translate(SUBSTITUTES), word.translate(SUBSTITUTES)}
    return any(len(form) >= SHORTEST_COMMON and form in COMMON for form in forms)


def _said_once(text: str) -> str:
    return text[: next(period for period in range(1, len(text) + 1) if text.startswith(text[period:]))]


def _follows(before: str, after: str) -> bool:
    on_keyboard = before + after in KEYBOARD or after + before in KEYBOARD
    return on_keyboard or abs(ord(before) - ord(after)) <= 1


def _kind(character: str) -> str:
    if character.isdecimal():
        return "digit"
    if character.isupper():
        return "upper"
    return "lower" if character.isalpha() else "other"


def set_password(settings: GatewaySettings, account: Account, password: str) -> None:
    """Give an account a new password, and lift its lock."""
    check_password(settings, account.login or "", password)
    account.password_hash = HASHER.hash(password)
    account.password_set_at = wall()
    account.failures, account.locked_until = 0, None


def is_password(account: Account | None, password: str) -> bool:
    """Compare, with the same work for an account that doesn't exist or has no password yet."""
    known = account.password_hash if account is not None else None
    try:
        HASHER.verify(known or NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return known is not None


def issue_link(session: Session, account: Account, purpose: Purpose, lifetime: timedelta) -> tuple[str, datetime]:
    """Make a one-time secret, known to the database by its hash alone; earlier unused ones of the account end."""
    secret, expires_at = secrets.token_urlsafe(32), wall() + lifetime
    session.execute(delete(Activation).where(Activation.account_id == account.id, Activation.used_at.is_(None)))
    session.add(Activation(secret_hash=secret_hash(secret), account_id=account.id, purpose=purpose, expires_at=expires_at))
    return secret, expires_at


class Turns:
    """Lets few requests hash at a time; whoever waits holds neither a thread nor a connection."""

    def __init__(self, at_once: int) -> None:
        """Allow so many at a time."""
        self._free = asyncio.Semaphore(at_once)

    async def __aenter__(self) -> None:
        """Wait for a turn; 503 after five seconds."""
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise Problem(BUSY, headers={"Retry-After": "1"}) from None

    async def __aexit__(self, *_failure: object) -> None:
        """End the turn."""
        self._free.release()


async def _turn(request: Request) -> AsyncIterator[None]:
    async with request.app.state.service.turns:
        yield


HashingTurn = Annotated[None, Depends(_turn, scope="function")]
"""A turn at hashing a password; declare it before the transaction."""
