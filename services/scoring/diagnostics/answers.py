"""What advice looks like over the wire; points and shares are rounded floats, for they are never official."""

from typing import Literal
from uuid import UUID

from kernel.wire import Answer

Points = float
Share = float


class Advisory(Answer):
    """Marks an answer as advice."""

    advisory: Literal[True] = True
    notice: str


class ApplicationAdvice(Answer):
    """An application: the plain mean of its sheets, and its merit once severities are taken off, with a 90 percent interval.

    `reaches` gives by award the probability that the merit is at least its minimum points; `ranks` the probability of each place among the
    applications it can be compared with, the best first; `among_best` that of a place in site review. Null where there are too few sheets;
    `among_best` also where teams can't be compared.
    """

    application: UUID
    organisation: str
    sheets: int
    mean: Points
    merit: Points | None
    low: Points | None
    high: Points | None
    reaches: dict[str, Share] | None
    ranks: list[Share] | None
    among_best: Share | None


class ReviewerAdvice(Answer):
    """A reviewer: points given above (or below) the other reviewers for the same merit, with a 90 percent interval."""

    person: str
    name: str
    sheets: int
    severity: Points | None
    low: Points | None
    high: Points | None


class Spread(Answer):
    """Standard deviations in points, by REML: of merits, of severities, and what neither explains."""

    mean: Points
    applicants: Points
    reviewers: Points
    residual: Points


class CorrelationAdvice(Answer):
    """One of the six forms of the intraclass correlation, with its 95 percent interval."""

    form: str
    value: float | None
    low: float | None
    high: float | None


class PartAdvice(Answer):
    """A part of the cycle in which sheets link every application with every other; `why_not` says what keeps it from being compared."""

    applications: list[ApplicationAdvice]
    reviewers: list[ReviewerAdvice]
    spread: Spread | None
    icc: list[CorrelationAdvice]
    why_not: str | None


class SignAdvice(Answer):
    """A sheet (or all of a reviewer's, where `sheet` is null) to look at again: `value` passed `limit` in what `meaning` says."""

    kind: str
    person: str
    application: UUID | None
    sheet: UUID | None
    value: float
    limit: float
    meaning: str


class VariationAdvice(Answer):
    """Who would join and leave each list; `without` names the reviewer left out, null stands for the median of all sheets."""

    without: str | None
    changes: bool
    joins: dict[str, list[UUID]]
    leaves: dict[str, list[UUID]]


class RobustnessAdvice(Answer):
    """The lists that the sheets alone give: for site review, and who leads for each award; with what would change them."""

    aggregation: str
    lists: dict[str, list[UUID]]
    variations: list[VariationAdvice]


class Diagnostics(Advisory):
    """Advice on the opened sheets of one stage, as far as this reader may see them.

    `alpha` is Krippendorff's, over all items, by level of measurement. `robustness` is for the whole cycle.
    """

    cycle: UUID
    panel: UUID | None
    stage: str
    sheets: int
    places: int
    minimum_points: dict[str, int]
    comparable: bool
    why_not_comparable: str | None
    parts: list[PartAdvice]
    alpha: dict[str, float | None]
    sheets_to_look_at: list[SignAdvice]
    robustness: RobustnessAdvice | None
