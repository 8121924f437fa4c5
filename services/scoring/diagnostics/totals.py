"""The totals of very many sheets at once, in whole numbers only."""

import numpy as np
from numpy.typing import NDArray

from regulation.score import TWENTIETHS

BLOCK = 65_536
"""Sheets at a time: what is worked on stays in the processor's cache."""
TOGETHER = np.iinfo(np.uint8).max // TWENTIETHS
"""So many ratings sum up within a byte."""


def totals(steps: NDArray[np.uint8], points: NDArray[np.int64]) -> NDArray[np.int16 | np.int32]:
    """Sum sheets in twentieths of a point; `steps` holds one row an item, one column a sheet, each rating in steps of 5 percent.

    Items of equal points are summed first, byte by byte: that is most of the work, and the cheapest way to do it.
    """
    width: type[np.int16 | np.int32] = np.int16 if TWENTIETHS * int(points.sum()) <= np.iinfo(np.int16).max else np.int32
    alike = [(width(worth), np.flatnonzero(points == worth)) for worth in np.unique(points)]
    groups = [(worth, items[start : start + TOGETHER]) for worth, items in alike for start in range(0, len(items), TOGETHER)]
    sheets = steps.shape[1]
    summed = np.zeros(sheets, width)
    ratings, wide = np.empty(min(BLOCK, sheets), np.uint8), np.empty(min(BLOCK, sheets), width)
    for start in range(0, sheets, BLOCK):
        part = summed[start : start + BLOCK]
        end = start + len(part)
        for worth, items in groups:
            together, worths = ratings[: len(part)], wide[: len(part)]
            np.copyto(together, steps[items[0], start:end])
            for item in items[1:]:
                together += steps[item, start:end]
            np.copyto(worths, together)
            worths *= worth
            part += worths
    return summed
