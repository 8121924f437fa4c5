"""The district government's decision, and the publication of the results (5.4.3)."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from sqlalchemy import func, or_, select

from kernel.identity import Office
from kernel.problems import Kind, Problem, absent
from kernel.requests import DryRun, InTransaction, Transaction, offer
from kernel.service import API, router
from kernel.wire import Action, Answer, Body, Day, Id, Line, Name
from regulation.notice import check_approval, check_government_document, check_publication
from services.workflow.award import AwardAnswer, drop_proposed_awards, propose_awards, publish_awards, show_awards
from services.workflow.course import check_insight, check_move, check_scan, find_cycle, hidden_from_caller, lock_cycle, move
from services.workflow.notice import let_fall, standing_names
from services.workflow.objection.use_cases import OPEN
from services.workflow.stage import Insider, set_stage
from services.workflow.tables import Award, Contender, Cycle, GovernmentDecision, Notice, NoticeName, Objection, Publication

NOT_PROPOSED = Kind(409, "name_not_proposed", "申报 {application} 不在拟获奖名单中", "Application {application} was not proposed")


class NewDecision(Body):
    """The government's document: it approves, or refuses `names` (without any: all of them), which then fall."""

    decision: Literal["approve", "refuse"]
    document_number: Annotated[str, Line(120, least=0)]
    dated: Day
    scan: Id | None = None
    """The cycle's attachment that holds the scanned document."""
    names: list[Id] = Field(default_factory=list, max_length=50)

    @model_validator(mode="after")
    def _approves_all(self) -> Self:
        if self.decision == "approve" and self.names:
            raise ValueError("an approval names nobody: it is of every name that stands")
        return self

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"decision": "approve", "document_number": "金东政发〔2026〕12号", "dated": "2026-09-20"}]}
    )


class Ranked(Body):
    """An award's place among the winners of the same award, as the published document gives it."""

    award: Id
    rank: int = Field(ge=1, le=1000)


class NewPublication(Body):
    """The document that publishes the results, with its medium and day, and `ranks` where it ranks the winners."""

    document: Annotated[str, Line(200, least=0)]
    medium: Name
    published_on: Day
    ranks: list[Ranked] = Field(default_factory=list, max_length=50)

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"document": "金东政发〔2026〕12号", "medium": "金东区人民政府门户网站", "published_on": "2026-09-22"}]
        }
    )


class ApprovalAnswer(Answer):
    """The newest decision of the government on a cycle's winners, and the awards that follow from it."""

    cycle: UUID
    phase: str
    decision: str
    document_number: str
    dated: date
    scan: UUID | None
    at: datetime
    awards: list[AwardAnswer]
    actions: dict[str, Action]


class PublicationAnswer(Answer):
    """The publication of the results, which no longer change by it."""

    cycle: UUID
    phase: str
    document: str
    medium: str
    published_on: date
    awards: list[AwardAnswer]


def notice_ends(transaction: Transaction, cycle: Cycle) -> list[datetime]:
    """Give the ends of the notices of the names that stand."""
    statement = select(Notice.ends_at).join(NoticeName, NoticeName.notice_id == Notice.id)
    return list(transaction.session.scalars(statement.where(NoticeName.cycle_id == cycle.id, NoticeName.state == "running")))


def check_approve(transaction: Transaction, cycle: Cycle) -> None:
    """Refuse approval in the wrong phase, before the last name's notice is over, or with an open objection to one, or open late recusal."""
    check_move(transaction, cycle, "approve")
    statement = select(func.count()).select_from(Objection)
    binding = or_(Objection.notice_id.is_not(None), Objection.recused.is_not(None))
    waiting = statement.where(Objection.cycle_id == cycle.id, binding, Objection.state.in_(OPEN))
    check_approval(notice_ends(transaction, cycle), transaction.session.scalar(waiting) or 0, transaction.now)


def decide(transaction: Transaction, cycle_id: UUID, new: NewDecision) -> GovernmentDecision:
    """Record the government's decision: approval makes the awards, a refusal sends the names back to the committee."""
    cycle = lock_cycle(transaction, cycle_id)
    if new.decision == "approve":
        check_approve(transaction, cycle)
    else:
        check_move(transaction, cycle, "refuse")
    ends = notice_ends(transaction, cycle) if new.decision == "approve" else ()
    check_government_document(new.document_number, new.dated, ends, transaction.now)
    check_scan(transaction, new.scan, f"cycle:{cycle.id}")
    decision = GovernmentDecision(
        cycle_id=cycle.id,
        decision=new.decision,
        document_number=new.document_number,
        dated=new.dated,
        scan_id=new.scan,
        at=transaction.now,
    )
    transaction.session.add(decision)
    transaction.session.flush()
    names = standing_names(transaction, cycle)
    refused = set(new.names) or {name.application for name in names}
    if unknown := sorted(refused - {name.application for name in names}):
        raise Problem(NOT_PROPOSED, application=unknown[0])
    facts = {"document_number": new.document_number, "dated": new.dated.isoformat()}
    move(transaction, cycle, new.decision, facts=facts)
    if new.decision == "approve":
        propose_awards(transaction, cycle, names, decision)
        return decision
    drop_proposed_awards(transaction, cycle)
    for name in names:
        if name.application in refused:
            let_fall(transaction, cycle, name, "5.4.3")
    return decision


def newest_decision(transaction: Transaction, cycle: Cycle) -> GovernmentDecision | None:
    """Load the newest decision of the government on a cycle."""
    statement = select(GovernmentDecision).where(GovernmentDecision.cycle_id == cycle.id)
    return transaction.session.scalar(statement.order_by(GovernmentDecision.id.desc()).limit(1))


def publish(transaction: Transaction, cycle_id: UUID, new: NewPublication) -> Publication:
    """Publish the results; prizes and certificates are fixed from here on."""
    cycle = lock_cycle(transaction, cycle_id)
    check_move(transaction, cycle, "publish")
    check_government_document(new.document, new.published_on, notice_ends(transaction, cycle), transaction.now)
    decision = newest_decision(transaction, cycle)
    if decision is not None:
        check_publication(new.published_on, decision.dated)
    publication = Publication(
        cycle_id=cycle.id, document=new.document, medium=new.medium, published_on=new.published_on, at=transaction.now
    )
    transaction.session.add(publication)
    for award in publish_awards(transaction, cycle, new.published_on, {one.award: one.rank for one in new.ranks}):
        set_stage(transaction, transaction.session.get_one(Contender, award.application), "winner", "5.4.3")
    move(transaction, cycle, "publish", facts={"document": new.document, "published_on": new.published_on.isoformat()})
    return publication


def _awards(transaction: Transaction, cycle: Cycle) -> list[AwardAnswer]:
    seen = (Award.state != "proposed") | Award.credit_code.not_in(hidden_from_caller(transaction, cycle))
    found = transaction.session.scalars(select(Award).where(Award.cycle_id == cycle.id, seen).order_by(Award.certificate))
    return show_awards(transaction, found.all())


def show_decision(transaction: Transaction, cycle: Cycle, decision: GovernmentDecision) -> ApprovalAnswer:
    """Give a decision with what follows from it."""
    actions = {}
    if transaction.actor is not None and transaction.actor.has_duty("office"):
        href = f"{API}/cycles/{cycle.id}/publication"
        actions["publish"] = offer(transaction, "POST", href, lambda: check_move(transaction, cycle, "publish"))
    return ApprovalAnswer(
        cycle=cycle.id,
        phase=cycle.phase,
        decision=decision.decision,
        document_number=decision.document_number,
        dated=decision.dated,
        scan=decision.scan_id,
        at=decision.at,
        awards=_awards(transaction, cycle),
        actions=actions,
    )


routes = router("approval")


@routes.post("/cycles/{cycle_id}/approval", operation_id="record_government_decision", status_code=201)
def post_approval(cycle_id: UUID, new: NewDecision, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> ApprovalAnswer:
    """Record the government's decision, after the last notice's end and every objection's ruling (5.4.2, 5.4.3)."""
    decision = decide(transaction, cycle_id, new)
    return show_decision(transaction, find_cycle(transaction, cycle_id), decision)


@routes.get("/cycles/{cycle_id}/approval", operation_id="get_government_decision")
def get_approval(cycle_id: UUID, insider: Insider, transaction: InTransaction) -> ApprovalAnswer:
    """Read the government's newest decision; 404 before there is one."""
    cycle = find_cycle(transaction, cycle_id)
    check_insight(transaction, insider, cycle)
    decision = newest_decision(transaction, cycle)
    if decision is None:
        raise absent()
    return show_decision(transaction, cycle, decision)


@routes.post("/cycles/{cycle_id}/publication", operation_id="publish_results", status_code=201)
def post_publication(
    cycle_id: UUID, new: NewPublication, _office: Office, transaction: InTransaction, _dry_run: DryRun
) -> PublicationAnswer:
    """Publish the results that the government approved (5.4.3)."""
    publication = publish(transaction, cycle_id, new)
    cycle = find_cycle(transaction, cycle_id)
    return PublicationAnswer(
        cycle=cycle.id,
        phase=cycle.phase,
        document=publication.document,
        medium=publication.medium,
        published_on=publication.published_on,
        awards=_awards(transaction, cycle),
    )
