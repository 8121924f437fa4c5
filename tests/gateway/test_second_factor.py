"""The second factor (TOTP, RFC 6238): enrolled, demanded, taken once, counted when wrong, and removed by whoever may invite."""

import base64
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from embedded.caller import Caller
from gateway.authentication import totp
from gateway.settings import GatewaySettings
from tests.gateway.people import PASSWORD, a_login, activated, at_the_database, bearer, invited, renew, sign_in
from tests.rig import Award

T = TypeVar("T")


@pytest.fixture(scope="module")
def office(award: Award) -> Iterator[Caller]:
    with award.client("committee", duties=["office"]) as caller:
        yield caller


@pytest.fixture(scope="module")
def anyone(award: Award) -> Iterator[Caller]:
    with award.client() as caller:
        yield caller


@pytest.fixture(autouse=True)
def _neighbours(award: Award) -> Iterator[None]:
    """Take the neighbouring half minutes' codes, too, so that no test fails because one ends while it runs."""
    gateway = award.product.door.gateway
    usual = gateway.settings
    gateway.settings = usual.model_copy(update={"second_factor_steps": 1})
    yield
    gateway.settings = usual


class Authenticator:
    """A program on somebody's telephone; it knows the secret, and shows a code for each half minute."""

    def __init__(self, secret: str) -> None:
        self._totp = TOTP(base64.b32decode(secret), 6, SHA1(), 30)  # noqa: S303 - as RFC 6238 has it

    def code(self, steps: int = 0) -> str:
        return self._totp.generate(time.time() + 30 * steps).decode()

    def wrong(self) -> str:
        near = {self.code(steps) for steps in range(-3, 4)}
        return next(one for one in ("000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777") if one not in near)


def drawn(anyone: Caller, login: str, **more: str) -> Authenticator:
    answer = anyone.post("/auth/second-factor", json={"login": login, "password": PASSWORD, **more})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["uri"].startswith("otpauth://totp/quality-award:")
    return Authenticator(answer.json()["secret"])


def enrolled(award: Award, anyone: Caller, login: str) -> Authenticator:
    authenticator = drawn(anyone, login)
    confirmation = {"login": login, "password": PASSWORD, "new_code": authenticator.code()}
    assert anyone.post("/auth/second-factor/confirmation", json=confirmation).json() == {"enrolled": True}
    a_while_later(award, login)
    return authenticator


def a_while_later(award: Award, login: str) -> None:
    """Let the half minute of the last code have been long ago."""
    at_the_database(award, "update account set factor_step = factor_step - 10 where login = %s", login)


def within_one_step(do: Callable[[], T]) -> T:
    """Do it anew where a half minute ended meanwhile."""
    while True:
        began = int(time.time()) // 30
        done = do()
        if int(time.time()) // 30 == began:
            return done


def code_of(answer: object) -> str:
    return str(answer.json()["code"])  # type: ignore[attr-defined]  # httpx's answer


@pytest.mark.parametrize(
    ("at", "code"), [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")]
)
def test_codes_are_those_of_rfc_6238(at: int, code: str) -> None:
    assert totp(b"12345678901234567890").generate(at).decode() == code


def test_a_second_factor_is_demanded_once_a_code_confirmed_it_and_not_before(award: Award, anyone: Caller, office: Caller) -> None:
    login = activated(anyone, office, [{"role": "reviewer"}])["login"]
    before = sign_in(anyone, login).json()
    authenticator = drawn(anyone, login)
    assert sign_in(anyone, login).status_code == 200
    confirmation = {"login": login, "password": PASSWORD, "new_code": authenticator.wrong()}
    assert code_of(anyone.post("/auth/second-factor/confirmation", json=confirmation)) == "second_factor_wrong"
    confirmation["new_code"] = used = authenticator.code()
    assert anyone.post("/auth/second-factor/confirmation", json=confirmation).status_code == 200
    assert anyone.get("/me", headers=bearer(before["access_token"])).status_code == 401
    assert renew(anyone, before["refresh_token"]).status_code == 400
    assert code_of(sign_in(anyone, login)) == "second_factor_required"
    assert code_of(sign_in(anyone, login, code=used)) == "second_factor_wrong"
    a_while_later(award, login)
    assert sign_in(anyone, login, code=authenticator.code()).status_code == 200
    again = anyone.post("/auth/second-factor/confirmation", json={**confirmation, "code": authenticator.code(1)})
    assert code_of(again) == "second_factor_not_enrolled"


def test_a_code_is_taken_once_and_none_before_it_any_more(award: Award, anyone: Caller, office: Caller) -> None:
    login = activated(anyone, office, [{"role": "reviewer"}])["login"]
    authenticator = enrolled(award, anyone, login)
    code = authenticator.code()
    assert sign_in(anyone, login, code=code).status_code == 200
    assert code_of(sign_in(anyone, login, code=code)) == "second_factor_wrong"
    assert code_of(sign_in(anyone, login, code=authenticator.code(-1))) == "second_factor_wrong"
    assert sign_in(anyone, login, code=authenticator.code(1)).status_code == 200


@pytest.mark.parametrize(("steps", "status"), [(-1, 400), (0, 200), (1, 400)])
def test_a_code_is_taken_in_its_own_half_minute_alone(award: Award, anyone: Caller, office: Caller, steps: int, status: int) -> None:
    login = activated(anyone, office, [{"role": "reviewer"}])["login"]
    authenticator, gateway = enrolled(award, anyone, login), award.product.door.gateway
    by_default = GatewaySettings.model_fields["second_factor_steps"].default
    gateway.settings = gateway.settings.model_copy(update={"second_factor_steps": by_default})
    answer = within_one_step(lambda: sign_in(anyone, login, code=authenticator.code(steps)))
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("steps", [-2, 3])
def test_with_neighbours_taken_a_code_of_another_time_is_wrong(award: Award, anyone: Caller, office: Caller, steps: int) -> None:
    login = activated(anyone, office, [{"role": "reviewer"}])["login"]
    authenticator = enrolled(award, anyone, login)
    assert code_of(sign_in(anyone, login, code=authenticator.code(steps))) == "second_factor_wrong"


def test_wrong_codes_lock_the_account_though_the_password_is_right_each_time(award: Award, anyone: Caller, office: Caller) -> None:
    login = activated(anyone, office, [{"role": "reviewer"}])["login"]
    authenticator = enrolled(award, anyone, login)
    for _ in range(5):
        assert code_of(sign_in(anyone, login, code=authenticator.wrong())) == "second_factor_wrong"
        assert code_of(sign_in(anyone, login)) in {"second_factor_required", "credentials_wrong"}  # forgives nothing
    assert code_of(sign_in(anyone, login, code=authenticator.code())) == "credentials_wrong"
    at_the_database(award, "update account set locked_until = now() - interval '1 second' where login = %s", login)
    assert sign_in(anyone, login, code=authenticator.code()).status_code == 200


def test_with_a_wrong_password_nobody_hears_of_a_second_factor(award: Award, anyone: Caller, office: Caller) -> None:
    login = activated(anyone, office, [{"role": "reviewer"}])["login"]
    authenticator = enrolled(award, anyone, login)
    for code in ("", authenticator.code(), authenticator.wrong()):
        assert code_of(sign_in(anyone, login, "wrong-Horse-7", code=code)) == "credentials_wrong"


@pytest.mark.parametrize("code", ["", "1", "12345", "1234567", "12345a", "１２３４５６", "-12345", "0x1234", " 12345", "123456 "])
def test_an_odd_code_is_wrong_and_no_fault(award: Award, anyone: Caller, office: Caller, code: str) -> None:
    login = activated(anyone, office, [{"role": "reviewer"}])["login"]
    enrolled(award, anyone, login)
    assert sign_in(anyone, login, code=code).status_code in {400, 422}


def test_changing_a_password_or_a_second_factor_needs_the_one_in_force(award: Award, anyone: Caller, office: Caller) -> None:
    login = activated(anyone, office, [{"role": "reviewer"}])["login"]
    authenticator = enrolled(award, anyone, login)
    change = {"login": login, "password": PASSWORD, "new_password": "battery-Staple-8"}
    assert code_of(anyone.post("/auth/password", json=change)) == "second_factor_required"
    assert code_of(anyone.post("/auth/second-factor", json={"login": login, "password": PASSWORD})) == "second_factor_required"
    other = drawn(anyone, login, code=authenticator.code())
    confirmation = {"login": login, "password": PASSWORD, "new_code": other.code()}
    assert anyone.post("/auth/second-factor/confirmation", json=confirmation).status_code == 200
    a_while_later(award, login)
    assert anyone.post("/auth/password", json=change | {"code": other.code()}).status_code == 200


def test_an_official_whose_role_needs_a_second_factor_enrols_one_before_the_first_sign_in(
    award: Award, anyone: Caller, office: Caller
) -> None:
    gateway = award.product.door.gateway
    login = activated(anyone, office, [{"role": "committee", "duties": ["member"]}, {"role": "reviewer"}])["login"]
    usual = gateway.settings
    gateway.settings = usual.model_copy(update={"second_factor_roles": frozenset({"committee", "supervisor"})})
    try:
        refused = sign_in(anyone, login, role="committee").json()
        assert (refused["error"], refused["code"]) == ("invalid_grant", "second_factor_enrolment_required")
        assert sign_in(anyone, login, role="reviewer").status_code == 200
        authenticator = enrolled(award, anyone, login)
        assert sign_in(anyone, login, role="committee", code=authenticator.code()).status_code == 200
    finally:
        gateway.settings = usual


def test_a_lost_second_factor_is_removed_by_who_may_invite_and_by_nobody_else(award: Award, anyone: Caller, office: Caller) -> None:
    account = activated(anyone, office, [{"role": "committee", "duties": ["office"]}])
    path = f"/accounts/{account['id']}/second-factor"
    assert office.delete(path).status_code == 404
    authenticator = enrolled(award, anyone, account["login"])
    token = bearer(sign_in(anyone, account["login"], code=authenticator.code()).json()["access_token"])
    with award.client("committee", duties=["chair"]) as chair:
        assert chair.delete(path).status_code == 404
        supervisor = activated(anyone, chair, [{"role": "supervisor"}])
        enrolled(award, anyone, supervisor["login"])
        refused = office.delete(f"/accounts/{supervisor['id']}/second-factor")
        assert (refused.status_code, refused.json()["code"]) == (403, "chair_alone")
        assert chair.delete(f"/accounts/{supervisor['id']}/second-factor").status_code == 204
    assert anyone.delete(path, headers=token).json()["code"] == "own_account"
    assert office.delete(path).status_code == 204
    assert anyone.get("/me", headers=token).status_code == 401
    assert sign_in(anyone, account["login"]).status_code == 200


def test_the_secret_is_encrypted_at_rest_and_in_no_record(award: Award, anyone: Caller, office: Caller) -> None:
    account = invited(office, [{"role": "reviewer"}], a_login()).json()
    anyone.post("/auth/activation", json={"secret": account["activation"], "password": PASSWORD})
    answer = anyone.post("/auth/second-factor", json={"login": account["login"], "password": PASSWORD}).json()
    [sealed] = at_the_database(award, "select factor_sealed from account where id = %s", account["id"])
    raw = base64.b32decode(answer["secret"])
    assert raw not in bytes(sealed)
    assert award.product.door.gateway.seal.open(bytes(sealed), account["id"]) == raw
    told = at_the_database(award, "select facts::text from event where subject = %s", f"account:{account['id']}")
    assert not any(answer["secret"] in one for one in told)
