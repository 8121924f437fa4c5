import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from embedded import postgres
from embedded.product import Secrets
from tests import rig
from tests.intake.applicants import DRAFTING, PDF, Applicant, Intake, absent
from tests.intake.bucket import bucket
from tests.workflow.committee import ok

pytestmark = pytest.mark.full

LONG = b"%PDF-1.7\n" + bytes(range(256)) * 4096


class Kept:
    """A product whose attachments are kept in a folder or a bucket, and a look at how many are."""

    def __init__(self, intake: Intake, count: Callable[[], int]) -> None:
        self.intake = intake
        self.count = count


def files_in(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


@pytest.fixture(scope="module", params=["folder", "bucket"])
def kept_in(
    request: pytest.FixtureRequest, server: postgres.Server, kept: Secrets, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("product")
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("QUALITY_AWARD_DOSSIER_BYTES", str(4 * len(LONG)))
        settings.setenv("QUALITY_AWARD_ATTACHMENT_BYTES", str(2 * len(LONG)))
        if request.param == "folder":
            with rig.running(server, template, kept, folder) as award:
                yield Kept(Intake(award), lambda: files_in(folder / "files"))
            return
        with bucket() as store:
            for name, value in store.settings.items():
                settings.setenv(name, value)
            with rig.running(server, template, kept, folder) as award:
                yield Kept(Intake(award), lambda: store.count() + files_in(folder / "files"))


@pytest.fixture
def intake(kept_in: Kept) -> Intake:
    kept_in.intake.award.at(DRAFTING)
    return kept_in.intake


def add(applicant: Applicant, content: bytes = PDF, **given: str) -> httpx.Response:
    params = {"name": "执照.pdf", "requirement": "3.1"} | given
    return applicant.client.post(f"{applicant.path}/attachments", params=params, content=content)


def listed(applicant: Applicant, **given: str) -> list[str]:
    return [one["id"] for one in ok(applicant.client.get(f"{applicant.path}/attachments", params=given))["items"]]


def content(applicant: Applicant, attachment: str, **headers: str) -> httpx.Response:
    return applicant.client.get(f"{applicant.path}/attachments/{attachment}/content", headers=headers)


def test_a_file_goes_in_and_out_whole_and_in_ranges(intake: Intake) -> None:
    applicant = intake.drafted(1)
    added = ok(add(applicant, LONG, name="../../etc/passwd"))
    assert (added["size"], added["sha256"]) == (len(LONG), hashlib.sha256(LONG).hexdigest())
    whole = content(applicant, added["id"])
    assert (whole.status_code, whole.content, whole.headers["accept-ranges"]) == (200, LONG, "bytes")
    assert whole.headers["content-disposition"] == "attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd"
    etag = whole.headers["etag"]
    for asked, start, end in (("0-0", 0, 1), ("100-199", 100, 200), ("100-", 100, len(LONG)), ("-7", len(LONG) - 7, len(LONG))):
        part = content(applicant, added["id"], Range=f"bytes={asked}")
        assert (part.status_code, part.content) == (206, LONG[start:end])
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{len(LONG)}"
    for whole_again in ("bytes=5-2", "bytes=0-1,3-4", "bytes=-", "lines=1-2", "bytes=a-b", "x"):
        assert content(applicant, added["id"], Range=whole_again).content == LONG
    past = content(applicant, added["id"], Range=f"bytes={len(LONG)}-")
    assert (past.status_code, past.headers["content-range"]) == (416, f"bytes */{len(LONG)}")
    assert content(applicant, added["id"], Range="bytes=-0").status_code == 416
    assert content(applicant, added["id"], **{"If-None-Match": etag}).status_code == 304
    assert content(applicant, added["id"], Range="bytes=0-1", **{"If-Range": etag}).content == LONG[:2]
    assert content(applicant, added["id"], Range="bytes=0-1", **{"If-Range": '"other"'}).content == LONG


def test_a_replacement_names_its_predecessor_which_is_kept(intake: Intake) -> None:
    applicant, other = intake.drafted(2), intake.drafted(3)
    first, beside = ok(add(applicant))["id"], ok(add(applicant))["id"]
    second = ok(add(applicant, PDF + b"2", replaces=first))
    assert second["replaces"] == first
    absent(add(applicant, replaces=first))
    absent(add(other, replaces=second["id"]))
    assert listed(applicant) == [beside, second["id"]]
    assert listed(applicant, history="true") == [first, beside, second["id"]]
    assert content(applicant, first).content == PDF
    ok(applicant.submit())
    frozen = ok(applicant.client.get(f"{applicant.path}/versions/1"))["content"]["attachments"]
    assert [one["id"] for one in frozen] == [beside, second["id"]]
    absent(intake.town.get(f"{applicant.path}/attachments/{first}/content"))
    ok(intake.town.post(f"{applicant.path}/endorsement", json={"decision": "return", "remarks": "请更换扫描件。"}))
    third = ok(add(applicant, PDF + b"3", replaces=second["id"]))["id"]
    ok(applicant.submit())
    town = f"{applicant.path}/attachments/{{}}/content"
    assert intake.town.get(town.format(second["id"])).content == PDF + b"2"
    assert intake.town.get(town.format(third)).content == PDF + b"3"


def test_what_is_refused_or_repeated_keeps_no_file(intake: Intake, kept_in: Kept) -> None:
    applicant, other = intake.drafted(4), intake.drafted(5)
    before = kept_in.count()
    assert add(applicant, b"MZ").status_code == 415
    assert add(applicant, LONG * 2 + b"1").status_code == 413
    absent(other.client.post(f"{applicant.path}/attachments", params={"name": "x", "requirement": "3.1"}, content=PDF))
    key = {"Idempotency-Key": "the-same-upload"}
    params = {"name": "执照.pdf", "requirement": "3.1"}
    answers = [applicant.client.post(f"{applicant.path}/attachments", params=params, content=PDF, headers=key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert kept_in.count() == before + 1
    for _ in range(3):
        ok(add(applicant, LONG))
    assert add(applicant, LONG).status_code == 413
    last = listed(applicant)[-1]
    assert applicant.client.delete(f"{applicant.path}/attachments/{last}").status_code == 204
    absent(content(applicant, last))
    assert kept_in.count() == before + 3
    assert ok(add(applicant, LONG))["size"] == len(LONG)
