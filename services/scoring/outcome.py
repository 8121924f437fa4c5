"""What a cycle's scores lead to under given rules, exactly and by the regulation's own functions: lists, candidates, who leads.

Nothing official comes from here: advice asks it how the lists would stand under other rules or with other sheets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from regulation.edition import Parameters
from regulation.refusal import Refusal
from regulation.score import Aggregation, Score, aggregate, total
from regulation.shortlist import Seeker, Standing, candidates, shortlist
from services.scoring.access import Stage


@dataclass(frozen=True)
class Scored:
    """What was scored of one application in one stage: opened sheets (person → twentieths), and the consensus where there is one."""

    sheets: Mapping[str, int]
    consensus: int | None = None


@dataclass(frozen=True)
class Contender:
    """An application with all that its place depends on; `recommended` by its panel for site review, or not yet reported on."""

    application: str
    credit_code: str
    awards: frozenset[str]
    falls_back: bool
    preferred: bool
    recommended: bool
    stages: Mapping[Stage, Scored]


@dataclass(frozen=True)
class Rules:
    """By what the scores are combined and the lists drawn up; `p` holds the places in site review and the awards' minimum points."""

    aggregation: Aggregation
    material_weight: int
    site_weight: int
    fallback_between_awards: bool
    p: Parameters


@dataclass(frozen=True)
class Outcome:
    """Where scores lead: `listed` for site review with `tied` left to a motion, `candidates` and who of them leads, by award."""

    material: Mapping[str, Score]
    totals: Mapping[str, Score]
    listed: frozenset[str]
    tied: frozenset[str]
    candidates: Mapping[str, frozenset[str]]
    leaders: Mapping[str, frozenset[str]]
    unscored: Mapping[str, str]


Combined = Mapping[Stage, Mapping[str, Score]]


def combine(contenders: Sequence[Contender], rules: Rules) -> tuple[Combined, Mapping[str, str]]:
    """Aggregate each stage's sheets; what can't be is named with the reason's code."""
    combined: dict[Stage, dict[str, Score]] = {"material": {}, "site": {}}
    unscored: dict[str, str] = {}
    for one in contenders:
        for stage, scored in one.stages.items():
            try:
                combined[stage][one.application] = aggregate(rules.aggregation, scored.sheets, {}, scored.consensus, rules.p).score
            except Refusal as refusal:
                unscored[one.application] = refusal.code
    return combined, unscored


def outcome(contenders: Sequence[Contender], rules: Rules) -> Outcome:
    """Work out where the scores lead under these rules."""
    combined, unscored = combine(contenders, rules)
    return lead(contenders, rules, combined, unscored)


def lead(contenders: Sequence[Contender], rules: Rules, combined: Combined, unscored: Mapping[str, str]) -> Outcome:
    """Work out lists and candidates from scores that stand."""
    material, site = combined["material"], combined["site"]
    ranked = [one for one in contenders if one.application in material]
    listed, tied = _listed(
        [Standing(one.application, material[one.application], one.preferred, one.recommended) for one in ranked], rules.p
    )
    both = [one for one in ranked if one.application in site]
    weights = rules.material_weight, rules.site_weight
    totals = {one.application: total(material[one.application], site[one.application], *weights) for one in both}
    seekers = [Seeker(one.application, one.credit_code, totals[one.application], one.awards, one.falls_back) for one in both]
    standing = candidates(seekers, rules.p, fallback_between_awards=rules.fallback_between_awards)
    leaders = {award.key: best({one: totals[one] for one in standing[award.key]}, award.cap) for award in rules.p.awards}
    return Outcome(material, totals, listed, tied, standing, leaders, unscored)


def best(scores: Mapping[str, Score], places: int) -> frozenset[str]:
    """Name the best; all that tie across the last place are among them."""
    ranked = sorted(scores.values(), reverse=True)
    last = ranked[min(places, len(ranked)) - 1] if ranked and places else None
    return frozenset(name for name, score in scores.items() if last is not None and not score < last)


def places(scores: Mapping[str, Score]) -> Mapping[str, int]:
    """Give each its place; equals share one."""
    first: dict[Score, int] = {}
    for place, score in enumerate(sorted(scores.values(), reverse=True), 1):
        first.setdefault(score, place)
    return {name: first[score] for name, score in scores.items()}


def changed(rules: Rules, site_places: int | None, minimum_points: Mapping[str, int]) -> Rules:
    """Put other places in site review, or other minimum points by award, into the rules."""
    awards = tuple(replace(award, minimum_points=minimum_points.get(award.key, award.minimum_points)) for award in rules.p.awards)
    return replace(rules, p=replace(rules.p, awards=awards, site_review_cap=site_places or rules.p.site_review_cap))


def _listed(standings: Sequence[Standing], p: Parameters) -> tuple[frozenset[str], frozenset[str]]:
    """Draw up the list for site review; where a motion would have to decide, name the tied beside those ahead of them."""
    try:
        return frozenset(shortlist(standings, p).applications), frozenset()
    except Refusal as refusal:
        if refusal.code != "shortlist_tie":
            raise
        tied = frozenset(str(refusal.facts["tied"]).split(", "))
    last = next(one.score for one in standings if one.application in tied)
    ahead = {
        one.application
        for one in standings
        if one.qualified and (one.score > last or (one.score == last and one.preferred and one.application not in tied))
    }
    return frozenset(ahead), tied
