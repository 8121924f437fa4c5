"""A panel's stage reports, with the official results computed exactly, and what was found on site (2.3.1, 2.3.3, 4.2)."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from kernel.identity import Principal, Reviewer
from kernel.problems import Problem, absent
from kernel.requests import Cursor, DryRun, InTransaction, Limit, Transaction, offer, paginate
from kernel.service import API, router
from kernel.wire import Action, Answer, Body, Id, Line, Page, Reason, Words
from regulation.lifecycle import PANEL, step
from regulation.recusal import check_strength
from regulation.report import check_panel_report, check_recommended, check_site_scoring
from services.scoring import rounds
from services.scoring.access import (
    Stage,
    blind_to,
    cycle_of,
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
from services.scoring.consensus import NOT_REOPENED, NewSignature, StanceAnswer, check_leader, check_stance
from services.scoring.panel import SOME_ID, PanelId, PanelReader
from services.scoring.result import Result, hashed, result, shown
from services.scoring.tables import Cycle, Dossier, Panel, Report, ReportSignature, Round

routes = router("reports")

CLAUSES = {"material": "2.3.1", "site": "2.3.3"}
STAGE: dict[str, Stage] = {"material": "material", "site": "site"}


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


class NewReportSignature(NewSignature):
    """A member's stance on the report that the leader drafted, by its id; a dissent gives its reasons.

    A member who is recused from an application signs for the rest, which is all that they are shown.
    """

    report: Id

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"report": SOME_ID, "stance": "dissent", "reason": "建议名单遗漏了一家结果更好的组织。"}]}
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

    A member who still scores an application blind of its opened sheets reads nothing of it either.

    Until every member has signed it or dissented it is a draft: `sent_at` is null, and its panel alone reads it.
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
    sent_at: datetime | None
    signatures: list[StanceAnswer]
    actions: dict[str, Action]


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
    """Draft the running stage's report, or a revision of it, with the leader's signature; it goes out once every member has signed."""
    panel, cycle = panel_for_member(transaction, key, leader.person, lock=True)
    check_leader(panel, leader.person)
    stage = check_reportable(transaction, panel, cycle, new.stage)
    dossiers = reviewed(transaction, panel, stage)
    organisations = {str(dossier.application): dossier.credit_code for dossier in dossiers}
    rounds.drop_draft(transaction, panel, stage)
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
    transaction.session.flush()
    drafted = {"report": str(made.id), "stage": stage, "hash": hashed(words_of(made))}
    transaction.record("report.drafted", f"panel:{panel.id}", clause=CLAUSES[stage], facts=drafted)
    return made


def words_of(made: Report) -> dict[str, Any]:
    """Give what a report's hash in the record is over: its text, whom it recommends, and what was found."""
    return {"text": made.text, "recommended": made.recommended, "findings": made.findings}


def draft_of(transaction: Transaction, panel: Panel, key: UUID) -> Report:
    """Lock a panel's report that has not gone out; absent where it did, or was dropped."""
    found = select(Report).where(Report.id == key, Report.panel == panel.id, Report.sent_at.is_(None))
    made = transaction.session.scalar(found.with_for_update())
    if made is None:
        raise absent()
    return made


def check_signable(transaction: Transaction, panel: Panel, cycle: Cycle, made: Report) -> None:
    """Refuse a stance on a report of a stage that is over, or that a former leader drafted (2.3.1)."""
    check_reportable(transaction, panel, cycle, STAGE[made.stage])
    check_panel_report(panel.leader, made.signed_by or "", [], {}, {})


def sign(transaction: Transaction, key: UUID, member: Principal, given: NewReportSignature) -> Report:
    """Sign the leader's report or dissent from it in writing; with the last stance it goes to the office."""
    panel, cycle = panel_for_member(transaction, key, member.person, lock=True)
    made = draft_of(transaction, panel, given.report)
    check_signable(transaction, panel, cycle, made)
    check_stance(member.person, panel.leader, given.stance, given.reason or "")
    stance = {"stance": given.stance, "reason": given.reason or "", "at": transaction.now}
    statement = insert(ReportSignature).values(report=made.id, person=member.person, **stance)
    transaction.session.execute(statement.on_conflict_do_update(index_elements=["report", "person"], set_=stance))
    facts = {"report": str(made.id), "stage": made.stage, "stance": given.stance}
    transaction.record("report.signed", f"panel:{panel.id}", clause=CLAUSES[made.stage], facts=facts)
    signed = {one.person: one for one in signatures_by_report(transaction, [made])[made.id]}
    members = [one.person for one in members_of(transaction.session, panel) if one.standing == "appointed"]
    if set(members) <= {panel.leader, *signed}:
        stances: dict[str, Any] = {person: one.stance for person, one in signed.items()}
        check_panel_report(panel.leader, made.signed_by or "", members, stances, {person: one.reason for person, one in signed.items()})
        send(transaction, panel, made)
    return made


def send(transaction: Transaction, panel: Panel, made: Report) -> None:
    """Submit a signed report to the office."""
    made.sent_at = transaction.now
    transaction.session.execute(update(Round).where(Round.panel == panel.id, Round.stage == made.stage).values(reopened_at=None))
    transaction.session.flush()
    rounds.tell_report(transaction, panel, made, CLAUSES[made.stage])


def signatures_by_report(transaction: Transaction, reports: Collection[Report]) -> Mapping[UUID, list[ReportSignature]]:
    """List the members' stances on each report."""
    found: dict[UUID, list[ReportSignature]] = {made.id: [] for made in reports}
    query = select(ReportSignature).where(ReportSignature.report.in_(found)).order_by(ReportSignature.at, ReportSignature.person)
    for one in transaction.session.scalars(query.execution_options(populate_existing=True)):
        found[one.report].append(one)
    return found


def show(transaction: Transaction, made: Report, panel: Panel, cycle: Cycle, reader: Principal) -> ReportAnswer:
    """Answer with one report as this reader may see it."""
    return show_all(transaction, [made], panel, cycle, reader)[0]


def show_all(transaction: Transaction, reports: Collection[Report], panel: Panel, cycle: Cycle, reader: Principal) -> list[ReportAnswer]:
    """Answer with a panel's reports as this reader may see them; a dissent's reasons go with the text."""
    blind = blind_to(transaction.session, reader.person)
    theirs = {dossier.application for dossier in dossiers_of(transaction, panel, reader.person)}
    recused = bool(recusals_of(transaction.session, [reader.person]))
    signatures = signatures_by_report(transaction, reports)
    found = []
    for made in reports:
        unseen = {application for application, stage in blind if stage == made.stage}
        seen, unread = {str(application) for application in theirs - unseen}, recused or bool(theirs & unseen)
        found.append(
            ReportAnswer(
                id=made.id,
                panel=made.panel,
                stage=made.stage,
                revision=made.revision,
                text=None if unread else made.text,
                recommended=[UUID(application) for application in made.recommended if application in seen],
                results=[Result(**shown(one)) for one in made.results if one["application"] in seen],
                findings=[ApplicationFinding.model_validate(one) for one in made.findings if one["application"] in seen],
                signed_by=made.signed_by,
                at=made.at,
                sent_at=made.sent_at,
                signatures=[_stance(one, unread=unread) for one in signatures[made.id]],
                actions=actions(transaction, made, panel, cycle, reader),
            )
        )
    return found


def _stance(signature: ReportSignature, *, unread: bool) -> StanceAnswer:
    stance = StanceAnswer.model_validate(signature)
    return stance.model_copy(update={"reason": ""}) if unread else stance


def actions(transaction: Transaction, made: Report, panel: Panel, cycle: Cycle, reader: Principal) -> dict[str, Action]:
    """Offer a member the signature of a draft."""
    if reader.role != "reviewer" or reader.person == panel.leader or made.sent_at is not None:
        return {}
    href = f"{API}/panels/{panel.id}/report/signatures"
    return {"sign": offer(transaction, "POST", href, lambda: check_signable(transaction, panel, cycle, made))}


@routes.post("/panels/{id}/report", status_code=201, operation_id="report_stage")
def post_report(key: PanelId, new: NewReport, reviewer: Reviewer, transaction: InTransaction, _dry_run: DryRun) -> ReportAnswer:
    """Draft the running stage's report, as the leader, whose signature it bears; refused until every consensus is signed (2.3.1, 2.3.3)."""
    made = report(transaction, key, reviewer, new)
    panel = transaction.session.get_one(Panel, key)
    return show(transaction, made, panel, cycle_of(transaction, panel.cycle), reviewer)


@routes.post("/panels/{id}/report/signatures", status_code=201, operation_id="sign_report")
def post_signature(
    key: PanelId, given: NewReportSignature, reviewer: Reviewer, transaction: InTransaction, _dry_run: DryRun
) -> ReportAnswer:
    """Sign the leader's report, or dissent from it in writing, as a member; with the last stance it goes to the office (2.3.1)."""
    made = sign(transaction, key, reviewer, given)
    panel = transaction.session.get_one(Panel, key)
    return show(transaction, made, panel, cycle_of(transaction, panel.cycle), reviewer)


@routes.get("/panels/{id}/reports", operation_id="list_reports")
def get_reports(
    key: PanelId, reader: PanelReader, transaction: InTransaction, limit: Limit = 50, cursor: Cursor = None
) -> Page[ReportAnswer]:
    """Read a panel's reports with every revision, its members also the draft; whoever reads has given the undertaking (7.6)."""
    panel, cycle = panel_for(transaction, key, reader)
    query = select(Report).where(Report.panel == panel.id)
    if reader.role != "reviewer":
        query = query.where(Report.sent_at.is_not(None))
    found, following = paginate(transaction.session, query, Report.id, cursor, limit)
    return Page(items=show_all(transaction, found, panel, cycle, reader), next_cursor=following)
