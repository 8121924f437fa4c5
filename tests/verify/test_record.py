"""The record before an outsider who kept a checkpoint: whatever its owner does to the table, and signs anew, is found offline."""

import zipfile
from collections.abc import Iterator
from io import BytesIO

import pytest
from sqlalchemy import Connection, text

from embedded.caller import Caller
from embedded.product import Secrets
from kernel.record import document
from tests.rig import Award
from tests.verify import forgery
from tests.verify.forgery import Documents
from tests.verify.taking import Witness
from verifier import archive, record
from verifier.finding import Report

YEARS = range(2051, 2057)
COPY = """create temp table copy on commit drop as
select leaf.index, event.* from event join leaf on leaf.event_id = event.id"""
TAMPERING = {
    "a change": "update copy set facts = facts || '{\"year\": 1999}' where index = 2",
    "another actor": "update copy set actor = 'somebody-else' where index = 2",
    "a deletion": "delete from copy where index = 2",
    "a reorder": "update copy set index = 5 - index where index in (2, 3)",
    "a truncation": "delete from copy where index >= 3",
}


@pytest.fixture(scope="module")
def anyone(award: Award) -> Iterator[Caller]:
    """Anyone, once six cycles were opened."""
    with award.client("committee", "clerk", duties=("office",)) as office, award.client() as caller:
        for year in YEARS:
            assert office.post("/cycles", json={"year": year}).status_code == 201
        while len(caller.get("/record/workflow/leaves").text.split()) < len(YEARS):
            pass
        yield caller


def read(connection: Connection, seed: str) -> Documents:
    """Read the copy as the platform would show it: everything hashed, proven and signed anew."""
    rows = connection.execute(text("select * from copy order by index, recorded_at")).all()
    entries = [{"index": place, "event": document(row), "proof": []} for place, row in enumerate(rows)]
    documents: Documents = {"record-workflow": {"leaves": ["00" * 32] * len(entries), "events": entries}}
    forgery.resigned(documents, "workflow", seed)
    return documents


def judged(documents: Documents, checkpoint: str, leaves: str) -> Report:
    """Check a record by itself, and against what was kept."""
    report = Report()
    records = {"workflow": documents["record-workflow"]}
    record.check("workflow", documents["record-workflow"], report)
    assert report.findings == []  # by itself it is flawless: the platform has signed it
    record.check_kept([checkpoint], records, report)
    record.check_leaves([leaves], records, report)
    return report


@pytest.mark.parametrize("how", [None, "a change", "another actor", "a deletion", "a reorder", "a truncation"])
def test_tampering_with_the_table_is_found_against_a_kept_checkpoint_and_named_by_the_kept_leaves(
    how: str | None, award: Award, kept: Secrets, anyone: Caller
) -> None:
    checkpoint = anyone.get("/record/workflow/checkpoint").text
    leaves = "quality-award/workflow\n" + anyone.get("/record/workflow/leaves").text
    engine = award.database("workflow")
    with engine.connect() as owner:
        owner.execute(text(COPY))
        if how is not None:
            assert owner.execute(text(TAMPERING[how])).rowcount > 0
        report = judged(read(owner, kept.seeds["workflow"]), checkpoint, leaves)
    engine.dispose()
    if how is None:
        assert report.findings == []
    elif how == "a truncation":
        assert any("rolled back" in one.text for one in report.findings)
    else:
        assert any(one.code == "kept" for one in report.findings)
        named = [one.where for one in report.findings if one.code == "altered"]
        assert named[0].startswith("record-workflow leaf 2 (cycle.opened cycle:")


def test_a_registered_witness_signs_a_checkpoint_and_it_is_served_with_the_signature(award: Award, anyone: Caller) -> None:
    witness, stranger = Witness("supervision-group"), Witness("stranger")
    checkpoint = anyone.get("/record/workflow/checkpoint", params={"size": 3}).text
    with award.client("committee", "chair", duties=("chair",)) as chair:
        assert chair.post("/record/workflow/witnesses", json={"key": witness.key}).status_code == 201
        again = chair.post("/record/workflow/witnesses", json={"key": witness.key})
        assert (again.status_code, again.json()["code"]) == (409, "witness_known")
        broken = chair.post("/record/workflow/witnesses", json={"key": "x+00000000+AAAA"})
        assert (broken.status_code, broken.json()["code"]) == (422, "witness_key_malformed")
    for given, code in (
        (stranger.cosign(checkpoint, 1), "cosignature_invalid"),
        (witness.cosign(checkpoint, 1).replace("\n3\n", "\n2\n"), "checkpoint_not_ours"),
    ):
        refused = anyone.post("/record/workflow/cosignatures", json={"checkpoint": given})
        assert (refused.status_code, refused.json()["code"]) == (409, code)
    signed = anyone.post("/record/workflow/cosignatures", json={"checkpoint": witness.cosign(checkpoint, 1_780_000_000)})
    assert signed.status_code == 201, signed.text
    served = anyone.get("/record/workflow/checkpoint", params={"size": 3}).text
    note = record.parse_note(served)
    assert served == witness.cosign(checkpoint, 1_780_000_000)
    assert record.signed_by(note, note.lines[1], witness.key)
    assert not record.signed_by(note, note.lines[1], stranger.key)
    listed = anyone.get("/record/workflow/witnesses").json()["items"]
    assert [(one["name"], one["signed_size"]) for one in listed] == [("supervision-group", 3)]


def zipped(*entries: tuple[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as file:
        for name, content in entries:
            file.writestr(zipfile.ZipInfo(name, archive.EPOCH), content, how)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"", "no readable ZIP"),
        (zipped(), "missing"),
        (zipped(("../cycle.json", b"{}")), "no such document"),
        (zipped(("cycle.json", b"0" * 1_000_000), how=zipfile.ZIP_DEFLATED), "compressed"),
        (zipped(("cycle.json", b'{"a": 1, "a": 2}')), "a member twice"),
        (zipped(("cycle.json", b'{"a": 1.5}')), "not whole"),
        (zipped(("cycle.json", b"[" * 100_000)), "no readable JSON"),
        (zipped(("cycle.json", b'{"a":1}')), "not written as bundles are"),
        (zipped(("cycle.json", b"{}")) + b"more", "not the one form"),
    ],
)
def test_an_archive_of_another_form_is_refused_by_name(raw: bytes, found: str) -> None:
    report = Report()
    archive.read(raw, report)
    assert any(found in one.text for one in report.findings), report.findings


def test_a_name_that_is_there_twice_is_found() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        raw = zipped(("cycle.json", b"{}"), ("cycle.json", b"[]"))
    report = Report()
    archive.read(raw, report)
    assert any("twice" in one.text for one in report.findings)
