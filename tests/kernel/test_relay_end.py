"""An event that can't be hashed would stop the record for good: none gets in, and if one did, operators would see it."""

import logging
from datetime import UTC, datetime
from typing import Any

import pytest
import rfc8785
from sqlalchemy import text
from sqlalchemy.orm import Session

from kernel import record
from kernel.service import Service
from tests.faults.programs import eventually
from tests.rig import Award

TOO_GREAT = 2**60


def service_of(award: Award) -> Service:
    found: Service = award.product.programs["scoring"].state.service
    return found


def write(session: Session, facts: dict[str, Any]) -> None:
    record.write_event(
        session,
        at=datetime.now(UTC),
        kind="a.kind",
        subject="a:thing",
        actor=None,
        role=None,
        clause=None,
        facts=facts,
        request_id="a-request",
        told=(),
    )


def is_sequenced(award: Award) -> bool:
    with service_of(award).sessions() as session:
        return bool(session.scalar(text("select count(*) from unsequenced")) == 0)


def test_facts_that_the_record_could_not_hash_are_refused_and_the_sequencer_goes_on(award: Award) -> None:
    with service_of(award).sessions() as session:
        with pytest.raises(rfc8785.CanonicalizationError):
            write(session, {"amount": TOO_GREAT})
        session.rollback()
        write(session, {"amount": 2**53 - 1})
        session.commit()
    eventually(lambda: is_sequenced(award))


def test_a_relay_that_a_fault_has_ended_is_logged_and_the_program_says_it_is_not_ready(
    award: Award, caplog: pytest.LogCaptureFixture
) -> None:
    with award.client() as anyone:
        ready = f"{award.address}/readyz"
        assert anyone.get(ready).status_code == 200
    gateway: Service = award.product.door.gateway
    with gateway.sessions() as session, caplog.at_level(logging.ERROR, "quality_award"):
        session.execute(
            text(
                "with bent as (insert into event (id, at, recorded_at, kind, subject, facts, request_id, told) values "
                "(gen_random_uuid(), now(), now(), 'a.kind', 'a:thing', jsonb_build_object('n', 2::numeric ^ 60), 'r', '{}') returning id) "
                "insert into unsequenced (event_id) select id from bent"
            )
        )
        session.commit()
        gateway.nudge()
        eventually(lambda: not gateway.relay.is_at_work())
        eventually(lambda: "the relay has ended" in [line.getMessage() for line in caplog.records])
    with award.client() as anyone:
        answer = anyone.build_request("GET", ready)
        refused = anyone.send(answer)
    assert (refused.status_code, refused.json()["code"]) == (503, "relay_ended")
