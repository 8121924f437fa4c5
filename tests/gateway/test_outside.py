"""Outside issuers, by the real npm package `oidc-provider` on loopback: its ID tokens are exchanged for our own, and nothing else is."""

import base64
import hashlib
import json
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from embedded.caller import Caller
from gateway.providers import Provider
from gateway.settings import OutsideIssuer
from tests.attack.campaign import refusals
from tests.attack.tokens import b64, text, unb64
from tests.gateway.people import bearer, renew
from tests.rig import Award

HERE = Path(__file__).parents[1] / "issuer"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
CODE = "91330703MA28E3QW5E"
PEOPLE: dict[str, dict[str, Any]] = {
    "reviewer-7": {"name": "李某", "role": "award-reviewer"},
    "clerk-7": {"name": "王某", "role": ["award-office", "award-reviewer", "unknown"]},
    "company-7": {"name": "张某", "role": "award-applicant", "org": CODE},
    "odd-company": {"role": "award-applicant", "org": "91330703MA28E3QW50"},
    "town-7": {"role": "award-endorser", "body": "330703101"},
    "bodiless": {"role": "award-endorser"},
    "nobody-7": {"role": "something else"},
    "changing": {"role": "award-reviewer"},
    "by-password": {"role": ["award-office", "award-reviewer"], "login": {"acr": "level-1", "amr": ["pwd"]}},
    "by-method": {"role": ["award-office", "award-reviewer"], "login": {"amr": ["pwd", "otp", "mfa"]}},
    "by-context": {"role": ["award-office", "award-reviewer"], "login": {"acr": "level-2"}},
    "9-minutes-ago": {"role": "award-reviewer", "login": {"ago": 9 * 60}},
    "11-minutes-ago": {"role": "award-reviewer", "login": {"ago": 11 * 60}},
    "59-minutes-ago": {"role": "award-reviewer", "login": {"ago": 59 * 60}},
    "61-minutes-ago": {"role": "award-reviewer", "login": {"ago": 61 * 60}},
}
ROLES: dict[str, Any] = {
    "award-reviewer": {"role": "reviewer"},
    "award-office": {"role": "committee", "duties": ["office"]},
    "award-applicant": {"role": "applicant"},
    "award-endorser": {"role": "endorser"},
}
ALGORITHMS = ("RS256", "ES256", "PS256")

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(shutil.which("npm") is None, reason="Node.js is not installed, of which the real issuer is a package"),
]


class Outside:
    """The provider at work, and the door that knows it."""

    def __init__(self, award: Award, address: str) -> None:
        self.award, self.address = award, address
        self.anyone: Caller = award.client()

    def known(self, **given: Any) -> None:  # noqa: ANN401 - the setting's own
        """Let the door know the provider anew, by one of its clients."""
        setting = OutsideIssuer.model_validate(
            {"issuer": self.address, "audience": "award-RS256", "algorithms": ALGORITHMS, "provision": True, "roles": ROLES} | given
        )
        self.award.product.door.gateway.providers = {self.address: Provider(setting)}

    def token(self, person: str, algorithm: str = "RS256", scope: str = "openid award") -> str:
        """Sign somebody in at the provider: authorization code with PKCE; gives the ID token, which by `strength` tells how and when."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        callback = "http://127.0.0.1/callback"
        asked = {
            "client_id": f"award-{algorithm}", "response_type": "code", "redirect_uri": callback, "scope": scope,
            "code_challenge": challenge, "code_challenge_method": "S256", "login_hint": person, "nonce": secrets.token_urlsafe(8),
        }  # fmt: skip
        with httpx.Client(trust_env=False, timeout=20) as browser:
            answer = browser.get(f"{self.address}/auth", params=asked)
            while not answer.headers["location"].startswith(callback):
                answer = browser.get(str(answer.url.join(answer.headers["location"])))
            code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
            form = {"grant_type": "authorization_code", "code": code, "redirect_uri": callback, "client_id": asked["client_id"]}
            given = browser.post(f"{self.address}/token", data=form | {"code_verifier": verifier})
        assert given.status_code == 200, given.text
        return str(given.json()["id_token"])

    def exchange(self, token: str, **more: str) -> httpx.Response:
        kind = {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}
        return self.anyone.post("/auth/token", data={"grant_type": EXCHANGE, "subject_token": token, **kind, **more})

    def me(self, answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = self.anyone.get("/me", headers=bearer(answer.json()["access_token"])).json()
        return found


@pytest.fixture(scope="module")
def outside(award: Award) -> Iterator[Outside]:
    if not (HERE / "node_modules").exists():
        subprocess.run(["npm", "ci", "--no-progress"], cwd=HERE, check=True, capture_output=True)  # noqa: S607 - found on the path, as Node.js is
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = ["node", "provider.mjs", str(port), json.dumps(PEOPLE)]
    running = subprocess.Popen(told, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # noqa: S603 - our own words
    assert running.stdout is not None
    try:
        while b"ready" not in (line := running.stdout.readline()):
            assert line, "the provider did not start"
        yield Outside(award, f"http://127.0.0.1:{port}")
    finally:
        running.terminate()
        running.wait(timeout=10)
        running.stdout.close()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_person_comes_in_by_whichever_algorithm_the_issuer_publishes(outside: Outside, algorithm: str) -> None:
    outside.known(audience=f"award-{algorithm}")
    token = outside.token("reviewer-7", algorithm)
    assert json.loads(unb64(token.split(".")[0]))["alg"] == algorithm
    answer = outside.exchange(token)
    me = outside.me(answer)
    assert (me["role"], me["name"], me["login"]) == ("reviewer", "李某", None)
    assert outside.me(renew(outside.anyone, answer.json()["refresh_token"]))["person"] == me["person"]
    assert outside.me(outside.exchange(outside.token("reviewer-7", algorithm)))["person"] == me["person"]


def test_claims_are_mapped_to_role_duties_org_and_body(outside: Outside) -> None:
    outside.known()
    unchosen = outside.exchange(outside.token("clerk-7"))
    assert unchosen.json()["code"] == "role_required", unchosen.text
    assert (unchosen.json()["code"], unchosen.json()["roles"]) == ("role_required", ["committee", "reviewer"])
    clerk = outside.me(outside.exchange(outside.token("clerk-7"), role="committee"))
    assert (clerk["role"], clerk["duties"]) == ("committee", ["office"])
    company = outside.me(outside.exchange(outside.token("company-7")))
    assert (company["role"], company["org"]) == ("applicant", CODE)
    town = outside.me(outside.exchange(outside.token("town-7")))
    assert (town["role"], town["body"]) == ("endorser", "330703101")


@pytest.mark.parametrize("person", ["nobody-7", "odd-company", "bodiless"])
def test_whose_claims_stand_for_no_role_is_not_let_in(outside: Outside, person: str) -> None:
    outside.known()
    assert outside.exchange(outside.token(person)).json()["code"] == "outside_token_refused"


def test_nobody_uninvited_is_let_in_unless_the_setting_says_so(outside: Outside) -> None:
    outside.known(provision=False)
    assert outside.exchange(outside.token("stranger-7")).json()["error"] == "invalid_grant"


def test_an_invited_person_keeps_the_roles_of_the_invitation_whatever_the_issuer_claims(award: Award, outside: Outside) -> None:
    outside.known(provision=False)
    identity = {"issuer": outside.address, "subject": "clerk-8"}
    body = {"kind": "person", "login": "clerk-8", "name": "某人", "grants": [{"role": "supervisor"}], "outside": identity}
    with award.client("committee", duties=["chair"]) as chair:
        account = chair.post("/accounts", json=body)
        assert (account.status_code, account.json()["status"]) == (201, "active"), account.text
        assert chair.post("/accounts", json=body | {"login": "clerk-9"}).json()["code"] == "identity_taken"
        elsewhere = identity | {"issuer": "https://elsewhere.example"}
        assert chair.post("/accounts", json=body | {"login": "clerk-9", "outside": elsewhere}).json()["code"] == "issuer_unknown"
    me = outside.me(outside.exchange(outside.token("clerk-8")))
    assert (me["person"], me["role"]) == (account.json()["id"], "supervisor")


def test_a_disabled_person_is_out_at_once_and_no_token_lets_them_in_again(award: Award, outside: Outside) -> None:
    outside.known()
    answer = outside.exchange(outside.token("changing"))
    person = outside.me(answer)["person"]
    with award.client("committee", duties=["office"]) as office:
        etag = office.get(f"/accounts/{person}").headers["etag"]
        assert office.patch(f"/accounts/{person}", json={"status": "disabled"}, headers={"If-Match": etag}).is_success
    assert outside.anyone.get("/me", headers=bearer(answer.json()["access_token"])).status_code == 401
    assert outside.exchange(outside.token("changing")).json()["code"] == "outside_token_refused"


def test_roles_follow_the_claims_and_a_change_ends_earlier_sign_ins(outside: Outside) -> None:
    outside.known()
    before = outside.exchange(outside.token("town-7"))
    assert outside.me(before)["role"] == "endorser"
    outside.known(roles=ROLES | {"award-endorser": {"role": "reviewer"}})
    assert outside.me(outside.exchange(outside.token("town-7")))["role"] == "reviewer"
    assert outside.anyone.get("/me", headers=bearer(before.json()["access_token"])).status_code == 401


def test_each_token_is_exchanged_once(outside: Outside) -> None:
    outside.known()
    token = outside.token("reviewer-7")
    assert outside.exchange(token).status_code == 200
    assert outside.exchange(token).json()["code"] == "outside_token_refused"


@pytest.fixture
def demanding(outside: Outside) -> Iterator[Outside]:
    """Demand a second factor of the committee, which the provider tells by a level or a method."""
    gateway = outside.award.product.door.gateway
    usual = gateway.settings
    gateway.settings = usual.model_copy(update={"second_factor_roles": frozenset({"committee"})})
    outside.known(second_factor_acr={"level-2"}, second_factor_amr={"mfa"})
    yield outside
    gateway.settings = usual


@pytest.mark.parametrize("person", ["by-method", "by-context"])
def test_an_official_s_second_factor_at_the_issuer_is_taken_where_the_token_tells_it(demanding: Outside, person: str) -> None:
    answer = demanding.exchange(demanding.token(person, scope="openid award strength"), role="committee")
    assert demanding.me(answer)["role"] == "committee"


@pytest.mark.parametrize(("person", "scope"), [("by-password", "openid award strength"), ("by-method", "openid award")])
def test_what_tells_of_no_second_factor_was_a_password_alone(demanding: Outside, person: str, scope: str) -> None:
    refused = demanding.exchange(demanding.token(person, scope=scope), role="committee")
    told = {name: refused.json()[name] for name in ("error", "code", "acr_values")}
    assert told == {"error": "invalid_grant", "code": "outside_second_factor_required", "acr_values": ["level-2"]}
    assert demanding.me(demanding.exchange(demanding.token(person, scope=scope), role="reviewer"))["role"] == "reviewer"
    demanding.known()
    refused = demanding.exchange(demanding.token("by-method", scope="openid award strength"), role="committee")
    assert refused.json()["code"] == "outside_second_factor_required"


def test_whoever_signed_in_at_the_issuer_too_long_ago_or_nobody_knows_when_signs_in_there_anew(outside: Outside) -> None:
    outside.known(auth_minutes=10)
    assert outside.me(outside.exchange(outside.token("9-minutes-ago", scope="openid award strength")))["role"] == "reviewer"
    for person, scope in (("11-minutes-ago", "openid award strength"), ("9-minutes-ago", "openid award")):
        refused = outside.exchange(outside.token(person, scope=scope)).json()
        assert (refused["error"], refused["code"], refused["max_age"]) == ("invalid_grant", "outside_sign_in_too_old", 600)
    outside.known()
    assert outside.exchange(outside.token("11-minutes-ago", scope="openid award strength")).status_code == 200


def test_a_sign_in_by_an_issuer_s_word_lasts_so_long_from_the_sign_in_there(outside: Outside) -> None:
    outside.known(sign_in_hours=1)
    answer = outside.exchange(outside.token("59-minutes-ago", scope="openid award strength"))
    [sign_in] = outside.anyone.get("/me/sessions", headers=bearer(answer.json()["access_token"])).json()["items"]
    left = datetime.fromisoformat(sign_in["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=40) < left <= timedelta(seconds=60)
    assert 0 < renew(outside.anyone, answer.json()["refresh_token"]).json()["expires_in"] <= 60
    assert outside.exchange(outside.token("61-minutes-ago", scope="openid award strength")).json()["code"] == "outside_sign_in_too_old"
    untold = outside.exchange(outside.token("61-minutes-ago")).json()
    [sign_in] = outside.anyone.get("/me/sessions", headers=bearer(untold["access_token"])).json()["items"]
    assert datetime.fromisoformat(sign_in["expires_at"]) - datetime.now(UTC) > timedelta(minutes=59)


def test_a_sign_in_by_an_issuer_s_word_ends_the_one_whose_token_it_carries(outside: Outside) -> None:
    outside.known()
    former = outside.exchange(outside.token("reviewer-7")).json()
    assert outside.exchange(outside.token("reviewer-7"), refresh_token=former["refresh_token"]).status_code == 200
    assert outside.anyone.get("/me", headers=bearer(former["access_token"])).status_code == 401


def forgeries(token: str) -> dict[str, str]:
    head, claims, signature = token.split(".")
    header, content = json.loads(unb64(head)), json.loads(unb64(claims))
    return {
        "another person": f"{head}.{b64(text(content | {'sub': 'clerk-7'}))}.{signature}",
        "another role": f"{head}.{b64(text(content | {'role': 'award-office'}))}.{signature}",
        "another's key": f"{b64(text(header | {'kid': 'key-PS256'}))}.{claims}.{signature}",
        "another algorithm": f"{b64(text(header | {'alg': 'PS256'}))}.{claims}.{signature}",
        "none": f"{b64(text(header | {'alg': 'none'}))}.{claims}.{signature}",
        "HS256": f"{b64(text(header | {'alg': 'HS256'}))}.{claims}.{signature}",
        "an unknown key": f"{b64(text(header | {'kid': 'x'}))}.{claims}.{signature}",
        "a key in the header": f"{b64(text(header | {'jwk': {}}))}.{claims}.{signature}",
        "crit": f"{b64(text(header | {'crit': ['exp']}))}.{claims}.{signature}",
        "no signature": f"{head}.{claims}.",
        "cut": token[:-4],
        "nothing": "",
        "deep": f"{head}.{b64(b'[' * 4000)}.{signature}",
        "huge": "A" * 9000,
        "unknown issuer": f"{head}.{b64(text(content | {'iss': 'https://elsewhere.example'}))}.{signature}",
    }


def test_no_forged_or_foreign_token_is_exchanged_and_each_refusal_is_counted(outside: Outside) -> None:
    outside.known()
    counter = outside.award.product.door.gateway.registry
    before = refusals(counter)
    odd = forgeries(outside.token("reviewer-7")) | {"for another audience": outside.token("reviewer-7", "ES256")}
    odd["our own"] = outside.award.product.door.tokens.sign("p1", {"role": "committee", "duties": ["office"]})
    for what, token in odd.items():
        answer = outside.exchange(token)
        assert answer.status_code in {400, 422}, f"{what}: {answer.text}"
        assert "access_token" not in answer.json(), what
    assert refusals(counter) - before == len(odd) - 1  # the huge one is no form that is taken
    outside.known(algorithms=["PS256"])
    assert outside.exchange(outside.token("reviewer-7")).json()["code"] == "outside_token_refused"
    outside.known(lifetime_minutes=1)
    assert outside.exchange(outside.token("reviewer-7")).json()["code"] == "outside_token_refused"


def test_an_outside_token_opens_nothing_by_itself(outside: Outside) -> None:
    outside.known()
    assert outside.anyone.get("/me", headers=bearer(outside.token("reviewer-7"))).status_code == 401


def test_an_issuer_that_is_away_is_503(outside: Outside) -> None:
    outside.known()
    token = outside.token("reviewer-7")
    head, claims, signature = token.split(".")
    nowhere = "http://127.0.0.1:9"
    outside.award.product.door.gateway.providers = {nowhere: Provider(OutsideIssuer(issuer=nowhere, audience="award-RS256"))}
    content = json.loads(unb64(claims)) | {"iss": nowhere}
    form = {"grant_type": EXCHANGE, "subject_token": f"{head}.{b64(text(content))}.{signature}"}
    answer = httpx.post(f"{outside.award.address}/api/v1/auth/token", data=form, trust_env=False)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize(
    "setting", [{"issuer": "http://elsewhere.example"}, {"roles": {"x": {"role": "supervisor"}}}, {"algorithms": ["HS256"]}]
)
def test_no_setting_takes_an_open_address_a_supervisor_s_claim_or_a_shared_secret(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        OutsideIssuer.model_validate({"issuer": "https://issuer.example", "audience": "award"} | setting)
