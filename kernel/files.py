"""Attachments: streamed in under a random id, hashed, typed by content, kept in a folder or an S3 bucket, streamed out as attachments."""

import errno
import hashlib
import os
import re
import struct
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol
from urllib.parse import quote
from uuid import UUID

import anyio
from fastapi import Depends, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Send

from kernel.database import new_id
from kernel.problems import BUSY, TOO_LARGE, UNSUPPORTED, Kind, Problem
from kernel.scan import scan
from kernel.settings import Settings

PDF = "application/pdf"
PNG = "image/png"
JPEG = "image/jpeg"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
OFD = "application/ofd"

STARTS = ((b"%PDF-", PDF), (b"\x89PNG\r\n\x1a\n", PNG), (b"\xff\xd8\xff", JPEG))
PACKAGE_START = b"PK\x03\x04"
PACKAGES = (("word/document.xml", DOCX), ("xl/workbook.xml", XLSX), ("OFD.xml", OFD))
MACROS = "vbaProject.bin"
PACKAGE_END = b"PK\x05\x06"
PACKAGE_END_REACH = 22 + 65_535
PACKAGE_END_LEAST = 18
MOST_MEMBERS, LARGEST_DIRECTORY = 10_000, 2 * 1024 * 1024

CHUNK = 64 * 1024
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
UNSATISFIABLE = Kind(416, "range_not_satisfiable", "文件只有 {size} 字节", "The file has only {size} bytes")


@dataclass(frozen=True)
class Received:
    """A file that has arrived: its id in the store, SHA-256, size in bytes, and the type that its content shows."""

    id: UUID
    sha256: bytes
    size: int
    media_type: str


class Store(Protocol):
    """Where files are kept, by their random ids: names of people's making never come near it."""

    async def keep(self, arrived: Path, file_id: UUID) -> None:
        """Keep a file that has arrived on disk, for good once this returns; `arrived` may be gone then."""

    def read(self, file_id: UUID, start: int, end: int) -> AsyncIterator[bytes]:
        """Stream the bytes of [start, end)."""

    async def remove(self, file_id: UUID) -> None:
        """Remove a file; one that is gone already is no error."""


def away() -> Problem:
    """Give the 503 of a store that can't be reached, or is full; nothing was done."""
    return Problem(BUSY, headers={"Retry-After": "1"})


class Folder:
    """The default store: a folder on this machine."""

    def __init__(self, folder: Path) -> None:
        """Remember where; it is made when the first file comes."""
        self._folder = folder

    def _path(self, file_id: UUID) -> Path:
        return self._folder / file_id.hex[-2:] / file_id.hex

    def _keep(self, arrived: Path, file_id: UUID) -> None:
        kept = self._path(file_id)
        kept.parent.mkdir(parents=True, exist_ok=True)
        arrived.replace(kept)
        for place in (kept, kept.parent):
            handle = os.open(place, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)

    async def keep(self, arrived: Path, file_id: UUID) -> None:
        """Move it into its place, and see it on the disk."""
        await run_in_threadpool(self._keep, arrived, file_id)

    async def read(self, file_id: UUID, start: int, end: int) -> AsyncIterator[bytes]:
        """Stream the bytes of [start, end)."""
        try:
            file = await anyio.open_file(self._path(file_id), "rb")
        except OSError:
            raise away() from None
        async with file:
            await file.seek(start)
            while start < end and (chunk := await file.read(min(CHUNK, end - start))):
                start += len(chunk)
                yield chunk

    async def remove(self, file_id: UUID) -> None:
        """Remove a file."""
        await run_in_threadpool(self._path(file_id).unlink, missing_ok=True)


def open_store(settings: Settings) -> Store:
    """Open the store that the settings name: a bucket where there is one, else the folder."""
    if not settings.files_s3_bucket:
        return Folder(settings.files)
    from kernel.bucket import Bucket  # noqa: PLC0415 - it imports this module

    return Bucket(settings)


def _members(path: Path) -> frozenset[str]:
    """Name a package's members; none where its directory is not one that an office program writes, or is built to fill the memory."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - PACKAGE_END_REACH, 0))
        _, found, end = file.read().rpartition(PACKAGE_END)
    if not found or len(end) < PACKAGE_END_LEAST:
        return frozenset()
    members, directory = struct.unpack_from("<HI", end, 6)
    if members > MOST_MEMBERS or directory > LARGEST_DIRECTORY:
        return frozenset()
    try:
        with zipfile.ZipFile(path) as package:
            return frozenset(package.namelist())
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError, ValueError, struct.error, OSError):
        return frozenset()


def detect(path: Path) -> str | None:
    """Tell a file's type from its content; None where it is not one that we take (a plain ZIP is not, nor a document with macros)."""
    with path.open("rb") as file:
        start = file.read(16)
    for magic, media_type in STARTS:
        if start.startswith(magic):
            return media_type
    members = _members(path) if start.startswith(PACKAGE_START) else frozenset()
    if any(member.rpartition("/")[2] == MACROS for member in members):
        return None
    return next((media_type for marker, media_type in PACKAGES if marker in members), None)


async def _arrive(request: Request, arriving: Path, limit: int) -> tuple[bytes, int]:
    digest, size = hashlib.sha256(), 0
    async with await anyio.open_file(arriving, "wb") as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise Problem(TOO_LARGE, limit=limit)
            digest.update(chunk)
            await file.write(chunk)
    return digest.digest(), size


async def receive(request: Request) -> AsyncIterator[Received]:
    """Stream the request's body into the store, in constant memory; the bytes are the request's fingerprint.

    413 over the size limit (before the body is read where Content-Length tells), 415 for a type that we don't take, what `scan` says
    where there is a scanner, 503 where the store is away or full. The file stays where the request succeeds, and where its commit broke
    off: the database may have done it, and the same request again then gets the stored answer, which must not name a file that is gone.
    A refused one, or a replay, keeps none.
    """
    service = request.app.state.service
    limit: int = service.settings.attachment_bytes
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > limit:
        raise Problem(TOO_LARGE, limit=limit)
    store: Store = service.files
    file_id = new_id()
    arriving = service.settings.files / "arriving" / file_id.hex
    try:
        await run_in_threadpool(arriving.parent.mkdir, parents=True, exist_ok=True)
        sha256, size = await _arrive(request, arriving, limit)
        media_type = await run_in_threadpool(detect, arriving)
        if media_type is None:
            raise Problem(UNSUPPORTED)
        if service.settings.clamd:
            await scan(service.settings, arriving)
        await store.keep(arriving, file_id)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise away() from None
    finally:
        arriving.unlink(missing_ok=True)
    request.state.fingerprint = hashlib.sha256(str(request.url.query).encode() + b"\0" + sha256).digest()
    try:
        yield Received(file_id, sha256, size, media_type)
    except BaseException:
        if not getattr(request.state, "committing", False):
            await store.remove(file_id)
        raise


Upload = Annotated[Received, Depends(receive, scope="function")]
"""The request's body as a stored file; declare it between the policy and the transaction."""


class FileAnswer(StreamingResponse):
    """A file on its way out: what can't be read is said before the answer has begun."""

    async def stream_response(self, send: Send) -> None:
        """Read ahead by one chunk, then answer."""
        chunks = aiter(self.body_iterator)
        chunk = await anext(chunks, None)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        while chunk is not None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            chunk = await anext(chunks, None)
        await send({"type": "http.response.body", "body": b""})


def asked_range(header: str, size: int) -> tuple[int, int] | None:
    """Read a Range header as [start, end); None where the whole file is due, as for several ranges or an ill-formed one (RFC 9110, 14.2).

    416 where it starts past the end.
    """
    match = RANGE.fullmatch(header.strip())
    if match is None or match[1] == match[2] == "":
        return None
    if not match[1]:
        start, end = max(size - int(match[2]), 0), size
    else:
        start, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= size:
        raise Problem(UNSATISFIABLE, headers={"Content-Range": f"bytes */{size}"}, size=size)
    return start, end


def send(request: Request, file: Received, name: str) -> FileAnswer:
    """Stream a stored file, or the range asked for, out as an attachment; its ETag is its SHA-256."""
    etag = f'"{file.sha256.hex()}"'
    wanted = asked_range(request.headers.get("range", ""), file.size) if request.headers.get("if-range", etag) == etag else None
    start, end = wanted or (0, file.size)
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "content-length": str(end - start),
        "x-content-type-options": "nosniff",
        "accept-ranges": "bytes",
        "etag": etag,
    }
    if wanted is not None:
        headers["content-range"] = f"bytes {start}-{end - 1}/{file.size}"
    store: Store = request.app.state.service.files
    return FileAnswer(store.read(file.id, start, end), 206 if wanted else 200, headers, file.media_type)
