"""Attachments on disk: streamed in under a random id, hashed, typed by content, streamed out as attachments."""

import hashlib
import os
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends, Request
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from kernel.database import new_id
from kernel.problems import TOO_LARGE, UNSUPPORTED, Problem

PDF = "application/pdf"
PNG = "image/png"
JPEG = "image/jpeg"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
OFD = "application/ofd"

STARTS = ((b"%PDF-", PDF), (b"\x89PNG\r\n\x1a\n", PNG), (b"\xff\xd8\xff", JPEG))
PACKAGES = (("word/document.xml", DOCX), ("xl/workbook.xml", XLSX), ("OFD.xml", OFD))


@dataclass(frozen=True)
class Received:
    """A file that has arrived: its id in the store, SHA-256, size in bytes, and the type that its content shows."""

    id: UUID
    sha256: bytes
    size: int
    media_type: str


def detect(path: Path) -> str | None:
    """Tell a file's type from its content; None where it is not one that we take (a plain ZIP is not)."""
    with path.open("rb") as file:
        start = file.read(16)
    for magic, media_type in STARTS:
        if start.startswith(magic):
            return media_type
    if not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as package:
            names = set(package.namelist())
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError):
        return None
    return next((media_type for marker, media_type in PACKAGES if marker in names), None)


def stored(folder: Path, file_id: UUID) -> Path:
    """Give the path of a stored file; names of people's making never come near the disk."""
    return folder / file_id.hex[-2:] / file_id.hex


def _keep(arriving: Path, folder: Path, file_id: UUID) -> None:
    kept = stored(folder, file_id)
    kept.parent.mkdir(parents=True, exist_ok=True)
    arriving.replace(kept)
    for place in (kept, kept.parent):
        handle = os.open(place, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


async def receive(request: Request) -> AsyncIterator[Received]:
    """Stream the request's body to disk, in constant memory; the bytes are the request's fingerprint.

    413 over the size limit (before the body is read where Content-Length tells), 415 for a type that we don't take.
    The file stays only where the request succeeds: one that is refused, or a replay, keeps none.
    """
    settings = request.app.state.service.settings
    limit: int = settings.attachment_bytes
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > limit:
        raise Problem(TOO_LARGE, limit=limit)
    file_id = new_id()
    folder: Path = settings.files
    await run_in_threadpool((folder / "arriving").mkdir, parents=True, exist_ok=True)
    arriving = folder / "arriving" / file_id.hex
    digest, size = hashlib.sha256(), 0
    try:
        with arriving.open("wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise Problem(TOO_LARGE, limit=limit)
                digest.update(chunk)
                await run_in_threadpool(file.write, chunk)
        media_type = await run_in_threadpool(detect, arriving)
        if media_type is None:
            raise Problem(UNSUPPORTED)
        await run_in_threadpool(_keep, arriving, folder, file_id)
    finally:
        arriving.unlink(missing_ok=True)
    request.state.fingerprint = hashlib.sha256(str(request.url.query).encode() + b"\0" + digest.digest()).digest()
    try:
        yield Received(file_id, digest.digest(), size, media_type)
    except BaseException:
        stored(folder, file_id).unlink(missing_ok=True)
        raise


Upload = Annotated[Received, Depends(receive, scope="function")]
"""The request's body as a stored file; declare it between the policy and the transaction."""


def send(folder: Path, file_id: UUID, name: str, media_type: str) -> FileResponse:
    """Stream a stored file out as an attachment (ranges included)."""
    return FileResponse(
        stored(folder, file_id),
        media_type=media_type,
        headers={"content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}", "x-content-type-options": "nosniff"},
    )
