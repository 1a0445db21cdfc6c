"""Exact trees against brute force over the same candidate splits."""

from __future__ import annotations

import numpy as np
import pytest

from tests.uplift.simulated import space
from uplift.binning import Binned, bin_features
from uplift.tree_nodes import leaf_of, leaves, node_from_plain, plain_node
from uplift.tree_search import search_tree


def problem(n: int, numbers: int, arms: int, seed: int, bins: int) -> tuple[np.ndarray, np.ndarray, Binned]:
    rng = np.random.default_rng(seed)
    codes = np.column_stack([rng.integers(0, 4, n).astype(float), rng.normal(size=(n, numbers)).round(1)])
    codes[rng.random(n) < 0.1, 1] = np.nan
    return codes, rng.normal(size=(n, arms)), bin_features(space(numbers), codes, bins)


def brute_force(binned: Binned, scores: np.ndarray, depth: int, min_leaf: int) -> float:
    """The best sum of scores by trying every tree."""
    if binned.members < min_leaf:
        return -np.inf
    best = float(scores.sum(axis=0).max())
    if depth == 0:
        return best
    for feature in binned.features:
        for side in feature.sides:
            left = side[feature.bins] > 0
            parts = ((left, binned.rows(left)), (~left, binned.rows(~left)))
            best = max(
                best, sum(brute_force(part, scores[rows], depth - 1, min_leaf) for rows, part in parts)
            )
    return best


@pytest.mark.parametrize(
    ("depth", "n", "numbers", "bins", "problems"),
    [(1, 300, 4, 12, 20), (2, 200, 2, 8, 20), (3, 100, 1, 5, 3)],
)
def test_the_tree_is_the_best_of_all(depth: int, n: int, numbers: int, bins: int, problems: int) -> None:
    for seed in range(problems):
        codes, scores, binned = problem(n, numbers, 3, seed, bins)
        tree = search_tree(binned, scores, depth, 12)
        reached = leaf_of(tree, space(numbers), codes)
        arms = np.array([leaf.arm for leaf, _ in leaves(tree)])[reached]
        assert scores[np.arange(n), arms].sum() == pytest.approx(
            brute_force(binned, scores, depth, 12), abs=1e-8
        )
        assert np.bincount(reached).min() >= 12
        assert max(len(path) for _, path in leaves(tree)) <= depth
        assert node_from_plain(plain_node(tree)) == tree


def test_a_planted_tree_is_found() -> None:
    codes, _, binned = problem(4000, 3, 3, 0, 32)
    left = codes[:, 2] <= 0
    best = np.where(left, 1, np.where(codes[:, 0] == 2, 2, 0))
    tree = search_tree(binned, np.eye(3)[best], 2, 10)
    arms = np.array([leaf.arm for leaf, _ in leaves(tree)])[leaf_of(tree, space(3), codes)]
    assert (arms == best).mean() > 0.99


@pytest.mark.parametrize("seed", range(6))
def test_depth_3_keeps_a_feature_that_matters_by_itself_among_many_that_do_not(seed: int) -> None:
    """Any feature at the root, with the one that matters below it, gains a little more than that one alone."""
    codes, noise, binned = problem(4000, 20, 3, seed, bins=16)
    scores = 0.2 * noise + np.where(codes[:, [7]] > 0, [0.0, 0.2, 0.0], [0.0, 0.0, 0.2])
    sums = []
    for depth in (2, 3):
        tree = search_tree(binned, scores, depth, 50)
        arms = np.array([leaf.arm for leaf, _ in leaves(tree)])[leaf_of(tree, space(20), codes)]
        sums.append(scores[np.arange(len(codes)), arms].sum())
    assert sums[1] >= sums[0]


def test_equal_scores_need_no_split() -> None:
    _, _, binned = problem(500, 2, 3, 1, 16)
    assert plain_node(search_tree(binned, np.tile([0.1, 0.3, 0.2], (500, 1)), 3, 5)) == {"arm": 1}
