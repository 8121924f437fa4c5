"""Intake at its limits: a gigabyte through the process, and everybody at once at the window's close."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter

from bench import product
from bench.rows import Row
from tests.intake import rush
from tests.intake.applicants import Intake
from tests.intake.bucket import bucket
from tests.workflow.committee import ok

GIGABYTE = 1 << 30
BLOCK = b"%PDF-1.7\n" + os.urandom((1 << 20) - 9)
GROWTH_ALLOWED = 32 * 1024 * 1024
LIMITS = dict.fromkeys(("QUALITY_AWARD_ATTACHMENT_BYTES", "QUALITY_AWARD_DOSSIER_BYTES"), str(2 * GIGABYTE))
SECONDS_ALLOWED = 60.0


def rows() -> list[Row]:
    """Measure a product that keeps its files in a folder, then one that keeps them in a bucket."""
    with _running(LIMITS) as award:
        intake = Intake(award)
        found = [*_gigabyte(award, intake, "a folder"), _close(award, intake)]
    with bucket() as store, _running({**LIMITS, **store.settings}) as award:
        return found + _gigabyte(award, Intake(award), "a bucket")


@contextmanager
def _running(settings: Mapping[str, str]) -> Iterator[product.Apart]:
    os.environ |= settings
    try:
        with product.running() as award:
            yield award
    finally:
        for name in settings:
            del os.environ[name]


def demand(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - the condition is what it is about
    """Stop where what was measured is not what was meant."""
    if not holds:
        raise SystemExit(otherwise)


def _gigabyte(award: product.Apart, intake: Intake, store: str) -> list[Row]:
    applicant = intake.drafted(1)
    path, params = f"{applicant.path}/attachments", {"name": "large.pdf", "requirement": "3.1"}
    ok(applicant.client.post(path, params=params, content=BLOCK))
    before = award.memory()
    award.forget_peak()
    digest = hashlib.sha256()

    def blocks() -> Iterator[bytes]:
        for _ in range(GIGABYTE // len(BLOCK)):
            digest.update(BLOCK)
            yield BLOCK

    headers = {"Content-Length": str(GIGABYTE)}
    added = ok(applicant.client.post(path, params=params, content=blocks(), headers=headers, timeout=300))
    demand((added["size"], added["sha256"]) == (GIGABYTE, digest.hexdigest()), "another file arrived")
    up = award.memory("VmHWM") - before
    award.forget_peak()
    served = hashlib.sha256()
    with applicant.client.stream("GET", f"{path}/{added['id']}/content", timeout=300) as answer:
        for chunk in answer.iter_bytes():
            served.update(chunk)
    demand(served.digest() == digest.digest(), "another file came back")
    down = award.memory("VmHWM") - before
    return [
        Row(f"growth of the process by 1 GB that goes {way} {store}", max(grown, 1) / 2**20, GROWTH_ALLOWED / 2**20, 1, "MB")
        for way, grown in (("into", up), ("out of", down))
    ]


def _close(award: product.Apart, intake: Intake) -> Row:
    ids = rush.copies(award, intake.submitted(2))
    started = perf_counter()
    answers = rush.endorse_all(intake, ids)
    took = perf_counter() - started
    filed = rush.check_books(award, answers)
    name = f"{rush.TRIES} endorsements at once over the close: {filed} filed, {rush.TRIES - filed} late"
    return Row(name, took, SECONDS_ALLOWED, 1)
