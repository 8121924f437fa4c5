"""Attachments before clamd: what it lets through is kept, and nothing else is."""

import asyncio
import os
import shutil
import socket
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import httpx
import pytest

from embedded import postgres
from embedded.product import Secrets
from kernel.problems import Problem
from kernel.scan import scan
from kernel.settings import Settings
from tests import rig
from tests.faults.programs import eventually, free_port
from tests.intake.applicants import PDF, Intake

CLAMD = shutil.which("clamd", path=f"{os.environ['PATH']}:/usr/sbin")
needs_clamd = pytest.mark.skipif(CLAMD is None, reason="clamd (Debian's package clamav-daemon) is not installed")
MALICIOUS = b"what this test alone calls malicious"
FILE_BYTES, STREAM_BYTES = 1024 * 1024, 2 * 1024 * 1024
CONFIGURATION = """
LocalSocket {folder}/clamd
TCPSocket {port}
TCPAddr 127.0.0.1
DatabaseDirectory {folder}
TemporaryDirectory {folder}
PidFile {folder}/pid
StreamMaxLength {stream}
MaxFileSize {file}
AlertExceedsMax yes
Foreground yes
"""


class Scanned:
    """An applicant with a draft, of a product whose attachments are scanned, and a look at how many it keeps."""

    def __init__(self, award: rig.Award, clamd: Path) -> None:
        self.clamd = clamd
        self._client, self._path = (applicant := Intake(award).drafted(961)).client, f"{applicant.path}/attachments"
        self.settings: Settings = award.product.programs["intake"].state.service.settings

    def send(self, content: bytes, key: str) -> httpx.Response:
        """Send it once: without a caller's patience where the answer is to try again."""
        headers = {**self._client.headers, "Idempotency-Key": f"the-{key}-upload"}
        with httpx.Client(base_url=self._client.base_url, headers=headers, timeout=30, trust_env=False) as once:
            return once.post(self._path, params={"name": "a", "requirement": "3.1"}, content=content)

    def kept(self) -> int:
        return sum(path.is_file() for path in self.settings.files.rglob("*"))


@pytest.fixture(scope="module")
def product(server: postgres.Server, kept: Secrets, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scanned]:
    folder = tmp_path_factory.mktemp("scanned")
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("QUALITY_AWARD_CLAMD", str(folder / "clamd"))
        settings.setenv("QUALITY_AWARD_CLAMD_SECONDS", "2")
        with rig.running(server, template, kept, folder / "product") as award:
            yield Scanned(award, folder / "clamd")


@contextmanager
def clamd(folder: Path) -> Iterator[int]:
    """Run clamd with one signature until the block ends; gives its port."""
    port = free_port()
    (folder / "own.ndb").write_text(f"Own.Test:0:*:{MALICIOUS.hex()}\n")
    configuration = CONFIGURATION.format(folder=folder, port=port, stream=STREAM_BYTES, file=FILE_BYTES)
    (folder / "clamd.conf").write_text(configuration)
    with (folder / "log").open("wb") as log, subprocess.Popen([str(CLAMD), "-c", str(folder / "clamd.conf")], stdout=log) as running:  # noqa: S603 - our own words
        try:
            eventually(lambda: (folder / "clamd").exists() and b"Self checking" in (folder / "log").read_bytes())
            yield port
        finally:
            running.terminate()


def document(member: bytes) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("word/document.xml", member)
    return packed.getvalue()


def outcome(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code")


def test_without_a_verdict_of_the_scanner_nothing_is_kept(product: Scanned) -> None:
    before = product.kept()
    answers = [product.send(PDF, "away")]
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(product.clamd))
        silent.listen()
        answers.append(product.send(PDF, "silent"))
    product.clamd.unlink()
    assert [outcome(one) for one in answers] == [(503, "unavailable")] * 2
    assert {one.headers["retry-after"] for one in answers} == {"1"}
    assert product.kept() == before


@needs_clamd
def test_a_file_that_the_scanner_calls_malicious_or_does_not_look_through_is_not_kept(product: Scanned) -> None:
    before = product.kept()
    assert outcome(product.send(PDF, "patient")) == (503, "unavailable")
    with clamd(product.clamd.parent):
        malicious = [product.send(content, f"bad{place}") for place, content in enumerate((PDF + MALICIOUS, document(MALICIOUS)))]
        assert [outcome(one) for one in malicious] == [(422, "attachment_infected")] * 2
        assert "Own.Test" in malicious[0].json()["detail"]
        longest = PDF + bytes(FILE_BYTES - len(PDF))
        for over in (longest + b"1", longest * 9):
            assert outcome(product.send(over, f"{len(over)}")) == (413, "attachment_unscannable")
        assert product.kept() == before
        assert [product.send(PDF, "patient").status_code, product.send(longest, "longest").status_code] == [201, 201]
    assert product.kept() == before + 2
    assert outcome(product.send(PDF, "later")) == (503, "unavailable")


@needs_clamd
def test_a_scanner_on_another_machine_is_asked_by_host_and_port(product: Scanned, tmp_path: Path) -> None:
    settings = product.settings
    with clamd(tmp_path) as port:
        there = settings.model_copy(update={"clamd": f"localhost:{port}"})
        (tmp_path / "good").write_bytes(PDF)
        (tmp_path / "bad").write_bytes(PDF + MALICIOUS)
        asyncio.run(scan(there, tmp_path / "good"))
        with pytest.raises(Problem, match="attachment_infected"):
            asyncio.run(scan(there, tmp_path / "bad"))
