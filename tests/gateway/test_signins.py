"""Sign-ins listed and ended; machines' secrets rotated; what comes twice, at once, or under a login that nobody has."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from embedded.caller import Caller
from tests.gateway.people import PASSWORD, a_login, activated, at_the_database, bearer, renew, sign_in, sign_in_here
from tests.rig import Award


@pytest.fixture(scope="module")
def office(award: Award) -> Iterator[Caller]:
    with award.client("committee", duties=["office"]) as caller:
        yield caller


@pytest.fixture(scope="module")
def anyone(award: Award) -> Iterator[Caller]:
    with award.client() as caller:
        yield caller


def test_a_person_lists_the_sign_ins_under_way_and_ends_one_at_once(anyone: Caller, office: Caller) -> None:
    login = activated(anyone, office, [{"role": "reviewer"}])["login"]
    first = sign_in(anyone, login, agent="a\tbrowser").json()
    second = sign_in(anyone, login, agent="x" * 300).json()
    mine = bearer(second["access_token"])
    items = anyone.get("/me/sessions", headers=mine).json()["items"]
    shown = [(one["agent"], one["current"], one["role"]) for one in items]
    assert shown == [
        ("x" * 200, True, "reviewer"),
        ("abrowser", False, "reviewer"),
    ]
    assert items[0]["began_at"] <= items[0]["renewed_at"] <= items[0]["expires_at"]
    assert anyone.delete(f"/me/sessions/{items[1]['id']}", headers=mine).status_code == 204
    assert anyone.get("/me", headers=bearer(first["access_token"])).status_code == 401
    assert renew(anyone, first["refresh_token"]).status_code == 400
    assert anyone.delete(f"/me/sessions/{items[1]['id']}", headers=mine).status_code == 404
    assert [one["id"] for one in anyone.get("/me/sessions", headers=mine).json()["items"]] == [items[0]["id"]]


@pytest.mark.parametrize(("minutes", "status"), [(4, 204), (6, 401)])
def test_another_sign_in_is_ended_soon_after_signing_in_and_one_s_own_at_any_time(
    award: Award, anyone: Caller, office: Caller, minutes: int, status: int
) -> None:
    account = activated(anyone, office, [{"role": "reviewer"}])
    other, mine = (sign_in(anyone, account["login"]).json() for _ in range(2))
    earlier = f"update refresh_family set authenticated_at = now() - interval '{minutes} minutes' where account_id = %s"  # noqa: S608 - a number of ours
    at_the_database(award, earlier, account["id"])
    mine = renew(anyone, mine["refresh_token"]).json()
    own, another = anyone.get("/me/sessions", headers=bearer(mine["access_token"])).json()["items"]
    answer = anyone.delete(f"/me/sessions/{another['id']}", headers=bearer(mine["access_token"]))
    assert answer.status_code == status
    assert anyone.get("/me", headers=bearer(other["access_token"])).status_code == (401 if status == 204 else 200)
    assert status == 204 or (answer.json()["code"], 'max_age="300"' in answer.headers["www-authenticate"]) == ("sign_in_anew", True)
    assert anyone.delete(f"/me/sessions/{own['id']}", headers=bearer(mine["access_token"])).status_code == 204
    assert anyone.get("/me", headers=bearer(mine["access_token"])).status_code == 401


@pytest.mark.parametrize("carried", ["access", "refresh"])
def test_a_sign_in_ends_the_one_whose_token_it_carries_and_no_other(anyone: Caller, office: Caller, carried: str) -> None:
    login = activated(anyone, office, [{"role": "reviewer"}])["login"]
    elsewhere, former = (sign_in(anyone, login).json() for _ in range(2))
    headers = bearer(former["access_token"]) if carried == "access" else {}
    more = {"refresh_token": former["refresh_token"]} if carried == "refresh" else {}
    form = {"grant_type": "password", "username": login, **more}
    assert anyone.post("/auth/token", data=form | {"password": "wrong-Horse-7"}, headers=headers).status_code == 400
    assert anyone.get("/me", headers=bearer(former["access_token"])).status_code == 200
    made = anyone.post("/auth/token", data=form | {"password": PASSWORD}, headers=headers).json()
    assert anyone.get("/me", headers=bearer(former["access_token"])).status_code == 401
    assert renew(anyone, former["refresh_token"]).status_code == 400
    for kept in (elsewhere, made):
        assert anyone.get("/me", headers=bearer(kept["access_token"])).status_code == 200
    assert len(anyone.get("/me/sessions", headers=bearer(made["access_token"])).json()["items"]) == 2


def test_a_person_signs_in_without_any_oauth_grant(anyone: Caller, office: Caller) -> None:
    login = activated(anyone, office, [{"role": "reviewer"}, {"role": "endorser", "body": "330703101"}])["login"]
    wrong = sign_in_here(anyone, login, "wrong-Horse-7")
    assert (wrong.status_code, wrong.json()["code"], "error" in wrong.json()) == (400, "credentials_wrong", False)
    unchosen = sign_in_here(anyone, login).json()
    assert (unchosen["code"], unchosen["roles"]) == ("role_required", ["endorser", "reviewer"])
    former = sign_in_here(anyone, login, role="reviewer")
    assert (former.headers["cache-control"], former.json()["role"]) == ("no-store", "reviewer")
    made = sign_in_here(anyone, login, role="endorser", refresh_token=former.json()["refresh_token"]).json()
    assert anyone.get("/me", headers=bearer(former.json()["access_token"])).status_code == 401
    assert anyone.get("/me", headers=bearer(renew(anyone, made["refresh_token"]).json()["access_token"])).json()["role"] == "endorser"


def test_nobody_lists_or_ends_another_s_sign_ins(anyone: Caller, office: Caller) -> None:
    tokens = [sign_in(anyone, activated(anyone, office, [{"role": "reviewer"}])["login"]).json()["access_token"] for _ in range(2)]
    [theirs] = anyone.get("/me/sessions", headers=bearer(tokens[0])).json()["items"]
    assert anyone.delete(f"/me/sessions/{theirs['id']}", headers=bearer(tokens[1])).status_code == 404
    assert anyone.get("/me", headers=bearer(tokens[0])).status_code == 200


def test_who_may_invite_lists_and_ends_an_account_s_sign_ins(award: Award, anyone: Caller, office: Caller) -> None:
    account = activated(anyone, office, [{"role": "reviewer"}])
    token = sign_in(anyone, account["login"]).json()["access_token"]
    path = f"/accounts/{account['id']}/sessions"
    [one] = office.get(path).json()["items"]
    assert one["current"] is False
    with award.client("committee", duties=["chair"]) as chair:
        assert chair.get(path).status_code == 404
        supervisor = activated(anyone, chair, [{"role": "supervisor"}])
        refused = office.get(f"/accounts/{supervisor['id']}/sessions")
        assert (refused.status_code, refused.json()["code"]) == (403, "chair_alone")
        assert office.delete(f"/accounts/{supervisor['id']}/sessions/{one['id']}").status_code == 403
    assert office.delete(f"/accounts/{uuid4()}/sessions/{one['id']}").status_code == 404
    assert office.delete(f"{path}/{one['id']}").status_code == 204
    assert anyone.get("/me", headers=bearer(token)).status_code == 401


def test_of_two_renewals_at_once_one_is_given_and_the_sign_in_ends(anyone: Caller, office: Caller) -> None:
    token = sign_in(anyone, activated(anyone, office, [{"role": "reviewer"}])["login"]).json()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: renew(anyone, token["refresh_token"]), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    [given] = [answer.json() for answer in answers if answer.is_success]
    assert renew(anyone, given["refresh_token"]).status_code == 400
    assert anyone.get("/me", headers=bearer(given["access_token"])).status_code == 401


def test_of_many_wrong_passwords_at_once_none_slips_by_the_lock(award: Award, anyone: Caller, office: Caller) -> None:
    login = activated(anyone, office, [{"role": "reviewer"}])["login"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: sign_in(anyone, login, "wrong-Horse-7"), range(8)))
    assert at_the_database(award, "select failures from account where login = %s", login) == [5]
    assert sign_in(anyone, login).status_code == 400


def test_a_stray_login_is_counted_like_any_other_failure(award: Award, anyone: Caller) -> None:
    def counted() -> int:
        return int(at_the_database(award, "select coalesce(sum(failures), 0) from stray_failure")[0])

    before = counted()
    assert sign_in(anyone, a_login()).status_code == 400
    assert counted() == before + 1


def test_a_machine_s_secret_is_rotated_with_an_overlap(award: Award, anyone: Caller, office: Caller) -> None:
    client = office.post("/accounts", json={"kind": "client", "name": "公共数据平台", "scopes": ["results:read"]}).json()

    def token(secret: str) -> str | None:
        form = {"grant_type": "client_credentials", "client_id": client["id"], "client_secret": secret}
        given: str | None = anyone.post("/auth/token", data=form).json().get("access_token")
        return given

    path = f"/accounts/{client['id']}/secrets"
    second = office.post(path, json={"overlap_hours": 1}, headers={"Idempotency-Key": "rotate-once"}).json()
    assert office.post(path, json={"overlap_hours": 1}, headers={"Idempotency-Key": "rotate-once"}).json()["client_secret"] is None
    assert token(client["client_secret"])
    assert token(second["client_secret"])
    at_the_database(award, "update account set former_secret_until = now() - interval '1 second' where id = %s", client["id"])
    assert token(client["client_secret"]) is None
    live = token(second["client_secret"])
    assert live is not None
    third = office.post(path, json={"overlap_hours": 0}).json()
    assert (token(second["client_secret"]), bool(token(third["client_secret"]))) == (None, True)
    assert anyone.get("/results", headers=bearer(live)).status_code == 401
    assert office.post(path, json={"overlap_hours": 24 * 30 + 1}).status_code == 422


def test_only_a_machine_has_a_secret_to_rotate_and_a_disabled_one_is_out_at_once(anyone: Caller, office: Caller) -> None:
    person = activated(anyone, office, [{"role": "reviewer"}])
    assert office.post(f"/accounts/{person['id']}/secrets", json={}).status_code == 404
    client = office.post("/accounts", json={"kind": "client", "name": "公共数据平台", "scopes": ["results:read"]}).json()
    form = {"grant_type": "client_credentials", "client_id": client["id"], "client_secret": client["client_secret"]}
    token = bearer(anyone.post("/auth/token", data=form).json()["access_token"])
    assert anyone.get("/results", headers=token).status_code == 200
    etag = office.get(f"/accounts/{client['id']}").headers["etag"]
    assert office.patch(f"/accounts/{client['id']}", json={"status": "disabled"}, headers={"If-Match": etag}).status_code == 200
    assert anyone.get("/results", headers=token).status_code == 401
    assert anyone.post("/auth/token", data=form).json()["error"] == "invalid_client"


def test_a_password_past_its_days_must_be_changed_before_the_next_sign_in(award: Award, anyone: Caller, office: Caller) -> None:
    gateway = award.product.door.gateway
    login, usual = activated(anyone, office, [{"role": "reviewer"}])["login"], gateway.settings
    gateway.settings = usual.model_copy(update={"password_days": 90})
    try:
        at_the_database(award, "update account set password_set_at = now() - interval '89 days' where login = %s", login)
        assert sign_in(anyone, login).status_code == 200
        at_the_database(award, "update account set password_set_at = now() - interval '91 days' where login = %s", login)
        assert sign_in(anyone, login).json()["code"] == "password_expired"
        change = {"login": login, "password": "correct-Horse-7", "new_password": "battery-Staple-8"}
        assert anyone.post("/auth/password", json=change).status_code == 200
        assert sign_in(anyone, login, "battery-Staple-8").status_code == 200
    finally:
        gateway.settings = usual


COMMON = (
    "Password123!!!!", "P@ssw0rd2026!!!!", "123Iloveyou!!!!", "Sunshine-99-2026", "Jindong-Vii7-Vii8", "uu-ZHILIANG-8-oo",
    "iloveyouiloveyou", "passwordpasswor", "111111111111111", "123456789012345", "qwertyuiopasdfgh", "zyxwvutsrqponmlk",
)  # fmt: skip


@pytest.mark.parametrize("password", COMMON)
def test_a_common_or_an_obvious_password_is_refused_wherever_one_is_set(anyone: Caller, office: Caller, password: str) -> None:
    invitation = {"kind": "person", "login": a_login(), "name": "某人", "grants": [{"role": "reviewer"}]}
    account = office.post("/accounts", json=invitation).json()
    first = {"secret": account["activation"], "password": password}
    assert anyone.post("/auth/activation", json=first).json()["code"] == "password_common"
    assert anyone.post("/auth/activation", json=first | {"password": PASSWORD}).status_code == 200
    change = {"login": account["login"], "password": PASSWORD, "new_password": password}
    assert anyone.post("/auth/password", json=change).json()["code"] == "password_common"
    reset = office.post(f"/accounts/{account['id']}/activation-links", json={"purpose": "reset"}).json()["activation"]
    assert anyone.post("/auth/password-reset", json={"secret": reset, "password": password}).json()["code"] == "password_common"
    registered = {
        "credit_code": "91330703MA28E3QW5E",
        "organisation": "某公司",
        "township": "330703101",
        "login": a_login(),
        "name": "王某",
    }
    assert anyone.post("/auth/registrations", json=registered | {"password": password}).json()["code"] == "password_common"


@pytest.mark.parametrize(("seconds", "status", "lasts"), [(1000, 200, 900), (100, 200, 100), (-1, 400, 0)])
def test_no_token_outlives_its_sign_in(award: Award, anyone: Caller, office: Caller, seconds: int, status: int, lasts: int) -> None:
    account = activated(anyone, office, [{"role": "reviewer"}])
    token = sign_in(anyone, account["login"]).json()["refresh_token"]
    ends = f"update refresh_family set expires_at = now() + interval '{seconds} seconds' where account_id = %s"  # noqa: S608 - a number of ours
    at_the_database(award, ends, account["id"])
    answer = renew(anyone, token)
    assert (answer.status_code, max(lasts - 20, 0) <= answer.json().get("expires_in", 0) <= lasts) == (status, True)


@pytest.mark.parametrize(("minutes", "status"), [(59, 200), (61, 400)])
def test_a_sign_in_that_nobody_renews_for_an_hour_is_over(award: Award, anyone: Caller, office: Caller, minutes: int, status: int) -> None:
    account = activated(anyone, office, [{"role": "reviewer"}])
    token = sign_in(anyone, account["login"]).json()["refresh_token"]
    sign_ins = "select id from refresh_family where account_id = %s"
    renewed = f"update refresh_token set made_at = now() - interval '{minutes} minutes' where family_id in ({sign_ins})"  # noqa: S608 - our own words
    at_the_database(award, renewed, account["id"])
    assert renew(anyone, token).status_code == status
