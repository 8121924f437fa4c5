"""What the panels give: points by hand for every application, and sheets whose items add up to them."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

BASE_PERCENT = 60  # every item at 60 % makes 600 points
STEP = 5
TWENTIETHS = 20

MATERIAL: Mapping[str, str] = MappingProxyType(
    {
        "bamboo": "640.00",
        "egret": "628.25",
        "redpine": "620.00",
        "lateryce": "618.00",
        "inkstone": "611.50",
        "cloudsail": "608.25",
        "stonebridge": "603.00",
        "windbell": "602.50",
        "tundra": "602.50",
        "crabapple": "601.75",
        "dipper": "600.00",
        "firefly": "598.50",
        "frostleaf": "595.25",
        "wheatwave": "590.00",
        "bamboobrook": "585.00",
        "amber": "570.50",
    }
)
"""The panels' points in material review; windbell and tundra tie across the eighth place."""
SITE: Mapping[str, str] = MappingProxyType(
    {
        "bamboo": "635.00",
        "egret": "622.00",
        "redpine": "625.00",
        "lateryce": "621.50",
        "inkstone": "609.00",
        "cloudsail": "610.75",
        "stonebridge": "598.00",
        "windbell": "598.25",
    }
)
"""The panels' points at the sites."""


def twentieths(points: str) -> int:
    """Turn points into twentieths of a point."""
    whole, hundredths = points.split(".")
    return int(whole) * TWENTIETHS + int(hundredths) * TWENTIETHS // 100


def agreed(points: str, items: Mapping[str, int]) -> dict[str, int]:
    """Rate every item (item → points) at 60 %, some of them a step above or below, so that the sheet adds up to `points`."""
    wanted = twentieths(points) - sum(items.values()) * BASE_PERCENT // STEP
    ways: dict[int, dict[str, int]] = {0: {}}
    for item, weight in items.items():
        for reached, steps in list(ways.items()):
            for step in (1, -1):
                ways.setdefault(reached + step * weight, steps | {item: step})
    steps = ways[wanted]
    return {item: BASE_PERCENT + STEP * steps.get(item, 0) for item in items}


def independent(rated: Mapping[str, int], place: int) -> dict[str, int]:
    """Give the sheet of the member at this place of the panel: near what will be agreed, and different from everybody else's."""
    items = list(rated)
    own = dict(rated)
    own[items[place]] += STEP
    own[items[place + 7]] -= 2 * STEP
    return own


def sheet(rated: Mapping[str, int]) -> dict[str, Any]:
    """Write a sheet's body."""
    words = {"strengths": "方法系统，展开较全面。", "opportunities": "标杆数据的来源应说明。"}
    return {"items": {item: {"percent": percent} | words for item, percent in rated.items()}}


def consensus(rated: Mapping[str, int], explained: Sequence[str] = ()) -> dict[str, Any]:
    """Write a consensus sheet's body."""
    reason = {"reason": "经合议核对佐证材料，展开程度高于个别独立评分所见。"}
    return {"items": {item: {"percent": percent} | (reason if item in explained else {}) for item, percent in rated.items()}}
