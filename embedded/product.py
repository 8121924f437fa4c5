"""The four programs composed into one ASGI application over an embedded PostgreSQL; peers speak HTTP all the same."""

import asyncio
import json
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import httpx
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import create_engine, text
from starlette.types import ASGIApp, Receive, Scope, Send

import gateway.app
import services.intake.app
import services.scoring.app
import services.workflow.app
from embedded import postgres
from gateway.settings import GatewaySettings
from kernel.relay import Transports
from kernel.settings import Environment, ServiceName, Settings
from migrations.migrate import upgrade

DATABASE = "quality_award"
SERVICES: tuple[ServiceName, ...] = ("gateway", "intake", "scoring", "workflow")


@dataclass(frozen=True)
class Secrets:
    """What the programs prove themselves with: a database password, a client secret and a record key's seed each; contact data's key.

    `contact_keys_former` is empty but while `reseal` is at work.
    """

    passwords: Mapping[str, str]
    clients: Mapping[str, str]
    seeds: Mapping[str, str]
    contact_key: str
    contact_keys_former: str = ""


def kept_secrets(folder: Path) -> Secrets:
    """Read this installation's secrets, made at the first start in a file of mode 0600."""
    path = folder / "secrets.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    made: dict[str, Any] = {
        kind: {name: secrets.token_urlsafe(32) for name in SERVICES} for kind in ("passwords", "clients", "seeds") if kind not in kept
    }
    if "contact_key" not in kept:  # also of an installation that is older than this key
        made["contact_key"] = secrets.token_urlsafe(32)
    return _kept(folder, kept | made) if made else Secrets(**kept)


def _kept(folder: Path, secrets_: Mapping[str, Any]) -> Secrets:
    """Write them, whole or not at all."""
    written = folder / "secrets.json.new"
    written.unlink(missing_ok=True)
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(secrets_, file)
        file.flush()
        os.fsync(file.fileno())
    written.replace(folder / "secrets.json")
    return Secrets(**secrets_)


def renewed_contact_key(folder: Path) -> Secrets:
    """Make a new key for contact data; the one until now still opens what it sealed."""
    kept = kept_secrets(folder)
    former = ",".join(filter(None, (kept.contact_key, kept.contact_keys_former)))
    return _kept(folder, asdict(kept) | {"contact_key": secrets.token_urlsafe(32), "contact_keys_former": former})


def without_former_keys(folder: Path) -> Secrets:
    """Forget the former keys of contact data."""
    return _kept(folder, asdict(kept_secrets(folder)) | {"contact_keys_former": ""})


def migrated(server: postgres.Server, database: str, kept: Secrets) -> None:
    """Create the database where it is missing, and bring it to the newest revision."""
    engine = create_engine(server.admin_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if not connection.scalar(text("select 1 from pg_database where datname = :name"), {"name": database}):
            connection.execute(text(f'create database "{database}"'))
    engine.dispose()
    upgrade(server.url(postgres.SUPERUSER, server.password, database), kept.passwords)


def settings_of(
    name: ServiceName,
    server: postgres.Server,
    database: str,
    folder: Path,
    kept: Secrets,
    environment: Environment,
    edition: str | None = None,
) -> Settings:
    """Give a program's settings over this database and folder; the gateway's are `GatewaySettings`."""
    own: dict[str, object] = {
        "environment": environment,
        "database_url": server.url(name, kept.passwords[name], database).render_as_string(hide_password=False),
        "service_secret": SecretStr(kept.clients[name]),
        "record_seed": SecretStr(kept.seeds[name]),
        "contact_key": SecretStr(kept.contact_key),
        "files": folder / "files",
    }
    own |= {"edition": edition} if edition else {}
    own |= {"contact_keys_former": SecretStr(kept.contact_keys_former)} if kept.contact_keys_former else {}
    if name != "gateway":
        return Settings.model_validate(own)
    clients = {f"{peer}_secret": SecretStr(kept.clients[peer]) for peer in SERVICES if peer != "gateway"}
    return GatewaySettings.model_validate(own | clients | {"state": folder})


class Product:
    """The door with everything behind it; an ASGI application whose lifespan is that of all four programs."""

    def __init__(
        self, server: postgres.Server, database: str, folder: Path, kept: Secrets, environment: Environment, edition: str | None = None
    ) -> None:
        """Compose; nothing runs before the lifespan begins. Without an edition named, the settings say which is the deployment's."""
        settings = {name: settings_of(name, server, database, folder, kept, environment, edition) for name in SERVICES}
        self.programs: dict[ServiceName, FastAPI] = {}
        transports = {name: httpx.ASGITransport(self._reach(name), raise_app_exceptions=False) for name in SERVICES}
        makers: dict[ServiceName, Callable[[Settings, Transports], FastAPI]] = {
            "intake": services.intake.app.create,
            "scoring": services.scoring.app.create,
            "workflow": services.workflow.app.create,
        }
        for name, create in makers.items():
            self.programs[name] = create(settings[name], transports)
        upstreams = {name: self._reach(name) for name in makers}
        self.door = gateway.app.create(cast("GatewaySettings", settings["gateway"]), upstreams, transports)

    def _reach(self, name: ServiceName) -> ASGIApp:
        async def reach(scope: Scope, receive: Receive, send: Send) -> None:
            program = self.door.app if name == "gateway" else self.programs[name]
            await program(scope, receive, send)

        return reach

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve through the door; the services live as long as the door does."""
        if scope["type"] != "lifespan":
            await self.door(scope, receive, send)
            return
        await receive()
        async with AsyncExitStack() as running:
            for program in (self.door.app, *self.programs.values()):
                await running.enter_async_context(program.router.lifespan_context(program))
            await send({"type": "lifespan.startup.complete"})
            await receive()
            every = (self.door.app, *self.programs.values())
            await asyncio.gather(*(program.state.service.rest() for program in every))  # before the first peer is gone
        await send({"type": "lifespan.shutdown.complete"})
