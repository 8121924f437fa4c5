"""The start of the embedded product where it is installed and its data is there: until it says that it is ready."""

import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import httpx

from bench.rows import Row
from tests.faults.programs import ROOT, eventually, free_port

STARTS, ALLOWED_SECONDS = 3, 5.0


def started(folder: Path) -> float:
    """Start the product over a folder, and stop it as Ctrl-C does; gives the seconds until `/readyz` said yes."""
    port = free_port()
    words = [sys.executable, "-m", "embedded", "run", "--port", str(port), "--data", str(folder)]
    began = perf_counter()
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, process_group=0) as server:  # noqa: S603 - our own words
        try:
            eventually(lambda: is_ready(port), 120)
            return perf_counter() - began
        finally:
            server.send_signal(signal.SIGINT)


def is_ready(port: int) -> bool:
    """Ask whether the product is ready."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).is_success
    except httpx.TransportError:
        return False


def rows() -> list[Row]:
    """Measure the slowest of several starts; the first, which makes the database, doesn't count."""
    with TemporaryDirectory() as place:
        folder = Path(place) / "data"
        started(folder)
        slowest = max(started(folder) for _ in range(STARTS))
    return [Row("start of the embedded product until it is ready, its data there; 5 s", slowest, ALLOWED_SECONDS, 1)]
