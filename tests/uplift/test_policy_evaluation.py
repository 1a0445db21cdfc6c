"""Values of policies and rankings: closed forms, and what must not depend on the order of rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.uplift.simulated import simulate
from uplift.calibration import calibrate
from uplift.evaluation import (
    Estimate,
    autoc,
    autoc_estimate,
    auuc,
    estimate_mean,
    policy_scores,
    policy_value,
    qini,
    qini_estimate,
    weighted_value,
)

N = 20_000
RANKED = np.arange(N, 0, -1.0)
LINEAR = 0.5 - (np.arange(N) + 0.5) / N
"""Gains whose mean over the best-ranked share q exceeds the mean of all by (1 - q) / 2."""


def test_reference_figures_of_a_linear_curve() -> None:
    """The integrals of (1 - q) / 2 and of q (1 - q) / 2 over [0, 1]."""
    assert autoc(RANKED, LINEAR) == pytest.approx(0.25, abs=1e-3)
    assert qini(RANKED, LINEAR) == pytest.approx(1 / 12, abs=1e-4)
    assert autoc(-RANKED, LINEAR) == pytest.approx(-0.25, abs=1e-3)


def test_the_error_of_units_is_that_of_statsmodels() -> None:
    """Clustered, with its usual correction for few units; of units of one member it is the error of members."""
    import statsmodels.api as sm

    rng = np.random.default_rng(6)
    unit = rng.integers(0, 40, 300)
    values = rng.normal(size=40)[unit] + rng.normal(size=300)
    fitted = sm.OLS(values, np.ones(300)).fit(cov_type="cluster", cov_kwds={"groups": unit})
    found = estimate_mean(values, unit)
    assert found.value == pytest.approx(fitted.params[0])
    assert found.std_error == pytest.approx(fitted.bse[0])
    alone = estimate_mean(values, np.arange(300))
    assert alone.std_error == pytest.approx(estimate_mean(values).std_error)


def test_households_whose_members_are_alike_tell_as_much_as_one_member_each() -> None:
    rng = np.random.default_rng(7)
    priority, gain = rng.normal(size=(2, 3000))
    gain += 0.2 * priority
    home = np.repeat(np.arange(3000), 4)
    for estimate in (qini_estimate, autoc_estimate):
        alone, together = estimate(priority, gain), estimate(priority[home], gain[home], home)
        assert together.value == pytest.approx(alone.value, rel=0.01)
        assert together.std_error == pytest.approx(alone.std_error, rel=0.01)
    first, second = calibrate(priority, gain), calibrate(priority[home], gain[home], unit=home)
    assert first.slope is not None
    assert second.slope is not None
    assert second.slope.value == pytest.approx(first.slope.value)
    assert second.slope.std_error == pytest.approx(first.slope.std_error)
    errors = [[group.realised.std_error for group in each.groups] for each in (first, second)]
    assert errors[1] == pytest.approx(errors[0], rel=0.01)
    arm, value = rng.integers(0, 2, 3000), rng.normal(size=3000)
    by_weights = (arm, value, np.full(3000, 0.5), np.ones(3000, dtype=np.int64))
    for one, four in zip(
        weighted_value(*by_weights), weighted_value(*(each[home] for each in by_weights), home), strict=True
    ):
        assert (four.value, four.std_error) == pytest.approx((one.value, one.std_error))


@given(st.permutations(range(60)))
@settings(max_examples=30)
def test_a_constant_priority_is_worth_exactly_nothing_in_any_order(order: list[int]) -> None:
    gain = np.sin(np.arange(60.0))[order]
    assert qini(np.ones(60), gain) == 0.0
    assert autoc(np.ones(60), gain) == 0.0
    assert auuc(np.ones(60), gain) == pytest.approx(gain.mean() * 61 / 120)


@given(st.integers(0, 10_000))
@settings(max_examples=30)
def test_ties_do_not_depend_on_the_order_of_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    priority, gain = rng.integers(0, 5, 80).astype(float), rng.normal(size=80)
    order = rng.permutation(80)
    for measure in (qini, autoc, auuc):
        assert measure(priority, gain) == pytest.approx(measure(priority[order], gain[order]), abs=1e-12)


def test_ties_are_the_average_over_their_orders() -> None:
    rng = np.random.default_rng(3)
    priority, gain = np.repeat([2.0, 1.0], [3, 4]), rng.normal(size=7)
    broken = [qini(priority + rng.uniform(0, 0.5, 7), gain) for _ in range(40_000)]
    assert qini(priority, gain) == pytest.approx(np.mean(broken), abs=4 * np.std(broken) / 200)


def test_values_and_gains_are_means_with_their_errors() -> None:
    scores = np.array([[1.0, 2.0], [3.0, 0.0], [5.0, 5.0]])
    arms = np.array([1, 0, 1])
    assert policy_value(scores, arms).value == pytest.approx(10 / 3)
    gain = estimate_mean(policy_scores(scores, arms) - scores[:, 0])
    assert gain.value == pytest.approx(1 / 3)
    assert gain.std_error == pytest.approx(np.std([1, 0, 0], ddof=1) / np.sqrt(3))
    low, high = estimate_mean(np.array([0.0, 2.0])).interval()
    assert (low, high) == pytest.approx((1 - 1.959964, 1 + 1.959964), abs=1e-5)


@pytest.mark.parametrize("estimate", [qini_estimate, autoc_estimate])
def test_errors_of_rankings_are_those_of_repeated_draws(
    estimate: Callable[[np.ndarray, np.ndarray], Estimate],
) -> None:
    """Priorities with ties that are drawn anew each time; the spread of 600 estimates is known to about 3 %."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(600):
        priority = rng.normal(size=500).round(1)
        found.append(estimate(priority, 0.5 * priority + rng.normal(size=500)))
    spread = np.std([each.value for each in found])
    assert np.mean([each.std_error for each in found]) == pytest.approx(spread, rel=0.10)
    assert estimate(np.ones(50), rng.normal(size=50)) == Estimate(0.0, 0.0)


def test_weighted_values_need_no_model_and_agree_with_the_truth() -> None:
    found = simulate(40_000, effects="each", seed=9, shares=(0.1, 0.2, 0.3, 0.4))
    sample, chosen = found.sample, found.truth.argmax(axis=1)
    for estimate in weighted_value(sample.arm, sample.value, sample.propensity, chosen):
        assert abs(estimate.value - found.truth.max(axis=1).mean()) < 3.5 * estimate.std_error
    shifted = weighted_value(sample.arm, sample.value + 100, sample.propensity, chosen)
    plain = weighted_value(sample.arm, sample.value, sample.propensity, chosen)
    assert shifted[1].value - plain[1].value == pytest.approx(100)
    assert shifted[1].std_error == pytest.approx(plain[1].std_error)
    assert shifted[0].std_error > 10 * plain[0].std_error
