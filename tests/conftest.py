"""One PostgreSQL a session, one migrated template, one fresh product a test module."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

from embedded import postgres
from embedded.product import Secrets, kept_secrets, migrated
from gateway.keys import KeyRing
from gateway.seal import Seal
from kernel.program import settle
from tests import rig

TEMPLATE = "template_award"


def pytest_collection_finish() -> None:
    """Run as the programs do."""
    settle()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Server]:
    standing = os.environ.get("AWARD_SERVER")  # one that serves many runs, as for the mutants of the authorization
    if standing:
        yield postgres.Server(Path(standing) / "socket", (Path(standing) / "password").read_text().strip())
        return
    with postgres.running(tmp_path_factory.mktemp("postgresql") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Secrets:
    standing = os.environ.get("AWARD_SERVER")
    return kept_secrets(Path(standing).parent if standing else tmp_path_factory.mktemp("secrets"))


@pytest.fixture(scope="session")
def template(server: postgres.Server, kept: Secrets) -> str:
    if "AWARD_SERVER" not in os.environ:
        migrated(server, TEMPLATE, kept)
        engine = create_engine(server.url("gateway", kept.passwords["gateway"], TEMPLATE))
        KeyRing(
            sessionmaker(engine, expire_on_commit=False), Seal(SecretStr(kept.seeds["gateway"]))
        ).current()  # made once, and not for each module
        engine.dispose()
    return TEMPLATE


@pytest.fixture(scope="module")
def award(server: postgres.Server, kept: Secrets, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[rig.Award]:
    with rig.running(server, template, kept, tmp_path_factory.mktemp("product")) as running:
        yield running
