"""Adjusted estimates: golden values of statsmodels' regressions from rows, degenerate strata, simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm

from experiments.inference.adjustment import LinComparison, explained_share
from experiments.inference.means import WelchComparison
from experiments.inference.moments import Moments
from experiments.inference.ratios import DeltaRatioComparison

NAMES = ("y", "a", "b")


def draw(rng, n, effect=0.0, slope=1.0):
    x = rng.normal(size=(n, 2))
    y = 2 + effect + slope * x[:, 0] + 0.5 * x[:, 1] + rng.normal(size=n)
    return np.c_[y, x]


def moments(rows):
    return Moments.from_rows(NAMES, rows)


def test_lin_is_the_regression_of_each_arm_predicted_at_the_common_mean(rng):
    arm, versus = draw(rng, 90, 0.3, 1.4), draw(rng, 60)
    centre = np.concatenate([arm, versus])[:, 1:].mean(axis=0)
    at = np.r_[1.0, centre][None, :]
    fits = [sm.OLS(x[:, 0], sm.add_constant(x[:, 1:])).fit().get_prediction(at) for x in (arm, versus)]
    comparison = LinComparison([moments(arm)], [moments(versus)], "y", ("a", "b"))
    assert comparison.method == "lin"
    for estimate, fit in zip(comparison.estimates, fits, strict=True):
        assert estimate.mean == pytest.approx(fit.predicted_mean[0], rel=1e-10)
        assert math.sqrt(estimate.variance) == pytest.approx(fit.se[0], rel=1e-10)
        assert estimate.degrees == pytest.approx(estimate.members - 3)


def test_lin_is_the_fully_interacted_regression(rng):
    arm, versus = draw(rng, 300, 0.3, 1.4), draw(rng, 200)
    both, treated = np.concatenate([arm, versus]), np.r_[np.ones(300), np.zeros(200)]
    x = both[:, 1:] - both[:, 1:].mean(axis=0)
    fit = sm.OLS(both[:, 0], np.c_[np.ones(500), treated, x, treated[:, None] * x]).fit(cov_type="HC2")
    comparison = LinComparison([moments(arm)], [moments(versus)], "y", ("a", "b"))
    assert comparison.difference == pytest.approx(fit.params[1], rel=1e-10)
    assert comparison.std_error == pytest.approx(fit.bse[1], rel=0.03)


def test_without_covariates_or_strata_it_is_welch(rng):
    arm, versus = moments(draw(rng, 40)), moments(draw(rng, 30))
    comparison, welch = LinComparison([arm], [versus], "y"), WelchComparison(arm, versus, "y")
    assert comparison.method == "welch"
    assert comparison.p_value(0.1) == pytest.approx(welch.p_value(0.1), rel=1e-12)
    assert comparison.interval(0.05) == pytest.approx(welch.interval(0.05), rel=1e-12)


def test_strata_without_covariates_are_the_weighted_differences(rng):
    sides = [
        [rng.normal(m, s, n) for m, s, n in cells]
        for cells in ([(5, 1, 30), (1, 2, 50)], [(4, 1, 20), (1, 3, 60)])
    ]
    comparison = LinComparison(*([moments(np.c_[y, y, y]) for y in side] for side in sides), "y")
    weights = np.array([50, 110]) / 160
    difference = sum(w * (a.mean() - v.mean()) for w, a, v in zip(weights, *sides, strict=True))
    variance = sum(
        w**2 * (a.var(ddof=1) / len(a) + v.var(ddof=1) / len(v))
        for w, a, v in zip(weights, *sides, strict=True)
    )
    assert comparison.method == "stratified"
    assert comparison.difference == pytest.approx(difference, rel=1e-12)
    assert comparison.std_error == pytest.approx(math.sqrt(variance), rel=1e-12)
    given = LinComparison(*([moments(np.c_[y, y, y]) for y in side] for side in sides), "y", weights=[1, 3])
    expected = sum(w * (a.mean() - v.mean()) for w, a, v in zip((0.25, 0.75), *sides, strict=True))
    assert given.difference == pytest.approx(expected, rel=1e-12)


def test_slopes_are_pooled_over_strata(rng):
    sides = [[draw(rng, n) + shift for n, shift in ((40, 0), (70, 3))] for _ in range(2)]
    comparison = LinComparison(*([moments(x) for x in side] for side in sides), "y", ("a", "b"))
    means = []
    for side in sides:
        dummies = np.repeat(np.eye(2), [40, 70], axis=0)
        stacked = np.concatenate(side)
        slopes = sm.OLS(stacked[:, 0], np.c_[dummies, stacked[:, 1:]]).fit().params[2:]
        centres = [np.concatenate([sides[0][h], sides[1][h]])[:, 1:].mean(axis=0) for h in range(2)]
        adjusted = [
            x[:, 0].mean() - slopes @ (x[:, 1:].mean(axis=0) - c) for x, c in zip(side, centres, strict=True)
        ]
        means.append(np.average(adjusted, weights=[80, 140]))
    assert comparison.difference == pytest.approx(means[0] - means[1], rel=1e-10)


def test_a_ratio_without_covariates_is_the_delta_method(rng):
    arm, versus = (Moments.from_rows(("num", "den", "x"), rng.gamma(2, 3, (n, 3))) for n in (80, 50))
    adjusted = LinComparison([arm], [versus], "num", denominator="den")
    delta = DeltaRatioComparison(arm, versus, "num", "den")
    assert adjusted.difference == pytest.approx(delta.difference, rel=1e-12)
    assert adjusted.std_error == pytest.approx(delta.std_error, rel=1e-10)


def test_a_covariate_narrows_a_ratio(rng):
    def arm(n):
        x = rng.gamma(4, 1, n)
        orders = rng.poisson(x)
        return Moments.from_rows(("num", "den", "x"), np.c_[orders * x, orders, x])

    a, v = arm(900), arm(900)
    adjusted = LinComparison([a], [v], "num", ("x",), denominator="den")
    plain = DeltaRatioComparison(a, v, "num", "den")
    share = explained_share(a + v, "num", ("x",), denominator="den")
    assert 0.2 < share < 1
    assert adjusted.std_error == pytest.approx(plain.std_error * math.sqrt(1 - share), rel=0.05)


def test_explained_share_is_r_squared(rng):
    x = draw(rng, 200)
    expected = sm.OLS(x[:, 0], sm.add_constant(x[:, 1:])).fit().rsquared
    assert explained_share(moments(x), "y", ("a", "b")) == pytest.approx(expected, rel=1e-10)


def test_constant_and_repeated_covariates_change_nothing(rng):
    sides = [draw(rng, n) for n in (50, 40)]
    one = LinComparison(*([moments(x)] for x in sides), "y", ("a",))
    wide = [
        Moments.from_rows(("y", "a", "twice", "c"), np.c_[x[:, :2], 2 * x[:, 1], np.full(len(x), 0.1)])
        for x in sides
    ]
    many = LinComparison([wide[0]], [wide[1]], "y", ("a", "twice", "c"))
    assert many.difference == pytest.approx(one.difference, rel=1e-9)
    assert many.std_error == pytest.approx(one.std_error, rel=1e-9)


def test_small_strata_are_merged_with_their_neighbour(rng):
    arm, versus = [draw(rng, n) for n in (1, 30, 20)], [draw(rng, n) for n in (5, 30, 20)]
    merged = LinComparison(
        [moments(np.concatenate(arm[:2])), moments(arm[2])],
        [moments(np.concatenate(versus[:2])), moments(versus[2])],
        "y",
        ("a",),
    )
    comparison = LinComparison([moments(x) for x in arm], [moments(x) for x in versus], "y", ("a",))
    assert comparison.difference == pytest.approx(merged.difference, rel=1e-12)
    assert comparison.std_error == pytest.approx(merged.std_error, rel=1e-12)


def test_an_arm_too_small_for_slopes_keeps_its_mean(rng):
    arm, versus = draw(rng, 3), draw(rng, 40)
    comparison = LinComparison([moments(arm)], [moments(versus)], "y", ("a", "b"))
    assert comparison.mean_arm == pytest.approx(arm[:, 0].mean())
    single = LinComparison([moments(arm[:1])], [moments(versus)], "y", ("a", "b"))
    assert single.std_error is None
    assert single.p_value() == 1


def test_an_outcome_that_the_covariates_are_has_no_variance():
    x = np.arange(12.0)
    sides = [Moments.from_rows(("y", "a"), np.c_[3 * part, part]) for part in (x[:6], x[6:])]
    comparison = LinComparison([sides[0]], [sides[1]], "y", ("a",))
    assert comparison.std_error is None
    assert comparison.difference == pytest.approx(0, abs=1e-9)


def test_refusals_give_the_reason(rng):
    some = moments(draw(rng, 5))
    with pytest.raises(ValueError, match="one entry per stratum"):
        LinComparison([some], [some, some], "y")
    with pytest.raises(ValueError, match="positive"):
        LinComparison([some], [some], "y", weights=[0.0])
    with pytest.raises(ValueError, match="without members"):
        LinComparison([some], [Moments.zero(NAMES)], "y")
    empty = Moments.from_rows(("y", "orders"), [[1.0, 0.0], [2.0, 0.0]])
    with pytest.raises(ValueError, match="positive denominator"):
        explained_share(empty, "y", (), denominator="orders")


@pytest.mark.parametrize("strata", [1, 3])
def test_type_one_error_and_power_gain(rng, strata):
    runs, rejected, narrower = 1200, 0, 0
    for _ in range(runs):
        arm, versus = ([moments(draw(rng, n) + h) for h in range(strata)] for n in (60, 90))
        comparison = LinComparison(arm, versus, "y", ("a", "b"))
        plain = LinComparison(arm, versus, "y")
        rejected += comparison.p_value() <= 0.05
        narrower += comparison.std_error < plain.std_error
    assert abs(rejected - 0.05 * runs) <= 3.03 * math.sqrt(runs * 0.05 * 0.95)
    assert narrower > 0.99 * runs
