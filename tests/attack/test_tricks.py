"""Tricks beside forged tokens: framing, headers, hosts, fixed sessions, members nobody asked for, and what the time to answer tells."""

import asyncio
import json
import socket
import threading
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from embedded.caller import Caller
from gateway import secret
from tests.attack.campaign import targets
from tests.attack.tokens import Forger
from tests.gateway.people import PASSWORD, a_login, activated, at_the_database, bearer, invited, renew, sign_in
from tests.rig import Award

EVIL = "evil.example"


@pytest.fixture(scope="module")
def office(award: Award) -> Iterator[Caller]:
    with award.client("committee", duties=["office"]) as caller:
        yield caller


@pytest.fixture(scope="module")
def anyone(award: Award) -> Iterator[Caller]:
    with award.client() as caller:
        yield caller


def said_to(award: Award, request: bytes) -> bytes:
    """Send bytes to the door; gives whatever it says until it hangs up, or has spoken and is silent."""
    there = urlsplit(award.address)
    heard = b""
    with socket.create_connection((there.hostname, there.port), timeout=30) as line, suppress(TimeoutError):
        line.sendall(request)
        while part := line.recv(65536):
            heard += part
            line.settimeout(1)
    return heard


PLAIN = b"GET /api/v1/rubrics HTTP/1.1\r\nHost: a\r\nX-Request-Id: smuggled\r\n\r\n"
SMUGGLED = PLAIN.replace(b"Host", b"Connection: close\r\nHost")
CHUNKED = b"0\r\n\r\n" + SMUGGLED
FRAMINGS = {
    "two lengths": (b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(SMUGGLED), SMUGGLED),
    "two lengths in one": (b"Content-Length: 0, %d\r\n" % len(SMUGGLED), SMUGGLED),
    "two lengths, the other way": (b"Content-Length: %d\r\nContent-Length: 0\r\n" % len(SMUGGLED), SMUGGLED),
    "length and chunks": (b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % len(CHUNKED), CHUNKED),
    "chunks and length": (b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n" % len(CHUNKED), CHUNKED),
    "length and odd chunks": (b"Content-Length: %d\r\nTransfer-Encoding: xchunked\r\n" % len(CHUNKED), CHUNKED),
    "chunks with a tab": (b"Content-Length: %d\r\nTransfer-Encoding:\tchunked\r\n" % len(CHUNKED), CHUNKED),
    "chunks with a blank before the colon": (b"Content-Length: %d\r\nTransfer-Encoding : chunked\r\n" % len(CHUNKED), CHUNKED),
    "chunks, then identity": (b"Content-Length: %d\r\nTransfer-Encoding: chunked, identity\r\n" % len(CHUNKED), CHUNKED),
    "two encodings": (b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n" % len(CHUNKED), CHUNKED),
    "a folded header": (b"Content-Length: %d\r\nX: 1\r\n Transfer-Encoding: chunked\r\n" % len(CHUNKED), CHUNKED),
    "a bare line feed": (b"Content-Length: %d\r\nX: 1\nTransfer-Encoding: chunked\r\n" % len(CHUNKED), CHUNKED),
    "a bare carriage return": (b"Content-Length: %d\r\nX: 1\rTransfer-Encoding: chunked\r\n" % len(CHUNKED), CHUNKED),
    "a signed length": (b"Content-Length: +%d\r\n" % len(SMUGGLED), SMUGGLED),
    "a negative length": (b"Content-Length: -1\r\n", SMUGGLED),
    "a length in hexadecimal": (b"Content-Length: 0x%x\r\n" % len(SMUGGLED), SMUGGLED),
    "a length named as of the hop": (b"Connection: Content-Length\r\nContent-Length: %d\r\n" % len(SMUGGLED), SMUGGLED),
    "a chunk's length in odd digits": (b"Transfer-Encoding: chunked\r\n", b"0x0\r\n\r\n" + SMUGGLED),
    "a chunk's extension with a line feed": (b"Transfer-Encoding: chunked\r\n", b"5;a\nb\r\nhello\r\n" + CHUNKED),
}


@pytest.mark.parametrize("name", FRAMINGS)
def test_no_framing_smuggles_a_second_request_past_the_door(award: Award, name: str) -> None:
    headers, body = FRAMINGS[name]
    for path in (b"/api/v1/applications", b"/api/v1/auth/token"):
        heard = said_to(award, b"POST " + path + b" HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + headers + b"\r\n" + body)
        assert b"smuggled" not in heard
        assert heard[:13] in {b"HTTP/1.1 400 ", b"HTTP/1.1 401 ", b"HTTP/1.1 413 ", b"HTTP/1.1 415 ", b"HTTP/1.1 422 "}, heard[:200]
        assert heard.count(b"HTTP/1.1 ") == 1


def test_a_plain_pair_of_requests_is_answered_twice(award: Award) -> None:
    """Else the framings above would prove nothing."""
    assert said_to(award, PLAIN + SMUGGLED).count(b"x-request-id: smuggled") == 2


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"])
def test_no_header_makes_a_method_of_another(anyone: Caller, office: Caller, header: str) -> None:
    me = sign_in(anyone, activated(anyone, office, [{"role": "reviewer"}])["login"]).json()["access_token"]
    (session,) = anyone.get("/me/sessions", headers=bearer(me)).json()["items"]
    for method in ("GET", "POST"):
        path = f"/me/sessions/{session['id']}"
        answer = anyone.request(method, path, params={header: "DELETE"}, headers=bearer(me) | {header: "DELETE"})
        assert answer.status_code == 405
    assert anyone.get("/me", headers=bearer(me)).status_code == 200


HOSTS = {
    "Host": EVIL,
    "X-Forwarded-Host": EVIL,
    "Forwarded": f"host={EVIL}",
    "X-Host": EVIL,
    "X-Original-Host": EVIL,
    "X-Forwarded-Server": EVIL,
}


def test_no_link_and_no_answer_names_the_host_that_a_caller_gives(anyone: Caller, office: Caller) -> None:
    answers = [anyone.get(path, headers=HOSTS) for path in ("/openapi.json", "/nothing", "/cycles", "/forms/none", "/me")]
    answers += [
        office.post(
            "/accounts", headers=HOSTS, json={"kind": "person", "login": a_login(), "name": "某人", "grants": [{"role": "reviewer"}]}
        )
    ]
    account = answers[-1].json()["id"]
    answers += [office.post(f"/accounts/{account}/activation-links", headers=HOSTS, json={"purpose": "activation"})]
    answers += [
        office.get(f"/accounts/{account}", headers=HOSTS),
        office.get("/accounts", headers=HOSTS | {"X-Original-URL": "/internal/tasks"}),
    ]
    assert [answer.status_code for answer in answers[-4:]] == [201, 201, 200, 200]
    for answer in answers:
        assert EVIL not in answer.text + str(answer.headers)


@contextmanager
def listening() -> Iterator[tuple[str, SimpleQueue[object]]]:
    """Listen where a token says that its key is; gives the address, and who called."""
    called: SimpleQueue[object] = SimpleQueue()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            with suppress(OSError):  # the end of the test
                while True:
                    line, who = server.accept()
                    called.put(who)
                    line.close()

        threading.Thread(target=take, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/keys", called
        server.shutdown(socket.SHUT_RDWR)


def test_no_service_fetches_a_key_from_where_a_token_says(award: Award) -> None:
    forger = Forger(award.product.door.tokens.sign("p1", {"role": "reviewer"}), award.product.door.gateway.keys.current().pem)
    with listening() as (address, called):
        values: dict[str, object] = {"x5c": [address], "jwk": {"kty": "RSA", "kid": address, "jku": address}}
        headers = [forger.header | {name: values.get(name, address)} for name in ("jku", "x5u", "kid", "x5c", "jwk")]
        tokens = [*map(forger.with_header, headers), forger.with_claims(forger.claims | {"iss": address})]
        assert set(asyncio.run(answers(award, tokens))) == {401}
        assert called.empty()
        socket.create_connection((urlsplit(address).hostname, urlsplit(address).port)).close()
        assert called.get(timeout=5)  # it does listen


async def answers(award: Award, tokens: Sequence[bytes]) -> list[int]:
    """Send each token to every service, directly and through the door."""
    found = []
    for _, transport, path in targets(award):
        async with httpx.AsyncClient(transport=transport, base_url="http://award") as client:
            found += [(await client.get(path, headers={b"Authorization": b"Bearer " + token})).status_code for token in tokens]
    return found


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    content: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return content


def test_nobody_fixes_the_sign_in_of_another(anyone: Caller, office: Caller) -> None:
    """What a caller sends along is never what the sign-in is known by, and each sign-in makes tokens of its own."""
    account = activated(anyone, office, [{"role": "reviewer"}])
    chosen = str(uuid4())
    given = {"refresh_token": chosen, "jti": chosen, "session": chosen, "sid": chosen, "client_id": chosen}
    headers = {"Cookie": f"session={chosen}; JSESSIONID={chosen}", "X-Request-Id": chosen, "X-Session-Id": chosen}
    form = {"grant_type": "password", "username": account["login"], "password": PASSWORD}
    first = anyone.post("/auth/token", data=form | given, headers=headers)
    second = anyone.post("/auth/token", data=form | given, headers=headers | bearer(first.json()["access_token"]))
    for signed_in in (first, second):
        assert chosen not in signed_in.text
        assert chosen not in str(claims_of(signed_in.json()["access_token"]))
        assert "set-cookie" not in signed_in.headers
    assert renew(anyone, chosen).json()["code"] == "refresh_token_invalid"
    of_each = [(one.json()["refresh_token"], claims_of(one.json()["access_token"])["jti"]) for one in (first, second)]
    assert len({one for pair in of_each for one in pair}) == 4


MORE = {
    "role": "committee", "roles": ["committee"], "duties": ["office"], "grants": [{"role": "committee", "duties": ["office"]}],
    "status": "active", "verified_at": "2026-01-01T00:00:00+08:00", "id": str(uuid4()), "version": 9, "org": "91330703MA28E3QW5E",
    "body": "330703101", "kind": "client", "scopes": ["results:read"], "password_hash": "x", "failures": 0, "is_admin": True,
    "account_id": str(uuid4()), "__proto__": {"role": "committee"},
}  # fmt: skip
REGISTRATION = {
    "credit_code": "91330703MA28E3QW5E", "organisation": "某公司", "township": "330703101", "password": PASSWORD, "name": "王某",
}  # fmt: skip


@pytest.mark.parametrize("member", MORE)
def test_no_member_that_a_form_does_not_ask_for_is_taken(anyone: Caller, office: Caller, member: str) -> None:
    more = {member: MORE[member]}
    login = a_login()
    assert anyone.post("/auth/registrations", json=REGISTRATION | {"login": login} | more).status_code == 422
    invitation = {"kind": "person", "login": login, "name": "某人", "grants": [{"role": "reviewer"}]}
    if member not in {"kind", "grants"}:
        assert office.post("/accounts", json=invitation | more).status_code == 422
    if member not in {"role", "duties", "org", "body"}:
        assert office.post("/accounts", json=invitation | {"grants": [{"role": "reviewer"} | more]}).status_code == 422
    account = office.post("/accounts", json=invitation).json()
    assert anyone.post("/auth/activation", json={"secret": account["activation"], "password": PASSWORD} | more).status_code == 422
    assert anyone.post("/auth/activation", json={"secret": account["activation"], "password": PASSWORD}).status_code == 200
    if member not in {"role", "scopes"}:
        token = anyone.post(
            "/auth/token", data={"grant_type": "password", "username": login, "password": PASSWORD, member: str(MORE[member])}
        )
        told = claims_of(token.json()["access_token"])
        assert (told["role"], told.keys() & {"duties", "org", "body", "scope"}) == ("reviewer", set())


def test_a_sign_in_costs_one_hash_whoever_is_named(award: Award, anyone: Caller, office: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: for a login that is known, locked, disabled, not yet activated, without a password, or nobody's."""
    known, locked, disabled = (activated(anyone, office, [{"role": "reviewer"}])["login"] for _ in range(3))
    pending = a_login()
    assert invited(office, [{"role": "reviewer"}], pending).status_code == 201
    at_the_database(award, "update account set locked_until = now() + interval '1 hour' where login = %s", locked)
    at_the_database(award, "update account set status = 'disabled' where login = %s", disabled)
    hashed: list[object] = []
    hasher = secret.HASHER

    class Counting:
        def verify(self, known_hash: str, password: str) -> bool:
            hashed.append((hasher.check_needs_rehash(known_hash), password))
            return hasher.verify(known_hash, password)

    monkeypatch.setattr(secret, "HASHER", Counting())
    for login in (known, locked, disabled, pending, a_login(), "Ä", ""):
        for path, given in (
            ("/auth/token", {"data": {"grant_type": "password", "username": login, "password": "wrong-Horse-7"}}),
            ("/auth/password", {"json": {"login": login, "password": "wrong-Horse-7", "new_password": "battery-Staple-8"}}),
        ):
            hashed.clear()
            answer = anyone.post(path, **given)  # type: ignore[arg-type]  # one of httpx's two forms of a body
            if answer.status_code == 422:
                continue  # no login has this form, which anybody may know
            assert (answer.status_code, answer.json()["code"]) == (400, "credentials_wrong")
            assert hashed == [(False, "wrong-Horse-7")], (login, path)
