"""Outside issuers: an OpenID provider's word on who somebody is, exchanged at the door for a token of our own (RFC 8693)."""

from sqlalchemy.dialects.postgresql import insert

from gateway.account import add_account
from gateway.program import Gateway
from gateway.providers import Vouched
from gateway.sessions import (
    OUTSIDE_REFUSED,
    OUTSIDE_TOO_OLD,
    OUTSIDE_TOO_WEAK,
    Refused,
    TokenAnswer,
    TokenForm,
    begin,
    chosen_grant,
    revoke_all,
)
from gateway.settings import MappedRole
from gateway.tables import Account, Denial, Grant, OutsideIdentity
from kernel.database import new_id
from kernel.identity import BadToken, OutsideKeys
from kernel.problems import Problem
from kernel.requests import Transaction
from regulation.identifiers import check_credit_code
from regulation.refusal import Refusal

BODY_LENGTH = 64


async def vouched_for(gateway: Gateway, form: TokenForm) -> Vouched | None:
    """Try the issuer that the token names; None, logged and counted, where it isn't good."""
    try:
        provider = gateway.providers[OutsideKeys.issuer_of(form.subject_token)]
        return await provider.vouch(form.subject_token)
    except Problem:
        raise
    except Exception as error:  # noqa: BLE001 - as for tokens of our own: any exception is a refusal
        gateway.verifier.refusal(f"outside: {error}" if isinstance(error, BadToken) else f"outside: {type(error).__name__}")
        return None


def exchange(transaction: Transaction, form: TokenForm, vouched: Vouched | None) -> TokenAnswer | Refused:
    """Begin a sign-in for whom an outside issuer vouched, once for each of its tokens."""
    if vouched is None or not _is_first_use(transaction, vouched):
        return Refused(OUTSIDE_REFUSED)
    if not vouched.is_recent():
        return Refused(OUTSIDE_TOO_OLD, {"max_age": 60 * vouched.issuer.auth_minutes} if vouched.issuer.auth_minutes else {})
    account = _account_of(transaction, vouched)
    if account is None:
        return Refused(OUTSIDE_REFUSED)
    grant = chosen_grant(account, form.role or form.scope)
    if isinstance(grant, Refused):
        return grant
    gateway: Gateway = transaction.service
    if grant.role in gateway.settings.second_factor_roles and not vouched.has_second_factor:
        return Refused(OUTSIDE_TOO_WEAK, {"acr_values": sorted(vouched.issuer.second_factor_acr)})
    return begin(transaction, account, grant, former=form.refresh_token, vouched=vouched)


def _account_of(transaction: Transaction, vouched: Vouched) -> Account | None:
    """Give the active account of whom an issuer vouches for, with the roles that it has now; None where nobody may come in."""
    identity = transaction.session.get(OutsideIdentity, (vouched.issuer.issuer, vouched.subject))
    mapped = _mapped(vouched)
    if identity is None and not (vouched.issuer.provision and mapped):
        return None
    if identity is None:
        identity = _provision(transaction, vouched)
    account = transaction.session.get_one(Account, identity.account_id, with_for_update=True, populate_existing=True)
    if account.status != "active":
        return None
    if not identity.invited:
        _follow(transaction, account, mapped)
    return account


def _is_first_use(transaction: Transaction, vouched: Vouched) -> bool:
    used = insert(Denial).values(key=f"outside:{vouched.digest}", made_before=new_id(), expires_at=vouched.expires_at)
    return transaction.session.scalar(used.on_conflict_do_nothing().returning(Denial.key)) is not None


def _mapped(vouched: Vouched) -> list[Grant]:
    """Give the roles that the claims stand for; an applicant needs a credit code, an endorser a body."""
    issuer, claims = vouched.issuer, vouched.claims
    told = claims.get(issuer.role_claim)
    values = told if isinstance(told, list) else [told]
    wanted = {issuer.roles[value].role: issuer.roles[value] for value in values if isinstance(value, str) and value in issuer.roles}
    org, body = claims.get(issuer.org_claim), claims.get(issuer.body_claim)
    return [grant for role in wanted.values() if (grant := _grant(role, org, body)) is not None]


def _grant(mapped: MappedRole, org: object, body: object) -> Grant | None:
    if mapped.role == "applicant":
        return Grant(role="applicant", org=org) if isinstance(org, str) and _is_credit_code(org) else None
    if mapped.role == "endorser":
        return Grant(role="endorser", body=body) if isinstance(body, str) and 0 < len(body) <= BODY_LENGTH else None
    duties = list(mapped.duties) if mapped.role == "committee" else []
    return None if mapped.role == "committee" and not duties else Grant(role=mapped.role, duties=duties)


def _is_credit_code(text: str) -> bool:
    try:
        check_credit_code(text)
    except Refusal:
        return False
    return True


def _provision(transaction: Transaction, vouched: Vouched) -> OutsideIdentity:
    """Make an account for somebody whom nobody invited."""
    told = vouched.claims.get(vouched.issuer.name_claim)
    name = "".join(letter for letter in told if letter.isprintable())[:100] if isinstance(told, str) else ""
    account = add_account(transaction, kind="person", login=None, name=name or vouched.subject[:100], status="active")
    assert account is not None  # noqa: S101 - without a login none is taken
    identity = OutsideIdentity(issuer=vouched.issuer.issuer, subject=vouched.subject, account_id=account.id, invited=False)
    transaction.session.add(identity)
    transaction.session.flush()
    facts = {"issuer": vouched.issuer.issuer}
    transaction.record("account.provisioned", f"account:{account.id}", facts=facts, actor=str(account.id))
    return identity


def _follow(transaction: Transaction, account: Account, mapped: list[Grant]) -> None:
    """Give the roles that the claims stand for now, and no others; a change ends earlier sign-ins."""

    def content(grants: list[Grant]) -> list[tuple[object, ...]]:
        return sorted((grant.role, *sorted(grant.duties or []), grant.org or "", grant.body or "") for grant in grants)

    if content(account.grants) == content(mapped):
        return
    had = bool(account.grants)
    account.grants = []
    transaction.session.flush()
    for grant in mapped:
        grant.verified_at = transaction.now
    account.grants = mapped
    account.version += 1
    if had:
        revoke_all(transaction.session, account)
    facts = {"grants": [{"role": grant.role} for grant in mapped]}
    transaction.record("account.roles_changed", f"account:{account.id}", facts=facts, actor=str(account.id))
    transaction.session.flush()
