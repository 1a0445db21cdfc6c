"""Posteriors: golden values of gbstats and of exact sums; integrals against draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.inference.bayes import NormalPosterior, beta_probability_better, compare_arms
from experiments.inference.lift import relative_effect
from experiments.inference.score import TwoByTwo

TABLE = TwoByTwo(560, 12_000, 480, 12_000)


def test_golden_posterior_of_a_lift(golden):
    _, expected = golden("bayes")
    p, q, n = TABLE.rate_arm, TABLE.rate_versus, 12_000
    effect = relative_effect(p, q, p * (1 - p) / n, q * (1 - q) / n)
    flat = NormalPosterior.update(effect.lift, effect.std_error)
    assert flat.probability_positive == pytest.approx(expected["gauss_flat"]["ctw"], rel=1e-9)
    assert flat.interval(0.05) == pytest.approx(expected["gauss_flat"]["ci"], rel=1e-9)
    risk = (flat.expected_loss_of_control, flat.expected_loss)
    assert risk == pytest.approx(expected["gauss_flat"]["risk"], rel=1e-9)
    informed = NormalPosterior.update(effect.lift, effect.std_error, prior_sd=0.3)
    assert informed.mean == pytest.approx(expected["gauss_prior_sd_0_3"]["mean"], rel=1e-9)
    assert informed.interval(0.05) == pytest.approx(expected["gauss_prior_sd_0_3"]["ci"], rel=1e-9)
    assert informed.probability_positive == pytest.approx(expected["gauss_prior_sd_0_3"]["ctw"], rel=1e-9)


def test_golden_beta_posteriors(golden):
    _, expected = golden("bayes")
    assert beta_probability_better(TABLE) == pytest.approx(expected["beta11_P_B_gt_A"], rel=1e-8)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (TwoByTwo(0, 5, 0, 9), 10 / 16),
        (TwoByTwo(3, 7, 3, 7), 0.5),
        (TwoByTwo(1, 1, 0, 1), 5 / 6),
        (TwoByTwo(0, 10**7, 0, 10**6), (10**6 + 1) / (11 * 10**6 + 2)),
    ],
)
def test_beta_posteriors_that_have_a_fraction(table, expected):
    """P(Beta(1, a) > Beta(1, b)) = b / (a + b); symmetry; P(Beta(2, 1) > Beta(1, 2)) = 5/6."""
    assert beta_probability_better(table) == pytest.approx(expected, rel=1e-8)


def test_two_arms_have_the_closed_form():
    control, arm = compare_arms([0.10, 0.12], [0.01, 0.02])
    posterior = NormalPosterior.update(0.02, math.hypot(0.01, 0.02))
    assert arm.probability_best == pytest.approx(posterior.probability_positive, rel=1e-9)
    assert arm.probability_better_than_control == pytest.approx(posterior.probability_positive, rel=1e-9)
    assert arm.expected_loss == pytest.approx(posterior.expected_loss, rel=1e-7)
    assert control.expected_loss == pytest.approx(posterior.expected_loss_of_control, rel=1e-7)
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


def test_a_prior_draws_towards_itself():
    tight = NormalPosterior.update(1.0, 1.0, prior_mean=0.2, prior_sd=1e-6)
    assert tight.mean == pytest.approx(0.2, abs=1e-9)
    assert np.isfinite(tight.expected_loss)


def test_refusals_give_the_reason():
    with pytest.raises(ValueError, match="no posterior"):
        NormalPosterior.update(1.0, 0.0)
    with pytest.raises(ValueError, match="two or more"):
        compare_arms([1.0], [1.0])
    with pytest.raises(ValueError, match="positive"):
        compare_arms([1.0, 2.0], [1.0, 0.0])
