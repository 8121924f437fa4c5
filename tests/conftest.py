"""One PostgreSQL a session, one migrated template, one fresh product a test module."""

from collections.abc import Iterator

import pytest

from embedded import postgres
from embedded.product import Secrets, kept_secrets, migrated
from tests import rig

TEMPLATE = "template_award"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Server]:
    with postgres.running(tmp_path_factory.mktemp("postgresql") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Secrets:
    return kept_secrets(tmp_path_factory.mktemp("secrets"))


@pytest.fixture(scope="session")
def template(server: postgres.Server, kept: Secrets) -> str:
    migrated(server, TEMPLATE, kept)
    return TEMPLATE


@pytest.fixture(scope="module")
def award(server: postgres.Server, kept: Secrets, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[rig.Award]:
    with rig.running(server, template, kept, tmp_path_factory.mktemp("product")) as running:
        yield running
