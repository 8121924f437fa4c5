"""Rubrics as data: what is rated, for how many points, and what a rating means. A second standard loads without a line of code."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from regulation.refusal import Refusal

RUBRICS = Path(__file__).parent / "rubrics"
STEP = 5
FULL = 100

Kind = Literal["process", "results"]


@dataclass(frozen=True)
class Category:
    """One part of the standard."""

    id: str
    zh: str
    en: str


@dataclass(frozen=True)
class Item:
    """What is rated: its category, its points and which bands describe its ratings."""

    id: str
    category: str
    zh: str
    en: str
    points: int
    kind: Kind


@dataclass(frozen=True)
class Band:
    """What a rating from `low` to `high` percent means for items of a kind."""

    kind: Kind
    low: int
    high: int
    zh: str
    en: str


@dataclass(frozen=True)
class Rubric:
    """One edition of a standard; the items' points sum to `total`."""

    id: str
    standard: str
    zh: str
    en: str
    total: int
    categories: tuple[Category, ...]
    items: tuple[Item, ...]
    bands: tuple[Band, ...]

    def item(self, key: str) -> Item:
        """Find the item with this number. Clause 4.1."""
        for item in self.items:
            if item.id == key:
                return item
        raise Refusal("rubric_item_unknown", "4.1", item=key, rubric=self.id)

    def band(self, key: str, percent: int) -> Band:
        """Say what `percent` means for the item with this number. Clause 4.1."""
        kind = self.item(key).kind
        return next(band for band in self.bands if band.kind == kind and band.low <= percent <= band.high)


def names() -> tuple[str, ...]:
    """Name the rubrics that ship."""
    return tuple(sorted(file.stem for file in RUBRICS.glob("*.toml")))


@cache
def load(name: str) -> Rubric:
    """Read a rubric that ships, by name; refuses an unknown name.

    Clause 4.1.
    """
    if name not in names():
        raise Refusal("rubric_unknown", "4.1", rubric=name)
    return parse((RUBRICS / f"{name}.toml").read_text(encoding="utf-8"))


def parse(text: str) -> Rubric:
    """Read a rubric from TOML; what is wrong is refused with the number of its line.

    Clause 4.1.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refusal("rubric_not_toml", "4.1", problem=str(error)) from error
    source = _Source(text)
    parts = {"category": Category, "item": Item, "band": Band}
    built = {
        name: tuple(_part(kind, table, name, place, source) for place, table in enumerate(_tables(content, name)))
        for name, kind in parts.items()
    }
    head: dict[str, Any] = {key: content.get(key) for key in ("id", "standard", "zh", "en", "total")}
    for key, value in head.items():
        if type(value) is not (int if key == "total" else str):
            raise Refusal("rubric_value", "4.1", line=source.head(key), key=key)
    if unknown := sorted(set(content) - set(head) - set(parts)):
        raise Refusal("rubric_value", "4.1", line=source.head(unknown[0]), key=unknown[0])
    rubric = Rubric(**head, categories=built["category"], items=built["item"], bands=built["band"])
    _check_items(rubric, source)
    _check_bands(rubric, source)
    return rubric


class _Source:
    """Where in the text a table or a key stands; rubrics keep to `[[name]]` headers and one line for a value."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()

    def head(self, key: str) -> int:
        """Find a key before the first table, else line 1."""
        return self._key(key, 0) or 1

    def table(self, name: str, place: int, key: str | None = None) -> int:
        """Find the `place`-th table of that name, or a key in it where it is there."""
        headers = [number for number, line in enumerate(self.lines, 1) if re.match(rf"\s*\[\[\s*{name}\s*\]\]", line)]
        header = headers[place] if place < len(headers) else 1
        return (key and self._key(key, header)) or header

    def _key(self, key: str, after: int) -> int | None:
        for number, line in enumerate(self.lines[after:], after + 1):
            if re.match(rf"\s*{re.escape(key)}\s*=", line):
                return number
            if line.lstrip().startswith("["):
                return None
        return None


def _tables(content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    tables = content.get(name)
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise Refusal("rubric_value", "4.1", line=1, key=name)
    return tables


def _part(kind: type[Any], table: Mapping[str, Any], name: str, place: int, source: _Source) -> Any:  # noqa: ANN401 - a `kind`
    hints = get_type_hints(kind)
    for key in sorted(set(hints) | set(table)):
        line = source.table(name, place, key)
        if key == "kind" and key in hints and table.get(key) not in get_args(Kind):
            raise Refusal("rubric_item_kind", "4.1", line=line, kind=table.get(key))
        if key not in hints or (hints[key] in (str, int) and type(table.get(key)) is not hints[key]):
            raise Refusal("rubric_value", "4.1", line=line, key=key)
    return kind(**table)


def _check_items(rubric: Rubric, source: _Source) -> None:
    both: tuple[tuple[str, tuple[Category | Item, ...]], ...] = (("category", rubric.categories), ("item", rubric.items))
    for name, parts in both:
        seen: set[str] = set()
        for place, part in enumerate(parts):
            if part.id in seen:
                raise Refusal("rubric_duplicate", "4.1", line=source.table(name, place, "id"), item=part.id)
            seen.add(part.id)
    categories = {category.id for category in rubric.categories}
    for place, item in enumerate(rubric.items):
        if item.category not in categories:
            raise Refusal("rubric_value", "4.1", line=source.table("item", place, "category"), key="category")
        if item.points <= 0:
            raise Refusal("rubric_value", "4.1", line=source.table("item", place, "points"), key="points")
    if (points := sum(item.points for item in rubric.items)) != rubric.total:
        raise Refusal("rubric_total", "4.1", line=source.head("total"), total=rubric.total, points=points)


def _check_bands(rubric: Rubric, source: _Source) -> None:
    """Every rating from 0 to 100 percent lies in exactly one band of each kind, in the order of the file."""
    reached = dict.fromkeys(get_args(Kind), -STEP)
    for place, band in enumerate(rubric.bands):
        if band.low != reached[band.kind] + STEP or band.high < band.low or band.high % STEP:
            raise Refusal("rubric_band", "4.1", line=source.table("band", place), kind=band.kind, low=band.low, high=band.high)
        reached[band.kind] = band.high
    for kind, high in reached.items():
        if high != FULL:
            raise Refusal("rubric_band", "4.1", line=source.table("band", len(rubric.bands) - 1), kind=kind, low=high, high=FULL)
