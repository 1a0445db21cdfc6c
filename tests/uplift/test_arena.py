"""What policies are learned from, and that they are learned anew from fewer members as from all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from benchmarks.uplift.rows import judge
from benchmarks.uplift.truths import TRUTHS
from experiments.definition.uplift import PolicyKind
from tests.uplift.simulated import simulate, space
from uplift.binning import bin_features
from uplift.caution import Caution
from uplift.crossfit import Arena, Plan
from uplift.learners import fit_learner
from uplift.rules import Rule, learn_segments, learn_single, learn_tree
from uplift.sample import Members
from uplift.scores import CrossFit, lean_on_effects


def test_trees_that_lean_on_the_joint_learner_give_better_offers_than_trees_of_scores() -> None:
    """By what is true for other members, where effects rise and fall; deep trees of few members fit noise most."""
    gained = []
    for seed in range(2):
        truth = replace(TRUTHS["wavy"], numbers=6)
        sample, others = truth.test(20_000, seed), truth.others(50_000, seed)
        models = CrossFit(sample)
        _, scores = models.scores_of_all()
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


@pytest.mark.parametrize("kind", ["by_segment", "tree"])
def test_trees_and_tables_are_learned_from_what_exceeds_the_margins(kind: PolicyKind) -> None:
    sample = replace(TRUTHS["costs"], numbers=6).test(4000, 1)
    arena = Arena(sample, Plan((kind, "individual"), ("joint",), 2, 200))
    contest = arena.run()
    single = learn_single(contest.learning).arm
    learner = fit_learner("joint", sample, arena.models.model())
    margins = Caution.of(sample, single, 0.8 * len(sample)).margins_of(learner, sample.members)
    assert margins[single] == 0
    assert (np.delete(margins, single) > 0).all()
    if kind == "tree":
        leaning = lean_on_effects(contest.learning, learner, sample.members.codes)
        expected: Rule = learn_tree(leaning - margins, arena.binned, 2, 200)
    else:
        count = len(sample.segments)
        expected = learn_segments(contest.learning - margins, sample.members.segment, count, 200)
    assert arena.refit(kind, contest) == expected


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
