"""The files of an application: streamed in and out, hashed, typed by their content."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import BackgroundTasks, Query, Request
from fastapi.responses import Response
from sqlalchemy import ColumnElement, and_, func, or_, select

from kernel.files import Received, Upload, send
from kernel.identity import Applicant, Principal, roles
from kernel.problems import TOO_LARGE, Problem, absent
from kernel.requests import InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer, Line, Name
from services.intake import access, steps
from services.intake.application import Reader
from services.intake.tables import Application, Attachment


class AttachmentAnswer(Answer):
    """An attachment: what it proves (`requirement`), the type that its content shows, its size in bytes and SHA-256.

    `replaces` names its predecessor, and `replaced` tells that it has a successor; `body` is set on an endorsing body's seal scan.
    """

    id: UUID
    name: str
    requirement: str
    media_type: str
    size: int
    sha256: str
    added_at: datetime
    replaces: UUID | None
    replaced: bool
    body: str | None


class Attachments(Answer):
    """An application's attachments."""

    items: list[AttachmentAnswer]


def add_attachment(
    transaction: Transaction, application: UUID, received: Received, name: str, requirement: str, replaces: UUID | None
) -> Attachment:
    """Keep a file that has arrived with its application, within the limit of the whole dossier; an endorser's is its seal scan.

    Clause 5.2.
    """
    found, cycle = access.hold(transaction, application)
    person = access.caller(transaction)
    if person.role == "endorser":
        steps.check_step(transaction, cycle, found.state, "endorse")
    else:
        steps.check_edit(transaction, found, cycle)
    body = person.body if person.role == "endorser" else None
    if replaces is not None:
        before = _current(transaction, found, replaces, body)
        before.removed_at, before.replaced = transaction.now, True
    session, limit = transaction.session, transaction.service.settings.dossier_bytes
    size = session.scalar(select(func.coalesce(func.sum(Attachment.size), 0)).where(Attachment.application_id == found.id, _counted()))
    if int(size or 0) + received.size > limit:
        raise Problem(TOO_LARGE, limit=limit)
    added = Attachment(
        id=received.id,
        application_id=found.id,
        name=name,
        requirement=requirement,
        media_type=received.media_type,
        size=received.size,
        sha256=received.sha256,
        added_at=transaction.now,
        body=body,
        replaces=replaces,
        replaced=False,
    )
    session.add(added)
    facts = {"attachment": str(added.id), "name": name, "sha256": added.sha256.hex(), "replaces": replaces and str(replaces)}
    transaction.record("attachment.added", f"application:{found.id}", facts=facts)
    return added


def remove_attachment(transaction: Transaction, application: UUID, attachment: UUID) -> Attachment:
    """Take a file out of the application; what a frozen version holds or a successor replaced stays."""
    found, cycle = access.hold(transaction, application)
    held = _current(transaction, found, attachment, None)
    steps.check_edit(transaction, found, cycle)
    held.removed_at = transaction.now
    transaction.record("attachment.removed", f"application:{found.id}", facts={"attachment": str(attachment)})
    return held


def _counted() -> ColumnElement[bool]:
    """Say in SQL what the limit counts: what the applicant has now, and what it replaced without ever having submitted it."""
    return and_(Attachment.body.is_(None), or_(Attachment.removed_at.is_(None), and_(Attachment.replaced, ~Attachment.frozen)))


def _current(transaction: Transaction, application: Application, attachment: UUID, body: str | None) -> Attachment:
    found = transaction.session.get(Attachment, attachment)
    if found is None or (found.application_id, found.body, found.removed_at) != (application.id, body, None):
        raise absent()
    return found


def _kept() -> ColumnElement[bool]:
    return or_(Attachment.removed_at.is_(None), Attachment.replaced, Attachment.frozen)


def readable(person: Principal) -> ColumnElement[bool]:
    """Say in SQL which of an application's files a caller who may read it reads.

    The applicant its own and the seal of a decision; a body its seal and what was submitted; everybody else what was submitted or decided.
    """
    if person.role == "applicant":
        return and_(_kept(), or_(Attachment.body.is_(None), Attachment.frozen))
    if person.role == "endorser":
        return or_(Attachment.frozen, and_(Attachment.body == person.body, _kept()))
    return Attachment.frozen.is_(True)


def _read(transaction: Transaction, application: UUID, attachment: UUID) -> Attachment:
    """Find an attachment for a reader; a department that was asked about a criterion reads what proves it."""
    person = access.caller(transaction)
    one = select(Attachment).where(Attachment.application_id == application, Attachment.id == attachment)
    asked = access.asked(transaction, application)
    if asked:
        one = one.where(Attachment.frozen, Attachment.requirement.in_(asked))
        access.check_sworn(transaction, transaction.session.get_one(Application, application).cycle_id)
        access.note_reading(transaction, f"application:{application}", f"attachments/{attachment}")
    else:
        found = access.find(transaction, application)
        access.read_dossier(transaction, found, f"attachments/{attachment}")
        one = one.where(readable(person))
    read = transaction.session.scalar(one)
    if read is None:
        raise absent()
    return read


def show(attachment: Attachment) -> AttachmentAnswer:
    """Show an attachment."""
    return AttachmentAnswer(
        id=attachment.id,
        name=attachment.name,
        requirement=attachment.requirement,
        media_type=attachment.media_type,
        size=attachment.size,
        sha256=attachment.sha256.hex(),
        added_at=attachment.added_at,
        replaces=attachment.replaces,
        replaced=attachment.replaced,
        body=attachment.body,
    )


routes = router("attachment")

Adder = Annotated[Principal, roles("applicant", "endorser")]
CONTENT: dict[int | str, dict[str, Any]] = {
    status: {"description": words, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    for status, words in ((200, "the file"), (206, "the range asked for"))
}


@routes.post(
    "/applications/{application}/attachments",
    operation_id="add_attachment",
    status_code=201,
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    },
)
def post_attachment(
    application: UUID,
    name: Annotated[Name, Query(description="the file's name")],
    requirement: Annotated[str, Line(80), Query(description="what it proves: a section or criterion of the form")],
    _adder: Adder,
    upload: Upload,
    transaction: InTransaction,
    replaces: Annotated[UUID | None, Query(description="the attachment that it takes the place of, which is kept")] = None,
) -> AttachmentAnswer:
    """Add a file, sent as the request's body (PDF, DOCX, XLSX, PNG, JPEG or OFD); an endorsing body adds the scan of its seal (5.2)."""
    return show(add_attachment(transaction, application, upload, name, requirement, replaces))


@routes.get("/applications/{application}/attachments", operation_id="list_attachments")
def list_attachments(
    application: UUID,
    _reader: Reader,
    transaction: InTransaction,
    history: Annotated[bool, Query(description="also what was replaced, and what earlier versions hold")] = False,  # noqa: FBT002 - FastAPI reads it
) -> Attachments:
    """List the attachments; an official's reading is recorded (7.6)."""
    found = access.find(transaction, application)
    frozen = access.read_dossier(transaction, found, "attachments")
    statement = select(Attachment).where(Attachment.application_id == found.id, readable(access.caller(transaction)))
    if not history:
        now: ColumnElement[bool] = Attachment.removed_at.is_(None)
        if frozen is not None:
            now = or_(Attachment.body.is_not(None), Attachment.id.in_([UUID(one["id"]) for one in frozen["attachments"]]))
        statement = statement.where(now)
    return Attachments(items=[show(one) for one in transaction.session.scalars(statement.order_by(Attachment.id))])


@routes.get("/applications/{application}/attachments/{attachment}", operation_id="get_attachment")
def get_attachment(application: UUID, attachment: UUID, _reader: Reader, transaction: InTransaction) -> AttachmentAnswer:
    """Read what is known of an attachment; an official's reading is recorded (7.6)."""
    return show(_read(transaction, application, attachment))


@routes.get(
    "/applications/{application}/attachments/{attachment}/content",
    operation_id="get_attachment_content",
    response_class=Response,
    responses=CONTENT,
)
def get_attachment_content(application: UUID, attachment: UUID, _reader: Reader, request: Request, transaction: InTransaction) -> Response:
    """Read the file itself, or one range of it (RFC 9110, 14); an official's reading is recorded (7.6)."""
    found = _read(transaction, application, attachment)
    return send(request, Received(found.id, found.sha256, found.size, found.media_type), found.name)


@routes.delete("/applications/{application}/attachments/{attachment}", operation_id="remove_attachment", status_code=204)
def delete_attachment(
    application: UUID, attachment: UUID, _applicant: Applicant, transaction: InTransaction, background: BackgroundTasks
) -> None:
    """Remove a file while the application may be edited."""
    removed = remove_attachment(transaction, application, attachment)
    if not removed.frozen:
        background.add_task(transaction.service.files.remove, removed.id)
