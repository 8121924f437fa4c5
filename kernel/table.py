"""A table that somebody sends as a file: XLSX or CSV (UTF-8, or GB 18030 as spreadsheets write it), told apart by its content."""

import csv
import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from kernel.problems import MALFORMED, TOO_LARGE, Problem

LARGEST = 10 * 1024 * 1024
LARGEST_UNPACKED = 200 * 1024 * 1024
MOST_ROWS = 20_000
MOST_COLUMNS = 100
LONGEST_CELL = 4000


@dataclass(frozen=True)
class Table:
    """The rows below a heading row, each with its number in the file, as text by column name; empty rows and cells are left out."""

    sha256: bytes
    columns: tuple[str, ...]
    rows: Sequence[tuple[int, Mapping[str, str]]]


def _text(cell: object) -> str:
    match cell:
        case datetime():
            return cell.date().isoformat() if (cell.hour, cell.minute, cell.second) == (0, 0, 0) else cell.isoformat()
        case date():
            return cell.isoformat()
        case float() if cell.is_integer():
            return str(int(cell))
        case _:
            return str(cell).strip()


def _cells_of_workbook(content: bytes) -> Iterator[list[str]]:
    from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415 - only who sends a workbook waits for its reader

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            if sum(entry.file_size for entry in package.infolist()) > LARGEST_UNPACKED:
                raise Problem(TOO_LARGE, limit=LARGEST_UNPACKED)
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0)
    except (zipfile.BadZipFile, CalamineError, UnicodeDecodeError, NotImplementedError):
        raise Problem(MALFORMED, reason="not a workbook that can be read") from None
    for row in sheet.to_python(skip_empty_area=False):
        yield [_text(cell) for cell in row]


def _cells_of_text(content: bytes) -> Iterator[list[str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("gb18030")
        except UnicodeDecodeError:
            raise Problem(MALFORMED, reason="CSV in neither UTF-8 nor GB 18030") from None
    try:
        for row in csv.reader(io.StringIO(text, newline=""), strict=True):
            yield [cell.strip() for cell in row]
    except csv.Error:
        raise Problem(MALFORMED, reason="not CSV") from None


def read(content: bytes) -> Table:
    """Read a file's first table; 400 where there is none, 413 over the bounds on rows, columns and cells."""
    cells = _cells_of_workbook(content) if content.startswith(b"PK") else _cells_of_text(content)
    columns: tuple[str, ...] = ()
    rows: list[tuple[int, Mapping[str, str]]] = []
    for number, row in enumerate(cells, start=1):
        if len(row) > MOST_COLUMNS or len(rows) >= MOST_ROWS or any(len(cell) > LONGEST_CELL for cell in row):
            raise Problem(TOO_LARGE, limit=f"{MOST_ROWS} × {MOST_COLUMNS} × {LONGEST_CELL}")
        if not any(row):
            continue
        if not columns:
            columns = tuple(row)
            if len(set(filter(None, columns))) < len(list(filter(None, columns))):
                raise Problem(MALFORMED, reason="a column stands twice")
            continue
        rows.append((number, {column: cell for column, cell in zip(columns, row, strict=False) if column and cell}))
    if not rows:
        raise Problem(MALFORMED, reason="no row below a heading row")
    return Table(hashlib.sha256(content).digest(), columns, rows)


async def receive(request: Request) -> Table:
    """Take the request's body as a table; its bytes are the request's fingerprint."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > LARGEST:
        raise Problem(TOO_LARGE, limit=LARGEST)
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST:
            raise Problem(TOO_LARGE, limit=LARGEST)
    table = await run_in_threadpool(read, bytes(content))
    request.state.fingerprint = hashlib.sha256(str(request.url.query).encode() + b"\0" + table.sha256).digest()
    return table


SentTable = Annotated[Table, Depends(receive)]
"""The request's body as a table; declare it between the policy and the transaction."""
