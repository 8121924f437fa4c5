"""The edge's own configuration, with a port and folders of this test's, before a door: what its logs hold, and what it keeps."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.faults.programs import eventually, free_port
from tests.intake.applicants import credit_code
from tests.rig import Award
from tests.workflow.committee import ok

EDGE = Path(__file__).parents[2] / "deploy" / "edge"
STALE_SECONDS = 3.0
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx (Debian's package nginx) is not installed")


def written(folder: Path, port: int, door: int) -> Path:
    """Write the configuration with its ports and folders changed, and without TLS; gives its file."""
    instead = {
        "/tmp/": f"{folder}/", "/etc/nginx/conf.d/*.conf": f"{folder}/server.conf", "/dev/stdout": f"{folder}/access.log",  # noqa: S108 - as it stands there
        "/dev/stderr": f"{folder}/error.log", "listen 8443 ssl http2": f"listen 127.0.0.1:{port}",
        "listen 8080": f"listen 127.0.0.1:{free_port()}", "http://$door:8000": f"http://127.0.0.1:{door}",
        "${QUALITY_AWARD_PORT}": "443", "${QUALITY_AWARD_RESOLVER}": "127.0.0.11", "${QUALITY_AWARD_DOOR}": "gateway",
    }  # fmt: skip
    for name, to in (("nginx.conf", "nginx.conf"), ("server.conf.template", "server.conf")):
        text = "".join(line for line in (EDGE / name).read_text().splitlines(keepends=True) if not line.strip().startswith("ssl_"))
        for before, after in instead.items():
            text = text.replace(before, after)
        (folder / to).write_text(text)
    return folder / "nginx.conf"


@contextmanager
def edge(folder: Path, door: int) -> Iterator[httpx.Client]:
    """Run the edge before a door until the block ends."""
    port = free_port()
    command = [str(NGINX), "-e", str(folder / "error.log"), "-c", str(written(folder, port, door)), "-g", "daemon off; user root;"]
    with subprocess.Popen(command) as running:  # noqa: S603 - our own words
        try:
            eventually(lambda: (folder / "nginx.pid").exists() and (folder / "nginx.pid").read_text() != "")
            with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False) as client:
                yield client
        finally:
            running.terminate()


@needs_nginx
def test_no_log_of_the_edge_holds_a_query_or_an_objections_tracking_code(tmp_path: Path) -> None:
    with edge(tmp_path, free_port()) as client:
        for path in ("/public/objection", "/public/awards?q=somebody"):
            answer = client.get(path, headers={"Tracking-Code": "S3cret-Code"})
            assert (answer.status_code, answer.json()["code"], "retry-after" in answer.headers) == (503, "busy", True)
    access, errors = (tmp_path / "access.log").read_text(), (tmp_path / "error.log").read_text()
    paths = [line.split('"path":"')[1].split('"')[0] for line in access.splitlines()]
    assert paths == ["/api/v1/public/objection", "/api/v1/public/awards"]
    assert "S3cret" not in access + errors
    assert "/public/awards" in errors
    assert "somebody" not in access


@needs_nginx
def test_the_public_page_is_kept_for_seconds_and_for_nobody_who_shows_a_token(award: Award, tmp_path: Path) -> None:
    office = award.client("committee", "office-1", duties=["office"])

    def imported(number: int) -> None:
        row = {
            "credit_code": credit_code(number), "organisation": f"企业{number}", "award": "innovation", "year": 2023, "prize": 150000,
            "document_number": "金东政发〔2023〕18号", "approved_on": "2023-10-12",
        }  # fmt: skip
        ok(office.post("/awards/imports", json={"awards": [row]}))

    award.at("2026-11-20T09:00:00+08:00")
    imported(1)
    with edge(tmp_path, httpx.URL(award.address).port or 0) as client:
        pages = [client.get("/public/awards") for _ in range(50)]
        assert len({page.headers["x-request-id"] for page in pages}) == len(pages)
        assert len({page.content for page in pages}) == 1
        asked = (tmp_path / "access.log").read_text().splitlines()
        assert 0 < len([line for line in asked if '"upstream":""' in line]) < len(pages)
        again = client.get("/public/awards", headers={"If-None-Match": pages[0].headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get("/public/awards", headers={"Authorization": "Bearer forged"}).status_code == 401
        imported(2)
        committed = time.monotonic()
        while True:
            began = time.monotonic()
            if "企业2" in client.get("/public/awards").text:
                break
            assert began - committed < STALE_SECONDS
        assert client.get("/public/notices").headers["cache-control"] == "no-store"
