"""What an operator asks a program: is it alive, may it be sent requests, and its numbers."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from kernel.clock import business_now, is_shifted, wall
from kernel.database import event, leaf, outbox, unsequenced
from kernel.identity import Anyone
from kernel.logs import log
from kernel.problems import Kind, Problem

if TYPE_CHECKING:
    from kernel.service import Service

MIGRATIONS = Path(__file__).parent.parent / "migrations"
LARGEST_SKEW_SECONDS = 5.0
RELAY_ENDED = Kind(503, "relay_ended", "本服务的消息传递因故障停止，须重新启动", "This service's relay has ended by a fault; restart it")
NOT_READY = Kind(503, "not_ready", "尚未就绪：{reason}", "Not ready: {reason}")

Phases = Callable[[Session, datetime], list[tuple[int, str]]]
"""Gives each running cycle's year, and the phase that it is in at an instant."""


def newest_revision(schema: str) -> int:
    """Give the number of the newest revision that this program was shipped with."""
    return max(int(path.name[:4]) for path in (MIGRATIONS / schema / "versions").glob("[0-9]*.py"))


def obstacle(service: "Service") -> str | None:
    """Name what keeps a program from serving; None where nothing does. A database that is newer is no obstacle: updates roll."""
    try:
        with service.sessions() as session:
            revision = session.scalar(text("select version_num from alembic_version"))
            if revision is None or int(revision.rsplit("_")[-1]) < service.revision:
                return f"the schema {service.name} is at revision {revision}, and must be migrated to {service.revision:04}"
            if session.scalar(text("select pg_is_in_recovery() or current_setting('transaction_read_only')::boolean")):
                return "the database can't be written"
            session.execute(text("select pg_current_xact_id()"))
            skew = abs((wall() - session.scalars(select(func.clock_timestamp())).one()).total_seconds())
            if skew > LARGEST_SKEW_SECONDS:
                return f"this machine's clock and the database's differ by {skew:.0f} seconds"
            if service.settings.environment == "production" and is_shifted(session):
                return "the business clock of this database was shifted"
    except (SQLAlchemyError, PoolTimeout) as error:
        return f"the database does not answer ({type(error).__name__})"
    return None


async def keys_missing(service: "Service") -> str | None:
    """Tell where the keys that verify tokens were never read; once read they outlast a door that is away."""
    if service.verifier.has_keys:
        return None
    try:
        await service.verifier.load()
    except Problem as problem:
        return f"the keys that verify tokens can't be read ({problem.kind.code})"
    return None


class Numbers(Collector):
    """What is read when somebody asks: the record's and the relay's lag, the pool, the cycles' phases."""

    def __init__(self, service: "Service", phases: Phases | None) -> None:
        """Read nothing yet."""
        self._service = service
        self._phases = phases

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Name nothing beforehand, so that registering reads no database."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read all; a database that is away is a number, too."""
        yield from self._pool()
        up = GaugeMetricFamily("database_up", "Whether the database answers")
        try:
            with self._service.sessions() as session:
                found = [*self._record(session), *self._relay(session), *self._archive(session), *self._cycles(session)]
        except (SQLAlchemyError, PoolTimeout) as error:
            log.warning("metrics", extra={"fact": {"error": type(error).__name__}})
            up.add_metric([], 0)
        else:
            yield from found
            up.add_metric([], 1)
        yield up

    def _pool(self) -> Iterator[GaugeMetricFamily]:
        pool = self._service.engine.pool
        connections = GaugeMetricFamily("pool_connections", "Connections of the pool", labels=["state"])
        connections.add_metric(["used"], pool.checkedout())  # type: ignore[attr-defined]  # our pools are QueuePools
        connections.add_metric(["idle"], pool.checkedin())  # type: ignore[attr-defined]  # same
        yield connections
        most = GaugeMetricFamily("pool_connections_most", "Connections that the pool may open")
        most.add_metric([], self._service.settings.pool_size)
        yield most

    @staticmethod
    def _record(session: Session) -> Iterator[GaugeMetricFamily]:
        size = session.scalar(select(func.coalesce(func.max(leaf.c.index) + 1, 0)))
        waiting, since = session.execute(
            select(func.count(), func.min(event.c.recorded_at)).select_from(unsequenced).join(event, event.c.id == unsequenced.c.event_id)
        ).one()
        oldest = max((wall() - since).total_seconds(), 0) if since else 0
        yield GaugeMetricFamily("record_events", "Events in the record", size)
        yield GaugeMetricFamily("record_waiting", "Events that have no place in the record yet", waiting)
        yield GaugeMetricFamily("record_lag_seconds", "Age of the oldest event that has no place in the record yet", oldest)

    def _relay(self, session: Session) -> Iterator[GaugeMetricFamily]:
        waiting = GaugeMetricFamily("relay_waiting", "Letters that a peer has not taken yet", labels=["peer"])
        lag = GaugeMetricFamily("relay_lag_seconds", "Age of the oldest letter that a peer has not taken yet", labels=["peer"])
        rows = session.execute(
            select(outbox.c.peer, func.count(), func.min(event.c.recorded_at))
            .join(leaf, leaf.c.index == outbox.c.leaf_index)
            .join(event, event.c.id == leaf.c.event_id)
            .group_by(outbox.c.peer)
        )
        found = {peer: (number, (wall() - since).total_seconds()) for peer, number, since in rows}
        for peer in self._service.relay.others:
            number, seconds = found.get(peer, (0, 0.0))
            waiting.add_metric([peer], number)
            lag.add_metric([peer], max(seconds, 0.0))
        yield from (waiting, lag)

    @staticmethod
    def _archive(session: Session) -> Iterator[GaugeMetricFamily]:
        statement = "select coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) from pg_stat_archiver"
        fails = session.scalar(text(statement))
        yield GaugeMetricFamily(
            "log_archiving_fails", "Whether the database could not archive the next piece of its log", float(bool(fails))
        )

    def _cycles(self, session: Session) -> Iterator[GaugeMetricFamily]:
        if self._phases is not None:
            phases = GaugeMetricFamily("cycle_phase", "The phase that a cycle is in", labels=["year", "phase"])
            for year, phase in self._phases(session, business_now(session, self._service.settings.environment)):
                phases.add_metric([str(year), phase], 1)
            yield phases


def register(registry: CollectorRegistry, service: "Service", phases: Phases | None) -> None:
    """Have the numbers read with every scrape."""
    registry.register(Numbers(service, phases))


def health_routes() -> APIRouter:
    """Serve liveness, readiness and metrics."""
    health = APIRouter(include_in_schema=False)

    @health.get("/livez")
    @health.get("/healthz")
    async def livez(_anyone: Anyone) -> dict[str, str]:
        """Answer as long as the event loop turns."""
        return {"status": "alive"}

    @health.get("/readyz")
    async def readyz(request: Request, _anyone: Anyone) -> dict[str, str]:
        """Answer 200 where requests may come: migrated, writable, keys read, clocks right."""
        service: Service = request.app.state.service
        reason = await run_in_threadpool(obstacle, service) or await keys_missing(service)
        if not service.relay.is_at_work():
            raise Problem(RELAY_ENDED)
        if reason is not None:
            log.warning("not ready", extra={"fact": {"reason": reason}})
            raise Problem(NOT_READY, headers={"Retry-After": "1"}, reason=reason)
        return {"status": "ready"}

    @health.get("/metrics")
    def metrics(request: Request, _anyone: Anyone) -> Response:
        return Response(generate_latest(request.app.state.service.registry), media_type=CONTENT_TYPE_LATEST)

    return health
