"""What an operator does to the embedded product beside serving it, whether it is being served or not: one database, four programs' work."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from sqlalchemy import MetaData

import gateway.retention
import gateway.tables
import services.intake.retention
import services.intake.tables
import services.scoring.tables
import services.workflow.retention
import services.workflow.tables
from embedded import postgres
from embedded.cannot import CannotError
from embedded.product import DATABASE, Secrets, kept_secrets, migrated, renewed_contact_key, settings_of, without_former_keys
from gateway import rotation
from gateway.settings import GatewaySettings
from kernel import upkeep
from kernel.settings import Environment, ServiceName, Settings
from kernel.upkeep import Keeping

KEEPINGS: dict[ServiceName, tuple[MetaData, Callable[[Settings], Sequence[Keeping]]]] = {
    "gateway": (gateway.tables.Base.metadata, lambda settings: gateway.retention.keepings(cast("GatewaySettings", settings))),
    "intake": (services.intake.tables.Base.metadata, services.intake.retention.keepings),
    "scoring": (services.scoring.tables.Base.metadata, lambda _settings: []),
    "workflow": (services.workflow.tables.Base.metadata, services.workflow.retention.keepings),
}


@contextmanager
def reached(folder: Path) -> Iterator[tuple[postgres.Server, bool]]:
    """Reach the database of a data folder: the server that runs there, or one of our own for the while; tells whether it is our own."""
    if not (folder / "secrets.json").exists():
        raise CannotError(f"There is no data of the product in {folder}.")
    found = postgres.found_running(folder / "postgresql")
    if found is not None:
        yield found, False
        return
    with postgres.running(folder / "postgresql") as server:
        migrated(server, DATABASE, kept_secrets(folder))
        yield server, True


def migrate(folder: Path) -> None:
    """Bring the database of a data folder to the newest revision, whether it is being served or not."""
    with reached(folder) as (server, own):
        if not own:
            migrated(server, DATABASE, kept_secrets(folder))


def rotate(folder: Path, environment: Environment, step: str, kid: str | None, *, now: bool) -> int:
    """Take a step of the signing keys' rotation, and list them; gives the exit status."""
    with reached(folder) as (server, _):
        settings = settings_of("gateway", server, DATABASE, folder, kept_secrets(folder), environment)
        return rotation.rotate(cast("GatewaySettings", settings), step, kid, now=now)


def keep(folder: Path, environment: Environment, *, dry_run: bool) -> None:
    """Erase what was kept long enough, for each program in turn."""
    with reached(folder) as (server, _):
        _keep_up(server, folder, kept_secrets(folder), environment, "retention", dry_run=dry_run)


def reseal(folder: Path, environment: Environment, *, new_key: bool) -> None:
    """Seal contact data anew, for each program in turn; with a key made first, and the former forgotten last, while nothing serves."""
    with reached(folder) as (server, own):
        if new_key and not own:
            raise CannotError("Stop the product before its contact key changes: it reads the key when it starts.")
        kept = renewed_contact_key(folder) if new_key else kept_secrets(folder)
        _keep_up(server, folder, kept, environment, "reseal")
        if new_key:
            without_former_keys(folder)


def _keep_up(
    server: postgres.Server, folder: Path, kept: Secrets, environment: Environment, command: str, *, dry_run: bool = False
) -> None:
    for name, (metadata, keepings) in KEEPINGS.items():
        settings = settings_of(name, server, DATABASE, folder, kept, environment)
        upkeep.run(name, settings, metadata, keepings(settings), command, dry_run=dry_run)
