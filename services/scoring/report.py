"""A panel's stage reports, with the official results computed exactly, and what was found on site (2.3.1, 2.3.3, 4.2)."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field
from sqlalchemy import select, update

from kernel.identity import Principal, Reviewer
from kernel.problems import Problem
from kernel.requests import Cursor, DryRun, InTransaction, Limit, Transaction, paginate
from kernel.service import router
from kernel.wire import Answer, Body, Id, Line, Page, Reason, Words
from regulation.lifecycle import PANEL, step
from regulation.recusal import check_strength
from regulation.report import check_recommended, check_site_scoring
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
    reviewed,
    rubric_of,
    stage_of,
)
from services.scoring.consensus import NOT_REOPENED, check_leader
from services.scoring.panel import SOME_ID, PanelId, PanelReader
from services.scoring.result import Result, result, shown
from services.scoring.tables import Cycle, Dossier, Panel, Report, Round

routes = router("reports")


class Verified(Body):
    """What was found on site about an item that was to be verified."""

    item: Annotated[str, Line(32)]
    finding: Annotated[str, Words(4000)]


class Finding(Body):
    """What the report says of one application."""

    application: Id
    text: Reason
    verified: Annotated[list[Verified], Field(default_factory=list, max_length=200)]


class NewReport(Body):
    """The panel's report of the running stage, or of one that a recusal has reopened.

    In material review `recommended` says who should go on to site review; `findings` say what was found, application by application.
    """

    text: Reason
    recommended: Annotated[list[Id], Field(max_length=500)]
    findings: Annotated[list[Finding], Field(default_factory=list, max_length=500)]
    stage: Stage | None = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "text": "本组共评审四家组织……",
                    "recommended": [SOME_ID],
                    "findings": [
                        {
                            "application": SOME_ID,
                            "text": "现场与材料基本一致。",
                            "verified": [{"item": "4.7.2", "finding": "数据由第三方检测报告支持。"}],
                        }
                    ],
                }
            ]
        }
    )


class VerifiedItem(Answer):
    """What was found about an item."""

    item: str
    finding: str


class ApplicationFinding(Answer):
    """What the report says of one application."""

    application: UUID
    text: str
    verified: list[VerifiedItem]


class ReportAnswer(Answer):
    """A report; nothing is shown of an application that the reader is recused from, and to whoever is recused from any, never the text.

    `signed_by` is null where a counted sheet was taken out after the report: the panel has yet to report anew.
    """

    id: UUID
    panel: UUID
    stage: str
    revision: int
    text: str | None
    recommended: list[UUID]
    results: list[Result]
    findings: list[ApplicationFinding]
    signed_by: str | None
    at: datetime


def check_reportable(transaction: Transaction, panel: Panel, cycle: Cycle, asked: Stage | None) -> Stage:
    """Give the stage to report: the running one, or one that a recusal has reopened; refuse any other (2.3.3, 2.4.5)."""
    stage = asked or stage_of(cycle) or "site"
    reopened = select(Round).where(Round.panel == panel.id, Round.stage == stage, Round.reopened_at.is_not(None)).limit(1)
    if transaction.session.scalar(reopened) is not None:
        step(PANEL, panel.state, "revise_report", phase_of(transaction, cycle))
        return stage
    step(PANEL, panel.state, "report", phase_of(transaction, cycle))
    if stage != stage_of(cycle):
        raise Problem(NOT_REOPENED)
    return stage


def results_of(
    transaction: Transaction, panel: Panel, cycle: Cycle, dossiers: Collection[Dossier], stage: Stage, standing: Report | None
) -> list[dict[str, Any]]:
    """Compute the results of what a stage reviews; of a stage that is over, those in the `standing` report stay as they are."""
    settled = {one["application"]: one for one in standing.results} if standing else {}
    due = {str(dossier.application): dossier.credit_code for dossier in dossiers if str(dossier.application) not in settled}
    members = [member.person for member in members_of(transaction.session, panel) if member.standing == "appointed"]
    check_strength(members, due, recusals_of(transaction.session, members), parameters_of(cycle))
    return [settled.get(str(dossier.application)) or result(transaction, panel, cycle, dossier, stage) for dossier in dossiers]


def report(transaction: Transaction, key: UUID, leader: Principal, new: NewReport) -> Report:
    """Report the running stage to the office, or revise the report while the stage still runs."""
    panel, cycle = panel_for_member(transaction, key, leader.person, lock=True)
    check_leader(panel, leader.person)
    stage = check_reportable(transaction, panel, cycle, new.stage)
    dossiers = reviewed(transaction, panel, stage)
    organisations = {str(dossier.application): dossier.credit_code for dossier in dossiers}
    last = rounds.newest_report(transaction, panel, stage)
    recommended = [str(application) for application in new.recommended]
    check_recommended(recommended, organisations)
    check_recommended([str(finding.application) for finding in new.findings], organisations)
    for verified in (entry for finding in new.findings for entry in finding.verified):
        rubric_of(cycle).item(verified.item)
    if stage == "site":
        for application in organisations:
            check_site_scoring(application, {visit["application"] for visit in panel.site_plan})
    made = Report(
        panel=panel.id,
        stage=stage,
        revision=last.revision + 1 if last else 1,
        text=new.text,
        recommended=recommended,
        results=results_of(transaction, panel, cycle, dossiers, stage, last if stage != stage_of(cycle) else None),
        findings=[finding.model_dump(mode="json") for finding in new.findings],
        signed_by=leader.person,
        at=transaction.now,
    )
    transaction.session.add(made)
    transaction.session.execute(update(Round).where(Round.panel == panel.id, Round.stage == stage).values(reopened_at=None))
    transaction.session.flush()
    rounds.tell_report(transaction, panel, made, "2.3.1" if stage == "material" else "2.3.3")
    return made


def show(transaction: Transaction, made: Report, panel: Panel, reader: Principal) -> ReportAnswer:
    """Answer with a report as this reader may see it."""
    seen = {str(dossier.application) for dossier in dossiers_of(transaction, panel, reader.person)}
    recused = recusals_of(transaction.session, [reader.person])
    return ReportAnswer(
        id=made.id,
        panel=made.panel,
        stage=made.stage,
        revision=made.revision,
        text=None if recused else made.text,
        recommended=[UUID(application) for application in made.recommended if application in seen],
        results=[Result(**shown(one)) for one in made.results if one["application"] in seen],
        findings=[ApplicationFinding.model_validate(one) for one in made.findings if one["application"] in seen],
        signed_by=made.signed_by,
        at=made.at,
    )


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
