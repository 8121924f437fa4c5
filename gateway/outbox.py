"""The outbox: what each person has not been told yet is found by asking for them, noted once, and sent by one mail.

A fact is read where it was committed, with the person's own rights and just before it is told, so that nobody is told of what is not,
what is over, or what they may not see. A mail is marked as begun, and that committed, before the server is reached: where a crash or a
silent server leaves it unclear, it is never begun again, and the office sees it.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_urlsafe

import httpx
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from gateway import letters
from gateway.letters import Line, Purpose, What
from gateway.program import Gateway
from gateway.secret import issue_link, secret_hash
from gateway.sessions import claims_of
from gateway.smtp import Delivery, deliver
from gateway.tables import Account, Grant, Mail, Notice, Preference
from kernel.clock import business_now, wall
from kernel.database import new_id
from kernel.errand import Errand
from kernel.identity import service_audience
from kernel.logs import log
from kernel.relay import PEERS
from kernel.service import Standing
from kernel.settings import ServiceName
from regulation.calendar import CHINA

AT_ONCE = 2
IDLE_SECONDS = 1.0
OVERLAP = timedelta(minutes=10)
"""Longer than any transaction lasts: what was written before it was asked for the last time may have been committed after."""
TOKEN_LIFETIME = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
LETTER_LIFETIME = timedelta(hours=1)
"""How long what was mailed to confirm an address or to set a password is good."""
UNCLEAR_AFTER = timedelta(minutes=5)
LETTERS: Collection[Purpose] = ("confirmation", "reset")
"""What is not looked for, but asked for."""

Standings = Mapping[str, Standing | None]
"""What each service says to each of a person's roles, by `service role`; None where it didn't answer."""


@dataclass(frozen=True)
class Ready:
    """A mail that was marked as begun, with what it takes to send it."""

    preference: Preference
    mail: Mail
    content: tuple[str, str]


@dataclass(frozen=True)
class Asked:
    """When the services were asked: no answer is older, by neither clock; and from when on they were asked for decisions."""

    at: datetime
    now: datetime
    since: datetime


class Sender:
    """Looks what is new for whom, and tells it; each person's row is locked meanwhile, so that replicas share the work."""

    def __init__(self, gateway: Gateway) -> None:
        """Prepare."""
        self._gateway = gateway

    async def work(self) -> bool:
        """Take a few of those whose turn it is; gives False where it is nobody's."""
        return any(await asyncio.gather(*(self._one() for _ in range(AT_ONCE))))

    async def _one(self) -> bool:
        session = self._gateway.sessions()
        try:
            claimed = await run_in_threadpool(claim, session, self._gateway)
            if claimed is None:
                return False
            preference, account, letter = claimed
            if letter is not None:
                ready = await run_in_threadpool(compose, session, self._gateway, preference, account, letter)
            else:
                asked = await run_in_threadpool(asking, session, self._gateway, preference)
                standings = await self._ask(account, preference, asked.since - OVERLAP)
                ready = await run_in_threadpool(note, session, self._gateway, preference, account, standings, asked)
            if ready is not None:
                await self._send(session, ready)
            return True
        finally:
            await run_in_threadpool(session.close)

    async def _send(self, session: Session, ready: Ready) -> None:
        assert ready.preference.address is not None  # noqa: S101 - nobody without one is claimed
        settings, language = self._gateway.settings, ready.preference.language
        message = letters.message(settings, ready.mail.id, ready.preference.address, language, ready.content)
        delivery = await run_in_threadpool(deliver, settings, ready.preference.address, message)
        self._gateway.mails.labels(delivery.outcome).inc()
        if delivery.outcome != "sent":
            log.warning("mail", extra={"fact": {"mail": str(ready.mail.id), "outcome": delivery.outcome, "reason": delivery.reason}})
        await run_in_threadpool(settle, session, ready, delivery)

    async def _ask(self, account: Account, preference: Preference, since: datetime) -> Standings:
        asked = [(name, grant) for grant in account.grants for name in PEERS]
        answers = await asyncio.gather(*(self._standing(name, account, grant, preference.language, since) for name, grant in asked))
        return {f"{name} {grant.role}": answer for (name, grant), answer in zip(asked, answers, strict=True)}

    async def _standing(self, name: ServiceName, account: Account, grant: Grant, language: str, since: datetime) -> Standing | None:
        """Ask a service, as the person, by a token that it alone takes and that lives for a minute."""
        token = await run_in_threadpool(
            self._gateway.signer.sign, str(account.id), claims_of(grant), audience=service_audience(name), lifetime=TOKEN_LIFETIME
        )
        headers = {"authorization": f"Bearer {token}", "accept-language": language}
        try:
            answer = await self._gateway.peers.clients[name].get("/internal/standing", params={"since": since.isoformat()}, headers=headers)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            log.warning("standing", extra={"fact": {"service": name, "error": type(error).__name__}})
            return None
        return Standing.model_validate_json(answer.content)


def is_unclear() -> ColumnElement[bool]:
    """Say in SQL which mails were begun, and never heard of again."""
    return and_(Mail.sent_at.is_(None), Mail.failure.is_(None), Mail.begun_at < wall() - UNCLEAR_AFTER)


def _waiting() -> ColumnElement[bool]:
    return and_(Notice.mail_id.is_(None), Notice.ended_at.is_(None))


def claim(session: Session, gateway: Gateway) -> tuple[Preference, Account, Notice | None] | None:
    """Lock whoever's turn it is, with the letter that they asked for, if any: nobody whose account is not active."""
    now = wall()
    letter = exists().where(Notice.account_id == Preference.account_id, Notice.what.in_(LETTERS), _waiting())
    stale = or_(Preference.looked_at.is_(None), Preference.looked_at <= now - timedelta(seconds=gateway.settings.notice_seconds))
    due = or_(letter, and_(Preference.mode != "off", Preference.confirmed_at.is_not(None), stale))
    rested = or_(Preference.retry_at.is_(None), Preference.retry_at <= now)
    found = (
        select(Preference, Account)
        .join(Account, Account.id == Preference.account_id)
        .where(Account.status == "active", Preference.address.is_not(None), due, rested)
        .order_by(Preference.looked_at.nulls_first())
        .limit(1)
    )
    row = session.execute(found.with_for_update(of=Preference, skip_locked=True)).one_or_none()
    if row is None:
        return None
    asked = select(Notice).where(Notice.account_id == row.Account.id, Notice.what.in_(LETTERS), _waiting())
    return row.Preference, row.Account, session.scalar(asked.order_by(Notice.id).limit(1))


def asking(session: Session, gateway: Gateway, preference: Preference) -> Asked:
    """Read the clocks before anybody is asked; decisions that wait to be told are asked for again."""
    waiting = select(Notice.since).where(Notice.account_id == preference.account_id, Notice.what == "decision", _waiting())
    since = min([preference.decided_since, *session.scalars(waiting)])
    return Asked(wall(), business_now(session, gateway.settings.environment), since)


def facts_of(standings: Standings, now: datetime, days: int) -> Iterator[tuple[str, str, Line]]:
    """Give each fact with its source and the line that tells it; a task that is near its due day, or past it, is told as that, too."""
    for source, standing in standings.items():
        for task in standing.tasks if standing else ():
            yield source, f"{source} {task.key}", Line("task", task.title, task.due)
            late: What | None = None
            if task.due is not None and task.due - now <= timedelta(days=days):
                late = "passed" if task.due <= now else "near"
                yield source, f"{source} {task.key} {late} {task.due.isoformat()}", Line(late, task.title, task.due)
        for decision in standing.decisions if standing else ():
            yield source, f"{source.partition(' ')[0]} {decision.key}", Line("decision", decision.title, None)


def note(session: Session, gateway: Gateway, preference: Preference, account: Account, standings: Standings, asked: Asked) -> Ready | None:
    """Note what is new, forget what is over, and begin a mail where the person is to be told now; commits."""
    settings, began = gateway.settings, asked.at
    found = {fact: (source, line) for source, fact, line in facts_of(standings, asked.now, settings.deadline_days)}
    own, is_whole = Notice.account_id == account.id, None not in standings.values()
    answered = [source for source, standing in standings.items() if standing is not None]
    over = (own, Notice.source.in_(answered), Notice.what != "decision", Notice.ended_at.is_(None), Notice.fact.not_in(found))
    session.execute(update(Notice).where(*over).values(ended_at=began))
    for fact, (source, line) in found.items():
        new = insert(Notice).values(id=new_id(), account_id=account.id, source=source, what=line.what, fact=fact, since=asked.since)
        session.execute(new.on_conflict_do_nothing())
    preference.looked_at = began
    preference.decided_since = max(began, preference.decided_since) if is_whole else preference.decided_since
    ready = None
    if is_time(preference, asked.now):
        waiting = session.scalars(select(Notice).where(own, Notice.what.not_in(LETTERS), _waiting()).order_by(Notice.id)).all()
        told = [notice for notice in waiting if notice.fact in found]
        for notice in waiting:
            notice.ended_at = began if is_whole and notice.fact not in found else None
        if told:
            lines = _told(found[notice.fact][1] for notice in told)
            ready = _begun(session, preference, "notice", letters.notice(preference.language, account.name, settings.portal_url, lines))
            for notice in told:
                notice.mail_id = ready.mail.id
    session.commit()
    return ready


def _told(lines: Iterator[Line]) -> list[Line]:
    """Tell a thing once a mail, by the most urgent that is to be said of it."""
    ranked: dict[tuple[str, datetime | None], Line] = {}
    for line in lines:
        key = (line.title, line.due)
        if key not in ranked or line.what in {"near", "passed"}:
            ranked[key] = line
    return list(ranked.values())


def is_time(preference: Preference, now: datetime) -> bool:
    """Tell whether the person is told now: at once, or once a day from their hour on, in the district's time."""
    local = now.astimezone(CHINA)
    if preference.mode == "digest":
        if local.hour < preference.hour or preference.digested_on == local.date():
            return False
        preference.digested_on = local.date()
    return True


def _begun(session: Session, preference: Preference, purpose: Purpose, content: tuple[str, str]) -> Ready:
    mail = Mail(id=new_id(), account_id=preference.account_id, purpose=purpose, begun_at=wall())
    session.add(mail)
    session.flush()
    return Ready(preference, mail, content)


def compose(session: Session, gateway: Gateway, preference: Preference, account: Account, letter: Notice) -> Ready | None:
    """Begin a letter that was asked for; its secret is drawn only now, and kept by its hash alone; commits."""
    ready = None
    if letter.what == "confirmation":
        secret, until = token_urlsafe(16), wall() + LETTER_LIFETIME
        preference.code_hash, preference.code_until = secret_hash(secret), until
    elif preference.confirmed_at is not None:
        secret, until = issue_link(session, account, "reset", LETTER_LIFETIME)
    else:
        letter.ended_at = wall()
        session.commit()
        return None
    purpose: Purpose = "confirmation" if letter.what == "confirmation" else "reset"
    said = {"name": account.name, "portal": gateway.settings.portal_url, "secret": secret, "until": until}
    content = letters.written(preference.language, purpose, **said)
    ready = _begun(session, preference, purpose, content)
    letter.mail_id = ready.mail.id
    session.commit()
    return ready


def settle(session: Session, ready: Ready, delivery: Delivery) -> None:
    """Keep how it went; what certainly didn't leave waits again, each time for twice as long."""
    preference = session.get_one(Preference, ready.preference.account_id, with_for_update=True, populate_existing=True)
    mail = session.get_one(Mail, ready.mail.id)
    preference.last_failure = delivery.reason
    if delivery.outcome == "failed":
        preference.failures += 1
        preference.retry_at = wall() + min(timedelta(seconds=2 ** min(preference.failures - 1, 20)), LONGEST_WAIT)
        session.execute(update(Notice).where(Notice.mail_id == mail.id).values(mail_id=None))
        session.execute(delete(Mail).where(Mail.id == mail.id))
        if preference.mode == "digest":
            preference.digested_on = None
        preference.looked_at = None
    else:
        preference.failures, preference.retry_at = 0, None
        mail.sent_at = wall() if delivery.outcome == "sent" else None
        mail.failure = delivery.reason if delivery.outcome == "refused" else None
    session.commit()


def ask_for(session: Session, account: Account, purpose: Purpose) -> None:
    """Queue a letter, one of its purpose at a time."""
    new = insert(Notice).values(id=new_id(), account_id=account.id, source="", what=purpose, fact=purpose, since=wall())
    session.execute(new.on_conflict_do_nothing())


class Numbers(Collector):
    """What is read of the outbox when somebody asks for the metrics."""

    def __init__(self, gateway: Gateway) -> None:
        """Read nothing yet."""
        self._gateway = gateway

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Name nothing beforehand, so that registering reads no database."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Count what waits, and what is unclear; nothing where the database is away, which `database_up` tells."""
        try:
            with self._gateway.sessions() as session:
                waiting = session.scalar(select(func.count()).select_from(Notice).where(_waiting()))
                unclear = session.scalar(select(func.count()).select_from(Mail).where(is_unclear()))
        except (SQLAlchemyError, PoolTimeout) as error:
            log.warning("metrics", extra={"fact": {"error": type(error).__name__}})
            return
        yield GaugeMetricFamily("mails_waiting", "Facts that somebody is still to be told by mail", waiting)
        yield GaugeMetricFamily("mails_unclear", "Mails of which nobody knows whether they were taken", unclear)


def errand(gateway: Gateway) -> Errand:
    """Give the work of telling people."""
    return Errand("mails", Sender(gateway).work, IDLE_SECONDS)
