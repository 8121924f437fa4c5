"""Files beside the papers: the scan of the government's document, what proves an objection or a revocation's ground."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from sqlalchemy import func, select

from kernel.arrival import count_arrival
from kernel.files import Received, Upload, send
from kernel.identity import Anyone, Office, Principal, roles
from kernel.problems import TOO_LARGE, Kind, Problem, absent
from kernel.requests import InTransaction, Transaction
from kernel.service import Service, router
from kernel.wire import Answer, Name
from services.workflow.course import check_insight, find_cycle
from services.workflow.objection.schemas import TrackingCode
from services.workflow.objection.use_cases import OPEN, find_objection, tracking_hash
from services.workflow.revocation.use_cases import find_case
from services.workflow.stage import Insider
from services.workflow.tables import Arrival, Attachment, Objection

SETTLED = Kind(409, "objection_settled", "该异议已经处理完毕", "That objection has been settled")

Investigator = Annotated[Principal, roles("committee", "supervisor", duties=("office", "chair"))]
FileName = Annotated[Name, Query(description="the file's name")]
CONTENT: dict[int | str, dict[str, Any]] = {
    status: {"description": words, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    for status, words in ((200, "the file"), (206, "the range asked for"))
}
BYTES = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}


class AttachmentAnswer(Answer):
    """A file: the type that its content shows, its size in bytes and SHA-256."""

    id: UUID
    name: str
    media_type: str
    size: int
    sha256: str
    at: datetime


class Attachments(Answer):
    """The files beside one thing."""

    items: list[AttachmentAnswer]


def keep(transaction: Transaction, subject: str, received: Received, name: str, limit: int) -> AttachmentAnswer:
    """Keep a file that has arrived, with its hash in the record; 413 where the subject's files would be more than `limit` bytes."""
    held = transaction.session.scalar(select(func.coalesce(func.sum(Attachment.size), 0)).where(Attachment.subject == subject))
    if int(held or 0) + received.size > limit:
        raise Problem(TOO_LARGE, limit=limit)
    kept = Attachment(
        id=received.id,
        subject=subject,
        name=name,
        media_type=received.media_type,
        size=received.size,
        sha256=received.sha256,
        by=transaction.actor.person if transaction.actor else None,
        at=transaction.now,
    )
    transaction.session.add(kept)
    transaction.record("attachment.added", subject, facts={"attachment": str(kept.id), "sha256": kept.sha256.hex()})
    return show(kept)


def show(attachment: Attachment) -> AttachmentAnswer:
    """Show a file."""
    return AttachmentAnswer(
        id=attachment.id,
        name=attachment.name,
        media_type=attachment.media_type,
        size=attachment.size,
        sha256=attachment.sha256.hex(),
        at=attachment.at,
    )


def attachments_of(transaction: Transaction, subject: str) -> Sequence[Attachment]:
    """Load what is kept beside something, in the order it came."""
    return transaction.session.scalars(select(Attachment).where(Attachment.subject == subject).order_by(Attachment.id)).all()


def content(transaction: Transaction, subject: str, attachment_id: UUID) -> Response:
    """Stream a file out; 404 where it is none of this subject's."""
    found = transaction.session.get(Attachment, attachment_id)
    if found is None or found.subject != subject:
        raise absent()
    return send(transaction.request, Received(found.id, found.sha256, found.size, found.media_type), found.name)


def listed(transaction: Transaction, subject: str) -> Attachments:
    """Answer with the files beside something."""
    return Attachments(items=[show(one) for one in attachments_of(transaction, subject)])


def _check_objector(request: Request, objection_id: UUID, tracking_code: TrackingCode = "") -> None:
    """Ask before a byte is taken whether this is the objector's own open case, and whether their address has sent too much."""
    service: Service = request.app.state.service
    with service.sessions() as session:
        found = session.get(Objection, objection_id)
        if found is None or found.tracking_hash != tracking_hash(tracking_code):
            raise absent()
        if found.state not in OPEN:
            raise Problem(SETTLED)
        count_arrival(session, request, Arrival, service.settings.objections_per_hour)
        session.commit()


Objecting = Annotated[None, Depends(_check_objector)]

routes = router("attachment")


@routes.post("/cycles/{cycle_id}/attachments", operation_id="add_cycle_attachment", status_code=201, openapi_extra=BYTES)
def post_cycle_attachment(cycle_id: UUID, name: FileName, _office: Office, upload: Upload, transaction: InTransaction) -> AttachmentAnswer:
    """Keep a file of the cycle, such as the scan of the government's document (5.4.3)."""
    find_cycle(transaction, cycle_id)
    return keep(transaction, f"cycle:{cycle_id}", upload, name, transaction.service.settings.dossier_bytes)


@routes.get("/cycles/{cycle_id}/attachments", operation_id="list_cycle_attachments")
def list_cycle_attachments(cycle_id: UUID, insider: Insider, transaction: InTransaction) -> Attachments:
    """List the cycle's files."""
    check_insight(transaction, insider, find_cycle(transaction, cycle_id))
    return listed(transaction, f"cycle:{cycle_id}")


@routes.get(
    "/cycles/{cycle_id}/attachments/{attachment_id}/content",
    operation_id="get_cycle_attachment_content",
    response_class=Response,
    responses=CONTENT,
)
def get_cycle_attachment(cycle_id: UUID, attachment_id: UUID, insider: Insider, transaction: InTransaction) -> Response:
    """Read a file of the cycle."""
    check_insight(transaction, insider, find_cycle(transaction, cycle_id))
    return content(transaction, f"cycle:{cycle_id}", attachment_id)


@routes.post("/revocation-cases/{case_id}/attachments", operation_id="add_revocation_attachment", status_code=201, openapi_extra=BYTES)
def post_case_attachment(case_id: UUID, name: FileName, office: Office, upload: Upload, transaction: InTransaction) -> AttachmentAnswer:
    """Keep a proof, or the scan of the government's decision, with a revocation case (7.2, 7.5)."""
    find_case(transaction, case_id, office)
    return keep(transaction, f"revocation_case:{case_id}", upload, name, transaction.service.settings.dossier_bytes)


@routes.get("/revocation-cases/{case_id}/attachments", operation_id="list_revocation_attachments")
def list_case_attachments(case_id: UUID, reader: Investigator, transaction: InTransaction) -> Attachments:
    """List a revocation case's files."""
    find_case(transaction, case_id, reader)
    return listed(transaction, f"revocation_case:{case_id}")


@routes.get(
    "/revocation-cases/{case_id}/attachments/{attachment_id}/content",
    operation_id="get_revocation_attachment_content",
    response_class=Response,
    responses=CONTENT,
)
def get_case_attachment(case_id: UUID, attachment_id: UUID, reader: Investigator, transaction: InTransaction) -> Response:
    """Read a file of a revocation case."""
    find_case(transaction, case_id, reader)
    return content(transaction, f"revocation_case:{case_id}", attachment_id)


@routes.post("/objections/{objection_id}/attachments", operation_id="add_objection_attachment", status_code=201, openapi_extra=BYTES)
def post_objection_attachment(
    objection_id: UUID, name: FileName, _anyone: Anyone, _objecting: Objecting, upload: Upload, transaction: InTransaction
) -> AttachmentAnswer:
    """Add a file to one's own objection, named by its tracking code; no account needed (5.4.2)."""
    transaction.session.get_one(Objection, objection_id, with_for_update=True)
    return keep(transaction, f"objection:{objection_id}", upload, name, transaction.service.settings.attachment_bytes)


@routes.get("/objections/{objection_id}/attachments", operation_id="list_objection_attachments")
def list_objection_attachments(objection_id: UUID, insider: Insider, transaction: InTransaction) -> Attachments:
    """List what an objector added."""
    find_objection(transaction, insider, objection_id)
    return listed(transaction, f"objection:{objection_id}")


@routes.get(
    "/objections/{objection_id}/attachments/{attachment_id}/content",
    operation_id="get_objection_attachment_content",
    response_class=Response,
    responses=CONTENT,
)
def get_objection_attachment(objection_id: UUID, attachment_id: UUID, insider: Insider, transaction: InTransaction) -> Response:
    """Read a file that an objector added."""
    find_objection(transaction, insider, objection_id)
    return content(transaction, f"objection:{objection_id}", attachment_id)
