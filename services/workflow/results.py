"""The published results, as platform clients pull them: whole, as CSV, and change by change without ever missing one."""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from fastapi.responses import StreamingResponse
from sqlalchemy import func, select, text

from kernel.identity import Anyone, Platform
from kernel.requests import Cursor, InTransaction, Limit, Transaction, paginate
from kernel.service import router
from kernel.wire import Answer, Page
from regulation import edition
from regulation.honour import award_title
from regulation.refusal import Language
from services.workflow.tables import Award, ResultChange

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for a formula at the start of a cell."""
BATCH = 500


class Result(Answer):
    """A published award; `title` calls it with its year, `prize` is whole yuan, `status` is published or revoked (then by what)."""

    id: UUID
    organisation: str
    credit_code: str
    award: str
    title: str
    year: int
    prize: int
    status: str
    certificate: str | None
    plaque: str | None = None
    document_number: str
    approved_on: date
    published_on: date | None
    revoked_on: date | None = None
    revocation_clause: str | None = None
    revocation_document: str | None = None


class Change(Answer):
    """One change: the result whole, as it stood from then on."""

    position: int
    kind: str
    at: datetime
    result: Result


class Changes(Answer):
    """Changes in the order of their commits; ask again with `since` set to `next_since`."""

    items: list[Change]
    next_since: int


def title_of(award: Award, language: Language = "zh") -> str:
    """Call an award, always with its year (7.4)."""
    named_by = edition.load(award.edition)
    return award_title(award.award, award.year, language, named_by.parameters(max(award.approved_on, named_by.in_force_on)))


def result_of(award: Award) -> Result:
    """Give an award as the public and platform clients see it; its title is Chinese."""
    return Result(
        id=award.id,
        organisation=award.organisation,
        credit_code=award.credit_code,
        award=award.award,
        title=title_of(award),
        year=award.year,
        prize=award.prize,
        status=award.state,
        certificate=award.certificate,
        plaque=award.plaque,
        document_number=award.document_number,
        approved_on=award.approved_on,
        published_on=award.published_on,
        revoked_on=award.revoked_on,
        revocation_clause=award.revocation_clause,
        revocation_document=award.revocation_document,
    )


def lock_results(transaction: Transaction) -> None:
    """Let one transaction at a time change the results, until it commits: so positions follow the order of the commits."""
    transaction.session.execute(text("select pg_advisory_xact_lock(hashtext(current_schema() || '.result_change'))"))


def record_change(transaction: Transaction, award: Award, kind: str) -> None:
    """Append a change of a published result; call `lock_results` first."""
    newest = transaction.session.scalar(select(func.coalesce(func.max(ResultChange.position), 0))) or 0
    result = result_of(award).model_dump(mode="json")
    transaction.session.add(ResultChange(position=newest + 1, award_id=award.id, kind=kind, at=transaction.now, result=result))
    transaction.session.flush()


def guard(cell: object) -> object:
    """Keep a spreadsheet from running a text as a formula: a leading apostrophe; numbers stay numbers."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def csv_rows(columns: Sequence[str], results: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Write results as CSV (RFC 4180), row by row."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for result in results:
        writer.writerow([guard(result[column]) for column in columns])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


routes = router("results")


@routes.get("/results", operation_id="list_results")
def list_results(
    _platform: Platform,
    transaction: InTransaction,
    year: Annotated[int | None, Query(ge=1990, le=9999)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Result]:
    """List the published results."""
    statement = select(Award).where(Award.state != "proposed")
    if year is not None:
        statement = statement.where(Award.year == year)
    found, following = paginate(transaction.session, statement, Award.id, cursor, limit)
    return Page(items=[result_of(award) for award in found], next_cursor=following)


@routes.get("/public/awards", operation_id="list_public_awards")
def list_public_awards(_anyone: Anyone, transaction: InTransaction, limit: Limit = 50, cursor: Cursor = None) -> Page[Result]:
    """Read every published award, no account needed; a revoked one says so."""
    found, following = paginate(transaction.session, select(Award).where(Award.state != "proposed"), Award.id, cursor, limit)
    return Page(items=[result_of(award) for award in found], next_cursor=following)


@routes.get("/results/changes", operation_id="list_result_changes")
def list_result_changes(
    _platform: Platform, transaction: InTransaction, since: Annotated[int, Query(ge=0)] = 0, limit: Limit = 50
) -> Changes:
    """Follow what changed after a position; one that asks again with `next_since` misses nothing."""
    found = transaction.session.scalars(
        select(ResultChange).where(ResultChange.position > since).order_by(ResultChange.position).limit(limit)
    ).all()
    return Changes(items=[Change.model_validate(change) for change in found], next_since=found[-1].position if found else since)


@routes.get("/results.csv", operation_id="export_results_csv", response_class=StreamingResponse)
def export_csv(_platform: Platform, transaction: InTransaction) -> StreamingResponse:
    """Stream the published results as CSV; the memory used does not grow with the rows."""
    sessions = transaction.service.sessions

    def results() -> Iterator[dict[str, Any]]:
        with sessions() as session:
            statement = select(Award).where(Award.state != "proposed").order_by(Award.id).execution_options(yield_per=BATCH)
            for award in session.scalars(statement):
                yield result_of(award).model_dump(mode="json")

    return StreamingResponse(csv_rows(list(Result.model_fields), results()), media_type="text/csv; charset=utf-8")
