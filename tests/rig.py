"""The whole product in one process behind its door, as the tests meet it: by HTTP alone, over a real PostgreSQL."""

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import uvicorn
from sqlalchemy import URL, Engine, create_engine, text

from embedded import postgres
from embedded.caller import Caller
from embedded.product import Product, Secrets
from kernel.identity import Duty, Role
from kernel.program import KEEP_ALIVE_SECONDS

TRUST = ssl.create_default_context()
"""Read once: httpx would read it for every client, and nothing here speaks TLS."""


class Announced(uvicorn.Server):
    """A server that tells when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


class Award:
    """One fresh product; `client` gives callers with signed tokens, `at` moves the business clock."""

    def __init__(self, product: Product, address: str, server: postgres.Server, database: str) -> None:
        self.product = product
        self.address = address
        self._server = server
        self.name = database
        self._callers: list[Caller] = []

    def client(
        self,
        role: Role | None = None,
        person: str | None = None,
        *,
        duties: Sequence[Duty] = (),
        org: str | None = None,
        body: str | None = None,
        scope: str | None = None,
    ) -> Caller:
        headers = {"Accept-Language": "en"}
        if role is not None or scope is not None:
            claims = {"role": role, "duties": list(duties) or None, "org": org, "body": body, "scope": scope}
            given = {name: value for name, value in claims.items() if value is not None}
            token = self.product.door.tokens.sign(person or str(uuid4()), given)
            headers["Authorization"] = f"Bearer {token}"
        caller = Caller(base_url=f"{self.address}/api/v1", headers=headers, timeout=30, trust_env=False, verify=TRUST)
        self._callers.append(caller)
        return caller

    def close(self) -> None:
        for caller in self._callers:
            caller.close()

    def at(self, instant: str, *, running: bool = False) -> None:
        with self.client() as anyone:
            answer = anyone.put("/demo/clock", json={"now": instant, "running": running})
        assert answer.is_success, answer.text

    def database(self, schema: str) -> Engine:
        """Give the owner's connection to one schema, for looking at what the record and the rows hold."""
        url: URL = self._server.admin_url.set(database=self.name)
        return create_engine(url, connect_args={"options": f"-csearch_path={schema}"})


@contextmanager
def running(server: postgres.Server, template: str, kept: Secrets, folder: Path, *, keep: bool = False) -> Iterator[Award]:
    """Copy the migrated template, and serve the product on a free port until the block ends; `keep` leaves the database, as a template."""
    database = f"award_{uuid4().hex[:12]}"
    owner = create_engine(server.admin_url, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text(f"create database {database} template {template}"))
    product = Product(server, database, folder, kept, "test")
    edge = product.door.gateway.settings.edge_addresses
    config = uvicorn.Config(
        product,
        port=0,
        forwarded_allow_ips=edge,
        log_config=None,
        access_log=False,
        loop="uvloop",
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    web = Announced(config)
    thread = threading.Thread(target=web.run, daemon=True)
    thread.start()
    try:
        assert web.ready.wait(timeout=30), "the product did not start"
        port = web.servers[0].sockets[0].getsockname()[1]
        award = Award(product, f"http://127.0.0.1:{port}", server, database)
        yield award
        award.close()
    finally:
        web.should_exit = True
        thread.join(timeout=30)
        with owner.connect() as connection:
            connection.execute(text("select 1" if keep else f"drop database {database} with (force)"))
        owner.dispose()
