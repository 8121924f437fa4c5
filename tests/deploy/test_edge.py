"""The edge's own configuration, with a port and folders of this test's, before a door that is away: what its logs hold."""

import os
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.faults.programs import eventually, free_port

EDGE = Path(__file__).parents[2] / "deploy" / "edge"
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


def written(folder: Path, port: int) -> Path:
    """Write the configuration with its ports and folders changed, and without TLS; gives its file."""
    instead = {
        "/tmp/": f"{folder}/", "/etc/nginx/conf.d/*.conf": f"{folder}/server.conf", "/dev/stdout": f"{folder}/access.log",  # noqa: S108 - as it stands there
        "/dev/stderr": f"{folder}/error.log", "listen 8443 ssl http2": f"listen 127.0.0.1:{port}",
        "listen 8080": f"listen 127.0.0.1:{free_port()}", "http://$door:8000": f"http://127.0.0.1:{free_port()}",
        "${QUALITY_AWARD_PORT}": "443", "${QUALITY_AWARD_RESOLVER}": "127.0.0.11", "${QUALITY_AWARD_DOOR}": "gateway",
    }  # fmt: skip
    for name, to in (("nginx.conf", "nginx.conf"), ("server.conf.template", "server.conf")):
        text = "".join(line for line in (EDGE / name).read_text().splitlines(keepends=True) if not line.strip().startswith("ssl_"))
        for before, after in instead.items():
            text = text.replace(before, after)
        (folder / to).write_text(text)
    return folder / "nginx.conf"


@pytest.mark.skipif(NGINX is None, reason="nginx (Debian's package nginx) is not installed")
def test_no_log_of_the_edge_holds_an_objections_tracking_code(tmp_path: Path) -> None:
    port = free_port()
    command = [str(NGINX), "-e", str(tmp_path / "error.log"), "-c", str(written(tmp_path, port)), "-g", "daemon off;"]
    with subprocess.Popen(command) as edge:  # noqa: S603 - our own words
        try:
            eventually(lambda: (tmp_path / "nginx.pid").exists() and (tmp_path / "nginx.pid").read_text() != "")
            with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False) as client:
                for path in ("/public/objections/S3cret-Code", "/public/awards?q=somebody", "/%70ublic/objections/S3cret-Code"):
                    answer = client.get(path)
                    assert (answer.status_code, answer.json()["code"], "retry-after" in answer.headers) == (503, "busy", True)
        finally:
            edge.terminate()
    access, errors = (tmp_path / "access.log").read_text(), (tmp_path / "error.log").read_text()
    assert [line.split('"path":"')[1].split('"')[0] for line in access.splitlines()] == [
        "/api/v1/public/objections/-", "/api/v1/public/awards", "/api/v1/public/objections/-",
    ]  # fmt: skip
    assert "S3cret" not in access + errors
    assert "/public/awards" in errors
    assert "somebody" not in access
