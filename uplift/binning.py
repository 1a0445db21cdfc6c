"""Candidate splits of each feature, fixed before any outcome is seen: quantile thresholds and sets of levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift.features import Array, CategoryFeature, FeatureSpace
from uplift.tree_nodes import CategorySplit, NumberSplit, Split

# Up to this many levels every set of levels is a candidate; beyond it, each level against the rest.
_ALL_SETS = 4


@dataclass(frozen=True)
class BinnedFeature:
    """One feature as bins and the splits between them.

    Attributes:
        bins: Shape (n,): the bin of each member.
        size: Number of bins.
        sides: Shape (splits, bins): 1 where the bin goes left.
        splits: The split of each row of `sides`.
    """

    bins: NDArray[np.unsignedinteger[Any]]
    size: int
    sides: Array
    splits: tuple[Split, ...]


@dataclass(frozen=True)
class Binned:
    """Every feature of the same n members; features that take one value only are left out."""

    features: tuple[BinnedFeature, ...]
    members: int

    def rows(self, chosen: NDArray[np.bool_]) -> Binned:
        """The same candidate splits over some of the members."""
        kept = tuple(BinnedFeature(f.bins[chosen], f.size, f.sides, f.splits) for f in self.features)
        return Binned(kept, int(chosen.sum()))

    def only(self, at: Sequence[int]) -> Binned:
        """The same members, fewer features."""
        return Binned(tuple(self.features[i] for i in at), self.members)


def bin_features(space: FeatureSpace, codes: Array, bins: int = 32) -> Binned:
    """Candidate splits of the members in `codes`.

    Numbers are cut at up to `bins` - 1 quantiles, at the roundest number that separates the values there; missing ones
    have a bin of their own at the upper end. Categories are cut by sets of levels; unseen ones always go right.
    """
    found = []
    for i, feature in enumerate(space.features):
        column = codes[:, i]
        binned = (
            _bin_levels(feature, column)
            if isinstance(feature, CategoryFeature)
            else _bin_numbers(feature.name, column, bins)
        )
        if binned.splits:
            found.append(binned)
    return Binned(tuple(found), len(codes))


def _bin_numbers(name: str, column: Array, bins: int) -> BinnedFeature:
    missing = np.isnan(column)
    cuts = _cuts(column[~missing], bins)
    index = np.searchsorted(np.array(cuts), column, side="left")
    size = len(cuts) + 1
    sides = np.tril(np.ones((len(cuts), size)))
    splits: list[Split] = [NumberSplit(name, cut) for cut in cuts]
    if missing.any():
        index[missing] = size
        sides = np.column_stack([sides, np.zeros(len(cuts))])
        sides = np.vstack([sides, np.r_[np.ones(size), 0.0]])
        splits.append(NumberSplit(name, None))
        size += 1
    return BinnedFeature(_narrow(index, size), size, sides, tuple(splits))


def _cuts(known: Array, bins: int) -> list[float]:
    """Thresholds t for `value <= t`, ascending."""
    values, counts = np.unique(known, return_counts=True)
    if values.size < 2:
        return []
    if values.size <= bins:
        below = np.arange(values.size - 1)
    else:
        share = np.cumsum(counts) / known.size
        below = np.unique(np.searchsorted(share, np.arange(1, bins) / bins))
        below = below[below < values.size - 1]
    return [_roundest(float(values[i]), float(values[i + 1])) for i in below]


def _roundest(low: float, high: float) -> float:
    """The decimal with the fewest digits in [low, high).

    >>> _roundest(142.44, 143.2), _roundest(3.0, 4.0), _roundest(0.12, 0.13)
    (143.0, 3.0, 0.12)
    """
    exact = Decimal(repr(low))
    for digits in range(max(exact.adjusted(), Decimal(repr(high)).adjusted()), -330, -1):
        unit = Decimal(1).scaleb(digits)
        up = (exact / unit).to_integral_value(ROUND_FLOOR) * unit
        for candidate in (float(up), float(up + unit)):
            if low <= candidate < high:
                return candidate
    return low


def _bin_levels(feature: CategoryFeature, column: Array) -> BinnedFeature:
    count = len(feature.levels)
    sizes = range(1, count + 1) if count <= _ALL_SETS else [1]
    sets = [chosen for size in sizes for chosen in combinations(range(count), size)]
    sides = np.zeros((len(sets), count + 1))
    for row, chosen in enumerate(sets):
        sides[row, list(chosen)] = 1.0
    splits = tuple(
        CategorySplit(feature.name, tuple(feature.levels[level] for level in chosen)) for chosen in sets
    )
    return BinnedFeature(_narrow(column, count + 1), count + 1, sides, splits)


def _narrow(bins: NDArray[Any], size: int) -> NDArray[np.unsignedinteger[Any]]:
    return bins.astype(np.min_scalar_type(size - 1))
