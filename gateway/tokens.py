"""The one place that signs access tokens (RFC 9068, RS256); `kernel.identity` verifies them."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache

from jose import jwk, jwt
from jose.constants import ALGORITHMS

from gateway.keys import SigningKeys
from kernel.clock import wall
from kernel.database import new_id
from kernel.identity import ACCESS_LIFETIME, API_AUDIENCE


class Signer:
    """Signs access tokens with whichever key signs now."""

    def __init__(self, keys: Callable[[], SigningKeys], issuer: str) -> None:
        """Ask for the keys at every signature: they rotate."""
        self._keys = keys
        self._issuer = issuer
        self._key = lru_cache(maxsize=2)(lambda pem: jwk.construct(pem, ALGORITHMS.RS256))

    def sign(
        self,
        subject: str,
        claims: Mapping[str, object],
        *,
        audience: str = API_AUDIENCE,
        token_id: str | None = None,
        lifetime: timedelta = ACCESS_LIFETIME,
        now: datetime | None = None,
    ) -> str:
        """Sign a token for a person (`role`, `duties`, `org` or `body`), a machine or a service (`scope`).

        Its `jti` is a UUIDv7, which tells when it was made; times are the wall clock's.
        """
        issued = int((now or wall()).timestamp())
        content = {
            **claims,
            "iss": self._issuer,
            "aud": audience,
            "sub": subject,
            "iat": issued,
            "exp": issued + int(lifetime.total_seconds()),
            "jti": token_id or str(new_id()),
        }
        keys = self._keys()
        return jwt.encode(content, self._key(keys.pem), algorithm=ALGORITHMS.RS256, headers={"typ": "at+jwt", "kid": keys.kid})
