"""Everybody at once at the window's close: 1,000 applications of one queue, endorsed while the clock strikes."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text

from kernel.database import new_id
from tests.intake.applicants import ENDORSED, Applicant, Intake
from tests.rig import Award

TRIES = 1000
LAST_INSTANT, CLOSE = "2026-03-31T23:59:59.999999+08:00", "2026-04-01T00:00:00+08:00"
Answers = dict[UUID, httpx.Response]


def copies(award: Award, applicant: Applicant) -> list[UUID]:
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


def arm(award: Award) -> None:
    """Have intake's clock strike the close with the endorsement that makes up the half, past the queue of those who wait for their turn."""
    struck = f"update clock_shift set frozen_at = '{CLOSE}' where frozen_at < '{CLOSE}'"  # noqa: S608 - our own words
    engine = award.database("intake")
    with engine.begin() as connection:
        connection.execute(
            text(f"""
                create function strike() returns trigger language plpgsql as $$ begin
                    if (select count(*) from endorsement) >= {TRIES // 2} then {struck}; end if;
                    return null;
                end $$""")  # noqa: S608 - our own words
        )
        connection.execute(text("create trigger strike after insert on endorsement for each statement execute function strike()"))
    engine.dispose()


async def _at_once(award: Award, headers: dict[str, str], ids: list[UUID]) -> Answers:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=f"{award.address}/api/v1", headers=headers, limits=limits, timeout=120, trust_env=False
    ) as client:

        async def endorse(application: UUID) -> httpx.Response:
            key = {"Idempotency-Key": new_id().hex}
            while True:
                answer = await client.post(f"/applications/{application}/endorsement", json=ENDORSED, headers=key)
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    return answer
                await asyncio.sleep(0.05)

        return dict(zip(ids, await asyncio.gather(*(endorse(one) for one in ids)), strict=True))


def endorse_all(intake: Intake, ids: list[UUID]) -> Answers:
    """Try all at once; the clock stands at the last instant, and strikes the close once half are filed."""
    intake.award.at(LAST_INSTANT)
    arm(intake.award)
    return asyncio.run(_at_once(intake.award, dict(intake.town.headers), ids))


def check_books(award: Award, answers: Answers) -> int:
    """Demand that rows, receipts and events tell what the answers told, and that nothing was filed at the close; tells how many were."""
    filed = {one for one, answer in answers.items() if answer.is_success}
    late = [answer.json()["code"] for answer in answers.values() if not answer.is_success]
    assert TRIES // 2 <= len(filed) < TRIES, f"{len(filed)} of {TRIES} were in time"
    assert late == ["window_closed"] * (TRIES - len(filed)), set(late)
    engine = award.database("intake")
    ids = {"ids": list(answers)}
    with engine.connect() as connection:
        kept: dict[UUID, Any] = {
            row.id: row.filed_at
            for row in connection.execute(text("select id, filed_at from application where id = any(:ids)"), ids)
            if row.filed_at is not None
        }
        decided = list(connection.scalars(text("select application_id from endorsement where application_id = any(:ids)"), ids))
        told = text("select subject from event where kind = 'application.endorsed' and subject = any(:subjects)")
        events = list(connection.scalars(told, {"subjects": [f"application:{one}" for one in answers]}))
    engine.dispose()
    assert sorted(kept) == sorted(decided) == sorted(filed)
    assert sorted(events) == sorted(f"application:{one}" for one in filed)
    assert set(kept.values()) == {datetime.fromisoformat(LAST_INSTANT)}
    return len(filed)
