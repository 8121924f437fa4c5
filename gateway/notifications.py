"""How a person is told by mail what is new: preferences, the confirmation of an address, a new password, and what became of mails."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import AfterValidator, ConfigDict, Field
from sqlalchemy import and_, select, update

from gateway.account import Login, PasswordOrNone
from gateway.authentication import authenticate, count_stray
from gateway.letters import Purpose
from gateway.me import account_id_of
from gateway.outbox import OVERLAP, ask_for, is_unclear
from gateway.program import Gateway
from gateway.secret import HashingTurn, secret_hash
from gateway.tables import Account, Mail, Notice, Preference
from kernel.clock import wall
from kernel.identity import Anyone, Office, SignedIn
from kernel.problems import Kind, Problem, absent, render_problem
from kernel.requests import Cursor, IfMatch, InTransaction, Limit, Transaction, check_version, paginate
from kernel.service import router
from kernel.wire import Answer, Body, Line, Page
from regulation.refusal import Language

routes = router("me")

Mode = Literal["at_once", "digest", "off"]
State = Literal["sent", "refused", "unclear"]

ADDRESS_SHAPE = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")
ASKED_AGAIN_AFTER = timedelta(minutes=15)
NO_MAIL = Kind(409, "mail_not_set_up", "系统未配置邮件服务", "No mail server is set up")
NO_ADDRESS = Kind(422, "mail_address_missing", "请先填写邮箱地址", "Give an address first")
CODE_INVALID = Kind(400, "confirmation_code_invalid", "确认码无效或已过期", "The code is wrong or expired")


def _address(text: str) -> str:
    if not ADDRESS_SHAPE.fullmatch(text):
        raise ValueError("a mail address is required")
    return text


class Preferences(Answer):
    """How you are told; `available` is false where no mail server is set up. Nothing but a code goes to an unconfirmed address."""

    available: bool
    address: str | None
    confirmed_at: datetime | None
    mode: Mode
    language: Language
    hour: int
    last_failure: str | None


class PreferencesForm(Body):
    """How to be told: at once, once a day from `hour` on (UTC+8), or not; another address takes the password, where you have one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"address": "wang@example.com", "mode": "digest", "language": "zh", "hour": 8, "password": "correct-Horse-7"}]
        }
    )

    address: Annotated[str, Line(254), AfterValidator(_address)] | None
    mode: Mode
    language: Language = "zh"
    hour: Annotated[int, Field(ge=0, le=23)] = 8
    password: PasswordOrNone = ""
    code: Annotated[str, Line(16, 0)] = ""
    """Of your second factor, where one is enrolled."""


class ConfirmationCode(Body):
    """The code that came by mail."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "the-code-of-the-mail"}]})

    code: Annotated[str, Line(128)]


class ForgottenPassword(Body):
    """Whose password to reset."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"login": "li.zhuren"}]})

    login: Login


class MailAnswer(Answer):
    """A mail that was begun; one that is `unclear` may have arrived or not, and is never begun again."""

    id: UUID
    account_id: UUID
    purpose: Purpose
    begun_at: datetime
    sent_at: datetime | None
    failure: str | None


def shown(transaction: Transaction, preference: Preference | None) -> Preferences:
    """Show a person's preferences, or what holds as long as there are none."""
    gateway: Gateway = transaction.service
    transaction.version = preference.version if preference else 0
    found = preference or Preference(mode="off", language="zh", hour=8)
    named = {name: getattr(found, name) for name in Preferences.model_fields if name != "available"}
    return Preferences(available=bool(gateway.settings.smtp_host), **named)


def _locked(transaction: Transaction, account_id: UUID) -> tuple[Account, Preference | None]:
    """Load an account and lock its preferences, which the sender locks first, too."""
    preference = transaction.session.get(Preference, account_id, with_for_update=True)
    account = transaction.session.get(Account, account_id)
    if account is None:
        raise absent()
    return account, preference


def prefer(transaction: Transaction, account: Account, known: Preference | None, form: PreferencesForm) -> Preference:
    """Keep how a person wants to be told; another address is to be confirmed, and what was decided before is not told."""
    gateway: Gateway = transaction.service
    if (form.address is not None or form.mode != "off") and not gateway.settings.smtp_host:
        raise Problem(NO_MAIL)
    if form.mode != "off" and form.address is None:
        raise Problem(NO_ADDRESS)
    preference = known or Preference(account_id=account.id, mode="off", version=0, failures=0)
    transaction.session.add(preference)
    if preference.mode == "off":
        preference.decided_since = wall() + OVERLAP
    is_other = preference.address != form.address
    if is_other:
        preference.address, preference.confirmed_at, preference.code_hash, preference.retry_at = form.address, None, None, None
    preference.mode, preference.language, preference.hour = form.mode, form.language, form.hour
    preference.version += 1
    transaction.session.flush()
    if form.address is not None and (is_other or _has_lapsed(preference)):
        _end(transaction, account, "confirmation")
        ask_for(transaction.session, account, "confirmation")
    facts = {"mode": form.mode, "language": form.language, "hour": form.hour, "another_address": is_other}
    transaction.record("account.notifications_set", f"account:{account.id}", facts=facts)
    return preference


def _has_lapsed(preference: Preference) -> bool:
    return preference.confirmed_at is None and preference.code_until is not None and preference.code_until < wall()


def _end(transaction: Transaction, account: Account, purpose: Purpose, before: datetime | None = None) -> None:
    """End what was asked for earlier, so that it may be asked for anew."""
    open_ones = (Notice.account_id == account.id, Notice.fact == purpose, Notice.ended_at.is_(None))
    sent = () if before is None else (Notice.mail_id.is_not(None), Notice.since < before)
    transaction.session.execute(update(Notice).where(*open_ones, *sent).values(ended_at=wall()))


def forget_password(transaction: Transaction, login: str) -> None:
    """Queue a one-time link to a confirmed address, once in a quarter of an hour; as much is written for whoever has none."""
    gateway: Gateway = transaction.service
    reached = and_(Account.status == "active", Account.password_hash.is_not(None), Preference.confirmed_at.is_not(None))
    found = select(Account).join(Preference, Preference.account_id == Account.id).where(Account.login == login, reached)
    account = transaction.session.scalar(found) if gateway.settings.smtp_host else None
    if account is None:
        count_stray(transaction.session, login)
        return
    _end(transaction, account, "reset", wall() - ASKED_AGAIN_AFTER)
    ask_for(transaction.session, account, "reset")


@routes.get("/me/notifications", operation_id="get_my_notifications")
def get_my_notifications(person: SignedIn, transaction: InTransaction) -> Preferences:
    """Read how you are told of tasks, deadlines and decisions."""
    return shown(transaction, transaction.session.get(Preference, account_id_of(person)))


@routes.put("/me/notifications", operation_id="set_my_notifications", response_model=Preferences)
def set_my_notifications(
    request: Request, form: PreferencesForm, person: SignedIn, _turn: HashingTurn, transaction: InTransaction, version: IfMatch
) -> Preferences | Response:
    """Set how you are told: by mail at once, by a digest once a day, or not at all; a new address gets a code to confirm it."""
    account, known = _locked(transaction, account_id_of(person))
    check_version(version, known.version if known else 0)
    if account.password_hash is not None and form.address != (known.address if known else None):
        judged = authenticate(transaction.service, transaction.session, account.login or "", form.password, form.code)
        if isinstance(judged, Kind):  # returned, not raised, so that the failure's count is committed
            return render_problem(request, Problem(judged))
    return shown(transaction, prefer(transaction, account, known, form))


@routes.post("/me/notifications/confirmation", operation_id="confirm_my_address")
def confirm_my_address(form: ConfirmationCode, person: SignedIn, transaction: InTransaction) -> Preferences:
    """Confirm the address by the code that was sent there."""
    account, known = _locked(transaction, account_id_of(person))
    if known is None or known.code_until is None or known.code_hash != secret_hash(form.code) or known.code_until < wall():
        raise Problem(CODE_INVALID)
    known.confirmed_at, known.code_hash, known.looked_at = wall(), None, None
    known.version += 1
    _end(transaction, account, "confirmation")
    transaction.record("account.address_confirmed", f"account:{account.id}")
    return shown(transaction, known)


@routes.post("/auth/password-reset-requests", operation_id="request_password_reset", status_code=204)
def request_password_reset(form: ForgottenPassword, _anyone: Anyone, transaction: InTransaction) -> None:
    """Have a one-time secret sent to a person's confirmed address; the answer is the same for every login."""
    forget_password(transaction, form.login)


@routes.get("/mails", operation_id="list_mails")
def list_mails(
    _office: Office,
    transaction: InTransaction,
    state: Annotated[State | None, Query(description="only those of this state")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[MailAnswer]:
    """List the mails that were begun, oldest first; never their content or address."""
    states = {"sent": Mail.sent_at.is_not(None), "refused": Mail.failure.is_not(None), "unclear": is_unclear()}
    statement = select(Mail) if state is None else select(Mail).where(states[state])
    found, following = paginate(transaction.session, statement, Mail.id, cursor, limit)
    return Page[MailAnswer](items=[MailAnswer.model_validate(one) for one in found], next_cursor=following)
