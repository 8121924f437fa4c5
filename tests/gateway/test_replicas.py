"""Two doors over one database: what one decides holds at the other."""

import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn

from embedded.caller import Caller
from gateway.app import BEHIND, create
from tests.gateway.people import activated, bearer, renew, sign_in
from tests.rig import Announced, Award


@pytest.fixture(scope="module")
def office(award: Award) -> Iterator[Caller]:
    with award.client("committee", duties=["office"]) as caller:
        yield caller


@pytest.fixture(scope="module")
def one(award: Award) -> Iterator[Caller]:
    with award.client() as caller:
        yield caller


@pytest.fixture(scope="module")
def other(award: Award) -> Iterator[Caller]:
    """Call the second door, a program with keys, denylist and relay of its own."""
    programs = award.product.programs
    door = create(
        award.product.door.gateway.settings,
        {name: programs[name] for name in BEHIND},
        {name: httpx.ASGITransport(programs[name]) for name in BEHIND},
    )
    web = Announced(uvicorn.Config(door, port=0, log_config=None, access_log=False, lifespan="on"))
    thread = threading.Thread(target=web.run, daemon=True)
    thread.start()
    assert web.ready.wait(timeout=30)
    port = web.servers[0].sockets[0].getsockname()[1]
    with Caller(base_url=f"http://127.0.0.1:{port}/api/v1", headers={"Accept-Language": "en"}, trust_env=False) as caller:
        yield caller
    web.should_exit = True
    thread.join(timeout=30)


def status_after(seconds: float, caller: Caller, token: str, wanted: int) -> int:
    """Ask until the answer is as wanted, or the time is over; gives the last."""
    deadline = time.monotonic() + seconds
    while True:
        status = caller.get("/me", headers=bearer(token)).status_code
        if status == wanted or time.monotonic() > deadline:
            return status


def test_a_token_of_one_door_opens_the_other_until_the_account_is_disabled(one: Caller, other: Caller, office: Caller) -> None:
    account = activated(one, office, [{"role": "reviewer"}])
    token = sign_in(one, account["login"]).json()["access_token"]
    assert other.get("/me", headers=bearer(token)).json()["person"] == account["id"]
    held = office.get(f"/accounts/{account['id']}")
    office.patch(f"/accounts/{account['id']}", json={"status": "disabled"}, headers={"If-Match": held.headers["etag"]})
    assert one.get("/me", headers=bearer(token)).status_code == 401
    assert status_after(2, other, token, 401) == 401


def test_a_renewal_used_at_one_door_ends_the_sign_in_at_the_other(one: Caller, other: Caller, office: Caller) -> None:
    first = sign_in(one, activated(one, office, [{"role": "reviewer"}])["login"]).json()
    second = renew(other, first["refresh_token"]).json()
    assert renew(one, first["refresh_token"]).json()["code"] == "refresh_token_invalid"
    assert renew(other, second["refresh_token"]).json()["code"] == "refresh_token_invalid"


def test_failures_at_both_doors_lock_the_account_at_both(one: Caller, other: Caller, office: Caller) -> None:
    login = activated(one, office, [{"role": "reviewer"}])["login"]
    for door in (one, other, one, other, one):
        assert sign_in(door, login, "wrong-Horse-7").status_code == 400
    assert [sign_in(door, login).json()["code"] for door in (one, other)] == ["credentials_wrong"] * 2


def test_a_link_and_a_key_are_good_once_whichever_door_they_come_to(one: Caller, other: Caller, office: Caller) -> None:
    invitation = {"kind": "person", "login": "of.both.doors", "name": "某人", "grants": [{"role": "reviewer"}]}
    key = {"Idempotency-Key": "of-both-doors"}
    invited = office.post("/accounts", json=invitation, headers=key).json()
    again = other.post("/accounts", json=invitation, headers=key | {"Authorization": office.headers["authorization"]})
    assert (again.status_code, again.json()["id"], again.headers["idempotent-replayed"]) == (201, invited["id"], "true")
    used = [door.post("/auth/activation", json={"secret": invited["activation"], "password": "correct-Horse-7"}) for door in (other, one)]
    assert [answer.status_code for answer in used] == [200, 400]
