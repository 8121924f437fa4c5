"""The totals of very many sheets at once, in whole numbers only."""

import numpy as np
from numpy.typing import NDArray

from regulation.score import TWENTIETHS

BLOCK = 32_768
"""Sheets at a time: what is worked on stays in the processor's cache."""


def totals(steps: NDArray[np.uint8], points: NDArray[np.int64]) -> NDArray[np.int16 | np.int32]:
    """Sum sheets in twentieths of a point; `steps` holds one row an item, one column a sheet, each rating in steps of 5 percent."""
    width: type[np.int16 | np.int32] = np.int16 if TWENTIETHS * int(points.sum()) <= np.iinfo(np.int16).max else np.int32
    sheets = steps.shape[1]
    summed = np.zeros(sheets, width)
    scratch = np.empty(min(BLOCK, sheets), width)
    for start in range(0, sheets, BLOCK):
        part = summed[start : start + BLOCK]
        worth = scratch[: len(part)]
        for item, weight in zip(steps, points.astype(width), strict=True):
            np.copyto(worth, item[start : start + BLOCK])
            worth *= weight
            part += worth
    return summed
