"""Official results: exact integers, what they count and what not, the formula and the rules they follow, and a hash (4.2)."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Annotated, Any
from uuid import UUID

import rfc8785
from fastapi import Query
from sqlalchemy import select

from kernel.problems import absent
from kernel.requests import InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer
from regulation.refusal import Refusal
from regulation.score import Absence, Aggregation, Score, aggregate, sheet_twentieths
from services.scoring import rounds
from services.scoring.access import Stage, dossiers_of, panel_for, parameters_of, rubric_of, rules_of
from services.scoring.consensus import agreed_percents, check_agreed, check_signed
from services.scoring.panel import PanelId, PanelReader
from services.scoring.sheet import percents
from services.scoring.tables import Cycle, Dossier, Panel, Report, Round, Sheet

routes = router("results")

AskedStage = Annotated[Stage | None, Query(description="the stage; the last one reported where left out")]

WHY: dict[str, Absence] = {"recused": "recused", "round_closed": "missing"}
"""Why a sheet was withdrawn, as the score names it; whatever isn't here is `withdrawn`."""
SHEET = "sheet = Σ points × percent ÷ 5, in twentieths of a point"
FORMULAS: Mapping[Aggregation, str] = {
    "consensus": f"score = the signed consensus sheet; {SHEET}",
    "mean": f"score = Σ counted sheets ÷ their number; {SHEET}",
    "trimmed_mean": f"score = Σ counted sheets ÷ their number, without one highest and one lowest from five sheets on; {SHEET}",
}


class NotCounted(Answer):
    """A sheet that a result doesn't count, and why: missing, recused, withdrawn or trimmed."""

    sheet: UUID
    why: str


class Result(Answer):
    """An application's official result: exactly `numerator`/`denominator` twentieths of a point; `points` rounds down.

    `hash` is SHA-256 over the RFC 8785 canonical JSON of the other members but `points`.
    """

    application: UUID
    numerator: int
    denominator: int
    points: str
    aggregation: str
    formula: str
    rubric: str
    rules_hash: str
    counted: list[UUID]
    not_counted: list[NotCounted]
    hash: str


class CheckedResult(Result):
    """A result as reported, and the hash of the one that the stored sheets give now."""

    recomputed_hash: str
    equal: bool


class Results(Answer):
    """A stage's official results as last reported; `reopened` lists what a recusal has reopened since."""

    panel: UUID
    stage: str
    report: UUID
    revision: int
    items: list[CheckedResult]
    reopened: list[UUID]


def hashed(content: Mapping[str, Any]) -> str:
    """Hash a result."""
    return hashlib.sha256(rfc8785.dumps(dict(content))).hexdigest()


def compute(cycle: Cycle, found: Round, sheets: Collection[Sheet]) -> dict[str, Any]:
    """Work a result out from the consensus and the opened and withdrawn sheets of a round."""
    rubric, rules, p = rubric_of(cycle), rules_of(cycle), parameters_of(cycle)
    opened = {str(sheet.id): sheet_twentieths(percents(sheet), rubric) for sheet in sheets if sheet.state == "opened"}
    absences = {str(sheet.id): WHY.get(sheet.why_withdrawn or "", "withdrawn") for sheet in sheets if sheet.state == "withdrawn"}
    outcome = aggregate(rules.aggregation, opened, absences, sheet_twentieths(agreed_percents(found), rubric), p)
    not_counted = {**outcome.left_out, **dict.fromkeys(outcome.dropped, "trimmed")}
    content = {
        "application": str(found.application),
        "numerator": outcome.score.numerator,
        "denominator": outcome.score.denominator,
        "counted": list(outcome.counted),
        "not_counted": [{"sheet": sheet, "why": why} for sheet, why in sorted(not_counted.items())],
        "aggregation": rules.aggregation,
        "formula": FORMULAS[rules.aggregation],
        "rubric": cycle.rubric,
        "rules_hash": cycle.rules_hash,
    }
    return {**content, "hash": hashed(content)}


def result(transaction: Transaction, panel: Panel, cycle: Cycle, dossier: Dossier, stage: Stage) -> dict[str, Any]:
    """Compute one application's official result from its signed consensus and opened sheets; refuse where they don't stand."""
    query = select(Round).where(Round.application == dossier.application, Round.stage == stage).with_for_update()
    found = transaction.session.scalar(query)
    if found is None or found.opened_at is None or found.agreed is None:
        raise Refusal("consensus_missing", "4.2")
    check_agreed(transaction, found, cycle)
    check_signed(transaction, found, panel, dossier)
    return compute(cycle, found, rounds.settled_sheets(transaction, [found.id])[found.id])


def shown(content: Mapping[str, Any]) -> dict[str, Any]:
    """Add the points as shown."""
    return {**content, "points": Score(content["numerator"], content["denominator"]).points}


@routes.get("/panels/{id}/results", operation_id="get_official_results")
def get_results(key: PanelId, reader: PanelReader, transaction: InTransaction, stage: AskedStage = None) -> Results:
    """Read a stage's official results, each recomputed from the stored sheets at this moment and compared (4.2)."""
    panel, cycle = panel_for(transaction, key, reader)
    reports = (
        select(Report)
        .where(Report.panel == key, Report.sent_at.is_not(None))
        .order_by(Report.stage.desc(), Report.revision.desc())
        .limit(1)
    )
    report = transaction.session.scalar(reports.where(Report.stage == stage) if stage else reports)
    if report is None:
        raise absent()
    seen = [dossier.application for dossier in dossiers_of(transaction, panel, reader.person)]
    query = select(Round).where(Round.panel == key, Round.stage == report.stage, Round.application.in_(seen)).order_by(Round.application)
    held = {str(found.application): found for found in transaction.session.scalars(query)}
    sheets = rounds.settled_sheets(transaction, [one.id for one in held.values()])
    items = []
    for content in report.results:
        if content["application"] in held:
            its = held[content["application"]]
            again = compute(cycle, its, sheets[its.id])
            items.append(CheckedResult(**shown(content), recomputed_hash=again["hash"], equal=again == content))
    reopened = [found.application for found in held.values() if found.reopened_at is not None]
    return Results(panel=key, stage=report.stage, report=report.id, revision=report.revision, items=items, reopened=reopened)
