"""Work that a program does beside its requests, again and again: woken by a commit, or by time."""

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import SQLAlchemyError

from kernel.logs import log

LONGEST_WAIT_SECONDS = 20.0


class Errand:
    """Does `work` until there is none left (it then gives False), then waits; a database that is away is tried again."""

    def __init__(self, name: str, work: Callable[[], Awaitable[bool]], idle_seconds: float) -> None:
        """Prepare; `start` begins."""
        self._name = name
        self._work = work
        self._idle_seconds = idle_seconds
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    def start(self) -> None:
        """Begin."""
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._keep_working())
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Stop after the piece in hand."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            _, hanging = await asyncio.wait([self._task], timeout=LONGEST_WAIT_SECONDS)
            for task in hanging:
                task.cancel()

    def nudge(self) -> None:
        """Tell, from any thread, that something was committed."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    async def _keep_working(self) -> None:
        while not self._stopping:
            try:
                async with asyncio.timeout(self._idle_seconds):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                while await self._work():
                    if self._stopping:
                        return
            except SQLAlchemyError as error:
                log.warning("errand", extra={"fact": {"name": self._name, "error": type(error).__name__}})

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("errand ended by a fault", extra={"fact": {"name": self._name}}, exc_info=fault)
