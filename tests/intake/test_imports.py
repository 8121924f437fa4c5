"""Organisations loaded from a table: all rows or none, and what is wrong row by row."""

import csv
import io
import zipfile
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from tests.intake.applicants import TOWN, Intake, absent, credit_code
from tests.intake.workbook import workbook
from tests.rig import Award
from tests.workflow.committee import ok

ENGLISH = (
    "credit_code", "name", "legal_form", "township", "address", "registered_on", "in_district_since", "industry", "size", "contact",
    "telephone",
)  # fmt: skip
CHINESE = (
    "统一社会信用代码", "组织名称", "组织形式", "所在镇街", "注册地址", "登记日期", "迁入日期", "行业代码", "规模", "联系人", "联系电话"
)  # fmt: skip
GOOD = ("", "示例公司", "legal_person", TOWN, "示例路1号", "2015-04-01", "2016-05-01", "C3421", "small", "方志远", "0579-82190000")


@pytest.fixture(scope="module")
def intake(award: Award) -> Intake:
    return Intake(award)


def row(number: int, **given: str) -> list[str]:
    stated = dict(zip(ENGLISH, GOOD, strict=True)) | {"credit_code": credit_code(number), "name": f"示例公司{number}"} | given
    return list(stated.values())


def comma_separated(rows: Sequence[Sequence[str]], encoding: str = "utf-8-sig") -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(encoding)


def load(intake: Intake, content: bytes, media_type: str = "text/csv", *, dry_run: bool = False) -> httpx.Response:
    params, headers = {"dry_run": str(dry_run).lower()}, {"content-type": media_type}
    return intake.office.post("/organisations/imports", content=content, params=params, headers=headers)


def told(answer: dict[str, Any]) -> list[tuple[int, str | None, str, str | None]]:
    return [(one["row"], one["column"], one["code"], one["clause"]) for one in answer["errors"]]


def test_a_dry_run_tells_every_wrong_row_and_loads_nothing(intake: Intake) -> None:
    rows = [
        list(ENGLISH), row(801), row(802, legal_form="branch"), row(803, township="330702001"), row(804, industry="C9999"),
        row(805, registered_on="2015-02-30", in_district_since=""), row(806, telephone=""), row(801), ["91330703MA00000901", *row(1)[1:]],
    ]  # fmt: skip
    content = comma_separated(rows)
    tried = ok(load(intake, content, dry_run=True))
    assert told(tried) == [
        (3, None, "no_legal_person_branch", "3.1"),
        (4, None, "outside_district", "3.1"),
        (5, None, "industry_section", "3.1"),
        (6, "registered_on", "invalid", None),
        (6, "in_district_since", "invalid", None),
        (7, "contacts.0.telephone", "invalid", None),
        (8, "credit_code", "twice", None),
        (9, None, "credit_code_check_character", "3.1"),
    ]
    assert (tried["rows"], tried["errors_in_all"]) == (8, 8)
    loaded = load(intake, content)
    assert (loaded.status_code, loaded.json()["code"], len(loaded.json()["errors"])) == (422, "import_refused", 8)
    absent(intake.office.get(f"/organisations/{credit_code(801)}"))


@pytest.mark.parametrize(
    ("first", "content", "media_type"),
    [
        (811, lambda rows: comma_separated([CHINESE, *rows]), "text/csv"),
        (821, lambda rows: comma_separated([CHINESE, *rows], "gb18030"), "text/csv"),
        (831, lambda rows: workbook([CHINESE, *rows]), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ],
)
def test_a_right_table_is_loaded_whatever_its_format(intake: Intake, first: int, content: Any, media_type: str) -> None:  # noqa: ANN401 - a lambda
    table = content([row(first, legal_form="法人", size="微型", township="孝顺镇人民政府"), row(first + 1, in_district_since="")])
    assert ok(load(intake, table, media_type, dry_run=True))["added"] == 2
    absent(intake.office.get(f"/organisations/{credit_code(first)}"))
    done = ok(load(intake, table, media_type))
    assert (done["added"], done["already_there"], done["errors"]) == (2, 0, [])
    kept = ok(intake.office.get(f"/organisations/{credit_code(first)}"))
    assert (kept["name"], kept["legal_form"], kept["size"], kept["township"]) == (f"示例公司{first}", "legal_person", "micro", TOWN)
    assert ok(intake.office.get(f"/organisations/{credit_code(first + 1)}"))["in_district_since"] == "2015-04-01"


def test_what_an_organisation_stated_itself_stays(intake: Intake) -> None:
    ok(load(intake, comma_separated([ENGLISH, row(841)])))
    again = ok(load(intake, comma_separated([ENGLISH, row(841, name="新名称"), row(842)])))
    assert (again["added"], again["already_there"]) == (1, 1)
    assert ok(intake.office.get(f"/organisations/{credit_code(841)}"))["name"] == "示例公司841"


def test_an_imported_organisation_is_its_own_people_s_to_restate(intake: Intake) -> None:
    ok(load(intake, comma_separated([ENGLISH, row(843)])))
    applicant = intake.award.client("applicant", org=credit_code(843))
    path = f"/organisations/{credit_code(843)}"
    stated = {name: value for name, value in ok(applicant.get(path)).items() if name not in {"credit_code", "version", "actions"}}
    assert ok(applicant.put(path, json=stated | {"size": "large"}, headers={"If-Match": '"1"'}))["version"] == 2


def test_a_heading_row_has_the_columns_and_no_others(intake: Intake) -> None:
    wrong = ok(load(intake, comma_separated([("credit_code", "name", "colour"), (credit_code(851), "甲", "红")]), dry_run=True))
    assert (1, "colour", "column_unknown", None) in told(wrong)
    assert (1, "行业代码", "column_missing", None) in told(wrong)


def bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("xl/workbook.xml", b"0" * (201 * 1024 * 1024))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"credit_code,name\n", 400),
        (b"credit_code,credit_code\n1,2\n", 400),
        (b'credit_code\n"91', 400),
        (b"\xff\xfe\x00\xff", 400),
        (b"PK\x03\x04 no workbook", 400),
        (workbook([]), 400),
        (bomb(), 413),
        (b"a,b\n" + b"1,2\n" * 20_001, 413),
        (b"0" * (10 * 1024 * 1024 + 1), 413),
    ],
    ids=["empty", "heading alone", "column twice", "quote open", "no text", "no workbook", "empty sheet", "bomb", "rows", "bytes"],
)
def test_what_is_no_table_is_refused(intake: Intake, content: bytes, status: int) -> None:
    assert load(intake, content, dry_run=True).status_code == status


def test_only_the_office_imports(intake: Intake) -> None:
    for stranger in (
        intake.town,
        intake.award.client("applicant", org=credit_code(1)),
        intake.award.client("committee", duties=["member"]),
    ):
        assert stranger.post("/organisations/imports", content=b"a\n1", headers={"content-type": "text/csv"}).status_code == 403
