"""Awards won before this system was in use, loaded all or none: they count for later prizes (6.1)."""

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import ConfigDict, Field
from sqlalchemy import select, tuple_

from kernel.identity import Office
from kernel.problems import INVALID, Problem, language_of
from kernel.requests import DryRun, InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer, Body, Day, Line, Name, Yuan
from regulation import edition
from regulation.calendar import day
from regulation.edition import Parameters
from regulation.identifiers import check_credit_code
from regulation.refusal import Language, Refusal
from services.workflow.award import AwardAnswer, show_award, tell_honour
from services.workflow.results import lock_results, record_change
from services.workflow.tables import Award, Cycle


class ImportedAward(Body):
    """An award won before this system was in use; it counts for later prizes (6.1)."""

    credit_code: Annotated[str, Line(18)]
    organisation: Name
    award: Annotated[str, Line(64)]
    year: int = Field(ge=1990, le=9999)
    prize: Yuan
    document_number: Name
    approved_on: Day
    certificate: Name | None = None
    rank: int | None = Field(default=None, ge=1, le=1000)


class AwardImport(Body):
    """Earlier winners, loaded all or none."""

    awards: list[ImportedAward] = Field(min_length=1, max_length=1000)

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "awards": [
                        {
                            "credit_code": "91330703MA00000900",
                            "organisation": "金东某机械有限公司",
                            "award": "innovation",
                            "year": 2023,
                            "prize": 150000,
                            "document_number": "金东政发〔2023〕18号",
                            "approved_on": "2023-10-12",
                        }
                    ]
                }
            ]
        }
    )


class Imported(Answer):
    """How many awards were imported."""

    imported: int
    awards: list[AwardAnswer]


def import_awards(transaction: Transaction, imported: AwardImport) -> Sequence[Award]:
    """Load earlier winners, all or none; every row that can't be loaded is named with the reason."""
    lock_results(transaction)
    name = transaction.service.settings.edition
    p = edition.load(name).parameters(day(transaction.now))
    check_rows(transaction, imported.awards, p)
    awards = [
        Award(**row.model_dump(), edition=name, state="published", earlier=[], published_on=row.approved_on, version=1)
        for row in imported.awards
    ]
    transaction.session.add_all(awards)
    transaction.session.flush()
    for award in awards:
        record_change(transaction, award, "imported")
        tell_honour(transaction, award)
        transaction.record("award.imported", f"award:{award.id}", clause="6.1", facts={"award": award.award, "year": award.year})
    return awards


def check_rows(transaction: Transaction, rows: Sequence[ImportedAward], p: Parameters) -> None:
    """Name each row with a wrong code, an unknown award, a date ahead, a year held here, or what is there already; 422 where any is."""
    session, language = transaction.session, language_of(transaction.request)
    keys = [(row.credit_code, row.award, row.year) for row in rows]
    same = tuple_(Award.credit_code, Award.award, Award.year).in_(keys)
    there = {tuple(found) for found in session.execute(select(Award.credit_code, Award.award, Award.year).where(same))}
    numbers = [row.certificate for row in rows if row.certificate]
    used = set(session.scalars(select(Award.certificate).where(Award.certificate.in_(numbers))))
    held = set(session.scalars(select(Cycle.year).where(Cycle.phase != "cancelled")))
    errors: list[dict[str, str]] = []
    for index, (row, key) in enumerate(zip(rows, keys, strict=True)):
        wrong = dict(row_refusals(row, p, language))
        if row.approved_on > day(transaction.now):
            wrong["approved_on"] = "yet to come" if language == "en" else "日期晚于今天"
        if row.year in held or row.year > row.approved_on.year:
            wrong["year"] = "no earlier year" if language == "en" else "不是以往年度"
        if key in there:
            wrong["year"] = "this award is there already" if language == "en" else "该获奖记录已存在"
        if row.certificate in used:
            wrong["certificate"] = "this number is taken" if language == "en" else "证书编号已被使用"
        there.add(key)
        used |= {row.certificate} - {None}
        errors += [{"pointer": f"/body/awards/{index}/{member}", "detail": detail} for member, detail in wrong.items()]
    if errors:
        raise Problem(INVALID, errors=errors)


def row_refusals(row: ImportedAward, p: Parameters, language: Language) -> Iterator[tuple[str, str]]:
    """Give what the regulation refuses in a row, by member."""
    for member, check in (("credit_code", lambda: check_credit_code(row.credit_code)), ("award", lambda: p.award(row.award))):
        try:
            check()
        except Refusal as refusal:
            yield member, refusal.sentence(language)


routes = router("award")


@routes.post("/awards/imports", operation_id="import_awards", status_code=201)
def post_imports(imported: AwardImport, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> Imported:
    """Import the winners of earlier years, all or none; 422 names each row that can't be loaded (6.1)."""
    awards = import_awards(transaction, imported)
    return Imported(imported=len(awards), awards=[show_award(transaction, award) for award in awards])
