"""The published results, as platform clients pull them: page by page, and change by change without ever missing one."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import computed_field
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from kernel.identity import Anyone, Platform
from kernel.problems import Kind, Problem
from kernel.requests import Cursor, InTransaction, Limit, Transaction, paginate
from kernel.service import router
from kernel.wire import Answer, Page
from regulation import edition
from regulation.honour import award_title
from regulation.refusal import Language
from services.workflow.tables import Award, ResultChange

CURSOR_AHEAD = Kind(
    409,
    "cursor_ahead",
    "没有这个位置：最新变更为 {newest}，请从 0 重新同步",
    "There is no such position: the newest change is {newest}; begin again from 0",
)


SHARED = "public, max-age=0, s-maxage=1, stale-while-revalidate=1"
"""What caches may do with what everybody reads: the edge, which counts whole seconds, is three behind at most; a browser asks each time."""


class Result(Answer):
    """A published award.

    `key` (credit code, award and year) never changes; `title` calls it with its year, `rank` stands where the document ranks the
    winners, `prize` is whole yuan, `status` is published or revoked (then by what).
    """

    id: UUID
    organisation: str
    credit_code: str
    award: str
    title: str
    year: int
    rank: int | None = None
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

    @computed_field  # type: ignore[prop-decorator]  # Pydantic's own way to write it
    @property
    def key(self) -> str:
        """Give what an organisation's award of a year keeps through every change."""
        return f"{self.credit_code}/{self.award}/{self.year}"


class Change(Answer):
    """One change (published, imported, corrected, revoked): the result whole, as it stood from then on, with its stable key."""

    position: int
    kind: str
    at: datetime
    result: Result

    @computed_field  # type: ignore[prop-decorator]  # Pydantic's own way to write it
    @property
    def key(self) -> str:
        """Give the result's stable key."""
        return self.result.key


class Changes(Answer):
    """Changes in the order of their commits; ask again with `since` set to `next_since`."""

    items: list[Change]
    next_since: int
    has_more: bool


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
        title=award.title or title_of(award),
        year=award.year,
        rank=award.rank,
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


def newest_position(session: Session) -> int:
    """Give the position of the newest change; 0 before the first."""
    return session.scalar(select(func.coalesce(func.max(ResultChange.position), 0))) or 0


def record_change(transaction: Transaction, award: Award, kind: str) -> None:
    """Append a change of a published result; call `lock_results` first."""
    award.title = title_of(award)
    result = result_of(award).model_dump(mode="json", exclude_computed_fields=True)
    position = newest_position(transaction.session) + 1
    transaction.session.add(ResultChange(position=position, award_id=award.id, kind=kind, at=transaction.now, result=result))
    transaction.session.flush()


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
def list_public_awards(
    _anyone: Anyone, transaction: InTransaction, response: Response, limit: Limit = 50, cursor: Cursor = None
) -> Page[Result]:
    """Read every published award, no account needed; a revoked one says so. The edge may be three seconds behind."""
    response.headers["cache-control"] = SHARED
    found, following = paginate(transaction.session, select(Award).where(Award.state != "proposed"), Award.id, cursor, limit)
    return Page(items=[result_of(award) for award in found], next_cursor=following)


@routes.get("/results/changes", operation_id="list_result_changes")
def list_result_changes(
    _platform: Platform, transaction: InTransaction, since: Annotated[int, Query(ge=0, le=2**62)] = 0, limit: Limit = 50
) -> Changes:
    """Follow what changed after a position; who asks again with `next_since` misses nothing and gets nothing twice.

    A position that was never given is refused: the database was restored from before it, and the client must begin anew.
    """
    statement = select(ResultChange).where(ResultChange.position > since).order_by(ResultChange.position).limit(limit + 1)
    found = transaction.session.scalars(statement).all()
    if not found and since > newest_position(transaction.session):
        raise Problem(CURSOR_AHEAD, newest=newest_position(transaction.session))
    items = [Change.model_validate(change) for change in found[:limit]]
    return Changes(items=items, next_since=items[-1].position if items else since, has_more=len(found) > limit)
