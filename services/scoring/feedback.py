"""The applicant's feedback report: by category its band, strengths and opportunities, once the results are published (5.4.3)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path
from sqlalchemy import select

from kernel.identity import Principal, roles
from kernel.problems import Kind, Problem, absent
from kernel.requests import InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer
from regulation.rubric import STEP, Band, Category, Item, Rubric
from services.scoring import rounds
from services.scoring.access import check_secrecy, check_watching, cycle_of, not_recused, rubric_of
from services.scoring.consensus import agreed_percents
from services.scoring.tables import Dossier, Round

routes = router("feedback")

FeedbackReader = Annotated[Principal, roles("applicant", "committee", "supervisor", duties=("office",))]
RELEASED = ("published", "closed")
UNPUBLISHED = Kind(409, "feedback_not_released", "评审结果公布后方可查阅反馈报告", "Feedback is released once the results are published")


class FeedbackBand(Answer):
    """The band in which a category lies, and what it means."""

    low: int
    high: int
    zh: str
    en: str


class FeedbackItem(Answer):
    """An item's strengths (优势) and opportunities for improvement (改进空间); ratings are not told."""

    item: str
    zh: str
    en: str
    strengths: list[str]
    opportunities: list[str]


class FeedbackCategory(Answer):
    """One part of the standard."""

    category: str
    zh: str
    en: str
    band: FeedbackBand
    items: list[FeedbackItem]


class Feedback(Answer):
    """The feedback report of one application; it names no reviewer and no score."""

    application: UUID
    organisation: str
    rubric: str
    stage: str
    categories: list[FeedbackCategory]


def said(agreed: Mapping[str, Any], texts: Sequence[Mapping[str, Any]], item: str, what: str) -> list[str]:
    """Give what the panel agreed to say of an item, else what its members wrote, in an order that tells nothing of who did."""
    settled = agreed[item].get(what)
    return [settled] if settled else sorted({sheet[item][what] for sheet in texts})


def band_of(rubric: Rubric, items: Iterable[Item], percents: Mapping[str, int]) -> Band:
    """Find a category's band: of its points-weighted percentage, rounded down to a multiple of 5."""
    listed = list(items)
    points = sum(item.points for item in listed)
    reached = sum(item.points * percents[item.id] for item in listed) // points
    return rubric.band(listed[0].id, reached // STEP * STEP)


def category_of(rubric: Rubric, category: Category, found: Round, texts: Sequence[Mapping[str, Any]]) -> FeedbackCategory:
    """Tell one category."""
    items = [item for item in rubric.items if item.category == category.id]
    agreed = found.agreed or {}
    return FeedbackCategory(
        category=category.id,
        zh=category.zh,
        en=category.en,
        band=FeedbackBand.model_validate(band_of(rubric, items, agreed_percents(found))),
        items=[
            FeedbackItem(
                item=item.id,
                zh=item.zh,
                en=item.en,
                strengths=said(agreed, texts, item.id, "strengths"),
                opportunities=said(agreed, texts, item.id, "opportunities"),
            )
            for item in items
        ],
    )


def feedback(transaction: Transaction, application: UUID, reader: Principal) -> Feedback:
    """Tell an applicant what the panel saw, from the last stage that it reached; absent for whoever may not know of the application."""
    query = select(Dossier).where(Dossier.application == application)
    own = Dossier.credit_code == reader.org if reader.role == "applicant" else not_recused(reader.person)
    dossier = transaction.session.scalar(query.where(own))
    if dossier is None:
        raise absent()
    cycle = cycle_of(transaction, dossier.cycle)
    if reader.role != "applicant":
        check_watching(transaction, reader, cycle.id)
        check_secrecy(transaction, reader.person, cycle)
    if cycle.phase not in RELEASED:
        raise Problem(UNPUBLISHED)
    reached = (
        select(Round)
        .where(Round.application == application, Round.opened_at.is_not(None), Round.agreed.is_not(None))
        .order_by(Round.stage.desc())
        .limit(1)
    )
    found = transaction.session.scalar(reached)
    if found is None:
        raise absent()
    rubric = rubric_of(cycle)
    texts = [sheet.texts for sheet in rounds.opened_sheets(transaction, found)]
    return Feedback(
        application=application,
        organisation=dossier.organisation,
        rubric=cycle.rubric,
        stage=found.stage,
        categories=[category_of(rubric, category, found, texts) for category in rubric.categories],
    )


@routes.get("/applications/{application}/feedback", operation_id="get_feedback")
def get_feedback(application: Annotated[UUID, Path()], reader: FeedbackReader, transaction: InTransaction) -> Feedback:
    """Read the feedback report on your application, by category, after publication (5.4.3)."""
    return feedback(transaction, application, reader)
