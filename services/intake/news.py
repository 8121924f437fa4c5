"""What the peers tell intake, and what it keeps of it."""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from kernel.logs import log
from kernel.requests import Transaction
from kernel.service import Listener, News
from regulation.calendar import day
from services.intake.tables import Application, Cycle, Disqualified, HoldingFinding, Honour, Recusal, Supervisor, Undertaking


class Launched(BaseModel):
    """A cycle has begun, with its edition and the implementation rules as approved."""

    cycle: UUID
    year: int
    edition: str
    rules: dict[str, Any]
    launched_on: date


class Announced(BaseModel):
    """The application window."""

    cycle: UUID
    opens: AwareDatetime
    closes: AwareDatetime


class Moved(BaseModel):
    """A cycle's new phase."""

    cycle: UUID
    phase: str


class Closed(BaseModel):
    """A cycle is over."""

    cycle: UUID


class StageChanged(BaseModel):
    """How far an application has come."""

    application: UUID
    stage: str
    clause: str | None = None


class DisqualifiedApplication(BaseModel):
    """An application is out."""

    application: UUID
    clause: str
    reason: str


class HonourChanged(BaseModel):
    """What an organisation won, or lost again."""

    credit_code: str
    award: str
    year: int
    revoked_on: date | None


class Member(BaseModel):
    """A member of a supervision group, with their term where it has one."""

    person: str
    since: date | None = None
    until: date | None = None


class Appointed(BaseModel):
    """A cycle's whole supervision group."""

    cycle: UUID
    members: list[Member]


class FoundHolding(BaseModel):
    """A finding that holds a step."""

    finding: UUID
    cycle: UUID
    holds: str


class AnsweredFinding(BaseModel):
    """A finding that holds nothing any more."""

    finding: UUID


class Sanctioned(BaseModel):
    """A person who was disciplined."""

    person: str
    kind: str


class Conflict(BaseModel):
    """A person and the organisation they have nothing to do with."""

    person: str
    credit_code: str


class Undertaken(BaseModel):
    """A person's confidentiality undertaking for a cycle."""

    person: str
    cycle: UUID


def on_cycle_launched(transaction: Transaction, news: News) -> None:
    """Keep the cycle: applications may be started."""
    told = Launched.model_validate(news.facts)
    transaction.session.add(Cycle(id=told.cycle, phase="open", **told.model_dump(exclude={"cycle"})))


def on_cycle_announced(transaction: Transaction, news: News) -> None:
    """Keep the application window."""
    told = Announced.model_validate(news.facts)
    cycle = transaction.session.get_one(Cycle, told.cycle, with_for_update=True)
    cycle.opens, cycle.closes = told.opens, told.closes


def on_phase_changed(transaction: Transaction, news: News) -> None:
    """Follow the cycle; one cancelled before its launch was never known here."""
    told = Moved.model_validate(news.facts)
    cycle = transaction.session.get(Cycle, told.cycle, with_for_update=True)
    if cycle is not None:
        cycle.phase = told.phase


def on_cycle_closed(transaction: Transaction, news: News) -> None:
    """Close the cycle."""
    told = Closed.model_validate(news.facts)
    transaction.session.get_one(Cycle, told.cycle, with_for_update=True).phase = "closed"


def on_stage_changed(transaction: Transaction, news: News) -> None:
    """Keep an application's stage, for its timeline too."""
    told = StageChanged.model_validate(news.facts)
    application = _known(transaction, news, told.application)
    if application is not None:
        application.stage = told.stage
        _note(transaction, news, told.application, told.clause, {"stage": told.stage})


def on_disqualified(transaction: Transaction, news: News) -> None:
    """Take an application out, by the clause that workflow decided on."""
    told = DisqualifiedApplication.model_validate(news.facts)
    application = _known(transaction, news, told.application)
    if application is not None:
        application.state = "disqualified"
        application.version += 1
        _note(transaction, news, told.application, told.clause, {"reason": told.reason})


def _known(transaction: Transaction, news: News, application: UUID) -> Application | None:
    """Lock an application; news of one that never was here is logged and done with: no other try would find it."""
    found = transaction.session.get(Application, application, with_for_update=True)
    if found is None:
        log.warning("news of an unknown application", extra={"fact": {"kind": news.kind, "news": str(news.id), "sender": news.sender}})
    return found


def on_honour_changed(transaction: Transaction, news: News) -> None:
    """Keep what an organisation holds, for its next application (3.1)."""
    transaction.session.merge(Honour(**HonourChanged.model_validate(news.facts).model_dump()))


def _note(transaction: Transaction, news: News, application: UUID, clause: str | None, facts: Mapping[str, str]) -> None:
    transaction.record(news.kind, f"application:{application}", clause=clause, facts=dict(facts) | {"told_by": str(news.id)})


def on_recusal_declared(transaction: Transaction, news: News) -> None:
    """Keep the recusal: from now on the organisation's applications are absent for this person."""
    told = Conflict.model_validate(news.facts)
    transaction.session.execute(insert(Recusal).values(told.model_dump()).on_conflict_do_nothing())


def on_recusal_lifted(transaction: Transaction, news: News) -> None:
    """Forget the recusal."""
    told = Conflict.model_validate(news.facts)
    transaction.session.execute(delete(Recusal).where(Recusal.person == told.person, Recusal.credit_code == told.credit_code))


def on_undertaking_given(transaction: Transaction, news: News) -> None:
    """Keep the undertaking."""
    told = Undertaken.model_validate(news.facts)
    kept = insert(Undertaking).values(person=told.person, cycle_id=told.cycle, given_on=day(news.at))
    transaction.session.execute(kept.on_conflict_do_nothing())


def on_supervision_appointed(transaction: Transaction, news: News) -> None:
    """Keep a cycle's supervision group as it stands now; it may come before the cycle itself (7.1)."""
    told = Appointed.model_validate(news.facts)
    transaction.session.execute(delete(Supervisor).where(Supervisor.cycle_id == told.cycle))
    transaction.session.add_all(Supervisor(cycle_id=told.cycle, **one.model_dump()) for one in told.members)


def on_finding_put(transaction: Transaction, news: News) -> None:
    """Hold the step until the finding is answered (7.1)."""
    told = FoundHolding.model_validate(news.facts)
    transaction.session.add(HoldingFinding(finding=told.finding, cycle_id=told.cycle, holds=told.holds))


def on_finding_answered(transaction: Transaction, news: News) -> None:
    """Let the step go on (7.1)."""
    told = AnsweredFinding.model_validate(news.facts)
    transaction.session.execute(delete(HoldingFinding).where(HoldingFinding.finding == told.finding))


def on_sanctioned(transaction: Transaction, news: News) -> None:
    """Keep who was disqualified: the undertaking opens nothing to them any more (7.6)."""
    told = Sanctioned.model_validate(news.facts)
    if told.kind == "disqualification":
        transaction.session.execute(insert(Disqualified).values(person=told.person).on_conflict_do_nothing())


def on_account_disabled(_transaction: Transaction, _news: News) -> None:
    """Keep nothing: the door refuses a disabled account's tokens."""


LISTENERS: Mapping[str, Listener] = MappingProxyType(
    {
        "cycle.launched": on_cycle_launched,
        "cycle.announced": on_cycle_announced,
        "cycle.phase_changed": on_phase_changed,
        "cycle.closed": on_cycle_closed,
        "application.stage_changed": on_stage_changed,
        "application.disqualified": on_disqualified,
        "honour.changed": on_honour_changed,
        "recusal.declared": on_recusal_declared,
        "recusal.lifted": on_recusal_lifted,
        "undertaking.given": on_undertaking_given,
        "supervision.appointed": on_supervision_appointed,
        "finding.put": on_finding_put,
        "finding.answered": on_finding_answered,
        "reviewer.sanctioned": on_sanctioned,
        "account.sanctioned": on_sanctioned,
        "account.disabled": on_account_disabled,
    }
)
