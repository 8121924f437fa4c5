"""Webhooks: each change of the results is brought to whom the office registered, signed as Standard Webhooks, in the order of the commits.

A webhook is a position in the changes: it moves on once the receiver took the next one, waits longer after each failure, and goes back
for a replay. So nothing leaves before its commit, and a change that comes twice (a crash after the receiver took it) has the same id.
Each has keys of its own: a new one is given at any time, and for a day both sign.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Annotated
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

import httpx
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from fastapi import Query
from pydantic import ConfigDict, Field
from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from kernel.clock import wall
from kernel.errand import Errand
from kernel.identity import Office
from kernel.logs import log
from kernel.problems import Kind, Problem, absent
from kernel.requests import Cursor, DryRun, InTransaction, Limit, Transaction, paginate
from kernel.service import Service, router
from kernel.settings import Settings
from kernel.wire import Answer, Body, Id, Line, Page
from services.workflow.results import CURSOR_AHEAD, Change, newest_position
from services.workflow.tables import ResultChange, Webhook

AT_ONCE = 4
LONGEST_WAIT = timedelta(hours=1)
BOTH_SIGN = timedelta(days=1)
"""How long after a new secret the one before it signs as well."""
IDLE_SECONDS = 1.0
LONGEST_ANSWER_SECONDS = 10
GONE = 410
TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"), ip_network("2002::/16"))
"""IPv6 addresses that stand for IPv4 ones, which could be anything."""
BAD_ADDRESS = Kind(
    422,
    "webhook_address",
    "接收地址须为 https，且不得指向内部网络",
    "A webhook goes to an https address, and to none of an inner network",
)


class NewWebhook(Body):
    """To whom each change of the results is brought: a machine client, by its id, at an address of its own."""

    client: Id
    url: Annotated[str, Line(500)]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"client": "01900000-0000-7000-8000-000000000000", "url": "https://data.example.com/hooks/awards"}]}
    )


class Replay(Body):
    """From behind which position to bring the changes again."""

    since: int = Field(ge=0, le=2**62)

    model_config = ConfigDict(json_schema_extra={"examples": [{"since": 0}]})


class WebhookAnswer(Answer):
    """A webhook: what it brought last, and since when and why it does not get on; a receiver that answered 410 ended it."""

    id: UUID
    client: UUID
    url: str
    position: int
    failures: int
    last_failure: str | None
    retry_at: datetime | None
    ended_at: datetime | None
    created_at: datetime


class NewWebhookAnswer(WebhookAnswer):
    """The webhook, with the secret of its signatures, shown this once."""

    secret: str | None


def key_of(settings: Settings, webhook: Webhook, number: int) -> bytes:
    """Derive a webhook's signing key of this number, so that the database holds none (HKDF, RFC 5869)."""
    seed = settings.record_seed.get_secret_value()
    raw = base64.urlsafe_b64decode(seed + "=" * (-len(seed) % 4))
    info = f"quality-award webhook {webhook.id}" + (f" {number}" if number > 1 else "")
    return HKDF(SHA256(), 32, salt=None, info=info.encode()).derive(raw)


def keys_of(settings: Settings, webhook: Webhook, at: datetime) -> list[bytes]:
    """Give the keys that sign now: the newest first, for a while after a new one also the one before."""
    both = webhook.rekeyed_at is not None and at < webhook.rekeyed_at + BOTH_SIGN
    return [key_of(settings, webhook, webhook.key_number - back) for back in range(1 + both)]


def is_open(settings: Settings, address: IPv4Address | IPv6Address) -> bool:
    """Tell whether a webhook may go to an address: a public one, or one of the networks that the settings name."""
    inner = address.ipv4_mapped if isinstance(address, IPv6Address) and address.ipv4_mapped else address
    if any(inner in network for network in settings.webhook_networks):
        return True
    return inner.is_global and not inner.is_multicast and not any(inner in network for network in TRANSLATED)


def checked(settings: Settings, url: str) -> SplitResult:
    """Give an address in its parts; refuse one that is not https (in production), names a person, or is an inner network's."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise Problem(BAD_ADDRESS) from None
    schemes = {"https"} if settings.environment == "production" else {"https", "http"}
    if parts.scheme not in schemes or not host or port == 0 or parts.username is not None or parts.password is not None or parts.fragment:
        raise Problem(BAD_ADDRESS)
    try:
        literal = ip_address(host)
    except ValueError:
        return parts
    if not is_open(settings, literal):
        raise Problem(BAD_ADDRESS)
    return parts


async def resolved(settings: Settings, parts: SplitResult) -> str:
    """Resolve an address once and give the address to connect to; refuse where any it has is an inner network's."""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, port, proto=6)
    addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if not addresses or not all(is_open(settings, one) for one in addresses):
        raise Problem(BAD_ADDRESS)
    host = f"[{addresses[0]}]" if addresses[0].version == 6 else str(addresses[0])  # noqa: PLR2004 - IPv6
    return parts._replace(netloc=f"{host}:{port}").geturl()


def signed(keys: Sequence[bytes], message: str, at: datetime, content: bytes) -> dict[str, str]:
    """Give the headers of Standard Webhooks; a receiver takes the message where one of the signatures is right."""
    stamp = str(int(at.timestamp()))
    signatures = [hmac.digest(key, f"{message}.{stamp}.".encode() + content, hashlib.sha256) for key in keys]
    return {
        "webhook-id": message,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(one).decode()}" for one in signatures),
        "content-type": "application/json",
    }


class Deliverer:
    """Brings the changes to their webhooks, several at a time; each webhook's row is locked while its next change is under way."""

    def __init__(self, service: Service) -> None:
        """Prepare; whom the system's authorities vouch for is trusted, and whom the file that SSL_CERT_FILE names does."""
        self._service = service
        self._trusted = ssl.create_default_context()

    async def deliver(self) -> bool:
        """Bring what is due, one change to each of a few webhooks; gives False where nothing was due."""
        if not await run_in_threadpool(self._is_due):
            return False
        return any(await asyncio.gather(*(self._bring_one() for _ in range(AT_ONCE))))

    def _is_due(self) -> bool:
        with self._service.sessions() as session:
            return session.scalar(select(_due().exists())) or False

    async def _bring_one(self) -> bool:
        session = self._service.sessions()
        try:
            due = await run_in_threadpool(claimed, session)
            if due is None:
                return False
            webhook, change = due
            failure = await self._send(webhook, change)
            await run_in_threadpool(settle, session, webhook, change, failure)
            return True
        finally:
            await run_in_threadpool(session.close)

    async def _send(self, webhook: Webhook, change: Change) -> str | None:
        """Bring one change; gives what went wrong, in few words that never come from the receiver."""
        settings = self._service.settings
        data = change.model_dump(mode="json")
        content = json.dumps(
            {"type": f"result.{change.kind}", "timestamp": data["at"], "data": data}, ensure_ascii=False, separators=(",", ":")
        ).encode()
        at = wall()
        headers = signed(keys_of(settings, webhook, at), f"{webhook.id}.{change.position}", at, content)
        try:
            async with asyncio.timeout(LONGEST_ANSWER_SECONDS):
                parts = checked(settings, webhook.url)
                target = await resolved(settings, parts)
                name = parts.netloc.rpartition("@")[2]
                there = {"sni_hostname": parts.hostname}
                async with (
                    httpx.AsyncClient(timeout=LONGEST_ANSWER_SECONDS, trust_env=False, verify=self._trusted) as client,
                    client.stream("POST", target, content=content, headers=headers | {"host": name}, extensions=there) as answer,
                ):
                    status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError, Problem) as error:
            return type(error).__name__ if not isinstance(error, Problem) else error.kind.code
        return None if httpx.codes.is_success(status) else str(status)


def _due() -> Select[Webhook]:
    rested = or_(Webhook.retry_at.is_(None), Webhook.retry_at <= wall())
    behind = Webhook.position < select(ResultChange.position).order_by(ResultChange.position.desc()).limit(1).scalar_subquery()
    return select(Webhook).where(Webhook.ended_at.is_(None), rested, behind)


def claimed(session: Session) -> tuple[Webhook, Change] | None:
    """Lock a webhook that is due and that no other deliverer has in hand, and give it with its next change."""
    next_one = _due().order_by(Webhook.tried_at.nulls_first()).limit(1)
    webhook = session.scalar(next_one.with_for_update(skip_locked=True))
    if webhook is None:
        return None
    following = select(ResultChange).where(ResultChange.position > webhook.position).order_by(ResultChange.position).limit(1)
    change = session.scalar(following)
    return None if change is None else (webhook, Change.model_validate(change))


def settle(session: Session, webhook: Webhook, change: Change, failure: str | None) -> None:
    """Move a webhook on, or let it wait twice as long as before; who answers 410 wants no more."""
    webhook.tried_at, webhook.last_failure = wall(), failure
    if failure is None:
        webhook.position, webhook.failures, webhook.retry_at = change.position, 0, None
    else:
        webhook.failures += 1
        webhook.retry_at = webhook.tried_at + min(timedelta(seconds=2 ** min(webhook.failures - 1, 20)), LONGEST_WAIT)
        webhook.ended_at = webhook.tried_at if failure == str(GONE) else None
        log.warning("webhook", extra={"fact": {"webhook": str(webhook.id), "failure": failure, "failures": webhook.failures}})
    session.commit()


def errand(service: Service) -> Errand:
    """Give the work of bringing the changes."""
    return Errand("webhooks", Deliverer(service).deliver, IDLE_SECONDS)


def end_webhooks(transaction: Transaction, client: str) -> None:
    """End the webhooks of a client whose account was disabled."""
    for webhook in transaction.session.scalars(select(Webhook).where(Webhook.client == UUID(client), Webhook.ended_at.is_(None))):
        webhook.ended_at = transaction.now


def with_secret(transaction: Transaction, webhook: Webhook) -> NewWebhookAnswer:
    """Answer with a webhook and its newest secret, which no stored answer keeps."""
    transaction.secrets = ("secret",)
    key = key_of(transaction.service.settings, webhook, webhook.key_number)
    return NewWebhookAnswer(**WebhookAnswer.model_validate(webhook).model_dump(), secret=f"whsec_{base64.b64encode(key).decode()}")


def found_webhook(transaction: Transaction, webhook_id: UUID) -> Webhook:
    """Load and lock a webhook; 404 where there is none."""
    webhook = transaction.session.scalar(select(Webhook).where(Webhook.id == webhook_id).with_for_update())
    if webhook is None:
        raise absent()
    return webhook


routes = router("results")


@routes.post("/results/webhooks", operation_id="register_webhook", status_code=201)
def register_webhook(new: NewWebhook, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> NewWebhookAnswer:
    """Bring every change from now on to a machine client's address; a replay from 0 brings the earlier ones."""
    checked(transaction.service.settings, new.url)
    webhook = Webhook(client=new.client, url=new.url, position=newest_position(transaction.session), created_at=wall())
    transaction.session.add(webhook)
    transaction.session.flush()
    transaction.record("webhook.registered", f"webhook:{webhook.id}", facts={"client": str(new.client), "url": new.url})
    return with_secret(transaction, webhook)


@routes.get("/results/webhooks", operation_id="list_webhooks")
def list_webhooks(
    _office: Office,
    transaction: InTransaction,
    client: Annotated[UUID | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[WebhookAnswer]:
    """List the webhooks, and how far each has come."""
    statement = select(Webhook) if client is None else select(Webhook).where(Webhook.client == client)
    found, following = paginate(transaction.session, statement, Webhook.id, cursor, limit)
    items: Sequence[WebhookAnswer] = [WebhookAnswer.model_validate(one) for one in found]
    return Page(items=items, next_cursor=following)


@routes.delete("/results/webhooks/{webhook_id}", operation_id="end_webhook", status_code=204)
def end_webhook(webhook_id: Id, _office: Office, transaction: InTransaction) -> None:
    """End a webhook; a replay begins it again."""
    webhook = found_webhook(transaction, webhook_id)
    webhook.ended_at = wall()
    transaction.record("webhook.ended", f"webhook:{webhook.id}")


@routes.post("/results/webhooks/{webhook_id}/secret", operation_id="rekey_webhook")
def rekey_webhook(webhook_id: Id, _office: Office, transaction: InTransaction) -> NewWebhookAnswer:
    """Give a webhook a new secret, alone; for a day the one before signs as well, so that the receiver may take its time."""
    webhook = found_webhook(transaction, webhook_id)
    webhook.key_number, webhook.rekeyed_at = webhook.key_number + 1, wall()
    transaction.record("webhook.rekeyed", f"webhook:{webhook.id}", facts={"key": webhook.key_number})
    return with_secret(transaction, webhook)


@routes.post("/results/webhooks/{webhook_id}/replays", operation_id="replay_webhook")
def replay_webhook(webhook_id: Id, replay: Replay, _office: Office, transaction: InTransaction) -> WebhookAnswer:
    """Bring the changes after a position again, under the same ids, at once."""
    webhook, newest = found_webhook(transaction, webhook_id), newest_position(transaction.session)
    if replay.since > newest:
        raise Problem(CURSOR_AHEAD, newest=newest)
    webhook.position, webhook.failures, webhook.retry_at, webhook.ended_at = replay.since, 0, None, None
    transaction.record("webhook.replayed", f"webhook:{webhook.id}", facts={"since": replay.since})
    return WebhookAnswer.model_validate(webhook)
