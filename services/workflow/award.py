"""The awards: made by the government's approval with a computed prize, imported from earlier years, paid once and never over (6.1).

A revoked one stays, and says so (7.2, 7.5).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy import ColumnElement, delete, func, select

from kernel.identity import Principal, roles
from kernel.problems import Kind, Problem, absent, language_of
from kernel.requests import Cursor, InTransaction, Limit, Transaction, offer, paginate
from kernel.service import API, router
from kernel.wire import Action, Answer, Page
from regulation import lifecycle
from regulation.prize import EarlierAward, check_payable, prize_amount
from services.workflow.course import ENDED, note_reading, parameters_of, phase_of
from services.workflow.results import lock_results, record_change, title_of
from services.workflow.stage import set_stage
from services.workflow.tables import (
    Award,
    Contender,
    Cycle,
    GovernmentDecision,
    NoticeName,
    Payment,
    Recovery,
    Recusal,
    RevocationCase,
    Seat,
    Supervisor,
)

RANK_OF_NO_AWARD = Kind(409, "rank_of_no_award", "{award} 不是本年度的奖项", "{award} is none of this cycle's awards")

Watcher = Annotated[Principal, roles("committee", "supervisor", "applicant")]


class PaymentAnswer(Answer):
    """One payment."""

    id: UUID
    amount: int
    paid_on: date
    voucher: str


class EarlierAnswer(Answer):
    """An earlier award of the same organisation; a revoked one does not count."""

    award: str
    year: int
    revoked: bool


class AwardAnswer(Answer):
    """An award; `title` calls it with its year, `earlier` are the awards from which its prize was computed."""

    id: UUID
    version: int
    cycle: UUID | None
    application: UUID | None
    credit_code: str
    organisation: str
    award: str
    title: str
    year: int
    rank: int | None
    status: str
    prize: int
    earlier: list[EarlierAnswer]
    certificate: str | None
    plaque: str | None
    document_number: str
    approved_on: date
    published_on: date | None
    revoked_on: date | None
    revocation_clause: str | None
    revocation_document: str | None
    paid: int
    recovered: int
    payments: list[PaymentAnswer]
    actions: dict[str, Action]


def prize_of(transaction: Transaction, credit_code: str, award: str, cycle: Cycle) -> tuple[int, list[EarlierAward]]:
    """Compute a prize by the organisation's awards of earlier years; gives the awards it rests on as well (6.1)."""
    found = transaction.session.scalars(
        select(Award).where(Award.credit_code == credit_code, Award.year < cycle.year, Award.state != "proposed").order_by(Award.year)
    )
    earlier = [EarlierAward(one.award, one.year, one.state == "revoked") for one in found]
    return prize_amount(award, earlier, parameters_of(cycle, transaction.now)), earlier


def propose_awards(transaction: Transaction, cycle: Cycle, names: Sequence[NoticeName], decision: GovernmentDecision) -> None:
    """Make the awards that the government approved, each with its prize and its certificate's number."""
    p = parameters_of(cycle, transaction.now)
    state = lifecycle.step(lifecycle.AWARD, "new", "propose", phase_of(cycle, transaction.now)).to
    order = sorted(names, key=lambda name: (p.award(name.award).rank, name.credit_code))
    for number, name in enumerate(order, start=1):
        prize, earlier = prize_of(transaction, name.credit_code, name.award, cycle)
        award = Award(
            cycle_id=cycle.id,
            application=name.application,
            credit_code=name.credit_code,
            organisation=name.organisation,
            edition=cycle.edition,
            award=name.award,
            year=cycle.year,
            state=state,
            prize=prize,
            earlier=[asdict(one) for one in earlier],
            certificate=f"{cycle.edition.upper()}-{cycle.year}-{number:02}",
            plaque=f"{cycle.edition.upper()}-{cycle.year}-P{number:02}",
            document_number=decision.document_number,
            approved_on=decision.dated,
            version=1,
        )
        transaction.session.add(award)
        transaction.session.flush()
        facts = {
            "application": str(name.application),
            "credit_code": name.credit_code,
            "organisation": name.organisation,
            "award": name.award,
            "prize": prize,
            "certificate": award.certificate,
            "plaque": award.plaque,
        }
        transaction.record("award.proposed", f"award:{award.id}", clause="6.1", facts=facts)


def drop_proposed_awards(transaction: Transaction, cycle: Cycle) -> None:
    """Take back the awards of an approval that no longer stands: the cycle went back to the committee, or was cancelled (5.4.3)."""
    transaction.session.execute(delete(Award).where(Award.cycle_id == cycle.id, Award.state == "proposed"))


def publish_awards(transaction: Transaction, cycle: Cycle, published_on: date, ranks: Mapping[UUID, int]) -> Sequence[Award]:
    """Publish a cycle's awards, with the ranks that the document gives to some; from here on platform clients see them."""
    awards = transaction.session.scalars(select(Award).where(Award.cycle_id == cycle.id).order_by(Award.certificate)).all()
    if unknown := sorted(ranks.keys() - {award.id for award in awards}):
        raise Problem(RANK_OF_NO_AWARD, award=unknown[0])
    lock_results(transaction)
    for award in awards:
        award.rank = ranks.get(award.id)
        award.state = lifecycle.step(lifecycle.AWARD, award.state, "publish", phase_of(cycle, transaction.now)).to
        award.prize, earlier = prize_of(transaction, award.credit_code, award.award, cycle)
        award.earlier = [asdict(one) for one in earlier]
        award.published_on = published_on
        award.version += 1
        record_change(transaction, award, "published")
        tell_honour(transaction, award)
        facts = {"published_on": published_on.isoformat(), "prize": award.prize}
        transaction.record("award.published", f"award:{award.id}", clause="5.4.3", facts=facts)
    return awards


def check_revocable(award: Award) -> lifecycle.Step:
    """Refuse to revoke an award that is not published, or was revoked."""
    return lifecycle.step(lifecycle.AWARD, award.state, "revoke")


def revoke_award(transaction: Transaction, award: Award, clause: str, document: str, dated: date) -> None:
    """Revoke an award by the government's decision: it stays and says so, and what was published is corrected (7.2, 7.5)."""
    award.state = check_revocable(award).to
    award.revoked_on, award.revocation_clause, award.revocation_document = dated, clause, document
    award.version += 1
    lock_results(transaction)
    record_change(transaction, award, "revoked")
    facts = {"document_number": document, "dated": dated.isoformat()}
    transaction.record("award.revoked", f"award:{award.id}", clause=clause, facts=facts)
    tell_honour(transaction, award)
    if award.application is not None:
        set_stage(transaction, transaction.session.get_one(Contender, award.application), "revoked", clause)


def tell_honour(transaction: Transaction, award: Award) -> None:
    """Tell intake what an organisation holds, for its next application (3.1)."""
    facts = {
        "credit_code": award.credit_code,
        "award": award.award,
        "year": award.year,
        "status": award.state,
        "revoked_on": award.revoked_on.isoformat() if award.revoked_on else None,
    }
    transaction.record("honour.changed", f"award:{award.id}", clause=award.revocation_clause, facts=facts, tell=("intake",))


def visible_to(watcher: Principal) -> ColumnElement[bool]:
    """Say in SQL which awards a caller may see.

    One that is published is everybody's but the supervision group's, which sees its own cycle's alone; one that is not is for the
    office, the cycle's committee and its supervision group, and never for somebody recused from the organisation (2.4.5, 7.1).
    """
    published = Award.state != "proposed"
    if watcher.role == "applicant":
        return (Award.credit_code == watcher.org) & published
    unrecused = Award.credit_code.not_in(select(Recusal.credit_code).where(Recusal.person == watcher.person))
    if watcher.role == "supervisor":
        watched = select(Supervisor.cycle_id).join(Cycle).where(Supervisor.person == watcher.person, Cycle.phase.not_in(ENDED))
        return Award.cycle_id.in_(watched) & unrecused
    if watcher.has_duty("office"):
        return published | unrecused
    seated = Award.cycle_id.in_(select(Seat.cycle_id).where(Seat.person == watcher.person))
    return published | (seated & unrecused)


def find_award(transaction: Transaction, watcher: Principal, award_id: UUID) -> Award:
    """Load an award that the caller may see; 404 for any other."""
    award = transaction.session.scalar(select(Award).where(Award.id == award_id, visible_to(watcher)))
    if award is None:
        raise absent()
    if watcher.role == "supervisor":
        note_reading(transaction, watcher)
    return award


Money = tuple[Sequence[Payment], int]
"""The payments for an award, and what came back of its prize in yuan."""


def money_of(transaction: Transaction, awards: Collection[Award]) -> Mapping[UUID, Money]:
    """Load what was paid for awards and what came back of it."""
    keys = [award.id for award in awards]
    payments: dict[UUID, list[Payment]] = {key: [] for key in keys}
    for payment in transaction.session.scalars(select(Payment).where(Payment.award_id.in_(keys)).order_by(Payment.id)):
        if payment.award_id is not None:
            payments[payment.award_id].append(payment)
    recovered = select(RevocationCase.award_id, func.sum(Recovery.amount)).join(Recovery, Recovery.case_id == RevocationCase.id)
    by_award = recovered.where(RevocationCase.award_id.in_(keys)).group_by(RevocationCase.award_id)
    back = {key: int(amount) for key, amount in transaction.session.execute(by_award)}
    return {key: (payments[key], back.get(key, 0)) for key in keys}


def paid_for(award: Award, payments: Iterable[Payment]) -> int:
    """Give what was paid for an award in yuan; an imported one's prize was paid before this system was in use."""
    return award.prize if award.cycle_id is None else sum(payment.amount for payment in payments)


def check_pay(award: Award, payments: Iterable[Payment], amount: int = 1) -> None:
    """Refuse money for an award that is not one of a cycle's published ones, or more than its prize in all (6.1)."""
    paid = sum(payment.amount for payment in payments)
    check_payable(published=award.state == "published" and award.cycle_id is not None, paid=paid, prize=award.prize, amount=amount)


def show_award(transaction: Transaction, award: Award) -> AwardAnswer:
    """Give an award with its payments."""
    return show_awards(transaction, [award])[0]


def show_awards(transaction: Transaction, awards: Collection[Award]) -> list[AwardAnswer]:
    """Give awards with their payments."""
    money = money_of(transaction, awards)
    return [_shown(transaction, award, *money[award.id]) for award in awards]


def _shown(transaction: Transaction, award: Award, payments: Sequence[Payment], recovered: int) -> AwardAnswer:
    actions = {}
    if transaction.actor is not None and transaction.actor.has_duty("office"):
        href = f"{API}/awards/{award.id}/payments"
        actions["pay"] = offer(transaction, "POST", href, lambda: check_pay(award, payments))
    return AwardAnswer(
        id=award.id,
        version=award.version,
        cycle=award.cycle_id,
        application=award.application,
        credit_code=award.credit_code,
        organisation=award.organisation,
        award=award.award,
        title=title_of(award, language_of(transaction.request)),
        year=award.year,
        rank=award.rank,
        status=award.state,
        prize=award.prize,
        earlier=[EarlierAnswer.model_validate(one) for one in award.earlier],
        certificate=award.certificate,
        plaque=award.plaque,
        document_number=award.document_number,
        approved_on=award.approved_on,
        published_on=award.published_on,
        revoked_on=award.revoked_on,
        revocation_clause=award.revocation_clause,
        revocation_document=award.revocation_document,
        paid=paid_for(award, payments),
        recovered=recovered,
        payments=[PaymentAnswer.model_validate(payment) for payment in payments],
        actions=actions,
    )


routes = router("award")


@routes.get("/awards", operation_id="list_awards")
def list_awards(
    watcher: Watcher,
    transaction: InTransaction,
    year: Annotated[int | None, Query(ge=1990, le=9999)] = None,
    credit_code: Annotated[str | None, Query(max_length=18)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AwardAnswer]:
    """List the awards that the caller may see: an applicant its own organisation's, a supervisor those of the year it watches."""
    if watcher.role == "supervisor":
        note_reading(transaction, watcher)
    statement = select(Award).where(visible_to(watcher))
    if year is not None:
        statement = statement.where(Award.year == year)
    if credit_code is not None:
        statement = statement.where(Award.credit_code == credit_code)
    found, following = paginate(transaction.session, statement, Award.id, cursor, limit)
    return Page(items=show_awards(transaction, found), next_cursor=following)


@routes.get("/awards/{award_id}", operation_id="get_award")
def get_award(award_id: UUID, watcher: Watcher, transaction: InTransaction) -> AwardAnswer:
    """Read one award."""
    award = find_award(transaction, watcher, award_id)
    transaction.version = award.version
    return show_award(transaction, award)
