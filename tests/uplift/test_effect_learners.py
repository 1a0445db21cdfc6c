"""Learners: effects in the definition's order, from the design's propensities, on any column."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from experiments.definition.uplift import LearnerName
from tests.uplift.simulated import simulate
from uplift.learners import fit_learner
from uplift.outcome import fit_outcome


@pytest.mark.parametrize("name", get_args(LearnerName))
def test_every_learner_finds_who_gains_from_what(name: LearnerName) -> None:
    """Arms sort against their order, one column is a category, one has missing values, shares are unequal."""
    found = simulate(16_000, effects="each", seed=1, shares=(0.4, 0.2, 0.2, 0.2))
    model = fit_learner(name, found.sample, fit_outcome(found.sample))
    effects = model.effects(found.sample.members.codes)
    assert effects.shape == (16_000, 4)
    assert (effects[:, 0] == 0).all()
    assert found.captured(effects.argmax(axis=1)) > 0.2
    one_by_one = np.vstack([model.effects(found.sample.members.codes[[i]]) for i in range(5)])
    np.testing.assert_allclose(one_by_one, effects[:5], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["x_learner", "dr_learner", "joint"])
def test_average_effects_are_right_with_a_small_control(name: LearnerName) -> None:
    """With the arm's share in place of P(arm | arm or control) an effect of .01 becomes .15."""
    found = simulate(24_000, effects="unequal", seed=2, shares=(0.25, 0.25, 0.25, 0.25))
    effects = fit_learner(name, found.sample, fit_outcome(found.sample)).effects(found.sample.members.codes)
    truth = (found.truth - found.truth[:, :1]).mean(axis=0)
    assert np.abs(effects.mean(axis=0) - truth).max() < 0.02


def test_the_forest_turns_chances_into_value() -> None:
    found = simulate(16_000, effects="each", seed=3, spend=True)
    effects = fit_learner("uplift_forest", found.sample, fit_outcome(found.sample)).effects(
        found.sample.members.codes
    )
    assert found.captured(effects.argmax(axis=1)) > 0.3
    truth = (found.truth - found.truth[:, :1]).mean(axis=0)
    assert np.abs(effects.mean(axis=0) - truth).max() < 0.5


def test_the_forest_takes_a_value_that_everybody_has() -> None:
    found = simulate(6000, effects="each", seed=4)
    noise = np.random.default_rng(0).normal(0, 0.3, 6000)
    sample = replace(found.sample, value=found.sample.value * 3 + noise)
    effects = fit_learner("uplift_forest", sample, fit_outcome(sample)).effects(sample.members.codes)
    assert np.isfinite(effects).all()
    assert np.ptp(effects[:, 1]) > 0


@pytest.mark.parametrize("name", ["x_learner", "dr_learner", "r_learner", "joint"])
def test_a_few_large_purchases_do_not_choose_offers(name: LearnerName) -> None:
    """The twenty largest purchases of one arm made three times as large change few offers."""
    found = simulate(24_000, effects="each", seed=6, spend=True)
    sample = found.sample
    codes = sample.members.codes
    before = fit_learner(name, sample, fit_outcome(sample)).effects(codes).argmax(axis=1)
    assert found.captured(before) > 0.5
    largest = np.argsort(np.where(sample.arm == 2, sample.value, 0))[-20:]
    noisy = replace(
        sample, value=np.where(np.isin(np.arange(24_000), largest), 3 * sample.value, sample.value)
    )
    after = fit_learner(name, noisy, fit_outcome(noisy)).effects(codes).argmax(axis=1)
    assert (after != before).mean() < 0.25
