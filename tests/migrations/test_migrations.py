import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import URL, create_engine, insert, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from embedded import postgres
from embedded.product import Secrets, migrated
from kernel.database import leaf
from kernel.record import write_event
from migrations.migrate import SCHEMAS, drift, engine_for, run

WRITTEN: dict[str, Any] = {
    "at": datetime(2026, 3, 2, tzinfo=UTC), "subject": "s", "actor": None, "role": None, "clause": None, "facts": {}, "request_id": "r",
}  # fmt: skip


@pytest.fixture(scope="module")
def database(server: postgres.Server, kept: Secrets) -> Iterator[URL]:
    name = f"migrations_{uuid4().hex[:8]}"
    migrated(server, name, kept)
    yield server.admin_url.set(database=name)
    owner = create_engine(server.admin_url, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text(f"drop database {name} with (force)"))
    owner.dispose()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_migrated_schema_is_what_the_code_declares(database: URL, schema: str) -> None:
    assert drift(database, schema) == []


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_schema_goes_down_to_nothing_and_up_again(database: URL, schema: str) -> None:
    run(database, schema, "base")
    engine = create_engine(database)
    with engine.connect() as connection:
        left = connection.scalars(text("select table_name from information_schema.tables where table_schema = :schema"), {"schema": schema})
        assert left.all() == ["alembic_version"]
    engine.dispose()
    run(database, schema, "head")
    assert drift(database, schema) == []


@pytest.mark.parametrize(
    ("schema", "before", "peer", "written"),
    [
        (
            "scoring", "scoring_0004", "gateway",
            [("recusal.declared", ["intake"]), ("panel.formed", []), ("recusal.lifted", ["intake"]), ("recusal.declared", ["intake"])],
        ),
        (
            "workflow", "workflow_0008", "scoring",
            [("committee.set", []), ("committee.set", ["scoring"]), ("committee.set", []), ("committee.set", [])],
        ),
    ],
)  # fmt: skip
def test_a_peer_is_told_of_what_was_before(
    database: URL, schema: str, before: str, peer: str, written: list[tuple[str, list[str]]]
) -> None:
    run(database, schema, "base")
    run(database, schema, before)
    engine = engine_for(database, schema)
    with engine.begin() as connection:
        for place, (kind, told) in enumerate(written):
            event = write_event(Session(connection), kind=kind, told=told, **WRITTEN)
            if place < 3:
                connection.execute(text("delete from unsequenced"))
                connection.execute(insert(leaf).values(index=place, event_id=event, hash=b"", nodes=[]))
    run(database, schema, "head")
    with engine.connect() as connection:
        assert connection.execute(text("select peer, leaf_index from outbox order by 2")).all() == [(peer, 0), (peer, 2)]
        addressed = connection.execute(text("select e.told from event e left join leaf l on l.event_id = e.id order by l.index")).scalars()
        assert list(addressed) == [one for _, one in written[:3]] + [[*written[3][1], peer]]
    engine.dispose()
    run(database, schema, "base")
    run(database, schema, "head")


def test_migrating_again_changes_nothing(server: postgres.Server, kept: Secrets, database: URL) -> None:
    migrated(server, str(database.database), kept)
    assert all(drift(database, schema) == [] for schema in SCHEMAS)


@pytest.mark.parametrize(
    "statement", ["update event set kind = 'bent'", "delete from event", "truncate event", "update leaf set hash = ''", "drop table event"]
)
@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_service_can_only_add_to_its_record(server: postgres.Server, kept: Secrets, database: URL, schema: str, statement: str) -> None:
    migrated(server, str(database.database), kept)
    service = create_engine(
        server.url(schema, kept.passwords[schema], str(database.database)), connect_args={"options": f"-csearch_path={schema}"}
    )
    with service.connect() as connection, pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
        connection.execute(text(statement))
    service.dispose()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_service_cannot_look_into_another_schema(server: postgres.Server, kept: Secrets, database: URL, schema: str) -> None:
    other = next(name for name in SCHEMAS if name != schema)
    service = create_engine(server.url(schema, kept.passwords[schema], str(database.database)))
    with service.connect() as connection, pytest.raises(ProgrammingError, match="permission denied"):
        connection.execute(text(f"select * from {other}.event"))  # noqa: S608 - a name of ours
    service.dispose()


@pytest.mark.full
def test_a_program_that_awaits_its_schema_goes_on_once_that_is_migrated_and_no_sooner(server: postgres.Server, kept: Secrets) -> None:
    name = f"awaited_{uuid4().hex[:8]}"
    owner = create_engine(server.admin_url, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text(f"create database {name}"))
    access = {
        "QUALITY_AWARD_DATABASE_URL": server.url("intake", "", name).render_as_string(),
        "QUALITY_AWARD_DATABASE_PASSWORD": kept.passwords["intake"],
    }
    command = [sys.executable, "-m", "migrations", "await", "intake"]
    with subprocess.Popen(command, env=os.environ | access, stderr=subprocess.PIPE, text=True) as waiting:  # noqa: S603 - our own words
        assert waiting.stderr is not None
        assert waiting.stderr.readline().startswith("waiting for the schema intake at revision 00")
        assert waiting.poll() is None
        migrated(server, name, kept)
        assert waiting.wait(60) == 0
    with owner.connect() as connection:
        connection.execute(text(f"drop database {name} with (force)"))
    owner.dispose()
