"""The honour in its winner's hands: where it is used, always with its year, and what is done to promote it (7.3, 7.4, 2.2.5)."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict
from sqlalchemy import func, select

from kernel.identity import Principal, roles
from kernel.problems import FORBIDDEN, Problem, absent
from kernel.requests import Cursor, DryRun, InTransaction, Limit, Transaction, paginate
from kernel.service import API, Task, router
from kernel.wire import Answer, Body, Day, Name, Page, Words
from regulation import edition
from regulation.calendar import day, midnight
from regulation.edition import Parameters
from regulation.honour import check_honour_use, check_promotion, promotion_due
from regulation.refusal import Refusal
from services.workflow.award import Watcher, find_award
from services.workflow.results import title_of
from services.workflow.tables import Award, HonourUse, Promotion

Keeper = Annotated[Principal, roles("applicant", "committee", duties=("office",))]
"""The winner, and the office that watches over the honour."""


class NewHonourUse(Body):
    """A use of the honour: its full wording, where, and from which day.

    `observed` is for the office, which enters a use that it came upon, proper or not.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"wording": "荣获2026年金东区人民政府质量奖", "medium": "公司网站首页", "used_on": "2026-11-01", "promotes_product": False}
            ]
        }
    )

    wording: Annotated[str, Words(2000)]
    medium: Name
    used_on: Day
    promotes_product: bool
    observed: bool = False


class HonourUseAnswer(Answer):
    """A use of the honour; of an observed one that breaks a rule, `broken` is the rule's code and `clause` its clause."""

    id: UUID
    wording: str
    medium: str
    used_on: date
    promotes_product: bool
    observed: bool
    broken: str | None
    clause: str | None
    at: datetime


class NewPromotion(Body):
    """An entry of the log: the winner's methods promoted, or its own improvement reported."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kind": "promotion", "text": "承办全区卓越绩效管理经验交流会。", "held_on": "2027-03-15"}]}
    )

    kind: Literal["promotion", "improvement"]
    text: Annotated[str, Words(8000)]
    held_on: Day


class PromotionAnswer(Answer):
    """An entry of the log; `role` tells whether the winner or the office did it."""

    id: UUID
    kind: str
    text: str
    held_on: date
    role: str
    at: datetime


class Promotions(Page[PromotionAnswer]):
    """The log, and by which day the next entry is due; null once the honour is revoked."""

    due: date | None


def terms_of(award: Award) -> Parameters:
    """Give what the edition of an award says, as on the day of its approval."""
    under = edition.load(award.edition)
    return under.parameters(max(award.approved_on, under.in_force_on))


def find_honour(transaction: Transaction, keeper: Principal, award_id: UUID) -> Award:
    """Load an award that was published, and hold it against a revocation meanwhile; before that there is no honour yet."""
    award = find_award(transaction, keeper, award_id)
    transaction.session.refresh(award, with_for_update={"read": True})
    if award.state == "proposed":
        raise absent()
    return award


def use_honour(transaction: Transaction, keeper: Principal, award_id: UUID, new: NewHonourUse) -> HonourUse:
    """Register a use of the honour; an improper one is refused, unless the office enters it as observed (7.4)."""
    award = find_honour(transaction, keeper, award_id)
    if new.observed and not keeper.has_duty("office"):
        raise Problem(FORBIDDEN)
    broken: Refusal | None = None
    try:
        check_honour_use(new.wording, award.year, promotes_product=new.promotes_product, revoked=award.state == "revoked")
    except Refusal as refusal:
        if not new.observed:
            raise
        broken = refusal
    use = HonourUse(
        award_id=award.id,
        **new.model_dump(),
        broken=broken.code if broken else None,
        clause=broken.clause if broken else None,
        by=keeper.person,
        at=transaction.now,
    )
    transaction.session.add(use)
    transaction.session.flush()
    facts = new.model_dump(mode="json") | {"use": str(use.id), "broken": use.broken}
    transaction.record("honour.observed" if new.observed else "honour.used", f"award:{award.id}", clause=use.clause or "7.4", facts=facts)
    return use


def promote(transaction: Transaction, keeper: Principal, award_id: UUID, new: NewPromotion) -> Promotion:
    """Enter what the winner or the office did to promote the winner's methods (7.3, 2.2.5)."""
    award = find_honour(transaction, keeper, award_id)
    check_promotion(new.held_on, day(transaction.now), revoked=award.state == "revoked")
    role = "office" if keeper.has_duty("office") else "winner"
    promotion = Promotion(award_id=award.id, **new.model_dump(), role=role, by=keeper.person, at=transaction.now)
    transaction.session.add(promotion)
    transaction.session.flush()
    clause = "2.2.5" if role == "office" else "7.3"
    transaction.record("honour.promoted", f"award:{award.id}", clause=clause, facts=new.model_dump(mode="json"))
    return promotion


def due_of(transaction: Transaction, award: Award) -> date | None:
    """Tell by which day an award's next entry is due; None where the honour does not stand."""
    if award.state != "published" or award.published_on is None:
        return None
    last = transaction.session.scalar(select(func.max(Promotion.held_on)).where(Promotion.award_id == award.id))
    return promotion_due(award.published_on, last, terms_of(award))


def duties(transaction: Transaction, principal: Principal) -> Iterator[Task]:
    """Give each winner its next entry, and the office those that are overdue (7.3, 2.2.5); imported awards are not pursued."""
    office = principal.has_duty("office")
    statement = select(Award).where(Award.state == "published", Award.cycle_id.is_not(None)).order_by(Award.id)
    if not office:
        statement = statement.where(Award.credit_code == principal.org)
    for award in transaction.session.scalars(statement):
        due = due_of(transaction, award)
        if due is None or (office and midnight(due) >= transaction.now):
            continue
        zh, en = title_of(award), title_of(award, "en")
        title = (
            transaction.say(f"{award.organisation}：{zh}的推广已逾期", f"{award.organisation}: promotion of the {en} is overdue")
            if office
            else transaction.say(f"宣传推广、持续改进：{zh}", f"Promote your methods, keep improving: {en}")
        )
        href = f"{API}/awards/{award.id}/promotions"
        yield Task(title=title, href=href, due=midnight(due), clause="2.2.5" if office else "7.3")


routes = router("honour")


@routes.post("/awards/{award_id}/honour-uses", operation_id="register_honour_use", status_code=201)
def post_use(award_id: UUID, new: NewHonourUse, keeper: Keeper, transaction: InTransaction, _dry_run: DryRun) -> HonourUseAnswer:
    """Register a use of the honour: with its year, never for a product, never once revoked (7.4)."""
    return HonourUseAnswer.model_validate(use_honour(transaction, keeper, award_id, new))


@routes.get("/awards/{award_id}/honour-uses", operation_id="list_honour_uses")
def list_uses(
    award_id: UUID, watcher: Watcher, transaction: InTransaction, limit: Limit = 50, cursor: Cursor = None
) -> Page[HonourUseAnswer]:
    """List the uses of an honour in the order they were entered (7.4)."""
    award = find_award(transaction, watcher, award_id)
    found, following = paginate(transaction.session, select(HonourUse).where(HonourUse.award_id == award.id), HonourUse.id, cursor, limit)
    return Page(items=[HonourUseAnswer.model_validate(use) for use in found], next_cursor=following)


@routes.post("/awards/{award_id}/promotions", operation_id="log_promotion", status_code=201)
def post_promotion(award_id: UUID, new: NewPromotion, keeper: Keeper, transaction: InTransaction, _dry_run: DryRun) -> PromotionAnswer:
    """Enter a promotion of the winner's methods, or its improvement (7.3, 2.2.5)."""
    return PromotionAnswer.model_validate(promote(transaction, keeper, award_id, new))


@routes.get("/awards/{award_id}/promotions", operation_id="list_promotions")
def list_promotions(award_id: UUID, watcher: Watcher, transaction: InTransaction, limit: Limit = 50, cursor: Cursor = None) -> Promotions:
    """List an award's log, and when the next entry is due (7.3)."""
    award = find_award(transaction, watcher, award_id)
    found, following = paginate(transaction.session, select(Promotion).where(Promotion.award_id == award.id), Promotion.id, cursor, limit)
    items = [PromotionAnswer.model_validate(one) for one in found]
    return Promotions(items=items, next_cursor=following, due=due_of(transaction, award))
