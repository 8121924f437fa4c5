"""Intake as an application: applying, endorsement, and the screening of who may be reviewed."""

from fastapi import FastAPI

from kernel.relay import Transports
from kernel.sealed import seal_of
from kernel.service import Service, create_service
from kernel.settings import Settings
from services.intake import (
    application,
    attachment,
    body,
    completeness,
    correction,
    difference,
    endorsement,
    form,
    imports,
    organisation,
    recusal,
    screening,
    submission,
    verification,
)
from services.intake.access import revisit, withheld
from services.intake.bundle import questions
from services.intake.decisions import decisions
from services.intake.news import LISTENERS
from services.intake.tasks import tasks

ACTS = (
    imports, organisation, form, application, completeness, attachment, submission, difference, body, endorsement, correction,
    verification, screening, recusal,
)  # fmt: skip


def create(settings: Settings, transports: Transports | None = None) -> FastAPI:
    """Build intake."""
    service = Service("intake", settings, transports)
    seal_of(service.engine.dialect)  # contact data must never stand in the clear: without a key nothing starts
    routers = [act.routes for act in ACTS]
    app = create_service(
        service, "Intake", routers, tasks=tasks, decisions=decisions, listeners=LISTENERS, withheld=withheld, revisit=revisit
    )
    app.include_router(questions, include_in_schema=False)
    return app
