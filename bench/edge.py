"""The public awards page through the edge, beside the same nginx giving a file of the same bytes, both over TLS."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench import product
from bench.exports import FILL
from bench.intake import demand
from bench.rows import Row
from bench.speed import CLIENT, SERVER, beside, pin, running
from tests.faults.programs import ROOT, free_port
from tests.workflow.certificates import Authority

PAGE, CONNECTIONS, SECONDS = "/api/v1/public/awards?limit=50", 32, 4
CACHED = re.compile(r"location = /api/v1/public/awards \{.*?\n    \}\n", re.DOTALL)
AWARDS = 50


def program(name: str, package: str) -> str:
    """Find a program that the bench needs."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise SystemExit(f"{name} is needed (Debian's package {package}); it is not installed.")
    return found


def configured(folder: Path, door: int, file: Path | None) -> tuple[Path, int]:
    """Write the deployment's own configuration of the edge with this machine's places; with a file, that stands for the page."""
    port = free_port()
    instead = {
        "/tmp/": f"{folder}/", "/run/secrets/": f"{folder}/", "/etc/nginx/conf.d": str(folder), "processes auto": "processes 1",  # noqa: S108 - the container's
        "/dev/stdout": f"{folder}/access.log", "/dev/stderr": f"{folder}/error.log", "listen 8080": f"listen {free_port()}",
        "listen 8443": f"listen {port}", "$door:8000": f"$door:{door}", "${QUALITY_AWARD_PORT}": str(port),
        "${QUALITY_AWARD_RESOLVER}": "127.0.0.1", "${QUALITY_AWARD_DOOR}": "127.0.0.1",
    }  # fmt: skip
    for name, to in (("nginx.conf", "main"), ("server.conf.template", "server.conf")):
        text = (ROOT / "deploy/edge" / name).read_text(encoding="utf-8")
        for before, after in instead.items():
            text = text.replace(before, after)
        if file is not None:
            text = CACHED.sub(f"location = /api/v1/public/awards {{ default_type application/json; alias {file}; }}\n", text)
        (folder / to).write_text(text)
    vouched = Authority("bench").vouched("localhost")
    for name in ("certificate.pem", "certificate_key.pem"):
        (folder / name).write_bytes(vouched)
    return folder / "main", port


@contextmanager
def edge(folder: Path, door: int, file: Path | None = None) -> Iterator[int]:
    """Run nginx on the server's core."""
    folder.mkdir(mode=0o711)
    configuration, port = configured(folder, door, file)
    words = [
        "taskset",
        "--cpu-list",
        "0",
        program("nginx", "nginx-light"),
        "-c",
        str(configuration),
        "-p",
        str(folder),
        "-g",
        "daemon off;",
    ]
    with running(words, port, SERVER):
        yield port


def rate(port: int) -> float:
    """Press with wrk, which takes TLS faster than nginx gives it; gives answers a second."""
    words = [program("wrk", "wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", f"https://127.0.0.1:{port}{PAGE}"]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own words
    found = re.search(r"Requests/sec: +([0-9.]+)", told)
    demand(found is not None and "Non-2xx" not in told and "Socket errors" not in told, told)
    return float(found[1]) if found else 0.0


def check(port: int, body: bytes) -> None:
    """Demand that the edge gives this page, and spares whoever has it."""
    with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=False, trust_env=False) as client:  # noqa: S501 - the bytes are compared
        answer = client.get(PAGE)
        demand(answer.content == body, f"{len(answer.content)} bytes, not {len(body)}")
        if "etag" in answer.headers:
            again = client.get(PAGE, headers={"If-None-Match": answer.headers["etag"]})
            demand(again.status_code == httpx.codes.NOT_MODIFIED, f"{again.status_code} for whoever has the page")


def rows() -> list[Row]:
    """Measure on one core for the edge, the door and what is behind it, the other for the load."""
    os.sched_setaffinity(0, CLIENT)
    with TemporaryDirectory() as place, product.running() as award:
        pin(award.pid, SERVER)
        engine = award.database("workflow")
        with engine.begin() as connection:
            connection.exec_driver_sql(FILL.format(awards=AWARDS))
        engine.dispose()
        folder = Path(place)
        folder.chmod(0o711)
        body = httpx.get(f"{award.address}{PAGE}", trust_env=False).raise_for_status().content
        (folder / "page").write_bytes(body)
        with edge(folder / "edge", httpx.URL(award.address).port or 80) as ours, edge(folder / "file", 1, folder / "page") as reference:
            check(ours, body)
            check(reference, body)
            name = f"public awards page ({len(body):,} bytes) through the edge, TLS; nginx with a file of the same bytes"
            return [beside(name, lambda: rate(ours), lambda: rate(reference), 0.8)]
