"""Signed requests: let in without a token, once, in time, and over the very method, path, query and body that were signed."""

import hashlib
import hmac
from concurrent.futures import ThreadPoolExecutor
from secrets import token_urlsafe
from typing import Any
from uuid import uuid4

import httpx
import pytest

from embedded.caller import Caller
from kernel.clock import wall
from tests.rig import Award

RESULTS = "/api/v1/results?limit=5"


@pytest.fixture
def office(award: Award) -> Caller:
    return award.client("committee", "office-1", duties=["office"])


@pytest.fixture
def signer(office: Caller) -> dict[str, Any]:
    body = {"kind": "client", "name": "公共数据平台", "scopes": ["results:read"], "proves_itself_by": "signature"}
    answer = office.post("/accounts", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def header(
    client: str, secret: str, *, method: str = "GET", path: str = RESULTS, nonce: str | None = None, late: int = 0, body: bytes = b""
) -> str:
    stamp, nonce = str(int(wall().timestamp()) - late), nonce or token_urlsafe(16)
    text = "\n".join([method, path, stamp, nonce, hashlib.sha256(body).hexdigest()])
    signature = hmac.digest(secret.encode(), text.encode(), hashlib.sha256).hex()
    return f"HMAC-SHA256 client={client}, timestamp={stamp}, nonce={nonce}, signature={signature}"


def ask(award: Award, authorization: str, path: str = RESULTS, method: str = "GET", body: bytes = b"") -> httpx.Response:
    headers = {"Authorization": authorization, "Idempotency-Key": token_urlsafe(16), "Content-Type": "application/json"}
    return httpx.request(method, award.address + path, headers=headers, content=body, trust_env=False, timeout=30)


def test_a_signed_request_is_let_in_once(award: Award, signer: dict[str, Any]) -> None:
    signed = header(signer["id"], signer["client_secret"])
    assert ask(award, signed).status_code == 200
    replayed = ask(award, signed)
    assert (replayed.status_code, replayed.json()["code"]) == (401, "unauthenticated")
    assert ask(award, header(signer["id"], signer["client_secret"])).status_code == 200


@pytest.mark.parametrize(("late", "status"), [(290, 200), (310, 401), (-290, 200), (-310, 401)])
def test_a_signature_is_good_for_five_minutes_either_way(award: Award, signer: dict[str, Any], late: int, status: int) -> None:
    assert ask(award, header(signer["id"], signer["client_secret"], late=late)).status_code == status


def test_nothing_but_what_was_signed_is_let_in(award: Award, signer: dict[str, Any]) -> None:
    client, secret = signer["id"], signer["client_secret"]
    assert ask(award, header(client, secret), "/api/v1/results?limit=6").status_code == 401
    assert ask(award, header(client, secret, method="POST")).status_code == 401
    assert ask(award, header(client, secret, body=b"{}")).status_code == 401
    assert ask(award, header(client, secret + "x")).status_code == 401
    assert ask(award, header(str(uuid4()), secret)).status_code == 401
    assert ask(award, header(client, secret).replace("nonce=", "nonce=!")).status_code == 401
    path, body = "/api/v1/awards/imports", b'{"awards": []}'
    forbidden = ask(award, header(client, secret, method="POST", path=path, body=body), path, "POST", body)
    assert (forbidden.status_code, forbidden.json()["code"]) == (403, "forbidden")


def test_each_client_proves_itself_in_its_own_way_alone(award: Award, office: Caller, signer: dict[str, Any]) -> None:
    form = {"grant_type": "client_credentials", "client_id": signer["id"], "client_secret": signer["client_secret"]}
    assert award.client().post("/auth/token", data=form).status_code == 401
    other = office.post("/accounts", json={"kind": "client", "name": "平台", "scopes": ["results:read"]}).json()
    assert ask(award, header(other["id"], other["client_secret"])).status_code == 401
    assert ask(award, header(other["id"], "\0" * 32)).status_code == 401


def test_a_rotated_secret_overlaps_and_a_disabled_client_is_out_at_once(award: Award, office: Caller, signer: dict[str, Any]) -> None:
    path = f"/accounts/{signer['id']}"
    new = office.post(f"{path}/secrets", json={"overlap_hours": 1}).json()["client_secret"]
    assert [ask(award, header(signer["id"], secret)).status_code for secret in (new, signer["client_secret"])] == [200, 200]
    newest = office.post(f"{path}/secrets", json={"overlap_hours": 0}).json()["client_secret"]
    assert [ask(award, header(signer["id"], secret)).status_code for secret in (newest, new)] == [200, 401]
    etag = office.get(path).headers["etag"]
    assert office.patch(path, json={"status": "disabled"}, headers={"If-Match": etag}).status_code == 200
    assert ask(award, header(signer["id"], newest)).status_code == 401


def test_a_nonce_sent_eight_times_at_once_is_taken_once(award: Award, signer: dict[str, Any]) -> None:
    signed = header(signer["id"], signer["client_secret"])
    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(lambda _: ask(award, signed).status_code, range(8))) == [200] + [401] * 7
