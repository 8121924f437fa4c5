"""A commit whose answer never came: it may have been done, and nothing may be thrown away that it needs."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from tests.rig import Award
from tests.workflow.committee import Committee

PDF = b"%PDF-1.7\n"
BREAK = """
create function workflow.break_off() returns trigger language plpgsql security definer as
'begin perform pg_terminate_backend(pg_backend_pid()); return null; end';
create constraint trigger break_off after insert on workflow.attachment deferrable initially deferred
for each row execute function workflow.break_off();
"""


@pytest.fixture
def breaking(award: Award) -> Iterator[None]:
    """Break the connection of every transaction that adds a file, in the moment of its commit."""
    engine = award.database("workflow")
    with engine.begin() as connection:
        connection.execute(text(BREAK))
    yield
    with engine.begin() as connection:
        connection.execute(text("drop function if exists workflow.break_off cascade"))
    engine.dispose()


def files(award: Award) -> set[Path]:
    folder: Path = award.product.programs["workflow"].state.service.settings.files
    return {file for file in folder.rglob("*") if file.is_file()}


def test_a_file_outlives_a_commit_that_broke_off_and_the_same_request_again_succeeds(award: Award, breaking: None) -> None:  # noqa: ARG001 - for its effect
    committee = Committee(award)
    path = f"/cycles/{committee.open_cycle(2140)}/attachments?name=scan.pdf"
    token = {"Authorization": committee.office.headers["Authorization"], "Idempotency-Key": uuid4().hex}
    before = files(award)
    refused = httpx.Client.request(committee.office, "POST", path, content=PDF, headers=token)
    assert (refused.status_code, "retry-after" in refused.headers) == (503, True), refused.text
    assert len(files(award) - before) == 1
    engine = award.database("workflow")
    with engine.begin() as connection:
        connection.execute(text("drop function workflow.break_off cascade"))
        assert connection.execute(text("select count(*) from attachment")).scalar_one() == 0
    engine.dispose()
    added = httpx.Client.request(committee.office, "POST", path, content=PDF, headers=token)
    assert added.status_code == 201, added.text
    again = httpx.Client.request(committee.office, "POST", path, content=PDF, headers=token)
    assert (again.status_code, again.json()) == (201, added.json())
    assert committee.office.get(f"{path.partition('?')[0]}/{added.json()['id']}/content").content == PDF
