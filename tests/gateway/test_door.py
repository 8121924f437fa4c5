"""The door itself: forged tokens, what it drops and adds, what it never lets through, and what it says when a service is away."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.types import Receive, Scope, Send

from embedded.caller import Caller
from gateway.app import BEHIND, create
from gateway.door import service_of
from kernel.identity import service_audience
from tests.gateway.people import PASSWORD, activated
from tests.rig import Award

T = TypeVar("T")

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def anyone(award: Award) -> Iterator[Caller]:
    with award.client() as caller:
        yield caller


class Echo:
    """An upstream that answers with what reached it, and with headers that must not come back."""

    def __init__(self, told: bytes = b"") -> None:
        self.told = told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        seen = {key.decode(): value.decode() for key, value in scope["headers"]}
        content = json.dumps({"headers": seen, "body": body.decode()}).encode()
        headers = [(b"content-type", b"application/json"), (b"connection", b"keep-alive, x-hop"), (b"x-hop", b"1")]
        headers += [(b"quality-award-told", self.told)] if self.told else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


class Broken(Echo):
    """A way to a service that fails as nobody foresaw."""

    async def __call__(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("the handler is closed")


def through(award: Award, use: Callable[[httpx.AsyncClient], Awaitable[T]], upstream: Echo | None = None, **changed: object) -> T:
    """Call a door of our own: before the echo, or before services that are nowhere."""
    settings = award.product.door.gateway.settings.model_copy(update=changed | {f"{name}_url": NOWHERE for name in BEHIND})
    door = create(settings, dict.fromkeys(BEHIND, upstream) if upstream else None)

    async def run() -> T:
        try:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(door, raise_app_exceptions=False), base_url="http://door", headers={"accept-language": "en"}
            ) as client:
                return await use(client)
        finally:
            await door.close()
            await door.gateway.peers.close()
            door.gateway.engine.dispose()

    return asyncio.run(run())


def signed(award: Award, claims: dict[str, Any], subject: str = "p1", **given: Any) -> str:  # noqa: ANN401 - as the signer takes it
    return award.product.door.tokens.sign(subject, claims, **given)


def test_no_operators_or_peers_path_is_reachable_through_the_door(award: Award) -> None:
    for path in (
        "/internal",
        "/internal/events/",
        "/internal/clock",
        "/internal/tasks",
        "/api/v1/cycles/../../internal/clock",
        "/api/v1/internal/tasks",
        "/nothing",
        "/api/v1",
    ):
        assert service_of(path) is None
        token = signed(award, {"scope": "service"}, subject="intake")
        answer = httpx.put(f"{award.address}{path}", headers={"Authorization": f"Bearer {token}"}, json={}, trust_env=False)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path


def test_the_door_takes_letters_from_services_alone(award: Award) -> None:
    letter: dict[str, Any] = {
        "id": str(uuid4()),
        "at": "2026-03-02T01:00:00Z",
        "kind": "recusal.lifted",
        "subject": "recusal:1",
        "actor": None,
    }
    letter |= {"facts": {"person": "p1", "credit_code": "91330703MA00000900"}}
    office = {"role": "committee", "duties": ["office"]}
    tokens = {
        "nobody": (None, 401),
        "a person": (signed(award, office), 403),
        "a machine client": (signed(award, {"scope": "results:read"}), 403),
        "a service, to another": (signed(award, {"scope": "service"}, "scoring", audience=service_audience("intake")), 401),
        "a service": (signed(award, {"scope": "service"}, "scoring", audience=service_audience("gateway")), 204),
    }
    for who, (token, status) in tokens.items():
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = httpx.post(f"{award.address}/internal/events", headers=headers, json=letter, trust_env=False)
        assert answer.status_code == status, (who, answer.text)


def test_the_most_specific_template_decides() -> None:
    assert [
        service_of(f"/api/v1{path}")
        for path in (
            "/cycles/1/screening-closure",
            "/cycles/1/diagnostics",
            "/cycles/1/launch",
            "/me",
            "/me/interests",
            "/results.csv",
            "/resultsx",
        )
    ] == ["intake", "scoring", "workflow", "gateway", "scoring", "workflow", None]


def test_the_door_drops_what_only_it_may_say(award: Award) -> None:
    sent = {
        "X-User-Id": "p1",
        "X-User-Role": "committee",
        "Quality-Award-News": "workflow=1",
        "Connection": "x-mine",
        "X-Mine": "1",
        "TE": "trailers",
    }

    async def use(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/api/v1/applications", headers={**sent, "X-Request-ID": "mine-1"}, content=b"as it came")

    answer = through(award, use, Echo())
    seen = answer.json()
    assert seen["body"] == "as it came"
    assert seen["headers"]["x-request-id"] == "mine-1"
    assert not {"x-user-id", "x-user-role", "quality-award-news", "connection", "x-mine", "te"} & set(seen["headers"])
    assert not {"connection", "x-hop"} & set(answer.headers)


def test_an_odd_request_id_is_replaced(award: Award) -> None:
    async def use(client: httpx.AsyncClient) -> list[str]:
        given = ["plain-1", "two words", "x" * 65, '"},{"']
        answers = [await client.get("/api/v1/forms/1", headers={"X-Request-ID": one}) for one in given]
        return [answer.json()["headers"]["x-request-id"] for answer in answers]

    first, *others = through(award, use, Echo())
    assert first == "plain-1"
    assert all(len(one) == 36 for one in others)


def test_what_one_service_told_another_goes_with_the_next_request_to_it(award: Award) -> None:
    async def use(client: httpx.AsyncClient) -> tuple[httpx.Response, ...]:
        told = await client.post("/api/v1/cycles/1/launch")
        return told, await client.post("/api/v1/applications"), await client.post("/api/v1/panels")

    told, intake, scoring = through(award, use, Echo(told=b"intake=01a2"))
    assert "quality-award-told" not in told.headers
    assert intake.json()["headers"]["quality-award-news"] == "workflow=01a2"
    assert "quality-award-news" not in scoring.json()["headers"]


def test_a_service_that_is_away_is_named(award: Award) -> None:
    token = signed(award, {"role": "reviewer"})

    async def use(client: httpx.AsyncClient) -> tuple[httpx.Response, ...]:
        own = {"Authorization": f"Bearer {token}"}
        return await client.get("/api/v1/cycles"), await client.get("/api/v1/me", headers=own), await client.get("/api/v1/openapi.json")

    cycles, me, reference = through(award, use)
    assert (cycles.status_code, cycles.json()["peer"], cycles.headers["retry-after"]) == (503, "workflow", "1")
    assert (me.status_code, me.json()["missing"]) == (200, ["intake", "scoring", "workflow"])
    assert reference.json()["x-missing"] == ["intake", "scoring", "workflow"]


def test_a_fault_of_the_doors_own_is_a_problem_with_the_requests_id_and_tells_nothing_else(award: Award) -> None:
    answer = through(award, lambda client: client.get("/api/v1/cycles"), Broken())
    assert (answer.status_code, answer.headers["content-type"], answer.json()["code"]) == (500, "application/problem+json", "fault")
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert "closed" not in answer.text


def test_a_body_over_the_limit_of_the_doors_own_routes_is_refused(anyone: Caller) -> None:
    answer = anyone.post("/auth/token", data={"grant_type": "password", "password": "x" * (1024 * 1024 + 1)})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_services_get_tokens_for_their_peers_alone(award: Award, anyone: Caller) -> None:
    secret = award.product.door.gateway.settings.intake_secret.get_secret_value()
    form = {"grant_type": "client_credentials", "audience": "quality-award/scoring"}
    assert anyone.post("/auth/token", data={**form, "client_id": "intake", "client_secret": secret}).json()["scope"] == "service"
    assert anyone.post("/auth/token", data=form, auth=("intake", secret)).status_code == 200
    assert anyone.post("/auth/token", data=form, auth=("intake", "wrong")).json()["error"] == "invalid_client"
    wide = {**form, "audience": "quality-award", "client_id": "intake", "client_secret": secret}
    assert anyone.post("/auth/token", data=wide).json()["error"] == "invalid_target"
    assert anyone.post("/auth/token", data={**form, "grant_type": "implicit"}).json()["error"] == "unsupported_grant_type"


@pytest.mark.full
def test_the_whole_api_is_one_valid_document(anyone: Caller) -> None:
    assert list(OpenAPIV31SpecValidator(anyone.get("/openapi.json").json()).iter_errors()) == []


def test_the_whole_api_is_one_document_that_shows_everything_by_example(anyone: Caller) -> None:
    document = anyone.get("/openapi.json").json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert [operation["operationId"] for operation in operations if "security" not in operation] == []
    assert [path for path in document["paths"] if service_of(path) is None] == []
    assert [operation["operationId"] for operation in operations if not has_example(document, operation)] == []


def has_example(document: dict[str, Any], operation: dict[str, Any]) -> bool:
    def shown(schema: dict[str, Any]) -> bool:
        name = schema.get("$ref", "").rpartition("/")[2]
        return bool((document["components"]["schemas"][name] if name else schema).get("examples"))

    content = operation.get("requestBody", {}).get("content", {})
    json_media = [one for one in content.values() if one["schema"].get("format") != "binary"]
    return all("examples" in one or all(shown(choice) for choice in one["schema"].get("oneOf", [one["schema"]])) for one in json_media)


def test_the_reference_comes_from_this_machine_alone(award: Award) -> None:
    page = httpx.get(f"{award.address}/docs", trust_env=False)
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "reference.js", "favicon-32x32.png"):
        assert f"/docs/{name}" in page.text
        assert httpx.get(f"{award.address}/docs/{name}", trust_env=False).status_code == 200
    assert "://" not in page.text
    assert httpx.get(f"{award.address}/docs/../app.py", trust_env=False).status_code == 404


def test_a_page_of_an_admitted_origin_may_call_and_no_other(award: Award) -> None:
    here = "https://award.example"
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,if-match,idempotency-key"}

    async def call(client: httpx.AsyncClient) -> list[httpx.Response]:
        before = [
            await client.options("/api/v1/applications", headers=asked | {"Origin": origin}) for origin in (here, "https://other.example")
        ]
        return [*before, await client.get("/api/v1/applications", headers={"Origin": here})]

    admitted, refused, plain = through(award, call, cors_origins=(here,))
    assert (admitted.status_code, admitted.headers["access-control-allow-origin"]) == (200, here)
    assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (400, False)
    assert plain.headers["access-control-allow-origin"] == here
    assert "ETag" in plain.headers["access-control-expose-headers"]
    for answer in through(award, call):
        assert "access-control-allow-origin" not in answer.headers


def test_every_problem_code_is_catalogued_and_explained(anyone: Caller) -> None:
    catalogue = anyone.get("/openapi.json").json()["x-problems"]
    page = anyone.get(f"{anyone.base_url}".removesuffix("/api/v1/") + "/docs/problems").text
    assert {"version_stale", "login_taken", "seal_unknown", "below_minimum"} - set(catalogue) == set()
    assert [code for code in catalogue if f'<tr id="{code}">' not in page] == []


@pytest.mark.parametrize("taken", ["taken", ""])
def test_the_password_grant_is_taken_only_where_the_setting_lets_it_and_people_sign_in_without_it(award: Award, taken: str) -> None:
    with award.client() as anyone, award.client("committee", duties=["office"]) as office:
        login = activated(anyone, office, [{"role": "reviewer"}])["login"]
    granted = {"grant_type": "password", "username": login, "password": PASSWORD}

    async def use(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [
            await client.post("/api/v1/auth/token", data=granted),
            await client.post("/api/v1/auth/sign-in", json={"login": login, "password": PASSWORD}),
            await client.get("/.well-known/oauth-authorization-server"),
            await client.get("/api/v1/openapi.json"),
        ]

    grant, signed_in, metadata, document = through(award, use, password_grant=bool(taken))
    assert signed_in.status_code == 200
    assert (grant.status_code, grant.json().get("error")) == ((200, None) if taken else (400, "unsupported_grant_type"))
    assert metadata.json()["grant_types_supported"] == ["password"] * bool(taken) + ["refresh_token", "client_credentials"]
    assert document.json()["components"]["securitySchemes"]["person"]["type"] == ("oauth2" if taken else "http")
    assert award.product.door.gateway.settings.password_grant, "as the API's contract has it"


def test_the_published_metadata_name_the_address_of_the_settings_and_no_host_that_a_caller_gives(award: Award) -> None:
    async def use(client: httpx.AsyncClient) -> httpx.Response:
        return await client.get(
            "/.well-known/oauth-authorization-server", headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
        )

    here = "https://award.example.gov.cn"
    told = through(award, use, public_url=here).json()
    assert (told["token_endpoint"], told["jwks_uri"]) == (f"{here}/api/v1/auth/token", f"{here}/.well-known/jwks.json")
