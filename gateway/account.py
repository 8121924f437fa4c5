"""An account: a person in the roles that somebody invited them to, or a machine client; who may see it, and what may be done with it."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import StringConstraints
from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.dialects.postgresql import insert

from gateway.tables import Account, Grant, Recusal, Registration
from kernel.database import new_id
from kernel.identity import Duty, Principal, Role
from kernel.problems import Kind, Problem, absent
from kernel.requests import Transaction, offer
from kernel.wire import Action, Answer

Kinds = Literal["person", "client"]
Status = Literal["pending", "active", "disabled"]

Login = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@-]{2,63}$")]
"""A login: lower case, digits, `.`, `_`, `@`, `-`."""
LONGEST_PASSWORD = 128
Password = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=LONGEST_PASSWORD)]
"""A password, exactly as it was sent: nothing is trimmed or composed; what it must be made of is a setting."""
PasswordOrNone = Annotated[str, StringConstraints(strict=True, max_length=LONGEST_PASSWORD)]
"""A password exactly as it was sent, or nothing."""

LOGIN_TAKEN = Kind(409, "login_taken", "该登录名已被使用", "That login is taken")
CHAIR_ALONE = Kind(403, "chair_alone", "监督组成员账户只能由评委会主任管理", "Supervisors' accounts are the chair's alone to manage")
OFFICE_ALONE = Kind(403, "office_alone", "该账户由评审办管理", "This account is the review office's to manage")
OWN_ACCOUNT = Kind(
    409,
    "own_account",
    "不能停用、处分自己的账户，也不能更改自己的身份",
    "Your own account is not yours to disable, to sanction, or to give roles to",
)

VERIFIED_ALREADY = Kind(409, "verified_already", "该用户已经核实", "This person is verified already")


class GrantAnswer(Answer):
    """A role that the person holds."""

    role: Role
    duties: list[Duty]
    org: str | None
    body: str | None
    verified_at: datetime | None


class RegistrationAnswer(Answer):
    """The organisation that the person says to act for."""

    credit_code: str
    organisation: str
    township: str
    created_at: datetime
    verified_at: datetime | None


class SanctionAnswer(Answer):
    """What was done about a person's misconduct (7.6)."""

    id: UUID
    kind: Literal["criticism", "warning", "disqualification"]
    clause: str
    reason: str
    imposed_at: datetime


class AccountAnswer(Answer):
    """An account."""

    id: UUID
    kind: Kinds
    login: str | None
    name: str
    status: Status
    grants: list[GrantAnswer]
    scopes: list[str]
    registration: RegistrationAnswer | None
    sanctions: list[SanctionAnswer]
    created_at: datetime
    version: int
    actions: dict[str, Action]


def add_account(transaction: Transaction, *, kind: Kinds, login: str | None, name: str, status: Status) -> Account | None:
    """Insert an account; None where the login is taken."""
    added = transaction.session.scalar(
        insert(Account)
        .values(id=new_id(), kind=kind, login=login, name=name, status=status, created_at=transaction.now)
        .on_conflict_do_nothing(index_elements=[Account.login])
        .returning(Account.id)
    )
    return None if added is None else transaction.session.get_one(Account, added)


def recused_codes(principal: Principal) -> Select[str]:
    """Select the credit codes of the organisations that a person is recused from."""
    return select(Recusal.credit_code).where(Recusal.person == principal.person)


def acts_for_recused(principal: Principal) -> ColumnElement[bool]:
    """Tell of an account whether it acts, or asked to act, for an organisation that a person is recused from."""
    recused = recused_codes(principal)
    return or_(Account.grants.any(Grant.org.in_(recused)), Account.registration.has(Registration.credit_code.in_(recused)))


def seen_by(principal: Principal) -> Select[Account]:
    """Select the accounts that this caller may see: the office all, the chair supervisors, an endorser its township's registrations.

    The people of an organisation that the caller is recused from are absent: who resets their password could read its dossier (2.4.5).
    """
    accounts = select(Account).where(~acts_for_recused(principal))
    if principal.has_duty("office"):
        return accounts
    if principal.has_duty("chair"):
        return accounts.where(Account.grants.any(Grant.role == "supervisor"))
    return accounts.where(Account.registration.has(Registration.township == (principal.body or "")))


def visible_account(transaction: Transaction, principal: Principal, account_id: UUID, *, lock: bool = False) -> Account:
    """Load an account; absent where this caller may not see it."""
    found = seen_by(principal).where(Account.id == account_id)
    account: Account | None = transaction.session.scalar(found.with_for_update(of=Account) if lock else found)
    if account is None:
        raise absent()
    return account


def revisit(transaction: Transaction, caller: Principal, answer: Mapping[str, Any]) -> None:
    """Raise the 404 of what never was where a stored answer is about an account that the caller may not see any more.

    An applicant, who sees none, is told again of the colleague whom they invited.
    """
    about = transaction.request.path_params.get("account_id") or answer.get("id") or answer.get("account")
    if about is not None and caller.role != "applicant":
        visible_account(transaction, caller, UUID(about))


def check_may_manage(principal: Principal, held: Collection[str]) -> None:
    """Leave supervisors' accounts to the chair, who invites nobody else; all others to the office."""
    if "supervisor" in held and not principal.has_duty("chair"):
        raise Problem(CHAIR_ALONE)
    if (not held or set(held) - {"supervisor"}) and not principal.has_duty("office"):
        raise Problem(OFFICE_ALONE)


def check_manageable(principal: Principal, account: Account) -> None:
    """Tell whether this caller manages this account."""
    check_may_manage(principal, {grant.role for grant in account.grants})


def check_other(principal: Principal, account: Account) -> None:
    """Refuse what nobody does to themselves: shut themselves out, or give themselves roles."""
    check_manageable(principal, account)
    if principal.person == str(account.id):
        raise Problem(OWN_ACCOUNT)


def check_verifiable(account: Account) -> None:
    """Refuse to verify somebody who didn't register, or twice."""
    if account.registration is None:
        raise absent()
    if account.registration.verified_at is not None:
        raise Problem(VERIFIED_ALREADY)


def actions(transaction: Transaction, principal: Principal, account: Account) -> dict[str, Action]:
    """Tell what this caller could do with the account."""
    href = f"/api/v1/accounts/{account.id}"
    offers: dict[str, Action] = {}
    if account.registration is not None and (principal.role == "endorser" or principal.has_duty("office")):
        offers["verify"] = offer(transaction, "POST", f"{href}/verification", lambda: check_verifiable(account))
    if principal.has_duty("office", "chair"):
        offers["edit"] = offer(transaction, "PATCH", href, lambda: check_manageable(principal, account))
        offers["sanction"] = offer(transaction, "POST", f"{href}/sanctions", lambda: check_other(principal, account))
        offers["new_link"] = offer(transaction, "POST", f"{href}/activation-links", lambda: check_manageable(principal, account))
    return offers


def answer(transaction: Transaction, principal: Principal, account: Account) -> AccountAnswer:
    """Show an account to this caller."""
    transaction.session.flush()
    transaction.version = account.version
    return AccountAnswer.model_validate(
        {name: getattr(account, name) for name in AccountAnswer.model_fields if name != "actions"}
        | {"actions": actions(transaction, principal, account)},
        from_attributes=True,
    )
