"""A base backup and its log bring an installation back to any moment since, with its record and its files; and say where they can't."""

import dataclasses
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import URL, Connection, text
from sqlalchemy.orm import Session

from embedded import postgres
from embedded.backup import back_up_folder, restore_folder, stores
from embedded.product import DATABASE, kept_secrets, migrated
from kernel.record import sequence, write_event
from operations.archive import Archive, BackupError, log_settings
from operations.backup import SCHEMAS, open_schema, roots
from operations.restore import check
from tests.faults.programs import eventually

pytestmark = pytest.mark.full

FILE = "insert into attachment (id, subject, name, media_type, size, sha256, at) values (:id, 'cycle:1', 'a.pdf', 'b', 1, :digest, now())"
NOBODY = {"actor": None, "role": None, "clause": None}
ROOT = Path(__file__).parents[2]


def autocommit(url: URL) -> Connection:
    return open_schema(url, "public").connect().execution_options(isolation_level="AUTOCOMMIT")


class Installation:
    """One data folder, whose events and files are written as the services write them."""

    def __init__(self, folder: Path) -> None:
        self.data, self.archive = folder / "data", Archive(folder / "backups").made()
        self.data.mkdir()

    @contextmanager
    def running(self) -> Iterator[URL]:
        with postgres.running(self.data / "postgresql", postgres.Log(self.archive.wal)) as server:
            yield server.admin_url.set(database=DATABASE)

    def write(self, url: URL) -> datetime:
        """One event for every service, one file; gives a moment when they are there, and nothing later is."""
        for schema in SCHEMAS:
            with Session(open_schema(url, schema)) as session, session.begin():
                write_event(
                    session,
                    at=datetime.now(UTC),
                    kind="k",
                    subject="s",
                    actor=None,
                    role=None,
                    clause=None,
                    facts={},
                    request_id="",
                    told=[],
                )
                sequence(session)
        self.file(url)
        with open_schema(url, "public").connect() as connection:
            now: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
            return now + timedelta(milliseconds=1)

    def file(self, url: URL) -> UUID:
        name, content = uuid4(), uuid4().bytes
        place = self.data / "files" / name.hex[-2:] / name.hex
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        with open_schema(url, "workflow").begin() as connection:
            connection.execute(text(FILE), {"id": name, "digest": hashlib.sha256(content).digest()})
        return name

    def archive_log(self, url: URL) -> None:
        """Wait until all that is committed is archived."""
        with autocommit(url) as connection:
            last = connection.execute(text("select pg_walfile_name(pg_switch_wal())")).scalar_one()
            eventually((self.archive.wal / last).exists)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Migrated, written to, backed up, written to, stopped; its parents are private, as pytest makes them."""
    house = Installation(tmp_path_factory.mktemp("made"))
    kept = kept_secrets(house.data)
    with postgres.running(house.data / "postgresql", postgres.Log(house.archive.wal)) as server:
        migrated(server, DATABASE, kept)
        url = server.admin_url.set(database=DATABASE)
        house.write(url)
        back_up_folder(house.data, house.archive.folder)
    return house


@pytest.fixture
def house(made: Installation, tmp_path: Path) -> Installation:
    """A copy of it for one test, the owners of its files included."""
    shutil.copytree(made.data.parent, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("socket"))
    postgres.own(tmp_path / "data" / "postgresql" / "cluster", tmp_path / "backups" / "wal")
    copied = Installation.__new__(Installation)
    copied.data, copied.archive = tmp_path / "data", Archive(tmp_path / "backups")
    return copied


def test_a_destroyed_database_comes_back_to_the_end_of_its_log_or_to_any_moment_and_goes_on(house: Installation) -> None:
    with house.running() as url:
        chosen = house.write(url)
        then = roots(url)
        house.write(url)
        house.archive_log(url)
        last = roots(url)
        house.archive.mirror(stores(house.data))
    shutil.rmtree(house.data / "postgresql" / "cluster")
    shutil.rmtree(house.data / "files")
    newest, seconds = restore_folder(house.data, house.archive.folder)
    assert (newest.wrong, newest.record, newest.files, newest.events) == ([], last, 3, sum(size for size, _ in last.values()))
    assert 0 < seconds < 60
    earlier, _ = restore_folder(house.data, house.archive.folder, chosen)
    assert (earlier.wrong, earlier.record, earlier.files) == ([], then, 2)
    assert len(list((house.data / "postgresql").glob("cluster.replaced-*"))) == 1
    with house.running() as url:
        house.write(url)
        house.archive_log(url)
        back_up_folder(house.data, house.archive.folder)
        again = roots(url)
    found, _ = restore_folder(house.data, house.archive.folder)
    assert (found.wrong, found.record) == ([], again)
    assert again != last


def test_what_was_backed_up_after_the_moment_gone_back_to_is_set_aside(house: Installation) -> None:
    with house.running() as url:
        chosen = house.write(url)
        house.write(url)
        later = back_up_folder(house.data, house.archive.folder)
    restore_folder(house.data, house.archive.folder, chosen)
    assert (house.archive.base / f"abandoned-{later.name}").is_dir()
    restored, _ = restore_folder(house.data, house.archive.folder)
    assert restored.wrong == []


def test_a_moment_before_every_backup_or_after_the_logs_end_is_refused_in_a_sentence(house: Installation) -> None:
    with pytest.raises(BackupError, match="no base backup"):
        restore_folder(house.data, house.archive.folder, datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(postgres.PostgresError, match="recovery ended before configured recovery target was reached"):
        restore_folder(house.data, house.archive.folder, datetime.now(UTC) + timedelta(days=1))


def test_a_damaged_base_backup_is_not_laid_out(house: Installation) -> None:
    base = house.archive.choose(None)
    victim = house.archive.base / base.name / "cluster" / "PG_VERSION"
    victim.write_text("17\n")
    with pytest.raises(BackupError, match="PG_VERSION is not what was copied"):
        restore_folder(house.data, house.archive.folder)
    victim.unlink()
    with pytest.raises(BackupError, match="lacks PG_VERSION"):
        restore_folder(house.data, house.archive.folder)
    assert (house.data / "postgresql" / "cluster").exists()
    assert not list((house.data / "postgresql").glob("cluster.replaced-*"))


def test_a_log_with_a_gap_is_refused_and_not_taken_for_its_end(house: Installation) -> None:
    with house.running() as url:
        for _ in range(3):
            house.write(url)
            house.archive_log(url)
    newest = sorted(path for path in house.archive.wal.glob("0*") if len(path.name) == 24)
    newest[-2].unlink()
    with pytest.raises(BackupError, match=f"lacks its piece …{newest[-2].name[8:]}"):
        restore_folder(house.data, house.archive.folder)


def test_a_running_database_is_not_replaced_and_keys_are_in_no_backup(house: Installation) -> None:
    with house.running(), pytest.raises(postgres.PostgresError, match="already runs"):
        restore_folder(house.data, house.archive.folder)
    names = {path.name for path in house.archive.folder.rglob("*")}
    assert names.isdisjoint({"secrets.json", "password"})
    (house.data / "secrets.json").unlink()
    with pytest.raises(BackupError, match=r"secrets\.json is missing"):
        restore_folder(house.data, house.archive.folder)


def test_a_record_that_is_not_the_backups_and_a_file_without_bytes_are_told(house: Installation) -> None:
    base = house.archive.choose(None)
    with house.running() as url:
        places = dict.fromkeys(("intake", "workflow"), house.data / "files")
        assert check(url, base, places).wrong == []
        forged = dataclasses.replace(base, record=base.record | {"scoring": (base.record["scoring"][0], "00" * 32)})
        assert check(url, forged, places).wrong == [
            f"scoring: the record does not begin with the {base.record['scoring'][0]} events of the base backup {base.name}"
        ]
        [file] = (path for path in (house.data / "files").rglob("*") if path.is_file())
        file.write_bytes(b"")
        assert check(url, base, places).wrong == ["1 of 1 attachments have no bytes, or others"]
        file.unlink()
        with open_schema(url, "intake").begin() as connection:
            connection.execute(text("update event set kind = 'another'"))
        assert check(url, base, places).wrong == [
            "intake: the event at place 0 is not the one that the record holds there",
            f"intake: the record does not begin with the 1 events of the base backup {base.name}",
            "1 of 1 attachments have no bytes, or others",
        ]


def test_of_many_base_backups_the_newest_stay_with_the_log_and_the_files_that_they_need(house: Installation) -> None:
    with house.running() as url:
        [early] = (path.name for path in (house.data / "files").rglob("*") if path.is_file())
        house.write(url)
        second = back_up_folder(house.data, house.archive.folder, keep=2)
        for path in (house.data / "files").rglob(early):
            path.unlink()
        with open_schema(url, "workflow").begin() as connection:
            connection.execute(text("delete from attachment where id = :id"), {"id": UUID(early)})
        assert list(house.archive.files.rglob(early))
        third = back_up_folder(house.data, house.archive.folder, keep=2)
        assert list(house.archive.files.rglob(early))
        assert [one.name for one in house.archive.bases()] == [second.name, third.name]
        fourth = back_up_folder(house.data, house.archive.folder, keep=1)
        assert [one.name for one in house.archive.bases()] == [fourth.name]
    assert not list(house.archive.files.rglob(early))
    assert all(path.name >= fourth.first_piece for path in house.archive.wal.glob("0*"))
    restored, _ = restore_folder(house.data, house.archive.folder)
    assert (restored.wrong, restored.files) == ([], 1)


def test_another_databases_log_is_never_written_over(house: Installation, tmp_path: Path) -> None:
    pieces = {path: path.read_bytes() for path in house.archive.wal.glob("0*")}
    with postgres.running(tmp_path / "other", postgres.Log(house.archive.wal)) as server, autocommit(server.admin_url) as connection:
        for statement in ("create table t (n int)", "select pg_switch_wal()", "insert into t values (1)", "select pg_switch_wal()"):
            connection.execute(text(statement))
        failed = text("select failed_count from pg_stat_archiver")
        eventually(lambda: connection.execute(failed).scalar_one() > 0)
    assert {path: path.read_bytes() for path in pieces} == pieces


def test_compose_archives_its_log_in_the_same_way() -> None:
    words = (ROOT / "docker-compose.yml").read_text()
    for name, value in log_settings("/backups/wal").items():
        assert f'-c "{name}={value}"' in words or f"-c {name}={value}" in words, name
