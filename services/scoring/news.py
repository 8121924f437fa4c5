"""What workflow, intake and the door tell this service, kept as it arrives; news of different senders may come in any order."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm.attributes import InstrumentedAttribute

from kernel.requests import Transaction
from kernel.service import Listener, News
from services.scoring import rounds
from services.scoring.interest import recuse
from services.scoring.tables import CommitteeMember, Cycle, Disqualified, Dossier, Fallen, Panel, Reviewer, Supervisor


class Facts(BaseModel):
    """The members of an event that we read; a peer may send more."""

    model_config = ConfigDict(extra="ignore")


class Launched(Facts):
    """A cycle with what is bound to it."""

    cycle: UUID
    year: int
    edition: str
    rubric: str
    rules: dict[str, Any]
    rules_hash: str
    launched_on: date


class Announced(Facts):
    """The application window."""

    cycle: UUID
    opens: datetime
    closes: datetime


class PhaseChanged(Facts):
    """The phase that a cycle has entered."""

    cycle: UUID
    phase: str


class Closed(Facts):
    """A cycle that has ended."""

    cycle: UUID


class EligibleApplication(Facts):
    """An application that passed the screening."""

    application: UUID
    credit_code: str
    organisation: str
    township: str
    industry: str
    awards: list[str]
    fallback: bool
    preferred: bool
    attachments: list[str] = []


class ScreeningClosed(Facts):
    """The whole eligible list."""

    cycle: UUID
    applications: list[EligibleApplication]


class Shortlisted(Facts):
    """Who goes on to site review."""

    cycle: UUID
    applications: list[UUID]


class Gone(Facts):
    """An application that was withdrawn or disqualified."""

    application: UUID


class StageChanged(Facts):
    """An application's place in the cycle."""

    application: UUID
    stage: str


class RecusalGranted(Facts):
    """An applicant's request for a recusal, granted by the office."""

    person: str
    credit_code: str
    reason: str


class Member(Facts):
    """A member of a supervision group or committee, with their term where it has one."""

    person: str
    since: date | None = None
    until: date | None = None


class Appointed(Facts):
    """A cycle's whole supervision group, or whole committee."""

    cycle: UUID
    members: list[Member]


class Sanctioned(Facts):
    """A person whom the office disciplined at the door."""

    person: str
    kind: str


class Disabled(Facts):
    """A person whose account was disabled."""

    person: str


def set_phase(transaction: Transaction, cycle_id: UUID, phase: str) -> None:
    """Follow a cycle into its phase; its panels end with it (2.3.end)."""
    cycle = transaction.session.get(Cycle, cycle_id, with_for_update=True, populate_existing=True)
    if cycle is None:
        return
    cycle.phase = phase
    transaction.session.flush()
    if phase in {"closed", "cancelled"}:
        rounds.dissolve(transaction, cycle_id)


def panels_of(transaction: Transaction, cycle_id: UUID) -> list[Panel]:
    """Lock the panels of a cycle."""
    query = select(Panel).where(Panel.cycle == cycle_id, Panel.state == "formed").order_by(Panel.id).with_for_update()
    return list(transaction.session.scalars(query))


def on_launched(transaction: Transaction, news: News) -> None:
    """Keep the cycle with its edition, rubric and approved rules."""
    facts = Launched.model_validate(news.facts)
    transaction.session.add(Cycle(id=facts.cycle, phase="open", **facts.model_dump(exclude={"cycle"})))


def on_announced(transaction: Transaction, news: News) -> None:
    """Keep the window, whose end begins the screening."""
    facts = Announced.model_validate(news.facts)
    transaction.session.execute(update(Cycle).where(Cycle.id == facts.cycle).values(opens=facts.opens, closes=facts.closes))


def on_phase_changed(transaction: Transaction, news: News) -> None:
    """Follow the cycle."""
    facts = PhaseChanged.model_validate(news.facts)
    set_phase(transaction, facts.cycle, facts.phase)


def on_closed(transaction: Transaction, news: News) -> None:
    """Dissolve the panels: their access ends at once (2.3.end)."""
    set_phase(transaction, Closed.model_validate(news.facts).cycle, "closed")


def on_screening_closed(transaction: Transaction, news: News) -> None:
    """Take the eligible list; material review begins at once, unless workflow has already told of a later phase."""
    facts = ScreeningClosed.model_validate(news.facts)
    transaction.session.add_all(Dossier(cycle=facts.cycle, **one.model_dump()) for one in facts.applications)
    cycle = transaction.session.get_one(Cycle, facts.cycle, with_for_update=True, populate_existing=True)
    if cycle.phase == "open":
        set_phase(transaction, facts.cycle, "material_review")


def on_shortlist_confirmed(transaction: Transaction, news: News) -> None:
    """End material review and begin site review: the panels of the shortlisted get their site sheets (5.3.2, 5.3.3)."""
    facts = Shortlisted.model_validate(news.facts)
    listed = Dossier.application.in_(facts.applications)  # a list drawn up anew, once the step was reopened, replaces the one before
    transaction.session.execute(update(Dossier).where(Dossier.cycle == facts.cycle).values(shortlisted=listed))
    set_phase(transaction, facts.cycle, "site_review")
    cycle = transaction.session.get_one(Cycle, facts.cycle)
    for panel in panels_of(transaction, facts.cycle):
        rounds.end_stage(transaction, panel, "material")
        rounds.begin(transaction, panel, cycle)


def fall(transaction: Transaction, news: News, how: str, clause: str) -> None:
    """Take an application out of the review."""
    application = Gone.model_validate(news.facts).application
    transaction.session.execute(
        insert(Fallen).values(application=application, how=how, at=transaction.now).on_conflict_do_nothing(index_elements=["application"])
    )
    rounds.fall(transaction, application, how, clause)


def on_withdrawn(transaction: Transaction, news: News) -> None:
    """Take out an application that its applicant withdrew (1.4)."""
    fall(transaction, news, "withdrawn", "1.4")


def on_disqualified(transaction: Transaction, news: News) -> None:
    """Take out an application that was disqualified (3.3)."""
    fall(transaction, news, "disqualified", "3.3")


def on_stage_changed(transaction: Transaction, news: News) -> None:
    """Keep an application's place in the cycle, as panels show it."""
    facts = StageChanged.model_validate(news.facts)
    transaction.session.execute(update(Dossier).where(Dossier.application == facts.application).values(stage=facts.stage))


def on_recusal_granted(transaction: Transaction, news: News) -> None:
    """Recuse whom the office found an applicant right to fear (2.4.5)."""
    facts = RecusalGranted.model_validate(news.facts)
    recuse(transaction, facts.person, facts.credit_code, "other", facts.reason, "requested")


def on_supervision_appointed(transaction: Transaction, news: News) -> None:
    """Keep a cycle's supervision group as it stands now; it may come before the cycle itself (7.1)."""
    facts = Appointed.model_validate(news.facts)
    transaction.session.execute(delete(Supervisor).where(Supervisor.cycle == facts.cycle))
    transaction.session.add_all(Supervisor(cycle=facts.cycle, **one.model_dump()) for one in facts.members)


def on_committee_set(transaction: Transaction, news: News) -> None:
    """Keep a cycle's committee as it stands now; it may come before the cycle itself (2.0)."""
    facts = Appointed.model_validate(news.facts)
    transaction.session.execute(delete(CommitteeMember).where(CommitteeMember.cycle == facts.cycle))
    transaction.session.add_all(CommitteeMember(cycle=facts.cycle, **one.model_dump()) for one in facts.members)


def strike(transaction: Transaction, person: str, standing: str, why: str, clause: str) -> None:
    """Count an appointed reviewer no longer: their sheets of the running stage are withdrawn."""
    was: InstrumentedAttribute[str] = Reviewer.standing
    changed = update(Reviewer).where(Reviewer.person == person, was == "appointed").values(standing=standing, version=Reviewer.version + 1)
    if transaction.session.scalar(changed.returning(Reviewer.id)) is not None:
        rounds.leave(transaction, person, why, clause)


def on_account_sanctioned(transaction: Transaction, news: News) -> None:
    """Keep who was disqualified at the door, and strike them off the roster (7.6)."""
    facts = Sanctioned.model_validate(news.facts)
    if facts.kind == "disqualification":
        transaction.session.execute(insert(Disqualified).values(person=facts.person).on_conflict_do_nothing())
        strike(transaction, facts.person, "disqualified", "disqualified", "7.6")


def on_account_disabled(transaction: Transaction, news: News) -> None:
    """Strike a reviewer without an account off the roster (2.2.2)."""
    strike(transaction, Disabled.model_validate(news.facts).person, "disabled", "account_disabled", "2.2.2")


def on_honour_changed(_transaction: Transaction, _news: News) -> None:
    """Change nothing: an honour given or revoked has no part in scoring."""


LISTENERS: dict[str, Listener] = {
    "cycle.launched": on_launched,
    "cycle.announced": on_announced,
    "cycle.phase_changed": on_phase_changed,
    "cycle.closed": on_closed,
    "screening.closed": on_screening_closed,
    "shortlist.confirmed": on_shortlist_confirmed,
    "application.withdrawn": on_withdrawn,
    "application.disqualified": on_disqualified,
    "application.stage_changed": on_stage_changed,
    "recusal.granted": on_recusal_granted,
    "supervision.appointed": on_supervision_appointed,
    "committee.set": on_committee_set,
    "account.sanctioned": on_account_sanctioned,
    "account.disabled": on_account_disabled,
    "honour.changed": on_honour_changed,
}
