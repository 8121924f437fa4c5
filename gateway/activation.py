"""Passwords of a person's own: the first and a new one by a one-time secret, and a change by the old one."""

from typing import Annotated
from uuid import UUID

from fastapi import Request, Response
from pydantic import ConfigDict

from gateway.account import Login, Password
from gateway.authentication import authenticate
from gateway.program import Gateway
from gateway.secret import HashingTurn, Purpose, secret_hash, set_password
from gateway.sessions import revoke_all
from gateway.tables import Account, Activation
from kernel.clock import wall
from kernel.identity import Anyone
from kernel.problems import Kind, Problem, render_problem
from kernel.requests import InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer, Body, Line

routes = router("auth")

PASSWORD_SAME = Kind(422, "password_unchanged", "新密码不得与原密码相同", "The new password must differ from the old one")
SECRET_INVALID = Kind(400, "secret_invalid", "链接无效、已使用或已过期", "The link is wrong, used or expired")


class NewPassword(Body):
    """A one-time secret, and the password to set."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"secret": "the-secret-of-the-link", "password": "correct-Horse-7"}]})

    secret: Annotated[str, Line(128)]
    password: Password


class PasswordChange(Body):
    """The old password, and the new one."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"login": "li.zhuren", "password": "correct-Horse-7", "new_password": "battery-Staple-8"}]}
    )

    login: Login
    password: Password
    code: Annotated[str, Line(16, 0)] = ""
    new_password: Password


class PasswordSet(Answer):
    """Whose password was set."""

    account: UUID
    login: str | None


def redeem(transaction: Transaction, purpose: Purpose, form: NewPassword) -> PasswordSet:
    """Set the password that a one-time secret allows to set; earlier sign-ins end."""
    session = transaction.session
    link = session.get(Activation, secret_hash(form.secret), with_for_update=True)
    if link is None or link.purpose != purpose or link.used_at is not None or link.expires_at < wall():
        raise Problem(SECRET_INVALID)
    account = session.get_one(Account, link.account_id, with_for_update=True)
    if account.status == "disabled":
        raise Problem(SECRET_INVALID)
    return _set(transaction, account, form.password, f"account.{'activated' if purpose == 'activation' else 'password_reset'}", link)


def _set(transaction: Transaction, account: Account, password: str, kind: str, link: Activation | None = None) -> PasswordSet:
    gateway: Gateway = transaction.service
    set_password(gateway.settings, account, password)
    account.status = "active"
    account.version += 1
    if link is not None:
        link.used_at = wall()
    revoke_all(transaction.session, account)
    transaction.record(kind, f"account:{account.id}", actor=str(account.id))
    return PasswordSet(account=account.id, login=account.login)


@routes.post("/auth/activation", operation_id="activate_account")
def activate_account(form: NewPassword, _anyone: Anyone, _turn: HashingTurn, transaction: InTransaction) -> PasswordSet:
    """Set the first password by the one-time secret of an invitation."""
    return redeem(transaction, "activation", form)


@routes.post("/auth/password-reset", operation_id="reset_password")
def reset_password(form: NewPassword, _anyone: Anyone, _turn: HashingTurn, transaction: InTransaction) -> PasswordSet:
    """Set a new password by a one-time secret."""
    return redeem(transaction, "reset", form)


@routes.post("/auth/password", operation_id="change_password", response_model=PasswordSet)
def change_password(
    request: Request, form: PasswordChange, _anyone: Anyone, _turn: HashingTurn, transaction: InTransaction
) -> PasswordSet | Response:
    """Change a password by the old one, also where it has expired; earlier sign-ins end."""
    gateway: Gateway = transaction.service
    account = authenticate(gateway, transaction.session, form.login, form.password, form.code)
    if isinstance(account, Kind):  # returned, not raised, so that the failure's count is committed
        return render_problem(request, Problem(account))
    if form.new_password == form.password:
        raise Problem(PASSWORD_SAME)
    return _set(transaction, account, form.new_password, "account.password_changed")
