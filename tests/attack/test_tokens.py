"""A part of `make attack` with every test run: forged tokens are 401 everywhere, logged and counted, and write nothing into the record."""

import json

import httpx
import pytest

from tests.attack.campaign import attack, counting, refusals, registries
from tests.attack.tokens import Forger, all_forgeries
from tests.rig import Award

EVERY = 7


@pytest.fixture(scope="module")
def forger(award: Award) -> Forger:
    good = award.product.door.tokens.sign("p1", {"role": "reviewer"})
    return Forger(good, award.product.door.gateway.keys.current().pem)


def test_no_service_takes_a_forged_token_and_each_refusal_is_logged_and_counted_and_none_recorded(award: Award) -> None:
    figures = attack(award, EVERY)
    assert figures.wrong == []
    assert figures.holds(least=100), figures


def test_there_are_over_five_hundred_forgeries_of_every_family(forger: Forger) -> None:
    forgeries = all_forgeries(forger)
    families = {name.partition(":")[0] for name, _ in forgeries}
    assert len(forgeries) > 500
    assert len(families) == 10


def test_the_forger_s_own_signature_is_good_so_that_only_the_content_is_wrong(award: Award, forger: Forger) -> None:
    signed = forger.with_claims(forger.claims).decode()
    assert httpx.get(f"{award.address}/api/v1/me", headers={"Authorization": f"Bearer {signed}"}, trust_env=False).status_code == 200


def test_a_refusal_s_log_line_says_nothing_of_the_token(award: Award, forger: Forger) -> None:
    with counting() as log:
        for claim in ("sub", "role"):
            token = forger.with_claims(forger.claims | {claim: "Zauber wort"}).decode()
            httpx.get(f"{award.address}/api/v1/me", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    assert len(log.lines) == 2
    assert "Zauber" not in json.dumps(log.lines)


def test_a_header_that_carries_no_single_bearer_token_is_refused_and_counted(award: Award, forger: Forger) -> None:
    before = sum(map(refusals, registries(award)))
    given = [[("Authorization", one)] for one in ("Basic Og==", "Bearer", forger.good, f"Token {forger.good}")]
    given.append([("Authorization", f"Bearer {forger.good}")] * 2)
    for headers in given:
        answer = httpx.get(f"{award.address}/api/v1/me", headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), headers
    assert sum(map(refusals, registries(award))) - before == len(given)
