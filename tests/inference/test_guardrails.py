"""Guardrails: bound and test agree, both directions, relative limits, the size at the limit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from experiments.inference.guardrails import non_inferiority
from experiments.inference.means import WelchComparison
from experiments.inference.moments import Moments
from experiments.inference.proportions import ScoreComparison
from experiments.inference.score import TwoByTwo


def complaints(arm, control, members=20_000):
    return ScoreComparison(TwoByTwo(arm, members, control, members))


def amounts(rng, mean, n=400):
    return Moments.from_rows(("x",), rng.gamma(mean, 1.0, (n, 1)))


@pytest.mark.parametrize(("arm", "status"), [(10, "pass"), (30, "unclear"), (60, "fail")])
def test_status_of_a_metric_that_must_not_rise(arm, status):
    answer = non_inferiority(complaints(arm, 20), 0.0005, "down")
    assert answer.status == status


@given(st.integers(0, 200), st.integers(0, 200), st.floats(0.0001, 0.01))
def test_pass_and_fail_are_what_the_bounds_say(arm, control, limit):
    comparison = complaints(arm, control)
    answer = non_inferiority(comparison, limit, "down")
    low, high = comparison.interval(0.10)
    assert answer.bound == high
    if abs(high - limit) > 1e-9 and abs(low - limit) > 1e-9:
        expected = "pass" if high < limit else "fail" if low >= limit else "unclear"
        assert answer.status == expected
        assert (answer.p_value <= 0.05) == (expected == "pass")


@given(st.integers(0, 200), st.integers(0, 200), st.floats(0.0001, 0.01))
def test_a_fall_of_the_opposite_metric_is_the_same(arm, control, limit):
    mirrored = ScoreComparison(TwoByTwo(20_000 - arm, 20_000, 20_000 - control, 20_000))
    rise, fall = (
        non_inferiority(complaints(arm, control), limit, "down"),
        non_inferiority(mirrored, -limit, "up"),
    )
    assert rise.p_value == pytest.approx(fall.p_value, rel=1e-6, abs=1e-200)
    assert fall.bound == pytest.approx(-rise.bound, abs=1e-9)


def test_the_relative_bound_is_the_ratio_score_bound_of_statsmodels():
    answer = non_inferiority(ScoreComparison(TwoByTwo(90, 1000, 100, 1200)), 0.25, "down", relative=True)
    _, high = confint_proportions_2indep(90, 1000, 100, 1200, method="score", compare="ratio", alpha=0.10)
    assert answer.bound == pytest.approx(high - 1, rel=1e-6)


@pytest.mark.parametrize("better", ["up", "down"])
def test_relative_limits_of_means(rng, better):
    comparison = WelchComparison(amounts(rng, 4.0), amounts(rng, 4.0), "x")
    sign = 1 if better == "down" else -1
    assert non_inferiority(comparison, sign * 0.2, better, relative=True).status == "pass"
    assert non_inferiority(comparison, -sign * 0.2, better, relative=True).status == "fail"
    bound = non_inferiority(comparison, sign * 0.2, better, relative=True).bound
    at_bound = non_inferiority(comparison, bound, better, relative=True)
    assert at_bound.p_value == pytest.approx(0.05, rel=1e-6)


def test_no_events_no_members_no_bound():
    empty = complaints(0, 0)
    assert non_inferiority(empty, 0.0005, "down").status == "pass"
    assert non_inferiority(empty, 0.1, "down", relative=True).status == "unclear"
    assert non_inferiority(empty, 0.1, "down", relative=True).bound is None
    one = Moments.from_rows(("x",), [[1.0]])
    answer = non_inferiority(WelchComparison(one, one, "x"), 0.5, "down")
    assert (answer.status, answer.bound, answer.p_value) == ("unclear", None, 1.0)


def test_an_arm_without_harm_has_the_lowest_relative_bound_that_exists():
    answer = non_inferiority(complaints(0, 50), 0.1, "down", relative=True)
    assert answer.status == "pass"
    assert -1 <= answer.bound < 0


def test_refusals_give_the_reason():
    with pytest.raises(ValueError, match="level"):
        non_inferiority(complaints(1, 1), 0.1, "down", level=0.5)
    with pytest.raises(ValueError, match="-100 %"):
        non_inferiority(complaints(1, 1), -1.1, "up", relative=True)


@pytest.mark.parametrize("relative", [False, True])
def test_harm_at_the_limit_passes_one_time_in_twenty(rng, relative):
    runs, rate, limit = 1500, 0.01, 0.5 if relative else 0.005
    arm, control = rng.binomial(6000, 0.015, runs), rng.binomial(12_000, rate, runs)
    passed = sum(
        non_inferiority(
            ScoreComparison(TwoByTwo(int(a), 6000, int(c), 12_000)), limit, "down", relative=relative
        ).status
        == "pass"
        for a, c in zip(arm, control, strict=True)
    )
    assert abs(passed - 0.05 * runs) <= 3.03 * math.sqrt(runs * 0.05 * 0.95)
    assert np.isfinite(passed)


def test_relative_bounds_above_and_without_control():
    doubled = non_inferiority(ScoreComparison(TwoByTwo(300, 1000, 60, 1000)), -0.1, "up", relative=True)
    assert doubled.status == "pass"
    assert doubled.bound > 2
    nothing = non_inferiority(ScoreComparison(TwoByTwo(0, 1000, 5, 1000)), -0.1, "up", relative=True)
    assert (nothing.status, nothing.bound) == ("fail", None)
