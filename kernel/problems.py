"""Every error as RFC 9457 `application/problem+json`, in Chinese or English; a rule's refusal cites its clause."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from psycopg.errors import IdleInTransactionSessionTimeout, ReadOnlySqlTransaction, UniqueViolation
from rfc8785 import CanonicalizationError
from sqlalchemy.exc import DataError, IntegrityError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from kernel.logs import log
from regulation import edition
from regulation.refusal import Language, Refusal

REFUSED = 409
PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""What a pointer says of a member's name; a stranger one is `?`, since a caller may have put anything there."""


@dataclass(frozen=True)
class Kind:
    """One sort of problem: its status, its stable code, and its sentence in both languages (`{fact}` is filled in)."""

    status: int
    code: str
    zh: str
    en: str

    def __post_init__(self) -> None:
        """Enter the catalogue; a code means one thing."""
        if CATALOGUE.setdefault(self.code, self) != self:
            raise ValueError(f"two sorts of problem are called {self.code}")


CATALOGUE: dict[str, Kind] = {}
"""Every sort of problem that this program's modules declare, by code."""


class Problem(Exception):  # noqa: N818 - it is an answer to the caller, as much as a fault
    """An error that a caller reads."""

    def __init__(
        self, kind: Kind, *, headers: Mapping[str, str] | None = None, errors: Sequence[Mapping[str, str]] = (), **facts: object
    ) -> None:
        """Keep the parts; `facts` fill the sentence and go out beside it."""
        super().__init__(kind.code)
        self.kind = kind
        self.headers = dict(headers or {})
        self.errors = errors
        self.facts = facts


MALFORMED = Kind(400, "malformed", "请求格式不正确：{reason}", "The request is malformed: {reason}")
UNAUTHENTICATED = Kind(401, "unauthenticated", "未登录或登录已失效", "Sign in first, or again")
FORBIDDEN = Kind(403, "forbidden", "当前身份无权进行此操作", "Your role may not do this")
ABSENT = Kind(404, "absent", "没有这个资源", "There is no such thing")
METHOD = Kind(405, "method_not_allowed", "此资源不支持该方法", "This resource does not take that method")
CONFLICT = Kind(409, "conflict", "与现有数据冲突：{reason}", "It conflicts with what is there: {reason}")
KEY_IN_FLIGHT = Kind(409, "idempotency_key_in_flight", "相同的请求正在处理", "The same request is still under way")
STALE = Kind(
    412, "version_stale", "内容已被他人修改，当前版本为 {current_version}", "It has changed since; the current version is {current_version}"
)
TOO_LARGE = Kind(413, "too_large", "内容超过上限 {limit} 字节", "It exceeds the limit of {limit} bytes")
UNSUPPORTED = Kind(415, "unsupported_media_type", "不支持的内容类型", "That content type is not taken here")
INVALID = Kind(422, "invalid", "有字段不符合要求", "Some fields are not as required")
KEY_REUSED = Kind(422, "idempotency_key_reused", "幂等键已用于另一内容", "The idempotency key was used with another body")
VERSION_REQUIRED = Kind(428, "version_required", "修改必须带 If-Match", "An edit needs If-Match")
TOO_MANY = Kind(429, "too_many_requests", "请求过于频繁", "Too many requests")
FAULT = Kind(500, "fault", "系统故障，已记录", "A fault of ours; it has been logged")
BUSY = Kind(503, "unavailable", "暂时无法处理，请稍后重试", "Not possible at the moment; try again shortly")
NEWS_UNDER_WAY = Kind(503, "news_under_way", "相关数据正在同步，请稍后重试", "What this depends on is still on its way; try again shortly")
PEER_UNREACHABLE = Kind(503, "peer_unreachable", "所依赖的服务暂不可用：{peer}", "A service this depends on can't be reached: {peer}")


def absent() -> Problem:
    """Give the one 404: for what never was and for what this caller may not see, alike."""
    return Problem(ABSENT)


def language_of(request: Request) -> Language:
    """Choose by Accept-Language; Chinese is the default."""
    accepted = request.headers.get("accept-language", "").lower()
    english, chinese = accepted.find("en"), accepted.find("zh")
    return "en" if english >= 0 and (chinese < 0 or english < chinese) else "zh"


def refusal_parts(refusal: Refusal, language: Language, edition_name: str) -> dict[str, Any]:
    """Say a refusal in full: code, sentence, clause, the clause's text, and from when it would pass."""
    parts: dict[str, Any] = {
        "code": refusal.code,
        "detail": refusal.sentence(language),
        "clause": refusal.clause,
        "clause_text": edition.load(edition_name).clauses[refusal.clause].text,
    }
    if refusal.earliest is not None:
        parts["earliest"] = refusal.earliest.isoformat()
    return parts


def render(request: Request, status: int, headers: Mapping[str, str], parts: Mapping[str, Any]) -> Response:
    """Make the problem document; its code goes into the request's log line too."""
    request.state.code = parts["code"]
    request_id = getattr(request.state, "request_id", "")
    document = {
        "type": f"/docs/problems#{parts['code']}",
        "title": parts["code"].replace("_", " "),
        "status": status,
        **parts,
        "request_id": request_id,
    }
    return Response(
        json.dumps(document, ensure_ascii=False, default=str),
        status_code=status,
        headers=dict(headers),
        media_type="application/problem+json",
    )


def render_problem(request: Request, problem: Problem) -> Response:
    """Render one of the kernel's or a service's problems."""
    language = language_of(request)
    sentence = (problem.kind.en if language == "en" else problem.kind.zh).format_map(problem.facts)
    parts: dict[str, Any] = {"code": problem.kind.code, "detail": sentence, **problem.facts}
    if problem.errors:
        parts["errors"] = list(problem.errors)
    return render(request, problem.kind.status, problem.headers, parts)


def news_under_way(request: Request, status: int) -> Response | None:
    """Answer 503 instead of a refusal where news was still on its way when the request's transaction began: it may decide otherwise."""
    if status not in {ABSENT.status, REFUSED} or not getattr(request.state, "news_missing", False):
        return None
    return render_problem(request, Problem(NEWS_UNDER_WAY, headers={"Retry-After": "1"}))


async def on_refusal(request: Request, refusal: Exception) -> Response:
    """Render a rule's refusal as 409."""
    assert isinstance(refusal, Refusal)  # noqa: S101 - registered for this class alone
    waiting = news_under_way(request, REFUSED)
    if waiting is not None:
        return waiting
    return render(request, REFUSED, {}, refusal_parts(refusal, language_of(request), request.app.state.service.settings.edition))


async def on_problem(request: Request, problem: Exception) -> Response:
    """Render a problem."""
    assert isinstance(problem, Problem)  # noqa: S101 - registered for this class alone
    return news_under_way(request, problem.kind.status) or render_problem(request, problem)


async def on_invalid(request: Request, invalid: Exception) -> Response:
    """Name each wrong field by a JSON pointer, and never echo what was sent."""
    assert isinstance(invalid, RequestValidationError)  # noqa: S101 - registered for this class alone
    errors = [
        {"pointer": "/" + "/".join(part if PLAIN_NAME.fullmatch(part) else "?" for part in map(str, error["loc"])), "detail": _said(error)}
        for error in invalid.errors()
    ]
    return render_problem(request, Problem(INVALID, errors=errors))


def _said(error: Mapping[str, Any]) -> str:
    """Say what was wrong; Pydantic's own sentence on a union's tag repeats what was sent."""
    return f"one of {error['ctx']['expected_tags']} is required" if error["type"] == "union_tag_invalid" else str(error["msg"])


async def on_http(request: Request, error: Exception) -> Response:
    """Render what the framework itself refuses."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    kinds = {400: MALFORMED, 404: ABSENT, 405: METHOD, 415: UNSUPPORTED}
    kind = kinds.get(error.status_code, MALFORMED)
    facts: dict[str, Any] = {"reason": error.detail} if kind is MALFORMED else {}
    return render_problem(request, Problem(kind, headers=error.headers, **facts))


async def on_database(request: Request, error: Exception) -> Response:
    """Answer 503 where the database is away, full or locked; nothing was done."""
    log.warning("database", extra={"fact": {"error": type(error).__name__}})
    return render_problem(request, Problem(BUSY, headers={"Retry-After": "1"}))


async def on_aborted(request: Request, error: Exception) -> Response:
    """Answer 503 where the database gave up on a transaction that stood still, or takes no writes for now; nothing was done."""
    assert isinstance(error, InternalError)  # noqa: S101 - registered for this class alone
    passes = isinstance(error.orig, IdleInTransactionSessionTimeout | ReadOnlySqlTransaction)
    return await (on_database if passes else on_fault)(request, error)


def route_of(scope: Scope) -> str:
    """Name a request's route by its template, which holds nothing that the caller sent."""
    path: str = getattr(scope.get("route"), "path", "unknown")
    return path


async def on_conflict(request: Request, error: Exception) -> Response:
    """Answer 409 where somebody else wrote the same thing in the same moment; nothing was done."""
    assert isinstance(error, IntegrityError)  # noqa: S101 - registered for this class alone
    if not isinstance(error.orig, UniqueViolation):
        return await on_fault(request, error)
    return render_problem(request, Problem(CONFLICT, reason="it is there already"))


async def on_unstorable(request: Request, error: Exception) -> Response:
    """Answer 422 where a request holds what no column or record does (NUL, a number beyond its range); nothing was done."""
    log.warning("unstorable", extra={"fact": {"error": type(error).__name__, "route": route_of(request.scope)}})
    return render_problem(request, Problem(INVALID))


async def on_departure(request: Request, _error: Exception) -> Response:
    """Take note that the caller went away before the whole request had come; nothing was done, and nobody reads this."""
    log.info("the caller went away", extra={"fact": {"route": route_of(request.scope)}})
    return render_problem(request, Problem(MALFORMED, reason="it broke off"))


async def on_fault(request: Request, error: Exception) -> Response:
    """Log a fault of ours and say no more than that."""
    log.error("fault", exc_info=error, extra={"fact": {"route": route_of(request.scope)}})
    return render_problem(request, Problem(FAULT))


def install(app: FastAPI) -> None:
    """Make this the one place where errors become answers."""
    app.add_exception_handler(Refusal, on_refusal)
    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(IntegrityError, on_conflict)
    app.add_exception_handler(DataError, on_unstorable)
    app.add_exception_handler(CanonicalizationError, on_unstorable)
    app.add_exception_handler(InternalError, on_aborted)
    app.add_exception_handler(ClientDisconnect, on_departure)
    app.add_exception_handler(OperationalError, on_database)
    app.add_exception_handler(PoolTimeout, on_database)
    app.add_exception_handler(Exception, on_fault)
