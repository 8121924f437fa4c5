"""The application form on the wire: an edition's data as models that drafts are held against, and as JSON Schema for a front end."""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import BeforeValidator, ValidationError, create_model, model_validator
from pydantic import Field as Bounds

from kernel.identity import Anyone
from kernel.problems import Kind, Problem, absent
from kernel.requests import InTransaction
from kernel.service import router
from kernel.wire import Answer, Body, Day, Id, Line, Name, Words
from regulation import edition as editions
from regulation import form as forms
from regulation.edition import Parameters
from regulation.eligibility import IncidentKind
from regulation.form import Field, Section, form
from regulation.industry import industries

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MOST_DIGITS = 18


SECTION_UNKNOWN = Kind(422, "section_unknown", "申报表没有“{section}”部分", "The form has no section “{section}”")

SectionRemarks = Annotated[dict[Annotated[str, Line(40)], Annotated[str, Words(2000)]], Bounds(max_length=40)]
"""What is to be corrected, by section of the form."""


class ClaimedRepair(Body):
    """A credit repair as the applicant states it; whether it counts the office decides (3.4)."""

    confirmed_by: Name
    confirmed_on: Day


class DeclaredIncident(Body):
    """Something of 3.3, by the day it occurred (a spot check: the day of its result), with the finding's date and number."""

    kind: IncidentKind
    occurred_on: Day
    found_on: Day
    number: Annotated[str, Line(80)]
    repair: ClaimedRepair | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "DeclaredIncident":
        if self.found_on < self.occurred_on:
            raise ValueError("found before it occurred")
        return self


class Label(Answer):
    """A name in both languages."""

    zh: str
    en: str


class FormSection(Answer):
    """One section: JSON Schema 2020-12 of its content as it must be to be handed in, and an example.

    A draft may leave required members out. In the schema `title` is Chinese, `x-title-en` English, `x-clause` the clause that asks,
    `x-need` when a member that is not always required is, `x-unit` the unit of a number, `x-total` a bound on all texts together.
    """

    name: str
    clause: str
    required: bool
    label: Label
    fields: dict[str, Label]
    content_schema: dict[str, Any]
    example: dict[str, Any]


class Form(Answer):
    """The form of an edition, with the values that its lists allow."""

    edition: str
    awards: dict[str, Label]
    fields: list[str]
    innovation_fields: list[str]
    sections: list[FormSection]


class Industry(Answer):
    """An industry of GB/T 4754-2017."""

    code: str
    zh: str


class Industries(Answer):
    """A stretch of the table."""

    items: list[Industry]


def _amount_pattern(field: Field) -> str:
    return rf"^-?[0-9]{{1,{MOST_DIGITS - field.places}}}(\.[0-9]{{1,{field.places}}})?$"


def _amount(field: Field) -> Any:  # noqa: ANN401 - a type made at run time
    pattern = re.compile(_amount_pattern(field), re.ASCII)

    def exact(value: object) -> object:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"an exact number as text is required, with at most {field.places} decimals")
        return value

    low, high = (None if bound is None else Decimal(str(bound)) for bound in (field.low, field.high))
    return Annotated[Decimal, Bounds(strict=False, ge=low, le=high), BeforeValidator(exact)]


def _rows(field: Field, within: str) -> Any:  # noqa: ANN401 - a type made at run time
    row: Any = DeclaredIncident if field.name == "incidents" else _model(f"{within}_{field.name}", field.columns)
    return Annotated[list[row], Bounds(max_length=field.at_most)]


TYPES: Mapping[forms.Kind, Callable[[Field, str], Any]] = MappingProxyType(
    {
        "yes": lambda _field, _within: bool,
        "line": lambda field, _within: Annotated[str, Line(field.limit)],
        "term": lambda field, _within: Annotated[str, Line(field.limit)],
        "words": lambda field, _within: Annotated[str, Words(field.limit)],
        "whole": lambda field, _within: Annotated[int, Bounds(ge=field.low, le=field.high)],
        "amount": lambda field, _within: _amount(field),
        "day": lambda _field, _within: Day,
        "choice": lambda field, _within: Literal[tuple(choice.key for choice in field.values)],
        "file": lambda _field, _within: Id,
        "group": lambda field, within: _model(f"{within}_{field.name}", field.columns),
        "rows": _rows,
    }
)
"""What a field of each kind takes in a draft."""


def _model(name: str, fields: Sequence[Field]) -> type[Body]:
    given: dict[str, Any] = {field.name: (TYPES[field.kind](field, name), None) for field in fields}
    return create_model(name, __base__=Body, **given)


@cache
def _models(edition: str) -> Mapping[str, type[Body]]:
    return {section.name: _model(section.name, section.fields) for section in form(edition).values()}


def section_of(edition: str, name: str) -> Section:
    """Find a section of an edition's form."""
    section = form(edition).get(name)
    if section is None:
        raise absent()
    return section


def check_sections(edition: str, remarks: Mapping[str, str]) -> None:
    """Refuse remarks on a section that the form doesn't have."""
    for section in remarks:
        if section not in form(edition):
            raise Problem(SECTION_UNKNOWN, section=section)


def content_of(edition: str, section: Section, stated: dict[str, Any]) -> dict[str, Any]:
    """Hold a draft against the form: what is there must be as the form says, what is not yet there may come later."""
    try:
        content = _models(edition)[section.name].model_validate(stated).model_dump(mode="json", exclude_unset=True)
    except ValidationError as invalid:
        raise RequestValidationError([error | {"loc": ("body", *error["loc"])} for error in invalid.errors()]) from None
    if section.total and sum(len(text) for text in content.values() if isinstance(text, str)) > section.total:
        raise RequestValidationError(
            [{"type": "too_long", "loc": ("body",), "msg": f"all texts together: at most {section.total} characters"}]
        )
    return content


def _limits(field: Field) -> dict[str, float]:
    return {name: bound for name, bound in (("minimum", field.low), ("maximum", field.high)) if bound is not None}


def _text(field: Field, _p: Parameters) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": field.limit}


def _exact(field: Field, _p: Parameters) -> dict[str, Any]:
    return {"type": "string", "pattern": _amount_pattern(field)} | {f"x-{name}": bound for name, bound in _limits(field).items()}


def _choice(field: Field, _p: Parameters) -> dict[str, Any]:
    return {"oneOf": [{"const": choice.key, "title": choice.zh, "x-title-en": choice.en} for choice in field.values]}


def _array(field: Field, p: Parameters) -> dict[str, Any]:
    least = max(field.at_least, field.years)
    return {"type": "array", "items": _object(field.columns, p), "minItems": least, "maxItems": field.at_most}


SHAPES: Mapping[forms.Kind, Callable[[Field, Parameters], dict[str, Any]]] = MappingProxyType(
    {
        "yes": lambda field, _p: {"type": "boolean"} | ({"const": True} if field.affirmed else {}),
        "line": _text,
        "words": _text,
        "term": lambda field, p: {"type": "string", "enum": list(getattr(p, field.of))},
        "whole": lambda field, _p: {"type": "integer"} | _limits(field),
        "amount": _exact,
        "day": lambda _field, _p: {"type": "string", "format": "date"},
        "choice": _choice,
        "file": lambda _field, _p: {"type": "string", "format": "uuid"},
        "group": lambda field, p: _object(field.columns, p),
        "rows": _array,
    }
)
"""The JSON Schema of a field of each kind, as it must be to be handed in."""


def _object(fields: Sequence[Field], p: Parameters) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            field.name: SHAPES[field.kind](field, p)
            | {"title": field.zh, "x-title-en": field.en, "x-clause": field.clause}
            | ({"x-unit": field.unit} if field.unit else {})
            | ({"x-need": field.need} if field.need in {"industrial", "innovation"} else {})
            for field in fields
        },
        "required": [field.name for field in fields if field.need == "always"],
        "additionalProperties": False,
    }


def content_schema(section: Section, p: Parameters) -> dict[str, Any]:
    """Give JSON Schema 2020-12 of a section as it must be to be handed in."""
    about = {"$schema": DIALECT, "title": section.zh, "x-title-en": section.en, "x-clause": section.clause}
    return about | ({"x-total": section.total} if section.total else {}) | _object(section.fields, p)


def _parameters(edition: str) -> Parameters:
    found = editions.load(edition)
    return found.parameters(found.in_force_on)


def _shipped() -> dict[str, tuple[Section, dict[str, Any]]]:
    """Give every section of the editions that ship with its schema, the latest edition's where several have it."""
    return {
        section.name: (section, content_schema(section, _parameters(name)) | {"examples": [dict(section.example)]})
        for name in editions.names()
        for section in form(name).values()
    }


SHIPPED = _shipped()


routes = router("application")


@routes.get("/forms/{edition}", operation_id="get_form")
def get_form(edition: str, _anyone: Anyone, _transaction: InTransaction) -> Form:
    """Describe the application form of an edition (5.2)."""
    if edition not in editions.names():
        raise absent()
    p = _parameters(edition)
    sections = [
        FormSection(
            name=section.name,
            clause=section.clause,
            required=section.need == "always",
            label=Label(zh=section.zh, en=section.en),
            fields={field.name: Label(zh=field.zh, en=field.en) for field in section.fields},
            content_schema=content_schema(section, p),
            example=dict(section.example),
        )
        for section in form(edition).values()
    ]
    awards = {award.key: Label(zh=award.name["zh"], en=award.name["en"]) for award in p.awards}
    return Form(edition=edition, awards=awards, fields=list(p.fields), innovation_fields=list(p.innovation_fields), sections=sections)


@routes.get("/forms/{edition}/industries", operation_id="list_industries")
def list_industries(
    edition: str,
    _anyone: Anyone,
    _transaction: InTransaction,
    below: Annotated[str, Line(5, least=0)] = "",
) -> Industries:
    """List the industries of GB/T 4754-2017 whose codes begin with `below` (a section, division or group), by default all (3.1)."""
    if edition not in editions.names():
        raise absent()
    return Industries(items=[Industry(code=code, zh=zh) for code, zh in industries().items() if code.startswith(below)])
