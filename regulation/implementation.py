"""The implementation rules (评审实施细则): what the text leaves open and the committee approves before launch, without any default."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Literal

from regulation.edition import Parameters
from regulation.refusal import Refusal


@dataclass(frozen=True)
class Share:
    """A share of a whole: at least `numerator`/`denominator` of it, or more than that."""

    numerator: int
    denominator: int
    more_than: bool

    def needed(self, whole: int) -> int:
        """Count the fewest that make this share of `whole`, never none."""
        part = self.numerator * whole
        return max(1, part // self.denominator + 1 if self.more_than else -(-part // self.denominator))


@dataclass(frozen=True)
class Voting:
    """How the committee votes: quorum and majority leave recused members out where `members_recused`."""

    quorum: Share
    majority: Share
    majority_of: Literal["present", "roster"]
    ballot: Literal["named", "secret"]
    votes_changeable: bool
    members_recused: bool


@dataclass(frozen=True)
class ImplementationRules:
    """What the committee approved: weights are integers, `spread_percent` the largest spread of ratings that needs no explanation."""

    aggregation: Literal["consensus", "mean", "trimmed_mean"]
    material_weight: int
    site_weight: int
    spread_percent: int
    voting: Voting
    tie_chain: tuple[Literal["score", "preference"], ...]
    notice_day: Literal["calendar", "working"]
    fallback_between_awards: bool
    endorsement_decline_reroute: bool


def implementation_rules(document: Mapping[str, object]) -> ImplementationRules:
    """Read the document the committee votes on; refuse what is unknown, missing or out of range, with its path.

    Clause 2.1.1.
    """
    values = _read(document, ImplementationRules, "")
    if values["material_weight"] + values["site_weight"] == 0:
        raise Refusal("rules_bad_value", "2.1.1", path="/site_weight", expected="material_weight + site_weight > 0")
    return ImplementationRules(**{**values, "tie_chain": tuple(values["tie_chain"])})


def voting(p: Parameters, rules: ImplementationRules) -> Voting:
    """Tell how the committee votes: as the implementation rules say, but named or secret as the edition says where it does.

    Clause 5.4.2.
    """
    return rules.voting if p.ballot_kind == "rules" else replace(rules.voting, ballot=p.ballot_kind)


def notice_day(p: Parameters, rules: ImplementationRules) -> Literal["calendar", "working"]:
    """Tell whether a notice counts calendar or working days: as the edition says, else as the implementation rules say.

    Clause 5.4.2.
    """
    return rules.notice_day if p.notice_day == "rules" else p.notice_day


def _read(document: object, kind: type[Any], path: str) -> dict[str, Any]:
    if not isinstance(document, Mapping):
        raise Refusal("rules_bad_value", "2.1.1", path=path or "/", expected="{…}")
    wanted = [field.name for field in fields(kind)]
    for key in document:
        if key not in wanted:
            raise Refusal("rules_unknown_entry", "2.1.1", path=f"{path}/{key}")
    for key in wanted:
        if key not in document:
            raise Refusal("rules_missing_entry", "2.1.1", path=f"{path}/{key}")
    return {key: _entry(key, document[key], f"{path}/{key}") for key in wanted}


def _entry(key: str, value: object, path: str) -> object:
    if key == "voting":
        return Voting(**_read(value, Voting, path))
    if key in {"quorum", "majority"}:
        share = Share(**_read(value, Share, path))
        if share.needed(share.denominator) > share.denominator:
            raise Refusal("rules_bad_value", "2.1.1", path=path, expected="numerator / denominator ≤ 1")
        return share
    fits, expected = _FITS[key]
    if not fits(value):
        raise Refusal("rules_bad_value", "2.1.1", path=path, expected=expected)
    return value


def _whole(value: object) -> bool:
    return type(value) is int and value >= 0


def _positive(value: object) -> bool:
    return type(value) is int and value > 0


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _step_of_five(value: object) -> bool:
    return type(value) is int and value in range(0, 101, 5)


def _chain(value: object) -> bool:
    return isinstance(value, list | tuple) and sorted(map(str, value)) == ["preference", "score"]


def _one_of(*words: str) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: value in words), " | ".join(words)


_FITS: Mapping[str, tuple[Callable[[Any], bool], str]] = MappingProxyType(
    {
        "aggregation": _one_of("consensus", "mean", "trimmed_mean"),
        "material_weight": (_whole, "0, 1, 2, …"),
        "site_weight": (_whole, "0, 1, 2, …"),
        "spread_percent": (_step_of_five, "0, 5, 10, …, 100"),
        "numerator": (_positive, "1, 2, 3, …"),
        "denominator": (_positive, "1, 2, 3, …"),
        "more_than": (_flag, "true | false"),
        "majority_of": _one_of("present", "roster"),
        "ballot": _one_of("named", "secret"),
        "votes_changeable": (_flag, "true | false"),
        "members_recused": (_flag, "true | false"),
        "notice_day": _one_of("calendar", "working"),
        "fallback_between_awards": (_flag, "true | false"),
        "endorsement_decline_reroute": (_flag, "true | false"),
        "tie_chain": (_chain, '["score", "preference"] | ["preference", "score"]'),
    }
)
