"""Doubly robust scores: right whatever the model, and from models that have not seen the member."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.uplift.simulated import arm_means, simulate
from uplift.outcome import fit_outcome, idle_values
from uplift.scores import CrossFit, doubly_robust, steady_scores


def test_means_are_unbiased_with_a_wrong_model_and_unequal_shares() -> None:
    found = simulate(60_000, effects="unequal", seed=1, shares=(0.1, 0.2, 0.3, 0.4))
    sample = found.sample
    wrong = np.full((len(sample), 4), 0.3)
    scores = doubly_robust(wrong, sample.arm, sample.value, sample.propensity)
    error = scores.std(axis=0) / np.sqrt(len(sample))
    assert (np.abs(scores.mean(axis=0) - found.truth.mean(axis=0)) < 4 * error).all()


def test_a_good_model_makes_scores_quieter() -> None:
    sample = simulate(12_000, effects="unequal", seed=2, folds=3).sample
    likely = sample.members.codes[:, 1] > 0
    sample = replace(sample, value=np.where(likely, sample.value, 0.0))
    learned, _ = CrossFit(sample).scores_of_all()
    simple, _ = CrossFit(sample, fit=arm_means).scores_of_all()
    assert learned.var(axis=0).sum() < simple.var(axis=0).sum()


def test_a_propensity_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="propensity"):
        doubly_robust(np.zeros((1, 2)), np.array([0]), np.array([1.0]), np.array([0.0]))


def test_no_model_sees_the_fold_that_it_scores_or_that_is_valued() -> None:
    """Outcomes of a fold may change at will: what is learned for it stays as it is."""
    sample = simulate(1500, effects="each", seed=3, folds=3).sample
    other = replace(sample, value=np.where(sample.fold == 0, 1 - sample.value, sample.value))
    before, after = CrossFit(sample), CrossFit(other)
    np.testing.assert_array_equal(before.learning_scores(0), after.learning_scores(0))
    assert np.isnan(before.learning_scores(0)[sample.fold == 0]).all()
    rows = sample.members.codes[sample.fold == 0]
    np.testing.assert_array_equal(before.model(0).predict(rows).value, after.model(0).predict(rows).value)
    assert (before.learning_scores(1)[sample.fold != 1] != after.learning_scores(1)[sample.fold != 1]).any()


def test_steady_scores_leave_out_the_noise_of_amounts() -> None:
    found = simulate(8000, effects="each", seed=4, spend=True)
    sample = found.sample
    prediction = fit_outcome(sample).predict(sample.members.codes)
    full = doubly_robust(prediction.value, sample.arm, sample.value, sample.propensity)
    steady = steady_scores(prediction, sample)
    assert (steady.var(axis=0) < 0.7 * full.var(axis=0)).all()
    error = full.std(axis=0) / np.sqrt(len(sample))
    assert (np.abs(steady.mean(axis=0) - found.truth.mean(axis=0)) < 3 * error).all()


def test_an_arm_that_makes_purchases_larger_keeps_its_level() -> None:
    """Of two offers that bring equally many buyers, the one whose buyers spend three times as much is worth more."""
    sample = simulate(30_000, effects="equal", seed=5, spend=True).sample
    larger = replace(sample, value=np.where(sample.arm == 2, 3 * sample.value, sample.value))
    steady = steady_scores(fit_outcome(larger).predict(larger.members.codes), larger).mean(axis=0)
    assert steady[2] / steady[1] == pytest.approx(3.0, rel=0.15)
    assert steady[3] / steady[1] == pytest.approx(1.0, rel=0.15)


def test_the_idle_value_is_the_contact_cost_of_those_who_do_nothing() -> None:
    sample = simulate(2000, effects="equal", seed=5, spend=True).sample
    contact = np.array([0.0, 0.1, 0.2, 0.3])
    with_costs = replace(sample, value=sample.value - contact[sample.arm])
    np.testing.assert_array_equal(idle_values(with_costs), -contact)
    assert idle_values(replace(sample, value=np.arange(2000.0))) is None


def test_the_same_seed_gives_the_same_scores() -> None:
    sample = simulate(1500, effects="each", seed=6, folds=3, spend=True).sample
    np.testing.assert_array_equal(CrossFit(sample).scores_of_all(), CrossFit(sample).scores_of_all())
