"""Comparisons with the best: Hsu's published example, simulation of the joint coverage, agreement with Dunnett."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from experiments.inference.best import compare_with_best, constrain
from experiments.inference.dunnett import dunnett_critical
from experiments.inference.means import WelchComparison
from experiments.inference.moments import Moments
from experiments.inference.proportions import ScoreComparison
from experiments.inference.score import TwoByTwo

# Wilson and Shade (1967): insects on boards of four colours, six boards each; the example of Hsu (1996).
INSECTS = {
    "yellow": [45, 59, 48, 46, 38, 47],
    "white": [21, 12, 14, 17, 13, 17],
    "green": [37, 32, 15, 25, 39, 41],
    "blue": [16, 11, 20, 21, 14, 7],
}


def test_insect_traps():
    """One-sided Dunnett at 3 and 20 degrees of freedom is 2.19 (Dunnett 1955, table 1a); the rest is arithmetic."""
    rows = np.array(list(INSECTS.values()), dtype=float)
    means, degrees = rows.mean(axis=1), 20
    spread = math.sqrt(((rows - means[:, None]) ** 2).sum() / degrees)
    critical = dunnett_critical(0.05, [math.sqrt(0.5)] * 3, degrees, two_sided=False)
    assert critical == pytest.approx(2.19, abs=5e-3)
    half = 2.19 * spread * math.sqrt(2 / 6)
    intervals = dict(zip(INSECTS, constrain(means[:, None] - means + half), strict=True))
    # Only yellow may be the best: it exceeds green by 15.67, give or take 8.58.
    assert half == pytest.approx(8.58, abs=0.01)
    assert intervals["yellow"] == pytest.approx((0.0, 15.667 + half), abs=1e-3)
    assert intervals["green"] == pytest.approx((-15.667 - half, 0.0), abs=1e-3)
    assert intervals["white"] == pytest.approx((-31.5 - half, 0.0), abs=1e-3)
    assert intervals["blue"] == pytest.approx((-32.333 - half, 0.0), abs=1e-3)


def comparisons(means, sizes, deviation=1.0):
    arms = [
        Moments(("x",), n, np.array([float(m)]), np.array([[deviation**2 * (n - 1)]]), (0,))
        for m, n in zip(means, sizes, strict=True)
    ]
    return {(i, j): WelchComparison(arms[i], arms[j], "x") for i, j in combinations(range(len(arms)), 2)}


def test_two_arms_are_one_sided_tests():
    first, second = compare_with_best(comparisons([1.0, 0.0], [5_000, 8_000]))
    error = math.sqrt(1 / 5_000 + 1 / 8_000)
    assert (first.low, first.high) == pytest.approx((0.0, 1 + 1.6449 * error), rel=1e-4)
    assert (second.low, second.high) == pytest.approx((-1 - 1.6449 * error, 0.0), rel=1e-4)
    assert first.is_best
    assert not second.may_be_best


def test_the_critical_value_of_each_arm_is_that_of_its_own_family():
    sizes = [20_000, 40_000, 60_000]
    found = compare_with_best(comparisons([0.0, 0.001, 0.0], sizes))
    assert all(each.may_be_best and not each.is_best for each in found)
    for arm, each in enumerate(found):
        errors = [math.sqrt(1 / sizes[arm] + 1 / n) for at, n in enumerate(sizes) if at != arm]
        critical = dunnett_critical(0.05, [sizes[arm] ** -0.5 / e for e in errors], two_sided=False)
        gaps = [(0.0, 0.001, 0.0)[arm] - (0.0, 0.001, 0.0)[at] for at in range(3) if at != arm]
        expected = min(gap + critical * e for gap, e in zip(gaps, errors, strict=True))
        assert each.high == pytest.approx(expected, rel=1e-3)


def test_bonferroni_is_wider_and_rates_use_their_score_bounds():
    tables = {(0, 1): (300, 250), (0, 2): (300, 280), (1, 2): (250, 280)}
    pairs = {key: ScoreComparison(TwoByTwo(a, 5_000, b, 5_000)) for key, (a, b) in tables.items()}
    ours, wider = compare_with_best(pairs), compare_with_best(pairs, dunnett=False)
    for one, other in zip(ours, wider, strict=True):
        assert other.low <= one.low <= 0 <= one.high <= other.high
    assert wider[0].high == pytest.approx(pairs[0, 2].interval(0.05)[1], rel=1e-12)


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (9, 1, 4, 1), (1, 9, 9, 9)])
@pytest.mark.parametrize("truth", [(0, 0, 0, 0), (0, 1, 1, 3), (-9, 0, 0, -9)])
def test_all_intervals_together_cover(rng, sizes, truth):
    """At least 95 % of 20,000 experiments, nine cells judged together; exactly 95 % where one arm is far the best."""
    runs, variances = 20_000, 1 / np.array(sizes)
    means = rng.normal(np.array(truth, dtype=float), np.sqrt(variances), (runs, 4))
    errors = np.sqrt(variances[:, None] + variances)
    critical = [
        dunnett_critical(0.05, list(np.delete(np.sqrt(variances[i]) / errors[i], i)), two_sided=False)
        for i in range(4)
    ]
    upper = means[:, :, None] - means[:, None, :] + np.array(critical)[:, None] * errors
    target = [truth[i] - max(truth[j] for j in range(4) if j != i) for i in range(4)]
    covered = sum(
        all(low <= t <= high for (low, high), t in zip(constrain(one), target, strict=True)) for one in upper
    )
    assert covered >= 0.95 * runs - 3.26 * math.sqrt(runs * 0.05 * 0.95)


@settings(max_examples=50)
@given(arrays(float, (4, 4), elements=st.floats(-5, 5)))
def test_the_intervals_hold_zero_on_one_side_and_someone_may_be_the_best(bounds):
    # Real bounds exceed the differences, so that i - j and j - i cannot both be below zero.
    upper = np.maximum(bounds, -bounds.T + 1e-9)
    intervals = constrain(upper)
    assert any(high > 0 for _, high in intervals) or upper.min() <= 0
    for low, high in intervals:
        assert low <= 0 <= high


def test_no_bound_is_infinite():
    constant = Moments.from_rows(("x",), [[1.0], [1.0]])
    for each in compare_with_best({(0, 1): WelchComparison(constant, constant, "x")}):
        assert (each.low, each.high) == (-math.inf, math.inf)
        assert each.may_be_best


def test_refusals_give_the_reason():
    with pytest.raises(ValueError, match="every pair"):
        compare_with_best({})
    with pytest.raises(ValueError, match="every pair"):
        compare_with_best({(0, 2): comparisons([0, 0], [5, 5])[0, 1]})
    with pytest.raises(ValueError, match="alpha"):
        compare_with_best(comparisons([0, 0], [5, 5]), 0.0)
