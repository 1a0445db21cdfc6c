"""Departures from the single arm: kept where the gain is clear, thinned out to what can be proven where it is not."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.uplift.truths import TRUTHS
from tests.uplift.simulated import space
from uplift.binning import bin_features
from uplift.caution import CLEAR, Caution
from uplift.rules import Individual, learn_tree
from uplift.sample import Members
from uplift.scores import doubly_robust

MEMBERS = 10_000


class Known:
    """Effects that are the first columns of the features."""

    def effects(self, codes: np.ndarray) -> np.ndarray:
        return codes[:, :3]


def expected_ratio(caution: Caution, effects: np.ndarray, arms: np.ndarray) -> float:
    """The gain of a policy over the single arm in standard errors of its estimate."""
    departs = arms != caution.single
    gains = effects[np.arange(len(arms)), arms] - effects[:, caution.single]
    variance = np.where(departs, caution.noise[arms] + caution.noise[caution.single], 0.0)
    return float(gains.mean() / np.sqrt(variance.mean() / caution.members))


def drawn_effects() -> np.ndarray:
    """A tenth of the members gain by arm 2, the others next to nothing."""
    rng = np.random.default_rng(3)
    effects = np.zeros((MEMBERS, 3))
    effects[:, 0] = -1.0
    effects[:, 2] = rng.uniform(0, 0.02, MEMBERS) + np.where(rng.random(MEMBERS) < 0.1, 0.3, 0.0)
    return effects


def test_nothing_is_given_up_where_the_gain_is_clear() -> None:
    effects = drawn_effects()
    caution = Caution(1, np.full(3, 0.01), MEMBERS)
    assert expected_ratio(caution, effects, effects.argmax(axis=1)) > CLEAR
    assert not caution.margins(effects).any()


def test_small_gains_are_given_up_where_noise_would_drown_the_large_ones() -> None:
    effects = drawn_effects()
    caution = Caution(1, np.array([2.0, 2.0, 4.0]), MEMBERS)
    everything = expected_ratio(caution, effects, effects.argmax(axis=1))
    margins = caution.margins(effects)
    cautious = (effects - margins).argmax(axis=1)
    assert margins[1] == 0
    assert margins[2] / margins[0] == pytest.approx(3 / 2)
    assert (cautious != 1).mean() == pytest.approx(0.1, abs=0.02)
    # Of all thresholds on the gain, the best, but for a twentieth.
    best = max(
        expected_ratio(caution, effects, np.where(effects[:, 2] >= least, 2, 1))
        for least in np.quantile(effects[:, 2], np.arange(0, 0.95, 0.005))
    )
    assert everything < 0.7 * best
    assert best < CLEAR
    assert expected_ratio(caution, effects, cautious) >= 0.94 * best


def test_no_more_is_given_up_than_makes_the_gain_clear() -> None:
    effects = drawn_effects()
    caution = Caution(1, np.array([1.0, 1.0, 2.0]), MEMBERS)
    assert expected_ratio(caution, effects, effects.argmax(axis=1)) < CLEAR
    cautious = (effects - caution.margins(effects)).argmax(axis=1)
    assert CLEAR <= expected_ratio(caution, effects, cautious) < 1.1 * CLEAR


def test_the_policy_gives_arms_by_margins_and_bands_by_what_the_arm_brings() -> None:
    effects = np.array([[0.0, 0.2, 0.3], [0.0, 0.2, 0.6], [0.0, -0.1, -0.2]])
    rule = Individual(Known(), bands=(0.25,), margins=(0.1, 0.0, 0.2))
    members = Members(effects, np.zeros(3, dtype=np.int64))
    assert rule.choose(space(2), members).tolist() == [1, 2, 0]
    assert rule.cells(space(2), members).tolist() == [2, 5, 0]


def test_noise_is_the_variance_of_scores_without_a_model() -> None:
    sample = TRUTHS["equal"].test(20_000, 1)
    means = np.array([sample.value[sample.arm == k].mean() for k in range(4)])
    scores = doubly_robust(np.tile(means, (len(sample), 1)), sample.arm, sample.value, sample.propensity)
    assert Caution.of(sample, 0, 1.0).noise == pytest.approx(scores.var(axis=0), rel=1e-9)


def test_a_cautious_tree_is_easier_to_prove() -> None:
    """The true gain in standard errors of its estimate, over 100 samples: in one city much is gained, in another next to nothing.

    Departing in the first alone has .02 / (2 x .25)^.5, in both .02375 / (2 x .5)^.5: a fifth less.
    """
    members, proofs = 12_000, []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        city = rng.integers(0, 4, members)
        effects = np.column_stack(
            [np.full(members, -0.1), np.zeros(members), np.array([0.08, 0.015, -0.07, -0.07])[city]]
        )
        scores = effects + rng.normal(size=effects.shape)
        margins = Caution(1, np.ones(3), members).margins(effects)
        codes = np.column_stack([np.zeros(members), city + rng.uniform(0, 0.9, members)])
        everybody = Members(codes, city)
        binned = bin_features(space(1), codes, 16)
        found = []
        for learned in (scores, scores - margins):
            arms = learn_tree(learned, binned, 2, 500).choose(space(1), everybody)
            gain, spread = effects[np.arange(members), arms].mean(), 2 * (arms != 1).mean()
            found.append(float(gain) * np.sqrt(members / spread) if spread > 0 else 0.0)
        proofs.append(found)
    better = np.diff(proofs, axis=1)[:, 0]
    assert better.mean() > 2.6 * better.std(ddof=1) / np.sqrt(len(better))
