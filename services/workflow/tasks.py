"""What waits for whom here (待办): the office's next step and findings, votes, undertakings, a body's announcement."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import select

from kernel.identity import Principal
from kernel.requests import Transaction
from kernel.service import API, Task
from regulation.calendar import midnight
from regulation.lifecycle import PHASES
from services.workflow import honour
from services.workflow.ballot.papers import ballots_by_motion, concerned, votes_by_ballot
from services.workflow.course import ENDED, hidden_from, parameters_of, phase_of, plan_of, serves
from services.workflow.objection.use_cases import UNINVESTIGATED, due_of
from services.workflow.revocation import use_cases as revocation
from services.workflow.tables import (
    Ballot,
    Cycle,
    Finding,
    Motion,
    Notification,
    Objection,
    Panel,
    PanelReport,
    Seat,
    Supervisor,
    Undertaking,
)


class NextStep(NamedTuple):
    """The step that a phase waits for: the cycle's action, as in `dashboard.OFFICE_ACTIONS`, what it is called, and its clause."""

    action: str
    zh: str
    en: str
    clause: str


NEXT_STEP: Mapping[str, NextStep] = MappingProxyType(
    {
        "planned": NextStep(
            "approve_rules",
            "制订计划、细则、评委会名单，提请审定细则",
            "plan, draft rules and roster, and have the committee adopt the rules",
            "2.1.1",
        ),
        "rules_approved": NextStep("launch", "启动评审", "launch the review", "2.2.1"),
        "open": NextStep("announce", "发布申报通告", "announce the call for applications", "5.1"),
        "screening": NextStep(
            "close_screening", "完成资格审查，确定合格名单", "screen the applications and close the eligible list", "5.3.1"
        ),
        "material_review": NextStep(
            "confirm_shortlist", "汇总材料评审，确定现场评审名单", "gather the material reviews and settle who goes to site review", "5.3.2"
        ),
        "site_review": NextStep(
            "evaluate", "汇总现场评审，形成综合评价报告", "gather the site reviews into the evaluation report", "5.4.1"
        ),
        "oral_defence": NextStep("evaluate", "形成综合评价报告", "compute the evaluation report", "5.4.1"),
        "evaluation": NextStep(
            "confirm_evaluation", "确认候选名单，报告评委会", "confirm the candidates and report to the committee", "2.2.3"
        ),
        "deliberation": NextStep(
            "publish_notice", "提请审议拟获奖名单，组织公示", "put the proposed winners to the committee, then before the public", "5.4.2"
        ),
        "public_notice": NextStep("approve", "公示期满后报区政府审定", "after the notice, ask the government's approval", "5.4.3"),
        "approval": NextStep("publish", "公布评审结果", "publish the results", "5.4.3"),
        "published": NextStep("close", "兑现奖励，结束本年度评审", "pay the prizes and close the year", "2.3.end"),
    }
)


HEARING = NextStep("hear_defences", "组织答辩", "hear the oral defences", "5.4.1")
"""What site review waits for where the edition has an oral defence."""


def next_step(transaction: Transaction, cycle: Cycle) -> NextStep | None:
    """Tell the step that a cycle waits for; None where nobody's act takes it on."""
    phase = phase_of(cycle, transaction.now)
    if phase == "open" and cycle.opens is not None:
        return None
    return HEARING if phase == "site_review" and parameters_of(cycle, transaction.now).oral_defence else NEXT_STEP.get(phase)


def tasks(transaction: Transaction, principal: Principal) -> Sequence[Task]:
    """List what this person has to do, in every cycle that is not over."""
    cycles = transaction.session.scalars(select(Cycle).where(Cycle.phase.not_in(ENDED)).order_by(Cycle.year)).all()
    found: list[Task] = []
    for cycle in cycles:
        if principal.has_duty("office"):
            found += office_tasks(transaction, cycle, principal)
        if principal.has_duty("chair"):
            found += chair_tasks(transaction, cycle)
        if principal.has_duty("chair", "vice_chair", "member"):
            found += votes_due(transaction, cycle, principal)
        if principal.role in {"committee", "supervisor"}:
            found += undertaking_due(transaction, cycle, principal)
        if principal.role == "endorser" and phase_of(cycle, transaction.now) == "open":
            found += announcements(transaction, cycle, principal)
    if principal.has_duty("office"):
        found += revocation.duties(transaction, principal)
    if principal.has_duty("office") or principal.role == "applicant":
        found += [*honour.duties(transaction, principal), *honour.misuses(transaction, principal)]
    return found


def office_tasks(transaction: Transaction, cycle: Cycle, principal: Principal) -> Iterator[Task]:
    """Give the next step with the day the plan has the following phase begin, unanswered findings and open objections."""
    phase = phase_of(cycle, transaction.now)
    here = f"{API}/cycles/{cycle.id}"
    if step := next_step(transaction, cycle):
        action, zh, en, clause = step
        title = transaction.say(f"{cycle.year}年度：{zh}", f"{cycle.year}: {en}")
        plan = plan_of(cycle)
        due = next((plan[name] for name in PHASES[PHASES.index(phase) + 1 :] if name in plan), None)
        yield Task(key=f"{action}:{cycle.id}", title=title, href=here, due=midnight(due) if due else None, clause=clause)
    for finding in transaction.session.scalars(select(Finding).where(Finding.cycle_id == cycle.id, Finding.answered_at.is_(None))):
        title = transaction.say("答复监督组提出的问题", "Answer the supervision group's finding")
        yield Task(key=f"answer_finding:{finding.id}", title=title, href=f"{API}/findings/{finding.id}/answer", clause="7.1")
    waiting = select(Objection).where(Objection.cycle_id == cycle.id, Objection.state.in_(UNINVESTIGATED))
    hidden = hidden_from(transaction, principal, cycle)
    waiting = waiting.where(Objection.credit_code.is_(None) | Objection.credit_code.not_in(hidden))
    for objection in transaction.session.scalars(waiting.order_by(Objection.id).limit(50)):
        href, due = f"{API}/objections/{objection.id}", due_of(objection)
        title = (
            transaction.say("调查核实异议", "Investigate the objection")
            if objection.notice_id
            else transaction.say("调查核实反映的问题", "Investigate what was reported")
        )
        clause = "5.4.2" if objection.notice_id else "2.2.4"
        yield Task(key=f"investigate:{objection.id}", title=title, href=href, due=due, clause=clause)


def chair_tasks(transaction: Transaction, cycle: Cycle) -> Iterator[Task]:
    """Give the supervision group to set up, while there is none (7.1)."""
    group = select(Supervisor.person).where(Supervisor.cycle_id == cycle.id)
    if cycle.phase in {"planned", "rules_approved"} and transaction.session.scalars(group).first() is None:
        title = transaction.say(f"{cycle.year}年度：设立监督组", f"{cycle.year}: set up the supervision group")
        yield Task(key=f"set_up_group:{cycle.id}", title=title, href=f"{API}/cycles/{cycle.id}/supervision-group", clause="7.1")


def undertaking_due(transaction: Transaction, cycle: Cycle, principal: Principal) -> Iterator[Task]:
    """Give the confidentiality undertaking that somebody with a seat in a launched cycle still owes (7.6)."""
    place = (cycle.id, principal.person)
    seated, supervises = transaction.session.get(Seat, place), transaction.session.get(Supervisor, place)
    seat = seated if principal.role == "committee" else supervises
    given = transaction.session.get(Undertaking, (principal.person, cycle.id))
    if cycle.launched_on is not None and serves(transaction, seat) and given is None:
        title = transaction.say(f"{cycle.year}年度：签署保密承诺", f"Give the confidentiality undertaking for {cycle.year}")
        yield Task(key=f"undertake:{cycle.id}", title=title, href=f"{API}/me/undertakings", clause="7.6")


def others_due(transaction: Transaction, cycle: Cycle, reader: Principal) -> Iterator[tuple[str, Task]]:
    """Give what the cycle waits for from others than the office, with the person who must act: panels' reports, and members' votes.

    Votes on organisations that the reader is recused from are left out.
    """
    stage = {"material_review": "material", "site_review": "site"}.get(phase_of(cycle, transaction.now))
    reported = select(PanelReport.panel_id).where(PanelReport.cycle_id == cycle.id, PanelReport.stage == stage)
    missing = select(Panel).where(Panel.cycle_id == cycle.id, Panel.id.not_in(reported)).order_by(Panel.name)
    for panel in transaction.session.scalars(missing) if stage else ():
        title = transaction.say(f"提交评审报告：{panel.name}", f"Submit the report of {panel.name}")
        key, href = f"report:{panel.id}:{stage}", f"{API}/panels/{panel.id}/report"
        yield panel.leader, Task(key=key, title=title, href=href, clause="2.3.3")
    for motion, ballots in open_ballots(transaction, cycle, reader):
        for person in motion.roll:
            if any(person not in ballot.recused and person not in voted for ballot, voted in ballots):
                yield person, vote_on(transaction, motion)


def open_ballots(transaction: Transaction, cycle: Cycle, reader: Principal) -> list[tuple[Motion, list[tuple[Ballot, set[str]]]]]:
    """Give the open motions with their ballots and who has voted in each, without those that are hidden from the reader."""
    hidden = hidden_from(transaction, reader, cycle)
    motions = transaction.session.scalars(select(Motion).where(Motion.cycle_id == cycle.id, Motion.state == "voting")).all()
    ballots = ballots_by_motion(transaction, [motion.id for motion in motions])
    votes = votes_by_ballot(transaction, [ballot.id for of_motion in ballots.values() for ballot in of_motion])
    return [
        (
            motion,
            [(one, {vote.person for vote in votes[one.id]}) for one in ballots[motion.id] if not concerned(motion, one) & hidden],
        )
        for motion in motions
    ]


def vote_on(transaction: Transaction, motion: Motion) -> Task:
    """Ask for a vote on a motion (2.1.2)."""
    title = transaction.say(f"表决：{motion.title}", f"Vote: {motion.title}")
    return Task(key=f"vote:{motion.id}", title=title, href=f"{API}/motions/{motion.id}", clause="2.1.2")


def votes_due(transaction: Transaction, cycle: Cycle, principal: Principal) -> Iterator[Task]:
    """Give the open motions in which this member still has a vote to cast."""
    person = principal.person
    for motion, ballots in open_ballots(transaction, cycle, principal):
        if person in motion.roll and any(person not in ballot.recused and person not in voted for ballot, voted in ballots):
            yield vote_on(transaction, motion)


def announcements(transaction: Transaction, cycle: Cycle, principal: Principal) -> Iterator[Task]:
    """Give an endorsing body its notice of the announcement, due when the window closes (5.1)."""
    sent = select(Notification).where(Notification.cycle_id == cycle.id, Notification.code == principal.body)
    if principal.body is not None and transaction.session.scalars(sent).first() is not None:
        title = transaction.say(
            f"{cycle.year}年度区政府质量奖申报已启动，请组织推荐", f"Applications for {cycle.year} are called for: endorse the best"
        )
        href = f"{API}/cycles/{cycle.id}/announcement"
        yield Task(key=f"call:{cycle.id}", title=title, href=href, due=cycle.closes, clause="5.1")
