"""The opened sheets of one stage as arrays, with what they were opened for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regulation.rubric import Rubric
from regulation.score import TWENTIETHS
from services.scoring.diagnostics.design import Scores
from services.scoring.diagnostics.totals import totals


@dataclass(frozen=True)
class OpenSheet:
    """An opened sheet; `steps` gives each item's rating in steps of 5 percent."""

    id: str
    application: str
    person: str
    steps: Mapping[str, int]


@dataclass(frozen=True)
class Evidence:
    """Sheets as columns: `steps` has a row an item, `application` and `reviewer` say for each column whose it is."""

    sheets: tuple[OpenSheet, ...]
    applications: tuple[str, ...]
    reviewers: tuple[str, ...]
    application: NDArray[np.intp]
    reviewer: NDArray[np.intp]
    steps: NDArray[np.uint8]
    twentieths: NDArray[np.int16 | np.int32]

    @property
    def scores(self) -> Scores:
        """Give the points of each sheet by application and reviewer."""
        table = np.full((len(self.applications), len(self.reviewers)), np.nan)
        table[self.application, self.reviewer] = self.twentieths / TWENTIETHS
        return table


def evidence(sheets: Sequence[OpenSheet], rubric: Rubric) -> Evidence:
    """Arrange complete sheets, at most one of a reviewer for an application."""
    applications = tuple(sorted({sheet.application for sheet in sheets}))
    reviewers = tuple(sorted({sheet.person for sheet in sheets}))
    row, column = ({name: place for place, name in enumerate(names)} for names in (applications, reviewers))
    items = [item.id for item in rubric.items]
    steps = np.array([[sheet.steps[item] for item in items] for sheet in sheets], np.uint8).reshape(len(sheets), len(items)).T.copy()
    return Evidence(
        tuple(sheets),
        applications,
        reviewers,
        np.array([row[sheet.application] for sheet in sheets], np.intp),
        np.array([column[sheet.person] for sheet in sheets], np.intp),
        steps,
        totals(steps, np.array([item.points for item in rubric.items], np.int64)),
    )
