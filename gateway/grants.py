"""The token endpoint: what each grant type gives (RFC 6749; token exchange: RFC 8693)."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import Depends, Request, Response

from gateway.outside import exchange, vouched_for
from gateway.providers import Vouched
from gateway.sessions import (
    GRANT_UNSUPPORTED,
    FromForm,
    Refused,
    TokenAnswer,
    by_password_grant,
    client_token,
    oauth_refusal,
    refresh,
)
from kernel.identity import Anyone
from kernel.requests import InTransaction
from kernel.service import router

routes = router("auth")

TOKEN_EXCHANGE: Literal["urn:ietf:params:oauth:grant-type:token-exchange"] = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - the name of a kind


async def _turn(request: Request, form: FromForm) -> AsyncIterator[None]:
    if form.grant_type != "password":
        yield
        return
    async with request.app.state.service.turns:
        yield


PasswordTurn = Annotated[None, Depends(_turn, scope="function")]


async def _vouched(request: Request, form: FromForm) -> Vouched | None:
    return await vouched_for(request.app.state.service, form) if form.grant_type == TOKEN_EXCHANGE else None


VouchedFor = Annotated[Vouched | None, Depends(_vouched)]
"""Who an outside issuer says this is; asked before the transaction opens, so that no connection waits for the issuer."""

GRANTS = {"password": by_password_grant, "refresh_token": refresh, "client_credentials": client_token}


@routes.post("/auth/token", operation_id="get_token", response_model=TokenAnswer, response_model_exclude_none=True)
def get_token(
    request: Request,
    response: Response,
    form: FromForm,
    _anyone: Anyone,
    _turn: PasswordTurn,
    vouched: VouchedFor,
    transaction: InTransaction,
) -> TokenAnswer | Response:
    """Renew a sign-in, act as a machine (`client_credentials`), or exchange an outside issuer's token (RFC 8693).

    Persons sign in at `/auth/sign-in`; the password grant is taken, too, unless a setting says otherwise.
    """
    grant = GRANTS.get(form.grant_type)
    if form.grant_type == TOKEN_EXCHANGE:
        outcome = exchange(transaction, form, vouched)
    else:
        outcome = Refused(GRANT_UNSUPPORTED) if grant is None else grant(transaction, form)
    if isinstance(outcome, Refused):
        return oauth_refusal(request, outcome)
    response.headers["cache-control"] = "no-store"
    return outcome
