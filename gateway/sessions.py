"""Signing in and out: OAuth 2 access tokens for persons, machine clients and services (RFC 6749 errors, with a problem's members)."""

import hmac
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from secrets import token_urlsafe
from typing import Annotated, Any, Literal
from urllib.parse import unquote_plus
from uuid import UUID

from fastapi import Depends, Form, Header, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from gateway.account import Password, PasswordOrNone
from gateway.authentication import CODE_REQUIRED, CODE_WRONG, CREDENTIALS_WRONG, authenticate
from gateway.denylist import deny
from gateway.program import Gateway
from gateway.providers import Vouched
from gateway.secret import HashingTurn, secret_hash
from gateway.tables import Account, Family, Grant, Refresh
from kernel.clock import wall
from kernel.database import new_id
from kernel.identity import ACCESS_LIFETIME, LONGEST_OUTSIDE_TOKEN, Anyone, Role, SignedIn, service_audience
from kernel.logs import log
from kernel.problems import Kind, Problem, language_of, render, render_problem
from kernel.requests import InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer, Body, Line

routes = router("auth")

LONGEST_AGENT = 200
PASSWORD_EXPIRED = Kind(400, "password_expired", "密码已过期，请先修改", "The password has expired; change it first")
ENROLMENT_REQUIRED = Kind(
    400,
    "second_factor_enrolment_required",
    "该身份须先绑定动态验证码（POST /auth/second-factor）",
    "This role needs a second factor; enrol one first (POST /auth/second-factor)",
)
ROLE_REQUIRED = Kind(400, "role_required", "请选择登录身份", "Choose one of your roles to sign in with")
OUTSIDE_REFUSED = Kind(
    400, "outside_token_refused", "外部身份凭证无效、已使用或未获准入", "The outside token is wrong, used, or of nobody let in here"
)
OUTSIDE_TOO_OLD = Kind(
    400,
    "outside_sign_in_too_old",
    "在外部身份提供方的登录已过久或时间不明，请在那里重新登录",
    "The sign-in at the outside issuer is too long ago, or it doesn't say when; sign in there anew",
)
OUTSIDE_TOO_WEAK = Kind(
    400,
    "outside_second_factor_required",
    "该身份须在外部身份提供方以第二因素登录",
    "This role needs a sign-in with a second factor at the outside issuer",
)
REFRESH_INVALID = Kind(400, "refresh_token_invalid", "登录已失效，请重新登录", "The sign-in has ended; sign in again")
CLIENT_WRONG = Kind(401, "client_wrong", "客户端标识或密钥不正确", "The client id or the secret is wrong")
AUDIENCE_UNKNOWN = Kind(400, "audience_unknown", "没有这个受众", "There is no such audience")
SCOPE_NOT_HELD = Kind(400, "scope_not_held", "该客户端没有这个权限范围", "The client does not hold that scope")
GRANT_UNSUPPORTED = Kind(400, "grant_type_unsupported", "不支持的授权类型", "That grant type is not supported")

ERRORS: Mapping[Kind, str] = {
    CREDENTIALS_WRONG: "invalid_grant",
    CODE_REQUIRED: "invalid_grant",
    CODE_WRONG: "invalid_grant",
    ENROLMENT_REQUIRED: "invalid_grant",
    PASSWORD_EXPIRED: "invalid_grant",
    ROLE_REQUIRED: "invalid_request",
    OUTSIDE_REFUSED: "invalid_grant",
    OUTSIDE_TOO_OLD: "invalid_grant",
    OUTSIDE_TOO_WEAK: "invalid_grant",
    REFRESH_INVALID: "invalid_grant",
    CLIENT_WRONG: "invalid_client",
    AUDIENCE_UNKNOWN: "invalid_target",
    SCOPE_NOT_HELD: "invalid_scope",
    GRANT_UNSUPPORTED: "unsupported_grant_type",
}


class TokenForm(BaseModel):
    """The form of a token request; a person's role may also stand in `scope`, which every OAuth client can send.

    A sign-in ends the one that it takes the place of: whose access token comes as Authorization, or whose `refresh_token` comes here.
    """

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={"examples": [{"grant_type": "password", "username": "office", "password": "...", "role": "committee"}]},
    )

    grant_type: Annotated[str, Line(64)]
    username: Annotated[str, Line(64, 0)] = ""
    password: PasswordOrNone = ""
    code: Annotated[str, Line(16, 0)] = ""
    role: Role | None = None
    refresh_token: Annotated[str, Line(128, 0)] = ""
    subject_token: Annotated[str, Line(LONGEST_OUTSIDE_TOKEN, 0)] = ""
    client_id: Annotated[str, Line(64, 0)] = ""
    client_secret: Annotated[str, Line(128, 0)] = ""
    audience: Annotated[str, Line(64, 0)] = ""
    scope: Annotated[str, Line(128, 0)] = ""


class TokenAnswer(Answer):
    """An access token; for a person also what renews it, once, and the role it speaks for."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a kind
    expires_in: int
    refresh_token: str | None = None
    role: Role | None = None
    scope: str | None = None


class SignInForm(Body):
    """Login and password of a person, and in which of their roles they come; `refresh_token` is of the sign-in that this one ends."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"login": "li.zhuren", "password": "correct-Horse-7", "role": "committee"}]})

    login: Annotated[str, Line(64)]
    password: Password
    code: Annotated[str, Line(16, 0)] | None = None
    role: Role | None = None
    refresh_token: Annotated[str, Line(128, 0)] | None = None


@dataclass(frozen=True)
class Refused:
    """A token request's no; returned, not raised, so that a failure's count and a revocation are committed."""

    kind: Kind
    facts: Mapping[str, Any] = field(default_factory=dict)


def by_password_grant(transaction: Transaction, form: TokenForm) -> TokenAnswer | Refused:
    """Sign a person in by OAuth's password grant, where the setting lets it."""
    gateway: Gateway = transaction.service
    if not gateway.settings.password_grant:
        return Refused(GRANT_UNSUPPORTED)
    given: dict[str, Any] = {name: getattr(form, name) for name in ("password", "code", "refresh_token")}
    given |= {"login": form.username, "role": form.role or form.scope or None}
    return sign_in_person(transaction, SignInForm.model_construct(**given))


def sign_in_person(transaction: Transaction, form: SignInForm) -> TokenAnswer | Refused:
    """Begin a sign-in in one of the person's roles."""
    gateway: Gateway = transaction.service
    account = authenticate(gateway, transaction.session, form.login, form.password, form.code or "")
    if isinstance(account, Kind):
        return Refused(account)
    days = gateway.settings.password_days
    if days and account.password_set_at is not None and account.password_set_at + timedelta(days=days) < wall():
        return Refused(PASSWORD_EXPIRED)
    grant = chosen_grant(account, form.role)
    if isinstance(grant, Refused):
        return grant
    if grant.role in gateway.settings.second_factor_roles and account.factor_confirmed_at is None:
        return Refused(ENROLMENT_REQUIRED)
    return begin(transaction, account, grant, former=form.refresh_token or "")


def chosen_grant(account: Account, chosen: str | None) -> Grant | Refused:
    """Give the role that was asked for; the only one where none was."""
    held = {grant.role: grant for grant in account.grants}
    grant = held.get(chosen) if chosen else next(iter(held.values()), None)
    if grant is None or (not chosen and len(held) > 1):
        return Refused(ROLE_REQUIRED, {"roles": sorted(held)})
    return grant


def begin(transaction: Transaction, account: Account, grant: Grant, *, former: str, vouched: Vouched | None = None) -> TokenAnswer:
    """Begin a sign-in, by a password or by an outside issuer's word, in place of the one whose token came with it.

    What has expired of the account's others is forgotten.
    """
    gateway: Gateway = transaction.service
    _end_former(transaction, former)
    now, agent = wall(), transaction.request.headers.get("user-agent", "")
    latest = now + gateway.settings.sign_in_lifetime()
    transaction.session.execute(delete(Family).where(Family.account_id == account.id, Family.expires_at < now))
    family = Family(
        id=new_id(),
        account_id=account.id,
        role=grant.role,
        authenticated_at=vouched.authenticated_at if vouched else now,
        expires_at=min(latest, vouched.lasts_until) if vouched else latest,
        agent="".join(letter for letter in agent if letter.isprintable())[:LONGEST_AGENT] or None,
    )
    transaction.session.add(family)
    transaction.session.flush()
    return issue(transaction, family, grant)


def _end_former(transaction: Transaction, refresh_token: str) -> None:
    """End the sign-in, whosever it was, that this request came with."""
    session, actor = transaction.session, transaction.actor
    came_with = or_(Refresh.token_id == (actor.token_id if actor else ""), Refresh.secret_hash == secret_hash(refresh_token))
    for family in session.scalars(select(Family).where(Family.id.in_(select(Refresh.family_id).where(came_with))).with_for_update()):
        revoke(session, family)


def claims_of(grant: Grant) -> dict[str, object]:
    """Give what a token says of a role; an applicant's credit code once the person is verified."""
    org = grant.org if grant.verified_at is not None else None
    claims = {"role": grant.role, "duties": sorted(grant.duties) or None, "org": org, "body": grant.body}
    return {name: value for name, value in claims.items() if value is not None}


def issue(transaction: Transaction, family: Family, grant: Grant) -> TokenAnswer:
    """Sign an access token for a role as it is held now, with the refresh token that follows."""
    gateway: Gateway = transaction.service
    token_id, secret = str(new_id()), token_urlsafe(32)
    lifetime = min(ACCESS_LIFETIME, family.expires_at - wall())
    token = gateway.signer.sign(str(family.account_id), claims_of(grant), token_id=token_id, lifetime=lifetime)
    transaction.session.add(Refresh(secret_hash=secret_hash(secret), family_id=family.id, token_id=token_id, made_at=wall()))
    role: Role = grant.role  # type: ignore[assignment]  # grants hold roles alone
    return TokenAnswer(access_token=token, expires_in=int(lifetime.total_seconds()), refresh_token=secret, role=role)


def refresh(transaction: Transaction, form: TokenForm) -> TokenAnswer | Refused:
    """Renew a sign-in; a refresh token that comes a second time ends the sign-in."""
    session = transaction.session
    known = session.get(Refresh, secret_hash(form.refresh_token))
    if known is None:
        return Refused(REFRESH_INVALID)
    family = session.get_one(Family, known.family_id, with_for_update=True)
    session.refresh(known)
    if known.used_at is not None:
        log.warning("refresh token used again", extra={"fact": {"account": str(family.account_id)}})
        revoke(session, family)
    gateway: Gateway = transaction.service
    idle = timedelta(minutes=gateway.settings.idle_minutes)
    if family.revoked_at is not None or family.expires_at < wall() or (idle and known.made_at + idle < wall()):
        return Refused(REFRESH_INVALID)
    account = session.get_one(Account, family.account_id)
    grant = next((grant for grant in account.grants if grant.role == family.role), None)
    if grant is None or account.status != "active":
        return Refused(REFRESH_INVALID)
    known.used_at = wall()
    return issue(transaction, family, grant)


def revoke(session: Session, family: Family) -> None:
    """End a sign-in: no refresh, and no access token of it is good any more."""
    family.revoked_at = wall()
    live = select(Refresh.token_id).where(Refresh.family_id == family.id, Refresh.made_at > wall() - ACCESS_LIFETIME)
    for token_id in session.scalars(live):
        deny(session, token_id)


def revoke_all(session: Session, account: Account) -> None:
    """End every sign-in of an account, and every access token that it has."""
    session.execute(update(Family).where(Family.account_id == account.id, Family.revoked_at.is_(None)).values(revoked_at=wall()))
    deny(session, str(account.id))


def client_token(transaction: Transaction, form: TokenForm) -> TokenAnswer | Refused:
    """Give a token to a service (for the peer named by `audience`) or to a machine client (for its scopes)."""
    gateway: Gateway = transaction.service
    services: Mapping[str, str] = {name: secret for name, secret in gateway.settings.client_secrets().items()}  # noqa: C416 - widens the key's type
    lifetime = int(ACCESS_LIFETIME.total_seconds())
    if form.client_id in services:
        if not hmac.compare_digest(services[form.client_id].encode(), form.client_secret.encode()):
            return Refused(CLIENT_WRONG)
        if form.audience not in {service_audience(name) for name in services}:
            return Refused(AUDIENCE_UNKNOWN)
        token = gateway.signer.sign(form.client_id, {"scope": "service"}, audience=form.audience)
        return TokenAnswer(access_token=token, expires_in=lifetime, scope="service")
    client = _client(transaction.session, form.client_id)
    if client is None or not _is_secret(client, secret_hash(form.client_secret)):
        return Refused(CLIENT_WRONG)
    scopes = set(form.scope.split()) or set(client.scopes)
    if not scopes <= set(client.scopes):
        return Refused(SCOPE_NOT_HELD)
    scope = " ".join(sorted(scopes))
    return TokenAnswer(access_token=gateway.signer.sign(str(client.id), {"scope": scope}), expires_in=lifetime, scope=scope)


def _is_secret(client: Account, given: bytes) -> bool:
    """Compare with the secret, and until the overlap of a rotation ends with the former one."""
    former = client.former_secret_hash if client.former_secret_until is not None and client.former_secret_until > wall() else None
    return hmac.compare_digest(client.secret_hash or b"", given) | hmac.compare_digest(former or b"", given)


def _client(session: Session, client_id: str) -> Account | None:
    try:
        found = session.get(Account, UUID(client_id))
    except ValueError:
        return None
    return found if found is not None and found.kind == "client" and found.status == "active" else None


def token_form(
    form: Annotated[TokenForm, Form()], client: Annotated[str, Header(alias="quality-award-client", include_in_schema=False)] = ""
) -> TokenForm:
    """Read the form, and the client's credentials where they came as Basic (the door hands them over in a header of its own)."""
    try:
        name, _, secret = b64decode(client, validate=True).decode().partition(":")
    except ValueError:
        return form
    return form.model_copy(update={"client_id": unquote_plus(name), "client_secret": unquote_plus(secret)}) if name else form


FromForm = Annotated[TokenForm, Depends(token_form)]


def oauth_refusal(request: Request, refused: Refused) -> Response:
    """Say no as RFC 6749 wants it, and as a problem document as well."""
    kind = refused.kind
    parts = {
        "error": ERRORS[kind],
        "error_description": kind.en,
        "code": kind.code,
        "detail": kind.en if language_of(request) == "en" else kind.zh,
        **refused.facts,
    }
    return render(request, kind.status, {"cache-control": "no-store"}, parts)


@routes.post("/auth/sign-in", operation_id="sign_in", response_model=TokenAnswer, response_model_exclude_none=True)
def sign_in(
    request: Request, form: SignInForm, response: Response, _anyone: Anyone, _turn: HashingTurn, transaction: InTransaction
) -> TokenAnswer | Response:
    """Sign in at the authority's own front end; no OAuth grant. A sign-in whose token comes as Authorization, or by `refresh_token`, ends.

    Renew it at `/auth/token` by `refresh_token`.
    """
    outcome = sign_in_person(transaction, form)
    if isinstance(outcome, Refused):  # returned, not raised, so that a failure's count is committed
        return render_problem(request, Problem(outcome.kind, **outcome.facts))
    response.headers["cache-control"] = "no-store"
    return outcome


@routes.post("/auth/logout", operation_id="sign_out", status_code=204)
def sign_out(person: SignedIn, transaction: InTransaction) -> None:
    """End this sign-in: its access tokens and its refresh token are no longer good."""
    session = transaction.session
    deny(session, person.token_id)
    family_id = session.scalar(select(Refresh.family_id).where(Refresh.token_id == person.token_id))
    if family_id is not None:
        revoke(session, session.get_one(Family, family_id, with_for_update=True))
