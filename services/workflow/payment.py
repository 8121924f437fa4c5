"""Money: prizes and review costs paid with date and voucher, never twice, and a cycle's budget (6.1)."""

from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field
from sqlalchemy import Select, func, select

from kernel.identity import Office, Principal, roles
from kernel.problems import Kind, Problem, absent
from kernel.requests import Cursor, DryRun, InTransaction, Limit, Transaction, paginate
from kernel.service import router
from kernel.wire import Answer, Body, Day, Line, Name, Page
from regulation.calendar import day
from regulation.prize import check_payment_day
from services.workflow.award import AwardAnswer, PaymentAnswer, check_pay, money_of, show_award
from services.workflow.course import check_insight, find_cycle, lock_cycle
from services.workflow.tables import Award, Cycle, Payment, Recovery, RevocationCase

VOUCHER_USED = Kind(409, "voucher_used", "凭证 {voucher} 已入账", "Voucher {voucher} was entered already")

Budgeting = Annotated[Principal, roles("committee", "supervisor", duties=("office", "chair"))]


class NewPayment(Body):
    """Prize money paid out, in whole yuan; a voucher is entered once."""

    amount: int = Field(ge=1, le=10**12)
    paid_on: Day
    voucher: Annotated[str, Line(60)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": 350000, "paid_on": "2026-10-20", "voucher": "2026-10-0117"}]})


class NewCost(NewPayment):
    """A cost of the year's review, such as the reviewers' fees, in whole yuan."""

    purpose: Name

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"amount": 24000, "paid_on": "2026-06-20", "voucher": "2026-06-0031", "purpose": "现场评审专家评审费"}]
        }
    )


class CostAnswer(PaymentAnswer):
    """A cost of the year's review."""

    purpose: str


class BudgetAnswer(Answer):
    """A cycle's money in whole yuan.

    `foreseen` by the plan; prizes `committed` by awards that stand, `paid`, and `recovered` from revoked ones; `review_costs` paid;
    `left` of what is foreseen after the prizes committed or already paid, what came back, and the costs.
    """

    cycle: UUID
    foreseen: int | None
    committed: int
    paid: int
    recovered: int
    review_costs: int
    left: int | None


def pay(transaction: Transaction, award_id: UUID, new: NewPayment) -> Award:
    """Enter a payment of prize money; the award's row is locked, so that two together can't pay more than the prize."""
    award = transaction.session.get(Award, award_id, with_for_update=True)
    if award is None:
        raise absent()
    payments, _ = money_of(transaction, [award])[award.id]
    check_pay(award, payments, new.amount)
    if any(payment.voucher == new.voucher for payment in payments):
        raise Problem(VOUCHER_USED, voucher=new.voucher)
    check_payment_day(new.paid_on, award.approved_on, day(transaction.now))
    by = transaction.actor.person if transaction.actor else ""
    transaction.session.add(Payment(award_id=award.id, by=by, at=transaction.now, **new.model_dump()))
    award.version += 1
    transaction.session.flush()
    facts = {"amount": new.amount, "paid_on": new.paid_on.isoformat(), "voucher": new.voucher}
    transaction.record("award.paid", f"award:{award.id}", clause="6.1", facts=facts)
    return award


def pay_cost(transaction: Transaction, office: Principal, cycle_id: UUID, new: NewCost) -> Payment:
    """Enter a cost of the review; the cycle's row is locked, so that no voucher is entered twice."""
    cycle = lock_cycle(transaction, cycle_id)
    known = select(Payment.id).where(Payment.cycle_id == cycle.id, Payment.voucher == new.voucher)
    if transaction.session.scalar(known) is not None:
        raise Problem(VOUCHER_USED, voucher=new.voucher)
    check_payment_day(new.paid_on, cycle.launched_on or day(transaction.now), day(transaction.now))
    cost = Payment(cycle_id=cycle.id, by=office.person, at=transaction.now, **new.model_dump())
    transaction.session.add(cost)
    transaction.session.flush()
    transaction.record("review_cost.paid", f"cycle:{cycle.id}", clause="6.1", facts=new.model_dump(mode="json"))
    return cost


def total(transaction: Transaction, statement: Select[int]) -> int:
    """Add up yuan."""
    return int(transaction.session.scalar(statement) or 0)


def budget_of(transaction: Transaction, cycle: Cycle) -> BudgetAnswer:
    """Add up a cycle's money (6.1)."""
    of_cycle = Award.cycle_id == cycle.id
    committed = total(transaction, select(func.sum(Award.prize)).where(of_cycle, Award.state != "revoked"))
    prizes = select(func.sum(Payment.amount)).join(Award, Award.id == Payment.award_id).where(of_cycle)
    paid, paid_for_revoked = total(transaction, prizes), total(transaction, prizes.where(Award.state == "revoked"))
    back = select(func.sum(Recovery.amount)).join(RevocationCase, RevocationCase.id == Recovery.case_id)
    recovered = total(transaction, back.join(Award, Award.id == RevocationCase.award_id).where(of_cycle))
    costs = total(transaction, select(func.sum(Payment.amount)).where(Payment.cycle_id == cycle.id))
    foreseen = cycle.budget_yuan
    return BudgetAnswer(
        cycle=cycle.id,
        foreseen=foreseen,
        committed=committed,
        paid=paid,
        recovered=recovered,
        review_costs=costs,
        left=None if foreseen is None else foreseen - committed - paid_for_revoked + recovered - costs,
    )


routes = router("payment")


@routes.post("/awards/{award_id}/payments", operation_id="pay_prize", status_code=201)
def post_payment(award_id: UUID, new: NewPayment, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> AwardAnswer:
    """Enter a payment of prize money (6.1)."""
    award = pay(transaction, award_id, new)
    transaction.version = award.version
    return show_award(transaction, award)


@routes.post("/cycles/{cycle_id}/review-costs", operation_id="pay_review_cost", status_code=201)
def post_cost(cycle_id: UUID, new: NewCost, office: Office, transaction: InTransaction, _dry_run: DryRun) -> CostAnswer:
    """Enter a cost of the year's review (6.1)."""
    return CostAnswer.model_validate(pay_cost(transaction, office, cycle_id, new))


@routes.get("/cycles/{cycle_id}/review-costs", operation_id="list_review_costs")
def list_costs(cycle_id: UUID, person: Budgeting, transaction: InTransaction, limit: Limit = 50, cursor: Cursor = None) -> Page[CostAnswer]:
    """List the costs of the year's review in the order they were entered."""
    cycle = find_cycle(transaction, cycle_id)
    check_insight(transaction, person, cycle)
    found, following = paginate(transaction.session, select(Payment).where(Payment.cycle_id == cycle.id), Payment.id, cursor, limit)
    return Page(items=[CostAnswer.model_validate(cost) for cost in found], next_cursor=following)


@routes.get("/cycles/{cycle_id}/budget", operation_id="get_budget")
def get_budget(cycle_id: UUID, person: Budgeting, transaction: InTransaction) -> BudgetAnswer:
    """Read what a cycle has foreseen, committed, paid and recovered (6.1)."""
    cycle = find_cycle(transaction, cycle_id)
    check_insight(transaction, person, cycle)
    return budget_of(transaction, cycle)
