"""What the panels have reported on a stage, and an application's place in the cycle: the ground of shortlist, evaluation and notice."""

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Annotated, Concatenate, Literal, ParamSpec, TypeVar
from uuid import UUID

from pydantic import ConfigDict
from sqlalchemy import select

from kernel.identity import Principal, roles
from kernel.requests import Transaction
from kernel.wire import Answer, Body, Id, Reason
from regulation.refusal import Refusal
from regulation.report import check_stage_reports, check_stage_results
from regulation.score import Score
from services.workflow.course import PEERS, find_cycle, hidden_from_caller
from services.workflow.tables import Contender, Cycle, Panel, PanelReport, StageResult

C = TypeVar("C", bound=Cycle | UUID)
P = ParamSpec("P")
R = TypeVar("R")

Insider = Annotated[Principal, roles("committee", "supervisor")]
"""The committee, the office, and the supervision group; `course.check_insight` asks whether of this cycle."""


class ExactScore(Answer):
    """An exact score: `numerator`/`denominator` twentieths of a point, and the points as shown, rounded down."""

    numerator: int
    denominator: int
    points: str


class Departure(Body):
    """Why the office departs from the computed list for one application."""

    application: Id
    reason: Reason

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"application": "01912d68-783e-7a03-8467-5661c1243ad4", "reason": "停产整顿，无法安排现场评审"}]}
    )


def exact(score: Score) -> ExactScore:
    """Show a score."""
    return ExactScore(numerator=score.numerator, denominator=score.denominator, points=score.points)


def contenders(transaction: Transaction, cycle: Cycle, *stages: str) -> dict[UUID, Contender]:
    """Load a cycle's applications that stand at one of these stages."""
    found = transaction.session.scalars(
        select(Contender).where(Contender.cycle_id == cycle.id, Contender.stage.in_(stages)).order_by(Contender.id)
    )
    return {contender.id: contender for contender in found}


def veiled(act: Callable[Concatenate[Transaction, C, P], R]) -> Callable[Concatenate[Transaction, C, P], R]:
    """Take out of a refusal of this act the applications that don't exist for its caller: recusal holds in error texts too (2.4.5)."""

    @wraps(act)
    def acted(transaction: Transaction, about: C, /, *given: P.args, **named: P.kwargs) -> R:
        try:
            return act(transaction, about, *given, **named)
        except Refusal as refusal:
            cycle = about if isinstance(about, Cycle) else find_cycle(transaction, about)
            codes = hidden_from_caller(transaction, cycle)
            found = transaction.session.scalars(select(Contender).where(Contender.cycle_id == cycle.id, Contender.credit_code.in_(codes)))
            hidden = {name for one in found for name in (str(one.id), one.credit_code, one.organisation)}
            refusal.facts = {name: _without(hidden, fact) for name, fact in refusal.facts.items()}
            raise

    return acted


def _without(hidden: Collection[str], fact: object) -> object:
    if not isinstance(fact, str) or not any(name in fact for name in hidden):
        return fact
    mark = "、" if "、" in fact else ", "
    return mark.join(name for name in fact.split(mark) if name not in hidden)


def set_stage(transaction: Transaction, contender: Contender, stage: str, clause: str) -> None:
    """Put an application at its new stage, and tell its timeline."""
    contender.stage = stage
    transaction.record(
        "application.stage_changed",
        f"application:{contender.id}",
        clause=clause,
        facts={"cycle": str(contender.cycle_id), "application": str(contender.id), "stage": stage, "clause": clause},
        tell=PEERS,
    )


@veiled
def check_stage(transaction: Transaction, cycle: Cycle, stage: Literal["material", "site"], applications: Collection[UUID]) -> None:
    """Refuse to close a stage before each panel of these applications has reported, and each of them has its result (2.3.3, 5.3.3)."""
    session = transaction.session
    wanted = {str(application) for application in applications}
    panels = {
        panel.id: panel.name
        for panel in session.scalars(select(Panel).where(Panel.cycle_id == cycle.id))
        if wanted & set(panel.applications)
    }
    reported = session.scalars(select(PanelReport.panel_id).where(PanelReport.cycle_id == cycle.id, PanelReport.stage == stage))
    check_stage_reports(stage, set(panels.values()), {panels[panel] for panel in reported if panel in panels})
    check_stage_results(stage, wanted, {str(application) for application in results(transaction, cycle, stage)})


def results(transaction: Transaction, cycle: Cycle, stage: str) -> Mapping[UUID, StageResult]:
    """Load a stage's results by application."""
    found = transaction.session.scalars(select(StageResult).where(StageResult.cycle_id == cycle.id, StageResult.stage == stage))
    return {result.application: result for result in found}


def recommended(transaction: Transaction, cycle: Cycle) -> frozenset[str]:
    """Name whom the panels' material reports recommend for site review (2.3.1)."""
    reports = transaction.session.scalars(select(PanelReport).where(PanelReport.cycle_id == cycle.id, PanelReport.stage == "material"))
    return frozenset(application for report in reports for application in report.recommended)


def reports_of(transaction: Transaction, cycle: Cycle, *stages: str) -> list[str]:
    """Name the panels' reports on these stages as they have arrived: what is settled on them says so in the record."""
    found = select(PanelReport.report).where(PanelReport.cycle_id == cycle.id, PanelReport.stage.in_(stages))
    return list(transaction.session.scalars(found.order_by(PanelReport.report)))


def score_of(result: StageResult) -> Score:
    """Read a result's exact score."""
    return Score(result.numerator, result.denominator)
