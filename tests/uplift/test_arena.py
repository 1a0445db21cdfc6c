"""What policies are learned from, and that they are learned anew from fewer members as from all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from benchmarks.uplift.rows import judge
from benchmarks.uplift.truths import TRUTHS
from experiments.definition.policy import PolicyKind
from tests.uplift.simulated import simulate
from uplift.binning import bin_features
from uplift.crossfit import Arena, Plan
from uplift.learners import fit_learner
from uplift.rules import learn_tree
from uplift.sample import Members
from uplift.scores import CrossFit, half_way


def test_trees_half_way_to_the_joint_learner_give_better_offers_than_trees_of_scores() -> None:
    """By what is true for other members, where effects rise and fall; deep trees of few members fit noise most."""
    gained = []
    for seed in range(2):
        truth = replace(TRUTHS["wavy"], numbers=6)
        sample, others = truth.test(20_000, seed), truth.others(50_000, seed)
        models = CrossFit(sample)
        scores = models.learning_scores()
        learner = fit_learner("joint", sample, models.model())
        binned = bin_features(sample.space, sample.members.codes, 16)
        members = Members(others.codes, others.codes[:, 0].astype(np.int64))
        captured = [
            judge("", "tree", learn_tree(each, binned, 3, 400).choose(sample.space, members), others, 0.0)
            for each in (scores, half_way(scores, learner, sample.members.codes))
        ]
        gained.append(captured[0].loss - captured[1].loss)
        assert captured[1].captured is not None
        assert captured[1].captured > 0.35
    assert np.mean(gained) > 0


@dataclass(frozen=True)
class FirstFeature:
    """The first feature is the effect of the first arm, and less than the second's by 1."""

    def effects(self, codes: np.ndarray) -> np.ndarray:
        return np.column_stack([np.zeros(len(codes)), codes[:, 0], codes[:, 0] + 1])


def test_half_way_lies_between_scores_and_effects() -> None:
    found = half_way(np.array([[1.0, 4.0, -2.0]]), FirstFeature(), np.array([[1.0]]))
    np.testing.assert_array_equal(found, [[0.0, 2.0, -0.5]])


def test_effects_of_some_of_very_many_members_stand_for_those_of_all() -> None:
    codes = np.random.default_rng(1).normal(size=(250_000, 1))
    found = half_way(np.zeros((len(codes), 3)), FirstFeature(), codes)
    for part in (codes[:, 0] > 0, codes[:, 0] <= 0):
        effects = FirstFeature().effects(codes[part]) / 2
        # Five standard errors of a mean over 100,000 of the members.
        error = 5 * effects.std(axis=0) / np.sqrt(40_000) + 5 * np.abs(effects.mean(axis=0)) / np.sqrt(80_000)
        assert (np.abs(found[part].mean(axis=0) - effects.mean(axis=0)) <= error).all()


@pytest.mark.parametrize("kind", ["best_single_arm", "by_segment", "tree", "individual"])
def test_learned_anew_from_everybody_a_policy_is_the_same(kind: PolicyKind) -> None:
    sample = simulate(4000, effects="each", seed=3).sample
    arena = Arena(sample, Plan(("by_segment", "tree", "individual"), ("joint",), 2, 200))
    contest = arena.run()
    everybody = np.ones(len(sample), dtype=bool)
    first, again = arena.refit(kind, contest), arena.relearn(kind, contest, everybody)
    np.testing.assert_array_equal(
        first.choose(sample.space, sample.members), again.choose(sample.space, sample.members)
    )
    half = np.arange(len(sample)) % 2 == 0
    assert len(arena.relearn(kind, contest, half).choose(sample.space, sample.members)) == len(sample)
