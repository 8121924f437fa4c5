"""People at the door, for its tests: invited, activated, signed in."""

from typing import Any
from uuid import uuid4

import httpx

from embedded.caller import Caller
from tests.rig import Award

PASSWORD = "correct-Horse-7"  # noqa: S105 - of accounts that live as long as a test


def a_login() -> str:
    return f"p{uuid4().hex[:12]}"


def invited(by: Caller, grants: list[dict[str, Any]], login: str | None = None) -> httpx.Response:
    return by.post("/accounts", json={"kind": "person", "login": login or a_login(), "name": "某人", "grants": grants})


def activated(anyone: Caller, by: Caller, grants: list[dict[str, Any]]) -> dict[str, Any]:
    account: dict[str, Any] = invited(by, grants).json()
    answer = anyone.post("/auth/activation", json={"secret": account["activation"], "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return account


def sign_in(anyone: Caller, login: str, password: str = PASSWORD, **more: str) -> httpx.Response:
    headers = {"User-Agent": more.pop("agent", "a browser")}
    form = {"grant_type": "password", "username": login, "password": password, **more}
    return anyone.post("/auth/token", data=form, headers=headers)


def sign_in_here(anyone: Caller, login: str, password: str = PASSWORD, **more: str) -> httpx.Response:
    """Sign in at the authority's own front end, without OAuth."""
    return anyone.post("/auth/sign-in", json={"login": login, "password": password, **more})


def renew(anyone: Caller, token: str) -> httpx.Response:
    return anyone.post("/auth/token", data={"grant_type": "refresh_token", "refresh_token": token})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def at_the_database(award: Award, statement: str, *values: object) -> list[Any]:
    engine = award.database("gateway")
    try:
        with engine.begin() as connection:
            done = connection.exec_driver_sql(statement, values)
            return list(done.scalars()) if done.returns_rows else []
    finally:
        engine.dispose()
