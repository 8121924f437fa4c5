"""What the record costs: the same request with its event appended, and without."""

import os
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from bench.load import rate, request
from bench.rows import Row
from bench.speed import CLIENT, SERVER, beside, pin
from embedded import postgres
from embedded.product import Product, kept_secrets
from kernel.database import new_id
from kernel.settings import ServiceName
from tests.faults.programs import Programs, programs
from tests.rig import Award
from tests.workflow.committee import ok

NAME: ServiceName = "workflow"
AT_MOST = 1.05
REQUESTS = 20_000


def rows() -> list[Row]:
    """Measure one sort of request on one connection, the workflow on one core and the load on the other."""
    os.sched_setaffinity(0, CLIENT)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        folder.chmod(0o711)
        server = stack.enter_context(postgres.running(folder / "postgresql"))
        kept = kept_secrets(folder)
        house = stack.enter_context(programs(server, kept, folder))
        house.settings["objections_per_hour"] = str(10**9)
        product = Product(server, house.database, folder, kept, "test")  # it signs the office's token, and serves nothing
        award = Award(product, house.url("gateway"), server, house.database)
        cycle = str(ok(award.client("committee", "office-1", duties=["office"]).post("/cycles", json={"year": 2026}))["id"])
        award.close()
        return [
            beside(
                "a report from the public, its event appended to the record; the same without",
                lambda: _rate(house, cycle),
                lambda: _rate(house, cycle, "bench.unrecorded"),
                1 / AT_MOST,
            )
        ]


def _rate(house: Programs, cycle: str, *under: str) -> float:
    """Give how many reports a second are taken, one after the other."""
    house.stop(NAME)
    house.start(NAME, under)
    pin(house.process(NAME), SERVER)
    path = f"/api/v1/cycles/{cycle}/reports"
    reports = [request("POST", path, body=b'{"text": "%s"}' % new_id().hex.encode(), Idempotency_Key=uuid4().hex) for _ in range(REQUESTS)]
    return rate(house.address(NAME)[1], reports, connections=1)
