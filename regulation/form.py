"""The application form (申报表) of an edition as data: what it asks, by which clause, and what a filled-in form still lacks (5.2)."""

import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from regulation.edition import EDITIONS, load

Kind = Literal["yes", "line", "words", "whole", "amount", "day", "choice", "term", "file", "rows", "group"]
Need = Literal["always", "industrial", "innovation", "never"]


@dataclass(frozen=True)
class Choice:
    """One value that a field can take."""

    key: str
    zh: str
    en: str


@dataclass(frozen=True)
class Field:
    """One field: what it is called, what it takes (`limit` in characters, `low` and `high` in `unit`), and which clause asks for it."""

    name: str
    zh: str
    en: str
    kind: Kind
    clause: str
    need: Need = "always"
    limit: int = 0
    unit: str = ""
    places: int = 2
    low: float | None = None
    high: float | None = None
    affirmed: bool = False
    of: str = ""
    values: tuple[Choice, ...] = ()
    columns: tuple["Field", ...] = ()
    at_least: int = 0
    at_most: int = 0
    years: int = 0


@dataclass(frozen=True)
class Section:
    """One section, saved by itself; `total` bounds the characters of all its texts together."""

    name: str
    zh: str
    en: str
    clause: str
    fields: tuple[Field, ...]
    example: Mapping[str, Any]
    need: Need = "always"
    total: int = 0


@dataclass(frozen=True)
class Case:
    """What decides what is lacking: whether it is industry, seeks an award for innovation, the cycle's year, and the attachments' ids."""

    industrial: bool
    innovation: bool
    year: int
    attachments: frozenset[str] = frozenset()

    def needs(self, need: Need) -> bool:
        """Whether a field with this need must be filled in."""
        return {"always": True, "industrial": self.industrial, "innovation": self.innovation, "never": False}[need]


@dataclass(frozen=True)
class Missing:
    """What a form lacks: the section, a JSON pointer into it, what it is called, and the clause that asks for it."""

    section: str
    pointer: str
    zh: str
    en: str
    clause: str

    @property
    def named(self) -> str:
        """The place and the clause, as a refusal tells them."""
        return f"{self.section}{self.pointer} ({self.clause})"


@cache
def form(edition: str) -> Mapping[str, Section]:
    """Read the form of an edition, section by section in its order; an edition may take another one's (`same_as`)."""
    content = tomllib.loads((EDITIONS / load(edition).name / "form.toml").read_text(encoding="utf-8"))
    if "same_as" in content:
        return form(content["same_as"])
    sections = (Section(fields=_fields(section.pop("field"), section["clause"]), **section) for section in content["section"])
    return MappingProxyType({section.name: section for section in sections})


def _fields(given: Sequence[Mapping[str, Any]], clause: str) -> tuple[Field, ...]:
    return tuple(
        Field(
            **{
                "clause": clause,
                **field,
                "values": tuple(Choice(**value) for value in field.get("values", ())),
                "columns": _fields(field.get("columns", ()), field.get("clause", clause)),
            }
        )
        for field in given
    )


def missing(edition: str, sections: Mapping[str, Mapping[str, Any]], case: Case) -> list[Missing]:
    """List what a form still lacks before it can be handed in; a section that is not there at all is one entry."""
    found: list[Missing] = []
    for section in form(edition).values():
        content = sections.get(section.name)
        if content is not None:
            found += (
                Missing(section.name, pointer, field.zh, field.en, field.clause)
                for pointer, field in _lacks(section.fields, content, "", case)
            )
        elif case.needs(section.need):
            found.append(Missing(section.name, "", section.zh, section.en, section.clause))
    return found


def unproved(edition: str, sections: Mapping[str, Mapping[str, Any]], proved: Collection[str]) -> list[Missing]:
    """List the places for a proof that were left empty, where no attachment says that it proves that clause or section (3.2.5, 5.3.1)."""
    return [
        Missing(section.name, f"/{field.name}/{place}/{column.name}", column.zh, column.en, column.clause)
        for section in form(edition).values()
        if section.name not in proved
        for field in section.fields
        for place, row in enumerate(sections.get(section.name, {}).get(field.name, ()) if field.kind == "rows" else ())
        for column in field.columns
        if column.kind == "file" and column.name not in row and column.clause not in proved
    ]


def _lacks(fields: Sequence[Field], content: Mapping[str, Any], within: str, case: Case) -> Iterator[tuple[str, Field]]:
    for field in fields:
        pointer, value = f"{within}/{field.name}", content.get(field.name)
        needed = case.needs(field.need)
        if (needed and (value is None or (field.affirmed and value is not True))) or (
            field.kind == "file" and value is not None and value not in case.attachments
        ):
            yield pointer, field
        elif field.kind == "group" and value is not None:
            yield from _lacks(field.columns, value, pointer, case)
        elif field.kind == "rows" and value is not None:
            if needed and len(value) < field.at_least:
                yield pointer, field
            stated = {row.get("year") for row in value}
            yield from ((f"{pointer}/{year}", field) for year in range(case.year - field.years, case.year) if year not in stated)
            for place, row in enumerate(value):
                yield from _lacks(field.columns, row, f"{pointer}/{place}", case)
