"""Who may come in: the office invites officials, reviewers, endorsers and machines, the chair invites the supervision group."""

from datetime import datetime, timedelta
from secrets import token_urlsafe
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from gateway.account import (
    LOGIN_TAKEN,
    AccountAnswer,
    Login,
    SanctionAnswer,
    Status,
    add_account,
    answer,
    check_manageable,
    check_may_manage,
    check_other,
    seen_by,
    visible_account,
)
from gateway.program import Gateway
from gateway.secret import issue_link, secret_hash
from gateway.sessions import revoke_all
from gateway.tables import Account, Activation, Grant, OutsideIdentity, Preference, Registration, Sanction
from kernel.clock import wall
from kernel.database import new_id
from kernel.identity import Duty, Principal, roles
from kernel.problems import Kind, Problem, absent
from kernel.requests import Cursor, DryRun, IfMatch, InTransaction, Limit, Transaction, check_version, paginate
from kernel.service import router
from kernel.wire import Answer, Body, Id, Line, Name, Page, Reason

routes = router("accounts")

ISSUER_UNKNOWN = Kind(422, "issuer_unknown", "没有配置这个身份提供方", "That outside issuer is not among the settings")
IDENTITY_TAKEN = Kind(409, "identity_taken", "该外部身份已有账户", "That outside identity has an account already")
LONGEST_OVERLAP_HOURS = 30 * 24
PEERS = ("intake", "scoring", "workflow")

Inviter = Annotated[Principal, roles("committee", duties=("office", "chair"))]
Onlooker = Annotated[Principal, roles("endorser", "committee", duties=("office", "chair"))]
BodyCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class GrantForm(Body):
    """A role to hold: the committee's with its duties, an endorser's with its body."""

    role: Literal["endorser", "reviewer", "committee", "supervisor"]
    duties: Annotated[list[Duty], Field(max_length=4, default_factory=list)]
    body: BodyCode | None = None

    @model_validator(mode="after")
    def _check(self) -> "GrantForm":
        if bool(self.duties) != (self.role == "committee") or len(set(self.duties)) != len(self.duties):
            raise ValueError("the committee's role, and no other, has duties, each once")
        if (self.body is not None) != (self.role == "endorser"):
            raise ValueError("an endorser, and nobody else, has a body")
        return self


Grants = Annotated[list[GrantForm], Field(min_length=1, max_length=4)]


def _each_role_once(grants: list[GrantForm] | None) -> None:
    if grants is not None and len({grant.role for grant in grants}) != len(grants):
        raise ValueError("each role once")


class OutsidePerson(Body):
    """A person as an outside issuer knows them."""

    issuer: Annotated[str, Line(200)]
    subject: Annotated[str, Line(255)]


class PersonInvitation(Body):
    """A person to invite."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"kind": "person", "login": "li.zhuren", "name": "李某", "grants": [{"role": "committee", "duties": ["chair"]}]}]
        }
    )

    kind: Literal["person"]
    login: Login
    name: Name
    grants: Grants
    outside: OutsidePerson | None = None
    """Who they are to an outside issuer: then they sign in there, and need no password here."""

    @model_validator(mode="after")
    def _check(self) -> "PersonInvitation":
        _each_role_once(self.grants)
        return self


class ClientInvitation(Body):
    """A machine client to admit; it proves itself by tokens (OAuth), or signs each request with its secret (HMAC)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "client", "name": "区公共数据平台", "scopes": ["results:read"]}]})

    kind: Literal["client"]
    name: Name
    scopes: Annotated[list[Literal["results:read"]], Field(min_length=1, max_length=1)]
    proves_itself_by: Literal["token", "signature"] = "token"


Invitation = Annotated[PersonInvitation | ClientInvitation, Field(discriminator="kind")]


class Invited(AccountAnswer):
    """The account, with the secret that is shown this once: a person's for activation, or a machine's (its id is the client id)."""

    activation: str | None = None
    expires_at: datetime | None = None
    client_secret: str | None = None


class AccountEdit(Body):
    """What to change; roles are given whole, an applicant's is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "disabled"}]})

    name: Name | None = None
    status: Literal["active", "disabled"] | None = None
    grants: Grants | None = None

    @model_validator(mode="after")
    def _check(self) -> "AccountEdit":
        _each_role_once(self.grants)
        return self


class SanctionForm(Body):
    """A sanction; disqualification also ends the account's access at once, and every service hears of it (7.6)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "warning", "reason": "向申报组织透露评审进度"}]})

    kind: Literal["criticism", "warning", "disqualification"]
    reason: Reason


class LinkForm(Body):
    """Why a one-time link is issued: the first password, or a new one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"purpose": "reset"}]})

    purpose: Literal["activation", "reset"]


class Link(Answer):
    """A one-time secret, shown this once."""

    account: UUID
    purpose: Literal["activation", "reset"]
    activation: str
    expires_at: datetime


class RotationForm(Body):
    """For how long the former secret stays good beside the new one; 0 after a leak, which also ends its tokens."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_hours": 24}]})

    overlap_hours: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP_HOURS)] = 24


class ClientSecret(Answer):
    """A machine client's new secret, shown this once, and until when the former one is good."""

    account: UUID
    client_secret: str | None
    former_until: datetime


def _facts(grants: list[GrantForm]) -> list[dict[str, object]]:
    return [grant.model_dump(exclude_none=True, exclude_defaults=True) for grant in grants]


def invite(transaction: Transaction, principal: Principal, invitation: PersonInvitation) -> Invited:
    """Make a person's account, and the one-time secret that activates it."""
    check_may_manage(principal, {grant.role for grant in invitation.grants})
    account = add_account(transaction, kind="person", login=invitation.login, name=invitation.name, status="pending")
    if account is None:
        raise Problem(LOGIN_TAKEN)
    account.grants = [Grant(**grant.model_dump(), verified_at=transaction.now) for grant in invitation.grants]
    if invitation.outside is not None:
        return _link(transaction, principal, account, invitation, invitation.outside)
    gateway: Gateway = transaction.service
    secret, expires_at = issue_link(transaction.session, account, "activation", gateway.settings.activation_lifetime())
    transaction.secrets = ("activation",)
    transaction.record("account.invited", f"account:{account.id}", facts={"grants": _facts(invitation.grants)})
    shown = answer(transaction, principal, account)
    return Invited(**shown.model_dump(), activation=secret, expires_at=expires_at)


def _link(
    transaction: Transaction, principal: Principal, account: Account, invitation: PersonInvitation, outside: OutsidePerson
) -> Invited:
    """Let an invited person come in by an outside issuer's word alone."""
    if outside.issuer not in transaction.service.providers:
        raise Problem(ISSUER_UNKNOWN)
    known = insert(OutsideIdentity).values(**outside.model_dump(), account_id=account.id, invited=True).on_conflict_do_nothing()
    if transaction.session.scalar(known.returning(OutsideIdentity.account_id)) is None:
        raise Problem(IDENTITY_TAKEN)
    account.status = "active"
    facts = {"grants": _facts(invitation.grants), "issuer": outside.issuer}
    transaction.record("account.invited", f"account:{account.id}", facts=facts)
    return Invited(**answer(transaction, principal, account).model_dump())


def admit_client(transaction: Transaction, principal: Principal, invitation: ClientInvitation) -> Invited:
    """Make a machine client, and its secret."""
    check_may_manage(principal, ())
    account = add_account(transaction, kind="client", login=None, name=invitation.name, status="active")
    assert account is not None  # noqa: S101 - a client has no login that could be taken
    secret = token_urlsafe(32)
    account.scopes = list(invitation.scopes)
    if invitation.proves_itself_by == "token":
        account.secret_hash = secret_hash(secret)
    else:
        gateway: Gateway = transaction.service
        account.signing_sealed = gateway.seal.close(secret.encode(), str(account.id))
    transaction.secrets = ("client_secret",)
    transaction.record("client.admitted", f"account:{account.id}", facts={"scopes": account.scopes, "by": invitation.proves_itself_by})
    return Invited(**answer(transaction, principal, account).model_dump(), client_secret=secret)


def disable(transaction: Transaction, account: Account) -> None:
    """End an account's access at once, its unused links and its mail address too; every service hears of it."""
    account.status = "disabled"
    forgotten = {"address": None, "confirmed_at": None, "mode": "off", "version": Preference.version + 1}
    transaction.session.execute(update(Preference).where(Preference.account_id == account.id).values(forgotten))
    transaction.session.execute(delete(Activation).where(Activation.account_id == account.id, Activation.used_at.is_(None)))
    revoke_all(transaction.session, account)
    transaction.record("account.disabled", f"account:{account.id}", facts={"person": str(account.id)}, tell=PEERS)


def enable(transaction: Transaction, account: Account) -> None:
    """Let a disabled account in again."""
    outside = select(OutsideIdentity.subject).where(OutsideIdentity.account_id == account.id).limit(1)
    comes_in = account.password_hash or account.kind == "client" or transaction.session.scalar(outside) is not None
    account.status = "active" if comes_in else "pending"
    transaction.record("account.enabled", f"account:{account.id}", facts={"person": str(account.id)})


def edit(transaction: Transaction, principal: Principal, account: Account, change: AccountEdit) -> None:
    """Change an account's name, roles or status."""
    check_manageable(principal, account)
    if change.grants is not None:
        check_other(principal, account)
        check_may_manage(principal, {grant.role for grant in change.grants})
        kept = [grant for grant in account.grants if grant.role == "applicant"]
        account.grants = kept
        transaction.session.flush()
        account.grants = kept + [Grant(**grant.model_dump(), verified_at=transaction.now) for grant in change.grants]
        revoke_all(transaction.session, account)
        transaction.record("account.roles_changed", f"account:{account.id}", facts={"grants": _facts(change.grants)})
    if change.name is not None:
        account.name = change.name
        transaction.record("account.renamed", f"account:{account.id}")
    if change.status == "disabled" and account.status != "disabled":
        check_other(principal, account)
        disable(transaction, account)
    elif change.status == "active" and account.status == "disabled":
        enable(transaction, account)
    account.version += 1


def sanction(transaction: Transaction, principal: Principal, account: Account, form: SanctionForm) -> Sanction:
    """Hold a person's misconduct against the account (7.6)."""
    check_other(principal, account)
    imposed = Sanction(
        id=new_id(), kind=form.kind, clause="7.6", reason=form.reason, imposed_at=transaction.now, imposed_by=principal.person
    )
    account.sanctions.append(imposed)
    account.version += 1
    transaction.record(
        "account.sanctioned",
        f"account:{account.id}",
        clause="7.6",
        facts={"kind": form.kind, "reason": form.reason, "person": str(account.id)},
        tell=PEERS if form.kind == "disqualification" else (),
    )
    if form.kind == "disqualification" and account.status != "disabled":
        disable(transaction, account)
    return imposed


@routes.post("/accounts", operation_id="invite_account", status_code=201)
def invite_account(invitation: Invitation, inviter: Inviter, transaction: InTransaction) -> Invited:
    """Invite a person by a one-time secret, or admit a machine client; supervisors are the chair's to invite (7.1)."""
    if isinstance(invitation, ClientInvitation):
        return admit_client(transaction, inviter, invitation)
    return invite(transaction, inviter, invitation)


@routes.get("/accounts", operation_id="list_accounts")
def list_accounts(
    onlooker: Onlooker,
    transaction: InTransaction,
    limit: Limit = 50,
    cursor: Cursor = None,
    status: Status | None = None,
    role: str | None = None,
    unverified: bool | None = None,  # noqa: FBT001 - a query parameter
) -> Page[AccountAnswer]:
    """List accounts, oldest first: the office all, the chair the supervisors, an endorser its township's registrations."""
    found = seen_by(onlooker)
    if status is not None:
        found = found.where(Account.status == status)
    if role is not None:
        found = found.where(Account.grants.any(Grant.role == role))
    if unverified is not None:
        found = found.where(
            Account.registration.has(Registration.verified_at.is_(None) if unverified else Registration.verified_at.is_not(None))
        )
    accounts, following = paginate(transaction.session, found, Account.id, cursor, limit)
    page = Page[AccountAnswer](items=[answer(transaction, onlooker, account) for account in accounts], next_cursor=following)
    transaction.version = None
    return page


@routes.get("/accounts/{account_id}", operation_id="get_account")
def get_account(account_id: Id, onlooker: Onlooker, transaction: InTransaction) -> AccountAnswer:
    """Read an account."""
    return answer(transaction, onlooker, visible_account(transaction, onlooker, account_id))


@routes.patch("/accounts/{account_id}", operation_id="edit_account")
def edit_account(account_id: Id, change: AccountEdit, inviter: Inviter, transaction: InTransaction, version: IfMatch) -> AccountAnswer:
    """Rename, give other roles, disable or enable; who is disabled is out at once, from every service."""
    account = visible_account(transaction, inviter, account_id, lock=True)
    check_version(version, account.version)
    edit(transaction, inviter, account, change)
    return answer(transaction, inviter, account)


@routes.post("/accounts/{account_id}/sanctions", operation_id="sanction_account", status_code=201)
def sanction_account(account_id: Id, form: SanctionForm, inviter: Inviter, transaction: InTransaction, _dry_run: DryRun) -> SanctionAnswer:
    """Criticise, warn or disqualify (7.6)."""
    account = visible_account(transaction, inviter, account_id, lock=True)
    imposed = sanction(transaction, inviter, account, form)
    transaction.session.flush()
    return SanctionAnswer.model_validate(imposed)


@routes.post("/accounts/{account_id}/activation-links", operation_id="issue_activation_link", status_code=201)
def issue_activation_link(account_id: Id, form: LinkForm, inviter: Inviter, transaction: InTransaction) -> Link:
    """Issue a one-time secret for a first or a new password; earlier unused ones end."""
    account = visible_account(transaction, inviter, account_id, lock=True)
    check_manageable(inviter, account)
    gateway: Gateway = transaction.service
    secret, expires_at = issue_link(transaction.session, account, form.purpose, gateway.settings.activation_lifetime())
    transaction.secrets = ("activation",)
    transaction.record("account.link_issued", f"account:{account.id}", facts={"purpose": form.purpose})
    return Link(account=account.id, purpose=form.purpose, activation=secret, expires_at=expires_at)


@routes.post("/accounts/{account_id}/secrets", operation_id="rotate_client_secret", status_code=201)
def rotate_client_secret(account_id: Id, form: RotationForm, inviter: Inviter, transaction: InTransaction) -> ClientSecret:
    """Give a machine client a new secret; the former one stays good for the overlap, an earlier one ends."""
    account = visible_account(transaction, inviter, account_id, lock=True)
    check_manageable(inviter, account)
    if account.kind != "client":
        raise absent()
    secret, until = token_urlsafe(32), wall() + timedelta(hours=form.overlap_hours)
    account.former_secret_hash, account.former_signing_sealed = account.secret_hash, account.signing_sealed
    account.former_secret_until = until
    if account.signing_sealed is None:
        account.secret_hash = secret_hash(secret)
    else:
        gateway: Gateway = transaction.service
        account.signing_sealed = gateway.seal.close(secret.encode(), str(account.id))
    account.version += 1
    if form.overlap_hours == 0:
        revoke_all(transaction.session, account)
    transaction.secrets = ("client_secret",)
    transaction.record("client.secret_rotated", f"account:{account.id}", facts={"overlap_hours": form.overlap_hours})
    return ClientSecret(account=account.id, client_secret=secret, former_until=until)
