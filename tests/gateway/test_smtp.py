"""Mail over TLS and with a sign-in, before a real server whose certificate a private authority has vouched for."""

import re
import ssl
from collections.abc import Iterator
from contextlib import closing
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from pydantic import SecretStr

from embedded import postgres
from embedded.product import Secrets
from gateway.settings import GatewaySettings
from gateway.smtp import Delivery, deliver
from tests import rig
from tests.faults.programs import eventually
from tests.gateway.people import PASSWORD, activated, bearer, sign_in
from tests.gateway.post import Post
from tests.workflow.certificates import Authority
from tests.workflow.committee import ok

USER, SECRET = "award", "a password of the mail server's"
CODE = re.compile(r"[\w-]{22}")


def knows(_server: object, _session: object, _envelope: object, _mechanism: str, given: LoginPassword) -> AuthResult:
    return AuthResult(success=(given.login, given.password) == (USER.encode(), SECRET.encode()), handled=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Have this machine trust the authority; gives the file of a certificate of localhost, with its key."""
    made, folder = Authority("mail"), tmp_path_factory.mktemp("authority")
    (folder / "authority.pem").write_bytes(made.pem)
    (folder / "localhost.pem").write_bytes(made.vouched("localhost"))
    with pytest.MonkeyPatch.context() as trusted:
        trusted.setenv("SSL_CERT_FILE", str(folder / "authority.pem"))
        yield folder / "localhost.pem"


@pytest.fixture
def certified(authority: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    return context


@pytest.fixture
def post() -> Iterator[Post]:
    with closing(Post()) as served:
        yield served


def settings(post: Post, security: str, **given: Any) -> GatewaySettings:  # noqa: ANN401 - as the settings have it
    there: dict[str, Any] = {"smtp_host": "localhost", "smtp_port": post.port, "smtp_security": security, "mail_from": "award@example.cn"}
    return GatewaySettings.model_construct(**there | {"smtp_user": USER, "smtp_password": SecretStr(SECRET)} | given)


def sent(to: GatewaySettings) -> Delivery:
    message = EmailMessage()
    message["Subject"] = "通知"
    message.set_content("您有一项任务")
    return deliver(to, "clerk@example.cn", message)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # that the connection began with TLS the library leaves out
@pytest.mark.parametrize(("security", "how"), [("tls", "ssl_context"), ("starttls", "tls_context")])
def test_a_mail_goes_over_tls_as_who_the_settings_name(post: Post, certified: ssl.SSLContext, security: str, how: str) -> None:
    by_starttls = security == "starttls"
    post.open(**{how: certified}, require_starttls=by_starttls, auth_require_tls=by_starttls, authenticator=knows, auth_required=True)
    assert sent(settings(post, security)) == Delivery("sent")
    assert [message["Subject"] for message in post.to("clerk@example.cn")] == ["通知"]
    assert sent(settings(post, security, smtp_password=SecretStr("another"))) == Delivery("failed", "535")
    assert sent(settings(post, security, smtp_user="")) == Delivery("failed", "530")
    assert len(post.came) == 1


@pytest.mark.parametrize(("security", "how"), [("tls", "ssl_context"), ("starttls", "tls_context")])
def test_a_server_that_nobody_vouches_for_gets_nothing(
    post: Post, certified: ssl.SSLContext, security: str, how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "other.pem").write_bytes(Authority("other").pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    post.open(**{how: certified})
    assert sent(settings(post, security)) == Delivery("failed", "SSLCertVerificationError")
    assert post.came == []


@pytest.mark.parametrize(("security", "reason"), [("tls", "SSLError"), ("starttls", "SMTPNotSupportedError")])
def test_a_server_without_the_tls_that_the_settings_demand_gets_nothing(post: Post, security: str, reason: str) -> None:
    post.open()
    assert sent(settings(post, security, smtp_user="")) == Delivery("failed", reason)
    assert post.came == []


@pytest.mark.full
def test_what_a_server_without_starttls_did_not_get_goes_out_once_when_it_has_it(
    post: Post, certified: ssl.SSLContext, server: postgres.Server, kept: Secrets, template: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    there = {"SMTP_HOST": "localhost", "SMTP_PORT": str(post.port), "SMTP_USER": USER, "SMTP_PASSWORD": SECRET, "NOTICE_SECONDS": "0.2"}
    for name, value in there.items():
        monkeypatch.setenv(f"QUALITY_AWARD_{name}", value)
    post.open()
    with rig.running(server, template, kept, tmp_path) as award:
        me, office = award.client(), award.client("committee", "office-1", duties=["office"])
        login = activated(me, office, [{"role": "endorser", "body": "330703102"}])["login"]
        me.headers.update(bearer(sign_in(me, login).json()["access_token"]))
        form = {"address": "clerk@example.cn", "mode": "off", "language": "en", "password": PASSWORD}
        version = me.get("/me/notifications").headers["etag"]
        ok(me.put("/me/notifications", json=form, headers={"If-Match": version}))
        eventually(lambda: ok(me.get("/me/notifications"))["last_failure"] == "SMTPNotSupportedError")
        assert post.came == []
        post.close()
        post.open(tls_context=certified, require_starttls=True, authenticator=knows, auth_required=True)
        (mail,) = post.wait("clerk@example.cn", 1)
        code = next(line.strip() for line in mail.get_content().splitlines() if CODE.fullmatch(line.strip()))
        ok(me.post("/me/notifications/confirmation", json={"code": code}))
        assert ok(me.get("/me/notifications"))["last_failure"] is None
    assert len(post.came) == 1
    told = {(record.fact["outcome"], record.fact["reason"]) for record in caplog.records if record.message == "mail"}  # type: ignore[attr-defined]  # ours
    assert told == {("failed", "SMTPNotSupportedError")}
