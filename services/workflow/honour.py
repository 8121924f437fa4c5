"""The honour in its winner's hands: where it is used, always with its year, and what is done to promote it (7.3, 7.4, 2.2.5)."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, model_validator
from sqlalchemy import func, select

from kernel.identity import Principal, roles
from kernel.problems import FORBIDDEN, Problem, absent
from kernel.requests import Cursor, DryRun, InTransaction, Limit, Transaction, offer, paginate
from kernel.service import API, Task, router
from kernel.wire import Action, Answer, Body, Day, Name, Page, Reason, Words
from regulation import edition, lifecycle
from regulation.calendar import day, midnight
from regulation.edition import Parameters
from regulation.honour import check_demand, check_honour_use, check_promotion, promotion_due
from regulation.refusal import Refusal
from services.workflow.award import Watcher, find_award
from services.workflow.results import title_of
from services.workflow.tables import Award, HonourFollowUp, HonourUse, Promotion

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


class NewFollowUp(Body):
    """What follows a misuse: the office demands that it be put right by a day, the winner tells how it was, the office settles it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"step": "demand", "text": "请撤下产品包装上的获奖字样。", "due_on": "2027-03-15"}]}
    )

    step: Literal["demand", "correct", "settle"]
    text: Reason
    due_on: Day | None = None

    @model_validator(mode="after")
    def _due_with_the_demand(self) -> Self:
        if (self.due_on is not None) != (self.step == "demand"):
            raise ValueError("a demand has its due_on, nothing else has one")
        return self


class FollowUpAnswer(Answer):
    """A step that followed a misuse; `role` tells whether the winner or the office took it."""

    step: str
    text: str
    due_on: date | None
    role: str
    at: datetime


class HonourUseAnswer(Answer):
    """A use of the honour; of an observed one that breaks a rule, `broken` is the rule's code and `clause` its clause.

    Of a broken rule, `state` tells how far it was followed up, `due_on` by when it is to be put right.
    """

    id: UUID
    wording: str
    medium: str
    used_on: date
    promotes_product: bool
    observed: bool
    broken: str | None
    clause: str | None
    state: str | None
    due_on: date | None
    follow_ups: list[FollowUpAnswer]
    at: datetime
    actions: dict[str, Action]


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
        state=lifecycle.step(lifecycle.HONOUR_USE, "new", "observe").to if broken else None,
        by=keeper.person,
        at=transaction.now,
    )
    transaction.session.add(use)
    transaction.session.flush()
    facts = new.model_dump(mode="json") | {"use": str(use.id), "broken": use.broken}
    transaction.record("honour.observed" if new.observed else "honour.used", f"award:{award.id}", clause=use.clause or "7.4", facts=facts)
    return use


def check_follow_up(use: HonourUse, step: str) -> lifecycle.Step:
    """Give the step; refused where the misuse is not at the point for it, or the use was proper."""
    return lifecycle.step(lifecycle.HONOUR_USE, use.state or "new", step)


def follow_up(transaction: Transaction, keeper: Principal, award_id: UUID, use_id: UUID, new: NewFollowUp) -> HonourUse:
    """Take the next step after a misuse: the office demands and settles, the winner puts right (2.2.5, 7.4)."""
    award = find_honour(transaction, keeper, award_id)
    use = transaction.session.get(HonourUse, use_id, with_for_update=True, populate_existing=True)
    if use is None or use.award_id != award.id:
        raise absent()
    office = keeper.has_duty("office")
    if office != (new.step != "correct"):
        raise Problem(FORBIDDEN)
    taken = check_follow_up(use, new.step)
    if new.due_on is not None:
        check_demand(new.due_on, day(transaction.now))
        use.due_on = new.due_on
    use.state = taken.to
    step = HonourFollowUp(use_id=use.id, **new.model_dump(), role="office" if office else "winner", by=keeper.person, at=transaction.now)
    transaction.session.add(step)
    transaction.session.flush()
    facts = {"use": str(use.id)} | new.model_dump(mode="json")
    transaction.record("honour.followed_up", f"award:{award.id}", clause=taken.clause, facts=facts)
    return use


def show_uses(transaction: Transaction, uses: Sequence[HonourUse]) -> list[HonourUseAnswer]:
    """Give uses with what followed each, and what this caller could do about it."""
    statement = select(HonourFollowUp).where(HonourFollowUp.use_id.in_([use.id for use in uses])).order_by(HonourFollowUp.id)
    steps = transaction.session.scalars(statement).all()
    caller = transaction.actor
    office, winner = caller is not None and caller.has_duty("office"), caller is not None and caller.role == "applicant"
    mine = ("demand", "settle") if office else ("correct",) if winner else ()
    return [
        HonourUseAnswer(
            **{name: getattr(use, name) for name in HonourUseAnswer.model_fields if hasattr(use, name)},
            follow_ups=[FollowUpAnswer.model_validate(step) for step in steps if step.use_id == use.id],
            actions={
                step: offer(
                    transaction, "POST", f"{API}/awards/{use.award_id}/honour-uses/{use.id}/follow-ups", partial(check_follow_up, use, step)
                )
                for step in (mine if use.state else ())
            },
        )
        for use in uses
    ]


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
        key = f"{'promotion_overdue' if office else 'promote'}:{award.id}"
        yield Task(key=key, title=title, href=href, due=midnight(due), clause="2.2.5" if office else "7.3")


def misuses(transaction: Transaction, principal: Principal) -> Iterator[Task]:
    """Give the office each misuse to follow up, the winner each that it is to put right, due when its day is over (7.4, 2.2.5)."""
    office = principal.has_duty("office")
    states = ("misused", "demanded", "corrected") if office else ("demanded",)
    statement = select(HonourUse, Award).join(Award, Award.id == HonourUse.award_id).where(HonourUse.state.in_(states))
    if not office:
        statement = statement.where(Award.credit_code == principal.org)
    for use, award in transaction.session.execute(statement.order_by(HonourUse.id)):
        due = midnight(use.due_on + timedelta(days=1)) if use.due_on and use.state == "demanded" else None
        if office and use.state == "demanded" and due is not None and transaction.now < due:
            continue
        zh, en = FOLLOW_UP[(use.state or "") if office else "winner"]
        title = transaction.say(f"{zh}：{award.organisation}，{title_of(award)}", f"{en}: {award.organisation}, {title_of(award, 'en')}")
        key, href = f"honour_use_{use.state}:{use.id}", f"{API}/awards/{award.id}/honour-uses"
        yield Task(key=key, title=title, href=href, due=due, clause="2.2.5" if office else "7.4")


FOLLOW_UP = {
    "misused": ("责令改正不当使用荣誉", "Demand that a misuse of the honour be put right"),
    "demanded": ("荣誉使用逾期未改正", "A misuse of the honour was not put right in time"),
    "corrected": ("核查荣誉使用改正情况", "Check that a misuse of the honour was put right"),
    "winner": ("改正荣誉使用", "Put the use of the honour right"),
}
"""What a misuse asks of the office by its state, and of the winner."""

routes = router("honour")


@routes.post("/awards/{award_id}/honour-uses", operation_id="register_honour_use", status_code=201)
def post_use(award_id: UUID, new: NewHonourUse, keeper: Keeper, transaction: InTransaction, _dry_run: DryRun) -> HonourUseAnswer:
    """Register a use of the honour: with its year, never for a product, never once revoked (7.4)."""
    return show_uses(transaction, [use_honour(transaction, keeper, award_id, new)])[0]


@routes.post("/awards/{award_id}/honour-uses/{use_id}/follow-ups", operation_id="follow_up_honour_use", status_code=201)
def post_follow_up(
    award_id: UUID, use_id: UUID, new: NewFollowUp, keeper: Keeper, transaction: InTransaction, _dry_run: DryRun
) -> HonourUseAnswer:
    """Follow up an observed misuse until it is put right (7.4, 2.2.5)."""
    return show_uses(transaction, [follow_up(transaction, keeper, award_id, use_id, new)])[0]


@routes.get("/awards/{award_id}/honour-uses", operation_id="list_honour_uses")
def list_uses(
    award_id: UUID, watcher: Watcher, transaction: InTransaction, limit: Limit = 50, cursor: Cursor = None
) -> Page[HonourUseAnswer]:
    """List the uses of an honour in the order they were entered (7.4)."""
    award = find_award(transaction, watcher, award_id)
    found, following = paginate(transaction.session, select(HonourUse).where(HonourUse.award_id == award.id), HonourUse.id, cursor, limit)
    return Page(items=show_uses(transaction, found), next_cursor=following)


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
