"""The API reference: one OpenAPI 3.1 document for the whole API, and a page that renders it from files of this package."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from gateway import openapi
from gateway.problems_page import problems_page
from gateway.program import Gateway
from kernel.identity import Anyone
from kernel.logs import log
from kernel.problems import absent
from kernel.requests import Route
from kernel.service import router
from kernel.settings import ServiceName

routes = router("reference")
pages = APIRouter(route_class=Route, include_in_schema=False, prefix="/docs")

STATIC = Path(__file__).parent / "static"
FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "reference.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
ASKED: tuple[ServiceName, ...] = ("intake", "scoring", "workflow")
AT_HOME = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
"""Nothing on the page may be fetched from elsewhere: a government network has no CDN."""


async def described_by(gateway: Gateway, name: ServiceName) -> dict[str, Any] | None:
    """Ask a service for its part of the document; None where it doesn't answer."""
    try:
        answer = await gateway.peers.clients[name].get("/internal/openapi.json")
        answer.raise_for_status()
    except httpx.HTTPError as error:
        log.warning("reference", extra={"fact": {"service": name, "error": type(error).__name__}})
        return None
    part: dict[str, Any] = answer.json()
    return part


async def described(request: Request) -> dict[str, Any]:
    """Describe the whole API; `x-missing` names the services that couldn't be asked."""
    app: FastAPI = request.app
    gateway: Gateway = app.state.service
    own, *others = await asyncio.gather(run_in_threadpool(app.openapi), *(described_by(gateway, name) for name in ASKED))
    parts = {"gateway": own} | {name: part for name, part in zip(ASKED, others, strict=True) if part is not None}
    missing = [name for name in ASKED if name not in parts]
    return openapi.merged(parts, password_grant=gateway.settings.password_grant) | ({"x-missing": missing} if missing else {})


@routes.get("/openapi.json", operation_id="get_openapi", include_in_schema=False)
async def get_openapi(request: Request, _anyone: Anyone) -> Response:
    """Give the whole API's description; `x-missing` names the services that couldn't be asked."""
    return JSONResponse(await described(request))


@pages.get("")
def get_reference(_anyone: Anyone) -> FileResponse:
    """Show the interactive reference."""
    return FileResponse(STATIC / "reference.html", headers=AT_HOME)


@pages.get("/problems")
async def get_problems(request: Request, _anyone: Anyone) -> Response:
    """Explain every problem code that an operation may answer, and the refusals of the regulation."""
    catalogue = (await described(request))["x-problems"]
    return Response(problems_page(catalogue), media_type="text/html", headers=AT_HOME)


@pages.get("/{name}")
def get_file(name: str, _anyone: Anyone) -> FileResponse:
    """Give one of the reference's files."""
    if name not in FILES:
        raise absent()
    return FileResponse(STATIC / name, media_type=FILES[name], headers=AT_HOME | {"cache-control": "max-age=3600"})
