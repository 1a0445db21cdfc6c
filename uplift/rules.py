"""The kinds of offer policy, from simple to fine: how each is learned from scores, and whom it gives which arm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from experiments.definition.uplift import PolicyKind
from uplift.binning import Binned
from uplift.features import Array, FeatureSpace
from uplift.learners import EffectModel
from uplift.sample import Integers, Members
from uplift.shrinkage import shrink
from uplift.tree_nodes import Leaf, Node, leaf_of, leaves
from uplift.tree_search import search_tree

SIMPLEST_FIRST: tuple[PolicyKind, ...] = (
    "treat_nobody",
    "best_single_arm",
    "by_segment",
    "tree",
    "individual",
)
PERSONALISED: tuple[PolicyKind, ...] = ("by_segment", "tree", "individual")


class Rule(Protocol):
    """Gives every member an arm; among arms that are worth the same, the first in the definition's order."""

    def choose(self, space: FeatureSpace, members: Members) -> Integers:
        """Shape (n,): the number of each member's arm."""

    def cells(self, space: FeatureSpace, members: Members) -> Integers:
        """Shape (n,): the number of the part of the audience that each member belongs to; all of a part get one arm."""

    def parts(self, arms: int) -> int:
        """How many parts the audience has, some perhaps without a member of the test, where the definition has K arms."""


@dataclass(frozen=True)
class Everybody:
    """One arm for everybody; arm 0 treats nobody."""

    arm: int

    def choose(self, space: FeatureSpace, members: Members) -> Integers:  # noqa: ARG002 - as every rule
        """Shape (n,)."""
        return np.full(len(members), self.arm, dtype=np.int64)

    def cells(self, space: FeatureSpace, members: Members) -> Integers:  # noqa: ARG002 - as every rule
        """All zero: there is one part."""
        return np.zeros(len(members), dtype=np.int64)

    def parts(self, arms: int) -> int:  # noqa: ARG002 - as every rule
        """One."""
        return 1


@dataclass(frozen=True)
class SegmentTable:
    """An arm for each segment, by the segment's number; no contact for a segment that is not in it (-1)."""

    arms: tuple[int, ...]

    def choose(self, space: FeatureSpace, members: Members) -> Integers:  # noqa: ARG002 - as every rule
        """Shape (n,)."""
        return np.append(np.asarray(self.arms, dtype=np.int64), 0)[members.segment]

    def cells(self, space: FeatureSpace, members: Members) -> Integers:  # noqa: ARG002 - as every rule
        """The segments."""
        return members.segment

    def parts(self, arms: int) -> int:  # noqa: ARG002 - as every rule
        """The segments."""
        return len(self.arms)


@dataclass(frozen=True)
class Tree:
    """An arm for each leaf of a tree over the features."""

    root: Node

    @property
    def arms(self) -> tuple[int, ...]:
        """The arms of the leaves, from left to right."""
        return tuple(leaf.arm for leaf, _ in leaves(self.root))

    def choose(self, space: FeatureSpace, members: Members) -> Integers:
        """Shape (n,)."""
        return np.asarray(self.arms, dtype=np.int64)[self.cells(space, members)]

    def cells(self, space: FeatureSpace, members: Members) -> Integers:
        """The leaves."""
        return leaf_of(self.root, space, members.codes)

    def parts(self, arms: int) -> int:  # noqa: ARG002 - as every rule
        """The leaves."""
        return len(self.arms)


@dataclass(frozen=True)
class Individual:
    """For each member the arm with the largest predicted effect less the arm's margin; of equal arms the first.

    Its parts are the arms, each cut into bands of the predicted effect, so that a budget that reaches the best of them only
    is forecast by what the test showed of those.

    Attributes:
        model: Predicts the effects.
        bands: Where the bands are cut, ascending.
        margins: What each arm must bring more than others (see `uplift.caution`); empty for none.
    """

    model: EffectModel
    bands: tuple[float, ...] = ()
    margins: tuple[float, ...] = ()

    def choose(self, space: FeatureSpace, members: Members) -> Integers:  # noqa: ARG002 - as every rule
        """Shape (n,)."""
        return self.arms_of(self.model.effects(members.codes))

    def cells(self, space: FeatureSpace, members: Members) -> Integers:  # noqa: ARG002 - as every rule
        """The arms in bands."""
        return self.cells_of(self.model.effects(members.codes))

    def cells_of(self, effects: Array) -> Integers:
        """The parts of members with these predicted effects, of shape (n, K)."""
        arms = self.arms_of(effects)
        band = np.searchsorted(np.asarray(self.bands), effects[np.arange(len(arms)), arms], side="right")
        return arms * (len(self.bands) + 1) + band

    def arms_of(self, effects: Array) -> Integers:
        """The arms of members with these predicted effects, of shape (n, K)."""
        penalised = effects - np.asarray(self.margins) if self.margins else effects
        return np.asarray(penalised.argmax(axis=1), dtype=np.int64)

    def parts(self, arms: int) -> int:
        """The arms in bands."""
        return arms * (len(self.bands) + 1)

    def arms_of_parts(self, arms: int) -> tuple[int, ...]:
        """The arm of each part."""
        return tuple(part // (len(self.bands) + 1) for part in range(self.parts(arms)))

    def banded(self, members: Members, bands: int) -> Individual:
        """The same rule with so many bands of equally many of the members to whom it gives something."""
        effects = self.model.effects(members.codes)
        arms = self.arms_of(effects)
        given = effects[np.arange(len(arms)), arms][arms > 0]
        if not len(given):
            return self
        cuts = np.unique(np.quantile(given, np.arange(1, bands) / bands))
        return replace(self, bands=tuple(float(cut) for cut in cuts))


def learn_single(scores: Array) -> Everybody:
    """The arm, control included, with the largest mean score."""
    return Everybody(int(scores.mean(axis=0).argmax()))


def learn_segments(scores: Array, segment: Integers, segments: int, min_members: int) -> SegmentTable:
    """For each segment the arm with the largest score, drawn towards what the arm does over all segments.

    What is shrunken is each arm's difference from the best single arm: its mean over the segments plus w times the
    segment's departure from it, w = tau2 / (tau2 + variance), tau2 by DerSimonian and Laird (1986). Equal segments get one arm.

    Args:
        scores: Shape (n, K).
        segment: Shape (n,).
        segments: Number of segments.
        min_members: A smaller segment gets the best single arm.
    """
    best = learn_single(scores).arm
    contrasts = scores - scores[:, [best]]
    means, variances, counts = _moments(contrasts, segment, segments)
    chosen = np.full(segments, best, dtype=np.int64)
    large = np.flatnonzero((counts >= min_members) & (counts >= 2))
    if len(large) == 0:
        return SegmentTable(tuple(chosen.tolist()))
    shrunken = np.zeros((len(large), scores.shape[1]))
    for k in range(scores.shape[1]):
        if k != best:
            shrunken[:, k] = shrink(means[large, k], variances[large, k])
    # The best single arm's own contrast is 0; another arm needs more.
    winners = shrunken.argmax(axis=1)
    chosen[large] = np.where(shrunken.max(axis=1) > 0, winners, best)
    return SegmentTable(tuple(chosen.tolist()))


def learn_tree(scores: Array, binned: Binned, depth: int, min_leaf: int) -> Tree:
    """The exact tree of at most `depth` over the binned features; see `search_tree`."""
    return Tree(search_tree(binned, scores, depth, min_leaf) if len(scores) else Leaf(0))


def _moments(values: Array, group: Integers, groups: int) -> tuple[Array, Array, Array]:
    """Means and their variances by group, shape (groups, columns) each, and the groups' sizes."""
    counts = np.bincount(group, minlength=groups).astype(float)
    safe = np.maximum(counts, 1)[:, None]
    means = np.column_stack([np.bincount(group, weights=c, minlength=groups) for c in values.T]) / safe
    centred = values - means[group]
    squares = np.column_stack([np.bincount(group, weights=c**2, minlength=groups) for c in centred.T])
    return means, squares / np.maximum(counts - 1, 1)[:, None] / safe, counts
