"""TCP wires between the programs, that can be cut, slowed, stalled, half closed, or lose an answer on its way back."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

CHUNK = 64 * 1024


class Wire:
    """One listening port that leads to one address; what is set here holds for open and for new connections."""

    def __init__(self, target: tuple[str, int] | Path) -> None:
        self._target = target
        self.port = 0
        self.delay = 0.0
        self.lost = 0
        self._refusing = False
        self._half_closed = False
        self._losing: bytes | None = None
        self._holding: bytes | None = None
        self._held_before = False
        self._let_go = asyncio.Event()
        self.reached = threading.Event()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Reset every connection, and every new one."""
        self._refusing = True
        for writer in list(self._open):
            writer.transport.abort()

    async def slow(self, seconds: float) -> None:
        self.delay = seconds

    async def stall(self) -> None:
        """Take everything and pass nothing on, in either direction."""
        self._flowing.clear()

    async def half_close(self) -> None:
        """Pass every request on; end the other direction before an answer comes."""
        self._half_closed = True

    async def lose_answers(self, to: bytes) -> None:
        """Let whatever holds these bytes arrive, wait for its answer, and break the connection instead of passing it back."""
        self._losing = to

    async def hold_at(self, words: bytes, *, before: bool) -> None:
        """Hold the first connection that sends these words, before they arrive or behind them; `reached` tells when."""
        self.reached.clear()
        self._holding, self._held_before = words, before

    async def heal(self) -> None:
        broken = self._half_closed or self.reached.is_set()
        self._refusing, self._half_closed, self._losing, self._holding, self.delay = False, False, None, None, 0.0
        self.reached.clear()
        self._let_go.set()
        self._let_go = asyncio.Event()
        self._flowing.set()
        if broken:
            for writer in list(self._open):
                writer.transport.abort()

    async def close(self) -> None:
        await self.cut()
        assert self._server is not None
        self._server.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        with suppress(OSError):
            if isinstance(self._target, Path):
                far_reader, far_writer = await asyncio.open_unix_connection(str(self._target))
            else:
                far_reader, far_writer = await asyncio.open_connection(*self._target)
            ends = (writer, far_writer)
            self._open.update(ends)
            doomed, held = asyncio.Event(), asyncio.Event()
            try:
                await asyncio.gather(self._carry(reader, far_writer, doomed, held), self._carry_back(far_reader, writer, doomed, held))
            except OSError:
                pass
            finally:
                self._open.difference_update(ends)
                for end in ends:
                    end.transport.abort()
            return
        writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event, held: asyncio.Event) -> None:
        while chunk := await reader.read(CHUNK):
            if self._losing is not None and self._losing in chunk:
                doomed.set()
            if self._holding is not None and self._holding in chunk:
                self._holding = None
                held.set()
                self.reached.set()
                if self._held_before:
                    await self._break_later()
            await self._pause()
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()

    async def _carry_back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event, held: asyncio.Event
    ) -> None:
        while chunk := await reader.read(CHUNK):
            if held.is_set():
                await self._break_later()
            if doomed.is_set():
                self.lost += 1
                raise ConnectionResetError
            await self._pause()
            if self._half_closed:
                writer.write_eof()
                while await reader.read(CHUNK):
                    pass
                return
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()

    async def _break_later(self) -> None:
        await self._let_go.wait()
        raise ConnectionResetError

    async def _pause(self) -> None:
        await self._flowing.wait()
        if self.delay:
            await asyncio.sleep(self.delay)


class Wiring:
    """An event loop in a thread of its own that carries every wire."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._wires: list[Wire] = []
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        for wire in self._wires:
            self.do(wire.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)

    def do(self, change: Coroutine[Any, Any, None]) -> None:
        """Change something about a wire, from the harness's thread."""
        asyncio.run_coroutine_threadsafe(change, self._loop).result(timeout=10)

    def wire(self, target: tuple[str, int] | Path) -> Wire:
        made = Wire(target)
        self.do(made.listen())
        self._wires.append(made)
        return made
