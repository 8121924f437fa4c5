"""The first office account, by which everybody else is invited."""

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select, text

from gateway.program import Gateway
from gateway.secret import issue_link
from gateway.settings import GatewaySettings
from gateway.tables import Account, Grant
from kernel.clock import business_now, wall
from kernel.database import new_id
from kernel.record import write_event

LOGIN = "office"
FIRST_LOCK = 7_310


@dataclass(frozen=True)
class First:
    """The first account: its login, and its one-time activation secret with the file where that is written."""

    login: str
    secret: str
    path: Path


def ensure_first_office(gateway: Gateway, settings: GatewaySettings) -> First | None:
    """Make the account `office` where nobody was ever activated, with a new one-time secret each time; None later on."""
    with gateway.sessions.begin() as session:
        session.execute(select(func.pg_advisory_xact_lock(text("hashtext(current_schema())"), FIRST_LOCK)))
        if session.scalar(select(Account.id).where(Account.kind == "person", Account.password_set_at.is_not(None)).limit(1)):
            return None
        account = session.scalar(select(Account).where(Account.login == LOGIN))
        if account is None:
            account = Account(id=new_id(), kind="person", login=LOGIN, name="评审办", status="pending", created_at=wall())
            account.grants = [Grant(role="committee", duties=["office"], verified_at=wall())]
            session.add(account)
            session.flush()
            write_event(
                session,
                at=business_now(session, settings.environment),
                kind="account.invited",
                subject=f"account:{account.id}",
                actor=None,
                role=None,
                clause=None,
                facts={"grants": [{"role": "committee", "duties": ["office"]}]},
                request_id=str(new_id()),
                told=(),
            )
        secret, _ = issue_link(session, account, "activation", settings.activation_lifetime())
        _write_private(settings.activation_file, secret)
    return First(LOGIN, secret, settings.activation_file)


def _write_private(path: Path, secret: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(secret + "\n")
    draft.replace(path)
