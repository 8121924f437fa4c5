"""Recusal requests: an applicant asks with reasons that a person take no part, and the office rules (2.4.5)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field
from sqlalchemy import select

from kernel.identity import Applicant, Office, Principal, roles
from kernel.problems import Kind, Problem, absent
from kernel.requests import DryRun, InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer, Body, Words
from regulation.recusal import check_request_ruling
from services.intake import access, steps
from services.intake.tables import RecusalRequest

RULED_ALREADY = Kind(409, "recusal_request_ruled", "该回避申请已作出决定", "This request has been ruled on already")


class RecusalRequestBody(Body):
    """Who should take no part, and why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"person": "reviewer-07", "reason": "该评审员2024年曾任我司竞争对手的顾问。"}]}
    )

    person: Annotated[str, Field(pattern=r"^[0-9A-Za-z_.-]{1,64}$")]
    reason: Annotated[str, Words(4000, least=0)]


class Ruling(Body):
    """The office's ruling with its reasons."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"granted": True, "reason": "情况属实。"}]})

    granted: bool
    reason: Annotated[str, Words(4000, least=0)]


class RecusalRequestAnswer(Answer):
    """A recusal request; `granted` is null until the office has ruled."""

    id: UUID
    person: str
    reason: str
    requested_at: datetime
    granted: bool | None
    ruling_reason: str | None
    decided_at: datetime | None


class RecusalRequests(Answer):
    """An application's recusal requests."""

    items: list[RecusalRequestAnswer]


def request_recusal(transaction: Transaction, application: UUID, asked: RecusalRequestBody) -> RecusalRequest:
    """Ask that a person take no part.

    Clause 2.4.5.
    """
    found, cycle = access.hold(transaction, application)
    steps.check_recusal_request(transaction, found, cycle)
    check_request_ruling(asked.reason, asked.reason)
    request = RecusalRequest(application_id=found.id, requested_at=transaction.now, **asked.model_dump())
    transaction.session.add(request)
    transaction.session.flush()
    facts = asked.model_dump() | {"request": str(request.id)}
    transaction.record("recusal.requested", f"application:{found.id}", clause="2.4.5", facts=facts)
    return request


def rule(transaction: Transaction, application: UUID, request: UUID, ruling: Ruling) -> RecusalRequest:
    """Grant or refuse; whom the request concerns doesn't rule on it. A granted one goes to scoring, which recuses the person everywhere.

    Clause 2.4.5.
    """
    found, _ = access.hold(transaction, application)
    asked = transaction.session.get(RecusalRequest, request)
    person = access.caller(transaction).person
    if asked is None or asked.application_id != found.id or asked.person == person:
        raise absent()
    if asked.granted is not None:
        raise Problem(RULED_ALREADY)
    check_request_ruling(asked.reason, ruling.reason)
    asked.granted, asked.ruling_reason = ruling.granted, ruling.reason
    asked.decided_at, asked.decided_by = transaction.now, person
    transaction.record(
        "recusal.granted" if ruling.granted else "recusal.refused",
        f"application:{found.id}",
        clause="2.4.5",
        facts={"person": asked.person, "credit_code": found.credit_code, "reason": ruling.reason, "request": str(asked.id)},
        tell=("scoring",) if ruling.granted else (),
    )
    return asked


routes = router("recusal")

Reader = Annotated[Principal, roles("applicant", "supervisor", "committee", duties=("office",))]


@routes.post("/applications/{application}/recusal-requests", operation_id="request_recusal", status_code=201)
def post_request(application: UUID, asked: RecusalRequestBody, _applicant: Applicant, transaction: InTransaction) -> RecusalRequestAnswer:
    """Ask, with reasons, that a person take no part in reviewing one's application (2.4.5)."""
    return RecusalRequestAnswer.model_validate(request_recusal(transaction, application, asked))


@routes.get("/applications/{application}/recusal-requests", operation_id="list_recusal_requests")
def list_requests(application: UUID, reader: Reader, transaction: InTransaction) -> RecusalRequests:
    """List an application's recusal requests; whom one concerns doesn't see it (2.4.5)."""
    found = access.find(transaction, application)
    rows = transaction.session.scalars(
        select(RecusalRequest)
        .where(RecusalRequest.application_id == found.id, RecusalRequest.person != reader.person)
        .order_by(RecusalRequest.id)
    )
    return RecusalRequests(items=[RecusalRequestAnswer.model_validate(row) for row in rows])


@routes.post("/applications/{application}/recusal-requests/{request}/decision", operation_id="rule_on_recusal_request")
def post_decision(
    application: UUID, request: UUID, ruling: Ruling, _office: Office, transaction: InTransaction, _dry_run: DryRun
) -> RecusalRequestAnswer:
    """Grant or refuse a recusal request, with reasons (2.4.5)."""
    return RecusalRequestAnswer.model_validate(rule(transaction, application, request, ruling))
