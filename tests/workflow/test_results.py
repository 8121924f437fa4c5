"""What platform clients pull: changes in the order of their commits, files that spreadsheets can't run, manifests that can't be forged."""

import base64
import csv
import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pyarrow.parquet as pq
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from embedded.caller import Caller
from tests.intake.applicants import credit_code
from tests.rig import Award
from tests.workflow.committee import ok

NUMBERS = count(5000)
FORMULAS = ("=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)")


@pytest.fixture(scope="module")
def office(award: Award) -> Caller:
    award.at("2026-11-20T09:00:00+08:00")
    return award.client("committee", "office-1", duties=["office"])


@pytest.fixture
def platform(award: Award) -> Caller:
    return award.client(scope="results:read", person="platform-1")


def imported(office: Caller, organisation: str = "金东某公司", **given: object) -> str:
    row = {
        "credit_code": credit_code(next(NUMBERS)), "organisation": organisation, "award": "innovation", "year": 2023, "prize": 150000,
        "document_number": "金东政发〔2023〕18号", "approved_on": "2023-10-12",
    }  # fmt: skip
    made: str = ok(office.post("/awards/imports", json={"awards": [row | given]}))["awards"][0]["id"]
    return made


def followed(platform: Caller, since: int, limit: int = 3) -> Iterator[dict[str, Any]]:
    """Follow the changes page by page, as a client does, until there are none."""
    while items := ok(platform.get("/results/changes", params={"since": since, "limit": limit}))["items"]:
        yield from items
        since = items[-1]["position"]


def verified(note: str, verifier_key: str) -> list[str]:
    """Verify a C2SP signed note as an outsider would; gives its lines."""
    name, _, key = verifier_key.split("+", 2)
    text, _, signatures = note.rpartition("\n\n")
    mark, signer, signature = signatures.strip().split(" ")
    assert (mark, signer) == ("—", name)
    Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:]).verify(base64.b64decode(signature)[4:], (text + "\n").encode())
    return text.splitlines()


def test_a_client_that_follows_while_eight_write_misses_no_change_and_gets_none_twice(office: Caller, award: Award) -> None:
    platform = award.client(scope="results:read", person="platform-2")
    since = ok(platform.get("/results/changes", params={"limit": 200}))["next_since"]
    writers = [award.client("committee", f"office-{number}", duties=["office"]) for number in range(8)]

    def write(writer: Caller) -> list[str]:
        made = [imported(writer) for _ in range(3)]
        ok(writer.post(f"/awards/{made[0]}/corrections", json={"organisation": "改名公司", "reasons": "误字"}))
        return made

    got: list[dict[str, Any]] = []
    with ThreadPoolExecutor(8) as pool:
        writing = [pool.submit(write, writer) for writer in writers]
        while not all(one.done() for one in writing):
            got += followed(platform, got[-1]["position"] if got else since)
        made = {award_id for one in writing for award_id in one.result()}
    got += followed(platform, got[-1]["position"] if got else since)
    positions = [one["position"] for one in got]
    assert positions == list(range(since + 1, since + 1 + 32))
    assert {one["result"]["id"] for one in got} == made
    assert [one["kind"] for one in got].count("corrected") == 8
    assert office.get("/awards", params={"limit": 1}).status_code == 200


def test_a_correction_is_a_change_under_the_same_key_and_never_of_what_the_government_decided(office: Caller, platform: Caller) -> None:
    held = imported(office)
    before = ok(platform.get("/results/changes", params={"limit": 200}))["next_since"]
    body = {"organisation": "金东某股份有限公司", "rank": 2, "reasons": "公布名单有误字"}
    assert ok(office.post(f"/awards/{held}/corrections", json=body))["organisation"] == "金东某股份有限公司"
    assert office.post(f"/awards/{held}/corrections", json={"prize": 1, "reasons": "x"}).status_code == 422
    assert office.post(f"/awards/{held}/corrections", json={"reasons": "x"}).status_code == 422
    change = next(followed(platform, before))
    assert (change["kind"], change["key"], change["result"]["rank"]) == ("corrected", change["result"]["key"], 2)
    listed = [one for one in ok(platform.get("/results", params={"limit": 200}))["items"] if one["key"] == change["key"]]
    assert [one["organisation"] for one in listed] == ["金东某股份有限公司"]


def test_a_position_that_was_never_given_is_refused(office: Caller, platform: Caller) -> None:
    imported(office)
    newest = ok(platform.get("/results/changes", params={"limit": 200}))["next_since"]
    assert ok(platform.get("/results/changes", params={"since": newest}))["items"] == []
    assert platform.get("/results/changes", params={"since": newest + 1}).json()["code"] == "cursor_ahead"
    assert platform.get("/results/changes", params={"since": 2**63}).status_code == 422


def test_no_cell_of_the_csv_runs_as_a_formula_and_a_byte_order_mark_is_an_option(office: Caller, platform: Caller) -> None:
    for text in FORMULAS:
        imported(office, text, certificate=f"{text}{next(NUMBERS)}", document_number=text)
    answer = platform.get("/results.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8"), newline="")))
    assert {f"'{text}" for text in FORMULAS} <= {row["organisation"] for row in rows}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(tuple("=+-@\t\r"))]
    assert {row["prize"] for row in rows} == {"150000"}
    assert {len(row["key"].split("/")) for row in rows} == {3}
    marked = platform.get("/results.csv", params={"bom": "true"}).content
    assert marked == b"\xef\xbb\xbf" + answer.content


def test_parquet_holds_the_same_rows_with_their_types_and_the_texts_as_they_are(office: Caller, platform: Caller) -> None:
    imported(office, FORMULAS[0])
    content = platform.get("/results.parquet").content
    table = pq.read_table(io.BytesIO(content)).to_pylist()
    lines = list(csv.DictReader(io.StringIO(platform.get("/results.csv").text, newline="")))
    assert [row["key"] for row in table] == [row["key"] for row in lines]
    assert {type(row["prize"]) for row in table} == {int}
    assert FORMULAS[0] in {row["organisation"] for row in table}
    assert {row["approved_on"].isoformat() for row in table} == {"2023-10-12"}


def test_a_manifest_proves_a_file_and_a_forged_one_is_found(office: Caller, platform: Caller, award: Award) -> None:
    imported(office)
    key = award.client().get("/record/workflow/key").text
    for wanted in ("csv", "parquet"):
        file = platform.get(f"/results.{wanted}")
        manifest = ok(platform.get("/results/manifest", params={"format": wanted}))
        assert (file.headers["results-position"], file.headers["results-rows"]) == (str(manifest["position"]), str(manifest["rows"]))
        lines = verified(manifest["note"], key)
        assert lines[:2] == ["quality-award results manifest v1", wanted]
        assert f"sha256 {hashlib.sha256(file.content).hexdigest()}" in lines
        assert f"rows {manifest['rows']}" in lines
    with pytest.raises(InvalidSignature):
        verified(manifest["note"].replace("rows ", "rows 1"), key)
    assert lines[0] != award.client().get("/record/workflow/checkpoint").text.splitlines()[0]


def test_a_client_has_one_export_at_a_time(office: Caller, platform: Caller, award: Award) -> None:
    imported(office)
    engine = award.database("workflow")
    with engine.begin() as held:
        lock = "select pg_advisory_xact_lock(hashtext(current_schema() || '.export'), hashtext('platform-1'))"
        held.exec_driver_sql(lock)
        assert platform.get("/results.csv").json()["code"] == "too_many_requests"
        assert award.client(scope="results:read", person="platform-3").get("/results.csv").status_code == 200
    engine.dispose()
    assert platform.get("/results.csv").status_code == 200


def test_the_public_page_may_be_kept_for_seconds_and_nothing_else_is(office: Caller, award: Award) -> None:
    imported(office)
    with award.client() as anyone:
        page = anyone.get("/public/awards")
        assert page.headers["cache-control"] == "public, max-age=0, s-maxage=1, stale-while-revalidate=1"
        again = anyone.get("/public/awards", headers={"If-None-Match": page.headers["etag"]})
        assert (again.status_code, again.headers["cache-control"]) == (304, page.headers["cache-control"])
        assert anyone.get("/public/awards", params={"limit": 0}).headers["cache-control"] == "no-store"
        assert anyone.get("/public/notices").headers["cache-control"] == "no-store"
    assert office.get("/awards").headers["cache-control"] == "no-store"
