"""A normal prior of the differences: the closed form, scipy's integration and draws; what a strong prior does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import dblquad, quad
from scipy.stats import multivariate_normal, norm

from experiments.inference.bayes import compare_arms
from experiments.inference.normal_prior import InformedPosterior, NormalPrior

DIFFERENCES, OWN, SHARED = [0.3, -0.1, 0.25], [0.04, 0.02, 0.09], 0.03

arms = st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 4)), min_size=1, max_size=5)


def joint(prior):
    """Mean and covariance of the differences: the conjugate normal posterior in matrices, control's mean flat."""
    sampling = np.diag(OWN) + SHARED
    precision = np.linalg.inv(sampling)
    covariance = np.linalg.inv(precision + np.eye(3) / prior.std_dev**2)
    return covariance @ (precision @ DIFFERENCES + prior.mean / prior.std_dev**2), covariance


@pytest.mark.parametrize("prior", [NormalPrior(0.0, 0.2), NormalPrior(0.1, 0.05), NormalPrior(-0.2, 3.0)])
def test_marginals_are_the_conjugate_posterior(prior):
    mean, covariance = joint(prior)
    found = InformedPosterior(DIFFERENCES, OWN, SHARED, prior).marginals()
    assert [each.mean for each in found] == pytest.approx(list(mean), rel=1e-12)
    assert [each.std_dev for each in found] == pytest.approx(list(np.sqrt(np.diag(covariance))), rel=1e-12)


@pytest.mark.parametrize("prior", [NormalPrior(0.0, 0.2), NormalPrior(-0.2, 3.0)])
@pytest.mark.parametrize("better_up", [True, False])
def test_odds_are_orthants_of_the_joint_posterior(prior, better_up):
    """P(arm is best) = P(it exceeds control and the two others): scipy's trivariate normal distribution."""
    sign = 1 if better_up else -1
    mean, covariance = joint(prior)
    odds = InformedPosterior(DIFFERENCES, OWN, SHARED, prior).odds(better_up=better_up)
    for arm, each in enumerate(odds):
        ahead = -np.eye(3)[[other for other in range(3) if other != arm]]
        ahead[:, arm] = 1
        contrasts = sign * np.vstack([np.eye(3)[arm], ahead])
        expected = multivariate_normal.cdf(
            contrasts @ mean, np.zeros(3), contrasts @ covariance @ contrasts.T, maxpts=10**7, abseps=1e-9
        )
        assert each.probability_best == pytest.approx(float(expected), abs=1e-6)
        better = norm.cdf(sign * mean[arm] / math.sqrt(covariance[arm, arm]))
        assert each.probability_better_than_control == pytest.approx(float(better), rel=1e-12)


def test_the_expected_loss_of_two_arms_by_integration(rng):
    prior = NormalPrior(0.05, 0.3)
    posterior = InformedPosterior(DIFFERENCES[:2], OWN[:2], SHARED, prior)
    precision = np.linalg.inv(np.diag(OWN[:2]) + SHARED)
    covariance = np.linalg.inv(precision + np.eye(2) / prior.std_dev**2)
    mean = covariance @ (precision @ DIFFERENCES[:2] + prior.mean / prior.std_dev**2)
    density = multivariate_normal(mean, covariance).pdf
    low, high = mean - 8 * np.sqrt(np.diag(covariance)), mean + 8 * np.sqrt(np.diag(covariance))
    best, _ = dblquad(
        lambda b, a: max(a, b, 0.0) * density([a, b]), low[0], high[0], low[1], high[1], epsabs=1e-7
    )
    for arm, each in enumerate(posterior.odds()):
        assert each.expected_loss == pytest.approx(best - mean[arm], abs=1e-5)
    draws = rng.multivariate_normal(mean, covariance, 400_000)
    assert np.maximum(draws.max(axis=1), 0).mean() == pytest.approx(best, abs=1e-3)


def test_one_arm_is_the_closed_form_and_the_integral_of_likelihood_and_prior():
    prior, difference, own, shared = NormalPrior(0.02, 0.05), 0.10, 0.0009, 0.0016
    (marginal,) = InformedPosterior([difference], [own], shared, prior).marginals()
    error = math.sqrt(own + shared)
    precision = error**-2 + prior.std_dev**-2
    mean, deviation = (difference * error**-2 + prior.mean * prior.std_dev**-2) / precision, precision**-0.5
    assert (marginal.mean, marginal.std_dev) == pytest.approx((mean, deviation), rel=1e-12)

    def unscaled(effect):
        return norm.pdf(difference, effect, error) * norm.pdf(effect, prior.mean, prior.std_dev)

    whole = quad(unscaled, -1, 1, points=[mean])[0]
    moment = quad(lambda effect: effect * unscaled(effect), -1, 1, points=[mean])[0]
    assert marginal.mean == pytest.approx(moment / whole, rel=1e-9)
    (odds,) = InformedPosterior([difference], [own], shared, prior).odds()
    z = mean / deviation
    assert odds.probability_best == pytest.approx(norm.cdf(z), rel=1e-9)
    assert odds.expected_loss == pytest.approx(deviation * norm.pdf(z) - mean * norm.cdf(-z), rel=1e-6)


@settings(max_examples=20)
@given(arms, st.floats(0.01, 4))
def test_a_vague_prior_is_the_flat_one(found, shared):
    differences, own = zip(*found, strict=True)
    vague = InformedPosterior(differences, own, shared, NormalPrior(0.0, 1e5)).odds()
    flat = compare_arms([0.0, *differences], [math.sqrt(shared), *np.sqrt(own)])[1:]
    for ours, theirs in zip(vague, flat, strict=True):
        assert ours.probability_best == pytest.approx(theirs.probability_best, abs=1e-6)
        assert ours.expected_loss == pytest.approx(theirs.expected_loss, abs=1e-5)


@settings(max_examples=20)
@given(arms, st.floats(0.01, 4), st.floats(-2, 2))
def test_a_strong_prior_leaves_only_itself(found, shared, mean):
    differences, own = zip(*found, strict=True)
    posterior = InformedPosterior(differences, own, shared, NormalPrior(mean, 1e-4))
    for marginal, odds in zip(posterior.marginals(), posterior.odds(), strict=True):
        assert marginal.mean == pytest.approx(mean, abs=1e-4)
        assert marginal.std_dev <= 1e-4
        if abs(mean) > 1e-2:
            assert odds.probability_better_than_control == pytest.approx(float(mean > 0), abs=1e-9)


@settings(max_examples=20)
@given(arms, st.floats(0.01, 4), st.floats(-1, 1), st.floats(0.05, 5), st.floats(1.5, 10))
def test_a_stronger_prior_draws_a_lone_arm_nearer_and_is_surer(found, shared, mean, deviation, times):
    (difference, own), *_ = found
    weak, strong = (
        InformedPosterior([difference], [own], shared, NormalPrior(mean, deviation / factor)).marginals()[0]
        for factor in (1, times)
    )
    assert abs(strong.mean - mean) <= abs(weak.mean - mean) + 1e-12
    assert strong.std_dev < weak.std_dev


@settings(max_examples=20)
@given(arms, st.floats(0.01, 4), st.floats(-1, 1), st.floats(0.05, 5))
def test_probabilities_are_probabilities_and_losses_agree_on_the_best(found, shared, mean, deviation):
    differences, own = zip(*found, strict=True)
    posterior = InformedPosterior(differences, own, shared, NormalPrior(mean, deviation))
    odds, marginals = posterior.odds(), posterior.marginals()
    assert -1e-6 <= sum(each.probability_best for each in odds) <= 1 + 1e-6
    best = [each.expected_loss + m.mean for each, m in zip(odds, marginals, strict=True)]
    assert best == pytest.approx([best[0]] * len(best), abs=1e-5)


def test_refusals_give_the_reason():
    with pytest.raises(ValueError, match="no normal prior"):
        NormalPrior(0.0, 0.0)
    with pytest.raises(ValueError, match="1 differences and 2 variances"):
        InformedPosterior([0.1], [0.1, 0.1], 0.1, NormalPrior(0.0, 1.0))
    with pytest.raises(ValueError, match="positive"):
        InformedPosterior([0.1], [0.1], 0.0, NormalPrior(0.0, 1.0))
