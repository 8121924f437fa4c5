"""Who scored what: points by application (rows) and reviewer (columns), NaN where there is no sheet."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Scores = NDArray[np.float64]
"""Points, a row an application, a column a reviewer; NaN where that reviewer has no sheet of that application."""


@dataclass(frozen=True)
class Component:
    """Applications and reviewers linked by sheets, as indices of rows and columns: only among these can scores be compared."""

    applications: NDArray[np.intp]
    reviewers: NDArray[np.intp]


def components(scores: Scores) -> list[Component]:
    """Split a design into what is linked, the largest first; rows and columns without any sheet are in none."""
    rows, columns = np.nonzero(~np.isnan(scores))
    applications, reviewers = scores.shape
    size = applications + reviewers
    graph = coo_array((np.ones(len(rows)), (rows, columns + applications)), shape=(size, size))
    _, label = connected_components(graph, directed=False)
    found = [Component(np.unique(rows[label[rows] == one]), np.unique(columns[label[rows] == one])) for one in np.unique(label[rows])]
    return sorted(found, key=lambda component: (-len(component.applications), int(component.applications[0])))


def is_complete(scores: Scores) -> bool:
    """Tell whether every reviewer scored every application."""
    return not bool(np.isnan(scores).any())


def can_be_compared(scores: Scores) -> bool:
    """Tell whether a linked design has what variances need: two of each, and a sheet more than there are effects."""
    applications, reviewers = scores.shape
    return bool(min(applications, reviewers) > 1 and np.count_nonzero(~np.isnan(scores)) >= applications + reviewers)
