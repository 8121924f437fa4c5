"""Who may come in, and who is out again: invitations, registrations, sign-ins, and what ends them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from embedded.caller import Caller
from gateway.first import ensure_first_office
from tests.gateway.people import PASSWORD, a_login, activated, at_the_database, bearer, invited, renew, sign_in
from tests.intake.applicants import credit_code
from tests.rig import Award


@pytest.fixture(scope="module")
def office(award: Award) -> Iterator[Caller]:
    with award.client("committee", duties=["office"]) as caller:
        yield caller


@pytest.fixture(scope="module")
def chair(award: Award) -> Iterator[Caller]:
    with award.client("committee", duties=["chair"]) as caller:
        yield caller


@pytest.fixture(scope="module")
def anyone(award: Award) -> Iterator[Caller]:
    with award.client() as caller:
        yield caller


def test_an_invited_person_activates_once_and_signs_in(anyone: Caller, office: Caller) -> None:
    account = activated(anyone, office, [{"role": "reviewer"}])
    again = anyone.post("/auth/activation", json={"secret": account["activation"], "password": PASSWORD})
    assert (again.status_code, again.json()["code"]) == (400, "secret_invalid")
    token = sign_in(anyone, account["login"])
    assert token.headers["cache-control"] == "no-store"
    me = anyone.get("/me", headers=bearer(token.json()["access_token"])).json()
    assert (me["person"], me["role"], me["login"], me["roles"]) == (account["id"], "reviewer", account["login"], ["reviewer"])


def test_the_stored_answer_to_an_invitation_keeps_no_secret(office: Caller) -> None:
    body = {"kind": "person", "login": a_login(), "name": "某人", "grants": [{"role": "reviewer"}]}
    first = office.post("/accounts", json=body, headers={"Idempotency-Key": "the-same-key"})
    second = office.post("/accounts", json=body, headers={"Idempotency-Key": "the-same-key"})
    assert first.json()["activation"]
    assert second.json() == first.json() | {"activation": None}
    assert second.headers["idempotent-replayed"] == "true"


def test_a_login_is_taken_once(office: Caller) -> None:
    login = a_login()
    assert invited(office, [{"role": "reviewer"}], login).status_code == 201
    assert invited(office, [{"role": "reviewer"}], login).json()["code"] == "login_taken"


def test_a_weak_password_leaves_the_link_good(anyone: Caller, office: Caller) -> None:
    account = invited(office, [{"role": "reviewer"}]).json()
    weak = anyone.post("/auth/activation", json={"secret": account["activation"], "password": "alllowercase"})
    assert (weak.status_code, weak.json()["code"]) == (422, "password_too_weak")
    assert anyone.post("/auth/activation", json={"secret": account["activation"], "password": PASSWORD}).status_code == 200


def test_who_holds_several_roles_chooses_one(anyone: Caller, office: Caller) -> None:
    account = activated(anyone, office, [{"role": "reviewer"}, {"role": "committee", "duties": ["member"]}])
    unchosen = sign_in(anyone, account["login"])
    assert (unchosen.status_code, unchosen.json()["code"], unchosen.json()["roles"]) == (400, "role_required", ["committee", "reviewer"])
    assert sign_in(anyone, account["login"], role="reviewer").json()["role"] == "reviewer"
    assert sign_in(anyone, account["login"], role="supervisor").json()["code"] == "role_required"


def test_a_wrong_password_and_an_unknown_login_are_answered_alike(anyone: Caller, office: Caller) -> None:
    account = activated(anyone, office, [{"role": "reviewer"}])
    wrong, unknown = sign_in(anyone, account["login"], "wrong-Horse-7").json(), sign_in(anyone, a_login(), "wrong-Horse-7").json()
    assert wrong["error"] == "invalid_grant"
    assert {**wrong, "request_id": ""} == {**unknown, "request_id": ""}


def test_five_failures_lock_the_account_for_a_while(award: Award, anyone: Caller, office: Caller) -> None:
    account = activated(anyone, office, [{"role": "reviewer"}])
    for _ in range(4):
        sign_in(anyone, account["login"], "wrong-Horse-7")
    assert sign_in(anyone, account["login"]).status_code == 200
    for _ in range(5):
        sign_in(anyone, account["login"], "wrong-Horse-7")
    assert sign_in(anyone, account["login"]).json()["code"] == "credentials_wrong"
    at_the_database(award, "update account set locked_until = now() - interval '1 second' where login = %s", account["login"])
    assert sign_in(anyone, account["login"]).status_code == 200


def test_a_refresh_token_that_comes_twice_ends_the_sign_in(anyone: Caller, office: Caller) -> None:
    account = activated(anyone, office, [{"role": "reviewer"}])
    first = sign_in(anyone, account["login"]).json()

    second = renew(anyone, first["refresh_token"]).json()
    assert anyone.get("/me", headers=bearer(second["access_token"])).status_code == 200
    assert renew(anyone, first["refresh_token"]).json()["code"] == "refresh_token_invalid"
    assert renew(anyone, second["refresh_token"]).json()["error"] == "invalid_grant"
    assert anyone.get("/me", headers=bearer(second["access_token"])).status_code == 401


def test_signing_out_ends_access_and_renewal(anyone: Caller, office: Caller) -> None:
    account = activated(anyone, office, [{"role": "reviewer"}])
    token = sign_in(anyone, account["login"]).json()
    assert anyone.post("/auth/logout", headers=bearer(token["access_token"])).status_code == 204
    assert anyone.get("/me", headers=bearer(token["access_token"])).status_code == 401
    renewed = anyone.post("/auth/token", data={"grant_type": "refresh_token", "refresh_token": token["refresh_token"]})
    assert renewed.status_code == 400


def test_who_is_out_is_not_let_in_while_another_request_asks_who_is(award: Award, anyone: Caller, office: Caller) -> None:
    account = activated(anyone, office, [{"role": "reviewer"}])
    token = bearer(sign_in(anyone, account["login"]).json()["access_token"])
    assert anyone.post("/auth/logout", headers=token).status_code == 204
    engine = award.database("gateway")
    with ThreadPoolExecutor() as pool, engine.connect() as holder:
        with holder.begin():
            holder.exec_driver_sql("lock table denial in access exclusive mode")
            asking = pool.submit(office.get, "/me")
            while not at_the_database(award, "select 1 from pg_locks where relation = 'denial'::regclass and not granted"):
                pass
            late = pool.submit(anyone.get, "/me", headers=token)
            assert wait([late], timeout=0.5).done == set()
        assert (asking.result().status_code, late.result().status_code) == (200, 401)
    engine.dispose()


def test_disabling_works_at_once_and_every_service_is_told(award: Award, anyone: Caller, office: Caller) -> None:
    account = activated(anyone, office, [{"role": "reviewer"}])
    token = bearer(sign_in(anyone, account["login"]).json()["access_token"])
    assert anyone.get("/me", headers=token).status_code == 200
    etag = office.get(f"/accounts/{account['id']}").headers["etag"]
    assert office.patch(f"/accounts/{account['id']}", json={"status": "disabled"}).status_code == 428
    assert office.patch(f"/accounts/{account['id']}", json={"status": "disabled"}, headers={"If-Match": etag}).status_code == 200
    assert anyone.get("/me", headers=token).status_code == 401
    assert anyone.get("/cycles", headers=token).status_code == 401
    assert sign_in(anyone, account["login"]).status_code == 400
    stale = office.patch(f"/accounts/{account['id']}", json={"status": "active"}, headers={"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_stale")
    told = at_the_database(award, "select told from event where kind = 'account.disabled' and facts->>'person' = %s", account["id"])
    assert told == [["intake", "scoring", "workflow"]]
    etag = office.get(f"/accounts/{account['id']}").headers["etag"]
    assert office.patch(f"/accounts/{account['id']}", json={"status": "active"}, headers={"If-Match": etag}).status_code == 200
    fresh = bearer(sign_in(anyone, account["login"]).json()["access_token"])
    assert anyone.get("/me", headers=fresh).status_code == 200
    assert anyone.get("/me", headers=token).status_code == 401


def test_a_disqualified_person_is_out_at_once(anyone: Caller, office: Caller) -> None:
    account = activated(anyone, office, [{"role": "reviewer"}])
    token = bearer(sign_in(anyone, account["login"]).json()["access_token"])
    body = {"kind": "disqualification", "reason": "泄露商业秘密"}
    tried = office.post(f"/accounts/{account['id']}/sanctions", json=body, params={"dry_run": True})
    assert (tried.status_code, anyone.get("/me", headers=token).status_code) == (201, 200)
    assert office.post(f"/accounts/{account['id']}/sanctions", json=body).json()["clause"] == "7.6"
    assert anyone.get("/me", headers=token).status_code == 401


def test_the_chair_alone_invites_and_manages_supervisors(anyone: Caller, office: Caller, chair: Caller) -> None:
    supervisor = [{"role": "supervisor"}]
    refused = invited(office, supervisor)
    assert (refused.status_code, refused.json()["code"]) == (403, "chair_alone")
    account = invited(chair, supervisor).json()
    assert invited(chair, [{"role": "reviewer"}]).json()["code"] == "office_alone"
    path = f"/accounts/{account['id']}"
    shown = office.get(path)
    assert shown.json()["actions"]["edit"]["why"]["code"] == "chair_alone"
    link = {"purpose": "reset"}
    assert office.post(f"{path}/activation-links", json=link).status_code == 403
    for change in ({"status": "disabled"}, {"name": "赵某"}):
        assert office.patch(path, json=change, headers={"If-Match": shown.headers["etag"]}).status_code == 403
    assert chair.post(f"{path}/activation-links", json=link).status_code == 201
    ordinary = invited(office, [{"role": "reviewer"}]).json()
    assert chair.get(f"/accounts/{ordinary['id']}").status_code == 404
    promoted = office.patch(f"/accounts/{ordinary['id']}", json={"grants": supervisor}, headers={"If-Match": '"1"'})
    assert promoted.status_code == 403
    assert invited(anyone, supervisor).status_code == 401


def test_a_registered_organisation_is_pending_until_its_township_verifies(award: Award, anyone: Caller, office: Caller) -> None:
    code, township = "91330703MA28E3QW5E", "330703101"
    form = {"credit_code": code, "organisation": "某公司", "township": township, "login": a_login(), "password": PASSWORD, "name": "王某"}
    wrong = anyone.post("/auth/registrations", json={**form, "credit_code": code[:-1] + "0"})
    assert (wrong.status_code, wrong.json()["clause"], "“E”" in wrong.json()["detail"]) == (409, "3.1", True)
    first = anyone.post("/auth/registrations", json=form)
    assert first.status_code == 201, first.text
    squatter = anyone.post("/auth/registrations", json={**form, "login": a_login()}).json()
    path = f"/accounts/{first.json()['account']}"

    def org() -> str | None:
        token = sign_in(anyone, form["login"]).json()["access_token"]
        found: str | None = anyone.get("/me", headers=bearer(token)).json()["org"]
        return found

    assert org() is None
    with award.client("endorser", body="330703102") as elsewhere, award.client("endorser", body=township) as here:
        assert elsewhere.post(f"{path}/verification").status_code == 404
        assert path in [task["href"].removeprefix("/api/v1") for task in here.get("/me").json()["tasks"]]
        verified = here.post(f"{path}/verification")
        assert verified.status_code == 200, verified.text
        assert verified.json()["actions"].keys() == {"verify"}
        assert verified.json()["actions"]["verify"]["why"]["code"] == "verified_already"
    assert org() == code
    assert office.post(f"/accounts/{squatter['account']}/verification").json()["code"] == "organisation_registered"
    assert anyone.post("/auth/registrations", json={**form, "login": a_login()}).json()["code"] == "organisation_registered"


def test_a_stored_answer_is_given_again_only_in_the_same_capacity_and_about_who_may_be_seen(award: Award, anyone: Caller) -> None:
    form = {"credit_code": credit_code(92), "organisation": "某社", "township": "330703101", "password": PASSWORD, "name": "王某"}
    account = anyone.post("/auth/registrations", json={**form, "login": a_login()}).json()["account"]
    path, key = f"/accounts/{account}/verification", {"Idempotency-Key": "verified-once"}
    with award.client("endorser", "clerk-92", body="330703101") as here, award.client("endorser", "clerk-92", body="330703102") as there:
        first, again = (here.post(path, headers=key) for _ in range(2))
        assert (first.status_code, again.json(), again.headers["idempotent-replayed"]) == (200, first.json(), "true")
        moved = there.post(path, headers=key)
        assert (moved.status_code, moved.json()["code"]) == (422, "idempotency_key_reused")
        at_the_database(award, "update registration set township = '330703102' where account_id = %s::uuid", account)
        assert here.post(path, headers=key).status_code == 404
    colleague = {"credit_code": credit_code(92), "login": a_login(), "name": "李某"}
    with award.client("committee", "clerk-92", duties=["office"]) as clerk:
        joined, again = (clerk.post("/accounts/colleagues", json=colleague, headers=key).json()["account"] for _ in range(2))
        assert joined == again
        at_the_database(award, "insert into recusal (person, credit_code) values ('clerk-92', %s)", credit_code(92))
        assert clerk.post("/accounts/colleagues", json=colleague, headers=key).status_code == 404


def test_a_second_person_joins_by_the_first_one_s_word_or_the_office_s(award: Award, anyone: Caller, office: Caller) -> None:
    code = "91330703MA00000900"
    form = {"credit_code": code, "organisation": "某社", "township": "330703101", "login": a_login(), "password": PASSWORD, "name": "王某"}
    first = anyone.post("/auth/registrations", json=form).json()["account"]
    colleague = {"credit_code": code, "login": a_login(), "name": "李某"}
    unverified = bearer(sign_in(anyone, form["login"]).json()["access_token"])
    assert anyone.post("/accounts/colleagues", json=colleague, headers=unverified).status_code == 404
    assert office.post(f"/accounts/{first}/verification").status_code == 200
    verified = bearer(sign_in(anyone, form["login"]).json()["access_token"])
    elsewhere = {**colleague, "credit_code": "91110000600037341L"}
    assert anyone.post("/accounts/colleagues", json=elsewhere, headers=verified).status_code == 404
    alone = anyone.post("/auth/registrations", json={**form, "login": colleague["login"]})
    assert alone.json()["code"] == "organisation_registered"
    second = anyone.post("/accounts/colleagues", json=colleague, headers=verified)
    assert second.status_code == 201, second.text
    third = office.post("/accounts/colleagues", json={**colleague, "login": a_login()}).json()
    for invited_one in (second.json(), third):
        secret = {"secret": invited_one["activation"], "password": PASSWORD}
        assert anyone.post("/auth/activation", json=secret).status_code == 200
        token = sign_in(anyone, invited_one["login"]).json()["access_token"]
        assert anyone.get("/me", headers=bearer(token)).json()["org"] == code
    with award.client("endorser", body="330703101") as endorser:
        assert endorser.post("/accounts/colleagues", json=colleague).status_code == 403


def test_a_credit_code_is_free_again_only_when_all_its_people_are_gone(anyone: Caller, office: Caller) -> None:
    code = "N2330703MF0000013T"
    form = {"credit_code": code, "organisation": "某社", "township": "330703101", "login": a_login(), "password": PASSWORD, "name": "王某"}
    first = anyone.post("/auth/registrations", json=form).json()["account"]
    office.post(f"/accounts/{first}/verification")
    second = office.post("/accounts/colleagues", json={"credit_code": code, "login": a_login(), "name": "李某"}).json()["account"]
    for gone, free in ((first, "organisation_registered"), (second, None)):
        tag = {"If-Match": office.get(f"/accounts/{gone}").headers["etag"]}
        assert office.patch(f"/accounts/{gone}", json={"status": "disabled"}, headers=tag).status_code == 200
        assert anyone.post("/auth/registrations", json={**form, "login": a_login()}).json().get("code") == free


def test_one_address_tries_to_register_so_often_an_hour_whatever_the_answer(award: Award, anyone: Caller) -> None:
    form = {
        "credit_code": credit_code(91),
        "organisation": "某社",
        "township": "330703101",
        "login": a_login(),
        "password": PASSWORD,
        "name": "王",
    }

    def status(**given: str) -> int:
        return anyone.post("/auth/registrations", json={**form, **given}).status_code

    def had(count: int, hours_ago: int) -> None:
        changed = "update arrival set count = %s::int, since = now() - make_interval(hours => %s::int)"
        at_the_database(award, changed, str(count), str(hours_ago))

    assert status() == 201
    had(58, 0)
    assert status() == 409  # the login is taken
    assert status(login=a_login()) == 201
    refused = anyone.post("/auth/registrations", json={**form, "login": a_login()}, headers={"Quality-Award-Address": "203.0.113.9"})
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert 3_500 < int(refused.headers["retry-after"]) <= 3_600
    had(60, 1)
    assert status() == 409
    assert at_the_database(award, "select count from arrival") == [1]


def test_a_platform_client_gets_a_token_for_its_scope_and_nothing_else(anyone: Caller, office: Caller) -> None:
    client = office.post("/accounts", json={"kind": "client", "name": "公共数据平台", "scopes": ["results:read"]}).json()
    form = {"grant_type": "client_credentials", "client_id": client["id"], "client_secret": client["client_secret"]}
    token = anyone.post("/auth/token", data=form).json()
    assert token["scope"] == "results:read"
    assert anyone.get("/me", headers=bearer(token["access_token"])).status_code == 403
    wrong = anyone.post("/auth/token", data={**form, "client_secret": "wrong"})
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert anyone.post("/auth/token", data={**form, "scope": "service"}).json()["error"] == "invalid_scope"


def test_a_forgotten_password_is_replaced_by_a_one_time_link(anyone: Caller, office: Caller) -> None:
    account = activated(anyone, office, [{"role": "endorser", "body": "330703101"}])
    token = bearer(sign_in(anyone, account["login"]).json()["access_token"])
    link = office.post(f"/accounts/{account['id']}/activation-links", json={"purpose": "reset"}).json()
    assert anyone.post("/auth/activation", json={"secret": link["activation"], "password": "battery-Staple-8"}).status_code == 400
    assert anyone.post("/auth/password-reset", json={"secret": link["activation"], "password": "battery-Staple-8"}).status_code == 200
    assert anyone.get("/me", headers=token).status_code == 401
    assert sign_in(anyone, account["login"]).status_code == 400
    assert sign_in(anyone, account["login"], "battery-Staple-8").status_code == 200
    change = {"login": account["login"], "password": "battery-Staple-8", "new_password": PASSWORD}
    unchanged = anyone.post("/auth/password", json=change | {"new_password": "battery-Staple-8"})
    assert (unchanged.status_code, unchanged.json()["code"]) == (422, "password_unchanged")
    assert anyone.post("/auth/password", json=change).status_code == 200
    assert anyone.post("/auth/password", json=change).json()["code"] == "credentials_wrong"


def test_nobody_disables_the_own_account(award: Award, office: Caller) -> None:
    account = invited(office, [{"role": "committee", "duties": ["office"]}]).json()
    with award.client("committee", account["id"], duties=["office"]) as own:
        answer = own.patch(f"/accounts/{account['id']}", json={"status": "disabled"}, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.json()["code"]) == (409, "own_account")


def test_the_list_comes_in_pages(office: Caller) -> None:
    for _ in range(3):
        invited(office, [{"role": "supervisor"}, {"role": "reviewer"}])
        invited(office, [{"role": "endorser", "body": "330703103"}])
    first = office.get("/accounts", params={"limit": 2, "role": "endorser"}).json()
    second = office.get("/accounts", params={"limit": 2, "role": "endorser", "cursor": first["next_cursor"]}).json()
    assert len(first["items"]) == 2
    assert not {one["id"] for one in first["items"]} & {one["id"] for one in second["items"]}


def test_the_first_office_account_is_made_where_nobody_was_activated(award: Award, anyone: Caller) -> None:
    gateway = award.product.door.gateway
    assert ensure_first_office(gateway, gateway.settings) is None
    at_the_database(award, "update account set password_set_at = null")
    made = ensure_first_office(gateway, gateway.settings)
    assert made is not None
    assert (made.path.stat().st_mode & 0o777, made.path.read_text().strip()) == (0o600, made.secret)
    assert anyone.post("/auth/activation", json={"secret": made.secret, "password": PASSWORD}).status_code == 200
    assert sign_in(anyone, made.login).json()["role"] == "committee"


def test_nobody_gives_roles_to_themselves(award: Award, anyone: Caller, office: Caller) -> None:
    account = activated(anyone, office, [{"role": "committee", "duties": ["office"]}])
    with award.client("committee", account["id"], duties=["office"]) as clerk:
        etag = clerk.get(f"/accounts/{account['id']}").headers["etag"]
        more = {"grants": [{"role": "committee", "duties": ["office", "chair"]}]}
        refused = clerk.patch(f"/accounts/{account['id']}", json=more, headers={"If-Match": etag})
        assert (refused.status_code, refused.json()["code"]) == (409, "own_account")


def test_a_link_from_before_an_account_was_disabled_is_no_longer_good(anyone: Caller, office: Caller) -> None:
    account = activated(anyone, office, [{"role": "reviewer"}])
    path = f"/accounts/{account['id']}"
    link = office.post(f"{path}/activation-links", json={"purpose": "reset"}).json()["activation"]
    for status in ("disabled", "active"):
        assert office.patch(path, json={"status": status}, headers={"If-Match": office.get(path).headers["etag"]}).is_success
    used = anyone.post("/auth/password-reset", json={"secret": link, "password": PASSWORD})
    assert (used.status_code, used.json()["code"]) == (400, "secret_invalid")


def test_who_was_disabled_does_not_come_back_beside_who_was_verified_since(anyone: Caller, office: Caller) -> None:
    form = {"credit_code": credit_code(909), "organisation": "某公司", "township": "330703101", "password": PASSWORD, "name": "王某"}
    first, second = (a_login(), a_login())
    former = anyone.post("/auth/registrations", json=form | {"login": first}).json()["account"]
    assert office.post(f"/accounts/{former}/verification").is_success
    etag = office.get(f"/accounts/{former}").headers["etag"]
    assert office.patch(f"/accounts/{former}", json={"status": "disabled"}, headers={"If-Match": etag}).is_success
    successor = anyone.post("/auth/registrations", json=form | {"login": second}).json()["account"]
    assert office.post(f"/accounts/{successor}/verification").is_success
    etag = office.get(f"/accounts/{former}").headers["etag"]
    assert office.patch(f"/accounts/{former}", json={"status": "active"}, headers={"If-Match": etag}).is_success
    orgs = [anyone.get("/me", headers=bearer(sign_in(anyone, login).json()["access_token"])).json()["org"] for login in (first, second)]
    assert orgs == [None, form["credit_code"]]
