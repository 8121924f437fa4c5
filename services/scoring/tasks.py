"""What waits for a reviewer, a panel's leader and the office (待办)."""

from collections.abc import Iterator

from sqlalchemy import exists, select

from kernel.identity import Principal
from kernel.requests import Transaction
from kernel.service import API, Task
from regulation.recusal import eligible_members
from services.scoring.access import (
    STAGES,
    admitted,
    members_by_panel,
    not_recused,
    parameters_of,
    recusals_of,
    reviewed,
    reviewed_by_panel,
    seated,
    stage_of,
    standing,
    undertaken_at,
)
from services.scoring.sheet import mine
from services.scoring.tables import Cycle, Dossier, Panel, Report, ReportSignature, Round, Signature


def tasks(transaction: Transaction, principal: Principal) -> list[Task]:
    """List what this caller should do next."""
    if principal.role == "reviewer":
        return [*undertakings(transaction, principal), *sheets(transaction, principal), *consensus(transaction, principal)]
    if principal.has_duty("office"):
        return list(composition(transaction, principal))
    return []


def undertakings(transaction: Transaction, principal: Principal) -> Iterator[Task]:
    """Ask for the undertaking that comes before any access (7.6)."""
    query = select(Cycle).where(Cycle.id.in_(select(Panel.cycle).where(Panel.state == "formed", seated(principal.person))))
    for cycle in transaction.session.scalars(query):
        if undertaken_at(transaction.session, principal.person, cycle.id) is None:
            title = transaction.say(f"{cycle.year}年度：签署保密承诺", f"Give the confidentiality undertaking for {cycle.year}")
            yield Task(key=f"undertake:{cycle.id}", title=title, href=f"{API}/me/undertakings", clause="7.6")


def sheets(transaction: Transaction, principal: Principal) -> Iterator[Task]:
    """List the sheets to be rated and handed in."""
    for sheet, found, panel, dossier in transaction.session.execute(mine(principal.person).where(admitted(principal.person))).all():
        if sheet.state != "draft":
            continue
        if found.stage == "site" and str(dossier.application) not in {visit["application"] for visit in panel.site_plan}:
            continue
        title = transaction.say(f"评分：{dossier.organisation}", f"Rate {dossier.organisation}")
        yield Task(key=f"rate:{sheet.id}", title=title, href=f"{API}/sheets/{sheet.id}", clause="2.3.1")


def consensus(transaction: Transaction, principal: Principal) -> Iterator[Task]:
    """List the consensus sheets to be put or signed, and, for a leader, the site plan and the report."""
    query = select(Panel, Cycle).join(Cycle, Cycle.id == Panel.cycle).where(admitted(principal.person), Cycle.phase.in_(STAGES))
    for panel, cycle in transaction.session.execute(query).all():
        leads = panel.leader == principal.person
        waiting = (
            select(Round, Dossier)
            .join(Dossier, Dossier.application == Round.application)
            .where(Round.panel == panel.id, Round.stage == stage_of(cycle), Round.opened_at.is_not(None), standing())
            .where(~exists().where(Signature.round == Round.id, Signature.person == principal.person))
        )
        recused = {one.organisation for one in recusals_of(transaction.session, [principal.person])}
        for found, dossier in transaction.session.execute(waiting).all():
            if dossier.credit_code not in recused and (leads or found.agreed is not None):
                href = f"{API}/panels/{panel.id}/applications/{dossier.application}/consensus"
                title = transaction.say(f"合议：{dossier.organisation}", f"Find the consensus on {dossier.organisation}")
                yield Task(key=f"agree:{found.id}", title=title, href=href, clause="2.3.1")
        if leads:
            yield from leading(transaction, panel, cycle)
        else:
            yield from signing(transaction, panel, principal.person)


def leading(transaction: Transaction, panel: Panel, cycle: Cycle) -> Iterator[Task]:
    """List what the leader owes for the whole panel."""
    stage = stage_of(cycle) or "site"
    if not reviewed(transaction, panel, stage):
        return
    if stage == "site" and not panel.site_plan:
        title = transaction.say(f"制订现场评审计划：{panel.name}", f"Plan the site review of {panel.name}")
        yield Task(key=f"plan_site:{panel.id}", title=title, href=f"{API}/panels/{panel.id}/site-plan", clause="2.3.2")
    if not transaction.session.scalar(select(exists().where(Report.panel == panel.id, Report.stage == stage))):
        title = transaction.say(f"提交评审报告：{panel.name}", f"Submit the report of {panel.name}")
        yield Task(key=f"report:{panel.id}:{stage}", title=title, href=f"{API}/panels/{panel.id}/report", clause="2.3.3")


def signing(transaction: Transaction, panel: Panel, person: str) -> Iterator[Task]:
    """List the leader's report while it waits for this member's stance."""
    signed = exists().where(ReportSignature.report == Report.id, ReportSignature.person == person)
    if transaction.session.scalar(select(exists().where(Report.panel == panel.id, Report.sent_at.is_(None), ~signed))):
        title = transaction.say(f"签署评审报告：{panel.name}", f"Sign the report of {panel.name}")
        yield Task(key=f"sign_report:{panel.id}", title=title, href=f"{API}/panels/{panel.id}/reports", clause="2.3.1")


def composition(transaction: Transaction, principal: Principal) -> Iterator[Task]:
    """Tell the office of applications without a panel, and of panels short of eligible members (2.0, 2.2.2)."""
    for cycle in transaction.session.scalars(select(Cycle).where(Cycle.phase.in_(STAGES))):
        unassigned = exists().where(Dossier.cycle == cycle.id, Dossier.panel.is_(None), standing(), not_recused(principal.person))
        if transaction.session.scalar(select(unassigned)):
            title = transaction.say(f"{cycle.year}年度：为合格申报组建评审组", f"Form panels for the eligible applications of {cycle.year}")
            yield Task(key=f"form_panels:{cycle.id}", title=title, href=f"{API}/panels", clause="2.2.2")
        panels = transaction.session.scalars(select(Panel).where(Panel.cycle == cycle.id, Panel.state == "formed").order_by(Panel.id)).all()
        members = members_by_panel(transaction.session, [panel.id for panel in panels])
        recused = recusals_of(transaction.session, {principal.person, *(one.person for listed in members.values() for one in listed)})
        hidden = {one.organisation for one in recused if one.person == principal.person}
        due = reviewed_by_panel(transaction, [panel.id for panel in panels], stage_of(cycle) or "site")
        for panel in panels:
            able = [member.person for member in members[panel.id] if member.standing == "appointed"]
            codes = {dossier.credit_code for dossier in due[panel.id]} - hidden
            if any(len(eligible_members(able, code, recused)) < parameters_of(cycle).panel_minimum for code in codes):
                title = transaction.say(f"{cycle.year}年度：为{panel.name}补充评审员", f"Replace a reviewer of {panel.name} ({cycle.year})")
                yield Task(key=f"replace_member:{panel.id}", title=title, href=f"{API}/panels/{panel.id}/replacements", clause="2.0")
