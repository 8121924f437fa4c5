"""Which access tokens are no longer good: in memory, at most a second behind the database, at once after a change of this replica's own."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool

from gateway.tables import Denial
from kernel.clock import wall
from kernel.database import new_id
from kernel.identity import ACCESS_LIFETIME, Principal

OLDEST_SECONDS = 1.0


class Denylist:
    """Answers from memory; reads the database where what it knows is older than a second."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        """Know nothing yet; the first question reads."""
        self._sessions = sessions
        self._denied: Mapping[str, UUID] = {}
        self._changes = 0
        """How often this replica denied something: what was read before the last time is outdated."""
        self._read_at: tuple[int, float] | None = None
        """After how many of them, and when, the database was asked for what is known."""
        self._lock = asyncio.Lock()

    def outdated(self) -> None:
        """Read again before the next answer: something was just denied (called from any thread, after the commit)."""
        self._changes += 1

    async def denies(self, principal: Principal) -> bool:
        """Tell whether this token, or every token of its person made so early, was denied; raises where the database is away."""
        if self._is_old():
            async with self._lock:
                if self._is_old():
                    asked_at = self._changes, asyncio.get_running_loop().time()
                    self._denied = await run_in_threadpool(self._read)
                    self._read_at = asked_at
        denied = self._denied
        if principal.token_id in denied:
            return True
        made_before = denied.get(principal.person)
        return made_before is not None and _made(principal.token_id) < made_before

    def _is_old(self) -> bool:
        if self._read_at is None:
            return True
        changes, read_at = self._read_at
        return changes != self._changes or asyncio.get_running_loop().time() - read_at > OLDEST_SECONDS

    def _read(self) -> dict[str, UUID]:
        with self._sessions() as session:
            rows = session.execute(select(Denial.key, Denial.made_before).where(Denial.expires_at > wall()))
            return {row.key: row.made_before for row in rows}


def _made(token_id: str) -> UUID:
    """Give the UUIDv7 that a `jti` of ours is; another's counts as made before everything."""
    try:
        return UUID(token_id)
    except ValueError:
        return UUID(int=0)


def deny(session: Session, key: str) -> None:
    """Deny one token by its `jti`, or by an account's id all that were made until now."""
    session.execute(delete(Denial).where(Denial.expires_at < wall()))
    values: dict[str, UUID | datetime] = {"made_before": new_id(), "expires_at": wall() + ACCESS_LIFETIME}
    session.execute(insert(Denial).values(key=key, **values).on_conflict_do_update(index_elements=[Denial.key], set_=values))
