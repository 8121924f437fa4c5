"""Webhooks before a real receiver: signed, in order, once the change is committed, again after a failure, and never to an inner network."""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from embedded import postgres
from embedded.caller import Caller
from embedded.product import Secrets
from kernel.problems import Problem
from kernel.settings import Settings
from services.workflow.webhook import checked, is_open, resolved
from tests import rig
from tests.intake.applicants import credit_code
from tests.rig import Award
from tests.workflow.certificates import Authority
from tests.workflow.committee import ok


class Receiver(ThreadingHTTPServer):
    """Keeps what it is sent; answers what it is told to, or nothing at all."""

    daemon_threads = True

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.scheme, self.host = ("http", "127.0.0.1") if certificate is None else ("https", "localhost")
        if certificate is not None:
            secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            secured.load_cert_chain(certificate)
            self.socket = secured.wrap_socket(self.socket, server_side=True)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.came = threading.Condition()
        self.hold = threading.Event()
        self.hold.set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.server_address[1]}/hook"

    def wait(self, number: int) -> list[dict[str, Any]]:
        """Wait until so many have come; gives what they say."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.got) >= number, timeout=40), f"{len(self.got)} of {number}"
        return [json.loads(content) for _, content in self.got]


class Taking(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        with self.server.came:
            self.server.got.append((dict(self.headers), content))
            status = self.server.answers.pop(0) if self.server.answers else 204
            self.server.came.notify_all()
        self.server.hold.wait(30)
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the certificates of receivers, and that of the authority that vouches for some of them."""
    folder = tmp_path_factory.mktemp("certificates")
    known, stranger = Authority("平台根证书"), Authority("stranger")
    (folder / "authority.pem").write_bytes(known.pem)
    for name, authority, host in (
        ("right", known, "localhost"),
        ("another-name", known, "example.com"),
        ("unknown", stranger, "localhost"),
    ):
        (folder / f"{name}.pem").write_bytes(authority.vouched(host))
    return folder


@pytest.fixture(scope="module")
def award(
    server: postgres.Server, kept: Secrets, template: str, tmp_path_factory: pytest.TempPathFactory, certificates: Path
) -> Iterator[Award]:
    """Serve a product that may bring webhooks to this machine, and trusts an authority of its operator's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUALITY_AWARD_WEBHOOK_NETWORKS", '["127.0.0.0/8"]')
        patch.setenv("SSL_CERT_FILE", str(certificates / "authority.pem"))
        with rig.running(server, template, kept, tmp_path_factory.mktemp("product")) as running:
            running.at("2026-11-20T09:00:00+08:00")
            yield running


@pytest.fixture
def office(award: Award) -> Caller:
    return award.client("committee", "office-1", duties=["office"])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    taking = Receiver()
    yield taking
    taking.hold.set()
    taking.shutdown()
    taking.server_close()


def client_of(office: Caller) -> dict[str, Any]:
    return dict(ok(office.post("/accounts", json={"kind": "client", "name": "公共数据平台", "scopes": ["results:read"]})))


def registered(office: Caller, receiver: Receiver) -> dict[str, Any]:
    return dict(ok(office.post("/results/webhooks", json={"client": client_of(office)["id"], "url": receiver.url})))


def imported(office: Caller, *numbers: int) -> list[str]:
    rows = [
        {
            "credit_code": credit_code(number), "organisation": f"企业{number}", "award": "innovation", "year": 2023, "prize": 150000,
            "document_number": "金东政发〔2023〕18号", "approved_on": "2023-10-12",
        }
        for number in numbers
    ]  # fmt: skip
    return [one["id"] for one in ok(office.post("/awards/imports", json={"awards": rows}))["awards"]]


def ended(office: Caller, webhook: dict[str, Any]) -> None:
    assert office.delete(f"/results/webhooks/{webhook['id']}").status_code == 204


def test_changes_come_signed_in_their_order_again_after_a_failure_and_once_more_when_replayed(office: Caller, receiver: Receiver) -> None:
    webhook = registered(office, receiver)
    receiver.answers = [500, 302]
    made = imported(office, 8001, 8002, 8003)
    ok(office.post(f"/awards/{made[0]}/corrections", json={"organisation": "改名公司", "reasons": "误字"}))
    came = receiver.wait(6)
    assert len({headers["webhook-id"] for headers, _ in receiver.got[:3]}) == 1
    positions = [one["data"]["position"] for one in came[2:]]
    assert positions == sorted(positions)
    assert [one["type"] for one in came[2:]] == ["result.imported"] * 3 + ["result.corrected"]
    headers, content = receiver.got[-1]
    assert headers["webhook-signature"] == signature(webhook["secret"], headers, content)
    ok(office.post(f"/results/webhooks/{webhook['id']}/replays", json={"since": positions[-2]}))
    receiver.wait(7)
    assert receiver.got[6][0]["webhook-id"] == headers["webhook-id"]
    assert office.post(f"/results/webhooks/{webhook['id']}/replays", json={"since": 10**9}).json()["code"] == "cursor_ahead"
    ended(office, webhook)


def signature(secret: str, headers: dict[str, str], content: bytes) -> str:
    """Sign as Standard Webhooks says."""
    said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + content
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return f"v1,{base64.b64encode(hmac.digest(key, said, hashlib.sha256)).decode()}"


def test_a_webhooks_key_is_changed_alone_and_for_a_day_the_one_before_signs_too(office: Caller, receiver: Receiver, award: Award) -> None:
    webhook, other = registered(office, receiver), registered(office, receiver)
    again = {"Idempotency-Key": "rekey-the-webhook"}
    path = f"/results/webhooks/{webhook['id']}/secret"
    new = ok(office.post(path, headers=again))
    assert ok(office.post(path, headers=again))["secret"] is None  # it is told once; the key is changed once
    assert len({webhook["secret"], new["secret"], other["secret"]}) == 3
    imported(office, 8041)
    receiver.wait(2)
    taken = {headers["webhook-id"].partition(".")[0]: (headers, content) for headers, content in receiver.got}
    headers, content = taken[webhook["id"]]
    assert headers["webhook-signature"].split(" ") == [signature(one["secret"], headers, content) for one in (new, webhook)]
    headers, content = taken[other["id"]]
    assert headers["webhook-signature"] == signature(other["secret"], headers, content)
    database = award.database("workflow")
    with database.begin() as day_later:
        day_later.exec_driver_sql("update webhook set rekeyed_at = rekeyed_at - interval '1 day' where id = %s", (webhook["id"],))
    database.dispose()
    ended(office, other)
    imported(office, 8042)
    receiver.wait(3)
    headers, content = receiver.got[2]
    assert headers["webhook-signature"] == signature(new["secret"], headers, content)
    ended(office, webhook)


def test_a_receiver_is_called_by_tls_and_only_where_its_certificate_is_good_for_its_name(office: Caller, certificates: Path) -> None:
    receivers = {name: Receiver(certificates / f"{name}.pem") for name in ("right", "another-name", "unknown")}
    webhooks = {name: registered(office, one) for name, one in receivers.items()}
    imported(office, 8051)
    receivers["right"].wait(1)
    for name in ("another-name", "unknown"):
        told = until(office, webhooks[name]["client"], "last_failure")
        assert (told["last_failure"], told["position"]) == ("ConnectError", webhooks[name]["position"])
        assert receivers[name].got == []
    for name, receiver in receivers.items():
        ended(office, webhooks[name])
        receiver.shutdown()
        receiver.server_close()


def test_nothing_comes_of_what_is_not_committed(office: Caller, receiver: Receiver) -> None:
    webhook = registered(office, receiver)
    row = {
        "credit_code": credit_code(8011), "organisation": "未提交", "award": "innovation", "year": 2023, "prize": 1,
        "document_number": "x", "approved_on": "2023-10-12",
    }  # fmt: skip
    ok(office.post("/awards/imports", json={"awards": [row]}, params={"dry_run": "true"}))
    imported(office, 8012)
    assert [one["data"]["result"]["organisation"] for one in receiver.wait(1)] == ["企业8012"]
    ended(office, webhook)


@pytest.mark.full
def test_a_receiver_that_hangs_keeps_no_other_waiting_and_two_deliverers_bring_one_change_once(
    office: Caller, receiver: Receiver, award: Award
) -> None:
    other = Receiver()
    hanging, quick = registered(office, receiver), registered(office, other)
    receiver.hold.clear()
    service = award.product.programs["workflow"].state.service
    imported(office, 8021, 8022)
    for _ in range(20):
        service.nudge()  # there are four deliverers at once; each finds the rows that the others hold locked
    came = other.wait(2)
    assert [one["data"]["result"]["organisation"] for one in came] == ["企业8021", "企业8022"]
    assert len(receiver.wait(1)) == 1
    receiver.hold.set()
    for webhook in (hanging, quick):
        ended(office, webhook)
    assert len(other.got) == 2
    other.shutdown()
    other.server_close()


def test_a_receiver_that_is_gone_and_a_client_that_is_disabled_get_nothing_more(office: Caller, receiver: Receiver) -> None:
    webhook = registered(office, receiver)
    receiver.answers = [410]
    imported(office, 8031)
    receiver.wait(1)
    assert until(office, webhook["client"], "ended_at")["last_failure"] == "410"
    ok(office.post(f"/results/webhooks/{webhook['id']}/replays", json={"since": webhook["position"]}))
    receiver.wait(2)
    account = office.get(f"/accounts/{webhook['client']}")
    disabling = {"status": "disabled"}
    ok(office.patch(f"/accounts/{webhook['client']}", json=disabling, headers={"If-Match": account.headers["etag"]}))
    assert until(office, webhook["client"], "ended_at")


def until(office: Caller, client: str, told: str) -> dict[str, Any]:
    """Ask until the webhook tells this: the news of it travels between services."""
    last = time.monotonic() + 30
    while time.monotonic() < last:
        found: dict[str, Any] = ok(office.get("/results/webhooks", params={"client": client}))["items"][0]
        if found[told]:
            return found
    raise AssertionError(found)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "http://10.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
        "http://169.254.169.254/",
        "http://a:b@example.com/",
        "http://",
    ],
)
def test_no_webhook_goes_to_an_inner_network_or_by_another_scheme(office: Caller, url: str) -> None:
    answer = office.post("/results/webhooks", json={"client": client_of(office)["id"], "url": url})
    assert (answer.status_code, answer.json()["code"]) == (422, "webhook_address")


INNER = ("127.0.0.1", "::1", "192.168.1.1", "100.64.0.1", "0.0.0.0", "224.0.0.1")  # noqa: S104 - an address to refuse


def test_only_public_addresses_are_open_and_the_networks_that_the_settings_name(award: Award) -> None:
    settings: Settings = award.product.programs["workflow"].state.service.settings
    closed = settings.model_copy(update={"webhook_networks": ()})
    assert [is_open(closed, ip_address(one)) for one in INNER] == [False] * len(INNER)
    assert is_open(closed, ip_address("8.8.8.8"))
    assert is_open(settings, ip_address("127.0.0.9"))


def test_a_name_is_refused_where_it_leads_inside_when_it_is_called(award: Award) -> None:
    settings: Settings = award.product.programs["workflow"].state.service.settings
    parts = checked(settings, "http://localhost:9/hook")
    closed = settings.model_copy(update={"webhook_networks": ()})
    with pytest.raises(Problem):
        asyncio.run(resolved(closed, parts))
    admitted = settings.model_copy(update={"webhook_networks": (ip_network("127.0.0.0/8"), ip_network("::1/128"))})
    assert urlsplit(asyncio.run(resolved(admitted, parts))).port == 9


def test_production_takes_https_alone(award: Award) -> None:
    settings: Settings = award.product.programs["workflow"].state.service.settings
    production = settings.model_copy(update={"environment": "production"})
    with pytest.raises(Problem):
        checked(production, "http://data.example.com/")
    assert checked(production, "https://data.example.com/").hostname == "data.example.com"
