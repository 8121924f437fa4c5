"""Whether somebody is who they say: password and second factor (TOTP, RFC 6238), with a lock that grows with every failure."""

import secrets
import time
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from gateway.program import Gateway
from gateway.secret import is_password, secret_hash
from gateway.tables import Account, StrayFailure
from kernel.clock import wall
from kernel.logs import log
from kernel.problems import Kind

FAILURES_ALLOWED = 5
FIRST_LOCK = timedelta(seconds=30)
LONGEST_LOCK = timedelta(hours=1)
SECRET_BYTES = 20
DIGITS = 6
STEP_SECONDS = 30
STRAY_BUCKETS = 1024

CREDENTIALS_WRONG = Kind(
    400,
    "credentials_wrong",
    "登录名或密码不正确，或因多次失败暂时锁定",
    "The login or the password is wrong, or the account is locked for a while after failures",
)
CODE_REQUIRED = Kind(400, "second_factor_required", "请输入动态验证码", "The code of your second factor is needed")
CODE_WRONG = Kind(400, "second_factor_wrong", "动态验证码不正确或已使用", "The code is wrong, or was used already")


def authenticate(gateway: Gateway, session: Session, login: str, password: str, code: str = "") -> Account | Kind:
    """Give the active person with this login, password and, where one is enrolled, second factor; else why not.

    The same work and answer for whatever is wrong with login and password; only who knows the password hears of a code.
    After five failures of either the account is locked, each time for twice as long, at most an hour.
    """
    wanted = select(Account).where(Account.login == login.lower(), Account.kind == "person").with_for_update()
    account = session.scalar(wanted)
    good = is_password(account, password)
    now = wall()
    if account is None:
        count_stray(session, login)
        return CREDENTIALS_WRONG
    if account.locked_until is not None and account.locked_until > now:
        count_stray(session, login)
        return CREDENTIALS_WRONG
    if not good or account.status != "active":
        _count_failure(account, now)
        return CREDENTIALS_WRONG
    if account.factor_confirmed_at is not None:
        if not code:
            return CODE_REQUIRED
        if not takes_code(gateway, session, account, code):
            _count_failure(account, now)
            return CODE_WRONG
    account.failures, account.locked_until = 0, None
    log.info("credentials taken", extra={"fact": {"account": str(account.id), "second_factor": account.factor_confirmed_at is not None}})
    return account


def _count_failure(account: Account, now: datetime) -> None:
    account.failures += 1
    log.info("credentials refused", extra={"fact": {"account": str(account.id)}})
    if account.failures >= FAILURES_ALLOWED:
        account.locked_until = now + min(FIRST_LOCK * 2 ** min(account.failures - FAILURES_ALLOWED, 10), LONGEST_LOCK)
        log.warning("account locked", extra={"fact": {"account": str(account.id), "failures": account.failures}})


def count_stray(session: Session, login: str) -> None:
    """Write as much for a login that nobody has as for one that somebody has, so that the time to answer tells neither.

    The login itself is not logged: somebody may have typed a password there.
    """
    log.info("credentials refused", extra={"fact": {"account": None}})
    bucket = int.from_bytes(secret_hash(login)[:2], "big") % STRAY_BUCKETS
    counted = insert(StrayFailure).values(bucket=bucket, failures=1)
    session.execute(counted.on_conflict_do_update(index_elements=[StrayFailure.bucket], set_={"failures": StrayFailure.failures + 1}))


def new_factor() -> bytes:
    """Draw the secret of a second factor."""
    return secrets.token_bytes(SECRET_BYTES)


def totp(secret: bytes) -> TOTP:
    """Give the generator that every authenticator program knows: SHA-1, six digits, 30 seconds."""
    return TOTP(secret, DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303 - HMAC-SHA-1 is what RFC 6238 and authenticators mean


def takes_code(gateway: Gateway, session: Session, account: Account, code: str) -> bool:
    """Take a code of the account's second factor, as many steps off as the setting allows; none is taken twice (RFC 6238, 5.2)."""
    assert account.factor_sealed is not None  # noqa: S101 - only called where a factor is enrolled
    generator = totp(gateway.seal.open(account.factor_sealed, str(account.id)))
    current, apart = int(time.time()) // STEP_SECONDS, gateway.settings.second_factor_steps
    for step in range(current - apart, current + apart + 1):
        try:
            generator.verify(code.encode(), step * STEP_SECONDS)
        except InvalidToken:
            continue
        unused = or_(Account.factor_step.is_(None), Account.factor_step < step)
        taken = update(Account).where(Account.id == account.id, unused).values(factor_step=step).returning(Account.id)
        return session.scalar(taken) is not None
    return False
