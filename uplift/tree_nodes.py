"""Policy trees: nodes, how members run through them, and how they are written as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift.features import Array, CategoryFeature, FeatureSpace

Arms = NDArray[np.int64]


@dataclass(frozen=True)
class NumberSplit:
    """Left where the number is at most `threshold`; right where it is larger or missing.

    With `threshold` None: left where it is known.
    """

    feature: str
    threshold: float | None

    def goes_left(self, space: FeatureSpace, codes: Array) -> NDArray[np.bool_]:
        """For each row of the space's matrix, whether it goes left."""
        column = codes[:, space.names.index(self.feature)]
        return ~np.isnan(column) if self.threshold is None else column <= self.threshold


@dataclass(frozen=True)
class CategorySplit:
    """Left where the value is one of `levels` (None: missing); right otherwise, unseen values included."""

    feature: str
    levels: tuple[str | None, ...]

    def goes_left(self, space: FeatureSpace, codes: Array) -> NDArray[np.bool_]:
        """For each row of the space's matrix, whether it goes left."""
        at = space.names.index(self.feature)
        feature = space.features[at]
        if not isinstance(feature, CategoryFeature):
            raise TypeError(f"{self.feature} is a number and has no levels")
        return np.isin(codes[:, at], [feature.levels.index(level) for level in self.levels])


Split = NumberSplit | CategorySplit


@dataclass(frozen=True)
class Leaf:
    """The end of a path: everybody here gets `arm` (its number in the definition's order, control being 0)."""

    arm: int


@dataclass(frozen=True)
class Branch:
    """A question, and the nodes for its two answers."""

    split: Split
    left: Node
    right: Node


Node = Leaf | Branch


def leaves(node: Node) -> Iterator[tuple[Leaf, tuple[tuple[Split, bool], ...]]]:
    """Each leaf from left to right, with the path to it: splits and whether it goes left."""
    if isinstance(node, Leaf):
        yield node, ()
        return
    for side, child in ((True, node.left), (False, node.right)):
        for leaf, path in leaves(child):
            yield leaf, ((node.split, side), *path)


def leaf_of(node: Node, space: FeatureSpace, codes: Array) -> Arms:
    """For each row, the number of the leaf that it reaches, counted from the left."""
    if isinstance(node, Leaf):
        return np.zeros(len(codes), dtype=np.int64)
    left = node.split.goes_left(space, codes)
    found = np.empty(len(codes), dtype=np.int64)
    found[left] = leaf_of(node.left, space, codes[left])
    found[~left] = sum(1 for _ in leaves(node.left)) + leaf_of(node.right, space, codes[~left])
    return found


def merged(node: Node) -> Node:
    """The tree without the splits whose two sides do the same."""
    if isinstance(node, Leaf):
        return node
    left, right = merged(node.left), merged(node.right)
    return left if left == right else Branch(node.split, left, right)


def plain_node(node: Node) -> dict[str, Any]:
    """A tree as JSON holds it."""
    if isinstance(node, Leaf):
        return {"arm": node.arm}
    rule = (
        {"at_most": node.split.threshold}
        if isinstance(node.split, NumberSplit)
        else {"in": list(node.split.levels)}
    )
    return {
        "feature": node.split.feature,
        **rule,
        "left": plain_node(node.left),
        "right": plain_node(node.right),
    }


def node_from_plain(body: Mapping[str, Any]) -> Node:
    """The tree that `plain_node` wrote."""
    if "arm" in body:
        return Leaf(body["arm"])
    split: Split = (
        CategorySplit(body["feature"], tuple(body["in"]))
        if "in" in body
        else NumberSplit(body["feature"], body["at_most"])
    )
    return Branch(split, node_from_plain(body["left"]), node_from_plain(body["right"]))
