"""Handing an application in: a frozen version addressed by its content goes to an endorsing body; withdrawal, receipt, timeline."""

import hashlib
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import rfc8785
from pydantic import ConfigDict
from sqlalchemy import select, update

from kernel.database import event
from kernel.identity import Applicant
from kernel.problems import Kind, Problem, absent
from kernel.requests import DryRun, InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer, Body, Line, Reason
from regulation import endorsement
from services.intake import access, steps
from services.intake.application import ApplicationAnswer, Reader, show
from services.intake.body import known_bodies
from services.intake.tables import Application, Attachment, Endorsement, FrozenVersion

BODY_UNKNOWN = Kind(422, "endorsing_body_unknown", "没有这个推荐单位", "There is no such endorsing body")


class Submission(Body):
    """To which endorsing body the application goes (5.2)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"endorsing_body": "330703101"}]})

    endorsing_body: Annotated[str, Line(40)]


class Withdrawal(Body):
    """Why the applicant withdraws."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "经营计划调整。"}]})

    reason: Reason


class VersionAnswer(Answer):
    """A frozen version, addressed by the SHA-256 of its RFC 8785 canonical JSON."""

    number: int
    sha256: str
    submitted_at: datetime


class VersionContent(VersionAnswer):
    """A frozen version with its content."""

    content: dict[str, Any]


class Versions(Answer):
    """Every version that was submitted, in order."""

    items: list[VersionAnswer]


class Receipt(Answer):
    """The receipt of a filed application: who endorsed which version, and when it was filed."""

    application: UUID
    cycle: UUID
    credit_code: str
    version: int
    sha256: str
    endorsing_body: str
    signatory: str
    signed_on: date
    filed_at: datetime


class Happening(Answer):
    """One thing that happened to an application."""

    at: datetime
    kind: str
    clause: str | None
    facts: dict[str, Any]


class Timeline(Answer):
    """What happened to an application, in order."""

    items: list[Happening]


SHOWN = frozenset(
    {
        "application.started",
        "application.submitted",
        "application.returned",
        "application.declined",
        "application.endorsed",
        "application.withdrawn",
        "application.stage_changed",
        "application.disqualified",
        "screening.determined",
    }
)
"""The kinds of events that the timeline shows."""


def submit_application(transaction: Transaction, application: UUID, submission: Submission) -> Application:
    """Freeze the dossier and address it to an endorsing body: that of the registered address, or a department for the industry.

    Clauses 1.1, 1.2, 1.3, 1.4, 3.1, 3.2.1, 3.2.7, 3.3.1, 3.3.2, 3.3.3, 5.2.
    """
    found, cycle = access.hold(transaction, application)
    state, content = steps.check_submission(transaction, found, cycle)
    body = known_bodies(transaction, cycle.edition).get(submission.endorsing_body)
    if body is None:
        raise Problem(BODY_UNKNOWN)
    endorsement.check_body(body, content["organisation"]["township"], content["organisation"]["industry"])
    steps.check_reroute(transaction, found, cycle, body.code)
    digest = hashlib.sha256(rfc8785.dumps(content)).digest()
    if found.submitted == 0 or access.latest(transaction, found).sha256 != digest:
        found.submitted += 1
        transaction.session.add(
            FrozenVersion(
                application_id=found.id,
                number=found.submitted,
                sha256=digest,
                content=content,
                submitted_at=transaction.now,
                submitted_by=access.caller(transaction).person,
            )
        )
        held = (Attachment.application_id == found.id, Attachment.removed_at.is_(None), Attachment.body.is_(None))
        transaction.session.execute(update(Attachment).where(*held).values(frozen=True))
    found.state, found.body = state, body.code
    found.version += 1
    facts = {"version": found.submitted, "sha256": digest.hex(), "endorsing_body": body.code}
    transaction.record("application.submitted", f"application:{found.id}", clause="5.2", facts=facts)
    return found


def withdraw_application(transaction: Transaction, application: UUID, reason: str) -> Application:
    """Withdraw: applying is voluntary to the end.

    Clause 1.4.
    """
    found, cycle = access.hold(transaction, application)
    steps.check_withdrawal(transaction, found, cycle)
    known_to_peers = found.state == "eligible" and access.phase(cycle, transaction) != "screening"
    found.state = "withdrawn"
    found.version += 1
    transaction.record(
        "application.withdrawn",
        f"application:{found.id}",
        clause="1.4",
        facts={"cycle": str(cycle.id), "application": str(found.id), "reason": reason},
        tell=("workflow", "scoring") if known_to_peers else (),
    )
    return found


routes = router("application")


@routes.post("/applications/{application}/submission", operation_id="submit_application")
def post_submission(
    application: UUID, submission: Submission, _applicant: Applicant, transaction: InTransaction, _dry_run: DryRun
) -> ApplicationAnswer:
    """Hand the application in, for endorsement (5.2); refused where no day left in the window could make it eligible (chapter 3)."""
    return show(transaction, submit_application(transaction, application, submission))


@routes.post("/applications/{application}/withdrawal", operation_id="withdraw_application")
def post_withdrawal(
    application: UUID, withdrawal: Withdrawal, _applicant: Applicant, transaction: InTransaction, _dry_run: DryRun
) -> ApplicationAnswer:
    """Withdraw the application (1.4)."""
    return show(transaction, withdraw_application(transaction, application, withdrawal.reason))


@routes.get("/applications/{application}/versions", operation_id="list_versions")
def list_versions(application: UUID, _reader: Reader, transaction: InTransaction) -> Versions:
    """List what was submitted."""
    found = access.find(transaction, application)
    rows = transaction.session.scalars(select(FrozenVersion).where(FrozenVersion.application_id == found.id).order_by(FrozenVersion.number))
    return Versions(items=[VersionAnswer(number=row.number, sha256=row.sha256.hex(), submitted_at=row.submitted_at) for row in rows])


@routes.get("/applications/{application}/versions/{number}", operation_id="get_version")
def get_version(application: UUID, number: int, _reader: Reader, transaction: InTransaction) -> VersionContent:
    """Read a version whose canonical JSON hashes to its SHA-256; an official's reading is recorded (7.6)."""
    found = access.find(transaction, application)
    row = transaction.session.get(FrozenVersion, (found.id, number)) if 0 < number <= found.submitted else None
    if row is None:
        raise absent()
    access.read_dossier(transaction, found, f"versions/{number}")
    return VersionContent(number=number, sha256=row.sha256.hex(), submitted_at=row.submitted_at, content=row.whole())


@routes.get("/applications/{application}/receipt", operation_id="get_receipt")
def get_receipt(application: UUID, _reader: Reader, transaction: InTransaction) -> Receipt:
    """Read the receipt of a filed application (5.2)."""
    found = access.find(transaction, application)
    endorsed = select(Endorsement).where(Endorsement.application_id == found.id, Endorsement.decision == "endorse")
    decision = transaction.session.scalar(endorsed.order_by(Endorsement.id.desc()).limit(1))
    if found.filed_at is None or decision is None or decision.signed_on is None:
        raise absent()
    return Receipt(
        application=found.id,
        cycle=found.cycle_id,
        credit_code=found.credit_code,
        version=decision.number,
        sha256=access.latest(transaction, found).sha256.hex(),
        endorsing_body=decision.body,
        signatory=decision.signatory,
        signed_on=decision.signed_on,
        filed_at=decision.decided_at,
    )


@routes.get("/applications/{application}/timeline", operation_id="get_timeline")
def get_timeline(application: UUID, _reader: Reader, transaction: InTransaction) -> Timeline:
    """Read what happened to an application, up to its award."""
    found = access.find(transaction, application)
    rows = transaction.session.execute(
        select(event).where(event.c.subject == f"application:{found.id}", event.c.kind.in_(SHOWN)).order_by(event.c.id)
    )
    return Timeline(items=[Happening(at=row.at, kind=row.kind, clause=row.clause, facts=row.facts) for row in rows])
