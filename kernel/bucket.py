"""Attachments in a bucket of an S3-compatible store."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from kernel.files import CHUNK, away
from kernel.settings import Settings

PART = 5 * 1024 * 1024
PARTS_AT_ONCE = 1


class Bucket:
    """The store that replicas on several machines share."""

    def __init__(self, settings: Settings) -> None:
        """Remember where; nothing is reached before the first file."""
        self._store = S3Store(
            settings.files_s3_bucket,
            endpoint=settings.files_s3_endpoint or None,
            region=settings.files_s3_region,
            access_key_id=settings.files_s3_key,
            secret_access_key=settings.files_s3_secret.get_secret_value(),
            client_options={"allow_http": settings.files_s3_endpoint.startswith("http://")},
        )

    async def keep(self, arrived: Path, file_id: UUID) -> None:
        """Upload it, in parts where it is large; a bucket acknowledges what it keeps."""
        try:
            await obstore.put_async(self._store, file_id.hex, arrived, chunk_size=PART, max_concurrency=PARTS_AT_ONCE)
        except BaseError:
            raise away() from None

    async def read(self, file_id: UUID, start: int, end: int) -> AsyncIterator[bytes]:
        """Stream the bytes of [start, end)."""
        try:
            found = await obstore.get_async(self._store, file_id.hex, options={"range": (start, end)})
        except BaseError:
            raise away() from None
        async for chunk in found.stream(min_chunk_size=CHUNK):
            yield bytes(chunk)

    async def remove(self, file_id: UUID) -> None:
        """Remove a file."""
        try:
            await obstore.delete_async(self._store, file_id.hex)
        except FileNotFoundError:
            return
        except BaseError:
            raise away() from None
