"""The published results as files: CSV and Parquet, streamed as PostgreSQL makes them, and a signed manifest of either.

A file is what the results were at one position of their changes: `Results-Position` names it, and changes after it continue the file.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from fastapi import Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection, func, select, text

from kernel.clock import wall
from kernel.identity import Platform, Principal
from kernel.problems import TOO_MANY, Problem
from kernel.service import Service, router
from kernel.wire import Answer

Format = Literal["csv", "parquet"]
Bom = Annotated[bool, Query(description="begin with a byte order mark, by which spreadsheets know UTF-8")]

BOM = b"\xef\xbb\xbf"
CHUNK_BYTES = 256 * 1024
BATCH_ROWS, BATCHES_A_GROUP = 1_000, 20
"""Rows are fetched in few at a time: what they take as Python's objects and in the driver is many times what they take in a row group."""
KIND = "quality-award results manifest v1"
PLAIN: dict[str, pa.DataType] = {
    "key": pa.string(),
    "organisation": pa.string(),
    "credit_code": pa.string(),
    "award": pa.string(),
    "title": pa.string(),
    "year": pa.int32(),
    "rank": pa.int32(),
    "prize": pa.int64(),
    "status": pa.string(),
    "certificate": pa.string(),
    "plaque": pa.string(),
    "document_number": pa.string(),
    "approved_on": pa.date32(),
    "published_on": pa.date32(),
    "revoked_on": pa.date32(),
    "revocation_clause": pa.string(),
    "revocation_document": pa.string(),
}
"""The columns of a file, in their order."""
SCHEMA = pa.schema(list(PLAIN.items()))
MADE: dict[str, str] = {"key": "credit_code || '/' || award || '/' || year", "status": "state"}
"""How a column is made that doesn't stand in the table under its own name."""
FORMULA = "=+-@\t\r"
"""What a spreadsheet would take for a formula at the start of a cell."""
CODES = frozenset({"key", "credit_code", "award", "status", "revocation_clause"})
"""Texts of which each begins with a letter or a digit, whatever people write."""
FROM = "from award where state <> 'proposed' order by id"


def guarded(name: str) -> str:
    """Give a column in SQL so that no spreadsheet runs what people wrote as a formula: a leading apostrophe; all else stays what it is."""
    made = MADE.get(name, name)
    if PLAIN[name] != pa.string() or name in CODES:
        return f"{made} as {name}"
    codes = ", ".join(str(ord(character)) for character in FORMULA)
    return f"case when ascii({made}) in ({codes}) then '''' || {made} else {made} end as {name}"


COPY = f"copy (select {', '.join(guarded(name) for name in PLAIN)} {FROM}) to stdout with (format csv, header)"
ROWS = f"select {', '.join(f'{MADE.get(name, name)} as {name}' for name in PLAIN)} {FROM}"


class Sink:
    """Takes what the Parquet writer writes, until it is sent on."""

    def __init__(self) -> None:
        """Begin empty."""
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> int:
        """Keep a piece."""
        self.written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: what is kept is sent on by `taken`."""

    def close(self) -> None:
        """End."""
        self.closed = True

    def taken(self) -> bytes:
        """Give what was written since the last time."""
        data = b"".join(self.written)
        self.written.clear()
        return data


def csv_chunks(connection: Connection) -> Iterator[bytes]:
    """Pass on what COPY makes, in pieces of a size that is worth a hop."""
    pending, size = [], 0
    with driver(connection).cursor() as cursor, cursor.copy(COPY) as lines:
        for line in lines:
            pending.append(line)
            size += len(line)
            if size >= CHUNK_BYTES:
                yield b"".join(pending)
                pending, size = [], 0
    yield b"".join(pending)


def parquet_chunks(connection: Connection) -> Iterator[bytes]:
    """Write row groups off a server-side cursor."""
    sink = Sink()
    with driver(connection).cursor("results", binary=True) as cursor, pq.ParquetWriter(sink, SCHEMA, compression="zstd") as writer:
        cursor.execute(ROWS)
        batches: list[pa.RecordBatch] = []
        while rows := cursor.fetchmany(BATCH_ROWS):
            columns = [pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), PLAIN.values(), strict=True)]
            batches.append(pa.record_batch(columns, SCHEMA))
            if len(batches) == BATCHES_A_GROUP:
                writer.write_table(pa.Table.from_batches(batches))
                batches.clear()
                yield sink.taken()
        writer.write_table(pa.Table.from_batches(batches, SCHEMA))
    yield sink.taken()


def driver(connection: Connection) -> Any:  # noqa: ANN401 - psycopg's connection, of which SQLAlchemy says no more
    """Give the driver's own connection."""
    return connection.connection.driver_connection


def snapshot(service: Service, client: Principal, wanted: Format) -> Iterator[tuple[int, int, bytes]]:
    """Give a file piece by piece, each with the position and the number of rows that it is of; a client exports one file at a time.

    429 for a second one at once: each holds a connection for as long as its reader takes.
    """
    with service.engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True) as connection:
        turn = func.pg_try_advisory_xact_lock(func.hashtext(text("current_schema() || '.export'")), func.hashtext(client.person))
        if not connection.scalar(select(turn)):
            raise Problem(TOO_MANY, headers={"Retry-After": "5"})
        position = connection.scalar(text("select coalesce(max(position), 0) from result_change"))
        rows = connection.scalar(text("select count(*) from award where state <> 'proposed'"))
        chunks = csv_chunks(connection) if wanted == "csv" else parquet_chunks(connection)
        yield from ((position, rows, chunk) for chunk in chunks)


def streamed(service: Service, client: Principal, wanted: Format, media_type: str, before: bytes = b"") -> StreamingResponse:
    """Begin a file before the answer begins, so that what goes wrong at the beginning is an error; then stream it."""
    pieces = snapshot(service, client, wanted)
    position, rows, first = next(pieces)
    headers = {
        "Content-Disposition": f'attachment; filename="results-{position}.{wanted}"',
        "Results-Position": str(position),
        "Results-Rows": str(rows),
        "X-Content-Type-Options": "nosniff",
    }
    content = chain((before + first,), (chunk for _, _, chunk in pieces))
    return StreamingResponse(content, media_type=media_type, headers=headers)


class Manifest(Answer):
    """What a file holds: `note` says the same, signed with the key at `/record/workflow/key` (a C2SP signed note); trust `note` alone.

    `sha256` is that of the file without a byte order mark, at `position`: a file with another `Results-Position` has another manifest.
    """

    format: Format
    position: int
    rows: int
    bytes: int
    sha256: str
    made_at: datetime
    note: str


def manifest_of(service: Service, client: Principal, wanted: Format) -> Manifest:
    """Make a file, keep its size and hash alone, and sign them."""
    digest, size, position, rows = hashlib.sha256(), 0, 0, 0
    for position, rows, chunk in snapshot(service, client, wanted):  # noqa: B007 - the last piece's are the file's
        digest.update(chunk)
        size += len(chunk)
    at = wall()
    lines = (KIND, wanted, f"position {position}", f"rows {rows}", f"bytes {size}", f"sha256 {digest.hexdigest()}", at.isoformat())
    note = service.note.sign("".join(f"{line}\n" for line in lines))
    return Manifest(format=wanted, position=position, rows=rows, bytes=size, sha256=digest.hexdigest(), made_at=at, note=note)


routes = router("results")


@routes.get("/results.csv", operation_id="export_results_csv", response_class=StreamingResponse)
def export_csv(platform: Platform, request: Request, bom: Bom = False) -> StreamingResponse:  # noqa: FBT002 - FastAPI reads it
    """Stream the published results as CSV in UTF-8; the memory used does not grow with the rows."""
    return streamed(request.app.state.service, platform, "csv", "text/csv; charset=utf-8", BOM if bom else b"")


@routes.get("/results.parquet", operation_id="export_results_parquet", response_class=StreamingResponse)
def export_parquet(platform: Platform, request: Request) -> StreamingResponse:
    """Stream the published results as Parquet, a row group at a time."""
    return streamed(request.app.state.service, platform, "parquet", "application/vnd.apache.parquet")


@routes.get("/results/manifest", operation_id="get_results_manifest")
def get_manifest(platform: Platform, request: Request, wanted: Annotated[Format, Query(alias="format")] = "csv") -> Manifest:
    """Give the signed number of rows, size and hash of the file as it is now; it takes as long as the file does."""
    return manifest_of(request.app.state.service, platform, wanted)
