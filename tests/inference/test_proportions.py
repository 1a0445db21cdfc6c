"""Score tests: golden values of R, statsmodels and Newcombe's table; agreement of test and interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import xlogy
from statsmodels.stats.proportion import test_proportions_2indep as two_proportions

from experiments.inference.comparison import compare
from experiments.inference.moments import Moments
from experiments.inference.proportions import ScoreComparison, compare_proportions
from experiments.inference.score import TwoByTwo, difference_interval, difference_z, restricted_rates

Z95 = 1.959963984540054


@st.composite
def tables(draw, most=3000):
    n_arm, n_versus = draw(st.integers(1, most)), draw(st.integers(1, most))
    return TwoByTwo(draw(st.integers(0, n_arm)), n_arm, draw(st.integers(0, n_versus)), n_versus)


def parse(text):
    successes, members = text.split("/")
    return int(successes), int(float(members))


def binary(successes, members):
    column = np.zeros((members, 1))
    column[:successes] = 1
    return Moments.from_rows(("converted",), column)


def test_pooled_z_is_that_of_r_and_statsmodels(golden):
    inputs, expected = golden("prop_two_sided_pooled")
    control, arm = parse(inputs["control"]), parse(inputs["treatment"])
    from_rows = compare(binary(*arm), binary(*control), "converted", "binary")
    for comparison in (from_rows, ScoreComparison(TwoByTwo(*arm, *control))):
        assert comparison.method == "score"
        assert comparison.statistic == pytest.approx(expected["z"], rel=1e-9)
        assert comparison.p_value() == pytest.approx(expected["p"], rel=1e-9)
        # statsmodels' restricted estimates have a wrong coefficient (its issue 10269), so that its
        # Miettinen-Nurminen bounds are 3e-4 of the width off; Newcombe's table below has the right ones.
        assert comparison.interval(0.05) == pytest.approx(expected["diff_ci_score_MN"], abs=4e-6)


def test_the_tail_does_not_round_to_zero(golden):
    inputs, expected = golden("extreme_p")
    comparison = ScoreComparison(TwoByTwo(*parse(inputs["treatment"]), *parse(inputs["control"])))
    assert comparison.p_value() == pytest.approx(expected["p"], rel=1e-6)


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        (TwoByTwo(56, 70, 48, 80), 0.0528, 0.3382),
        (TwoByTwo(9, 10, 3, 10), 0.1700, 0.8406),
        (TwoByTwo(6, 7, 2, 7), 0.0342, 0.8534),
        (TwoByTwo(5, 56, 0, 29), -0.0326, 0.1933),
    ],
)
def test_intervals_of_newcombes_table(table, low, high):
    """Newcombe (1998), Statistics in Medicine 17, table II, method 6 (Miettinen and Nurminen)."""
    assert difference_interval(table, Z95) == pytest.approx((low, high), abs=5e-5)


@given(tables(), st.floats(-0.95, 0.95))
def test_restricted_rates_maximise_the_likelihood(table, difference):
    def loss(rate):
        other = rate - difference
        return -(
            xlogy(table.successes_arm, rate)
            + xlogy(table.members_arm - table.successes_arm, 1 - rate)
            + xlogy(table.successes_versus, other)
            + xlogy(table.members_versus - table.successes_versus, 1 - other)
        )

    arm, versus = restricted_rates(table.counts, difference)
    low, high = max(0.0, difference), min(1.0, 1 + difference)
    assert low <= arm <= high
    assert arm - versus == pytest.approx(difference, abs=1e-12)
    best = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12})
    assert loss(min(max(arm, low + 1e-15), high - 1e-15)) <= best.fun + 1e-7 * max(1.0, abs(best.fun))


@given(tables(), st.sampled_from([0.001, 0.05, 0.2]))
def test_the_interval_holds_the_differences_that_are_not_rejected(table, alpha):
    comparison = ScoreComparison(table)
    low, high = comparison.interval(alpha)
    assert -1 <= low <= comparison.difference + 1e-12
    assert comparison.difference - 1e-12 <= high <= 1
    for bound in (low, high):
        if abs(bound) < 1:
            assert comparison.p_value(bound) == pytest.approx(alpha, rel=1e-6)


@given(tables())
def test_swapping_the_arms_mirrors_everything(table):
    mirrored = TwoByTwo(table.successes_versus, table.members_versus, table.successes_arm, table.members_arm)
    low, high = difference_interval(table, Z95)
    assert difference_interval(mirrored, Z95) == pytest.approx((-high, -low), abs=1e-9)
    assert ScoreComparison(mirrored).p_value(0.1, "less") == pytest.approx(
        ScoreComparison(table).p_value(-0.1, "greater"), rel=1e-8, abs=1e-300
    )


@pytest.mark.parametrize("ratio", [0.7, 1.0, 1.1, 3.0])
def test_ratio_score_test_is_that_of_statsmodels(ratio):
    for table in (TwoByTwo(12, 340, 20, 900), TwoByTwo(700, 1000, 300, 500)):
        expected = two_proportions(
            table.successes_arm,
            table.members_arm,
            table.successes_versus,
            table.members_versus,
            ratio,
            method="score",
            compare="ratio",
            correction=True,
        )
        p = ScoreComparison(table).ratio_p_value(ratio)
        assert p == pytest.approx(float(expected.pvalue), rel=1e-9)


def test_one_sided_p_values_share_the_two_sided_one():
    comparison = ScoreComparison(TwoByTwo(560, 12_000, 480, 12_000))
    upper, lower = comparison.p_value(0.002, "greater"), comparison.p_value(0.002, "less")
    assert upper + lower == pytest.approx(1)
    assert comparison.p_value(0.002) == pytest.approx(2 * min(upper, lower))


@pytest.mark.parametrize("table", [TwoByTwo(0, 50, 0, 60), TwoByTwo(7, 7, 9, 9), TwoByTwo(0, 1, 0, 1)])
def test_nobody_or_everybody_is_an_answer(table):
    comparison = compare_proportions(table)
    assert comparison.p_value() == 1
    assert comparison.statistic is None
    assert comparison.std_error is None
    low, high = comparison.interval(0.05)
    assert -1 <= low < 0 < high <= 1
    assert math.isfinite(comparison.p_value(0.1, "less"))


def test_no_lift_over_a_zero_control():
    assert compare_proportions(TwoByTwo(5, 100, 0, 100)).lift(0.05) is None


def test_a_difference_that_no_rates_have():
    with pytest.raises(ValueError, match="never"):
        difference_z(TwoByTwo(1, 2, 1, 2), 1.5)


def test_binary_values_are_checked():
    halves = Moments.from_rows(("converted",), [[0.0], [2.0], [0.0]])
    with pytest.raises(ValueError, match="not all 0 or 1"):
        compare(halves, halves, "converted", "binary")
    with pytest.raises(ValueError, match="without members"):
        compare(Moments.zero(("converted",)), binary(1, 3), "converted", "binary")


@pytest.mark.parametrize(("share", "rate"), [(0.5, 0.02), (0.1, 0.02), (0.9, 0.1)])
def test_type_one_error_and_coverage(rng, share, rate):
    runs, members = 2000, 6000
    n_arm = int(members * share)
    x, y = rng.binomial(n_arm, rate, runs), rng.binomial(members - n_arm, rate, runs)
    comparisons = [
        ScoreComparison(TwoByTwo(int(a), n_arm, int(b), members - n_arm)) for a, b in zip(x, y, strict=True)
    ]
    rejected = sum(c.p_value() <= 0.05 for c in comparisons)
    covered = sum(low <= 0 <= high for low, high in (c.interval(0.05) for c in comparisons))
    # Six cells are judged together: z of .005 / 6, two-sided.
    slack = 3.34 * math.sqrt(runs * 0.05 * 0.95)
    assert abs(rejected - 0.05 * runs) <= slack
    assert abs(covered - 0.95 * runs) <= slack


def test_impossible_tables_and_ratios():
    with pytest.raises(ValueError, match="both arms need members"):
        TwoByTwo(0, 0, 1, 2)
    with pytest.raises(ValueError, match=r"outside 0\.\.members"):
        TwoByTwo(3, 2, 1, 2)
    with pytest.raises(ValueError, match="never"):
        ScoreComparison(TwoByTwo(1, 2, 1, 2)).ratio_p_value(-1.0)
