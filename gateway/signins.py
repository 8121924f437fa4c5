"""Sign-ins under way: listed, and ended one by one, by the person or by whoever manages the account."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select

from gateway.account import check_manageable, visible_account
from gateway.accounts import Inviter
from gateway.me import account_id_of
from gateway.program import Gateway
from gateway.sessions import revoke
from gateway.tables import Family, Refresh
from kernel.clock import wall
from kernel.identity import Role, SignedIn
from kernel.problems import Kind, Problem, absent
from kernel.requests import InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer, Id

routes = router("me")


SIGN_IN_ANEW = Kind(
    401,
    "sign_in_anew",
    "结束其他登录须在登录后 {minutes} 分钟内进行，请重新登录",
    "Other sign-ins are ended within {minutes} minutes of signing in; sign in anew",
)


class SignIn(Answer):
    """A sign-in that has not ended: in which role, since when, renewed when, and what the program called itself."""

    id: UUID
    role: Role
    began_at: datetime
    renewed_at: datetime
    expires_at: datetime
    agent: str | None
    current: bool


class SignIns(Answer):
    """Every sign-in under way, the newest first."""

    items: list[SignIn]


def under_way(transaction: Transaction, account_id: UUID) -> SignIns:
    """List an account's sign-ins; which of them this request came with is `current`."""
    renewed = select(func.max(Refresh.made_at)).where(Refresh.family_id == Family.id).scalar_subquery()
    found = select(Family, renewed).where(Family.account_id == account_id, Family.revoked_at.is_(None), Family.expires_at > wall())
    current = _current(transaction)
    rows = transaction.session.execute(found.order_by(Family.id.desc())).all()
    return SignIns(items=[_shown(family, at, current=family is current) for family, at in rows])


def _current(transaction: Transaction) -> Family | None:
    token_id = transaction.actor.token_id if transaction.actor else ""
    family_id = select(Refresh.family_id).where(Refresh.token_id == token_id).scalar_subquery()
    return transaction.session.scalar(select(Family).where(Family.id == family_id))


def check_fresh(transaction: Transaction, current: Family | None) -> None:
    """Refuse, as RFC 9470 has it, whoever proved who they are too long ago to end another sign-in than the one this request came with."""
    gateway: Gateway = transaction.service
    proved_at = current.authenticated_at if current else None
    minutes = gateway.settings.fresh_minutes
    if proved_at is None or proved_at + timedelta(minutes=minutes) < wall():
        asked = f'Bearer error="insufficient_user_authentication", max_age="{60 * minutes}"'
        raise Problem(SIGN_IN_ANEW, headers={"WWW-Authenticate": asked}, minutes=minutes)


def _shown(family: Family, renewed_at: datetime, *, current: bool) -> SignIn:
    began_at = datetime.fromtimestamp((family.id.int >> 80) / 1000, UTC)  # a UUIDv7 tells when it was made
    named = {name: getattr(family, name) for name in ("id", "role", "expires_at", "agent")}
    return SignIn(**named, began_at=began_at, renewed_at=renewed_at, current=current)


def _under_way(transaction: Transaction, account_id: UUID, family_id: UUID) -> Family:
    wanted = select(Family).where(Family.id == family_id, Family.account_id == account_id, Family.revoked_at.is_(None))
    family: Family | None = transaction.session.scalar(wanted.with_for_update())
    if family is None:
        raise absent()
    return family


def end(transaction: Transaction, family: Family) -> None:
    """End one sign-in of an account."""
    revoke(transaction.session, family)
    transaction.record("account.sign_in_ended", f"account:{family.account_id}", facts={"sign_in": str(family.id)})


@routes.get("/me/sessions", operation_id="list_my_sessions")
def list_my_sessions(person: SignedIn, transaction: InTransaction) -> SignIns:
    """List your sign-ins under way."""
    return under_way(transaction, account_id_of(person))


@routes.delete("/me/sessions/{session_id}", operation_id="end_my_session", status_code=204)
def end_my_session(session_id: Id, person: SignedIn, transaction: InTransaction) -> None:
    """End one of your sign-ins at once: its access tokens and its refresh token are no longer good.

    Another than the one of this request is ended within a few minutes of signing in; later sign in anew for it (`sign_in_anew`).
    """
    family, current = _under_way(transaction, account_id_of(person), session_id), _current(transaction)
    if family is not current:
        check_fresh(transaction, current)
    end(transaction, family)


@routes.get("/accounts/{account_id}/sessions", operation_id="list_sessions")
def list_sessions(account_id: Id, inviter: Inviter, transaction: InTransaction) -> SignIns:
    """List the sign-ins of an account that you manage."""
    account = visible_account(transaction, inviter, account_id)
    check_manageable(inviter, account)
    return under_way(transaction, account.id)


@routes.delete("/accounts/{account_id}/sessions/{session_id}", operation_id="end_session", status_code=204)
def end_session(account_id: Id, session_id: Id, inviter: Inviter, transaction: InTransaction) -> None:
    """End a sign-in of an account that you manage."""
    account = visible_account(transaction, inviter, account_id)
    check_manageable(inviter, account)
    end(transaction, _under_way(transaction, account.id, session_id))
