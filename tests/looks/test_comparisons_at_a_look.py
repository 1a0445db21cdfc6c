"""Comparisons at a look: repeated p-values and intervals agree with the bounds of rpact; confidence sequences with gbstats'."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import ndtri

from experiments.inference.comparison import Comparison, compare
from experiments.inference.guardrails import non_inferiority
from experiments.inference.looks import AnytimeComparison, GroupSequentialBounds, RepeatedComparison
from experiments.inference.moments import Moments
from experiments.inference.proportions import ScoreComparison, compare_proportions
from experiments.inference.score import TwoByTwo
from experiments.inference.sequential import spending_bounds, spending_function
from experiments.inference.tails import critical_value

# R rpact 3.3.4, getDesignGroupSequential(typeOfDesign = "asOF" / "asP", alpha = .025), five equal steps.
OBRIEN_FLEMING = (4.8768849, 3.3570119, 2.6802801, 2.2898168, 2.0310321)
POCOCK = (2.4379767, 2.4268139, 2.4101941, 2.3966493, 2.3859997)
# The same, at 25, 60 and 100 %.
UNEVEN = (4.332633646, 2.668868758, 1.980976336)
FIVE = (0.2, 0.4, 0.6, 0.8, 1.0)


def rates(arm: int, versus: int, members: int = 10_000) -> ScoreComparison:
    return compare_proportions(TwoByTwo(arm, members, versus, members))


@pytest.mark.parametrize(
    ("information", "name", "bounds"),
    [
        (FIVE, "obrien_fleming", OBRIEN_FLEMING),
        (FIVE, "pocock", POCOCK),
        ((0.25, 0.6, 1.0), "obrien_fleming", UNEVEN),
    ],
)
def test_the_bound_of_every_look_is_rpacts(information, name, bounds):
    for looks, bound in enumerate(bounds, start=1):
        found = GroupSequentialBounds(information[:looks], name, final=looks == len(bounds))
        assert found.bound(0.05) == pytest.approx(bound, abs=1e-6)
        # The repeated p-value is alpha where the ordinary one is the bound's level.
        assert found.p_value(found.nominal_level(0.05)) == pytest.approx(0.05, rel=1e-5)
        assert found.p_value(found.nominal_level(0.05) / 2, "greater") == pytest.approx(0.025, rel=1e-5)


def smallest_alpha(p: float, information: tuple[float, ...], name: str, sides: int) -> float:
    """The repeated p-value by its definition: the alpha whose bound is the statistic itself; 1 where every alpha's is beyond."""

    def short_of_the_bound(log_alpha: float) -> float:
        spending = spending_function(name, math.exp(log_alpha) / sides)
        return spending_bounds(information, spending)[-1] + ndtri(p / sides)

    most = math.log(1 - 1e-9)
    if short_of_the_bound(most) >= 0:
        return 1.0
    return math.exp(brentq(short_of_the_bound, math.log(1e-15), most, xtol=1e-9))


@pytest.mark.parametrize("name", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize(("alternative", "sides"), [("two-sided", 2), ("greater", 1)])
def test_the_table_of_p_values_is_the_root_of_the_bound(name, alternative, sides):
    bounds = GroupSequentialBounds((0.3, 0.55, 0.9), name)
    for p in (1e-10, 1e-4, 0.01, 0.049, 0.3, 0.8):
        exact = smallest_alpha(p, bounds.information, name, sides)
        assert bounds.p_value(p, alternative) == pytest.approx(exact, rel=1e-5)
    assert bounds.p_value(0.0, alternative) == 1e-15
    assert bounds.p_value(1.0, alternative) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize(("alternative", "sides"), [("two-sided", 2), ("greater", 1)])
@pytest.mark.parametrize("looks", [1, 2, 3])
def test_a_repeated_p_value_is_alpha_on_the_bound(name, alternative, sides, looks):
    bounds = GroupSequentialBounds((0.4, 0.7, 1.0)[:looks], name)
    for alpha in (0.001, 0.05, 0.3):
        two_sided = 2 * alpha / sides
        ordinary = bounds.nominal_level(two_sided) * sides / 2
        assert bounds.p_value(ordinary, alternative) == pytest.approx(alpha, rel=1e-5)


def test_an_end_short_of_the_plan_spends_what_is_left():
    short = GroupSequentialBounds((0.5, 0.9), "obrien_fleming", final=True)
    cut = GroupSequentialBounds((0.5, 0.9), "obrien_fleming")
    assert short.spent(0.05) == pytest.approx(0.05)
    assert cut.spent(0.05) < 0.05
    assert short.bound(0.05) < cut.bound(0.05)
    assert GroupSequentialBounds((0.94,), "pocock", final=True).bound(0.05) == pytest.approx(
        1.959964, abs=1e-6
    )


def test_one_look_at_the_end_is_the_fixed_test():
    fixed = rates(560, 480)
    looked = RepeatedComparison(fixed, GroupSequentialBounds((1.0,), "obrien_fleming", final=True))
    assert looked.p_value() == pytest.approx(fixed.p_value(), rel=1e-5)
    assert looked.interval(0.05) == pytest.approx(fixed.interval(0.05), rel=1e-6)
    assert looked.lift(0.05).low == pytest.approx(fixed.lift(0.05).low, rel=1e-6)
    assert (looked.method, looked.statistic) == ("score_group_sequential", fixed.statistic)


@settings(max_examples=40)
@given(st.integers(300, 700), st.integers(300, 700), st.sampled_from([0.05, 0.05 / 3, 0.01]))
def test_the_repeated_interval_leaves_out_what_the_repeated_test_rejects(arm, versus, alpha):
    look = BOUNDS
    looked = RepeatedComparison(rates(arm, versus), look)
    low, high = looked.interval(alpha)
    for null in (low - 1e-4, low + 1e-4, high - 1e-4, high + 1e-4):
        assert (looked.p_value(null) > alpha) == (low <= null <= high)


BOUNDS = GroupSequentialBounds((0.4, 0.7), "obrien_fleming")


def test_an_early_look_that_may_spend_nothing_says_nothing():
    looked = RepeatedComparison(rates(900, 100), GroupSequentialBounds((1e-4,), "obrien_fleming"))
    assert looked.interval(0.05) == (-math.inf, math.inf)
    assert looked.lift(0.05) is None
    assert looked.p_value() > 0.05


def test_a_guardrail_has_the_bound_of_the_look():
    fixed, bounds = rates(20, 20), GroupSequentialBounds((0.5,), "obrien_fleming")
    limit = 0.0015
    assert non_inferiority(fixed, limit, "down").status == "pass"
    looked = non_inferiority(RepeatedComparison(fixed, bounds), limit, "down")
    assert looked.status == "unclear"
    assert looked.bound == pytest.approx(fixed.interval(bounds.nominal_level(0.10))[1])


def anytime(comparison: Comparison, events: int = 1_000, planned: float = 24_000) -> AnytimeComparison:
    return AnytimeComparison(comparison, planned, 0.05, events)


def test_a_confidence_sequence_is_gbstats():
    # gbstats SequentialTwoSidedTTest, absolute, N* = 24,000: ../shared/golden/stats.json.
    looked = anytime(compare_proportions(TwoByTwo(560, 12_000, 480, 12_000)))
    assert looked.interval(0.05) == pytest.approx((-0.001310453530, 0.014643786864), abs=1e-11)
    assert looked.p_value() == pytest.approx(0.171685743341, rel=1e-9)
    assert looked.ratio_p_value(1.0) == pytest.approx(looked.p_value(), rel=1e-12)
    assert looked.method == "wald_always_valid"
    lift = looked.lift(0.05)
    assert lift.low < 0 < lift.high


@given(st.integers(300, 700), st.integers(300, 700), st.sampled_from([0.05, 0.05 / 3, 0.10]))
def test_the_sequence_leaves_out_what_it_rejects_at_every_level(arm, versus, alpha):
    looked = anytime(rates(arm, versus))
    for bound, alternative in zip(looked.interval(alpha), ("greater", "less"), strict=True):
        assert looked.p_value(bound) == pytest.approx(alpha, rel=1e-9)
        assert looked.p_value(bound, alternative) == pytest.approx(alpha / 2, rel=1e-9)


def test_with_few_events_or_no_variance_nothing_is_claimed():
    few = anytime(rates(90, 5), events=99)
    assert (few.p_value(), few.ratio_p_value(2.0), few.lift(0.05)) == (1.0, 1.0, None)
    assert few.interval(0.05) == (-math.inf, math.inf)
    assert anytime(rates(95, 5), events=100).p_value() < 0.001
    still = Moments.from_rows(("spend",), [[3.0]] * 5)
    assert anytime(compare(still, still, "spend")).p_value() == 1.0


def test_repeated_intervals_of_real_counts_hold_at_five_looks_together(rng):
    runs, step, rate = 400, 4_000, 0.05
    bounds = [GroupSequentialBounds(FIVE[:k], "obrien_fleming", final=k == len(FIVE)) for k in range(1, 6)]
    critical = np.array([critical_value(each.nominal_level(0.05)) for each in bounds])
    successes = rng.binomial(step, rate, (runs, 2, 5)).cumsum(axis=2)
    missed = 0
    for arm, versus in successes:
        looked = (
            RepeatedComparison(rates(int(a), int(v), step * k), each)
            for k, (a, v, each) in enumerate(zip(arm, versus, bounds, strict=True), start=1)
        )
        missed += any(low > 0 or high < 0 for low, high in (each.interval(0.05) for each in looked))
    assert missed <= 0.05 * runs + 2.6 * math.sqrt(runs * 0.05 * 0.95)
    z = (successes[:, 0] - successes[:, 1]) / np.sqrt(
        successes.sum(axis=1) * (1 - successes.sum(axis=1) / (2 * step * np.arange(1, 6)))
    )
    assert abs(int((np.abs(z) > critical).any(axis=1).sum()) - missed) <= 3
