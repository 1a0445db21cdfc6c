"""Dunnett: golden values of R's multcomp and of quadrature, simulation with unequal shares, far tails."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import dunnett

from experiments.inference.dunnett import dunnett_adjust, dunnett_critical, loadings, max_t_tail
from experiments.inference.means import WelchComparison
from experiments.inference.moments import Moments
from experiments.inference.tails import tail_probability

EQUAL = math.sqrt(0.5)


def test_golden_critical_values(golden):
    inputs, expected = golden("dunnett_critical_large_df")
    shared = math.sqrt(inputs["rho"])
    for arms, critical in zip(inputs["k"], expected["crit"], strict=True):
        assert dunnett_critical(inputs["alpha"], [shared] * arms) == pytest.approx(critical, abs=1e-8)


def test_golden_small_samples(golden):
    inputs, expected = golden("dunnett")
    control = np.array(inputs["control"])
    arms = [np.array(inputs[name]) for name in "abc"]
    degrees = 4 * (len(control) - 1)
    pooled = sum(((x - x.mean()) ** 2).sum() for x in (control, *arms)) / degrees
    error = math.sqrt(pooled * 2 / len(control))
    t = [(arm.mean() - control.mean()) / error for arm in arms]
    assert t == pytest.approx(expected["t"], rel=1e-8)
    p = [max_t_tail(abs(value), [EQUAL] * 3, degrees) for value in t]
    assert p[:2] == pytest.approx(expected["p"][:2], rel=2e-2)
    # The reference draws the third at random; it lies between one tail and three of them.
    single = tail_probability(t[2], "two-sided", degrees)
    assert single < p[2] <= 3 * single
    assert p[2] == pytest.approx(expected["p"][2], abs=1e-3)
    critical = dunnett_critical(0.05, [EQUAL] * 3, degrees)
    interval = [arms[0].mean() - control.mean() + side * critical * error for side in (-1, 1)]
    assert interval == pytest.approx(expected["ci_a"], abs=1e-3)


def test_unequal_shares_against_scipy(rng):
    control = rng.normal(0, 1, 60)
    arms = [rng.normal(0.2, 1, n) for n in (15, 25, 40)]
    degrees = 60 + 15 + 25 + 40 - 4
    shared = [math.sqrt(len(arm) / (len(arm) + 60)) for arm in arms]
    expected = dunnett(*arms, control=control, rng=np.random.default_rng(1))
    p = [max_t_tail(abs(t), shared, degrees) for t in expected.statistic]
    assert p == pytest.approx(list(expected.pvalue), abs=2e-3)


@given(st.floats(0.1, 8), st.floats(0, 1), st.sampled_from([3.0, 30.0, math.inf]), st.booleans())
def test_one_arm_is_the_single_test(critical, shared, degrees, two_sided):
    expected = tail_probability(critical, "two-sided" if two_sided else "greater", degrees)
    assert max_t_tail(critical, [shared], degrees, two_sided=two_sided) == pytest.approx(expected, rel=1e-7)


@given(
    st.floats(0.5, 30), st.lists(st.floats(0, 0.99), min_size=2, max_size=8), st.sampled_from([4.0, math.inf])
)
def test_the_tail_lies_between_one_test_and_bonferroni(critical, shared, degrees):
    single = tail_probability(critical, "two-sided", degrees)
    tail = max_t_tail(critical, shared, degrees)
    assert single * (1 - 1e-7) <= tail <= len(shared) * single * (1 + 1e-7)


def test_independent_statistics_are_sidak():
    assert max_t_tail(2.5, [0.0] * 5) == pytest.approx(
        1 - (1 - tail_probability(2.5, "two-sided")) ** 5, rel=1e-10
    )


def test_far_tails_are_kept():
    assert max_t_tail(30.0, [EQUAL] * 3) == pytest.approx(3 * tail_probability(30.0, "two-sided"), rel=1e-9)
    assert max_t_tail(1e5, [0.3] * 2, 3) == pytest.approx(2 * tail_probability(1e5, "two-sided", 3), rel=0.5)
    assert max_t_tail(math.inf, [0.3]) == 0
    assert max_t_tail(0.0, [0.3]) == max_t_tail(-math.inf, [0.3], two_sided=False) == 1


@pytest.mark.parametrize(("sizes", "control"), [((200, 50, 100), 400), ((100, 100), 20)])
def test_family_wise_error_with_unequal_shares(rng, sizes, control):
    runs = 20_000
    common = rng.normal(0, control**-0.5, (runs, 1))
    errors = np.sqrt(1 / np.array(sizes) + 1 / control)
    z = (rng.normal(0, 1, (runs, len(sizes))) / np.sqrt(sizes) - common) / errors
    shared = control**-0.5 / errors
    for two_sided, largest in ((True, np.abs(z).max(axis=1)), (False, z.max(axis=1))):
        critical = dunnett_critical(0.05, list(shared), two_sided=two_sided)
        rejected = int((largest > critical).sum())
        assert abs(rejected - 0.05 * runs) <= 3.24 * math.sqrt(runs * 0.05 * 0.95)


def test_comparisons_are_adjusted_by_their_own_loadings(rng):
    control = Moments.from_rows(("x",), rng.normal(0, 1, (900, 1)))
    arms = [Moments.from_rows(("x",), rng.normal(m, 1, (n, 1))) for m, n in ((0.2, 300), (0.05, 900))]
    comparisons = [WelchComparison(arm, control, "x") for arm in arms]
    assert loadings(comparisons) == pytest.approx((0.5, EQUAL), rel=0.05)
    for alternative in ("two-sided", "greater"):
        single = [c.p_value(0.01, alternative) for c in comparisons]
        adjusted = dunnett_adjust(comparisons, 0.01, alternative)
        assert all(p < a < 2 * p for p, a in zip(single, adjusted, strict=True))
    constant = Moments.from_rows(("x",), [[1.0], [1.0]])
    assert dunnett_adjust([WelchComparison(constant, constant, "x")]) == [1.0]


def test_refusals_give_the_reason():
    for bad in ([], [1.5], [-0.1]):
        with pytest.raises(ValueError, match="loadings"):
            dunnett_critical(0.05, bad)
    with pytest.raises(ValueError, match="missing"):
        max_t_tail(math.nan, [0.5])
