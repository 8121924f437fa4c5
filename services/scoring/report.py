"""A panel's site plan and its stage reports, with the official results computed exactly (2.3.1 to 2.3.3, 4.2)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field
from sqlalchemy import func, select

from kernel.identity import Principal, Reviewer
from kernel.problems import absent
from kernel.requests import Cursor, DryRun, IfMatch, InTransaction, Limit, Transaction, check_version, paginate
from kernel.service import router
from kernel.wire import Answer, Body, Day, Id, Page, Reason
from regulation.lifecycle import PANEL, step
from regulation.recusal import check_strength
from regulation.refusal import Refusal
from regulation.report import check_recommended, check_site_scoring
from regulation.score import Absence, Score, aggregate, sheet_twentieths
from services.scoring import rounds
from services.scoring.access import (
    Stage,
    check_secrecy,
    dossiers_of,
    members_of,
    panel_for,
    panel_for_member,
    parameters_of,
    phase_of,
    recusals_of,
    rubric_of,
    rules_of,
    stage_of,
    standing,
)
from services.scoring.consensus import agreed_percents, check_agreed, check_leader, check_signed
from services.scoring.panel import SOME_ID, PanelAnswer, PanelId, PanelReader
from services.scoring.panel import show as show_panel
from services.scoring.sheet import left_out, percents
from services.scoring.tables import Cycle, Dossier, Panel, Report, Round

routes = router("reports")

WHY: dict[str, Absence] = {"recused": "recused", "round_closed": "missing"}
"""Why a sheet was withdrawn, as the score names it; whatever isn't here is `withdrawn`."""


class NewVisit(Body):
    """A site visit."""

    application: Id
    on: Day
    programme: Reason


class SitePlan(Body):
    """The panel's plan of its site visits (2.3.2)."""

    visits: Annotated[list[NewVisit], Field(min_length=1, max_length=100)]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"visits": [{"application": SOME_ID, "on": "2026-07-06", "programme": "首次会议、现场查看、座谈、末次会议"}]}]
        }
    )


class NewReport(Body):
    """The panel's report of the running stage; in material review `recommended` says who should go on to site review."""

    text: Reason
    recommended: Annotated[list[Id], Field(max_length=500)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "本组共评审四家组织……", "recommended": [SOME_ID]}]})


class NotCounted(Answer):
    """A sheet that a result doesn't count, and why: missing, recused, withdrawn or trimmed."""

    sheet: UUID
    why: str


class Result(Answer):
    """An application's official result: exactly `numerator`/`denominator` twentieths of a point; `points` rounds down."""

    application: UUID
    numerator: int
    denominator: int
    points: str
    aggregation: str
    counted: list[UUID]
    not_counted: list[NotCounted]


class ReportAnswer(Answer):
    """A report; of an application that the reader is recused from nothing is shown, nor then the text."""

    id: UUID
    panel: UUID
    stage: str
    revision: int
    text: str | None
    recommended: list[UUID]
    results: list[Result]
    signed_by: str
    at: datetime


def plan(transaction: Transaction, key: UUID, leader: Principal, version: int, visits: Sequence[NewVisit]) -> PanelAnswer:
    """Put the plan of the site visits; there are no site scores before it."""
    panel, cycle = panel_for_member(transaction, key, leader.person, lock=True)
    check_leader(panel, leader.person)
    check_version(version, panel.version)
    step(PANEL, panel.state, "plan_site", phase_of(transaction, cycle))
    shortlisted = {dossier.application for dossier in reviewed(transaction, panel, "site")}
    mine = {dossier.application for dossier in dossiers_of(transaction, panel, leader.person)}
    if not {visit.application for visit in visits} <= shortlisted & mine:
        raise absent()
    unseen = {str(application) for application in shortlisted - mine}
    kept = [visit for visit in panel.site_plan if visit["application"] in unseen]
    panel.site_plan = [*kept, *(visit.model_dump(mode="json") for visit in visits)]
    panel.version += 1
    transaction.record("site.planned", f"panel:{panel.id}", clause="2.3.2", facts={"visits": panel.site_plan})
    return show_panel(transaction, panel, cycle, leader)


def reviewed(transaction: Transaction, panel: Panel, stage: Stage) -> list[Dossier]:
    """List what the panel reviews in a stage: its applications that still stand, in site review the shortlisted."""
    query = select(Dossier).where(Dossier.panel == panel.id, standing()).order_by(Dossier.application)
    return list(transaction.session.scalars(query.where(Dossier.shortlisted) if stage == "site" else query))


def result(transaction: Transaction, panel: Panel, cycle: Cycle, dossier: Dossier, stage: Stage) -> dict[str, Any]:
    """Compute one application's official result from its signed consensus and opened sheets; refuse where they don't stand."""
    rubric, rules, p = rubric_of(cycle), rules_of(cycle), parameters_of(cycle)
    query = select(Round).where(Round.application == dossier.application, Round.stage == stage).with_for_update()
    found = transaction.session.scalar(query)
    if found is None or found.opened_at is None or found.agreed is None:
        raise Refusal("consensus_missing", "4.2")
    check_agreed(transaction, found, cycle)
    check_signed(transaction, found, panel, dossier)
    sheets = {str(sheet.id): sheet_twentieths(percents(sheet), rubric) for sheet in rounds.opened_sheets(transaction, found)}
    absences = {str(sheet.id): WHY.get(sheet.why_withdrawn or "", "withdrawn") for sheet in left_out(transaction, found)}
    outcome = aggregate(rules.aggregation, sheets, absences, sheet_twentieths(agreed_percents(found), rubric), p)
    not_counted = {**outcome.left_out, **dict.fromkeys(outcome.dropped, "trimmed")}
    return {
        "application": str(dossier.application),
        "numerator": outcome.score.numerator,
        "denominator": outcome.score.denominator,
        "counted": list(outcome.counted),
        "not_counted": [{"sheet": sheet, "why": why} for sheet, why in sorted(not_counted.items())],
        "aggregation": rules.aggregation,
    }


def report(transaction: Transaction, key: UUID, leader: Principal, new: NewReport) -> Report:
    """Report the running stage to the office, or revise the report while the stage still runs."""
    panel, cycle = panel_for_member(transaction, key, leader.person, lock=True)
    check_leader(panel, leader.person)
    step(PANEL, panel.state, "report", phase_of(transaction, cycle))
    stage = stage_of(cycle) or "site"
    dossiers = reviewed(transaction, panel, stage)
    organisations = {str(dossier.application): dossier.credit_code for dossier in dossiers}
    recommended = [str(application) for application in new.recommended]
    check_recommended(recommended, organisations)
    members = [member.person for member in members_of(transaction.session, panel) if member.standing == "appointed"]
    check_strength(members, organisations, recusals_of(transaction.session, members), parameters_of(cycle))
    if stage == "site":
        for application in organisations:
            check_site_scoring(application, {visit["application"] for visit in panel.site_plan})
    earlier = transaction.session.scalar(select(func.max(Report.revision)).where(Report.panel == panel.id, Report.stage == stage))
    made = Report(
        panel=panel.id,
        stage=stage,
        revision=(earlier or 0) + 1,
        text=new.text,
        recommended=recommended,
        results=[result(transaction, panel, cycle, dossier, stage) for dossier in dossiers],
        signed_by=leader.person,
        at=transaction.now,
    )
    transaction.session.add(made)
    transaction.session.flush()
    facts = {
        "cycle": str(cycle.id),
        "panel": str(panel.id),
        "stage": stage,
        "report": str(made.id),
        "recommended": recommended,
        "results": made.results,
    }
    kind = "panel.report_revised" if earlier else "panel.reported"
    clause = "2.3.1" if stage == "material" else "2.3.3"
    transaction.record(kind, f"panel:{panel.id}", clause=clause, facts=facts, tell=("workflow",))
    return made


def show(transaction: Transaction, made: Report, panel: Panel, reader: Principal) -> ReportAnswer:
    """Answer with a report as this reader may see it."""
    seen = {str(dossier.application) for dossier in dossiers_of(transaction, panel, reader.person)}
    results = [
        Result(**one, points=Score(one["numerator"], one["denominator"]).points) for one in made.results if one["application"] in seen
    ]
    return ReportAnswer(
        id=made.id,
        panel=made.panel,
        stage=made.stage,
        revision=made.revision,
        text=made.text if len(results) == len(made.results) else None,
        recommended=[UUID(application) for application in made.recommended if application in seen],
        results=results,
        signed_by=made.signed_by,
        at=made.at,
    )


@routes.put("/panels/{id}/site-plan", operation_id="plan_site_visits")
def put_site_plan(key: PanelId, given: SitePlan, reviewer: Reviewer, transaction: InTransaction, version: IfMatch) -> PanelAnswer:
    """Plan the site visits, as the leader; If-Match carries the panel's version (2.3.2)."""
    return plan(transaction, key, reviewer, version, given.visits)


@routes.post("/panels/{id}/report", status_code=201, operation_id="report_stage")
def post_report(key: PanelId, new: NewReport, reviewer: Reviewer, transaction: InTransaction, _dry_run: DryRun) -> ReportAnswer:
    """Report the running stage, as the leader; refused until every application's consensus is signed (2.3.1, 2.3.3)."""
    made = report(transaction, key, reviewer, new)
    return show(transaction, made, transaction.session.get_one(Panel, key), reviewer)


@routes.get("/panels/{id}/reports", operation_id="list_reports")
def get_reports(
    key: PanelId, reader: PanelReader, transaction: InTransaction, limit: Limit = 50, cursor: Cursor = None
) -> Page[ReportAnswer]:
    """Read a panel's reports with every revision; whoever reads has given the undertaking for the cycle (7.6)."""
    panel, cycle = panel_for(transaction, key, reader)
    check_secrecy(transaction, reader.person, cycle)
    found, following = paginate(transaction.session, select(Report).where(Report.panel == panel.id), Report.id, cursor, limit)
    return Page(items=[show(transaction, made, panel, reader) for made in found], next_cursor=following)
