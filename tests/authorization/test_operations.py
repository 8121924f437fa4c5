"""Every operation before every sort of caller: who is let in, and that for whoever is, what never was is absent and nothing more."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from embedded.caller import Caller
from kernel.clock import wall
from kernel.identity import service_audience
from tests.authorization.test_policies import operation_shape, routes_of
from tests.intake.applicants import credit_code
from tests.rig import Award

OPERATIONS: Mapping[str, Mapping[str, Any]] = tomllib.loads(Path(__file__).with_name("operations.toml").read_text())
CALLERS: Mapping[str, Mapping[str, Any]] = {
    "applicant": {"role": "applicant", "org": credit_code(901)},
    "endorser": {"role": "endorser", "body": "330703199"},
    "reviewer": {"role": "reviewer"},
    "office": {"role": "committee", "duties": ["office"]},
    "chair": {"role": "committee", "duties": ["chair"]},
    "member": {"role": "committee", "duties": ["member"]},
    "supervisor": {"role": "supervisor"},
    "platform": {"scope": "results:read"},
}
PERSONS = frozenset(CALLERS) - {"platform"}
STRANGERS = ("nobody", "expired", "another audience", "a service", "no role")
VALUES = {
    "section": "overview",
    "criterion": "3.1",
    "item": "4.1.2",
    "number": "1",
    "credit_code": credit_code(902),
    "edition": "none",
    "chart": "radar",
}
BESIDE = {
    "POST /internal/events",
    "PUT /internal/clock",
    "GET /internal/tasks",
    "GET /internal/standing",
    "GET /internal/dossier-access",
    "GET /internal/record-readers",
    "GET /internal/bundle",
}
BESIDE |= {f"GET {path}" for path in ("/livez", "/healthz", "/readyz", "/metrics", "/docs", "/docs/problems", "/docs/{}")}
BESIDE |= {"GET /.well-known/jwks.json", "GET /.well-known/oauth-authorization-server"}
PLAIN = {"type", "title", "status", "code", "detail", "request_id"}
"""What a problem says of an absent thing, and no more."""
Cell = Callable[[], str | None]
"""One question to the product: it tells what is wrong, or nothing."""
AT_ONCE = 4
SECTION = {"summary": "概况", "employees": 1, "products": "产品"}


class Walk:
    """The product's operations, and a client for each sort of caller."""

    def __init__(self, award: Award) -> None:
        programs = [award.product.door.app, *award.product.programs.values()]
        self.routes = {
            operation_shape(f"{method} {route.path}"): route
            for program in programs
            for route in routes_of(program.router)
            for method in route.methods or ()
        }
        self.clients = {name: award.client(**caller) for name, caller in CALLERS.items()}
        self.clients |= {name: award.client() for name in STRANGERS}
        sign, office = award.product.door.tokens.sign, CALLERS["office"]
        tokens = {
            "expired": sign("p1", office, now=wall() - timedelta(hours=1)),
            "another audience": sign("p1", office, audience=service_audience("workflow")),
            "a service": sign("intake", {"scope": "service"}, audience=service_audience("workflow")),
            "no role": sign("p1", {}),
        }
        for name, token in tokens.items():
            self.clients[name].headers["Authorization"] = f"Bearer {token}"
        document = self.clients["nobody"].get("/openapi.json").json()
        self.bodies = {
            operation_shape(f"{method.upper()} {path.removeprefix('/api/v1')}"): example_of(document, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    def send(self, operation: str, client: Caller, **instead: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own arguments
        """Send a request that is right but for the things it names, which never were; `instead` takes the place of its body."""
        method, _, _ = operation.partition(" ")
        route = self.routes[operation]
        path = route.path
        for name in route.param_convertors:
            path = path.replace(f"{{{name}}}", VALUES.get(name, str(uuid4())))
        params = (
            {"cycle": str(uuid4())}
            | ({"dry_run": "true"} if getattr(route, "dry_runs", False) else {})
            | ({"name": "a.pdf", "requirement": "3.1"} if "attachments" in path else {})
        )
        given: dict[str, Any] = {"json": SECTION if "/sections/" in path else self.bodies.get(operation)}
        if path.endswith("/attachments"):
            given = {"content": b"%PDF-1.7"}
        headers = {"If-Match": '"0"'} | instead.pop("headers", {})
        if path.endswith("/stream"):  # it never ends by itself
            with client.stream(method, path, headers=headers) as answer:
                return httpx.Response(answer.status_code, content=b"" if answer.is_success else answer.read())
        return client.request(method, path, params=params, headers=headers, **(instead or given))


def example_of(document: Mapping[str, Any], operation: Mapping[str, Any]) -> object:
    media: Mapping[str, Any] = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if "examples" in media:
        return next(iter(media["examples"].values()))["value"]
    schema = media.get("schema", {})
    while "$ref" in schema or "oneOf" in schema:
        schema = schema["oneOf"][0] if "oneOf" in schema else document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema.get("examples", [None])[0]


@pytest.fixture(scope="module")
def walk(award: Award) -> Walk:
    award.at("2026-03-20T09:00:00+08:00")
    return Walk(award)


def test_the_supervision_group_changes_nothing_but_what_is_its_own_to_say() -> None:
    opened = {row for row, told in OPERATIONS.items() if told["opens"] != "anyone" and is_let_in(told["opens"], "supervisor")}
    about_others = {row for row in opened if not re.match(r"GET |\w+ /(me|auth)/", row)}
    assert about_others == {"POST /findings"}


def test_every_route_has_a_row_and_every_row_a_route(walk: Walk) -> None:
    """Beside the API are peers' routes, which take a service's token for that very service, and operators'; the door leads to neither."""
    assert set(walk.routes) == set(OPERATIONS) | BESIDE


def is_let_in(opens: str, caller: str) -> bool:
    return opens == "anyone" or caller in (PERSONS if opens == "signed-in" else opens.split())


def expected(row: Mapping[str, Any], caller: str) -> list[int]:
    if caller in {"expired", "another audience", "a service"}:
        return [401]
    if caller == "nobody" and row["opens"] != "anyone":
        return [401]
    return row.get("answers", [404]) if is_let_in(row["opens"], caller) else [403]


def wrong_at(walk: Walk, operation: str, row: Mapping[str, Any], caller: str) -> str | None:
    answer, wanted = walk.send(operation, walk.clients[caller]), expected(row, caller)
    problem = answer.json() if answer.status_code == 404 else {}
    if answer.status_code not in wanted or set(problem) - PLAIN:
        return f"{operation} before {caller}: {answer.status_code}, not {wanted}: {answer.text[:200]}"
    return None


def cells(walk: Walk, caller: str) -> Iterator[Cell]:
    """Give every cell of one caller, to be asked in turn for what is wrong with it."""
    return (partial(wrong_at, walk, operation, row, caller) for operation, row in OPERATIONS.items())


def test_each_caller_opens_what_the_table_says_and_nothing_else(walk: Walk) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:  # a caller after the other would leave the product idle half of the time
        of_each = pool.map(lambda caller: [cell() for cell in cells(walk, caller)], walk.clients)
        asked = [said for told in of_each for said in told]
    print(f"authorization: {len(asked)} cells of {len(OPERATIONS)} operations and {len(walk.clients)} callers")  # noqa: T201 - how much was walked
    wrong = [said for said in asked if said is not None]
    assert wrong == [], "\n".join(wrong)
