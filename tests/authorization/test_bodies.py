"""What a stranger may send instead of what was asked for: refused on every route, never a fault, nothing echoed, nothing half done."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from uuid import uuid4

import httpx
import pytest

from kernel.database import new_id
from tests.authorization.test_operations import OPERATIONS, Walk
from tests.intake.applicants import PDF, Applicant, Intake
from tests.rig import Award

MARK = "Zauberwort"
RAW: dict[str, bytes] = {
    "not JSON": b"{'a': 1}",
    "not UTF-8": b'{"a": "\xff"}',
    "a duplicate member": f'{{"{MARK}": 1, "{MARK}": 2}}'.encode(),
    "too deep": b"[" * 100_000,
    "NaN": b'{"a": NaN}',
    "beyond a float": b'{"a": 1e999}',
    "a huge number": b'{"a": 1' + b"0" * 5000 + b"}",
    "a lone surrogate": b'{"a": "\\ud800"}',
    "a lone surrogate as a name": b'{"\\udfff": 1}',
}
LEAVES: tuple[object, ...] = (f"{MARK}\0", f"{MARK}\u202e", 10**17, -1, 1.5, True, [MARK], {MARK: {MARK: 1}}, MARK * 2_500, None)
REFUSED = {400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 428}


@pytest.fixture(scope="module")
def walk(award: Award) -> Walk:
    award.at("2026-03-20T09:00:00+08:00")
    return Walk(award)


def with_bodies(walk: Walk) -> Iterator[tuple[str, Any]]:
    for operation, row in OPERATIONS.items():
        if walk.bodies.get(operation) is not None or ("/sections/{}" in operation and operation.startswith("PUT")):
            yield operation, walk.clients[{"anyone": "nobody", "signed-in": "reviewer"}.get(row["opens"], row["opens"].split()[0])]


def replaced(example: object, leaf: object) -> object:
    if isinstance(example, dict):
        return {name: replaced(value, leaf) for name, value in example.items()} | {MARK + "<b>": leaf}
    return [replaced(one, leaf) for one in example] if isinstance(example, list) else leaf


def check(what: str, answer: httpx.Response, *statuses: int) -> None:
    assert answer.status_code in (statuses or REFUSED), f"{what}: {answer.status_code} {answer.text[:300]}"
    assert MARK not in answer.text.replace(f"/{MARK}", ""), f"{what} is echoed: {answer.text[:300]}"


def test_json_that_two_readers_could_understand_differently_is_refused_on_every_route(walk: Walk) -> None:
    routes = list(with_bodies(walk))
    assert len(routes) > 50
    for operation, client in routes:
        for what, raw in RAW.items():
            for media in ("application/json", "Application/JSON; charset=utf-8"):
                check(f"{operation}: {what}", walk.send(operation, client, content=raw, headers={"Content-Type": media}), 400)


def test_a_body_of_another_type_or_too_large_is_refused_on_every_route(walk: Walk) -> None:
    for operation, client in with_bodies(walk):
        for media in ("text/plain", "application/vnd.x+json", "multipart/form-data; boundary=x", "application/jsonx"):
            check(f"{operation}: {media}", walk.send(operation, client, content=b'{"a": 1}', headers={"Content-Type": media}), 415)

        def chunks() -> Iterator[bytes]:
            yield from (b" " * 65_536 for _ in range(17))

        check(f"{operation}: chunked", walk.send(operation, client, content=chunks(), headers={"Content-Type": "application/json"}), 413)
        check(f"{operation}: with its length", walk.send(operation, client, content=b" " * (1024 * 1024 + 1)), 413)


def test_a_stray_body_where_none_is_asked_for_is_no_fault(walk: Walk) -> None:
    for operation, row in OPERATIONS.items():
        if operation.startswith("POST") and walk.bodies.get(operation) is None and row["opens"] == "office":
            check(operation, walk.send(operation, walk.clients["office"], content=b"x", headers={"Content-Type": "text/plain"}), 400, 415)


def test_wrong_values_in_every_member_are_refused_and_not_echoed(walk: Walk) -> None:
    for operation, client in with_bodies(walk):
        if "/sections/{}" in operation:  # what a section takes is judged once its application is found
            continue
        for leaf in LEAVES:
            body = json.dumps(replaced(walk.bodies[operation] or {}, leaf)).encode()
            check(
                f"{operation}: {leaf!r:.40}", walk.send(operation, client, content=body, headers={"Content-Type": "application/json"}), 422
            )


NEVER = "01975f2e-8a6b-7cde-8f01-23456789abcd"
"""An id that nothing has; fixed, so that every worker collects the same tests."""


@pytest.mark.parametrize(
    ("caller", "path", "status"),
    [
        ("office", "/accounts?role=%00", 422),
        ("office", "/accounts?limit=1e9", 422),
        ("office", "/accounts?cursor=%FF%FE", 400),
        ("office", "/accounts?cursor=AAAA", 400),
        ("office", "/accounts?cursor=", 400),
        ("office", "/accounts?cursor=" + "A" * 65, 422),
        ("office", "/awards?credit_code=%00", 422),
        ("office", f"/objections?cycle={NEVER}&state=%00", 404),
        ("office", "/organisations/%00", 422),
        ("office", "/accounts/not-an-id", 422),
        ("office", f"/applications/{NEVER}/versions/{'9' * 30}", 404),
        ("office", f"/applications/{NEVER}/screening/%00", 404),
        ("supervisor", f"/record/intake/events?after={'9' * 30}", 422),
        ("platform", f"/results/changes?since={'9' * 30}", 422),
        ("nobody", "/forms/%00", 404),
        ("nobody", "/rubrics/..%2F..%2Fpyproject", 404),
        ("nobody", "/endorsing-bodies?edition=..%2Fjindong-2022", 404),
        ("nobody", "/cycles%2F..%2Finternal%2Ftasks", 404),
        ("nobody", "/%2e%2e/%2e%2e/internal/tasks", 404),
        ("nobody", "//internal/tasks", 404),
        ("nobody", "/cycles/", 404),
        ("nobody", "/applications/x/../../internal/clock", 404),
        ("nobody", "/me%00", 404),
    ],
)
def test_odd_paths_and_queries_are_no_fault(award: Award, walk: Walk, caller: str, path: str, status: int) -> None:
    answer = httpx.get(f"{award.address}/api/v1{path}", headers=walk.clients[caller].headers, trust_env=False)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text


ODD_HEADERS = [
    ({"If-Match": "*"}, 400), ({"If-Match": '"' + "9" * 19 + '"'}, 400), ({"If-Match": "W/\xff"}, 400), ({"If-Match": '"1", "2"'}, 400),
    ({"Accept-Language": "\xff;q=;" * 500}, 404), ({"Accept-Language": "en" * 2000}, 404),
    ({"X-Request-Id": "\xff" * 100}, 404), ({"X-Request-Id": "a b"}, 404),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "status"), ODD_HEADERS)
def test_odd_headers_are_no_fault(walk: Walk, headers: dict[str, str], status: int) -> None:
    raw = {"If-Match": b'"0"'} | {name: value.encode("latin-1") for name, value in headers.items()}
    answer = walk.send("PUT /cycles/{}/plan", walk.clients["office"], content=json.dumps(PLAN).encode(), headers=raw | JSON)
    assert answer.status_code == status, answer.text


JSON = {"Content-Type": b"application/json"}
PLAN = {
    "milestones": {}, "window": {"opens": "2026-03-01T00:00:00+08:00", "closes": "2026-04-01T00:00:00+08:00"}, "budget_yuan": 0
}  # fmt: skip


@pytest.mark.parametrize("key", [b"", b"short", b"x" * 129, b"with a space", b"\xff" * 20, b"tab\tinside"])
def test_an_odd_idempotency_key_is_refused(walk: Walk, key: bytes) -> None:
    answer = walk.send("POST /cycles", walk.clients["office"], json={"year": 2040}, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")


@pytest.mark.parametrize(
    "instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-03-01", "1767225600", "2026-03-01T00:00:00", ""]
)
def test_an_instant_beyond_reckoning_is_refused(walk: Walk, instant: str) -> None:
    assert walk.clients["nobody"].put("/demo/clock", json={"now": instant}).status_code == 422


def test_headers_that_only_the_door_may_say_do_nothing(walk: Walk) -> None:
    said = {
        "X-User-Id": "p1",
        "X-User-Role": "committee",
        "Quality-Award-News": f"workflow={new_id()}",
        "Quality-Award-Client": "aW50YWtlOng=",
    }
    assert walk.send("POST /cycles", walk.clients["nobody"], headers=said).status_code == 401
    assert walk.send("GET /applications/{}", walk.clients["office"], headers=said).status_code == 404
    form = {"grant_type": "client_credentials", "audience": "quality-award/scoring"}
    assert walk.clients["nobody"].post("/auth/token", data=form, headers=said).json()["error"] == "invalid_client"


class Uploader:
    """An applicant with a draft, and the folder that files are kept in."""

    def __init__(self, award: Award) -> None:
        self.applicant: Applicant = Intake(award).drafted(951)
        self.folder = award.product.door.gateway.settings.files
        self.limit = award.product.programs["intake"].state.service.settings.attachment_bytes

    def kept(self) -> int:
        return sum(path.is_file() for path in self.folder.rglob("*"))

    def send(self, content: Any, name: str = "a.pdf", key: str | None = None, **headers: str) -> httpx.Response:  # noqa: ANN401 - httpx's own
        params, path = {"name": name, "requirement": "3.1"}, f"{self.applicant.path}/attachments"
        return self.applicant.client.post(path, content=content, params=params, headers={"Idempotency-Key": key or uuid4().hex} | headers)


@pytest.fixture(scope="module")
def uploader(award: Award) -> Uploader:
    return Uploader(award)


@pytest.mark.parametrize(
    ("content", "name", "status"),
    [
        (b"", "a.pdf", 415),
        (b"PK\x05\x06" + b"\0" * 18, "a.zip", 415),
        (b"PK\x05\x06" + b"\xff" * 18, "a.zip", 415),
        (b"<html>", "a.pdf", 415),
        (PDF, "a\r\nb", 422),
        (PDF, "a\0b", 422),
        (PDF, "\u202efdp.exe", 422),
        (PDF, "", 422),
        (PDF, "x" * 121, 422),
    ],
)
def test_a_refused_upload_keeps_no_file(uploader: Uploader, content: bytes, name: str, status: int) -> None:
    before = uploader.kept()
    answer = uploader.send(content, name)
    assert (answer.status_code, uploader.kept()) == (status, before), answer.text


def test_an_upload_over_the_limit_is_refused_with_and_without_its_length(uploader: Uploader) -> None:
    before, client = uploader.kept(), uploader.applicant.client
    announced = HTTPConnection(client.base_url.host, client.base_url.port or 80, timeout=30)
    headers = {"Authorization": client.headers["Authorization"], "Idempotency-Key": "the-announced", "Content-Length": uploader.limit + 1}
    announced.request("POST", f"/api/v1{uploader.applicant.path}/attachments?name=a&requirement=b", headers=headers)
    assert announced.getresponse().status == 413
    announced.close()

    def chunks() -> Iterator[bytes]:
        yield PDF
        yield from (bytes(1024 * 1024) for _ in range(uploader.limit // 1024**2 + 1))

    assert uploader.send(chunks()).status_code == 413
    assert uploader.kept() == before


def test_an_upload_refused_by_a_rule_or_replayed_keeps_no_file(award: Award, uploader: Uploader) -> None:
    key, before = uuid4().hex, uploader.kept()
    first, again = uploader.send(PDF, "../../a.pdf", key), uploader.send(PDF, "../../a.pdf", key)
    assert (first.status_code, again.json()) == (201, first.json())
    assert uploader.kept() == before + 1
    assert uploader.send(PDF + b" ", "../../a.pdf", key).json()["code"] == "idempotency_key_reused"
    stranger = award.client("applicant", "stranger", org="91330703MA00000900")
    elsewhere = stranger.post(f"{uploader.applicant.path}/attachments", content=PDF, params={"name": "a", "requirement": "3.1"})
    assert (elsewhere.status_code, uploader.kept()) == (404, before + 1)
    content = f"{uploader.applicant.path}/attachments/{first.json()['id']}/content"
    read = uploader.applicant.client.get(content)
    assert (read.content, read.headers["x-content-type-options"]) == (PDF, "nosniff")
    assert read.headers["content-disposition"] == "attachment; filename*=UTF-8''..%2F..%2Fa.pdf"
    ranges = (
        "bytes=0-3",
        "bytes=-4",
        "bytes=999-",
        "bytes=a-b",
        "bytes=5-1",
        "bytes=" + ",".join(f"{one}-{one}" for one in range(500)),
        "x",
    )
    assert all(uploader.applicant.client.get(content, headers={"Range": one}).status_code in {200, 206, 400, 416} for one in ranges)
