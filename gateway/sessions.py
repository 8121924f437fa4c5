"""Signing in and out: OAuth 2 access tokens for persons, machine clients and services."""

import hmac
from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import Form, Request, Response

from gateway.program import Gateway
from kernel.identity import LONGEST_TOKEN, Anyone, service_audience
from kernel.problems import Kind, Problem
from kernel.service import router
from kernel.wire import Answer

routes = router("auth")

INVALID_CLIENT = Kind(401, "invalid_client", "客户端标识或密钥不正确", "The client id or secret is wrong")
INVALID_TARGET = Kind(400, "invalid_target", "没有这个受众", "There is no such audience")

Field = Annotated[str, Form(max_length=LONGEST_TOKEN)]


class TokenAnswer(Answer):
    """An access token, with what renews it where a person signed in."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a kind
    expires_in: int


def service_token(gateway: Gateway, name: str, secret: str, audience: str) -> TokenAnswer:
    """Let a service call a peer."""
    known: Mapping[str, str] = gateway.settings.client_secrets()  # type: ignore[assignment]  # a name is text
    if not hmac.compare_digest(known.get(name, "").encode(), secret.encode()) or name not in known:
        raise Problem(INVALID_CLIENT)
    if audience not in {service_audience(one) for one in known}:
        raise Problem(INVALID_TARGET)
    token = gateway.signer.sign(name, {"scope": "service"}, audience=audience)
    return TokenAnswer(access_token=token, expires_in=900)


@routes.post("/auth/token", operation_id="sign_in")
def sign_in(
    request: Request,
    response: Response,
    grant_type: Field,
    _anyone: Anyone,
    client_id: Field = "",
    client_secret: Field = "",
    audience: Field = "",
) -> TokenAnswer:
    """Give an access token."""
    response.headers["cache-control"] = "no-store"
    return service_token(request.app.state.service, client_id, client_secret, audience)
