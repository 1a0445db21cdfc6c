"""Posteriors under flat priors: the closed form of two arms, and integrals against draws."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from experiments.inference.bayes import compare_arms


def test_two_arms_have_the_closed_form():
    """The loss of a normal difference is its unit normal loss (Raiffa and Schlaifer 1961)."""
    control, arm = compare_arms([0.10, 0.12], [0.01, 0.02])
    difference, error = 0.02, math.hypot(0.01, 0.02)
    z = difference / error
    assert arm.probability_best == pytest.approx(norm.cdf(z), rel=1e-9)
    assert arm.probability_better_than_control == pytest.approx(norm.cdf(z), rel=1e-9)
    loss = error * norm.pdf(z) - difference * norm.cdf(-z)
    assert arm.expected_loss == pytest.approx(loss, rel=1e-7)
    assert control.expected_loss == pytest.approx(difference + loss, rel=1e-7)
    assert control.probability_best == pytest.approx(1 - arm.probability_best, rel=1e-9)


@pytest.mark.parametrize("better_up", [True, False])
def test_four_arms_against_draws(rng, better_up):
    means, errors = [0.1, 0.2, 0.25, 0.22], [0.1, 0.05, 0.2, 0.01]
    draws = rng.normal(means, errors, (400_000, 4)) * (1 if better_up else -1)
    best = draws.max(axis=1)
    for number, arm in enumerate(compare_arms(means, errors, better_up=better_up)):
        assert arm.probability_best == pytest.approx((draws.argmax(axis=1) == number).mean(), abs=0.003)
        assert arm.expected_loss == pytest.approx((best - draws[:, number]).mean(), rel=0.01)
        if number:
            better = (draws[:, number] > draws[:, 0]).mean()
            assert arm.probability_better_than_control == pytest.approx(better, abs=0.003)


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.05, 2)), min_size=2, max_size=6))
def test_probabilities_add_to_one_and_losses_are_consistent(pairs):
    means, errors = zip(*pairs, strict=True)
    arms = compare_arms(means, errors)
    assert sum(arm.probability_best for arm in arms) == pytest.approx(1, abs=1e-6)
    # Mean of the best = an arm's mean + its expected loss, whichever arm is asked.
    best = [mean + arm.expected_loss for mean, arm in zip(means, arms, strict=True)]
    assert best == pytest.approx([best[0]] * len(best), abs=1e-5)
    assert min(arm.expected_loss for arm in arms) >= 0


def test_refusals_give_the_reason():
    with pytest.raises(ValueError, match="two or more"):
        compare_arms([1.0], [1.0])
    with pytest.raises(ValueError, match="positive"):
        compare_arms([1.0, 2.0], [1.0, 0.0])
