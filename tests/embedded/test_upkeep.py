import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import sessionmaker

from embedded import postgres
from embedded.__main__ import main
from embedded.product import DATABASE, SERVICES, kept_secrets, migrated, settings_of
from gateway.keys import KeyRing
from gateway.seal import Seal
from kernel.database import make_engine
from kernel.sealed import give_seal
from kernel.settings import ServiceName
from services.intake.tables import Organisation
from tests.intake.applicants import ORGANISATION, credit_code

CONTACTS = [{"name": "方志远", "telephone": "0579-82190000"}]
Command = Callable[..., tuple[int, str, str]]


def engine_of(folder: Path, server: postgres.Server, name: ServiceName) -> Engine:
    settings = settings_of(name, server, DATABASE, folder, kept_secrets(folder), "production")
    engine = make_engine(settings.database(), name, 1)
    give_seal(engine, settings.contact_seal())
    return engine


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a signing key, an organisation's contacts, and an answer kept for a key that is long over."""
    made = tmp_path_factory.mktemp("data")
    with postgres.running(made / "postgresql") as server:
        migrated(server, DATABASE, kept_secrets(made))
        door, intake = (engine_of(made, server, name) for name in ("gateway", "intake"))
        seed = settings_of("gateway", server, DATABASE, made, kept_secrets(made), "production").record_seed
        KeyRing(sessionmaker(door, expire_on_commit=False), Seal(seed)).current()
        with door.begin() as connection:
            connection.execute(text("insert into idempotency values ('p1', 'POST /x', 'k', '', 200, '{}', '', now() - interval '9 years')"))
        stated = {name: value for name, value in ORGANISATION.items() if name in Organisation.__table__.columns and name != "contacts"}
        with sessionmaker(intake).begin() as session:
            session.add(Organisation(credit_code=credit_code(1), contacts=CONTACTS, version=1, **stated))
        for engine in (door, intake):
            engine.dispose()
    return made


@pytest.fixture
def command(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["embedded", *words, "--data", str(folder)])
        status = main()
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def serving(folder: Path) -> Iterator[postgres.Server]:
    with postgres.running(folder / "postgresql") as server:
        yield server


def phases(told: str) -> list[str]:
    return [line.split()[1] for line in told.splitlines()]


def test_a_key_is_rotated_in_four_phases_while_the_product_runs(command: Command, serving: postgres.Server) -> None:
    assert serving.socket.is_dir()
    assert [phases(command("keys", *words)[1]) for words in (["list"], ["publish"])] == [["signing"], ["signing", "published"]]
    status, _, said = command("keys", "sign")
    assert (status, said.startswith("Not before ")) == (1, True)
    steps = [phases(command("keys", step, "--now")[1]) for step in ("sign", "retire", "drop")]
    assert steps == [["published", "signing"], ["retired", "signing"], ["signing"]]


def test_retention_tells_first_and_erases_then_for_every_program(command: Command) -> None:
    told = [json.loads(line) for line in command("retention", "--dry-run")[1].splitlines()]
    assert list(dict.fromkeys(line["service"] for line in told)) == list(SERVICES)
    assert [line["found"] for line in told if line["keeping"] == "idempotency"] == [1, 0, 0, 0]
    assert {line["keeping"] for line in told} >= {"organisation_contacts", "objectors", "sign_ins"}
    command("retention")
    again = [json.loads(line) for line in command("retention", "--dry-run")[1].splitlines()]
    assert [line["found"] for line in again if line["keeping"] == "idempotency"] == [0, 0, 0, 0]


def test_a_new_contact_key_seals_everything_anew_while_nothing_serves(command: Command, folder: Path) -> None:
    before = kept_secrets(folder)
    with postgres.running(folder / "postgresql"):
        status, _, said = command("reseal", "--new-key")
    assert (status, said) == (1, "Stop the product before its contact key changes: it reads the key when it starts.\n")
    assert kept_secrets(folder) == before
    told = [json.loads(line) for line in command("reseal", "--new-key")[1].splitlines()]
    assert {"service": "intake", "resealed": "organisation.contacts", "values": 1} in told
    after = kept_secrets(folder)
    assert (after.contact_key != before.contact_key, after.contact_keys_former, after.seeds) == (True, "", before.seeds)
    with postgres.running(folder / "postgresql") as server:
        engine = engine_of(folder, server, "intake")
        with sessionmaker(engine)() as session:
            assert session.scalar(select(Organisation.contacts)) == CONTACTS
        engine.dispose()


def test_a_folder_without_data_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["embedded", "keys", "list", "--data", str(tmp_path)])
    assert main() == 1
    assert capsys.readouterr().err == f"There is no data of the product in {tmp_path}.\n"
