"""Why a policy gives what it gives: the features behind each arm's effect, its tree, and how firm its offers are."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.definition.uplift import PolicyKind
from uplift.crossfit import Arena, Contest
from uplift.documents import Driver, TreeNode
from uplift.features import Array, CategoryFeature
from uplift.outcome import OutcomeModel
from uplift.rules import Rule, Tree
from uplift.sample import Integers, LearningSample
from uplift.sentences import PolicyWords
from uplift.tree_nodes import Leaf, Node, leaf_of, leaves

_LEARNED, _EXPLAINED = 20_000, 2_000
_LEAST_SHARE = 0.01
_RESAMPLES, _MODELS_RESAMPLED, _RESAMPLED = 10, 3, 100_000


def drivers(sample: LearningSample, outcome: OutcomeModel, words: PolicyWords) -> tuple[Driver, ...]:
    """For each arm the features that move its effect between members, the strongest first; none where it is the same for all.

    The effects that the joint outcome model predicts are drawn by boosted trees as a function of the features, whose Shapley
    values (Lundberg et al. 2020, "From local explanations to global understanding with explainable AI for trees") are
    exact; a feature's importance is their mean absolute value over 2,000 members. It says what the model uses, not what causes
    the effect.
    """
    codes = sample.members.codes[_spread_over(len(sample), _LEARNED)]
    told = codes[_spread_over(len(codes), _EXPLAINED)]
    value = outcome.predict(codes).value
    found: list[Driver] = []
    for k, arm in enumerate(sample.arms):
        effect = value[:, k] - value[:, 0]
        if k == 0 or np.ptp(effect) <= 1e-12 * max(1.0, float(np.abs(effect).max())):
            continue
        parts = _shapley(sample, codes, effect, told)
        importance = np.abs(parts).mean(axis=0)
        share = importance / importance.sum() if importance.sum() > 0 else importance
        for at in np.argsort(-importance, kind="stable").tolist():
            if share[at] >= _LEAST_SHARE:
                where = _direction(sample, at, told[:, at], parts[:, at], words)
                name = sample.space.names[at]
                found.append(Driver(arm.id, name, float(importance[at]), float(share[at]), where))
    return tuple(found)


def tree_nodes(rule: Rule, sample: LearningSample, words: PolicyWords) -> tuple[TreeNode, ...]:
    """A tree from its root on, each node with its members of the sample; empty for another rule."""
    if not isinstance(rule, Tree):
        return ()
    counts = np.bincount(leaf_of(rule.root, sample.space, sample.members.codes), minlength=len(rule.arms))
    nodes: list[TreeNode] = []

    def add(node: Node, first_leaf: int) -> int:
        place = len(nodes)
        size = sum(1 for _ in leaves(node))
        members = int(counts[first_leaf : first_leaf + size].sum())
        if isinstance(node, Leaf):
            arm = sample.arms[node.arm]
            nodes.append(TreeNode(arm.label, arm.id, members))
            return place
        nodes.append(TreeNode(words.condition(node.split, left=True), None, members))
        left = add(node.left, first_leaf)
        right = add(node.right, first_leaf + sum(1 for _ in leaves(node.left)))
        nodes[place] = TreeNode(nodes[place].words, None, members, (left, right))
        return place

    add(rule.root, 0)
    return tuple(nodes)


def resampled_share(arena: Arena, contest: Contest, kind: PolicyKind, rule: Rule) -> float:
    """The mean share of members whose offer differs where the policy is learned from half of the members, drawn anew each time.

    At most 100,000 members teach each time, and the smallest part shrinks with them. Outcome models and learners are fitted
    anew too.

    Args:
        arena: Learns policies.
        contest: What it found.
        kind: The kind of policy that ships.
        rule: The policy that ships.
    """
    sample = arena.sample
    n = len(sample)
    own = rule.choose(sample.space, sample.members)
    rng = np.random.default_rng(sample.seed)
    changed = []
    for _ in range(_MODELS_RESAMPLED if kind in {"tree", "individual"} else _RESAMPLES):
        chosen = np.zeros(n, dtype=bool)
        chosen[rng.choice(n, min(n // 2, _RESAMPLED), replace=False)] = True
        other = arena.relearn(kind, contest, chosen).choose(sample.space, sample.members)
        changed.append(float((other != own).mean()))
    return float(np.mean(changed))


def _spread_over(members: int, most: int) -> Integers:
    """The numbers of at most so many members, evenly from the first to the last."""
    return np.unique(np.linspace(0, members - 1, min(members, most)).astype(np.int64))


def _shapley(sample: LearningSample, codes: Array, effect: Array, told: Array) -> Array:
    """Shape (len(told), features): the part of each feature in the effect of the members of `told`, learned from `codes`."""
    import lightgbm

    data = lightgbm.Dataset(
        codes,
        label=effect,
        categorical_feature=list(sample.space.categorical),
        params={"verbosity": -1, "min_data_in_bin": 1},
    )
    parameters: dict[str, Any] = {
        "objective": "regression",
        "num_leaves": 31,
        "learning_rate": 0.1,
        "min_data_in_leaf": 20,
        "seed": sample.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    model = lightgbm.train(parameters, data, num_boost_round=100)
    return np.asarray(model.predict(told, pred_contrib=True, num_threads=1))[:, :-1]


def _direction(sample: LearningSample, at: int, column: Array, part: Array, words: PolicyWords) -> str:
    """Where the effect is larger, in words: at high or low numbers, or for a level."""
    feature = sample.space.features[at]
    if isinstance(feature, CategoryFeature):
        levels, place = np.unique(column, return_inverse=True)
        means = np.bincount(place, weights=part) / np.bincount(place)
        best = int(levels[means.argmax()])
        level = feature.levels[best] if best < len(feature.levels) else None
        return words.driver_level(feature.name, level)
    known = ~np.isnan(column)
    order = column[known].argsort(kind="stable").argsort(kind="stable")
    if known.sum() < 2 or np.ptp(order) == 0 or np.ptp(part[known]) == 0:
        return words.driver_number(feature.name, 0.0)
    return words.driver_number(feature.name, float(np.corrcoef(order, part[known])[0, 1]))
