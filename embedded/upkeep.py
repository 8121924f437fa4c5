"""What an operator does to the embedded product beside serving it, whether it is being served or not: one database, four programs' work."""

import argparse
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
from embedded.product import DATABASE, Secrets, kept_secrets, migrated, renewed_contact_key, settings_of, without_former_keys
from embedded.serve import CannotServeError
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


def add_commands(commands: upkeep.Commands) -> None:
    """Add what `run` does to the command line."""
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--data", type=Path, default=Path("data"), help="the data folder (default: ./data)")
    where.add_argument("--environment", choices=["production", "demo", "test"], default="production", help="the one that it is served in")
    rotation.add_command(commands, [where])
    _, reseal = upkeep.add_commands(commands, [where])
    reseal.add_argument("--new-key", action="store_true", help="make a new key first, forget the former last; while nothing serves")


@contextmanager
def reached(folder: Path) -> Iterator[tuple[postgres.Server, bool]]:
    """Reach the database of a data folder: the server that runs there, or one of our own for the while; tells whether it is our own."""
    if not (folder / "secrets.json").exists():
        raise CannotServeError(f"There is no data of the product in {folder}.")
    found = postgres.found_running(folder / "postgresql")
    if found is not None:
        yield found, False
        return
    with postgres.running(folder / "postgresql") as server:
        migrated(server, DATABASE, kept_secrets(folder))
        yield server, True


def run(given: argparse.Namespace) -> int:
    """Do what the words say, for each program in turn."""
    folder: Path = given.data.absolute()
    with reached(folder) as (server, own):
        kept = kept_secrets(folder)
        if given.command == "keys":
            settings = settings_of("gateway", server, DATABASE, folder, kept, given.environment)
            return rotation.rotate(cast("GatewaySettings", settings), given)
        if given.command == "reseal" and given.new_key:
            if not own:
                raise CannotServeError("Stop the product before its contact key changes: it reads the key when it starts.")
            kept = renewed_contact_key(folder)
        _keep_up(server, folder, kept, given)
        if given.command == "reseal" and given.new_key:
            without_former_keys(folder)
    return 0


def _keep_up(server: postgres.Server, folder: Path, kept: Secrets, given: argparse.Namespace) -> None:
    environment: Environment = given.environment
    for name, (metadata, keepings) in KEEPINGS.items():
        settings = settings_of(name, server, DATABASE, folder, kept, environment)
        upkeep.run(name, settings, metadata, keepings(settings), given)
