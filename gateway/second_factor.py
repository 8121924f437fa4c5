"""The second factor (TOTP, RFC 6238): enrolled with login and password, in force once a code confirmed it, removed by who may invite."""

import base64
from typing import Annotated

from fastapi import Request, Response
from pydantic import ConfigDict

from gateway.account import Login, Password, check_other, visible_account
from gateway.accounts import Inviter
from gateway.authentication import CODE_WRONG, authenticate, new_factor, takes_code, totp
from gateway.program import Gateway
from gateway.secret import HashingTurn
from gateway.sessions import revoke_all
from kernel.clock import wall
from kernel.identity import Anyone
from kernel.problems import Kind, Problem, absent, render_problem
from kernel.requests import InTransaction
from kernel.service import router
from kernel.wire import Answer, Body, Id, Line

routes = router("auth")

NOT_ENROLLED = Kind(409, "second_factor_not_enrolled", "请先申请绑定动态验证码", "Enrol a second factor first")

Code = Annotated[str, Line(16, 0)]


class FactorForm(Body):
    """Login and password; with `code`, of the second factor in force, to replace that."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"login": "li.zhuren", "password": "correct-Horse-7"}]})

    login: Login
    password: Password
    code: Code = ""


class ConfirmationForm(Body):
    """Login and password, and the first code of the new second factor."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"login": "li.zhuren", "password": "correct-Horse-7", "new_code": "123456"}]})

    login: Login
    password: Password
    code: Code = ""
    new_code: Code


class NewFactor(Answer):
    """The secret to enter into an authenticator program, in base32 and as the address that such programs scan; shown this once."""

    secret: str
    uri: str


class FactorAnswer(Answer):
    """Whether a second factor is in force."""

    enrolled: bool


@routes.post("/auth/second-factor", operation_id="enrol_second_factor", response_model=NewFactor)
def enrol_second_factor(
    request: Request, form: FactorForm, response: Response, _anyone: Anyone, _turn: HashingTurn, transaction: InTransaction
) -> NewFactor | Response:
    """Draw a new second factor; it is not in force before a code confirms it. One that is in force must give a code itself."""
    gateway: Gateway = transaction.service
    account = authenticate(gateway, transaction.session, form.login, form.password, form.code)
    if isinstance(account, Kind):  # returned, not raised, so that the failure's count is committed
        return render_problem(request, Problem(account))
    secret = new_factor()
    account.factor_sealed, account.factor_confirmed_at, account.factor_step = gateway.seal.close(secret, str(account.id)), None, None
    transaction.record("account.second_factor_drawn", f"account:{account.id}", actor=str(account.id))
    response.headers["cache-control"] = "no-store"
    uri = totp(secret).get_provisioning_uri(form.login, gateway.settings.issuer)
    return NewFactor(secret=base64.b32encode(secret).decode(), uri=uri)


@routes.post("/auth/second-factor/confirmation", operation_id="confirm_second_factor", response_model=FactorAnswer)
def confirm_second_factor(
    request: Request, form: ConfirmationForm, _anyone: Anyone, _turn: HashingTurn, transaction: InTransaction
) -> FactorAnswer | Response:
    """Put the new second factor into force by its first code; earlier sign-ins end."""
    gateway: Gateway = transaction.service
    account = authenticate(gateway, transaction.session, form.login, form.password, form.code)
    if isinstance(account, Kind):
        return render_problem(request, Problem(account))
    if account.factor_sealed is None or account.factor_confirmed_at is not None:
        raise Problem(NOT_ENROLLED)
    if not takes_code(gateway, transaction.session, account, form.new_code):
        return render_problem(request, Problem(CODE_WRONG))
    account.factor_confirmed_at = wall()
    revoke_all(transaction.session, account)
    transaction.record("account.second_factor_enrolled", f"account:{account.id}", actor=str(account.id))
    return FactorAnswer(enrolled=True)


@routes.delete("/accounts/{account_id}/second-factor", operation_id="remove_second_factor", status_code=204)
def remove_second_factor(account_id: Id, inviter: Inviter, transaction: InTransaction) -> None:
    """Remove a lost second factor, of anyone's account but one's own; its sign-ins end."""
    account = visible_account(transaction, inviter, account_id, lock=True)
    check_other(inviter, account)
    if account.factor_sealed is None:
        raise absent()
    account.factor_sealed = account.factor_confirmed_at = account.factor_step = None
    revoke_all(transaction.session, account)
    transaction.record("account.second_factor_removed", f"account:{account.id}")
