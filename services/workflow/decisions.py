"""What was decided in a year, as the committee, the office, the supervision group and the winners are told."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, cast, literal, select
from sqlalchemy.orm import InstrumentedAttribute

from kernel.identity import Principal
from kernel.record import happened
from kernel.requests import Transaction
from kernel.service import API, Decision
from services.workflow.ballot.papers import ballots_by_motion, concerned
from services.workflow.course import has_insight, has_undertaken, hidden_from, is_supervisor
from services.workflow.results import title_of
from services.workflow.tables import Award, Cycle, Finding, Motion

Words = tuple[str, str]

STEPS: dict[str, Words] = {
    "close_screening": ("资格审查结束", "the screening is closed"),
    "confirm_shortlist": ("现场评审名单已确定", "the site reviews are settled"),
    "evaluate": ("综合评价报告已形成", "the evaluation report is made"),
    "confirm_evaluation": ("候选名单已报告评委会", "the candidates are before the committee"),
    "hear_defences": ("答辩开始", "the oral defences begin"),
    "reopen": ("评委会决定退回前一阶段", "the committee sent the year back a stage"),
    "publish_notice": ("拟获奖名单已公示", "the proposed winners are before the public"),
    "end_deliberation": ("审议结束", "the deliberation has ended"),
    "remove_name": ("有拟获奖名称被移出", "a proposed name has fallen"),
    "approve": ("区政府已审定批准", "the government has approved"),
    "refuse": ("区政府退回审议", "the government has sent names back"),
    "publish": ("评审结果已公布", "the results are published"),
    "cancel": ("本年度评审取消", "the year is cancelled"),
}
"""What a step of the year, by its action, is called once it is taken."""
OTHER_STEPS: dict[str, Words] = {
    "rules.approved": ("评审实施细则审定通过", "the implementation rules are adopted"),
    "cycle.launched": ("评审已启动", "the review is launched"),
    "cycle.closed": ("本年度评审结束", "the year is closed"),
}
OUTCOMES: dict[str, Words] = {
    "passed": ("通过", "passed"),
    "rejected": ("未通过", "rejected"),
    "no_quorum": ("未达法定人数", "no quorum"),
}
WON: dict[str, Words] = {"award.paid": ("奖金已拨付", "Prize money was paid"), "award.revoked": ("荣誉被撤销", "The honour was revoked")}


def decisions(transaction: Transaction, person: Principal, since: datetime) -> Iterator[Decision]:
    """Give the steps of the year, votes' outcomes and answered findings, to a winner its prize; never what the person did alone."""
    if person.role == "applicant":
        yield from _winner(transaction, person, since)
    if person.role not in {"committee", "supervisor"}:
        return
    for cycle in transaction.session.scalars(select(Cycle).order_by(Cycle.year)):
        if has_insight(transaction, person, cycle):
            yield from _steps(transaction, person, cycle, since)
            yield from _votes(transaction, person, cycle, since)
            if is_supervisor(transaction, person, cycle):
                yield from _findings(transaction, cycle, since)


def _subjects(kind: str, key: InstrumentedAttribute[UUID], which: ColumnElement[bool]) -> Select[str]:
    return select(literal(f"{kind}:") + cast(key, Text)).where(which)


def _steps(transaction: Transaction, person: Principal, cycle: Cycle, since: datetime) -> Iterator[Decision]:
    for row in happened(transaction.session, since, {"cycle.phase_changed", *OTHER_STEPS}, [f"cycle:{cycle.id}"]):
        words = OTHER_STEPS.get(row.kind) or STEPS.get(row.facts.get("action", ""))
        if words is not None and row.actor != person.person:
            title = transaction.say(f"{cycle.year}年度：{words[0]}", f"{cycle.year}: {words[1]}")
            yield Decision(key=str(row.id), title=title, href=f"{API}/cycles/{cycle.id}", clause=row.clause)


def _votes(transaction: Transaction, person: Principal, cycle: Cycle, since: datetime) -> Iterator[Decision]:
    """Give the outcome of each vote of which the person may see a ballot (2.4.5), on names after the undertaking alone (7.6)."""
    hidden = hidden_from(transaction, person, cycle)
    rows = happened(transaction.session, since, ["motion.closed"], _subjects("motion", Motion.id, Motion.cycle_id == cycle.id))
    closed = {UUID(row.subject.partition(":")[2]): row for row in rows}
    motions = {motion.id: motion for motion in transaction.session.scalars(select(Motion).where(Motion.id.in_(closed)))}
    ballots = ballots_by_motion(transaction, closed)
    for key, row in closed.items():
        motion = motions[key]
        about = [codes for codes in (concerned(motion, ballot) for ballot in ballots[motion.id]) if not codes & hidden]
        if row.actor != person.person and about and (not any(about) or has_undertaken(transaction, person, cycle)):
            zh, en = OUTCOMES[row.facts["outcome"]]
            title = transaction.say(f"表决结果（{zh}）：{motion.title}", f"The vote is closed ({en}): {motion.title}")
            yield Decision(key=str(row.id), title=title, href=f"{API}/motions/{motion.id}", clause=row.clause)


def _findings(transaction: Transaction, cycle: Cycle, since: datetime) -> Iterator[Decision]:
    for row in happened(transaction.session, since, ["finding.answered"], _subjects("finding", Finding.id, Finding.cycle_id == cycle.id)):
        title = transaction.say("评审办答复了监督组提出的问题", "The office answered the group's finding")
        yield Decision(key=str(row.id), title=title, href=f"{API}/findings", clause=row.clause)


def _winner(transaction: Transaction, person: Principal, since: datetime) -> Iterator[Decision]:
    """Give what befell the applicant's awards; that one of this product's years was revoked, intake tells with the application."""
    own = _subjects("award", Award.id, (Award.credit_code == person.org) & (Award.state != "proposed"))
    for row in happened(transaction.session, since, WON.keys(), own):
        award = transaction.session.get_one(Award, UUID(row.subject.partition(":")[2]))
        if row.kind == "award.paid" or award.application is None:
            zh, en = WON[row.kind]
            title = transaction.say(f"{zh}：{title_of(award)}", f"{en}: {title_of(award, 'en')}")
            yield Decision(key=str(row.id), title=title, href=f"{API}/awards/{award.id}", clause=row.clause)
