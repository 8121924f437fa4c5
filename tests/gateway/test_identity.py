"""What the specification says of identity and no other test holds: how long a lock lasts, what settings decide, what is recorded."""

import time
import unicodedata
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from embedded.caller import Caller
from kernel.clock import wall
from kernel.identity import ACCESS_LIFETIME
from tests.gateway.people import PASSWORD, a_login, activated, at_the_database, bearer, invited, sign_in
from tests.rig import Award


@pytest.fixture(scope="module")
def office(award: Award) -> Iterator[Caller]:
    with award.client("committee", duties=["office"]) as caller:
        yield caller


@pytest.fixture(scope="module")
def anyone(award: Award) -> Iterator[Caller]:
    with award.client() as caller:
        yield caller


@pytest.mark.parametrize(("before", "seconds"), [(3, None), (4, 30), (5, 60), (6, 120), (10, 1920), (11, 3600), (12, 3600), (500, 3600)])
def test_each_failure_from_the_fifth_locks_for_twice_as_long_and_at_most_an_hour(
    award: Award, anyone: Caller, office: Caller, before: int, seconds: int | None
) -> None:
    login = activated(anyone, office, [{"role": "reviewer"}])["login"]
    at_the_database(award, f"update account set failures = {before}, locked_until = now() where login = %s", login)  # noqa: S608 - a number of ours
    assert sign_in(anyone, login, "wrong-Horse-7").status_code == 400
    (left,) = at_the_database(award, "select extract(epoch from locked_until - now())::float from account where login = %s", login)
    assert (left is None or left <= 0) if seconds is None else seconds - 20 < left <= seconds


def test_while_it_is_locked_no_failure_makes_the_lock_longer(award: Award, anyone: Caller, office: Caller) -> None:
    """Else anybody could keep somebody out for ever."""
    login = activated(anyone, office, [{"role": "reviewer"}])["login"]
    for _ in range(8):
        sign_in(anyone, login, "wrong-Horse-7")
    assert at_the_database(award, "select failures from account where login = %s", login) == [5]


@pytest.mark.parametrize(
    ("rule", "refused", "taken"),
    [
        ({}, "correct-Hors-7", "correct-Horse-7"),
        ({"password_length": 10}, "Staple-88", "Staple-88x"),
        ({"password_classes": 3}, "correct-horsebattery", "correct-Horsebattery"),
        ({"password_classes": 4}, "correct-horse-7", "correct-Horse-7"),
        ({"password_words": ("horse",)}, "correct-Horse-7", "correct-House-7"),
    ],
)
def test_what_a_password_is_made_of_is_a_setting(
    award: Award, anyone: Caller, office: Caller, rule: dict[str, Any], refused: str, taken: str
) -> None:
    gateway = award.product.door.gateway
    usual = gateway.settings
    gateway.settings = usual.model_copy(update=rule)
    try:
        secret = invited(office, [{"role": "reviewer"}]).json()["activation"]
        answers = [anyone.post("/auth/activation", json={"secret": secret, "password": one}).status_code for one in (refused, taken)]
    finally:
        gateway.settings = usual
    assert answers == [422, 200]


@pytest.mark.parametrize(
    "password",
    ["correcthorsebattery", "CORRECTHORSEBATTERY", "138057912345671", "我们今天开会讨论实施细则与名单", "~" + "+-" * 3 + "=?!#%&^*("],
)
def test_by_default_any_sort_of_characters_makes_a_password(anyone: Caller, office: Caller, password: str) -> None:
    secret = invited(office, [{"role": "reviewer"}]).json()["activation"]
    assert anyone.post("/auth/activation", json={"secret": secret, "password": password}).status_code == 200


ODD = (" blanks at both ends ", "decomposed-cafe\u0301-7", "tab\tline\nand-nul\x00-7", "\u202efullwidth-１２３-Ａ")


@pytest.mark.parametrize("password", ODD)
def test_a_password_is_taken_exactly_as_it_was_sent_at_every_way_in(award: Award, anyone: Caller, office: Caller, password: str) -> None:
    account = invited(office, [{"role": "reviewer"}]).json()
    login = {"login": account["login"]}
    assert anyone.post("/auth/activation", json={"secret": account["activation"], "password": password}).status_code == 200
    assert sign_in(anyone, account["login"], password).status_code == 200
    for other in {unicodedata.normalize("NFKC", password), password.strip(), password.upper(), password[:-1]} - {password}:
        assert sign_in(anyone, account["login"], other).json()["code"] == "credentials_wrong", other
        at_the_database(award, "update account set failures = 0 where id = %s", account["id"])
    change = login | {"password": password, "new_password": f"{password}+"}
    assert anyone.post("/auth/password", json=change).status_code == 200
    assert anyone.post("/auth/second-factor", json=login | {"password": f"{password}+"}).status_code == 200
    link = office.post(f"/accounts/{account['id']}/activation-links", json={"purpose": "reset"}).json()["activation"]
    assert anyone.post("/auth/password-reset", json={"secret": link, "password": password}).status_code == 200
    assert sign_in(anyone, account["login"], password).status_code == 200


def test_nobody_is_given_a_password_by_another(anyone: Caller, office: Caller) -> None:
    """Whoever invites learns a link that is good once; the first password is the person's own, so there is none to be changed."""
    person = {"kind": "person", "login": a_login(), "name": "某人", "grants": [{"role": "reviewer"}]}
    assert office.post("/accounts", json=person | {"password": PASSWORD}).status_code == 422
    assert sign_in(anyone, office.post("/accounts", json=person).json()["login"]).json()["code"] == "credentials_wrong"


def test_who_was_invited_by_whom_and_every_new_password_is_recorded_without_the_secret(
    award: Award, anyone: Caller, office: Caller
) -> None:
    account = activated(anyone, office, [{"role": "reviewer"}])
    link = office.post(f"/accounts/{account['id']}/activation-links", json={"purpose": "reset"}).json()["activation"]
    assert anyone.post("/auth/password-reset", json={"secret": link, "password": "battery-Staple-8"}).status_code == 200
    engine = award.database("gateway")
    with engine.connect() as database:
        about = text("select kind, actor, facts::text from event where subject = :account order by id")
        found = database.execute(about, {"account": f"account:{account['id']}"}).all()
    engine.dispose()
    assert [row.kind for row in found] == ["account.invited", "account.activated", "account.link_issued", "account.password_reset"]
    assert [row.actor == account["id"] for row in found] == [False, True, False, True]
    assert not any(secret in str(row) for row in found for secret in (link, account["activation"], PASSWORD))


def test_a_link_past_its_hours_is_no_longer_good(award: Award, anyone: Caller, office: Caller) -> None:
    first, second = (invited(office, [{"role": "reviewer"}]).json() for _ in range(2))
    for account, hours in ((first, 71), (second, 73)):
        moved = f"update activation set expires_at = expires_at - interval '{hours} hours' where account_id = %s"  # noqa: S608 - a number of ours
        at_the_database(award, moved, account["id"])
    answers = [anyone.post("/auth/activation", json={"secret": one["activation"], "password": PASSWORD}) for one in (first, second)]
    assert [answer.status_code for answer in answers] == [200, 400]


def test_a_verified_token_is_remembered_until_it_expires_and_no_longer(award: Award) -> None:
    """The service keeps what it verified; the instant of expiry ends that."""
    made = wall() - ACCESS_LIFETIME + timedelta(seconds=3)
    token = award.product.door.tokens.sign("p1", {"role": "reviewer"}, now=made)
    with award.client() as caller:
        answers: list[httpx.Response] = []
        deadline = time.monotonic() + 6
        while not answers or (answers[-1].status_code != 401 and time.monotonic() < deadline):
            answers.append(caller.get("/sheets", headers=bearer(token)))
    assert {answer.status_code for answer in answers[:-1]} == {200}
    assert answers[-1].status_code == 401
