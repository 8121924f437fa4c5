"""Intake at its limits: a gigabyte through the process, and everybody at once at the window's close."""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from datetime import datetime
from time import perf_counter
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text

from bench import product
from bench.rows import Row
from kernel.database import new_id
from tests.intake.applicants import Applicant, Intake
from tests.workflow.committee import ok

GIGABYTE = 1 << 30
BLOCK = b"%PDF-1.7\n" + os.urandom((1 << 20) - 9)
GROWTH_ALLOWED = 32 * 1024 * 1024
LIMITS = ("QUALITY_AWARD_ATTACHMENT_BYTES", "QUALITY_AWARD_DOSSIER_BYTES")
TRIES, SECONDS_ALLOWED = 1000, 60.0
LAST_INSTANT, CLOSE = "2026-03-31T23:59:59.999999+08:00", "2026-04-01T00:00:00+08:00"


def rows() -> list[Row]:
    """Measure both on one product."""
    os.environ |= dict.fromkeys(LIMITS, str(2 * GIGABYTE))
    try:
        with product.running() as award:
            intake = Intake(award)
            return [*_gigabyte(award, intake), _close(award, intake)]
    finally:
        for name in LIMITS:
            del os.environ[name]


def demand(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - the condition is what it is about
    """Stop where what was measured is not what was meant."""
    if not holds:
        raise SystemExit(otherwise)


def _gigabyte(award: product.Apart, intake: Intake) -> list[Row]:
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
        Row(f"growth of the process by 1 GB that goes {way}", max(grown, 1) / 2**20, GROWTH_ALLOWED / 2**20, 1, "MB")
        for way, grown in (("in", up), ("out", down))
    ]


def _copies(award: product.Apart, applicant: Applicant) -> list[UUID]:
    """Copy a submitted application to as many organisations."""
    ids = [new_id() for _ in range(TRIES)]
    copied = (
        ("organisation", "credit_code = :code", "jsonb_build_object('credit_code', copy.code)"),
        ("application", "id = :id", "jsonb_build_object('id', copy.id, 'credit_code', copy.code)"),
        ("frozen_version", "application_id = :id", "jsonb_build_object('application_id', copy.id)"),
    )
    engine = award.database("intake")
    with engine.begin() as connection:
        for table, which, changed in copied:
            statement = f"""
                insert into {table} select (jsonb_populate_record(original, {changed})).* from {table} original,
                unnest(cast(:ids as uuid[]), cast(:codes as text[])) as copy (id, code) where original.{which}"""  # noqa: S608 - our own words
            codes = [f"91330703COPY{number:06}" for number in range(TRIES)]
            connection.execute(text(statement), {"ids": ids, "codes": codes, "id": applicant.id, "code": applicant.code})
    engine.dispose()
    return ids


def _strike(award: product.Apart) -> None:
    """Move intake's clock past the queue of those who wait for their turn."""
    engine = award.database("intake")
    with engine.begin() as connection:
        connection.execute(text("update clock_shift set frozen_at = :close"), {"close": datetime.fromisoformat(CLOSE)})
    engine.dispose()


async def _endorse_all(award: product.Apart, headers: dict[str, str], ids: list[UUID]) -> list[httpx.Response]:
    """Try all at once; the clock stands at the last instant, and strikes the close once half have their answer."""
    decided = {"decision": "endorse", "opinion": "同意推荐。", "signatory": "王建国", "signed_on": "2026-03-20"}
    answered = list[UUID]()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=f"{award.address}/api/v1", headers=headers, limits=limits, timeout=120, trust_env=False
    ) as client:

        async def endorse(application: UUID) -> httpx.Response:
            key = {"Idempotency-Key": new_id().hex}
            while True:
                answer = await client.post(f"/applications/{application}/endorsement", json=decided, headers=key)
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    answered.append(application)
                    if len(answered) == TRIES // 2:
                        _strike(award)
                    return answer
                await asyncio.sleep(0.05)

        return await asyncio.gather(*(endorse(one) for one in ids))


def _close(award: product.Apart, intake: Intake) -> Row:
    ids = _copies(award, intake.submitted(2))
    award.at(LAST_INSTANT)
    started = perf_counter()
    answers = asyncio.run(_endorse_all(award, dict(intake.town.headers), ids))
    took = perf_counter() - started
    filed = {one for one, answer in zip(ids, answers, strict=True) if answer.is_success}
    late = [answer.json()["code"] for answer in answers if not answer.is_success]
    demand(TRIES // 2 <= len(filed) < TRIES, f"{len(filed)} of {TRIES} were in time")
    demand(late == ["window_closed"] * (TRIES - len(filed)), f"refused otherwise: {set(late)}")
    _check_books(award, ids, filed)
    return Row(f"{TRIES} endorsements at once over the close: {len(filed)} filed, {len(late)} late", took, SECONDS_ALLOWED, 1)


def _check_books(award: product.Apart, ids: list[UUID], filed: set[UUID]) -> None:
    """Demand that rows, receipts and events tell what the answers told, and that nothing was filed at the close or later."""
    engine = award.database("intake")
    with engine.connect() as connection:
        kept: dict[UUID, Any] = {
            row.id: row.filed_at
            for row in connection.execute(text("select id, filed_at from application where id = any(:ids)"), {"ids": ids})
            if row.filed_at is not None
        }
        decided = set(connection.scalars(text("select application_id from endorsement where application_id = any(:ids)"), {"ids": ids}))
        events = list(connection.scalars(text("select subject from event where kind = 'application.endorsed'")))
    engine.dispose()
    demand(set(kept) == decided == filed, "rows and answers differ")
    demand(sorted(events) == sorted(f"application:{one}" for one in filed), "events and answers differ")
    demand(max(kept.values()) < datetime.fromisoformat(CLOSE), "something was filed at the close or later")
