"""Send every forged token to every service, directly and through the door, and count what came of it."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

import httpx
from prometheus_client import CollectorRegistry
from sqlalchemy import text as sql

from embedded.product import SERVICES
from kernel.settings import ServiceName
from tests.attack.tokens import Forger, Forgery, all_forgeries
from tests.rig import Award

OPEN_TO_A_REVIEWER: dict[ServiceName, str] = {
    "gateway": "/me",
    "intake": f"/applications/{'0' * 8}-0000-7000-8000-{'0' * 12}",
    "scoring": "/sheets",
    "workflow": "/cycles",
}
"""What each service answers to a good token of a reviewer, through the door."""


@dataclass
class Figures:
    """What `make attack` ends with."""

    tokens: int = 0
    services: int = 0
    sent: int = 0
    accepted: int = 0
    server_errors: int = 0
    logged: int = 0
    counted: int = 0
    recorded: int = 0
    wrong: list[str] = field(default_factory=list)

    def holds(self, least: int) -> bool:
        """Tell whether nothing got in, nothing broke, and every refusal was logged and counted, and none recorded."""
        silent = self.accepted == self.server_errors == self.recorded == 0 and self.wrong == []
        return silent and self.tokens >= least and self.logged == self.counted == self.sent == self.tokens * self.services

    def line(self) -> dict[str, object]:
        return asdict(self)


class Counting(logging.Handler):
    """Counts the log's lines on refused tokens, and keeps what they say."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == "token refused":
            self.lines.append(str(record.__dict__.get("fact")))


@contextmanager
def counting() -> Iterator[Counting]:
    log, handler = logging.getLogger("quality_award"), Counting()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def refusals(registry: CollectorRegistry) -> float:
    return sum(sample.value for metric in registry.collect() for sample in metric.samples if sample.name == "tokens_refused_total")


def registries(award: Award) -> list[CollectorRegistry]:
    programs = [award.product.door.app, *award.product.programs.values()]
    return [program.state.service.registry for program in programs]


def events(award: Award) -> int:
    """Count what stands in the four records."""
    found = 0
    for schema in SERVICES:
        engine = award.database(schema)
        with engine.connect() as connection:
            found += connection.scalar(sql("select count(*) from event")) or 0
        engine.dispose()
    return found


def targets(award: Award) -> list[tuple[str, httpx.ASGITransport, str]]:
    """List where to knock: each program itself, on what peers and persons call there, and each through the door."""
    own = [("gateway", httpx.ASGITransport(award.product.door.app), "/internal/tasks")]
    own += [(name, httpx.ASGITransport(program), "/internal/tasks") for name, program in award.product.programs.items()]
    door = httpx.ASGITransport(award.product.door)
    return own + [(f"door to {name}", door, f"/api/v1{path}") for name, path in OPEN_TO_A_REVIEWER.items()]


async def knock(award: Award, tokens: Sequence[Forgery], good: str, figures: Figures) -> None:
    for name, transport, path in targets(award):
        async with httpx.AsyncClient(transport=transport, base_url="http://award") as client:
            figures.services += 1
            let_in = await client.get(path, headers={"Authorization": f"Bearer {good}"})
            if let_in.status_code not in {200, 404}:
                figures.wrong.append(f"{name}: a good token is answered {let_in.status_code}")
            for what, token in tokens:
                answer = await client.get(path, headers={b"Authorization": b"Bearer " + token})
                figures.sent += 1
                figures.server_errors += answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
                if answer.status_code != httpx.codes.UNAUTHORIZED:
                    figures.accepted += answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR
                    figures.wrong.append(f"{name}: {what}: {answer.status_code}")


def attack(award: Award, every: int = 1) -> Figures:
    """Send every forgery, or every so-many-th, everywhere."""
    good = award.product.door.tokens.sign("p1", {"role": "reviewer"})
    tokens = all_forgeries(Forger(good, award.product.door.gateway.keys.current().pem))[::every]
    figures = Figures(tokens=len(tokens))
    before, recorded = sum(map(refusals, registries(award))), events(award)
    with counting() as log:
        asyncio.run(knock(award, tokens, good, figures))
    figures.logged = len(log.lines)
    figures.counted = int(sum(map(refusals, registries(award))) - before)
    figures.recorded = events(award) - recorded
    return figures
