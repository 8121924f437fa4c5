"""How a winner may use the honour, and how an award is called."""

import re
from datetime import date

from regulation.calendar import anniversary
from regulation.edition import Parameters
from regulation.refusal import Language, Refusal


def award_title(award: str, year: int, language: Language, p: Parameters) -> str:
    """Call an award by its name, always with its year.

    Clause 7.4.
    """
    name = p.award(award).name[language]
    return f"{name}（{year}年）" if language == "zh" else f"{name} {year}"


def check_honour_use(wording: str, year: int, *, promotes_product: bool, revoked: bool) -> None:
    """Refuse to use a revoked honour, to use one for a product, or to word it without the year of the award.

    Clauses 7.4, 7.2.
    """
    if revoked:
        raise Refusal("honour_revoked", "7.2")
    if promotes_product:
        raise Refusal("honour_for_product", "7.4")
    if not re.search(rf"(?<!\d){year}(?!\d)", wording):
        raise Refusal("honour_without_year", "7.4", year=year)


def promotion_due(published_on: date, last: date | None, p: Parameters) -> date:
    """Give the day by which a winner is to promote its methods, or to report improvement, again: so many years after it did last.

    Clauses 7.3, 2.2.5.
    """
    return anniversary(last or published_on, p.promotion_years)


def check_demand(due_on: date, today: date) -> None:
    """Refuse to demand that a misuse be put right by a day that is over.

    Clause 2.2.5.
    """
    if due_on < today:
        raise Refusal("demand_due_past", "2.2.5", due_on=due_on.isoformat())


def check_promotion(held_on: date, today: date, *, revoked: bool) -> None:
    """Refuse an entry of what is yet to come, and any for a revoked honour.

    Clauses 7.3, 7.2.
    """
    if revoked:
        raise Refusal("honour_revoked", "7.2")
    if held_on > today:
        raise Refusal("promotion_ahead", "7.3", held_on=held_on.isoformat())
