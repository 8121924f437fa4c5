"""Scoring as an application."""

from typing import Annotated
from uuid import UUID

from fastapi import FastAPI, Query

from kernel.identity import Peer
from kernel.relay import Transports
from kernel.requests import InTransaction
from kernel.service import Service, create_service, router
from kernel.settings import Settings
from services.scoring import (
    consensus,
    feedback,
    history,
    interest,
    opening,
    panel,
    replacement,
    report,
    result,
    reviewer,
    rubric,
    sheet,
    site,
    watch,
    what_if,
)
from services.scoring.access import may_read_dossier, withheld
from services.scoring.bundle import questions as bundle
from services.scoring.decisions import decisions
from services.scoring.diagnostics import endpoints as diagnostics
from services.scoring.draw import endpoints as draw
from services.scoring.news import LISTENERS
from services.scoring.replay import revisit
from services.scoring.tasks import tasks

questions = router("internal")

ACTS = (
    rubric,
    reviewer,
    history,
    watch,
    interest,
    draw,
    panel,
    replacement,
    sheet,
    opening,
    consensus,
    site,
    result,
    report,
    feedback,
    diagnostics,
    what_if,
)


@questions.get("/internal/dossier-access")
def may_read(_peer: Peer, transaction: InTransaction, person: Annotated[str, Query(max_length=64)], application: UUID) -> dict[str, bool]:
    """Tell intake whether this reviewer may read this dossier now (2.4.5, 7.6, 2.3.end)."""
    return {"may_read": may_read_dossier(transaction.session, person, application)}


def create(settings: Settings, transports: Transports | None = None) -> FastAPI:
    """Build the scoring service."""
    service = Service("scoring", settings, transports)
    routers = [act.routes for act in ACTS]
    app = create_service(
        service, "Scoring", routers, tasks=tasks, decisions=decisions, listeners=LISTENERS, withheld=withheld, revisit=revisit
    )
    app.include_router(questions, include_in_schema=False)
    app.include_router(bundle, include_in_schema=False)
    return app
