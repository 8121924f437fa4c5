"""The result bundle: one archive with all that a cycle's result rests on, asked of the services and put together at the door."""

import asyncio
import json
import zipfile
from io import BytesIO
from typing import Annotated, Any
from uuid import UUID

import httpx
from fastapi import Query, Request
from fastapi.responses import Response

from gateway.newsboard import NEWS
from gateway.program import Gateway
from kernel.bundle import Audience
from kernel.identity import Anyone
from kernel.logs import log
from kernel.problems import BUSY, PEER_UNREACHABLE, Problem, absent
from kernel.service import router
from kernel.settings import ServiceName

routes = router("record")

ASKED: tuple[ServiceName, ...] = ("intake", "scoring", "workflow")
FORMAT = "quality-award-bundle/1"
MEDIA_TYPE = "application/zip"
PATIENCE_SECONDS = 60
EPOCH = (1980, 1, 1, 0, 0, 0)
Variant = Annotated[Audience | None, Query(description="a supervisor may ask for the public bundle; nobody else has a choice")]


async def part_of(gateway: Gateway, name: ServiceName, request: Request, cycle: UUID, audience: Audience) -> dict[str, Any]:
    """Ask a service for its part, with the caller's own token; 503 names a service that doesn't answer, or waits for news that it needs."""
    passed = {key: request.headers[key] for key in ("authorization", "accept-language") if key in request.headers}
    if news := gateway.newsboard.told_to(name):
        passed[NEWS] = news.decode()
    asked = {"cycle": str(cycle), "audience": audience}
    try:
        answer = await gateway.peers.clients[name].get("/internal/bundle", params=asked, headers=passed, timeout=PATIENCE_SECONDS)
    except httpx.HTTPError as error:
        log.warning("bundle", extra={"fact": {"service": name, "error": type(error).__name__}})
        raise Problem(PEER_UNREACHABLE, headers={"Retry-After": "1"}, peer=name) from None
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise absent()
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        raise Problem(BUSY, headers={"Retry-After": "1"})
    if answer.is_server_error:
        raise Problem(PEER_UNREACHABLE, headers={"Retry-After": "1"}, peer=name)
    if not answer.is_success:
        raise Refused(answer)
    found: dict[str, Any] = answer.json()
    return found


class Refused(Exception):  # noqa: N818 - it is an answer
    """A service refused its part: its answer is the caller's."""

    def __init__(self, answer: httpx.Response) -> None:
        """Keep the answer."""
        super().__init__(answer.status_code)
        self.answer = answer


def archive(entries: dict[str, Any]) -> bytes:
    """Write documents as a ZIP in the one form that the verifier takes: by name, uncompressed, no dates; same content, same bytes."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for name, content in sorted(entries.items()):
            text = json.dumps(content, ensure_ascii=False, sort_keys=True)
            file.writestr(zipfile.ZipInfo(f"{name}.json", EPOCH), text)
    return buffer.getvalue()


@routes.get("/cycles/{cycle_id}/bundle", operation_id="get_result_bundle", response_class=Response)
async def get_bundle(cycle_id: UUID, request: Request, reader: Anyone, audience: Variant = None) -> Response:
    """Give all that a cycle's result rests on as one ZIP of JSON documents, which `python -m verifier` checks with no network.

    The cycle's supervision group gets its own bundle, without what the reader is recused from (2.4.5); anybody else gets the public one,
    once the results are published. 503 names a service that is missing.
    """
    gateway: Gateway = request.app.state.service
    supervises = reader is not None and reader.role == "supervisor"
    chosen: Audience = audience or ("supervision" if supervises else "public")
    if chosen == "supervision" and not supervises:
        raise absent()
    try:
        parts = await asyncio.gather(*(part_of(gateway, name, request, cycle_id, chosen) for name in ASKED))
    except Refused as refused:
        headers = {key: refused.answer.headers[key] for key in ("content-type",) if key in refused.answer.headers}
        return Response(refused.answer.content, refused.answer.status_code, headers)
    partial = any(part["partial"] for part in parts)
    entries: dict[str, Any] = {"bundle": {"format": FORMAT, "audience": chosen, "cycle": str(cycle_id), "partial": partial}}
    for name, part in zip(ASKED, parts, strict=True):
        entries |= part["documents"]
        entries[f"record-{name}"] = part["record"]
    disposition = f'attachment; filename="bundle-{cycle_id}-{chosen}.zip"'
    return Response(archive(entries), media_type=MEDIA_TYPE, headers={"content-disposition": disposition, "cache-control": "no-store"})
