"""Does a list change when any one reviewer is left out, or when the median stands for the rules' aggregation? Exact throughout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from regulation.score import Score, aggregate
from services.scoring.access import Stage
from services.scoring.outcome import Combined, Contender, Outcome, Rules, combine, lead


@dataclass(frozen=True)
class Variation:
    """One way to look at it again: `without` a reviewer, or by the median where that is null; with what would change by list."""

    without: str | None
    joins: Mapping[str, frozenset[str]]
    leaves: Mapping[str, frozenset[str]]

    @property
    def changes(self) -> bool:
        """Tell whether any list changes."""
        return any(self.joins.values()) or any(self.leaves.values())


@dataclass(frozen=True)
class Robustness:
    """The lists as the sheets give them (a consensus is looked at by its sheets' mean), and how each variation would change them."""

    aggregation: str
    lists: Mapping[str, frozenset[str]]
    variations: tuple[Variation, ...]


def robustness(contenders: Sequence[Contender], rules: Rules) -> Robustness:
    """Leave out each reviewer in turn, then take the median; sheets below the minimum are looked at all the same."""
    by_sheets = replace(
        rules, aggregation="mean" if rules.aggregation == "consensus" else rules.aggregation, p=replace(rules.p, sheets_minimum=1)
    )
    combined, unscored = combine(contenders, by_sheets)
    base = lists(lead(contenders, by_sheets, combined, unscored))
    reviewers = sorted({person for one in contenders for scored in one.stages.values() for person in scored.sheets})
    variations = [
        _variation(person, base, contenders, by_sheets, _without(person, contenders, by_sheets, combined)) for person in reviewers
    ]
    variations.append(_variation(None, base, contenders, by_sheets, _medians(contenders)))
    return Robustness(by_sheets.aggregation, base, tuple(variations))


def lists(found: Outcome) -> Mapping[str, frozenset[str]]:
    """Name the lists: for site review, where an exact tie counts as in, and who leads for each award."""
    return {"site_review": found.listed | found.tied, **found.leaders}


def _variation(
    without: str | None, base: Mapping[str, frozenset[str]], contenders: Sequence[Contender], rules: Rules, combined: Combined
) -> Variation:
    after = lists(lead(contenders, rules, combined, {}))
    return Variation(without, {name: after[name] - base[name] for name in base}, {name: base[name] - after[name] for name in base})


def _without(person: str, contenders: Sequence[Contender], rules: Rules, combined: Combined) -> Combined:
    """Recompute what the reviewer had a hand in; an application left without a sheet drops out of the comparison."""
    after: dict[Stage, dict[str, Score]] = {stage: dict(scores) for stage, scores in combined.items()}
    for one in contenders:
        for stage, scored in one.stages.items():
            if person not in scored.sheets:
                continue
            rest = {name: twentieths for name, twentieths in scored.sheets.items() if name != person}
            if rest:
                after[stage][one.application] = aggregate(rules.aggregation, rest, {}, None, rules.p).score
            else:
                after[stage].pop(one.application)
    return after


def _medians(contenders: Sequence[Contender]) -> Combined:
    after: dict[Stage, dict[str, Score]] = {"material": {}, "site": {}}
    for one in contenders:
        for stage, scored in one.stages.items():
            if scored.sheets:
                ranked = sorted(scored.sheets.values())
                middle = ranked[(len(ranked) - 1) // 2 : len(ranked) // 2 + 1]
                after[stage][one.application] = Score(sum(middle), len(middle))
    return after
