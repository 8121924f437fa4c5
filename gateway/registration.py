"""Registration: an organisation's person comes by credit code, and acts for it once its township's body or the office has verified that."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from pydantic import ConfigDict
from sqlalchemy import and_, select, update
from sqlalchemy.dialects.postgresql import insert

from gateway.account import (
    LOGIN_TAKEN,
    AccountAnswer,
    Login,
    Password,
    add_account,
    answer,
    check_verifiable,
    recused_codes,
    visible_account,
)
from gateway.program import Gateway
from gateway.secret import HashingTurn, issue_link, set_password
from gateway.tables import Account, Arrival, Grant, Organisation, Recusal, Registration
from kernel.arrival import count_arrival
from kernel.identity import Anyone, Principal, roles
from kernel.problems import Kind, Problem, absent
from kernel.requests import DryRun, InTransaction, Transaction
from kernel.service import Task, router
from kernel.wire import Answer, Body, CreditCode, Id, Line, Name
from regulation.endorsement import townships
from regulation.identifiers import check_credit_code

routes = router("accounts")

CODE_TAKEN = Kind(409, "organisation_registered", "该统一社会信用代码已有经核实的用户", "Somebody is verified for this credit code already")
TOWNSHIP_UNKNOWN = Kind(422, "township_unknown", "注册地不在本区镇（街道）之列", "The township is none of the district's")

ColleagueInviter = Annotated[Principal, roles("applicant", "committee", duties=("office",))]
Verifier = Annotated[Principal, roles("endorser", "committee", duties=("office",))]


class RegistrationForm(Body):
    """An organisation and the person who acts for it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "credit_code": "91330703MA28E3QW5E",
                    "organisation": "金华某某机械有限公司",
                    "township": "330703101",
                    "login": "mou.jixie",
                    "password": "correct-Horse-7",
                    "name": "王某",
                }
            ]
        }
    )

    credit_code: CreditCode
    organisation: Name
    township: Annotated[str, Line(12)]
    login: Login
    password: Password
    name: Name


class ColleagueForm(Body):
    """One more person to act for an organisation."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"credit_code": "91330703MA28E3QW5E", "login": "mou.jixie.2", "name": "李某"}]}
    )

    credit_code: CreditCode
    login: Login
    name: Name


class Colleague(Answer):
    """A colleague's account, with the one-time secret that is shown this once."""

    account: UUID
    login: str
    credit_code: str
    activation: str | None
    expires_at: datetime


class Registered(Answer):
    """A registration that waits to be verified; the person may sign in meanwhile."""

    account: UUID
    login: str
    credit_code: str
    verified_at: datetime | None = None


def organisation_of(transaction: Transaction, credit_code: str) -> Organisation:
    """Lock a credit code's row, made at need: who holds the code is decided under this lock."""
    transaction.session.execute(insert(Organisation).values(credit_code=credit_code).on_conflict_do_nothing())
    return transaction.session.get_one(Organisation, credit_code, with_for_update=True)


def check_free(transaction: Transaction, organisation: Organisation) -> None:
    """Refuse a credit code for which somebody is verified, unless every such account was disabled."""
    acts = and_(Grant.role == "applicant", Grant.org == organisation.credit_code, Grant.verified_at.is_not(None))
    holder = select(Account.id).where(Account.status != "disabled", Account.grants.any(acts)).limit(1)
    if transaction.session.scalar(holder) is not None:
        raise Problem(CODE_TAKEN)


def register(transaction: Transaction, form: RegistrationForm) -> Registered:
    """Make the account, pending verification; it holds no credit code until then, so nobody squats one."""
    gateway: Gateway = transaction.service
    check_credit_code(form.credit_code)
    if form.township not in townships(gateway.settings.edition):
        raise Problem(TOWNSHIP_UNKNOWN)
    check_free(transaction, organisation_of(transaction, form.credit_code))
    account = add_account(transaction, kind="person", login=form.login, name=form.name, status="active")
    if account is None:
        raise Problem(LOGIN_TAKEN)
    set_password(gateway.settings, account, form.password)
    account.grants = [Grant(role="applicant", org=form.credit_code)]
    account.registration = Registration(
        credit_code=form.credit_code, organisation=form.organisation, township=form.township, created_at=transaction.now
    )
    transaction.record(
        "organisation.registered",
        f"account:{account.id}",
        clause="3.1",
        facts={"credit_code": form.credit_code, "township": form.township},
        actor=str(account.id),
    )
    return Registered(account=account.id, login=form.login, credit_code=form.credit_code)


def verify(transaction: Transaction, principal: Principal, account_id: UUID) -> Account:
    """Let a registered person act for the organisation, from the next token on; whoever did and was disabled is to be verified anew."""
    account = visible_account(transaction, principal, account_id, lock=True)
    check_verifiable(account)
    assert account.registration is not None  # noqa: S101 - checked above
    organisation = organisation_of(transaction, account.registration.credit_code)
    check_free(transaction, organisation)
    former = (Registration.credit_code == organisation.credit_code, Registration.account_id != account.id)
    transaction.session.execute(update(Registration).where(*former).values(verified_at=None, verified_by=None))
    transaction.session.execute(
        update(Grant)
        .where(Grant.role == "applicant", Grant.org == organisation.credit_code, Grant.account_id != account.id)
        .values(verified_at=None)
    )
    account.registration.verified_at, account.registration.verified_by = transaction.now, principal.person
    for grant in account.grants:
        if grant.role == "applicant":
            grant.verified_at = transaction.now
    account.version += 1
    transaction.record(
        "account.verified",
        f"account:{account.id}",
        clause="3.1",
        facts={"credit_code": organisation.credit_code, "person": str(account.id)},
    )
    return account


def invite_colleague(transaction: Transaction, inviter: Principal, form: ColleagueForm) -> Colleague:
    """Let one more person act for an organisation: at the word of one who does already, or of the office; nobody joins alone.

    Clause 3.1.
    """
    recused = recused_codes(inviter).where(Recusal.credit_code == form.credit_code)
    if (inviter.role == "applicant" and inviter.org != form.credit_code) or transaction.session.scalar(recused) is not None:
        raise absent()
    check_credit_code(form.credit_code)
    organisation_of(transaction, form.credit_code)
    account = add_account(transaction, kind="person", login=form.login, name=form.name, status="pending")
    if account is None:
        raise Problem(LOGIN_TAKEN)
    account.grants = [Grant(role="applicant", org=form.credit_code, verified_at=transaction.now)]
    gateway: Gateway = transaction.service
    secret, expires_at = issue_link(transaction.session, account, "activation", gateway.settings.activation_lifetime())
    transaction.secrets = ("activation",)
    facts = {"credit_code": form.credit_code, "person": str(account.id)}
    transaction.record("account.colleague_invited", f"account:{account.id}", clause="3.1", facts=facts)
    return Colleague(account=account.id, login=form.login, credit_code=form.credit_code, activation=secret, expires_at=expires_at)


def registrations_to_verify(transaction: Transaction, principal: Principal) -> list[Task]:
    """List what waits for this endorser or the office."""
    if principal.role != "endorser" and not principal.has_duty("office"):
        return []
    unseen = Registration.credit_code.in_(recused_codes(principal))
    waiting = select(Registration).where(Registration.verified_at.is_(None), ~unseen)
    waiting = waiting.order_by(Registration.created_at).limit(100)
    if principal.role == "endorser":
        waiting = waiting.where(Registration.township == (principal.body or ""))
    return [
        Task(
            key=f"verify_registration:{one.account_id}",
            title=transaction.say(f"核实注册用户：{one.organisation}", f"Verify who registered for {one.organisation}"),
            href=f"/api/v1/accounts/{one.account_id}",
            clause="3.1",
        )
        for one in transaction.session.scalars(waiting)
    ]


def _count_try(request: Request) -> None:
    """Count the try by itself, before anything is asked: what is refused tells that a login or a credit code is taken."""
    gateway: Gateway = request.app.state.service
    with gateway.sessions.begin() as session:
        count_arrival(session, request, Arrival, gateway.settings.registrations_per_hour)


Counted = Annotated[None, Depends(_count_try)]


@routes.post("/auth/registrations", operation_id="register_organisation", status_code=201)
def register_organisation(
    form: RegistrationForm, _anyone: Anyone, _counted: Counted, _turn: HashingTurn, transaction: InTransaction
) -> Registered:
    """Register an organisation's person by credit code (3.1); one address tries so many times an hour."""
    return register(transaction, form)


@routes.post("/accounts/colleagues", operation_id="invite_colleague", status_code=201)
def post_colleague(form: ColleagueForm, inviter: ColleagueInviter, transaction: InTransaction) -> Colleague:
    """Invite one more person to act for one's own organisation; the office invites for any (3.1)."""
    return invite_colleague(transaction, inviter, form)


@routes.post("/accounts/{account_id}/verification", operation_id="verify_account")
def verify_account(account_id: Id, verifier: Verifier, transaction: InTransaction, _dry_run: DryRun) -> AccountAnswer:
    """Confirm that a registered person acts for the organisation: its township's body, or the office (3.1)."""
    return answer(transaction, verifier, verify(transaction, verifier, account_id))
