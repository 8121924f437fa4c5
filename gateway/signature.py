"""Signed requests: a machine client that proves itself by HMAC instead of asking for tokens, where the office admitted it so.

`Authorization: HMAC-SHA256 client=…, timestamp=…, nonce=…, signature=…`: Unix seconds, 16 to 64 base64url characters, and in hexadecimal
the HMAC-SHA256, under the client's secret, of five lines joined by LF: method, path with its query as sent, timestamp, nonce, and the
SHA-256 of the body in hexadecimal. The door gives the service a token in its place, so that services judge tokens alone.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from fastapi import Request
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.concurrency import run_in_threadpool
from starlette.types import Message, Receive

from gateway.program import Gateway
from gateway.tables import Account, Nonce
from kernel.body import whole
from kernel.clock import wall
from kernel.problems import BUSY, Problem

SCHEME = "hmac-sha256"
GIVEN = re.compile(
    r"client=(?P<client>[0-9a-f-]{36}), ?timestamp=(?P<timestamp>[0-9]{10}), ?nonce=(?P<nonce>[A-Za-z0-9_-]{16,64}), ?"
    r"signature=(?P<signature>[0-9a-f]{64})"
)
CLOCKS_APART = timedelta(minutes=5)
NO_SECRET = b"\0" * 32


class Given(NamedTuple):
    """What the header says."""

    client: UUID
    at: datetime
    nonce: str
    signature: bytes


def signs(request: Request) -> bool:
    """Tell whether a request comes signed."""
    return request.headers.get("authorization", "").partition(" ")[0].lower() == SCHEME


def read(request: Request) -> Given | None:
    """Read the header; None where it is not of the one form."""
    headers = request.headers.getlist("authorization")
    found = GIVEN.fullmatch(headers[0].partition(" ")[2].strip()) if len(headers) == 1 else None
    if found is None:
        return None
    try:
        client = UUID(found["client"])
    except ValueError:
        return None
    return Given(client, datetime.fromtimestamp(int(found["timestamp"]), UTC), found["nonce"], bytes.fromhex(found["signature"]))


def signed_text(request: Request, given: Given, content: bytes) -> bytes:
    """Give what the signature is over."""
    scope = request.scope
    query = scope["query_string"].decode("latin-1")
    path = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
    lines = (scope["method"], path, str(int(given.at.timestamp())), given.nonce, hashlib.sha256(content).hexdigest())
    return "\n".join(lines).encode("latin-1")


def why_refused(gateway: Gateway, request: Request, given: Given, content: bytes) -> tuple[str, Sequence[str]]:
    """Check a signature, and keep its nonce so that it is good once; gives why not (empty where it is good), and the client's scopes."""
    now = wall()
    if abs(now - given.at) > CLOCKS_APART:
        return "signature's time", ()
    with gateway.sessions.begin() as session:
        account = session.get(Account, given.client)
        secrets = [NO_SECRET]
        if account is not None and account.status == "active":
            former = account.former_signing_sealed if account.former_secret_until and account.former_secret_until > now else None
            secrets += [gateway.seal.open(sealed, str(account.id)) for sealed in (account.signing_sealed, former) if sealed]
        text = signed_text(request, given, content)
        matches = [hmac.compare_digest(hmac.digest(secret, text, hashlib.sha256), given.signature) for secret in secrets]
        if account is None or not any(matches[1:]):
            return "signature", ()
        session.execute(delete(Nonce).where(Nonce.account_id == account.id, Nonce.expires_at < now))
        kept = insert(Nonce).values(account_id=account.id, nonce=given.nonce, expires_at=now + 2 * CLOCKS_APART)
        first = session.scalar(kept.on_conflict_do_nothing().returning(Nonce.nonce))
        return ("", account.scopes) if first is not None else ("signature used before", ())


async def admitted(gateway: Gateway, request: Request, receive: Receive) -> tuple[str, Receive]:
    """Give a token for a signed request, and its body to read again; one answer, 401, to whatever is wrong with the signature."""
    given, body = read(request), await whole(request, receive)
    if given is None:
        raise gateway.verifier.refusal("signature's form")
    try:
        refused, scopes = await run_in_threadpool(why_refused, gateway, request, given, body)
    except (OperationalError, PoolTimeout):
        raise Problem(BUSY, headers={"Retry-After": "1"}) from None
    if refused:
        raise gateway.verifier.refusal(refused)
    await gateway.fetch_keys()

    unread = [body]

    async def again() -> Message:
        return {"type": "http.request", "body": unread.pop(), "more_body": False} if unread else await receive()

    return gateway.signer.sign(str(given.client), {"scope": " ".join(sorted(scopes))}), again
