"""The workflow as an application."""

from fastapi import FastAPI

from kernel.relay import Transports
from kernel.sealed import seal_of
from kernel.service import Service, create_service
from kernel.settings import Settings
from services.workflow import (
    approval,
    attachment,
    award,
    correction,
    cycle,
    defence,
    earlier_award,
    evaluation,
    export,
    external_honour,
    honour,
    launch,
    meeting,
    notice,
    payment,
    reopening,
    results,
    roster,
    rules,
    shortlist,
    supervision,
    webhook,
)
from services.workflow.ballot import endpoints as ballot
from services.workflow.bundle import questions as bundle
from services.workflow.course import phases
from services.workflow.decisions import decisions
from services.workflow.news import LISTENERS
from services.workflow.objection import endpoints as objection
from services.workflow.record import questions, withheld
from services.workflow.replay import revisit
from services.workflow.revocation import endpoints as revocation
from services.workflow.tasks import tasks

ACTS = (
    cycle,
    launch,
    rules,
    roster,
    ballot,
    meeting,
    reopening,
    supervision,
    shortlist,
    defence,
    evaluation,
    notice,
    objection,
    approval,
    award,
    earlier_award,
    payment,
    honour,
    revocation,
    external_honour,
    attachment,
    results,
    export,
    correction,
    webhook,
)


def create(settings: Settings, transports: Transports | None = None) -> FastAPI:
    """Build the workflow service."""
    service = Service("workflow", settings, transports)
    seal_of(service.engine.dialect)  # contact data must never stand in the clear: without a key nothing starts
    app = create_service(
        service,
        "Workflow",
        [act.routes for act in ACTS],
        tasks=tasks,
        decisions=decisions,
        listeners=LISTENERS,
        withheld=withheld,
        revisit=revisit,
        phases=phases,
    )
    service.errands.append(webhook.errand(service))
    app.include_router(questions, include_in_schema=False)
    app.include_router(bundle, include_in_schema=False)
    return app
