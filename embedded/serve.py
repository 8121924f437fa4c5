"""Serve the product on this machine: embedded PostgreSQL, migrations, keys, the first account, then the door."""

import logging
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn

from embedded import postgres
from embedded.cannot import CannotError
from embedded.product import DATABASE, Product, kept_secrets, migrated
from gateway.first import ensure_first_office
from kernel import logs
from kernel.program import KEEP_ALIVE_SECONDS, settle
from kernel.settings import Environment
from operations.archive import MIRROR_SECONDS, Archive
from regulation.edition import names


def bound(host: str, port: int) -> socket.socket:
    """Take the port before anything else is started."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise CannotError(f"Port {port} on {host} can't be used: {error.strerror}; choose another with --port.") from error
    return listener


@contextmanager
def backed_up(folder: Path, backups: Path | None) -> Iterator[postgres.Log | None]:
    """Copy new attachments to the backups while the block runs; gives where the database archives its log."""
    if backups is None:
        yield None
        return
    try:
        archive = Archive(backups).made()
    except OSError as error:
        raise CannotError(f"The folder for backups {backups} can't be written: {error.strerror}.") from error
    stopping = threading.Event()
    copying = threading.Thread(target=archive.keep_mirroring, args=({"files": folder / "files"}, MIRROR_SECONDS, stopping))
    copying.start()
    try:
        yield postgres.Log(archive.wal)
    finally:
        stopping.set()
        copying.join()


@contextmanager
def prepared(folder: Path, environment: Environment, edition: str | None, backups: Path | None = None) -> Iterator[Product]:
    """Start the database in `folder`, bring it up to date, and compose the product; with `backups` it can be restored from there."""
    if edition is not None and edition not in names():
        raise CannotError(f"There is no edition {edition}; there are {', '.join(names())}.")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = kept_secrets(folder)
    except OSError as error:
        raise CannotError(f"The data folder {folder} can't be written: {error.strerror}.") from error
    with backed_up(folder, backups) as archived, postgres.running(folder / "postgresql", archived) as server:
        migrated(server, DATABASE, kept)
        yield Product(server, DATABASE, folder, kept, environment, edition)


def serve(folder: Path, host: str, port: int, environment: Environment, edition: str | None = None, backups: Path | None = None) -> None:
    """Serve until Ctrl-C, which stops all of it."""
    listener = bound(host, port)
    with listener, prepared(folder, environment, edition, backups) as product:
        logs.configure("WARNING")
        first = ensure_first_office(product.door.gateway, product.door.gateway.settings)
        address = f"http://{host}:{listener.getsockname()[1]}"
        lines = [f"The award is served on {address}", f"API reference: {address}/docs", f"Data: {folder}"]
        if first is not None:
            lines.append(f"First office account: login {first.login}; its one-time activation secret is in {first.path}")
            if sys.stdout.isatty():
                lines.append(f"  activation secret: {first.secret}")
        lines.append("Ctrl-C stops it.")

        class Announced(uvicorn.Server):
            """A server that says where it is once it answers."""

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                """Start, then tell."""
                await super().startup(sockets)
                if self.started:
                    sys.stdout.write("\n".join(lines) + "\n")
                    sys.stdout.flush()

        edge = product.door.gateway.settings.edge_addresses
        config = uvicorn.Config(
            product,
            forwarded_allow_ips=edge,
            log_config=None,
            access_log=False,
            loop="uvloop",
            lifespan="on",
            timeout_graceful_shutdown=5,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        settle()
        with suppress(KeyboardInterrupt):  # uvicorn passes the signal on once it has stopped
            Announced(config).run(sockets=[listener])
