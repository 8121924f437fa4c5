import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from embedded import postgres
from embedded.caller import Caller
from embedded.product import Secrets
from kernel.settings import ServiceName
from tests.faults.programs import ROOT, Programs, eventually, programs
from tests.faults.scenes import letters, old_letters
from tests.intake.applicants import credit_code

pytestmark = pytest.mark.full

PASSWORD = "Correct-horse-7"  # noqa: S105 - of an account that lives as long as this test


@pytest.fixture(scope="module")
def running(server: postgres.Server, kept: Secrets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    with programs(server, kept, tmp_path_factory.mktemp("programs")) as started:
        yield started


@pytest.fixture(scope="module")
def office(running: Programs) -> Iterator[Caller]:
    secret = Path(running.environment("gateway")["QUALITY_AWARD_STATE"], "office-activation").read_text().strip()
    with running.door() as anyone:
        activated = anyone.post("/auth/activation", json={"secret": secret, "password": PASSWORD})
        assert activated.is_success, activated.text
        token = anyone.post("/auth/token", data={"grant_type": "password", "username": "office", "password": PASSWORD}).json()
    with running.door(token["access_token"]) as caller:
        yield caller


def disable_somebody(office: Caller) -> None:
    invited = office.post(
        "/accounts", json={"kind": "person", "login": f"r{uuid4().hex[:8]}", "name": "评审员", "grants": [{"role": "reviewer"}]}
    )
    assert invited.status_code == 201, invited.text
    answer = office.patch(f"/accounts/{invited.json()['id']}", json={"status": "disabled"}, headers={"If-Match": invited.headers["etag"]})
    assert answer.is_success, answer.text


def told(running: Programs) -> list[str]:
    rows = running.rows(
        "gateway", "select e.id from event e join leaf l on l.event_id = e.id where 'intake' = any(e.told) order by l.index"
    )
    return [str(row[0]) for row in rows]


def taken(running: Programs, schema: str) -> list[str]:
    rows = running.rows(schema, "select event_id from received where sender = 'gateway' order by received_at")
    return [str(row[0]) for row in rows]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_while_a_peer_is_away_the_others_go_on_and_it_catches_up_in_order(running: Programs, office: Caller, how: signal.Signals) -> None:
    running.signal("intake", how)
    for _ in range(5):
        disable_somebody(office)
    eventually(lambda: len(told(running)) % 5 == 0 and taken(running, "scoring") == told(running))
    eventually(lambda: taken(running, "workflow") == told(running))
    assert len(taken(running, "intake")) == len(told(running)) - 5
    if how == signal.SIGKILL:
        running.start("intake")
    else:
        running.signal("intake", signal.SIGCONT)
    eventually(lambda: taken(running, "intake") == told(running))
    assert running.rows("gateway", "select * from outbox") == []


def test_what_the_harness_brings_twice_is_never_a_letter_still_under_way(running: Programs, office: Caller) -> None:
    disable_somebody(office)
    eventually(lambda: taken(running, "intake") == told(running))
    running.signal("intake", signal.SIGKILL)
    for _ in range(2):
        disable_somebody(office)
    eventually(lambda: taken(running, "scoring") == told(running))
    assert [one["id"] for one in letters(running.rows, "gateway", "intake", 30)] == told(running)[-30:]
    assert [one["id"] for one in old_letters(running.rows, "gateway", "intake", 30)] == taken(running, "intake")[-28:]
    running.start("intake")
    eventually(lambda: taken(running, "intake") == told(running))


def test_a_recusal_reaches_the_door_between_programs_of_their_own_and_hides_who_acts_for_the_organisation(
    running: Programs, office: Caller
) -> None:
    code = credit_code(901)
    form = {"credit_code": code, "organisation": "某某公司", "township": "330703101", "login": "recusal.door", "name": "王某"}
    with running.door() as anyone:
        account = anyone.post("/auth/registrations", json=form | {"password": PASSWORD}).json()["account"]
    assert account in office.get("/accounts", params={"limit": 200}).text
    declared = office.put("/me/interests", json={"interests": [{"credit_code": code, "kind": "kinship", "reason": "亲属任职"}]})
    assert declared.is_success, declared.text
    eventually(lambda: office.get(f"/accounts/{account}").status_code == 404)
    assert account not in office.get("/accounts", params={"limit": 200}).text
    eventually(lambda: running.rows("scoring", "select * from outbox") == [])


def test_what_a_killed_sender_had_committed_is_delivered_after_its_restart(running: Programs, office: Caller) -> None:
    running.signal("scoring", signal.SIGSTOP)
    disable_somebody(office)
    running.signal("gateway", signal.SIGKILL)
    running.signal("scoring", signal.SIGCONT)
    running.start("gateway")
    eventually(lambda: taken(running, "scoring") == told(running))
    eventually(lambda: taken(running, "intake") == told(running))


def test_a_request_to_a_service_that_is_away_is_503_with_retry_after_and_names_it(running: Programs, office: Caller) -> None:
    running.signal("workflow", signal.SIGKILL)
    answer = office.build_request("GET", "/cycles")
    refused = office.send(answer)
    assert refused.status_code == 503
    assert "retry-after" in refused.headers
    assert "workflow" in refused.text
    running.start("workflow")
    assert office.get("/cycles").status_code == 200


@pytest.mark.parametrize("name", ["intake", "gateway", "scoring", "workflow"])
def test_an_operator_is_told_what_a_retention_run_would_erase(running: Programs, name: ServiceName) -> None:
    module = name if name == "gateway" else f"services.{name}"
    words = [sys.executable, "-m", module, "retention", "--dry-run"]
    told = subprocess.run(words, cwd=ROOT, env=running.environment(name), capture_output=True, check=True, text=True).stdout  # noqa: S603 - our own words
    lines = [json.loads(line) for line in told.splitlines()]
    assert [line["keeping"] for line in lines][:1] == ["idempotency"]
    assert all(line["dry_run"] and line["found"] == 0 for line in lines)
