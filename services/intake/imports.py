"""Imports: the office loads organisations from a table, all rows or none (3.1)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, get_args

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from kernel.identity import Office
from kernel.problems import Kind, Problem, language_of
from kernel.requests import DryRun, InTransaction, Transaction
from kernel.service import router
from kernel.table import SentTable, Table
from kernel.wire import Answer
from regulation.eligibility import LegalForm
from regulation.endorsement import bodies
from regulation.refusal import Refusal
from services.intake.organisation import OrganisationBody, Size, check_stated, rules_now
from services.intake.tables import Organisation

IMPORT_REFUSED = Kind(422, "import_refused", "有 {count} 处错误，未导入任何一行", "{count} errors: not one row was loaded")
COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "credit_code": "统一社会信用代码",
        "name": "组织名称",
        "legal_form": "组织形式",
        "township": "所在镇街",
        "address": "注册地址",
        "registered_on": "登记日期",
        "in_district_since": "迁入日期",
        "industry": "行业代码",
        "size": "规模",
        "contact": "联系人",
        "telephone": "联系电话",
    }
)
"""The columns, by either name."""
OPTIONAL = frozenset({"in_district_since"})
FORMS: Mapping[str, str] = MappingProxyType(dict(zip(("法人", "分支机构", "个体工商户"), get_args(LegalForm), strict=True)))
SIZES: Mapping[str, str] = MappingProxyType(dict(zip(("大型", "中型", "小型", "微型"), get_args(Size), strict=True)))
MOST_ERRORS = 1000
WRITTEN_AT_ONCE = 1000


class RowError(Answer):
    """What is wrong with a row of the file: the column where one is to blame, and the rule's clause where a rule refused."""

    row: int
    column: str | None
    code: str
    detail: str
    clause: str | None = None


class Imported(Answer):
    """What an import does, or in a dry run would do: organisations that are there already stay as they state themselves."""

    rows: int
    added: int
    already_there: int
    errors: list[RowError]
    errors_in_all: int


def _columns(table: Table) -> dict[str, str]:
    """Tell under which heading of the file each column stands."""
    by_name = {heading: column for column, heading in COLUMNS.items()} | {column: column for column in COLUMNS}
    return {by_name[heading]: heading for heading in table.columns if heading in by_name}


def _heading_errors(table: Table, headings: Mapping[str, str]) -> list[RowError]:
    known = set(headings.values())
    unknown = [
        RowError(row=1, column=heading, code="column_unknown", detail=heading) for heading in table.columns if heading not in known | {""}
    ]
    lacking = COLUMNS.keys() - headings.keys() - OPTIONAL
    return unknown + [RowError(row=1, column=COLUMNS[column], code="column_missing", detail=COLUMNS[column]) for column in sorted(lacking)]


def _stated(cells: Mapping[str, str], townships: Mapping[str, str]) -> dict[str, Any]:
    """Give a row as an organisation states itself; a code may stand for its Chinese name."""
    given: dict[str, Any] = dict(cells)
    given["legal_form"] = FORMS.get(given.get("legal_form", ""), given.get("legal_form"))
    given["size"] = SIZES.get(given.get("size", ""), given.get("size"))
    given["township"] = townships.get(given.get("township", ""), given.get("township"))
    given.setdefault("in_district_since", given.get("registered_on"))
    given["contacts"] = [{"name": given.pop("contact", None), "telephone": given.pop("telephone", None)}]
    del given["credit_code"]
    return given


def _judge(transaction: Transaction, table: Table, headings: Mapping[str, str]) -> tuple[dict[str, dict[str, Any]], list[RowError]]:
    """Hold every row against the form and the rules; gives the good rows by credit code, and everything that is wrong."""
    language = language_of(transaction.request)
    p, district = rules_now(transaction)
    townships = {body.zh: body.code for body in bodies(transaction.service.settings.edition).values() if body.kind != "department"}
    good: dict[str, dict[str, Any]] = {}
    errors: list[RowError] = []
    for number, by_heading in table.rows:
        cells = {column: by_heading[heading] for column, heading in headings.items() if heading in by_heading}
        code = cells.get("credit_code", "")
        if code in good:
            errors.append(RowError(row=number, column="credit_code", code="twice", detail=code))
            continue
        try:
            stated = OrganisationBody.model_validate(_stated(cells | {"credit_code": code}, townships))
            check_stated(code, stated, p, district)
        except ValidationError as invalid:
            errors += (
                RowError(row=number, column=".".join(map(str, error["loc"])), code="invalid", detail=error["msg"])
                for error in invalid.errors(include_url=False, include_input=False)
            )
        except Refusal as refusal:
            clause, detail = refusal.clause, refusal.sentence(language)
            errors.append(RowError(row=number, column=None, code=refusal.code, detail=detail, clause=clause))
        else:
            good[code] = stated.model_dump()
    return good, errors


def import_organisations(transaction: Transaction, table: Table) -> Imported:
    """Load the organisations of a table: every row that is new, or nothing where any row is wrong.

    Clause 3.1.
    """
    headings = _columns(table)
    good: dict[str, dict[str, Any]] = {}
    errors = _heading_errors(table, headings)
    if not errors:
        good, errors = _judge(transaction, table, headings)
    if errors and not transaction.dry_run:
        listed = [{"pointer": f"/{one.row}/{one.column or ''}", "detail": one.detail, "code": one.code} for one in errors[:MOST_ERRORS]]
        raise Problem(IMPORT_REFUSED, errors=listed, count=len(errors))
    session = transaction.session
    there = set(session.scalars(select(Organisation.credit_code).where(Organisation.credit_code.in_(good))))
    new = [{"credit_code": code, "version": 1} | content for code, content in good.items() if code not in there]
    if not errors:
        for start in range(0, len(new), WRITTEN_AT_ONCE):
            session.execute(insert(Organisation).on_conflict_do_nothing(), new[start : start + WRITTEN_AT_ONCE])
        facts = {"file": table.sha256.hex(), "added": [row["credit_code"] for row in new]}
        transaction.record("organisations.imported", f"import:{table.sha256.hex()}", clause="3.1", facts=facts)
    return Imported(rows=len(table.rows), added=len(new), already_there=len(there), errors=errors[:MOST_ERRORS], errors_in_all=len(errors))


routes = router("organisation")
TABLE = {"schema": {"type": "string", "format": "binary"}}


@routes.post(
    "/organisations/imports",
    operation_id="import_organisations",
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": f"columns, by either name: {', '.join(f'{column} ({heading})' for column, heading in COLUMNS.items())}",
            "content": {"text/csv": TABLE, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": TABLE},
        }
    },
)
def post_import(_office: Office, table: SentTable, transaction: InTransaction, _dry_run: DryRun) -> Imported:
    """Load organisations from XLSX or CSV, all or none; `dry_run` first tells what is wrong, row by row (3.1)."""
    return import_organisations(transaction, table)
