"""Consensus: one agreed sheet from the opened ones, signed by the leader, agreed or dissented from in writing (2.3.1)."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Query
from pydantic import ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from kernel.identity import Principal, Reviewer
from kernel.problems import FORBIDDEN, Kind, Problem, absent
from kernel.requests import DryRun, IfMatch, InTransaction, Transaction, check_version, offer
from kernel.service import router
from kernel.wire import Action, Answer, Body, Mark, Words
from regulation.lifecycle import PANEL, step
from regulation.refusal import Refusal
from regulation.report import check_panel_report
from regulation.rubric import STEP
from regulation.score import check_consensus, check_rating, check_spread, sheet_twentieths
from services.scoring import rounds
from services.scoring.access import (
    Stage,
    dossier_of,
    eligible_for,
    panel_for,
    panel_for_member,
    rubric_of,
    rules_of,
    stage_of,
)
from services.scoring.opening import AskedStage, PanelId, PanelMember, opened_round
from services.scoring.sheet import mark, percents
from services.scoring.tables import Cycle, Dossier, Panel, Round, Signature

routes = router("consensus")

Stance = Literal["agree", "dissent"]
ApplicationId = Annotated[UUID, Path()]
ReopenedStage = Annotated[Stage | None, Query(description="the stage; the running one where left out, an earlier one once reopened")]
NOT_REOPENED = Kind(409, "stage_not_open", "该阶段已结束，且未因回避重新打开", "That stage has ended, and no recusal has reopened it")
AGREED_TEXTS = ("reason", "strengths", "opportunities", "changes")


class AgreedRating(Body):
    """What the panel agrees on for one item; a reason is due where the rules' spread is passed (2.1.1).

    Strengths and opportunities go into the applicant's feedback report; where they are left out, the members' own do.
    """

    percent: Annotated[int, Field(ge=-1000, le=1000)]
    reason: Annotated[str, Words(4000)] | None = None
    strengths: Annotated[str, Words(4000)] | None = None
    opportunities: Annotated[str, Words(4000)] | None = None


class NewConsensus(Body):
    """The whole consensus sheet, by item."""

    items: Annotated[dict[Annotated[str, Words(32)], AgreedRating], Field(max_length=200)]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": {
                        "4.1.2": {
                            "percent": 65,
                            "reason": "现场核实后，展开程度高于独立评分时所见。",
                            "strengths": "高层领导亲自推动质量文化。",
                            "opportunities": "对关键供方的展开不足。",
                        }
                    }
                }
            ]
        }
    )


class NewSignature(Body):
    """A member's stance on the consensus sheet as it stands; a dissent gives its reasons."""

    stance: Stance
    reason: Annotated[str, Words(4000)] | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"stance": "dissent", "reason": "4.7.3的趋势数据只有两年。"}]})


class AgreedItem(Answer):
    """An item as agreed: `changes` tells by sheet how many percent the agreed rating lies above (or below) the member's."""

    item: str
    percent: int
    reason: str | None
    strengths: str | None
    opportunities: str | None
    changes: dict[str, int]


class StanceAnswer(Answer):
    """A stance as signed."""

    person: str
    stance: str
    reason: str
    at: datetime


class Consensus(Answer):
    """A consensus sheet with its signatures; empty until the leader has put one."""

    application: UUID
    stage: str
    items: list[AgreedItem]
    total: Mark | None
    signatures: list[StanceAnswer]
    version: int
    actions: dict[str, Action]


def agreed_percents(found: Round) -> dict[str, int]:
    """Give the consensus sheet's ratings in percent."""
    return {item: rating["steps"] * STEP for item, rating in (found.agreed or {}).items()}


def check_agreed(transaction: Transaction, found: Round, cycle: Cycle) -> None:
    """Refuse a consensus that leaves items out or passes the rules' spread unexplained, against the sheets that count now."""
    rubric, spread = rubric_of(cycle), rules_of(cycle).spread_percent
    sheets = [percents(sheet) for sheet in rounds.opened_sheets(transaction, found)]
    reasons = {item: rating["reason"] or "" for item, rating in (found.agreed or {}).items()}
    check_consensus(agreed_percents(found), sheets, rubric, spread, reasons)
    check_spread(sheets, rubric, spread, reasons)


def check_leader(panel: Panel, person: str) -> None:
    """Admit the panel's leader alone."""
    if panel.leader != person:
        raise Problem(FORBIDDEN)


def open_consensus(
    transaction: Transaction, key: UUID, application: UUID, reviewer: Principal, stage: Stage | None
) -> tuple[Round, Panel, Dossier, Cycle]:
    """Lock an opened round of the running stage, or a reopened one, for a member who may act on its consensus."""
    panel, cycle = panel_for_member(transaction, key, reviewer.person)
    dossier = dossier_of(transaction, panel, application, reviewer.person)
    found = rounds.locked(transaction, opened_round(transaction, dossier, reviewer, stage or stage_of(cycle)).id)
    check_settling(transaction, panel, found, cycle)
    return found, panel, dossier, cycle


def check_settling(transaction: Transaction, panel: Panel, found: Round, cycle: Cycle) -> None:
    """Refuse to settle a consensus outside its stage, unless a recusal has reopened it (2.3.3, 2.4.5)."""
    step(PANEL, panel.state, "report", rounds.phase_for(transaction, panel, found))
    if found.reopened_at is None and found.stage != stage_of(cycle):
        raise Problem(NOT_REOPENED)


def agree(
    transaction: Transaction,
    key: UUID,
    application: UUID,
    leader: Principal,
    version: int,
    items: Mapping[str, AgreedRating],
    stage: Stage | None,
) -> Consensus:
    """Put the consensus sheet; whoever signed the one before signs again."""
    found, panel, dossier, cycle = open_consensus(transaction, key, application, leader, stage)
    check_leader(panel, leader.person)
    check_version(version, found.version)
    for item, rating in items.items():
        rubric_of(cycle).item(item)
        check_rating(rating.percent)
    sheets = {str(sheet.id): percents(sheet) for sheet in rounds.opened_sheets(transaction, found)}
    rounds.drop_draft(transaction, panel, found.stage)
    found.agreed = {
        item: {
            "steps": rating.percent // STEP,
            "reason": rating.reason,
            "strengths": rating.strengths,
            "opportunities": rating.opportunities,
            "changes": {sheet: rating.percent - rated[item] for sheet, rated in sheets.items()},
        }
        for item, rating in items.items()
    }
    check_agreed(transaction, found, cycle)
    found.version += 1
    rounds.unsign(transaction, found)
    facts = {"panel": str(panel.id), "stage": found.stage, "agreed": agreed_percents(found)}
    transaction.record("consensus.put", f"application:{application}", clause="2.3.1", facts=facts)
    return show(transaction, found, panel, dossier, cycle, leader)


def check_stance(person: str, leader: str, stance: Stance, reason: str) -> None:
    """Refuse a dissent without reasons, and a leader who dissents from the sheet they put (2.3.1)."""
    if person == leader and stance == "dissent":
        raise Refusal("report_unsigned", "2.3.1")
    check_panel_report(leader, leader, [person], {person: stance}, {person: reason})


def sign(
    transaction: Transaction, key: UUID, application: UUID, member: Principal, version: int, given: NewSignature, stage: Stage | None
) -> Consensus:
    """Sign the consensus sheet as it stands, or dissent from it in writing."""
    found, panel, dossier, cycle = open_consensus(transaction, key, application, member, stage)
    if found.agreed is None:
        raise absent()
    check_version(version, found.version)
    check_agreed(transaction, found, cycle)
    check_stance(member.person, panel.leader, given.stance, given.reason or "")
    stance = {"stance": given.stance, "reason": given.reason or "", "at": transaction.now}
    statement = insert(Signature).values(round=found.id, person=member.person, **stance)
    transaction.session.execute(statement.on_conflict_do_update(index_elements=["round", "person"], set_=stance))
    facts = {"panel": str(panel.id), "stage": found.stage, "stance": given.stance, "version": version}
    transaction.record("consensus.signed", f"application:{application}", clause="2.3.1", facts=facts)
    return show(transaction, found, panel, dossier, cycle, member)


def signatures_by_round(transaction: Transaction, rounds: Collection[UUID]) -> Mapping[UUID, list[Signature]]:
    """List the stances on each round's consensus sheet."""
    found: dict[UUID, list[Signature]] = {key: [] for key in rounds}
    query = select(Signature).where(Signature.round.in_(found)).order_by(Signature.at, Signature.person)
    for signature in transaction.session.scalars(query):
        found[signature.round].append(signature)
    return found


def signatures_of(transaction: Transaction, found: Round) -> list[Signature]:
    """List the stances on one consensus sheet."""
    return signatures_by_round(transaction, [found.id])[found.id]


def check_signed(transaction: Transaction, found: Round, panel: Panel, dossier: Dossier) -> None:
    """Refuse a consensus sheet without the leader's signature or an eligible member's stance (2.3.1)."""
    signed = signatures_of(transaction, found)
    stances: dict[str, Any] = {one.person: one.stance for one in signed}
    reasons = {one.person: one.reason for one in signed}
    members = sorted(eligible_for(transaction.session, panel, dossier.credit_code))
    check_panel_report(panel.leader, panel.leader if panel.leader in stances else "", members, stances, reasons)


def show(transaction: Transaction, found: Round, panel: Panel, dossier: Dossier, cycle: Cycle, reader: Principal) -> Consensus:
    """Answer with a consensus sheet."""
    transaction.version = found.version
    href = f"/api/v1/panels/{panel.id}/applications/{dossier.application}/consensus"

    def check_signable() -> None:
        check_settling(transaction, panel, found, cycle)
        check_agreed(transaction, found, cycle)

    actions = {}
    if reader.role == "reviewer":
        actions["sign"] = offer(transaction, "POST", f"{href}/signatures", check_signable)
        if reader.person == panel.leader:
            actions["agree"] = offer(transaction, "PUT", href, lambda: check_settling(transaction, panel, found, cycle))
    return Consensus(
        application=dossier.application,
        stage=found.stage,
        items=[
            AgreedItem(item=item, percent=rating["steps"] * STEP, **{name: rating[name] for name in AGREED_TEXTS})
            for item, rating in (found.agreed or {}).items()
        ],
        total=mark(sheet_twentieths(agreed_percents(found), rubric_of(cycle))) if found.agreed else None,
        signatures=[StanceAnswer.model_validate(one) for one in signatures_of(transaction, found)],
        version=found.version,
        actions=actions,
    )


@routes.get("/panels/{id}/applications/{application}/consensus", operation_id="get_consensus")
def get_consensus(
    key: PanelId, application: ApplicationId, reader: PanelMember, transaction: InTransaction, stage: AskedStage = None
) -> Consensus:
    """Read an application's consensus sheet; there is none before its sheets are opened."""
    panel, cycle = panel_for(transaction, key, reader)
    dossier = dossier_of(transaction, panel, application, reader.person)
    return show(transaction, opened_round(transaction, dossier, reader, stage), panel, dossier, cycle, reader)


@routes.put("/panels/{id}/applications/{application}/consensus", operation_id="agree_consensus")
def put_consensus(
    key: PanelId,
    application: ApplicationId,
    given: NewConsensus,
    reviewer: Reviewer,
    transaction: InTransaction,
    version: IfMatch,
    stage: ReopenedStage = None,
) -> Consensus:
    """Put the running stage's consensus sheet, as the leader; a spread or change beyond the rules needs its reason (2.1.1)."""
    return agree(transaction, key, application, reviewer, version, given.items, stage)


@routes.post("/panels/{id}/applications/{application}/consensus/signatures", status_code=201, operation_id="sign_consensus")
def post_signature(
    key: PanelId,
    application: ApplicationId,
    given: NewSignature,
    reviewer: Reviewer,
    transaction: InTransaction,
    _dry_run: DryRun,
    version: IfMatch,
    stage: ReopenedStage = None,
) -> Consensus:
    """Sign the consensus sheet that If-Match names, or dissent from it in writing (2.3.1)."""
    return sign(transaction, key, application, reviewer, version, given, stage)
