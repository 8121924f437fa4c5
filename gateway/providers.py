"""Outside issuers (OpenID providers): their keys by discovery, and what a good token of theirs says."""

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from gateway.settings import OutsideIssuer
from kernel.clock import wall
from kernel.identity import KEY_REFRESH_SECONDS, KEYS_KEPT_SECONDS, BadToken, OutsideKeys
from kernel.logs import log
from kernel.problems import PEER_UNREACHABLE, Problem

DISCOVERY = "/.well-known/openid-configuration"
LARGEST_ANSWER = 256 * 1024
ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class Vouched:
    """What an outside issuer says of somebody, verified."""

    issuer: OutsideIssuer
    subject: str
    claims: Mapping[str, Any]
    digest: str
    expires_at: datetime

    @property
    def has_second_factor(self) -> bool:
        """Tell whether a second factor was asked for there; where the issuer doesn't say so, none was."""
        methods = self.claims.get("amr")
        told = [method for method in methods if isinstance(method, str)] if isinstance(methods, list) else []
        context = str(self.claims.get("acr"))
        return context in self.issuer.second_factor_acr or not self.issuer.second_factor_amr.isdisjoint(told)

    @property
    def told_at(self) -> int | None:
        """When somebody signed in there, in seconds since 1970, where the issuer says so."""
        told = self.claims.get("auth_time")
        return min(told, self.claims["iat"]) if type(told) is int and told >= 0 else None

    @property
    def authenticated_at(self) -> datetime:
        """When somebody signed in there; where the issuer doesn't say so, when it issued the token."""
        return datetime.fromtimestamp(self.claims["iat"] if self.told_at is None else self.told_at, UTC)

    @property
    def lasts_until(self) -> datetime:
        """When a sign-in that begins with this ends."""
        return self.authenticated_at + timedelta(hours=self.issuer.sign_in_hours)

    def is_recent(self) -> bool:
        """Tell whether somebody signed in there as lately as the setting asks."""
        minutes = self.issuer.auth_minutes
        recent = self.told_at is not None and wall() < self.authenticated_at + timedelta(minutes=minutes)
        return wall() < self.lasts_until and (recent or minutes == 0)


class Provider:
    """One outside issuer at run time: its keys, fetched as our own are."""

    def __init__(self, issuer: OutsideIssuer) -> None:
        """Reach nothing before the first token."""
        self.issuer = issuer
        self._keys = OutsideKeys(issuer.issuer, issuer.audience, issuer.algorithms, timedelta(minutes=issuer.lifetime_minutes))
        self._fetched_at: float | None = None
        self._lock = asyncio.Lock()

    async def vouch(self, token: str) -> Vouched:
        """Verify a token; raises `BadToken` or what a hostile token provokes, and 503 where the issuer can't be reached."""
        await self._fetch_if_older(KEYS_KEPT_SECONDS)
        if not self._keys.knows(token):
            await self._fetch_if_older(KEY_REFRESH_SECONDS)
        claims = self._keys.claims(token)
        digest = hashlib.sha256(token.encode()).hexdigest()
        return Vouched(self.issuer, claims["sub"], claims, digest, datetime.fromtimestamp(claims["exp"], UTC))

    async def _fetch_if_older(self, seconds: float) -> None:
        async with self._lock:
            if self._fetched_at is not None and time.monotonic() - self._fetched_at < seconds:
                return
            try:
                async with httpx.AsyncClient(timeout=ANSWER_SECONDS, follow_redirects=False, trust_env=False) as client:
                    found = await _json(client, self.issuer.issuer.rstrip("/") + DISCOVERY)
                    if found.get("issuer") != self.issuer.issuer:
                        raise BadToken("the discovery document is another issuer's")
                    published = (await _json(client, str(found.get("jwks_uri")))).get("keys", [])
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                log.warning("outside issuer unreachable", extra={"fact": {"issuer": self.issuer.issuer, "error": type(error).__name__}})
                raise Problem(PEER_UNREACHABLE, headers={"Retry-After": "5"}, peer=self.issuer.issuer) from None
            self._keys.take([key for key in published if isinstance(key, dict)])
            self._fetched_at = time.monotonic()


async def _json(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with client.stream("GET", url) as answer:
        answer.raise_for_status()
        raw = b""
        async for chunk in answer.aiter_bytes():
            raw += chunk
            if len(raw) > LARGEST_ANSWER:
                raise ValueError("too large an answer")
    found = json.loads(raw)
    if not isinstance(found, dict):
        raise TypeError("not an object")
    return found
