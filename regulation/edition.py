"""Editions of the regulation: their clauses, and their parameters by in-force date, each with the clause that gives it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from regulation.calendar import midnight
from regulation.refusal import Refusal

T = TypeVar("T")

EDITIONS = Path(__file__).parent / "editions"

Held = Literal["block", "compute", "record", "duty", "outside"]


class EditionError(ValueError):
    """An edition's files don't say what an edition must say."""


@dataclass(frozen=True)
class Award:
    """One award of the edition; rank 1 is the highest, money is yuan, `minimum_points` 0 means no minimum."""

    key: str
    name: Mapping[str, str]
    rank: int
    cap: int
    minimum_points: int
    needs_innovation_field: bool
    prize: int
    prize_after: Mapping[str, int]


@dataclass(frozen=True)
class ExternalHonour:
    """An award of a higher government that the district rewards; where `amount_recorded`, the amount decided is recorded instead."""

    key: str
    name: Mapping[str, str]
    amount_recorded: bool
    amount: int


@dataclass(frozen=True)
class Parameters:
    """Every number and list the edition gives, as in force on one day. Years and days are counts, money is yuan."""

    awards: tuple[Award, ...]
    external_honours: tuple[ExternalHonour, ...]
    cycle_years: int
    fields: tuple[str, ...]
    innovation_fields: tuple[str, ...]
    excluded_forms: tuple[str, ...]
    vice_chairs: int
    panel_minimum: int
    sheets_minimum: int
    trimmed_mean_sheets: int
    adoption_majority: tuple[int, int]
    reviewer_experience_years: int
    operating_years: int
    industrial_sections: tuple[str, ...]
    tax_per_mu_minimum: int
    veto_years: int
    reapplication_ban_years: int
    rubric: str
    site_review_cap: int
    oral_defence: bool
    notice_days: int
    notice_day: Literal["calendar", "working", "rules"]
    ballot_kind: Literal["named", "secret", "rules"]
    supervision_group: bool
    revocation_years: int
    promotion_years: int

    def award(self, key: str) -> Award:
        """Find the award with this key.

        Clause 1.1.
        """
        for award in self.awards:
            if award.key == key:
                return award
        raise Refusal("unknown_award", "1.1", award=key)


@dataclass(frozen=True)
class Clause:
    """One clause: its text, how it is held, the functions and operations that hold it, and what is still missing."""

    id: str
    text: str
    held: tuple[Held, ...]
    by: tuple[str, ...]
    why: str
    pending: str


@dataclass(frozen=True)
class Edition:
    """One edition of the regulation; `status` `example` means its publication date is only assumed."""

    name: str
    title: str
    status: Literal["example", "adopted"]
    published_on: date
    in_force_on: date
    clauses: Mapping[str, Clause]
    _sheet: Mapping[str, Any]
    _said: dict[date, Parameters] = field(default_factory=dict, repr=False, compare=False)
    """What it says on the days that were asked for."""

    def parameters(self, on: date) -> Parameters:
        """Give what the edition says on a day; refuses a day before it is in force.

        Clause 8.
        """
        if on < self.in_force_on:
            raise Refusal("edition_not_in_force", "8", earliest=midnight(self.in_force_on), in_force_on=self.in_force_on.isoformat())
        if on not in self._said:
            self._said[on] = self._parameters(on)
        return self._said[on]

    def _parameters(self, on: date) -> Parameters:
        sheet = dict(self._sheet)
        awards = sorted((_build(Award, at, on, key=key) for key, at in sheet.pop("awards").items()), key=lambda award: award.rank)
        honours = tuple(_build(ExternalHonour, at, on, key=key) for key, at in sheet.pop("external_honours").items())
        return _build(Parameters, sheet, on, awards=tuple(awards), external_honours=honours)


def names() -> tuple[str, ...]:
    """Name the editions that ship."""
    return tuple(sorted(folder.name for folder in EDITIONS.iterdir() if folder.is_dir()))


def example_rules(name: str) -> dict[str, Any]:
    """Read the example of implementation rules that an edition ships; nothing takes it for a default (2.1.1)."""
    return tomllib.loads((EDITIONS / name / "implementation-rules.example.toml").read_text(encoding="utf-8"))


@cache
def load(name: str) -> Edition:
    """Load an edition that ships, by name.

    Clause 8.
    """
    if name not in names():
        raise Refusal("unknown_edition", "8", edition=name)
    return read(EDITIONS / name)


def read(folder: Path) -> Edition:
    """Read an edition from its folder; raises `EditionError` when a file says too little or something unknown.

    An edition numbered like another one may leave to it how each clause is held (`held_as`), and give the texts alone.
    """
    sheet = tomllib.loads((folder / "parameters.toml").read_text(encoding="utf-8"))
    about = sheet.pop("edition")
    published_on = about["published_on"]
    holding = _contents(EDITIONS / about["held_as"]) if "held_as" in about else {}
    texts = _contents(folder)
    if holding and holding.keys() != texts.keys():
        raise EditionError(f"clauses unlike those of {about['held_as']}: {sorted(holding.keys() ^ texts.keys())}")
    clauses = {key: _clause(key, holding.get(key, {}) | given) for key, given in texts.items()}
    edition = Edition(
        folder.name,
        about["title"],
        _typed(Literal["example", "adopted"], about["status"], "edition.status"),
        published_on,
        published_on + timedelta(days=about["in_force_after_days"]),
        MappingProxyType(clauses),
        sheet,
    )
    _check_citations(sheet, "", edition)
    edition.parameters(edition.in_force_on)
    return edition


def _contents(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "clauses.toml").read_text(encoding="utf-8"))


def _clause(key: str, given: Mapping[str, Any]) -> Clause:
    if unknown := set(given["held"]) - set(get_args(Held)):
        raise EditionError(f"clause {key}: held as {sorted(unknown)}")
    by, why, pending = tuple(given.get("by", ())), given.get("why", ""), given.get("pending", "")
    return Clause(key, given["text"], tuple(given["held"]), by, why, pending)


def _check_citations(table: Mapping[str, Any], path: str, edition: Edition) -> None:
    for key, entry in table.items():
        where = f"{path}{key}"
        if "values" not in entry and all(isinstance(child, dict) for child in entry.values()):
            _check_citations(entry, f"{where}.", edition)
            continue
        if entry.get("clause") not in edition.clauses:
            raise EditionError(f"{where} cites no clause of the edition")
        if unknown := set(entry) - {"clause", "values", "silent", "unit", "why"}:
            raise EditionError(f"{where} has unknown entries {sorted(unknown)}")
        if entry.get("silent") and not entry.get("why"):
            raise EditionError(f"{where}: the text is silent, and nothing says why this value")
        if not entry.get("values"):
            raise EditionError(f"{where} has no value with its in-force date")
        try:
            starts = [date.fromisoformat(start) for start in entry["values"]]
        except ValueError as error:
            raise EditionError(f"{where}: {error}") from error
        if min(starts) > edition.in_force_on:
            raise EditionError(f"{where} has no value on {edition.in_force_on}")


def _build(kind: type[T], sheet: Mapping[str, Any], on: date, **given: object) -> T:
    hints = get_type_hints(kind)
    if (wanted := set(hints) - set(given)) != set(sheet):
        raise EditionError(f"{kind.__name__}: missing {sorted(wanted - set(sheet))}, unknown {sorted(set(sheet) - wanted)}")
    values = {key: _typed(hints[key], _value(sheet[key]["values"], on), key) for key in wanted}
    return kind(**values, **given)


def _value(values: Mapping[str, Any], on: date) -> object:
    return values[max(start for start in values if date.fromisoformat(start) <= on)]


def _typed(hint: Any, value: Any, where: str) -> Any:  # noqa: ANN401 - the hint is data
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        fits = value in inner
    elif origin is tuple:
        fits = isinstance(value, list) and (inner[-1] is ... or len(value) == len(inner)) and all(type(item) is inner[0] for item in value)
        value = tuple(value) if fits else value
    elif origin is Mapping:
        fits = isinstance(value, dict) and all(type(item) is inner[1] for item in value.values())
        value = MappingProxyType(value) if fits else value
    else:
        fits = type(value) is hint
    if not fits:
        raise EditionError(f"{where}: {value!r} does not fit {hint}")
    return value
