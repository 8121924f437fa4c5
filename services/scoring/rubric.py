"""The rubrics by which sheets are rated (4.1)."""

from typing import Annotated

from fastapi import Path

from kernel.identity import Anyone
from kernel.problems import absent
from kernel.requests import InTransaction
from kernel.service import router
from kernel.wire import Answer
from regulation import rubric

routes = router("rubrics")


class RubricEntry(Answer):
    """A rubric by name."""

    id: str
    standard: str
    zh: str
    en: str
    total: int


class RubricCategory(Answer):
    """One part of the standard."""

    id: str
    zh: str
    en: str


class RubricItem(Answer):
    """What is rated, for how many points; `kind` says which bands describe its ratings."""

    id: str
    category: str
    zh: str
    en: str
    points: int
    kind: str


class RubricBand(Answer):
    """What ratings from `low` to `high` percent mean for items of a kind."""

    kind: str
    low: int
    high: int
    zh: str
    en: str


class Rubric(RubricEntry):
    """One edition of a standard, whole."""

    categories: list[RubricCategory]
    items: list[RubricItem]
    bands: list[RubricBand]


@routes.get("/rubrics", operation_id="list_rubrics")
def list_rubrics(_anyone: Anyone) -> list[RubricEntry]:
    """List the rubrics that ship."""
    return [RubricEntry.model_validate(rubric.load(name)) for name in rubric.names()]


@routes.get("/rubrics/{id}", operation_id="get_rubric")
def get_rubric(key: Annotated[str, Path(alias="id", max_length=64)], _anyone: Anyone, _transaction: InTransaction) -> Rubric:
    """Read a rubric: its items with their points, and what each rating means (4.1)."""
    if key not in rubric.names():
        raise absent()
    return Rubric.model_validate(rubric.load(key))
