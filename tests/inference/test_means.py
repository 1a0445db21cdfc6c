"""Welch's test and the delta method: golden values, rows against moments, degenerate data, simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ttest_ind

from experiments.inference.comparison import compare
from experiments.inference.lift import log_ratio_lift
from experiments.inference.means import WelchComparison
from experiments.inference.moments import Moments
from experiments.inference.ratios import DeltaRatioComparison


def from_totals(figures):
    return Moments.from_sums(
        ("x",), [0.0], figures["n"], [figures["sum"]], [[figures["sumsq"]]], [figures["n"]]
    )


def from_spread(figures, n):
    comoment = np.array([[figures["var_num"], figures["cov"]], [figures["cov"], figures["var_den"]]]) * (
        n - 1
    )
    return Moments(("num", "den"), n, np.array([figures["mean_num"], figures["mean_den"]]), comoment, (0, 0))


def test_golden_welch_from_sums(golden):
    inputs, expected = golden("welch_mean_from_sums")
    comparison = compare(from_totals(inputs["treatment"]), from_totals(inputs["control"]), "x")
    assert comparison.method == "welch"
    assert comparison.difference == pytest.approx(expected["diff"], rel=1e-8)
    assert comparison.statistic == pytest.approx(expected["t"], rel=1e-8)
    assert comparison.p_value() == pytest.approx(expected["p"], rel=1e-8)
    assert comparison.interval(0.05) == pytest.approx(expected["ci"], rel=1e-8)
    lift = comparison.lift(0.05)
    assert lift is not None
    assert (lift.low, lift.high) == pytest.approx(expected["rel_log_ci"], rel=1e-8)


def test_golden_ratio(golden):
    inputs, expected = golden("ratio_delta_method")
    n = inputs["n_per_arm"]
    comparison = DeltaRatioComparison(
        from_spread(inputs["treatment"], n), from_spread(inputs["control"], n), "num", "den"
    )
    assert comparison.method == "delta"
    assert comparison.mean_arm == pytest.approx(expected["treatment"], rel=1e-8)
    assert comparison.std_error == pytest.approx(expected["se"], rel=1e-8)
    assert comparison.p_value() == pytest.approx(expected["p"], rel=1e-8)
    assert comparison.interval(0.05) == pytest.approx(expected["ci"], rel=1e-8)
    lift = comparison.lift(0.05)
    assert lift is not None
    assert lift.lift == pytest.approx(expected["rel"], rel=1e-8)
    assert (lift.low, lift.high) == pytest.approx(expected["rel_log_ci"], rel=1e-8)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("null", [0.0, 1.5])
def test_rows_give_what_scipy_gives(rng, alternative, null):
    arm, versus = rng.gamma(0.3, 9, 300), rng.gamma(0.3, 7, 120)
    expected = ttest_ind(arm - null, versus, equal_var=False, alternative=alternative)
    comparison = WelchComparison(
        Moments.from_rows(("x",), arm[:, None]), Moments.from_rows(("x",), versus[:, None]), "x"
    )
    assert comparison.p_value(null, alternative) == pytest.approx(expected.pvalue, rel=1e-9)


def test_a_ratio_with_denominator_one_is_a_mean(rng):
    arm, versus = (np.c_[rng.gamma(1, 3, n), np.ones(n)] for n in (80, 50))
    a, v = (Moments.from_rows(("x", "one"), x) for x in (arm, versus))
    ratio, mean = DeltaRatioComparison(a, v, "x", "one"), WelchComparison(a, v, "x")
    assert ratio.p_value() == pytest.approx(mean.p_value(), rel=1e-12)
    assert ratio.lift(0.1) == mean.lift(0.1)


def test_fieller_at_the_observed_ratio_and_at_one(rng):
    a, v = (Moments.from_rows(("x",), rng.gamma(2, s, (200, 1))) for s in (3.0, 2.5))
    comparison = WelchComparison(a, v, "x")
    assert comparison.ratio_p_value(a.average("x") / v.average("x")) == pytest.approx(1)
    assert comparison.ratio_p_value(1.0, "greater") == pytest.approx(comparison.p_value(0, "greater"))


@pytest.mark.parametrize(
    ("arm", "versus"),
    [
        ([1.0], [2.0]),
        ([5.0, 5.0], [5.0, 5.0]),
        ([0.0] * 9, [0.0] * 4),
        ([3.0], [1.0, 2.0, 4.0]),
        ([2.0] * 3, [1.0] * 3),
    ],
)
def test_no_variance_is_an_answer(arm, versus):
    a, v = (Moments.from_rows(("x",), np.array(x)[:, None]) for x in (arm, versus))
    comparison = compare(a, v, "x")
    assert comparison.std_error is None
    assert comparison.statistic is None
    assert comparison.p_value() == comparison.p_value(1.0, "less") == comparison.ratio_p_value(2.0) == 1
    assert comparison.interval(0.05) == (-math.inf, math.inf)
    assert comparison.lift(0.05) is None


def test_one_constant_arm_leaves_the_other_arms_variance():
    a, v = (Moments.from_rows(("x",), np.array(x)[:, None]) for x in ([0.0] * 5, [1.0, 2.0, 3.0]))
    comparison = compare(a, v, "x")
    assert comparison.std_error == pytest.approx(math.sqrt(1 / 3))
    assert math.isfinite(comparison.p_value())
    assert comparison.lift(0.05) is None


def test_a_lift_too_uncertain_to_bound_is_none():
    assert log_ratio_lift(1e-9, 1.0, 1.0, 0.0, 1.96) is None


@pytest.mark.parametrize("scale", [1e9, 1e-80, 1e-155, 1e-162, 1e-200, 1e-300, 1e-310])
@pytest.mark.parametrize("constant", [False, True])
def test_no_figure_overflows_however_small_control_is(rng, scale, constant):
    values = np.full(200, scale) if constant else scale * rng.random(200)
    rows = rng.random(200), values
    a, v = (Moments.from_rows(("x",), column[:, None]) for column in rows)
    comparison = compare(a, v, "x")
    lift = comparison.lift(0.05)
    assert lift is None or (lift.low < lift.lift < lift.high and math.isfinite(lift.high))
    assert (lift is None) == (scale < 1e-149)
    assert 0 <= comparison.p_value() <= 1


def test_refusals_give_the_reason():
    some = Moments.from_rows(("x", "d"), [[1.0, 0.0], [2.0, 0.0]])
    with pytest.raises(ValueError, match="without members"):
        compare(some, Moments.zero(("x", "d")), "x")
    with pytest.raises(ValueError, match="positive denominator"):
        DeltaRatioComparison(some, some, "x", "d")


def test_type_one_error_and_lift_coverage_with_few_buyers(rng):
    """Two parts, buyers and amounts, at 10/90: the level of Welch and the coverage of the lift."""
    runs, sizes = 2000, (1500, 13_500)
    rejected = covered = 0
    for _ in range(runs):
        arms = []
        for n in sizes:
            buyers = rng.binomial(n, 0.2)
            amounts = rng.gamma(2.0, 10.0, buyers)
            total, square = amounts.sum(), (amounts**2).sum()
            arms.append(Moments.from_sums(("x",), [0.0], n, [total], [[square]], [buyers]))
        comparison = WelchComparison(arms[0], arms[1], "x")
        lift = comparison.lift(0.05)
        assert lift is not None
        rejected += comparison.p_value() <= 0.05
        covered += lift.low <= 0 <= lift.high
    slack = 3.03 * math.sqrt(runs * 0.05 * 0.95)
    assert abs(rejected - 0.05 * runs) <= slack
    assert abs(covered - 0.95 * runs) <= slack
