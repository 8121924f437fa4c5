from collections.abc import Iterator
from secrets import token_urlsafe

import pytest
from pydantic import SecretStr
from sqlalchemy import Column, Engine, Integer, MetaData, Table, create_engine, insert, select, text
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from embedded import postgres
from kernel.sealed import Seal, SealedJson, SealedText, SealError, give_seal, reseal, seal_of

NONE = SecretStr("")
METADATA = MetaData()
PEOPLE = Table(
    "sealed_people",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("contact", SealedText("people.contact")),
    Column("more", SealedJson("people.more")),
)
SECRET, MORE = "objector@example.cn", [{"telephone": "0579-80000001"}]


def key() -> SecretStr:
    return SecretStr(token_urlsafe(32))


@pytest.fixture
def engine(server: postgres.Server) -> Iterator[Engine]:
    made = create_engine(server.admin_url)
    METADATA.drop_all(made)
    METADATA.create_all(made)
    yield made
    METADATA.drop_all(made)
    made.dispose()


def stored(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(text("select contact, more::text from sealed_people order by id")).all())


def read(engine: Engine) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(PEOPLE.c.contact, PEOPLE.c.more).order_by(PEOPLE.c.id))]


def test_the_database_holds_no_plain_text_and_the_program_reads_it(engine: Engine) -> None:
    give_seal(engine, Seal(key(), NONE))
    with engine.begin() as connection:
        connection.execute(insert(PEOPLE), [{"id": 1, "contact": SECRET, "more": MORE}, {"id": 2, "contact": SECRET, "more": None}])
    held = stored(engine)
    assert SECRET not in held
    assert "80000001" not in held
    assert held.count("sealed:1:") == 3
    assert read(engine) == [(SECRET, MORE), (SECRET, None)]


def test_the_same_value_is_never_sealed_alike_twice() -> None:
    seal = Seal(key(), NONE)
    assert seal.close(SECRET, "a.b") != seal.close(SECRET, "a.b")


def test_without_a_key_nothing_is_kept_in_the_clear(engine: Engine) -> None:
    with pytest.raises(SealError, match="QUALITY_AWARD_CONTACT_KEY is not set"):
        seal_of(engine.dialect)
    with engine.connect() as connection, pytest.raises(StatementError, match="QUALITY_AWARD_CONTACT_KEY is not set"):
        connection.execute(insert(PEOPLE).values(id=1, contact=SECRET))


@pytest.mark.parametrize("given", ["short", "A" * 42, "A" * 44])
def test_a_key_of_another_length_is_refused(given: str) -> None:
    with pytest.raises(SealError, match="32 secret bytes"):
        Seal(SecretStr(given), NONE)


def test_what_was_altered_or_moved_to_another_column_is_refused_without_saying_it() -> None:
    seal = Seal(key(), NONE)
    sealed = seal.close(SECRET, "people.contact")
    bent = sealed[:-8] + ("A" if sealed[-8] != "A" else "B") + sealed[-7:]
    for attempt, place in ((bent, "people.contact"), (sealed, "people.name")):
        with pytest.raises(SealError) as refused:
            seal.open(attempt, place)
        assert SECRET not in str(refused.value)


def test_plain_text_of_before_and_an_earlier_keys_values_are_read_and_sealed_anew(engine: Engine) -> None:
    old, new = key(), key()
    give_seal(engine, Seal(old, NONE))
    with engine.begin() as connection:
        connection.execute(
            text('insert into sealed_people values (1, :contact, \'[{"telephone": "0579-80000001"}]\')'), {"contact": SECRET}
        )
        connection.execute(insert(PEOPLE).values(id=2, contact=SECRET, more=MORE))
    give_seal(engine, Seal(new, old))
    assert read(engine) == [(SECRET, MORE)] * 2
    with Session(engine) as session:
        assert reseal(session, METADATA) == {"sealed_people.contact": 2, "sealed_people.more": 2}
        assert reseal(session, METADATA) == {"sealed_people.contact": 0, "sealed_people.more": 0}
    give_seal(engine, Seal(new, NONE))
    assert read(engine) == [(SECRET, MORE)] * 2
    assert SECRET not in stored(engine)
    give_seal(engine, Seal(old, NONE))
    with pytest.raises(SealError, match="not among the settings"):
        read(engine)
