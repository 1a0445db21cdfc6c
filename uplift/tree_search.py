"""Exact policy trees of depth 1 to 3 on binned features: the tree with the largest sum of scores.

Zhou, Athey and Wager (2023), "Offline multi-action policy learning: generalization and optimization". Instead of the
members, the search runs over histograms of their scores by pairs (depth 2) or triples (depth 3) of features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from uplift.binning import Binned, BinnedFeature
from uplift.features import Array
from uplift.tree_nodes import Branch, Leaf, Node, merged

# Depth 3 costs the cube of the number of features; it is exact over the ones that smaller trees gain most from.
DEPTH_3_FEATURES = 8

Choice = tuple[int, int]
"""A feature and one of its splits; (-1, -1) where there is no split."""

_NO_SPLIT: Choice = (-1, -1)


@dataclass
class _BestPairs:
    """For x problems at once: the best depth-2 tree of each, and the best with each feature at the root."""

    value: Array
    root: list[Choice]
    left: list[Choice]
    right: list[Choice]
    by_root: Array


def search_tree(binned: Binned, scores: Array, depth: int, min_leaf: int) -> Node:
    """The tree of at most `depth` that maximises the sum of its members' scores for the arms that it gives them.

    Exact over the candidate splits; depth 3 over at most DEPTH_3_FEATURES features, screened by depths 1 and 2. Of equal trees
    the smaller, then the one with the earlier feature and split.

    Args:
        binned: Candidate splits of the n members.
        scores: Shape (n, arms): what each arm is worth for each member, up to an additive constant of the member.
        depth: 0 to 3.
        min_leaf: Every leaf holds at least so many members.

    Raises:
        ValueError: The depth is another.
    """
    if not 0 <= depth <= 3:
        raise ValueError(f"a policy tree has a depth of 0 to 3; got {depth}")
    centred = scores - scores.mean(axis=1, keepdims=True)
    # By columns, each of which is summed by itself.
    weights = np.asfortranarray(np.column_stack([centred, np.ones(len(scores))]))
    if depth == 0 or not binned.features:
        return Leaf(int(centred.sum(axis=0).argmax()))
    if depth == 1:
        return merged(_search_1(binned, weights, min_leaf))
    if depth == 2:
        return merged(_search_2(binned, weights, min_leaf))
    if len(binned.features) > DEPTH_3_FEATURES:
        binned = binned.only(_screened(binned, weights, min_leaf))
    return merged(_search_3(binned, weights, min_leaf))


def _screened(binned: Binned, weights: Array, min_leaf: int) -> list[int]:
    """The features of depth 3: those of the best depth-2 tree, then by turns the best by themselves and at the root of two.

    At the root alone a feature that matters by itself could lose to any other, which has it below.
    """
    pairs = _best_pairs(binned, _Tables(binned.features, weights).pairs(), 1, min_leaf)
    used = [f for f, _ in (pairs.root[0], pairs.left[0], pairs.right[0]) if f >= 0]
    alone = np.array(
        [_stumps(_histogram([each], weights)[None], each.sides, min_leaf)[0][0] for each in binned.features]
    )
    turns = np.stack(
        [np.argsort(-alone, kind="stable"), np.argsort(-pairs.by_root[:, 0], kind="stable")], axis=1
    )
    return sorted(list(dict.fromkeys([*used, *turns.ravel().tolist()]))[:DEPTH_3_FEATURES])


def _search_1(binned: Binned, weights: Array, min_leaf: int) -> Node:
    best, at = -np.inf, _NO_SPLIT
    for f, feature in enumerate(binned.features):
        value, split = _stumps(_histogram([feature], weights)[None], feature.sides, min_leaf)
        if value[0] > best + _tolerance(best):
            best, at = float(value[0]), (f, int(split[0])) if split[0] >= 0 else _NO_SPLIT
    return _stump(binned, weights, at)


def _search_2(binned: Binned, weights: Array, min_leaf: int) -> Node:
    pairs = _best_pairs(binned, _Tables(binned.features, weights).pairs(), 1, min_leaf)
    return _pair_tree(binned, weights, pairs, 0)


def _search_3(binned: Binned, weights: Array, min_leaf: int) -> Node:
    tables = _Tables(binned.features, weights)
    best, found = _best_pairs(binned, tables.pairs(), 1, min_leaf), None
    value = float(best.value[0])
    for f, feature in enumerate(binned.features):
        splits = len(feature.splits)
        pairs = _best_pairs(binned, tables.sides_of(f), 2 * splits, min_leaf)
        members = _split_sides(feature.sides, _histogram([feature], weights)[None])[..., -1].ravel()
        allowed = np.where(members >= min_leaf, pairs.value, -np.inf)
        totals = allowed[:splits] + allowed[splits:]
        split = int(totals.argmax())
        if totals[split] > value + _tolerance(value):
            value, found = float(totals[split]), (f, split, pairs)
    if found is None:
        return _pair_tree(binned, weights, best, 0)
    f, split, pairs = found
    feature = binned.features[f]
    left = feature.sides[split][feature.bins] > 0
    return Branch(
        feature.splits[split],
        _pair_tree(binned.rows(left), weights[left], pairs, split),
        _pair_tree(binned.rows(~left), weights[~left], pairs, len(feature.splits) + split),
    )


Histograms = Callable[[int, int], Array]
"""For two features, shape (x, bins of the first, bins of the second, arms + 1): sums of scores, and counts last."""


@dataclass(frozen=True)
class _Tables:
    """Sums of each column of `weights` over the joint bins of features; every set of features is counted once."""

    features: Sequence[BinnedFeature]
    weights: Array
    counted: dict[tuple[int, ...], Array] = field(default_factory=dict)

    def of(self, *wanted: int) -> Array:
        """Shape (bins of each feature in turn, columns); a feature that comes twice fills the diagonal."""
        distinct = tuple(sorted(set(wanted)))
        if distinct not in self.counted:
            self.counted[distinct] = _histogram([self.features[f] for f in distinct], self.weights)
        table = self.counted[distinct]
        if wanted == distinct:
            return table
        bins: dict[int, np.ndarray] = dict(
            zip(distinct, np.indices(table.shape[:-1], sparse=True), strict=True)
        )
        turned = np.zeros((*(self.features[f].size for f in wanted), table.shape[-1]))
        turned[tuple(bins[f] for f in wanted)] = table
        return turned

    def pairs(self) -> Histograms:
        """One problem: all members."""
        return lambda g, h: self.of(g, h)[None]

    def sides_of(self, f: int) -> Histograms:
        """The two sides of every split of a feature: all left sides, then all right sides."""

        def of(g: int, h: int) -> Array:
            cube = self.of(f, g, h)
            return np.concatenate(list(_split_sides(self.features[f].sides, cube[None])[0]))

        return of


def _best_pairs(binned: Binned, histograms: Histograms, problems: int, min_leaf: int) -> _BestPairs:
    features = binned.features
    shapes = [(problems, 2, len(feature.splits)) for feature in features]
    value = [np.full(shape, -np.inf) for shape in shapes]
    choice = [np.full((*shape, 2), -1, dtype=np.int64) for shape in shapes]
    for g in range(len(features)):
        for h in range(g, len(features)):
            table = histograms(g, h)
            _offer(value[g], choice[g], table, features[g].sides, h, features[h].sides, min_leaf)
            if h > g:
                _offer(
                    value[h],
                    choice[h],
                    table.swapaxes(1, 2),
                    features[h].sides,
                    g,
                    features[g].sides,
                    min_leaf,
                )
    whole = histograms(0, 0).sum(axis=(1, 2))[:, :-1].max(axis=1)
    best = _BestPairs(
        whole,
        [_NO_SPLIT] * problems,
        [_NO_SPLIT] * problems,
        [_NO_SPLIT] * problems,
        np.empty((len(features), problems)),
    )
    for g in range(len(features)):
        totals = value[g].sum(axis=1)
        best.by_root[g] = totals.max(axis=1)
        for x, split in enumerate(totals.argmax(axis=1).tolist()):
            if totals[x, split] > best.value[x] + _tolerance(best.value[x]):
                best.value[x], best.root[x] = totals[x, split], (g, split)
                best.left[x], best.right[x] = ((int(a), int(b)) for a, b in choice[g][x, :, split])
    return best


def _offer(
    value: Array, choice: np.ndarray, table: Array, root: Array, h: int, child: Array, min_leaf: int
) -> None:
    """Try feature `h` below every split of a root feature, and keep it where it is better than what is there."""
    problems, splits = value.shape[0], value.shape[2]
    sides = _split_sides(root, table)
    members = sides.sum(axis=3)[..., -1]
    found, split = _stumps(sides.reshape(-1, *sides.shape[3:]), child, min_leaf)
    found = np.where(members >= min_leaf, found.reshape(problems, 2, splits), -np.inf)
    better = found > value + _tolerance(value)
    value[better] = found[better]
    at = split.reshape(problems, 2, splits)[better]
    choice[better] = np.column_stack([np.where(at >= 0, h, -1), at])


def _split_sides(sides: Array, table: Array) -> Array:
    """From (x, bins, ...) to (x, 2, splits, ...): left of each split, then right."""
    problems, bins, *rest = table.shape
    left = np.matmul(sides, table.reshape(problems, bins, -1)).reshape(problems, len(sides), *rest)
    return np.stack([left, table.sum(axis=1)[:, None] - left], axis=1)


def _stumps(table: Array, sides: Array, min_leaf: int) -> tuple[Array, np.ndarray]:
    """The best of one leaf and one split for each of x problems of shape (bins, arms + 1); split -1 is one leaf."""
    left = np.matmul(sides, table)
    total = table.sum(axis=1)
    right = total[:, None] - left
    value = left[..., :-1].max(axis=2) + right[..., :-1].max(axis=2)
    value[(left[..., -1] < min_leaf) | (right[..., -1] < min_leaf)] = -np.inf
    split = value.argmax(axis=1)
    best = value[np.arange(len(value)), split]
    whole = total[:, :-1].max(axis=1)
    better = best > whole + _tolerance(whole)
    return np.where(better, best, whole), np.where(better, split, -1)


def _histogram(features: Sequence[BinnedFeature], weights: Array) -> Array:
    """Sums of each column of `weights` over the joint bins of some features."""
    shape = [feature.size for feature in features]
    cells = int(np.prod(shape))
    # The narrowest integers, which pass through memory fastest.
    narrow = np.min_scalar_type(cells - 1)
    at = features[0].bins.astype(narrow)
    for feature in features[1:]:
        at *= narrow.type(feature.size)
        at += feature.bins
    at = at.astype(np.intp)
    sums = [np.bincount(at, weights=column, minlength=cells) for column in weights.T[:-1]]
    return np.stack([*sums, np.bincount(at, minlength=cells)], axis=-1).reshape(*shape, weights.shape[1])


def _tolerance(value: Array | float) -> Array | float:
    """What rounding may add to a sum: a smaller gain is no gain."""
    return 1e-9 * np.maximum(1.0, np.abs(np.where(np.isfinite(value), value, 0.0)))


def _stump(binned: Binned, weights: Array, at: Choice) -> Node:
    if at == _NO_SPLIT:
        return Leaf(int(weights[:, :-1].sum(axis=0).argmax()))
    feature = binned.features[at[0]]
    left = feature.sides[at[1]][feature.bins] > 0
    arms = [int(weights[side, :-1].sum(axis=0).argmax()) for side in (left, ~left)]
    return Branch(feature.splits[at[1]], Leaf(arms[0]), Leaf(arms[1]))


def _pair_tree(binned: Binned, weights: Array, pairs: _BestPairs, x: int) -> Node:
    if pairs.root[x] == _NO_SPLIT:
        return _stump(binned, weights, _NO_SPLIT)
    f, split = pairs.root[x]
    feature = binned.features[f]
    left = feature.sides[split][feature.bins] > 0
    return Branch(
        feature.splits[split],
        _stump(binned.rows(left), weights[left], pairs.left[x]),
        _stump(binned.rows(~left), weights[~left], pairs.right[x]),
    )
