"""Official scores: integers only. A rating is k times 5 percent, points times k is a count of twentieths of a point."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import total_ordering
from math import gcd
from typing import Literal

from regulation.edition import Parameters
from regulation.refusal import Refusal
from regulation.rubric import FULL, STEP, Rubric

TWENTIETHS = FULL // STEP
HUNDREDTHS = 100

Aggregation = Literal["consensus", "mean", "trimmed_mean"]
Absence = Literal["missing", "recused", "withdrawn"]


@total_ordering
@dataclass(frozen=True)
class Score:
    """An exact score: `numerator`/`denominator` twentieths of a point, in lowest terms."""

    numerator: int
    denominator: int = 1

    def __post_init__(self) -> None:
        """Reduce, so that equal scores are equal objects."""
        if self.denominator <= 0:
            raise ValueError("a score's denominator is positive")
        common = gcd(self.numerator, self.denominator)
        object.__setattr__(self, "numerator", self.numerator // common)
        object.__setattr__(self, "denominator", self.denominator // common)

    def __lt__(self, other: "Score") -> bool:
        return self.numerator * other.denominator < other.numerator * self.denominator

    def passes(self, points: int) -> bool:
        """Whether the score is at least so many points."""
        return self.numerator >= points * TWENTIETHS * self.denominator

    @property
    def points(self) -> str:
        """The points as shown: rounded down to two decimals, so what is shown reaches a threshold exactly when the score does."""
        hundredths = self.numerator * HUNDREDTHS // (TWENTIETHS * self.denominator)
        whole, rest = divmod(abs(hundredths), HUNDREDTHS)
        return f"{'-' * (hundredths < 0)}{whole}.{rest:02}"


@dataclass(frozen=True)
class Aggregate:
    """A panel's score with what it rests on: sheets counted, dropped by trimming, and left out with the reason."""

    score: Score
    counted: tuple[str, ...]
    dropped: tuple[str, ...]
    left_out: Mapping[str, Absence]


def check_rating(percent: int) -> None:
    """Refuse a rating that is no multiple of 5 percent from 0 to 100.

    Clause 4.1.
    """
    if percent % STEP or not 0 <= percent <= FULL:
        raise Refusal("rating", "4.1", percent=percent)


def check_ratings(ratings: Mapping[str, int], rubric: Rubric) -> None:
    """Refuse ratings (item → percent) that leave an item out, name one the rubric does not have, or are no multiples of 5 percent.

    Clause 4.1.
    """
    for item, percent in ratings.items():
        rubric.item(item)
        check_rating(percent)
    if missing := [item.id for item in rubric.items if item.id not in ratings]:
        raise Refusal("ratings_missing", "4.1", items=", ".join(missing))


def sheet_twentieths(ratings: Mapping[str, int], rubric: Rubric) -> int:
    """Sum a complete sheet (item → percent) in twentieths of a point, 0 to 20,000 for a rubric of 1000 points.

    Clause 4.2.
    """
    check_ratings(ratings, rubric)
    return sum(item.points * (ratings[item.id] // STEP) for item in rubric.items)


def check_sheets(sheets: int, p: Parameters) -> None:
    """Refuse to open or score fewer sheets than a score rests on; exactly that many pass.

    Clause 2.0.
    """
    if sheets < p.sheets_minimum:
        raise Refusal("too_few_sheets", "2.0", sheets=sheets, minimum=p.sheets_minimum)


def aggregate(
    how: Aggregation, sheets: Mapping[str, int], left_out: Mapping[str, Absence], consensus: int | None, p: Parameters
) -> Aggregate:
    """Combine a panel's sheets (reviewer → twentieths) for one application; who has no sheet is named in `left_out`, never a zero.

    A trimmed mean drops one highest and one lowest sheet where there are enough sheets for it, else none.

    Clauses 2.0, 4.2.
    """
    check_sheets(len(sheets), p)
    counted = sorted(sheets, key=sheets.__getitem__)
    if how == "consensus":
        if consensus is None:
            raise Refusal("consensus_missing", "4.2")
        return Aggregate(Score(consensus), tuple(sorted(counted)), (), left_out)
    dropped: tuple[str, ...] = ()
    if how == "trimmed_mean" and len(counted) >= p.trimmed_mean_sheets:
        dropped = (counted[0], counted[-1])
        counted = counted[1:-1]
    score = Score(sum(sheets[reviewer] for reviewer in counted), len(counted))
    return Aggregate(score, tuple(sorted(counted)), dropped, left_out)


def total(material: Score, site: Score, material_weight: int, site_weight: int) -> Score:
    """Combine material and site score by the implementation rules' integer weights, exactly.

    Clause 4.2.
    """
    numerator = material.numerator * material_weight * site.denominator + site.numerator * site_weight * material.denominator
    return Score(numerator, material.denominator * site.denominator * (material_weight + site_weight))


def check_minimum(score: Score, award: str, p: Parameters) -> None:
    """Refuse an award to a score below its minimum; exactly the minimum passes.

    Clause 4.2.
    """
    minimum = p.award(award).minimum_points
    if not score.passes(minimum):
        raise Refusal("below_minimum", "4.2", points=score.points, minimum=minimum)


def spreads(sheets: Collection[Mapping[str, int]], rubric: Rubric) -> Mapping[str, int]:
    """Measure, item by item, how far the independent sheets (item → percent) lie apart, in percent.

    Clause 4.1.
    """
    rated = {item.id: [sheet[item.id] for sheet in sheets] for item in rubric.items}
    return {item: max(ratings) - min(ratings) for item, ratings in rated.items()}


def check_spread(sheets: Collection[Mapping[str, int]], rubric: Rubric, spread_percent: int, reasons: Mapping[str, str]) -> None:
    """Demand a written explanation (item → reason) where independent sheets lie further apart than the implementation rules let pass.

    Clause 2.1.1.
    """
    _check_reasons("spread_unexplained", [item for item, apart in spreads(sheets, rubric).items() if apart > spread_percent], reasons)


def check_consensus(
    agreed: Mapping[str, int], sheets: Collection[Mapping[str, int]], rubric: Rubric, spread_percent: int, reasons: Mapping[str, str]
) -> None:
    """Demand a whole consensus sheet, with a reason for each item that moves further from any member's rating than the rules' spread.

    Clauses 2.1.1, 4.1.
    """
    check_ratings(agreed, rubric)
    moved = [item for item, percent in agreed.items() if any(abs(percent - sheet[item]) > spread_percent for sheet in sheets)]
    _check_reasons("change_unexplained", moved, reasons)


def _check_reasons(code: str, items: Collection[str], reasons: Mapping[str, str]) -> None:
    if missing := [item for item in items if not reasons.get(item, "").strip()]:
        raise Refusal(code, "2.1.1", items=", ".join(missing))
