from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from regulation import rubric
from regulation.rubric import STEP
from regulation.score import sheet_twentieths
from services.scoring.diagnostics.advice import advise
from services.scoring.diagnostics.agreement import MISSING, alphas, correlations
from services.scoring.diagnostics.design import components
from services.scoring.diagnostics.evidence import OpenSheet, evidence
from services.scoring.diagnostics.posterior import draw, interval, ranks, reaches
from services.scoring.diagnostics.variance import Crossed, fit, least_squares

GBT = rubric.load("gbt-19580-2012")
NONE = np.nan
SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
PENICILLIN = """272326232321 272326232321 252125242420 262325232320 252226222320 242225232219 242023212219 262226242421 242124222220
    242124232219 262326242421 252226242420 262426242522 262326232320 262325242422 252225232320 252124232320 252224232319 242123212119
    262326242421 252124222218 252225222220 242124222419 242124222118"""
PLATES = np.array([[int(plate[at : at + 2]) for at in range(0, 12, 2)] for plate in PENICILLIN.split()], float)
ALPHA_A = ("* * * * * 3 4 1 2 1 1 3 3 * 3", "1 * 2 1 3 3 4 3 * * * * * * *", "* * 2 1 3 4 4 * 2 1 1 3 3 * 4")
ALPHA_C = ("1 2 3 3 2 1 4 1 2 * * *", "1 2 3 3 2 2 4 1 2 5 * 3", "* 3 3 3 2 3 4 2 2 5 1 *", "1 2 3 3 2 4 4 1 2 5 1 *")
BY_HAND = np.array([[615, 600, NONE], [NONE, 610, 595], [635, NONE, 605], [NONE, 590, 575]])


def ratings(rows: tuple[str, ...]) -> NDArray[np.int64]:
    return np.array([[MISSING if one == "*" else int(one) for one in row.split()] for row in rows])


def simulated(random: np.random.Generator, applications: int, reviewers: int, severity: float = 15) -> tuple[Any, Any]:
    merits, severities = random.normal(600, 30, applications), random.normal(0, severity, reviewers)
    return merits[:, None] + severities + random.normal(0, 20, (applications, reviewers)), merits


def sheet(number: int, application: str, person: str, percent: int = 60, **better: int) -> OpenSheet:
    steps = {item.id: better.get("i" + item.id.replace(".", "_"), percent) // STEP for item in GBT.items}
    return OpenSheet(str(number), application, person, steps)


def test_the_six_correlations_are_those_of_shrout_and_fleiss() -> None:
    found = {one.form: one for one in correlations(SHROUT_FLEISS)}
    values = {form: one.value for form, one in found.items()}
    assert values == pytest.approx({"ICC1": 0.17, "ICC2": 0.29, "ICC3": 0.71, "ICC1k": 0.44, "ICC2k": 0.62, "ICC3k": 0.91}, abs=0.005)
    ends = [end for form in values for end in (found[form].low, found[form].high)]
    assert ends == pytest.approx([-0.13, 0.72, 0.02, 0.76, 0.34, 0.95, -0.88, 0.91, 0.07, 0.93, 0.68, 0.99], abs=0.005)


def test_a_correlation_of_what_does_not_vary_has_no_value() -> None:
    assert {one.value for one in correlations(np.full((4, 3), 600.0))} == {None}


def test_of_reviewers_who_say_the_opposite_one_form_does_not_exist_and_the_others_are_as_their_formulas_say() -> None:
    values = {one.form: one.value for one in correlations(np.array([[1000.0, 0.0], [0.0, 1000.0]]))}
    assert values == {"ICC1": -1, "ICC2": None, "ICC3": -1, "ICC1k": None, "ICC2k": 2, "ICC3k": None}


def test_alpha_is_krippendorffs_with_ratings_missing() -> None:
    first, second = alphas(ratings(ALPHA_A)), alphas(ratings(ALPHA_C))
    assert first["nominal"] == pytest.approx(0.691358, abs=5e-7)
    assert first["interval"] == pytest.approx(0.810845, abs=5e-7)
    assert second["ordinal"] == pytest.approx(0.815, abs=5e-4)
    assert second["ratio"] == pytest.approx(0.797, abs=5e-4)


def test_alpha_of_what_does_not_vary_or_never_meets_has_no_value() -> None:
    assert set(alphas(np.full((3, 4), 12)).values()) == {None}
    assert set(alphas(ratings(("1 2 * *", "* * 3 4"))).values()) == {None}


def test_penicillin_has_the_likelihood_that_lme4_finds() -> None:
    found = fit(PLATES, "ml")
    assert found.deviance == pytest.approx(332.1883486700085, abs=1e-6)
    assert found.mean == pytest.approx(22.9722222, abs=1e-7)
    spread = (found.applicant_sd, found.reviewer_sd, found.residual_sd)
    assert spread == pytest.approx((0.8455719, 1.7706665, 0.5499319), rel=3e-5)


def test_a_complete_design_has_by_closed_form_what_the_search_finds() -> None:
    found, crossed = fit(PLATES), Crossed(PLATES)
    best = crossed.best("reml")
    applicants, severities, mean = crossed.effects(best)
    assert found.deviance == pytest.approx(crossed.deviance(best, "reml"), abs=1e-8)
    assert found.residual_sd == pytest.approx(crossed.error(best, "reml"), rel=1e-5)
    assert found.applicants == pytest.approx(applicants, abs=1e-5)
    assert found.severities == pytest.approx(severities, abs=1e-5)
    assert found.mean == pytest.approx(mean, abs=1e-9)


def test_a_variance_that_would_be_negative_is_none_and_the_search_agrees() -> None:
    scores = np.array([[600, 640], [640, 600], [610, 630], [630, 612]], float)
    found, crossed = fit(scores), Crossed(scores)
    assert (found.applicant_sd, found.reviewer_sd) == (0, 0)
    assert found.deviance == pytest.approx(crossed.deviance(crossed.best("reml"), "reml"), abs=1e-6)
    assert found.applicants == pytest.approx([scores.mean()] * 4)


def test_by_hand_severities_come_off_exactly() -> None:
    applicants, severities = least_squares(BY_HAND)
    assert applicants == pytest.approx([600, 610, 620, 590], abs=1e-9)
    assert severities == pytest.approx([15, 0, -15], abs=1e-9)
    found = fit(BY_HAND)
    assert found.residual_sd == 0
    assert found.applicants == pytest.approx([600, 610, 620, 590], abs=1e-9)
    assert reaches(draw(BY_HAND, 500), 605) == pytest.approx([0, 1, 1, 0])


def test_two_teams_without_a_link_are_two_components() -> None:
    scores = np.full((4, 4), NONE)
    scores[:2, :2] = scores[2:, 2:] = 600
    found = [(one.applications.tolist(), one.reviewers.tolist()) for one in components(scores)]
    assert found == [([0, 1], [0, 1]), ([2, 3], [2, 3])]
    assert len(components(BY_HAND)) == 1


def test_ninety_percent_intervals_hold_about_nine_times_in_ten() -> None:
    random = np.random.default_rng(19580)
    held = []
    for seed in range(600):
        scores, merits = simulated(random, 12, 5)
        low, high = interval(draw(scores, 400, seed).applicants)
        held.append(np.mean((low <= merits) & (merits <= high)))
    assert 0.89 < np.mean(held) < 0.92


def test_draws_of_a_complete_design_are_those_of_any_design() -> None:
    scores, _ = simulated(np.random.default_rng(3), 10, 5)
    scores_with_a_gap = np.vstack([scores, scores[0]])
    scores_with_a_gap[-1, 1:] = NONE
    complete, crossed = draw(scores, 8000), draw(scores_with_a_gap, 8000)
    assert crossed.applicants[:-1].mean(axis=1) == pytest.approx(complete.applicants.mean(axis=1), abs=2.5)
    assert crossed.applicants[:-1].std(axis=1) == pytest.approx(complete.applicants.std(axis=1), rel=0.1)
    assert crossed.severities.std(axis=1) == pytest.approx(complete.severities.std(axis=1), rel=0.1)
    assert crossed.applicants[-1].std() > 1.2 * crossed.applicants[0].std()


def test_ranks_are_shares_and_exact_ties_are_broken_evenly() -> None:
    placed = ranks(draw(np.array([[600, 610], [600, 610], [500, 510]], float), 4000))
    assert placed.probability.sum(axis=0) == pytest.approx(np.ones(3))
    assert placed.in_top(1) == pytest.approx([0.5, 0.5, 0], abs=0.03)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_totals_of_many_sheets_are_the_exact_ones(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(rubric.names()))
    books = rubric.load(name)
    steps = data.draw(st.lists(st.lists(st.integers(0, 20), min_size=len(books.items), max_size=len(books.items)), min_size=1, max_size=5))
    ids = [item.id for item in books.items]
    sheets = [OpenSheet(str(at), str(at), "r", dict(zip(ids, row, strict=True))) for at, row in enumerate(steps)]
    exact = [sheet_twentieths({item: step * STEP for item, step in one.steps.items()}, books) for one in sheets]
    assert evidence(sheets, books).twentieths.tolist() == exact


def test_a_lone_sheet_is_described_and_nothing_is_made_up() -> None:
    found = advise(evidence([sheet(1, "a", "r")], GBT), {"quality": 610}, 8)
    assert [part.compared for part in found.parts] == [None]
    assert set(found.alphas.values()) == {None}
    assert found.signs == []
    assert advise(evidence([], GBT), {"quality": 610}, 8).parts == []


def test_a_sheet_rated_as_a_whole_and_a_reviewer_who_tells_nobody_apart_are_to_be_looked_at() -> None:
    random = np.random.default_rng(5)
    sheets = []
    for application in range(6):
        for person in ("a", "b", "c", "d"):
            whole = person == "d"
            steps = {item.id: 10 if whole else int(np.clip(6 + 2 * application + random.integers(-3, 4), 0, 20)) for item in GBT.items}
            sheets.append(OpenSheet(f"{application}{person}", str(application), person, steps))
    given_ = evidence(sheets, GBT)
    found = advise(given_, {"quality": 610}, 8, draws=200)
    kinds = {(one.kind, given_.reviewers[one.reviewer]) for one in found.signs}
    assert {("halo", "d"), ("range_restriction", "d"), ("central_tendency", "d")} <= kinds
    assert all(person == "d" for kind, person in kinds if kind in {"range_restriction", "central_tendency"})


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_whatever_the_sheets_say_advice_is_finite_and_shares_are_shares(data: st.DataObject) -> None:
    applications, reviewers = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))
    percent = st.sampled_from(data.draw(st.sampled_from([(60,), (0, 100), (55, 60, 65), range(0, 101, 5)])))
    sheets = [
        sheet(row * 10 + column, str(row), str(column), data.draw(percent), i4_1_2=data.draw(percent))
        for row in range(applications)
        for column in range(reviewers)
        if data.draw(st.integers(0, 5)) or not (row or column)
    ]
    found = advise(evidence(sheets, GBT), {"quality": 610}, 2, draws=60)
    assert sum(len(part.component.applications) for part in found.parts) == len({one.application for one in sheets})
    for part in found.parts:
        for one in part.correlations:
            assert all(end is None or np.isfinite(end) for end in (one.value, one.low, one.high))
        if (compared := part.compared) is not None:
            assert np.isfinite([*compared.found.applicants, *compared.found.severities]).all()
            assert all(np.isfinite(end).all() for end in (*compared.merit, *compared.severity))
            assert (compared.merit[0] <= compared.merit[1]).all()
            assert compared.ranks.sum(axis=0) == pytest.approx(np.ones(len(compared.ranks)))
            assert all(0 <= share <= 1 for share in (*compared.among_best, *compared.reaches["quality"]))
    assert all(value is None or np.isfinite(value) for value in found.alphas.values())
    assert all(np.isfinite(one.value) for one in found.signs)


@pytest.mark.parametrize("left_out", [set(), {("2", "c")}])
def test_sheets_that_are_all_alike_are_no_fault(left_out: set[tuple[str, str]]) -> None:
    pairs = [(application, person) for application in "0123" for person in "abc" if (application, person) not in left_out]
    found = advise(evidence([sheet(at, *pair) for at, pair in enumerate(pairs)], GBT), {"quality": 610, "innovation": 600}, 2, draws=400)
    [part] = found.parts
    assert part.compared is not None
    assert part.compared.found.applicants == pytest.approx([600] * 4)
    assert part.compared.reaches["quality"].tolist() == [0] * 4
    assert part.compared.among_best == pytest.approx([0.5] * 4, abs=0.12)
    assert set(found.alphas.values()) == {None}
    assert found.signs == []
