"""Who is calling: the one place where a token is verified (RFC 9068 access tokens, RS256), and the policies that routes declare."""

import asyncio
import base64
import hashlib
import json
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal, get_args

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from fastapi import Depends, Request
from jose import jwk, jwt
from jose.constants import ALGORITHMS

from kernel.clock import wall
from kernel.logs import log
from kernel.problems import FORBIDDEN, UNAUTHENTICATED, Problem

Role = Literal["applicant", "endorser", "reviewer", "committee", "supervisor"]
Duty = Literal["office", "chair", "vice_chair", "member"]

OutsideAlgorithm = Literal["RS256", "ES256", "PS256"]

API_AUDIENCE = "quality-award"
ACCESS_LIFETIME = timedelta(minutes=15)
CLOCKS_APART_SECONDS = 60
LONGEST_TOKEN = 4096
LONGEST_OUTSIDE_TOKEN = 8192
FEWEST_OUTSIDE_BITS = 2048
KEY_REFRESH_SECONDS = 60
KEYS_KEPT_SECONDS = 600
CACHED_TOKENS = 10_000
REQUIRED_CLAIMS = frozenset({"iss", "aud", "sub", "iat", "exp", "jti"})
OUR_CLAIMS = frozenset({"role", "duties", "org", "body", "scope"})
THREE_PARTS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
OUTSIDE_SUBJECT = re.compile(r"[\x21-\x7e]{1,255}")
PLAIN_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")

KeySet = Mapping[str, Mapping[str, str]]
"""Public keys as JWK by `kid`."""
Refused = Callable[[str], None]
"""Told of every refused token, with a reason of few words that never come from the token."""


@dataclass(frozen=True)
class Principal:
    """A verified caller: a person in the one role chosen at sign-in, a service, or a machine client."""

    person: str
    role: Role | None
    duties: frozenset[Duty]
    org: str | None
    body: str | None
    scopes: frozenset[str]
    token_id: str
    expires_at: int

    def has_duty(self, *duties: Duty) -> bool:
        """Tell whether one of these duties is held."""
        return self.role == "committee" and not self.duties.isdisjoint(duties)


class BadToken(Exception):  # noqa: N818 - it is an answer of the check
    """The token is none of ours; the reason goes to the log, never to the caller."""


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise BadToken("duplicate member")
    return dict(pairs)


def _not_a_number(_text: str) -> object:
    raise BadToken("not a JSON number")


def _decoded(part: str) -> bytes:
    raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != part:
        raise BadToken("base64 is not canonical")
    return raw


def _guarded_header(token: str, longest: int) -> dict[str, Any]:
    """Take a token's form apart: three canonical parts, a header of its own members alone, a `kid` that is text."""
    if len(token) > longest or not THREE_PARTS.fullmatch(token):
        raise BadToken("not three base64url parts")
    head, _, signature = token.split(".")
    header = _json_part(head)
    if not {"alg", "kid"} <= header.keys() <= {"alg", "typ", "kid"}:
        raise BadToken("header")
    if not isinstance(header["kid"], str):
        raise BadToken("kid")
    _decoded(signature)
    return header


def _json_part(part: str) -> dict[str, Any]:
    raw = _decoded(part)
    parsed = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_not_a_number)
    if not isinstance(parsed, dict):
        raise BadToken("not an object")
    return parsed


def _whole(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int:
        raise BadToken(f"{name} is not a whole number")
    return value


def _principal(claims: Mapping[str, Any]) -> Principal:
    if not REQUIRED_CLAIMS <= claims.keys() <= REQUIRED_CLAIMS | OUR_CLAIMS:
        raise BadToken("claims missing or unknown")
    person, role, token_id = claims["sub"], claims.get("role"), claims["jti"]
    if not all(isinstance(one, str) and PLAIN_ID.fullmatch(one) for one in (person, token_id)):
        raise BadToken("sub or jti is not a plain id")
    if "role" in claims and role not in get_args(Role):
        raise BadToken("unknown role")
    duties = claims.get("duties", [])
    if not isinstance(duties, list) or not all(duty in get_args(Duty) for duty in duties) or (duties and role != "committee"):
        raise BadToken("unknown duty")
    for name in ("org", "body", "scope"):
        if not isinstance(claims.get(name, ""), str):
            raise BadToken(f"{name} is not text")
    return Principal(
        person=person,
        role=role,
        duties=frozenset(duties),
        org=claims.get("org"),
        body=claims.get("body"),
        scopes=frozenset(claims.get("scope", "").split()),
        token_id=token_id,
        expires_at=_whole(claims, "exp"),
    )


class Verifier:
    """Verifies tokens against a key set fetched at first need, every ten minutes, and for an unknown `kid` at most once a minute."""

    def __init__(
        self,
        issuer: str,
        audiences: frozenset[str],
        fetch_keys: Callable[[], Awaitable[KeySet]],
        refused: Refused,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Accept tokens of one issuer for these audiences."""
        self._issuer = issuer
        self._audiences = audiences
        self._fetch_keys = fetch_keys
        self._refused = refused
        self._clock = clock
        self._keys: dict[str, Any] = {}
        self._fetched_at: float | None = None
        self._lock = asyncio.Lock()
        self._cache: OrderedDict[bytes, Principal] = OrderedDict()

    async def verify(self, token: str) -> Principal:
        """Give the caller, or raise 401: whatever is wrong with a token, the answer is the same."""
        if self._is_older_than(KEYS_KEPT_SECONDS):
            await self._fetch_if_older(KEYS_KEPT_SECONDS, needed=not self._keys)
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._cache.get(digest)
        if known is not None and wall().timestamp() < known.expires_at:
            return known
        try:
            header = self._header(token)
            if header["kid"] not in self._keys:
                await self._fetch_if_older(KEY_REFRESH_SECONDS, needed=True)
            principal = self._check(token, header)
        except Problem:
            raise
        except Exception as error:  # noqa: BLE001 - the specification: any exception is 401
            raise self.refusal(str(error) if isinstance(error, BadToken) else type(error).__name__) from None
        self._cache[digest] = principal
        if len(self._cache) > CACHED_TOKENS:
            self._cache.popitem(last=False)
        return principal

    @property
    def has_keys(self) -> bool:
        """Tell whether keys were read."""
        return bool(self._keys)

    async def load(self) -> None:
        """Read the keys before the first token comes; raises what the reading raises."""
        await self._fetch_if_older(0, needed=True)

    def refusal(self, reason: str) -> Problem:
        """Log and count a refusal, and give the one answer to all of them; strangers write nothing into the record."""
        log.info("token refused", extra={"fact": {"reason": reason}})
        self._refused(reason)
        return Problem(UNAUTHENTICATED, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})

    @staticmethod
    def _header(token: str) -> dict[str, Any]:
        header = _guarded_header(token, LONGEST_TOKEN)
        if set(header) != {"alg", "typ", "kid"} or header["typ"] != "at+jwt" or header["alg"] != ALGORITHMS.RS256:
            raise BadToken("header")
        return header

    def _check(self, token: str, header: Mapping[str, Any]) -> Principal:
        claims = _json_part(token.split(".")[1])
        audience = claims.get("aud")
        if audience not in self._audiences:
            raise BadToken("audience")
        required = {f"require_{name}": True for name in REQUIRED_CLAIMS}
        decoded = jwt.decode(
            token,
            self._keys[header["kid"]],
            algorithms=[ALGORITHMS.RS256],
            audience=audience,
            issuer=self._issuer,
            options={**required, "leeway": 0},
        )
        if decoded != claims:
            raise BadToken("claims differ")
        issued, expires = _whole(claims, "iat"), _whole(claims, "exp")
        now = wall().timestamp()
        if not now < expires <= issued + ACCESS_LIFETIME.total_seconds() or issued > now + CLOCKS_APART_SECONDS:
            raise BadToken("times")
        return _principal(claims)

    def _is_older_than(self, seconds: float) -> bool:
        return self._fetched_at is None or self._clock() - self._fetched_at >= seconds

    async def _fetch_if_older(self, seconds: float, *, needed: bool) -> None:
        """Fetch the key set where it is that old; where that fails and it isn't needed now, what is known stays good for another while.

        A key that is no longer published takes the tokens with it that it verified.
        """
        async with self._lock:
            if not self._is_older_than(seconds):
                return
            try:
                fetched = await self._fetch_keys()
            except Problem:
                if needed:
                    raise
                self._fetched_at = self._clock()
                return
            self._fetched_at = self._clock()
            if fetched.keys() != self._keys.keys():
                self._keys = {kid: jwk.construct(dict(key), ALGORITHMS.RS256) for kid, key in fetched.items()}
                self._cache.clear()


class OutsideKeys:
    """The keys of one outside issuer, and the guard of its tokens: the same as for our own, but for who signs, and how."""

    def __init__(self, issuer: str, audience: str, algorithms: Collection[OutsideAlgorithm], lifetime: timedelta) -> None:
        """Accept tokens of one issuer for one audience."""
        self._issuer = issuer
        self._audience = audience
        self._algorithms = algorithms
        self._lifetime = lifetime
        self._keys: dict[str, tuple[str, Any]] = {}

    @staticmethod
    def issuer_of(token: str) -> str:
        """Tell whom a token names as its issuer, so that the right keys can try it; nothing is verified."""
        _guarded_header(token, LONGEST_OUTSIDE_TOKEN)
        return str(_json_part(token.split(".")[1]).get("iss"))

    def take(self, published: Collection[Mapping[str, Any]]) -> None:
        """Take the issuer's key set: its public signing keys, each for the one algorithm that it names or its type implies.

        RSA keys under 2048 bits are left out.
        """
        found = {}
        for key in published:
            kid, kty, curve = key.get("kid"), key.get("kty"), key.get("crv")
            usual = "RS256" if kty == "RSA" else "ES256" if (kty, curve) == ("EC", "P-256") else None
            algorithm = key.get("alg", usual)
            fits = {"RSA": {"RS256", "PS256"}, "EC": {"ES256"} if curve == "P-256" else set()}.get(str(kty), set())
            if isinstance(kid, str) and key.get("use", "sig") == "sig" and algorithm in fits and "d" not in key:
                made: Any = jwk.construct(dict(key) | {"alg": usual}, usual)
                if kty == "EC" or made.prepared_key.key_size >= FEWEST_OUTSIDE_BITS:
                    found[kid] = (algorithm, made)
        self._keys = found

    def knows(self, token: str) -> bool:
        """Tell whether the token names a key that is known; raises `BadToken` for one that is no token."""
        return _guarded_header(token, LONGEST_OUTSIDE_TOKEN)["kid"] in self._keys

    def claims(self, token: str) -> dict[str, Any]:
        """Give a good token's claims; raises `BadToken`, or whatever a hostile one provokes in a library."""
        header = _guarded_header(token, LONGEST_OUTSIDE_TOKEN)
        if header.get("typ", "JWT") not in {"JWT", "at+jwt"}:
            raise BadToken("header")
        algorithm, key = self._keys.get(header["kid"], ("", None))
        if header["alg"] != algorithm or algorithm not in self._algorithms:
            raise BadToken("algorithm")
        told, _, signature = token.rpartition(".")
        if not _is_signature(algorithm, key, told.encode(), _decoded(signature)):
            raise BadToken("signature")
        claims = _json_part(token.split(".")[1])
        audience = claims.get("aud")
        alone = audience == self._audience
        among = isinstance(audience, list) and self._audience in audience and claims.get("azp") == self._audience
        if claims.get("iss") != self._issuer or not (alone or audience == [self._audience] or among):
            raise BadToken("issuer or audience")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not OUTSIDE_SUBJECT.fullmatch(subject):
            raise BadToken("sub")
        issued, expires, now = _whole(claims, "iat"), _whole(claims, "exp"), wall().timestamp()
        begins = _whole(claims, "nbf") if "nbf" in claims else issued
        if not now < expires <= issued + self._lifetime.total_seconds() or max(issued, begins) > now + CLOCKS_APART_SECONDS:
            raise BadToken("times")
        return claims


def _is_signature(algorithm: str, key: Any, told: bytes, signature: bytes) -> bool:  # noqa: ANN401 - as jose has it
    if algorithm != "PS256":
        return bool(key.verify(told, signature))
    try:  # python-jose has no PSS
        key.prepared_key.verify(signature, told, padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def public_jwk(kid: str, key: RSAPublicKey) -> dict[str, str]:
    """Give a public key as the JSON Web Key that the door publishes."""

    def number(value: int) -> str:
        raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    numbers = key.public_numbers()
    return {"kty": "RSA", "use": "sig", "alg": ALGORITHMS.RS256, "kid": kid, "n": number(numbers.n), "e": number(numbers.e)}


def service_audience(service: str) -> str:
    """Name the audience of a token with which one service calls another."""
    return f"{API_AUDIENCE}/{service}"


def bearer(request: Request, verifier: Verifier) -> str | None:
    """Take the token out of the Authorization header; None where there is no header at all."""
    headers = request.headers.getlist("authorization")
    if not headers:
        return None
    scheme, _, token = headers[0].partition(" ")
    if len(headers) > 1 or scheme.lower() != "bearer" or not token:
        raise verifier.refusal("no bearer token")
    return token


@dataclass(frozen=True)
class Policy:
    """Who may call a route: the roles (with one of the duties, where named) or the scope that open it."""

    roles: frozenset[Role] = frozenset()
    duties: frozenset[Duty] = frozenset()
    scope: str | None = None
    anonymous: bool = False

    async def __call__(self, request: Request) -> Principal | None:
        """Admit the caller, or answer 401 or 403."""
        verifier: Verifier = request.app.state.service.verifier
        token = bearer(request, verifier)
        if token is None and self.anonymous:
            return None
        if token is None:
            raise Problem(UNAUTHENTICATED, headers={"WWW-Authenticate": "Bearer"})
        principal = await verifier.verify(token)
        if not (self.anonymous or self.admits(principal)):
            log.info("forbidden", extra={"fact": {"person": principal.person, "role": principal.role, "path": request.url.path}})
            raise Problem(FORBIDDEN)
        request.state.principal = principal
        return principal

    def described(self) -> dict[str, Any]:
        """Say in an operation's OpenAPI description who may call it."""
        if self.anonymous:
            return {"security": []}
        if self.scope is not None:
            return {"security": [{"machine": [self.scope]}]}
        return {"security": [{"person": []}], "x-roles": sorted(self.roles)} | ({"x-duties": sorted(self.duties)} if self.duties else {})

    def admits(self, principal: Principal) -> bool:
        """Tell whether the claims open this route; whose rows they may touch is the use case's question."""
        if self.scope is not None and self.scope in principal.scopes:
            return True
        if principal.role not in self.roles:
            return False
        return not (principal.role == "committee" and self.duties and self.duties.isdisjoint(principal.duties))


def roles(*allowed: Role, duties: tuple[Duty, ...] = ()) -> Any:  # noqa: ANN401 - a FastAPI dependency marker
    """Open a route to these roles; for the committee to these duties, where any are named."""
    return Depends(Policy(roles=frozenset(allowed), duties=frozenset(duties)))


Applicant = Annotated[Principal, roles("applicant")]
Endorser = Annotated[Principal, roles("endorser")]
Reviewer = Annotated[Principal, roles("reviewer")]
Office = Annotated[Principal, roles("committee", duties=("office",))]
Voter = Annotated[Principal, roles("committee", duties=("chair", "vice_chair", "member"))]
Chair = Annotated[Principal, roles("committee", duties=("chair",))]
Supervisor = Annotated[Principal, roles("supervisor")]
SignedIn = Annotated[Principal, Depends(Policy(roles=frozenset(get_args(Role))))]
Peer = Annotated[Principal, Depends(Policy(scope="service"))]
Platform = Annotated[Principal, Depends(Policy(scope="results:read"))]
Anyone = Annotated[Principal | None, Depends(Policy(anonymous=True))]
