"""Loading 10,000 organisations from a workbook through the door: parsed, held against the rules row by row, written, recorded."""

import csv
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from bench.rows import Row
from embedded import postgres
from embedded.product import kept_secrets, migrated
from regulation.industry import industries
from services.intake.imports import COLUMNS
from tests import rig
from tests.intake.applicants import TOWN, credit_code
from tests.intake.workbook import workbook

ROWS = 10_000
ALLOWED_SECONDS = 10.0
TEMPLATE = "template_bench"


def organisations(first: int) -> list[tuple[str, ...]]:
    """Make up organisations of every industry, below a heading row."""
    codes = list(industries())
    stated = ("legal_person", TOWN, "示例路1号", "2015-04-01", "2016-05-01")
    contact = ("small", "方志远", "0579-82190000")
    made = (
        (credit_code(number), f"示例公司{number}", *stated, codes[number % len(codes)], *contact) for number in range(first, first + ROWS)
    )
    return [tuple(COLUMNS), *made]


def comma_separated(rows: list[tuple[str, ...]]) -> bytes:
    """Write the rows as CSV."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


@contextmanager
def award() -> Iterator[rig.Award]:
    """Run a product of its own until the block ends."""
    with tempfile.TemporaryDirectory() as folder, postgres.running(Path(folder) / "postgresql") as server:
        kept = kept_secrets(Path(folder))
        migrated(server, TEMPLATE, kept)
        with rig.running(server, TEMPLATE, kept, Path(folder) / "product") as running:
            yield running


def rows() -> list[Row]:
    """Measure a dry run, then the import, of a workbook and of CSV; the reference is the time allowed."""
    files = {"XLSX": workbook(organisations(1)), "CSV": comma_separated(organisations(ROWS + 1))}
    found = []
    with award() as product:
        office = product.client("committee", "office-bench", duties=["office"])
        for kind, content in files.items():
            for dry_run in ("true", "false"):
                started = perf_counter()
                answer = office.post(
                    "/organisations/imports", content=content, params={"dry_run": dry_run}, headers={"content-type": "text/csv"}, timeout=60
                )
                ours = perf_counter() - started
                if not answer.is_success or answer.json()["added"] != ROWS:
                    raise RuntimeError(answer.text[:500])
                what = "try" if dry_run == "true" else "import"
                found.append(Row(f"{what} {ROWS:,} organisations from {kind}; 10 s", ours, ALLOWED_SECONDS, 1))
    return found
