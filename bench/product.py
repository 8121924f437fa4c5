"""The product in a process of its own, as the measurements of its memory and of its load need it."""

import multiprocessing
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import uvicorn

from embedded import postgres
from embedded.product import DATABASE, Product, Secrets, kept_secrets, migrated
from kernel.program import settle
from tests.rig import Award


class Apart(Award):
    """The tests' way to the product, which here runs as process `pid`."""

    def __init__(self, product: Product, address: str, server: postgres.Server, pid: int) -> None:
        """Sign tokens here with the keys that the process has too."""
        super().__init__(product, address, server, DATABASE)
        self.pid = pid

    def memory(self, of: str = "VmRSS") -> int:
        """Read a figure of the process's memory, in bytes."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{of}:"))

    def forget_peak(self) -> None:
        """Begin the peak of the process's memory (`VmHWM`) anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")


def _serve(server: postgres.Server, folder: Path, kept: Secrets, port: int) -> None:
    product = Product(server, DATABASE, folder, kept, "test")
    settle()
    uvicorn.run(product, port=port, log_config=None, access_log=False, loop="uvloop")


@contextmanager
def running() -> Iterator[Apart]:
    """Serve a fresh product until the block ends."""
    with TemporaryDirectory() as place, postgres.running(Path(place) / "postgresql") as server:
        folder = Path(place)
        kept = kept_secrets(folder)
        migrated(server, DATABASE, kept)
        product = Product(server, DATABASE, folder, kept, "test")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=(server, folder, kept, port))
        process.start()
        address = f"http://127.0.0.1:{port}"
        with httpx.Client(transport=httpx.HTTPTransport(retries=20), trust_env=False) as client:
            client.get(f"{address}/readyz").raise_for_status()
        award = Apart(product, address, server, process.pid or 0)
        try:
            yield award
        finally:
            award.close()
            process.terminate()
            process.join()
