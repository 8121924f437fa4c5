"""Honours of higher governments, and what the district rewards them with: fixed by the edition, or recorded as decided (6.2)."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import ConfigDict, Field
from sqlalchemy import select, text

from kernel.identity import Office, Principal, roles
from kernel.problems import Kind, Problem, absent, language_of
from kernel.requests import Cursor, DryRun, InTransaction, Limit, Transaction, offer, paginate
from kernel.service import API, router
from kernel.wire import Action, Answer, Body, CreditCode, Day, Line, Name, Page, Yuan
from regulation import edition
from regulation.calendar import day
from regulation.edition import Parameters
from regulation.identifiers import check_credit_code
from regulation.prize import check_payment_day, check_reward, external_honour_amount
from services.workflow.award import PaymentAnswer
from services.workflow.payment import VOUCHER_USED, NewPayment
from services.workflow.tables import ExternalHonour, Payment

REGISTERED = Kind(
    409,
    "external_honour_registered",
    "该组织{year}年的这一荣誉已经登记",
    "That honour of {year} is registered for this organisation already",
)

Reader = Annotated[Principal, roles("committee", "applicant", duties=("office", "chair"))]


class NewExternalHonour(Body):
    """An honour of a higher government; `amount` and its document where the edition leaves the amount to the fiscal system."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "credit_code": "91330703MA00000900",
                    "organisation": "金东某机械有限公司",
                    "honour": "city_quality",
                    "year": 2026,
                    "awarded_on": "2026-10-12",
                    "document_number": "金政发〔2026〕31号",
                }
            ]
        }
    )

    credit_code: CreditCode
    organisation: Name
    honour: Annotated[str, Line(60)]
    year: int = Field(ge=1990, le=2199)
    awarded_on: Day
    document_number: Name
    amount: Yuan | None = None
    amount_document: Name | None = None


class ExternalHonourAnswer(Answer):
    """A registered honour; `title` is its name with its year, `amount` the district's reward in whole yuan."""

    id: UUID
    version: int
    credit_code: str
    organisation: str
    honour: str
    title: str
    year: int
    awarded_on: date
    document_number: str
    amount: int
    amount_document: str | None
    paid: int
    payments: list[PaymentAnswer]
    actions: dict[str, Action]


def terms_of(honour: ExternalHonour) -> Parameters:
    """Give what the edition under which the honour was registered says."""
    under = edition.load(honour.edition)
    return under.parameters(max(day(honour.at), under.in_force_on))


def register_honour(transaction: Transaction, office: Principal, new: NewExternalHonour) -> ExternalHonour:
    """Register an honour once, with the reward that the edition fixes or that was decided (6.2)."""
    check_credit_code(new.credit_code)
    name = transaction.service.settings.edition
    amount = external_honour_amount(new.honour, new.amount, edition.load(name).parameters(day(transaction.now)))
    transaction.session.execute(text("select pg_advisory_xact_lock(hashtext(current_schema() || '.external_honour'))"))
    same = (ExternalHonour.credit_code == new.credit_code, ExternalHonour.honour == new.honour, ExternalHonour.year == new.year)
    if transaction.session.scalar(select(ExternalHonour.id).where(*same)) is not None:
        raise Problem(REGISTERED, year=new.year)
    honour = ExternalHonour(
        **new.model_dump(exclude={"amount"}), edition=name, amount=amount, by=office.person, at=transaction.now, version=1
    )
    transaction.session.add(honour)
    transaction.session.flush()
    facts = new.model_dump(mode="json") | {"amount": amount}
    transaction.record("external_honour.registered", f"external_honour:{honour.id}", clause="6.2", facts=facts)
    return honour


def payments_by_honour(transaction: Transaction, honours: Collection[ExternalHonour]) -> Mapping[UUID, list[Payment]]:
    """Load what was paid for each of these honours."""
    found: dict[UUID, list[Payment]] = {honour.id: [] for honour in honours}
    for payment in transaction.session.scalars(select(Payment).where(Payment.external_honour_id.in_(found)).order_by(Payment.id)):
        if payment.external_honour_id is not None:
            found[payment.external_honour_id].append(payment)
    return found


def check_pay(honour: ExternalHonour, payments: Iterable[Payment], amount: int = 1) -> None:
    """Refuse more than the reward in all (6.2)."""
    check_reward(paid=sum(payment.amount for payment in payments), reward=honour.amount, amount=amount)


def pay_reward(transaction: Transaction, office: Principal, honour_id: UUID, new: NewPayment) -> ExternalHonour:
    """Enter a payment of a reward; the honour's row is locked, so that two together can't pay more."""
    honour = transaction.session.get(ExternalHonour, honour_id, with_for_update=True)
    if honour is None:
        raise absent()
    payments = payments_by_honour(transaction, [honour])[honour.id]
    check_pay(honour, payments, new.amount)
    if any(payment.voucher == new.voucher for payment in payments):
        raise Problem(VOUCHER_USED, voucher=new.voucher)
    check_payment_day(new.paid_on, honour.awarded_on, day(transaction.now))
    transaction.session.add(Payment(external_honour_id=honour.id, by=office.person, at=transaction.now, **new.model_dump()))
    honour.version += 1
    transaction.session.flush()
    transaction.record("external_honour.paid", f"external_honour:{honour.id}", clause="6.2", facts=new.model_dump(mode="json"))
    return honour


def show_honours(transaction: Transaction, honours: Collection[ExternalHonour]) -> list[ExternalHonourAnswer]:
    """Give honours with their payments."""
    payments = payments_by_honour(transaction, honours)
    return [_shown(transaction, honour, payments[honour.id]) for honour in honours]


def _shown(transaction: Transaction, honour: ExternalHonour, payments: Collection[Payment]) -> ExternalHonourAnswer:
    language = language_of(transaction.request)
    name = next(one.name[language] for one in terms_of(honour).external_honours if one.key == honour.honour)
    actions = {}
    if transaction.actor is not None and transaction.actor.has_duty("office"):
        href = f"{API}/external-honours/{honour.id}/payments"
        actions["pay"] = offer(transaction, "POST", href, lambda: check_pay(honour, payments))
    return ExternalHonourAnswer(
        id=honour.id,
        version=honour.version,
        credit_code=honour.credit_code,
        organisation=honour.organisation,
        honour=honour.honour,
        title=f"{name}（{honour.year}年）" if language == "zh" else f"{name} {honour.year}",
        year=honour.year,
        awarded_on=honour.awarded_on,
        document_number=honour.document_number,
        amount=honour.amount,
        amount_document=honour.amount_document,
        paid=sum(payment.amount for payment in payments),
        payments=[PaymentAnswer.model_validate(payment) for payment in payments],
        actions=actions,
    )


def one_honour(transaction: Transaction, honour: ExternalHonour) -> ExternalHonourAnswer:
    """Answer with one honour and its version."""
    transaction.version = honour.version
    return show_honours(transaction, [honour])[0]


routes = router("external honour")


@routes.post("/external-honours", operation_id="register_external_honour", status_code=201)
def post_external_honour(new: NewExternalHonour, office: Office, transaction: InTransaction, _dry_run: DryRun) -> ExternalHonourAnswer:
    """Register an honour of a higher government with the district's reward (6.2)."""
    return one_honour(transaction, register_honour(transaction, office, new))


@routes.get("/external-honours", operation_id="list_external_honours")
def list_external_honours(
    reader: Reader,
    transaction: InTransaction,
    credit_code: Annotated[str | None, Query(max_length=18)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ExternalHonourAnswer]:
    """List the registered honours; an applicant sees its own organisation's."""
    statement = select(ExternalHonour)
    if reader.role == "applicant":
        statement = statement.where(ExternalHonour.credit_code == reader.org)
    if credit_code is not None:
        statement = statement.where(ExternalHonour.credit_code == credit_code)
    found, following = paginate(transaction.session, statement, ExternalHonour.id, cursor, limit)
    return Page(items=show_honours(transaction, found), next_cursor=following)


@routes.get("/external-honours/{honour_id}", operation_id="get_external_honour")
def get_external_honour(honour_id: UUID, reader: Reader, transaction: InTransaction) -> ExternalHonourAnswer:
    """Read one registered honour."""
    honour = transaction.session.get(ExternalHonour, honour_id)
    if honour is None or (reader.role == "applicant" and honour.credit_code != reader.org):
        raise absent()
    return one_honour(transaction, honour)


@routes.post("/external-honours/{honour_id}/payments", operation_id="pay_reward", status_code=201)
def post_external_payment(
    honour_id: UUID, new: NewPayment, office: Office, transaction: InTransaction, _dry_run: DryRun
) -> ExternalHonourAnswer:
    """Enter a payment of the reward (6.2)."""
    return one_honour(transaction, pay_reward(transaction, office, honour_id, new))
