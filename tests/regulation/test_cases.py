"""Every case in cases/*.toml, told to the rule that it names: one runner for the whole regulation."""

import dataclasses
import importlib
import pkgutil
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from inspect import Parameter, getdoc, getmembers, isfunction, signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

import regulation
from regulation.edition import Edition, Parameters
from regulation.edition import load as edition_named
from regulation.refusal import Refusal
from regulation.rubric import Rubric
from regulation.rubric import load as rubric_named

FILES = sorted((Path(__file__).parent / "cases").glob("*.toml"))
REQUIRED = {"clause", "name", "rule", "given"}
OPTIONAL = {"answer", "refusal", "earliest", "facts"}
SATURDAY = 5


def cases_in(file: Path) -> list[dict[str, Any]]:
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = content.pop("case", [])
    assert found, f"{file.name} holds no case"
    assert not content, f"{file.name} holds something that is no case: {sorted(content)}"
    for case in found:
        assert case.keys() >= REQUIRED, f"{file.name}, {case.get('name')}: {sorted(REQUIRED - case.keys())} missing"
        assert case.keys() <= REQUIRED | OPTIONAL, f"{file.name}, {case['name']}: {sorted(case.keys() - REQUIRED - OPTIONAL)} unknown"
        assert not {"answer", "refusal"} <= case.keys(), f"{file.name}, {case['name']}: an answer or a refusal, not both"
        assert "refusal" in case or not case.keys() & {"earliest", "facts"}, f"{file.name}, {case['name']}: earliest without a refusal"
    return found


def rule_named(path: str) -> Callable[..., object]:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return] # the rule is known by its name alone


def clauses_of(rule: Callable[..., object]) -> list[str]:
    cited = re.search(r"Clauses? ([^\n]+)\.$", getdoc(rule) or "")
    return cited[1].split(", ") if cited else []


def parameters(given: str | dict[str, Any]) -> Parameters:
    """An edition by name, with its latest values, or with some values set otherwise, for other jurisdictions."""
    if isinstance(given, str):
        return edition_named(given).parameters(date.max)
    changes = dict(given)
    shipped = parameters(changes.pop("edition"))
    hints = get_type_hints(Parameters)
    changed: dict[str, Any] = {name: convert(value, hints[name]) for name, value in changes.items()}
    return dataclasses.replace(shipped, **changed)


def named(given: object, kind: object) -> object:
    """What a case calls by name alone, or None."""
    if kind is Parameters:
        assert isinstance(given, str | dict)
        return parameters(given)
    if kind is Edition:
        return edition_named(str(given))
    if kind is Rubric:
        return rubric_named(str(given))
    return None


def one_of(given: object, kinds: tuple[object, ...]) -> object:
    """The first arm of a union that takes the value."""
    for kind in kinds:
        if kind is not NoneType:
            try:
                return convert(given, kind)
            except (AssertionError, TypeError, ValueError):
                continue
    raise AssertionError(f"{given!r} is none of {kinds}")


def collected(given: Any, origin: Any, inner: tuple[Any, ...]) -> object:  # noqa: ANN401 - as above
    """A tuple (a named one too), a set, a list or a mapping of converted values."""
    if hasattr(origin, "_fields"):
        return origin(*(convert(value, hint) for value, hint in zip(given, get_type_hints(origin).values(), strict=True)))
    if isinstance(given, dict):
        keys, values = inner
        return {convert(key, keys): convert(value, values) for key, value in given.items()}
    assert isinstance(given, list), f"{given!r} is no array"
    if origin is tuple and inner[-1] is not Ellipsis:
        return tuple(convert(value, kind) for value, kind in zip(given, inner, strict=True))
    values = (convert(value, inner[0]) for value in given)
    return {frozenset: frozenset, set: set, list: list}.get(origin, tuple)(values)


def convert(given: object, kind: Any) -> object:  # noqa: ANN401, PLR0911 - an annotation has no type of its own; one line a kind
    """A TOML value as the annotation wants it."""
    if (known := named(given, kind)) is not None:
        return known
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return one_of(given, inner)
    if origin is Literal:
        assert given in inner, f"{given!r} is none of {inner}"
        return given
    if origin is Callable:
        assert isinstance(given, list)
        return lambda day: day not in given and day.weekday() < SATURDAY
    if origin is not None or hasattr(kind, "_fields"):
        return collected(given, origin or kind, inner)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        assert isinstance(given, dict), f"{given!r} is no table"
        built: Callable[..., object] = kind
        defaults = [one.name for one in dataclasses.fields(kind) if one.default is not dataclasses.MISSING]
        return built(**arguments(given, get_type_hints(kind), defaults))
    if kind is Fraction:
        return Fraction(*given) if isinstance(given, list) else Fraction(str(given))
    if kind is Decimal or issubclass(kind, Enum):
        assert isinstance(given, str), f"{given!r} is no string"
        return kind(given)
    if kind is int and isinstance(given, str):
        return int(given)
    assert kind is object or type(given) is kind, f"{given!r} is no {kind.__name__}"
    return given


def arguments(given: Mapping[str, object], hints: Mapping[str, Any], defaults: Collection[str]) -> dict[str, object]:
    """Keyword arguments; TOML has no null, so what may be None and isn't told is None."""
    told = {name: convert(value, hints[name]) for name, value in given.items()}
    silent = {name for name, hint in hints.items() if NoneType in get_args(hint) and name not in (*told, *defaults, "return")}
    return told | dict.fromkeys(silent)


CASES = [(file.stem, case) for file in FILES for case in cases_in(file)]


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{stem}: {case['clause']} {case['name']}") for stem, case in CASES])
def test_the_rule_answers_as_the_case_says(case: dict[str, Any]) -> None:
    rule = rule_named(case["rule"])
    assert case["clause"] in clauses_of(rule)
    hints = get_type_hints(rule)
    defaults = [name for name, parameter in signature(rule).parameters.items() if parameter.default is not Parameter.empty]
    given = arguments(case["given"], hints, defaults)
    if "refusal" in case:
        with pytest.raises(Refusal) as caught:
            rule(**given)
        refusal = caught.value
        assert (refusal.code, refusal.clause) == (case["refusal"], case["clause"])
        if "earliest" in case:
            assert refusal.earliest == case["earliest"]
        for name, value in case.get("facts", {}).items():
            assert str(refusal.facts[name]) == str(value)
        assert refusal.sentence("zh") != refusal.sentence("en")
    else:
        expected = convert(case["answer"], hints["return"]) if "answer" in case else None
        assert rule(**given) == expected


def test_no_two_cases_share_a_name() -> None:
    names = [(case["rule"], case["name"]) for _, case in CASES]
    assert sorted(names) == sorted(set(names))


def public_rules() -> Iterator[tuple[str, Callable[..., object]]]:
    for module in pkgutil.iter_modules(regulation.__path__, "regulation."):
        for name, function in getmembers(importlib.import_module(module.name), isfunction):
            if function.__module__ == module.name and not name.startswith("_"):
                yield f"{module.name}.{name}", function


def outcomes() -> Mapping[str, set[str]]:
    seen: dict[str, set[str]] = {}
    for _, case in CASES:
        seen.setdefault(case["rule"], set()).add("refuses" if "refusal" in case else "passes")
    return seen


@pytest.mark.parametrize("path", [path for path, _ in public_rules() if path.rpartition(".")[2].startswith("check_")])
def test_every_check_has_a_case_on_either_side(path: str) -> None:
    assert outcomes().get(path) == {"passes", "refuses"}


@pytest.mark.parametrize("bad", ["", "[[case]]\nname = 'no clause'\n", "edition = 'jindong-2022'\n"])
def test_a_file_without_cases_or_with_a_broken_one_is_an_error(tmp_path: Path, bad: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(bad, encoding="utf-8")
    with pytest.raises(AssertionError):
        cases_in(file)


def test_a_case_of_a_rule_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(AttributeError):
        rule_named("regulation.refusal.check_nothing")


def test_dates_and_instants_are_not_taken_for_each_other() -> None:
    assert convert(date(2026, 3, 1), date) == date(2026, 3, 1)
    with pytest.raises(AssertionError):
        convert(datetime(2026, 3, 1, 0, 0), date)  # noqa: DTZ001 - a naive instant is the mistake looked for
