"""What was decided on an application, as its applicant and its endorsing body are told."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Text, cast, literal, select

from kernel.identity import Principal
from kernel.record import happened
from kernel.requests import Transaction
from kernel.service import API, Decision
from services.intake import access
from services.intake.tables import Application, Cycle, Organisation

Words = tuple[str, str]

RECUSAL: dict[str, Words] = {
    "recusal.granted": ("回避申请获准", "A recusal request was granted"),
    "recusal.refused": ("回避申请未获准", "A recusal request was refused"),
}
"""Told to the applicant that asked alone (2.4.5)."""
DECIDED: dict[str, Words] = {
    "application.returned": ("申报材料退回补正", "The application was returned for correction"),
    "application.declined": ("推荐单位不予推荐", "The endorsing body declined to endorse"),
    "application.endorsed": ("推荐单位同意推荐", "The endorsing body has endorsed"),
    "application.withdrawn": ("申报已撤回", "The application was withdrawn"),
    "application.disqualified": ("申报资格已取消", "The application was disqualified"),
}
SCREENED: dict[bool, Words] = {
    True: ("资格审查合格", "Found eligible in the screening"),
    False: ("资格审查不合格", "Found not eligible in the screening"),
}
STAGES: dict[str, Words] = {
    "eligible": ("重新进入材料评审", "Back in the material review"),
    "shortlisted": ("进入现场评审", "Shortlisted for the site review"),
    "not_shortlisted": ("未进入现场评审", "Not shortlisted for the site review"),
    "candidate": ("列为候选", "A candidate"),
    "not_candidate": ("未列为候选", "Not a candidate"),
    "proposed": ("列入拟获奖名单公示", "Among the proposed winners before the public"),
    "fallen": ("不再列入拟获奖名单", "No longer among the proposed winners"),
    "winner": ("获奖", "An award was made"),
    "revoked": ("奖项被撤销", "The award was revoked"),
}
LAPSED: Words = ("申报期限已过，申报未提交", "The deadline has passed, and the application was not handed in")
KINDS = frozenset({*DECIDED, "screening.determined", "application.stage_changed"})


def decisions(transaction: Transaction, person: Principal, since: datetime) -> Iterator[Decision]:
    """Give the decisions on the applicant's own applications, or on those addressed to the endorser's body, and what lapsed (5.1, 5.2)."""
    if person.role not in {"applicant", "endorser"}:
        return
    seen = select(literal("application:") + cast(Application.id, Text)).where(access.may_see(transaction, person))
    kinds = KINDS | RECUSAL.keys() if person.role == "applicant" else KINDS
    for row in happened(transaction.session, since, kinds, seen):
        application = row.subject.partition(":")[2]
        named = select(Organisation.name).join(Application).where(Application.id == UUID(application))
        organisation = transaction.session.scalars(named).one()
        yield _said(transaction, str(row.id), _words(row), organisation, application, row.clause)
    if person.role == "applicant":
        yield from _lapsed(transaction, person)


def _words(row: Row[Any]) -> Words:
    if row.kind == "screening.determined":
        return SCREENED[row.facts["eligible"]]
    return STAGES[row.facts["stage"]] if row.kind == "application.stage_changed" else (DECIDED | RECUSAL)[row.kind]


def _said(transaction: Transaction, key: str, words: Words, organisation: str, application: str, clause: str | None) -> Decision:
    zh, en = words
    title = transaction.say(f"{zh}：{organisation}", f"{en}: {organisation}")
    return Decision(key=key, title=title, href=f"{API}/applications/{application}", clause=clause)


def _lapsed(transaction: Transaction, person: Principal) -> Iterator[Decision]:
    """Tell of what was not handed in before the window closed, while the screening lasts."""
    left = Application.state.in_(("draft", "returned", "declined"))
    found = select(Application, Cycle, Organisation).join(Cycle).join(Organisation).where(left, access.may_see(transaction, person))
    for application, cycle, organisation in transaction.session.execute(found):
        if access.phase(cycle, transaction) == "screening":
            yield _said(transaction, f"lapsed:{application.id}", LAPSED, organisation.name, str(application.id), "5.2")
