"""Exactness of the official numbers: what is shown, what passes and what compares agree, whatever the arithmetic that led there."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulation.score import Score, total

THRESHOLDS = (600, 610)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_every_score_within_a_point_shows_the_threshold_exactly_when_it_passes(threshold: int) -> None:
    for denominator in (*range(1, 41), 50, 90, 100, 300):
        for numerator in range((threshold - 1) * 20 * denominator, (threshold + 1) * 20 * denominator + 1):
            score = Score(numerator, denominator)
            assert (Decimal(score.points) >= threshold) is score.passes(threshold)


@given(
    material=st.integers(11900, 12300),
    site=st.integers(11900, 12300),
    sheets=st.tuples(st.integers(3, 12), st.integers(3, 12)),
    thirds=st.tuples(st.integers(0, 11), st.integers(0, 11)),
    weights=st.tuples(st.integers(0, 100), st.integers(1, 100)),
)
def test_a_weighted_total_is_the_fraction_and_shows_as_it_passes(
    material: int, site: int, sheets: tuple[int, int], thirds: tuple[int, int], weights: tuple[int, int]
) -> None:
    first, second = Score(material * sheets[0] + thirds[0], sheets[0]), Score(site * sheets[1] + thirds[1], sheets[1])
    score = total(first, second, *weights)
    exact = (Fraction(first.numerator, first.denominator) * weights[0] + Fraction(second.numerator, second.denominator) * weights[1]) / sum(
        weights
    )
    assert Fraction(score.numerator, score.denominator) == exact
    for threshold in THRESHOLDS:
        assert (Decimal(score.points) >= threshold) is score.passes(threshold) is (exact >= threshold * 20)


@given(st.tuples(st.integers(0, 10**6), st.integers(1, 10**4)), st.tuples(st.integers(0, 10**6), st.integers(1, 10**4)))
def test_scores_compare_as_their_fractions(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (Score(*one) < Score(*other)) is (Fraction(*one) < Fraction(*other))
    assert (Score(*one) == Score(*other)) is (Fraction(*one) == Fraction(*other))


def test_a_score_is_shown_rounded_down() -> None:
    assert [Score(12200).points, Score(12195).points, Score(12199999, 1000).points, Score(1, 1).points] == [
        "610.00",
        "609.75",
        "609.99",
        "0.05",
    ]


def test_what_a_score_loses_is_shown_rounded_down_too() -> None:
    assert [Score(-10).points, Score(-20).points, Score(-1, 3).points, Score(0).points] == ["-0.50", "-1.00", "-0.02", "0.00"]


def test_a_score_has_a_positive_denominator() -> None:
    with pytest.raises(ValueError, match="positive"):
        Score(1, 0)
