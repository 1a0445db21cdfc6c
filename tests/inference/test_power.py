"""Power: golden values of R, rpact and tea-tasting, round trips, and the power that simulations show."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.power import TTestIndPower

from experiments.inference.adjustment import LinComparison, explained_share
from experiments.inference.guardrails import non_inferiority
from experiments.inference.moments import Moments
from experiments.inference.power import (
    PlannedMean,
    PlannedProportion,
    detectable_effect,
    non_inferiority_power,
    power,
    sample_size,
)
from experiments.inference.proportions import ScoreComparison
from experiments.inference.score import TwoByTwo


def test_golden_two_proportions(golden):
    _, expected = golden("sample_size_two_prop")

    def size(baseline, effect, level=0.8, ratio=1.0):
        return sample_size(PlannedProportion(baseline), effect, power=level, alpha=0.05, versus_per_arm=ratio)

    assert size(0.20, 0.05).arm == pytest.approx(expected["a_R_power_prop_test"], rel=1e-8)
    assert size(0.04, 0.004).arm == pytest.approx(expected["b_80"], rel=1e-4)
    assert size(0.04, 0.004, 0.9).arm == pytest.approx(expected["b_90"], rel=1e-4)
    unequal = size(0.04, 0.004, ratio=1 / 9)
    assert (unequal.arm, unequal.versus) == pytest.approx(
        (expected["c_large"], expected["c_small"]), rel=1e-4
    )
    assert unequal.arm + unequal.versus == pytest.approx(expected["c_total"], rel=1e-4)


def test_golden_means(golden):
    inputs, expected = golden("sample_size_mean")
    plan = {"power": inputs["power"], "alpha": inputs["alpha"]}
    equal = sample_size(PlannedMean(inputs["sd"]), inputs["delta"], **plan)
    assert equal.arm == pytest.approx(expected["per_arm_t"], rel=1e-8)
    assert math.ceil(equal.arm + equal.versus) == expected["total_t"]
    unequal = sample_size(PlannedMean(inputs["sd"]), inputs["delta"], versus_per_arm=9, **plan)
    assert unequal.arm + unequal.versus == pytest.approx(expected["total_9_to_1"], abs=5)
    cuped = sample_size(PlannedMean(inputs["sd"], explained=0.7**2), inputs["delta"], **plan)
    assert abs(cuped.arm + cuped.versus - expected["cuped_rho_0_7_total"]) <= 1
    effect = detectable_effect(PlannedMean(inputs["sd"]), 6281, 6281, **plan)
    assert effect == pytest.approx(expected["mde_at_total_12562"], rel=2e-6)


def test_figures_of_rs_help_pages():
    """?power.prop.test and ?power.t.test: power .740 with 50 each, n 76.7 for .90; power .8689528 with 20, n 22.02110."""
    half, unit = PlannedProportion(0.50), PlannedMean(1.0)
    assert power(half, 0.25, 50, 50, 0.05) == pytest.approx(0.740, abs=5e-4)
    assert sample_size(half, 0.25, power=0.90, alpha=0.05).arm == pytest.approx(76.7, abs=0.05)
    assert power(unit, 1.0, 20, 20, 0.05) == pytest.approx(0.8689528, abs=5e-8)
    assert sample_size(unit, 1.0, power=0.90, alpha=0.05).arm == pytest.approx(22.02110, abs=5e-6)


@pytest.mark.parametrize("ratio", [1 / 9, 0.5, 1.0, 9.0])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 6])
def test_unequal_shares_and_many_arms_are_those_of_statsmodels(ratio, alpha):
    """TTestIndPower at each comparison's own level; nine to one and one to nine are 90/10 holdouts."""
    for members in (200, 5_000):
        theirs = TTestIndPower().power(0.1, members, alpha, ratio=ratio, alternative="larger")
        ours = power(PlannedMean(1.0), 0.1, members, members * ratio, 2 * alpha)
        assert ours == pytest.approx(float(theirs), rel=1e-9)


def test_the_power_of_a_ratio_with_a_covariate_is_what_simulation_finds(rng):
    """Order value with baskets that past orders explain in part; planned from a past sample alone."""

    def members(n, lift):
        past = rng.gamma(2.0, 1.0, n)
        orders = 1 + rng.poisson(0.5 * past)
        sales = orders * (20 + lift) + rng.normal(0, 10, n) * np.sqrt(orders) + 6 * (past - 2)
        return Moments.from_rows(("sales", "orders", "past"), np.column_stack([sales, orders, past]))

    history = members(60_000, 0.0)
    share = explained_share(history, "sales", ("past",), "orders")
    plain, covered = (
        PlannedMean.from_moments(history, "sales", "orders", explained) for explained in (0.0, share)
    )
    arm, control, lift, runs = 800, 2_400, 1.0, 800
    planned = power(covered, lift, arm, control, 0.05)
    found = sum(
        LinComparison(
            [members(arm, lift)], [members(control, 0.0)], "sales", ("past",), None, "orders"
        ).p_value()
        <= 0.05
        for _ in range(runs)
    )
    assert planned > power(plain, lift, arm, control, 0.05) + 0.02
    assert abs(found - planned * runs) <= 3 * math.sqrt(runs * planned * (1 - planned)) + 0.02 * runs


@given(
    st.one_of(
        st.floats(0.01, 0.5).map(PlannedProportion),
        st.floats(0.1, 100).map(PlannedMean),
        st.floats(0.0, 0.9).map(lambda r: PlannedMean(3.0, explained=r)),
    ),
    st.integers(300, 10**7),
    st.floats(0.1, 10),
    st.sampled_from([0.05, 0.05 / 6]),
)
def test_size_effect_and_power_agree(metric, arm, ratio, alpha):
    try:
        effect = detectable_effect(metric, arm, arm * ratio, power=0.8, alpha=alpha)
    except ValueError:
        assert metric.furthest(1) < math.inf
        return
    assert power(metric, effect, arm, arm * ratio, alpha) == pytest.approx(0.8, abs=1e-6)
    size = sample_size(metric, effect, power=0.8, alpha=alpha, versus_per_arm=ratio)
    assert size.arm == pytest.approx(arm, rel=1e-3)


def test_a_fall_is_planned_like_a_rise_of_the_complement():
    fall = detectable_effect(PlannedProportion(0.3), 500, 800, power=0.8, alpha=0.05, direction=-1)
    rise = detectable_effect(PlannedProportion(0.7), 500, 800, power=0.8, alpha=0.05)
    assert fall == pytest.approx(-rise)


def test_past_data_give_the_deviation(rng):
    x = rng.gamma(2, 3, (400, 2))
    past = Moments.from_rows(("num", "den"), x)
    assert PlannedMean.from_moments(past, "num").std_dev == pytest.approx(x[:, 0].std(ddof=1))
    ratio = x[:, 0].sum() / x[:, 1].sum()
    linear = (x[:, 0] - ratio * x[:, 1]) / x[:, 1].mean()
    assert PlannedMean.from_moments(past, "num", "den").std_dev == pytest.approx(linear.std(ddof=1))


def test_power_is_what_simulation_finds(rng):
    arm, versus, runs = 3000, 7000, 3000
    planned = power(PlannedProportion(0.04), 0.012, arm, versus, 0.05)
    x, y = rng.binomial(arm, 0.052, runs), rng.binomial(versus, 0.04, runs)
    found = sum(
        ScoreComparison(TwoByTwo(int(a), arm, int(b), versus)).p_value() <= 0.05
        for a, b in zip(x, y, strict=True)
    )
    assert abs(found - planned * runs) <= 3 * math.sqrt(runs * planned * (1 - planned)) + 0.01 * runs


@pytest.mark.parametrize(("better", "limit", "rate"), [("down", 0.004, 0.01), ("up", -0.02, 0.2)])
def test_guardrail_power_is_what_simulation_finds(rng, better, limit, rate):
    arm, control, runs = 6000, 9000, 1500
    planned = non_inferiority_power(PlannedProportion(rate), limit, arm, control)
    x, y = rng.binomial(arm, rate, runs), rng.binomial(control, rate, runs)
    found = sum(
        non_inferiority(ScoreComparison(TwoByTwo(int(a), arm, int(b), control)), limit, better).status
        == "pass"
        for a, b in zip(x, y, strict=True)
    )
    assert 0.5 < planned < 0.95
    assert abs(found - planned * runs) <= 3 * math.sqrt(runs * planned * (1 - planned)) + 0.015 * runs


def test_covariates_are_worth_members():
    plain, adjusted = (PlannedMean(2.0, explained=share) for share in (0.0, 0.3))
    assert non_inferiority_power(adjusted, -0.1, 3000, 3000) > non_inferiority_power(plain, -0.1, 3000, 3000)
    ratio = [sample_size(m, 0.01, power=0.8, alpha=0.05).arm for m in (adjusted, plain)]
    assert ratio[0] / ratio[1] == pytest.approx(0.7, rel=1e-5)


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (lambda: PlannedProportion(0.0), "baseline"),
        (lambda: PlannedMean(0.0), "deviation"),
        (lambda: PlannedMean(1.0, explained=1.0), "explained"),
        (lambda: power(PlannedProportion(0.9), 0.2, 10, 10, 0.05), "gives no rate"),
        (lambda: power(PlannedMean(1.0), 0.2, 0, 10, 0.05), "members"),
        (lambda: sample_size(PlannedMean(1.0), 0.0, power=0.8, alpha=0.05), "no sample size"),
        (lambda: sample_size(PlannedMean(1.0), 1.0, power=0.01, alpha=0.05), "no sample size"),
        (lambda: sample_size(PlannedMean(1e9), 1e-3, power=0.8, alpha=0.05), "more than"),
        (lambda: detectable_effect(PlannedMean(1.0), 3, 3, power=0.05, alpha=0.05), "does not exceed"),
        (lambda: detectable_effect(PlannedProportion(0.5), 3, 3, power=0.8, alpha=0.05), "find no effect"),
        (lambda: non_inferiority_power(PlannedMean(1.0), 0.0, 10, 10), "limit"),
    ],
)
def test_refusals_give_the_reason(ask, reason):
    with pytest.raises(ValueError, match=reason):
        ask()


def test_an_effect_that_two_members_show_needs_no_more():
    size = sample_size(PlannedMean(1.0), 500.0, power=0.8, alpha=0.05)
    assert size.arm == pytest.approx(2.0, abs=1e-6)
    assert np.isfinite(detectable_effect(PlannedMean(1.0), 2, 2, power=0.8, alpha=0.05))
