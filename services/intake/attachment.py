"""The files of an application: streamed in and out, hashed, typed by their content."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import BackgroundTasks, Query
from fastapi.responses import FileResponse
from sqlalchemy import func, select

from kernel.files import Received, Upload, send, stored
from kernel.identity import Applicant
from kernel.problems import TOO_LARGE, Problem, absent
from kernel.requests import InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer, Line, Name
from services.intake import access, steps
from services.intake.application import Reader
from services.intake.tables import Application, Attachment


class AttachmentAnswer(Answer):
    """An attachment: what it proves (`requirement`), the type that its content shows, its size in bytes and SHA-256."""

    id: UUID
    name: str
    requirement: str
    media_type: str
    size: int
    sha256: str
    added_at: datetime


class Attachments(Answer):
    """An application's attachments."""

    items: list[AttachmentAnswer]


def add_attachment(transaction: Transaction, application: UUID, received: Received, name: str, requirement: str) -> Attachment:
    """Keep a file that has arrived with its application, within the limit of the whole dossier."""
    found, cycle = access.hold(transaction, application)
    steps.check_edit(transaction, found, cycle)
    session, limit = transaction.session, transaction.service.settings.dossier_bytes
    held = (Attachment.application_id == found.id, Attachment.removed_at.is_(None))
    size = session.scalar(select(func.coalesce(func.sum(Attachment.size), 0)).where(*held))
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
    )
    session.add(added)
    facts = {"attachment": str(added.id), "name": name, "sha256": added.sha256.hex()}
    transaction.record("attachment.added", f"application:{found.id}", facts=facts)
    return added


def remove_attachment(transaction: Transaction, application: UUID, attachment: UUID) -> Attachment:
    """Take a file out of the application; what a frozen version holds stays with that version."""
    found, cycle = access.hold(transaction, application)
    held = _find(transaction, found, attachment)
    steps.check_edit(transaction, found, cycle)
    held.removed_at = transaction.now
    transaction.record("attachment.removed", f"application:{found.id}", facts={"attachment": str(attachment)})
    return held


def _find(transaction: Transaction, application: Application, attachment: UUID) -> Attachment:
    found = transaction.session.get(Attachment, attachment)
    if found is None or found.application_id != application.id or found.removed_at is not None:
        raise absent()
    return found


def _read(transaction: Transaction, application: UUID, attachment: UUID) -> Attachment:
    """Find an attachment for a reader: the applicant's present ones, for everybody else those of what was submitted."""
    found = access.find(transaction, application)
    frozen = access.read_dossier(transaction, found, f"attachments/{attachment}")
    if frozen is None:
        return _find(transaction, found, attachment)
    if str(attachment) not in {one["id"] for one in frozen["attachments"]}:
        raise absent()
    return transaction.session.get_one(Attachment, attachment)


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
    )


routes = router("attachment")


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
    _applicant: Applicant,
    upload: Upload,
    transaction: InTransaction,
) -> AttachmentAnswer:
    """Add a file, sent as the request's body (PDF, DOCX, XLSX, PNG, JPEG or OFD)."""
    return show(add_attachment(transaction, application, upload, name, requirement))


@routes.get("/applications/{application}/attachments", operation_id="list_attachments")
def list_attachments(application: UUID, _reader: Reader, transaction: InTransaction) -> Attachments:
    """List the attachments; an official's reading is recorded (7.6)."""
    found = access.find(transaction, application)
    frozen = access.read_dossier(transaction, found, "attachments")
    statement = select(Attachment).where(Attachment.application_id == found.id).order_by(Attachment.id)
    if frozen is None:
        statement = statement.where(Attachment.removed_at.is_(None))
    else:
        statement = statement.where(Attachment.id.in_([UUID(one["id"]) for one in frozen["attachments"]]))
    return Attachments(items=[show(one) for one in transaction.session.scalars(statement)])


@routes.get("/applications/{application}/attachments/{attachment}", operation_id="get_attachment")
def get_attachment(application: UUID, attachment: UUID, _reader: Reader, transaction: InTransaction) -> AttachmentAnswer:
    """Read what is known of an attachment; an official's reading is recorded (7.6)."""
    return show(_read(transaction, application, attachment))


@routes.get("/applications/{application}/attachments/{attachment}/content", operation_id="get_attachment_content")
def get_attachment_content(application: UUID, attachment: UUID, _reader: Reader, transaction: InTransaction) -> FileResponse:
    """Read the file itself; an official's reading is recorded (7.6)."""
    found = _read(transaction, application, attachment)
    return send(transaction.service.settings.files, found.id, found.name, found.media_type)


@routes.delete("/applications/{application}/attachments/{attachment}", operation_id="remove_attachment", status_code=204)
def delete_attachment(
    application: UUID, attachment: UUID, _applicant: Applicant, transaction: InTransaction, background: BackgroundTasks
) -> None:
    """Remove a file while the application may be edited."""
    removed = remove_attachment(transaction, application, attachment)
    if not removed.frozen:
        background.add_task(stored(transaction.service.settings.files, removed.id).unlink, missing_ok=True)
