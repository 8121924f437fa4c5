"""Endorsement: the right body, in time, with a signed opinion; an application is filed at that moment."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from types import MappingProxyType
from typing import Literal

from regulation.edition import EDITIONS, load
from regulation.refusal import Refusal

BodyKind = Literal["subdistrict", "town", "township", "department"]


@dataclass(frozen=True)
class Body:
    """An endorsing body: a township or subdistrict by its division code, or a department with the industry sections it may endorse."""

    code: str
    zh: str
    en: str
    kind: BodyKind
    sections: frozenset[str] = frozenset()


@cache
def bodies(edition: str) -> Mapping[str, Body]:
    """Read the endorsing bodies of an edition by code; refuses an unknown edition.

    Clause 5.2.
    """
    content = tomllib.loads((EDITIONS / load(edition).name / "bodies.toml").read_text(encoding="utf-8"))
    built = (Body(**{**body, "sections": frozenset(body.get("sections", ()))}) for body in content["body"])
    return MappingProxyType({body.code: body for body in built})


def townships(edition: str) -> frozenset[str]:
    """Name the division codes in which an applicant's registered address may lie.

    Clause 3.1.
    """
    return frozenset(body.code for body in bodies(edition).values() if body.kind != "department")


def check_window(opens_at: datetime | None, closes_at: datetime | None, at: datetime) -> None:
    """Refuse a filing before the window is announced or opens, and at its closing or later.

    Clauses 5.1, 5.2.
    """
    if opens_at is None or closes_at is None:
        raise Refusal("window_not_announced", "5.1")
    if at < opens_at:
        raise Refusal("window_not_open", "5.2", earliest=opens_at, opens_at=opens_at.isoformat())
    if at >= closes_at:
        raise Refusal("window_closed", "5.2", closes_at=closes_at.isoformat())


def check_form(missing: Sequence[str]) -> None:
    """Refuse an application form with sections `missing`.

    Clause 5.2.
    """
    if missing:
        raise Refusal("sections_missing", "5.2", missing=", ".join(missing))


def check_body(body: Body, township: str, industry: str) -> None:
    """Refuse a township where the applicant is not registered (division code), and a department outside its industry sections.

    Clause 5.2.
    """
    if body.kind == "department":
        if industry[:1] not in body.sections:
            raise Refusal("department_not_authorised", "5.2", body=body.zh, body_en=body.en, section=industry[:1])
    elif body.code != township:
        raise Refusal("wrong_township", "5.2", body=body.zh, body_en=body.en, township=township)


def check_reroute(declined_by: str, to: str, *, allowed: bool) -> None:
    """Refuse a declined application another try where the implementation rules grant none, and one with the body that declined (codes).

    Clause 5.2.
    """
    if not allowed:
        raise Refusal("declined_for_good", "5.2")
    if to == declined_by:
        raise Refusal("declined_by_this_body", "5.2")


def check_opinion(opinion: str, signatory: str, signed_on: date | None, filed_on: date) -> None:
    """Demand an opinion, who signed it, and a date no later than the day of filing.

    Clause 5.2.
    """
    if not opinion.strip():
        raise Refusal("opinion_missing", "5.2")
    if not signatory.strip():
        raise Refusal("signatory_missing", "5.2")
    if signed_on is None or signed_on > filed_on:
        raise Refusal("signing_date", "5.2", filed_on=filed_on.isoformat())
