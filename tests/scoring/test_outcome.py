from dataclasses import replace

from regulation import edition
from regulation.score import Score
from services.scoring.diagnostics.robustness import lists, robustness
from services.scoring.outcome import Contender, Rules, Scored, best, changed, outcome, places

EDITION = edition.load("jindong-2022")
RULES = Rules("mean", 60, 40, fallback_between_awards=True, p=EDITION.parameters(EDITION.in_force_on))
THREE = changed(RULES, 3, {})
ALL_600 = {"r1": 12000, "r2": 12000, "r3": 12000}


def contender(name: str, sheets: dict[str, int], site: dict[str, int] | None = None, *, preferred: bool = False) -> Contender:
    stages = {"material": Scored(sheets)} | ({"site": Scored(site)} if site else {})
    awards = frozenset({"quality", "innovation"})
    return Contender(name, name, awards, falls_back=True, preferred=preferred, recommended=True, stages=stages)  # type: ignore[arg-type]


def names(of: str) -> frozenset[str]:
    return frozenset(of)


def alike(points: int) -> dict[str, int]:
    return dict.fromkeys(("r1", "r2", "r3"), points * 20)


def test_an_exact_tie_across_the_last_place_names_the_tied_and_lists_who_is_ahead() -> None:
    field = [contender("a", alike(700)), *(contender(name, ALL_600) for name in "bcd"), contender("e", alike(500))]
    found = outcome(field, THREE)
    assert (found.listed, found.tied) == (names("a"), names("bcd"))


def test_a_preference_breaks_a_tie_as_far_as_it_goes() -> None:
    field = [contender("a", alike(700)), contender("b", ALL_600, preferred=True), *(contender(name, ALL_600) for name in "cd")]
    assert (outcome(field, THREE).listed, outcome(field, THREE).tied) == (names("ab"), names("cd"))
    all_preferred = [contender("a", alike(700)), *(contender(name, ALL_600, preferred=True) for name in "bcd"), contender("e", ALL_600)]
    assert (outcome(all_preferred, THREE).listed, outcome(all_preferred, THREE).tied) == (names("a"), names("bcd"))


def test_weights_decide_exactly_at_the_threshold() -> None:
    field = [contender("a", alike(610), alike(610)), contender("b", alike(600), alike(625)), contender("c", alike(600), alike(624))]
    assert outcome(field, RULES).candidates["quality"] == {"a", "b"}
    assert outcome(field, replace(RULES, site_weight=0)).candidates["quality"] == {"a"}
    assert outcome(field, changed(RULES, None, {"quality": 611})).candidates["quality"] == frozenset()
    assert outcome(field, RULES).totals["b"] == Score(12200)


def test_what_cannot_be_combined_is_named_and_never_zero() -> None:
    field = [contender("a", {"r1": 12000, "r2": 12000}), contender("b", ALL_600)]
    found = outcome(field, RULES)
    assert found.unscored == {"a": "too_few_sheets"}
    assert "a" not in found.material


def test_a_list_that_hangs_on_one_reviewer_is_said_to() -> None:
    field = [
        contender("a", {"r1": 14000, "r2": 12000, "r3": 12000}),
        contender("b", {"r1": 12000, "r2": 12500, "r3": 12500}),
        contender("c", alike(500)),
    ]
    found = robustness(field, changed(RULES, 1, {}))
    assert found.lists["site_review"] == {"a"}
    changes = {one.without: (one.joins["site_review"], one.leaves["site_review"]) for one in found.variations if one.changes}
    assert changes == {"r1": (names("b"), names("a")), None: (names("b"), names("a"))}


def test_an_application_left_without_a_sheet_drops_out_of_that_comparison() -> None:
    field = [contender("a", {"r1": 14000}), contender("b", ALL_600)]
    found = robustness(field, changed(RULES, 1, {}))
    [without] = [one for one in found.variations if one.without == "r1"]
    assert (without.joins["site_review"], without.leaves["site_review"]) == (names("b"), names("a"))


def test_equals_share_a_place_and_all_who_tie_for_the_last_lead() -> None:
    scores = {"a": Score(3), "b": Score(2), "c": Score(4, 2), "d": Score(1)}
    assert places(scores) == {"a": 1, "b": 2, "c": 2, "d": 4}
    assert best(scores, 2) == {"a", "b", "c"}
    assert best({}, 2) == best(scores, 0) == frozenset()
    assert lists(outcome([], RULES)) == {"site_review": frozenset(), "quality": frozenset(), "innovation": frozenset()}
