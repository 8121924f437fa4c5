"""The awards: made by the government's approval with a computed prize, imported from earlier years, paid once and never over (6.1)."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import ConfigDict, Field
from sqlalchemy import delete, func, select, tuple_

from kernel.identity import Office, Principal, roles
from kernel.problems import INVALID, Kind, Problem, absent, language_of
from kernel.requests import Cursor, DryRun, InTransaction, Limit, Transaction, offer, paginate
from kernel.service import API, router
from kernel.wire import Action, Answer, Body, Day, Line, Name, Page, Yuan
from regulation import edition, lifecycle
from regulation.calendar import day
from regulation.edition import Parameters
from regulation.identifiers import check_credit_code
from regulation.prize import EarlierAward, check_payable, check_payment_day, prize_amount
from regulation.refusal import Language, Refusal
from services.workflow.course import find_cycle, parameters_of, phase_of
from services.workflow.results import lock_results, record_change, title_of
from services.workflow.tables import Award, Cycle, GovernmentDecision, NoticeName, Payment

VOUCHER_USED = Kind(409, "voucher_used", "凭证 {voucher} 已入账", "Voucher {voucher} was entered already")

Watcher = Annotated[Principal, roles("committee", "supervisor", "applicant")]
Budgeting = Annotated[Principal, roles("committee", "supervisor", duties=("office", "chair"))]


class ImportedAward(Body):
    """An award won before this system was in use; it counts for later prizes (6.1)."""

    credit_code: Annotated[str, Line(18)]
    organisation: Name
    award: Annotated[str, Line(64)]
    year: int = Field(ge=1990, le=9999)
    prize: Yuan
    document_number: Name
    approved_on: Day
    certificate: Name | None = None


class AwardImport(Body):
    """Earlier winners, loaded all or none."""

    awards: list[ImportedAward] = Field(min_length=1, max_length=1000)

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "awards": [
                        {
                            "credit_code": "91330703MA00000900",
                            "organisation": "金东某机械有限公司",
                            "award": "innovation",
                            "year": 2023,
                            "prize": 150000,
                            "document_number": "金东政发〔2023〕18号",
                            "approved_on": "2023-10-12",
                        }
                    ]
                }
            ]
        }
    )


class NewPayment(Body):
    """Prize money paid out, in whole yuan; a voucher is entered once."""

    amount: int = Field(ge=1, le=10**12)
    paid_on: Day
    voucher: Annotated[str, Line(60)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": 350000, "paid_on": "2026-10-20", "voucher": "2026-10-0117"}]})


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
    status: str
    prize: int
    earlier: list[EarlierAnswer]
    certificate: str | None
    document_number: str
    approved_on: date
    published_on: date | None
    paid: int
    payments: list[PaymentAnswer]
    actions: dict[str, Action]


class Imported(Answer):
    """How many awards were imported."""

    imported: int
    awards: list[AwardAnswer]


class BudgetAnswer(Answer):
    """A cycle's prize money in whole yuan: planned, committed by awards, paid."""

    cycle: UUID
    budget_yuan: int | None
    committed: int
    paid: int


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
            document_number=decision.document_number,
            approved_on=decision.dated,
            version=1,
        )
        transaction.session.add(award)
        transaction.session.flush()
        facts = {"application": str(name.application), "award": name.award, "prize": prize, "certificate": award.certificate}
        transaction.record("award.proposed", f"award:{award.id}", clause="6.1", facts=facts)


def drop_proposed_awards(transaction: Transaction, cycle: Cycle) -> None:
    """Take back the awards of an approval that no longer stands: the cycle went back to the committee, or was cancelled (5.4.3)."""
    transaction.session.execute(delete(Award).where(Award.cycle_id == cycle.id, Award.state == "proposed"))


def publish_awards(transaction: Transaction, cycle: Cycle, published_on: date) -> Sequence[Award]:
    """Publish a cycle's awards: from here on platform clients see them."""
    awards = transaction.session.scalars(select(Award).where(Award.cycle_id == cycle.id).order_by(Award.certificate)).all()
    lock_results(transaction)
    for award in awards:
        award.state = lifecycle.step(lifecycle.AWARD, award.state, "publish", phase_of(cycle, transaction.now)).to
        award.prize, earlier = prize_of(transaction, award.credit_code, award.award, cycle)
        award.earlier = [asdict(one) for one in earlier]
        award.published_on = published_on
        award.version += 1
        record_change(transaction, award, "published")
        transaction.record("award.published", f"award:{award.id}", clause="5.4.3", facts={"published_on": published_on.isoformat()})
    return awards


def import_awards(transaction: Transaction, imported: AwardImport) -> Sequence[Award]:
    """Load earlier winners, all or none; every row that can't be loaded is named with the reason."""
    lock_results(transaction)
    name = transaction.service.settings.edition
    p = edition.load(name).parameters(day(transaction.now))
    check_rows(transaction, imported.awards, p)
    awards = [
        Award(**row.model_dump(), edition=name, state="published", earlier=[], published_on=row.approved_on, version=1)
        for row in imported.awards
    ]
    transaction.session.add_all(awards)
    transaction.session.flush()
    for award in awards:
        record_change(transaction, award, "imported")
        transaction.record("award.imported", f"award:{award.id}", clause="6.1", facts={"award": award.award, "year": award.year})
    return awards


def check_rows(transaction: Transaction, rows: Sequence[ImportedAward], p: Parameters) -> None:
    """Name each row with a wrong code, an unknown award, a date ahead, a year held here, or what is there already; 422 where any is."""
    session, language = transaction.session, language_of(transaction.request)
    keys = [(row.credit_code, row.award, row.year) for row in rows]
    same = tuple_(Award.credit_code, Award.award, Award.year).in_(keys)
    there = {tuple(found) for found in session.execute(select(Award.credit_code, Award.award, Award.year).where(same))}
    numbers = [row.certificate for row in rows if row.certificate]
    used = set(session.scalars(select(Award.certificate).where(Award.certificate.in_(numbers))))
    held = set(session.scalars(select(Cycle.year).where(Cycle.phase != "cancelled")))
    errors: list[dict[str, str]] = []
    for index, (row, key) in enumerate(zip(rows, keys, strict=True)):
        wrong = dict(row_refusals(row, p, language))
        if row.approved_on > day(transaction.now):
            wrong["approved_on"] = "yet to come" if language == "en" else "日期晚于今天"
        if row.year in held or row.year > row.approved_on.year:
            wrong["year"] = "no earlier year" if language == "en" else "不是以往年度"
        if key in there:
            wrong["year"] = "this award is there already" if language == "en" else "该获奖记录已存在"
        if row.certificate in used:
            wrong["certificate"] = "this number is taken" if language == "en" else "证书编号已被使用"
        there.add(key)
        used |= {row.certificate} - {None}
        errors += [{"pointer": f"/body/awards/{index}/{member}", "detail": detail} for member, detail in wrong.items()]
    if errors:
        raise Problem(INVALID, errors=errors)


def row_refusals(row: ImportedAward, p: Parameters, language: Language) -> Iterator[tuple[str, str]]:
    """Give what the regulation refuses in a row, by member."""
    for member, check in (("credit_code", lambda: check_credit_code(row.credit_code)), ("award", lambda: p.award(row.award))):
        try:
            check()
        except Refusal as refusal:
            yield member, refusal.sentence(language)


def payments_of(transaction: Transaction, award: Award) -> Sequence[Payment]:
    """Load an award's payments."""
    return transaction.session.scalars(select(Payment).where(Payment.award_id == award.id).order_by(Payment.id)).all()


def check_pay(transaction: Transaction, award: Award, amount: int = 1) -> None:
    """Refuse money for an award that is not one of a cycle's published ones, or more than its prize in all (6.1)."""
    paid = sum(payment.amount for payment in payments_of(transaction, award))
    check_payable(published=award.state == "published" and award.cycle_id is not None, paid=paid, prize=award.prize, amount=amount)


def pay(transaction: Transaction, award_id: UUID, new: NewPayment) -> Award:
    """Enter a payment of prize money; the award's row is locked, so that two together can't pay more than the prize."""
    award = transaction.session.get(Award, award_id, with_for_update=True)
    if award is None:
        raise absent()
    check_pay(transaction, award, new.amount)
    if any(payment.voucher == new.voucher for payment in payments_of(transaction, award)):
        raise Problem(VOUCHER_USED, voucher=new.voucher)
    check_payment_day(new.paid_on, award.approved_on, day(transaction.now))
    by = transaction.actor.person if transaction.actor else ""
    transaction.session.add(Payment(award_id=award.id, by=by, at=transaction.now, **new.model_dump()))
    award.version += 1
    transaction.session.flush()
    facts = {"amount": new.amount, "paid_on": new.paid_on.isoformat(), "voucher": new.voucher}
    transaction.record("award.paid", f"award:{award.id}", clause="6.1", facts=facts)
    return award


def show_award(transaction: Transaction, award: Award) -> AwardAnswer:
    """Give an award with its payments."""
    payments = payments_of(transaction, award)
    actions = {}
    if transaction.actor is not None and transaction.actor.has_duty("office"):
        href = f"{API}/awards/{award.id}/payments"
        actions["pay"] = offer(transaction, "POST", href, lambda: check_pay(transaction, award))
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
        status=award.state,
        prize=award.prize,
        earlier=[EarlierAnswer.model_validate(one) for one in award.earlier],
        certificate=award.certificate,
        document_number=award.document_number,
        approved_on=award.approved_on,
        published_on=award.published_on,
        paid=sum(payment.amount for payment in payments),
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
    """List the awards; an applicant sees its own organisation's, once published."""
    statement = select(Award)
    if watcher.role == "applicant":
        statement = statement.where(Award.credit_code == watcher.org, Award.state != "proposed")
    if year is not None:
        statement = statement.where(Award.year == year)
    if credit_code is not None:
        statement = statement.where(Award.credit_code == credit_code)
    found, following = paginate(transaction.session, statement, Award.id, cursor, limit)
    return Page(items=[show_award(transaction, award) for award in found], next_cursor=following)


@routes.get("/awards/{award_id}", operation_id="get_award")
def get_award(award_id: UUID, watcher: Watcher, transaction: InTransaction) -> AwardAnswer:
    """Read one award."""
    award = transaction.session.get(Award, award_id)
    if award is None or (watcher.role == "applicant" and (award.credit_code != watcher.org or award.state == "proposed")):
        raise absent()
    transaction.version = award.version
    return show_award(transaction, award)


@routes.post("/awards/imports", operation_id="import_awards", status_code=201)
def post_imports(imported: AwardImport, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> Imported:
    """Import the winners of earlier years, all or none; 422 names each row that can't be loaded (6.1)."""
    awards = import_awards(transaction, imported)
    return Imported(imported=len(awards), awards=[show_award(transaction, award) for award in awards])


@routes.post("/awards/{award_id}/payments", operation_id="pay_prize", status_code=201)
def post_payment(award_id: UUID, new: NewPayment, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> AwardAnswer:
    """Enter a payment of prize money (6.1)."""
    award = pay(transaction, award_id, new)
    transaction.version = award.version
    return show_award(transaction, award)


@routes.get("/cycles/{cycle_id}/budget", operation_id="get_budget")
def get_budget(cycle_id: UUID, _person: Budgeting, transaction: InTransaction) -> BudgetAnswer:
    """Read how much prize money a cycle has planned, committed and paid (6.1)."""
    cycle = find_cycle(transaction, cycle_id)
    committed = select(func.coalesce(func.sum(Award.prize), 0)).where(Award.cycle_id == cycle.id, Award.state != "revoked")
    paid = select(func.coalesce(func.sum(Payment.amount), 0)).join(Award, Award.id == Payment.award_id).where(Award.cycle_id == cycle.id)
    return BudgetAnswer(
        cycle=cycle.id,
        budget_yuan=cycle.budget_yuan,
        committed=transaction.session.scalar(committed) or 0,
        paid=transaction.session.scalar(paid) or 0,
    )
