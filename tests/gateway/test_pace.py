"""A body that stands still, or drips, is cut off with 408, and nothing of it is kept."""

import socket
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from embedded import postgres
from embedded.product import Secrets
from tests import rig
from tests.faults.programs import eventually
from tests.intake.applicants import PDF
from tests.rig import Award

STALL_SECONDS, BYTES_PER_SECOND = 0.5, 2000


@pytest.fixture(scope="module")
def award(server: postgres.Server, kept: Secrets, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Award]:
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("QUALITY_AWARD_BODY_STALL_SECONDS", str(STALL_SECONDS))
        settings.setenv("QUALITY_AWARD_BODY_BYTES_PER_SECOND", str(BYTES_PER_SECOND))
        with rig.running(server, template, kept, tmp_path_factory.mktemp("product")) as running:
            yield running


def dripped(award: Award, path: str, headers: httpx.Headers, body: bytes, size: int, piece: int, pause: float) -> bytes:
    """Send a body of `size` bytes, `piece` by piece with a pause after each, and then no more; gives what is answered until the end."""
    there = httpx.URL(award.address)
    lines = [f"POST /api/v1{path} HTTP/1.1", f"Host: {there.host}", f"Content-Length: {size}", f"Idempotency-Key: {uuid4().hex}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name in {"authorization", "content-type"}]
    with socket.create_connection((there.host, there.port or 80)) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        connection.settimeout(pause)
        answer = b""
        for place in range(0, len(body), piece):
            connection.sendall(body[place : place + piece])
            try:
                answer += connection.recv(65536)
            except TimeoutError:
                continue
            break
        connection.settimeout(10)
        while b"HTTP/1.1 2" not in answer and (part := connection.recv(65536)):
            answer += part
        return answer


def test_a_body_that_drips_or_stands_still_is_cut_off_and_nothing_of_it_is_kept(award: Award) -> None:
    office = award.client("committee", "office-1", duties=["office"])
    office.headers["content-type"] = "application/json"
    body = b'{"year": 2031' + b" " * 985 + b"}"
    cut = [
        dripped(award, "/cycles", office.headers, body, len(body), 1, 0.02),
        dripped(award, "/cycles", office.headers, body[:-1], len(body), len(body), 0.02),
    ]
    assert office.get("/cycles").json()["items"] == []
    slowly = dripped(award, "/cycles", office.headers, body, len(body), 250, STALL_SECONDS / 4)
    assert slowly.startswith(b"HTTP/1.1 201 ")
    files = f"/cycles/{office.get('/cycles').json()['items'][0]['id']}/attachments"
    cut.append(dripped(award, f"{files}?name=a", office.headers, PDF, len(PDF) + 1, len(PDF), 0.02))
    for answer in cut:
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in answer.lower()
        assert b'"code": "body_too_slow"' in answer
    arriving = award.product.door.gateway.settings.files
    eventually(lambda: not any(one.is_file() for one in arriving.rglob("*")))
    assert dripped(award, f"{files}?name=a", office.headers, PDF, len(PDF), len(PDF), 0.02).startswith(b"HTTP/1.1 201 ")
    assert len(office.get(files).json()["items"]) == 1
