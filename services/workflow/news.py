"""What intake, scoring and the door tell this service, kept as it arrives."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from kernel.requests import Transaction
from kernel.service import Listener, News
from regulation import lifecycle
from regulation.calendar import day
from regulation.lifecycle import PHASES
from services.workflow.ballot.use_cases import leave_open_votes
from services.workflow.course import lock_cycle, parameters_of, phase_of
from services.workflow.notice import let_fall, standing_names
from services.workflow.objection.use_cases import report_recusal
from services.workflow.tables import Contender, Cycle, Department, Disqualified, Panel, PanelReport, Recusal, StageResult, Undertaking
from services.workflow.webhook import end_webhooks


class Facts(BaseModel):
    """The members of an event that we read; a peer may send more."""

    model_config = ConfigDict(extra="ignore")


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


class ScreeningClosed(Facts):
    """The whole eligible list."""

    cycle: UUID
    count: int
    hash: str
    applications: list[EligibleApplication]


class Withdrawn(Facts):
    """An application withdrawn by its applicant."""

    application: UUID


class Sanctioned(Facts):
    """A person who was disciplined."""

    person: str
    kind: str


class StatedDepartment(Facts):
    """A department that may endorse from now on, or its new name."""

    code: str
    zh: str


class FormedPanel(Facts):
    """A panel with its members and what it reviews."""

    cycle: UUID
    panel: UUID
    name: str
    leader: str
    members: list[str]
    applications: list[str]


class Result(Facts):
    """An application's exact score in a stage, in twentieths."""

    application: UUID
    numerator: int
    denominator: Annotated[int, Field(ge=1)]
    aggregation: str
    counted: list[str]
    not_counted: list[dict[str, Any]]


class Reported(Facts):
    """A panel's report on a stage."""

    cycle: UUID
    panel: UUID
    stage: str
    report: str
    recommended: list[str]
    results: list[Result]


class Recused(Facts):
    """Who may have nothing to do with which organisation."""

    person: str
    credit_code: str
    kind: str = ""
    source: str = ""
    reviewed: list[UUID] = []
    """The applications in whose results their sheets counted."""


class Undertaken(Facts):
    """A confidentiality undertaking."""

    person: str
    cycle: UUID


def on_screening_closed(transaction: Transaction, news: News) -> None:
    """Take the eligible list and go on to material review; a cycle cancelled meanwhile stays so (5.3.1)."""
    facts = ScreeningClosed.model_validate(news.facts)
    cycle = transaction.session.get_one(Cycle, facts.cycle, with_for_update=True)
    if cycle.phase == "cancelled":
        return
    step = lifecycle.step(lifecycle.cycle(parameters_of(cycle, news.at)), phase_of(cycle, news.at), "close_screening")
    cycle.phase, cycle.version = step.to, cycle.version + 1
    cycle.screening = {"count": facts.count, "hash": facts.hash}
    transaction.session.add_all(
        [Contender(id=one.application, cycle_id=cycle.id, **one.model_dump(exclude={"application"})) for one in facts.applications]
    )
    listed = [one.model_dump(mode="json", include={"application", "awards", "fallback", "preferred"}) for one in facts.applications]
    transaction.record(
        "cycle.phase_changed",
        f"cycle:{cycle.id}",
        clause=step.clause,
        facts={"cycle": str(cycle.id), "phase": step.to, **cycle.screening, "applications": listed},
    )


def on_withdrawn(transaction: Transaction, news: News) -> None:
    """Take a withdrawn application, and its name on a notice, out of the running.

    One withdrawn before the list was settled was never in it; one withdrawn while the results came out has won.
    """
    contender = transaction.session.get(Contender, Withdrawn.model_validate(news.facts).application)
    if contender is None:
        return
    cycle = lock_cycle(transaction, contender.cycle_id)
    transaction.session.refresh(contender)
    if contender.stage == "winner":
        return
    contender.stage = "withdrawn"
    for name in standing_names(transaction, cycle):
        if name.application == contender.id:
            let_fall(transaction, cycle, name, "1.4")


def on_panel(transaction: Transaction, news: News) -> None:
    """Keep a panel as it stands."""
    facts = FormedPanel.model_validate(news.facts)
    transaction.session.merge(Panel(id=facts.panel, cycle_id=facts.cycle, **facts.model_dump(exclude={"cycle", "panel"})))


def on_report(transaction: Transaction, news: News) -> None:
    """Keep a panel's report on a stage, and its results; one that comes after the stage was closed changes nothing any more."""
    facts = Reported.model_validate(news.facts)
    keep_report(transaction, facts, news, until=f"{facts.stage}_review")


def on_report_revised(transaction: Transaction, news: News) -> None:
    """Keep a revised report: what rests on the earlier results is not gone on with until it is settled anew (2.4.5)."""
    keep_report(transaction, Reported.model_validate(news.facts), news, until="deliberation")


def keep_report(transaction: Transaction, facts: Reported, news: News, until: str) -> None:
    """Put a report and its results in the place of the panel's earlier ones, unless the cycle has gone past the phase `until`."""
    session = transaction.session
    phase = phase_of(lock_cycle(transaction, facts.cycle), transaction.now)
    if phase not in PHASES or PHASES.index(phase) > PHASES.index(until):
        return
    session.merge(
        PanelReport(
            panel_id=facts.panel,
            stage=facts.stage,
            cycle_id=facts.cycle,
            report=facts.report,
            recommended=facts.recommended,
            at=news.at,
        )
    )
    session.execute(delete(StageResult).where(StageResult.panel_id == facts.panel, StageResult.stage == facts.stage))
    session.add_all(
        [StageResult(stage=facts.stage, cycle_id=facts.cycle, panel_id=facts.panel, **result.model_dump()) for result in facts.results]
    )


def on_recusal_declared(transaction: Transaction, news: News) -> None:
    """Keep a recusal, which holds in the votes that are open too; one found after the vote on winners goes on the docket (2.4.5)."""
    facts = Recused.model_validate(news.facts)
    leave_open_votes(transaction, facts.person, facts.credit_code)
    transaction.session.merge(Recusal(**facts.model_dump(exclude={"reviewed"})))
    for application in facts.reviewed:
        report_recusal(transaction, application, facts.person)


def on_recusal_lifted(transaction: Transaction, news: News) -> None:
    """Drop a recusal that was lifted."""
    facts = Recused.model_validate(news.facts)
    found = transaction.session.scalars(select(Recusal).where(Recusal.person == facts.person, Recusal.credit_code == facts.credit_code))
    for recusal in found:
        transaction.session.delete(recusal)


def on_undertaking(transaction: Transaction, news: News) -> None:
    """Keep who gave the confidentiality undertaking for a cycle, from the first time on (7.6)."""
    facts = Undertaken.model_validate(news.facts)
    transaction.session.execute(
        insert(Undertaking).values(person=facts.person, cycle_id=facts.cycle, given_on=day(news.at)).on_conflict_do_nothing()
    )


def on_sanctioned(transaction: Transaction, news: News) -> None:
    """Keep who was disqualified: the undertaking opens nothing to them any more (7.6)."""
    facts = Sanctioned.model_validate(news.facts)
    if facts.kind == "disqualification":
        transaction.session.execute(insert(Disqualified).values(person=facts.person).on_conflict_do_nothing())


def on_department_stated(transaction: Transaction, news: News) -> None:
    """Keep the department: the next announcement goes to it too (5.1)."""
    facts = StatedDepartment.model_validate(news.facts).model_dump()
    transaction.session.execute(insert(Department).values(facts).on_conflict_do_update(index_elements=[Department.code], set_=facts))


def on_account_disabled(transaction: Transaction, news: News) -> None:
    """End a machine client's webhooks; of a person nothing changes: the door refuses it at once, and a frozen roll keeps its members."""
    end_webhooks(transaction, news.facts["person"])


LISTENERS: dict[str, Listener] = {
    "screening.closed": on_screening_closed,
    "application.withdrawn": on_withdrawn,
    "panel.formed": on_panel,
    "panel.changed": on_panel,
    "panel.reported": on_report,
    "panel.report_revised": on_report_revised,
    "recusal.declared": on_recusal_declared,
    "recusal.lifted": on_recusal_lifted,
    "undertaking.given": on_undertaking,
    "department.stated": on_department_stated,
    "reviewer.sanctioned": on_sanctioned,
    "account.sanctioned": on_sanctioned,
    "account.disabled": on_account_disabled,
}
