"""What anyone may know before the first call: the keys that verify tokens, and where tokens come from (RFC 8414)."""

from typing import Literal

from fastapi import APIRouter, Request

from gateway.grants import TOKEN_EXCHANGE
from gateway.program import Gateway
from kernel.identity import Anyone
from kernel.requests import Route
from kernel.service import API
from kernel.wire import Answer

routes = APIRouter(route_class=Route, tags=["auth"], prefix="/.well-known")

GrantType = Literal["password", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]


class Jwk(Answer):
    """One public key."""

    kty: str
    use: str
    alg: str
    kid: str
    n: str
    e: str


class Jwks(Answer):
    """Every key that verifies our tokens."""

    keys: list[Jwk]


class AuthorizationServer(Answer):
    """Where and how to get tokens."""

    issuer: str
    token_endpoint: str
    jwks_uri: str
    grant_types_supported: list[GrantType]
    token_endpoint_auth_methods_supported: list[str]
    response_types_supported: list[str]
    scopes_supported: list[str]


@routes.get("/jwks.json", operation_id="get_keys")
def get_keys(request: Request, _anyone: Anyone) -> Jwks:
    """Give the public keys of the token signer."""
    return Jwks(keys=[Jwk(**key) for key in request.app.state.service.keys.current().published.values()])


@routes.get("/oauth-authorization-server", operation_id="get_authorization_server")
def get_authorization_server(request: Request, _anyone: Anyone) -> AuthorizationServer:
    """Say where tokens come from."""
    gateway: Gateway = request.app.state.service
    exchange: list[GrantType] = [TOKEN_EXCHANGE] if gateway.providers else []
    password: list[GrantType] = ["password"] if gateway.settings.password_grant else []
    base = (gateway.settings.public_url or str(request.base_url)).rstrip("/")
    return AuthorizationServer(
        issuer=gateway.settings.issuer,
        token_endpoint=f"{base}{API}/auth/token",
        jwks_uri=f"{base}/.well-known/jwks.json",
        grant_types_supported=[*password, "refresh_token", "client_credentials", *exchange],
        token_endpoint_auth_methods_supported=["client_secret_post", "client_secret_basic"],
        response_types_supported=[],
        scopes_supported=["results:read"],
    )
