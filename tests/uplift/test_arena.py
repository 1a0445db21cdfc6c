"""What policies are learned from, and that they are learned anew from fewer members as from all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from benchmarks.uplift.rows import judge
from benchmarks.uplift.truths import TRUTHS, Truth
from experiments.definition.policy import PolicyKind
from tests.uplift.simulated import simulate, space
from uplift.binning import bin_features
from uplift.crossfit import Arena, Contest, Plan
from uplift.evaluation import paired_gain, policy_scores
from uplift.learners import fit_learner
from uplift.rules import Rule, learn_segments, learn_tree
from uplift.sample import LearningSample, Members
from uplift.scores import CrossFit, lean_on_effects


def test_trees_that_lean_on_the_joint_learner_give_better_offers_than_trees_of_scores() -> None:
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
            for each in (scores, lean_on_effects(scores, learner, sample.members.codes))
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


def test_scores_lean_on_effects_by_three_quarters() -> None:
    found = lean_on_effects(np.array([[1.0, 4.0, -2.0]]), FirstFeature(), np.array([[1.0]]))
    np.testing.assert_array_equal(found, [[0.0, 1.5, 0.75]])


def test_effects_of_some_of_very_many_members_stand_for_those_of_all() -> None:
    codes = np.random.default_rng(1).normal(size=(250_000, 1))
    found = lean_on_effects(np.zeros((len(codes), 3)), FirstFeature(), codes)
    for part in (codes[:, 0] > 0, codes[:, 0] <= 0):
        effects = FirstFeature().effects(codes[part]) * 0.75
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


def drowned(codes: np.ndarray) -> np.ndarray:
    """The second offer adds much in one city, little in another, and is the worse one in the two that are left."""
    return np.column_stack(
        [np.full(len(codes), 0.06), 0.06 + np.array([0.08, 0.015, -0.07, -0.07])[codes[:, 0].astype(int)]]
    )


def departure(rule: Rule, single: Rule, contest: Contest, sample: LearningSample, value: np.ndarray) -> float:
    """The true gain over the single arm in standard errors of its estimate."""
    chosen, one = (each.choose(sample.space, sample.members) for each in (rule, single))
    gains = policy_scores(value, chosen) - policy_scores(value, one)
    return float(gains.mean()) / paired_gain(contest.scores, chosen, one).std_error


@pytest.mark.parametrize(("kind", "seed"), [("by_segment", 5), ("tree", 6)])
def test_trees_and_tables_give_up_what_noise_would_drown(kind: PolicyKind, seed: int) -> None:
    """Where amounts are heavy-tailed the gain of the small departures is real, and less than the noise that they add."""
    truth = Truth("", drowned, arms=("a", "b"), numbers=6, profit=True, redeemed=(0.0, 0.0))
    sample = truth.test(12_000, seed)
    value = truth.population(12_000, np.random.default_rng([seed, 1])).value
    arena = Arena(sample, Plan((kind, "individual"), ("joint",), 2, 500))
    contest = arena.run()
    single, cautious = arena.refit("best_single_arm", contest), arena.refit(kind, contest)
    if kind == "tree":
        learner = fit_learner("joint", sample, arena.models.model())
        leaning = lean_on_effects(contest.learning, learner, sample.members.codes)
        bold: Rule = learn_tree(leaning, arena.binned, 2, 500)
    else:
        bold = learn_segments(contest.learning, sample.members.segment, len(sample.segments), 500)
    departing = [
        (rule.choose(sample.space, sample.members) != single.choose(sample.space, sample.members)).mean()
        for rule in (cautious, bold)
    ]
    assert 0.2 < departing[0] < 0.8 * departing[1]
    assert departure(cautious, single, contest, sample, value) > departure(
        bold, single, contest, sample, value
    )


def test_where_the_learner_finds_nothing_trees_are_those_of_scores() -> None:
    """An interaction without main effects: nothing is lost by leaning on effects that are all the same."""
    rng = np.random.default_rng(4)
    codes = np.column_stack([np.zeros(8000), rng.normal(size=(8000, 2))])
    both = (codes[:, 1] > 0) == (codes[:, 2] > 0)
    scores = rng.normal(size=(8000, 3)) + 0.3 * np.column_stack([both, both, ~both])
    binned = bin_features(space(2), codes, 16)
    leaning = learn_tree(lean_on_effects(scores, FirstFeature(), codes) - [0.0, 0.0, 0.75], binned, 2, 400)
    assert leaning == learn_tree(scores, binned, 2, 400)
    assert len(leaning.arms) == 4
