"""The shapes that curves are made of: for each feature a few columns, the rougher the smaller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift.features import Array, CategoryFeature, FeatureSpace

_WAVES = 6
_KNOTS = 65
_BROAD_WAVES = (2, 3)
_BROAD_LEVELS = 6
_LEARNED_ON = 50_000
# Beyond what learning saw, a straight line is a guess that may become very large.
_FARTHEST = 4.0
_LARGEST = 1e30

CHUNK = 50_000
"""Columns are made for so many members at a time."""

Columns = NDArray[np.floating[Any]]

Term = tuple[int, ...]
"""One feature, or two, by their numbers in the FeatureSpace."""


@dataclass(frozen=True)
class _Levels:
    """A column for each level of a category."""

    count: int

    def columns(self, column: Array, kind: type[np.floating[Any]]) -> Columns:
        return np.asarray(column[:, None] == np.arange(self.count), dtype=kind)


@dataclass(frozen=True)
class _Number:
    """A straight line, cosines over the ranks between `knots`, and a flag where values are `missing`."""

    knots: Array
    ranks: Array
    mean: float
    spread: float
    missing: bool

    def columns(self, column: Array, kind: type[np.floating[Any]]) -> Columns:
        gaps = np.isnan(column)
        known = np.where(gaps, self.mean, np.clip(column, -_LARGEST, _LARGEST))
        found = np.empty((len(column), 1 + _WAVES + self.missing), dtype=kind)
        found[:, 0] = np.clip((known - self.mean) / self.spread, -_FARTHEST, _FARTHEST)
        first = np.cos(np.pi * np.interp(known, self.knots, self.ranks).astype(kind))
        before, wave = np.ones_like(first), first
        for j in range(1, _WAVES + 1):
            found[:, j] = wave
            before, wave = wave, 2 * first * wave - before
        if self.missing:
            found[:, -1] = gaps
        return found


@dataclass(frozen=True)
class Shapes:
    """The columns of one feature, with mean 0; none that does not vary.

    The standard deviation of the j-th cosine is 1 / j^2, so that of two curves that fit equally well the smoother one is the
    more likely; that of every other column is 1.

    Attributes:
        raw: The columns before they are chosen, centred and scaled.
        kept: Those that vary.
        centre: Shape (columns,): what is subtracted.
        scale: Shape (columns,): what is multiplied with.
        straight: The columns that are no waves.
        broad: From the columns to those that surfaces are made of, shape (columns, broad columns): few, because their products
            are many, and uncorrelated with standard deviation 1, so that the products are so too where features are independent.
    """

    raw: _Levels | _Number
    kept: tuple[int, ...]
    centre: Array
    scale: Array
    straight: tuple[int, ...]
    broad: Array

    def __len__(self) -> int:
        return len(self.centre)

    def columns(self, column: Array, kind: type[np.floating[Any]] = np.float64) -> Columns:
        """Shape (n, columns), for one column of a FeatureSpace's matrix, shape (n,)."""
        found = self.raw.columns(column, kind)
        if len(self.kept) < found.shape[1]:
            found = found[:, list(self.kept)]
        found -= self.centre.astype(kind)
        found *= self.scale.astype(kind)
        return found

    def broad_of(self, columns: Columns) -> Columns:
        """Shape (n, broad columns), from all columns."""
        return np.asarray(columns @ self.broad.astype(columns.dtype))


def shapes_of(space: FeatureSpace, codes: Array) -> tuple[Shapes, ...]:
    """The columns of each feature; their units are those of the first members in `codes`, who are in a random order."""
    few = codes[:_LEARNED_ON]
    return tuple(
        _of_levels(few[:, i], len(feature.levels))
        if isinstance(feature, CategoryFeature)
        else _of_number(few[:, i])
        for i, feature in enumerate(space.features)
    )


def products(left: Columns, right: Columns) -> Columns:
    """Every column of the one times every column of the other, shape (n, left columns x right columns)."""
    return (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)


def columns_of(
    shapes: Sequence[Shapes], terms: Any, codes: Array, kind: type[np.floating[Any]]
) -> dict[Term, Columns]:
    """The columns of each term for some members, shape (n, columns of the term)."""
    single = {f: shapes[f].columns(codes[:, f], kind) for f in sorted({f for term in terms for f in term})}
    broad = {f: shapes[f].broad_of(single[f]) for term in terms if len(term) == 2 for f in term}
    return {
        term: single[term[0]] if len(term) == 1 else products(broad[term[0]], broad[term[1]])
        for term in terms
    }


def chunks(members: int) -> list[slice]:
    """Members in parts that are small enough to hold all columns of."""
    return [slice(at, min(at + CHUNK, members)) for at in range(0, max(members, 1), CHUNK)]


def _of_levels(column: Array, count: int) -> Shapes:
    broad = range(count) if count <= _BROAD_LEVELS else ()
    return _standardised(_Levels(count), column, np.ones(count), range(count), broad)


def _of_number(column: Array) -> Shapes:
    known = np.sort(np.clip(column[~np.isnan(column)], -_LARGEST, _LARGEST))
    missing = len(known) < len(column)
    knots = np.unique(np.quantile(known, np.linspace(0, 1, _KNOTS))) if len(known) else np.zeros(1)
    # Members who share a value share its middle rank.
    below, up_to = (np.searchsorted(known, knots, side) for side in ("left", "right"))
    ranks = (below + up_to) / 2 / max(len(known), 1)
    spread = float(known.std()) if len(known) else 0.0
    mean = float(known.mean()) if len(known) else 0.0
    raw = _Number(knots, ranks, mean, spread if spread > 0 else 1.0, missing)
    wanted = np.array([1.0, *(1 / j**2 for j in range(1, _WAVES + 1)), *[1.0] * missing])
    straight = (0, 1 + _WAVES) if missing else (0,)
    return _standardised(raw, column, wanted, straight, (0, *_BROAD_WAVES))


def _standardised(
    raw: _Levels | _Number, column: Array, wanted: Array, straight: Sequence[int], broad: Sequence[int]
) -> Shapes:
    found = raw.columns(column, np.float64)
    spread = found.std(axis=0)
    # Rounding makes a column vary that does not.
    kept = [j for j in range(found.shape[1]) if spread[j] > 1e-6]
    centre, scale = found.mean(axis=0)[kept], wanted[kept] / spread[kept]
    return Shapes(
        raw,
        tuple(kept),
        centre,
        scale,
        tuple(kept.index(j) for j in straight if j in kept),
        _uncorrelated((found[:, kept] - centre) * scale, [kept.index(j) for j in broad if j in kept]),
    )


def _uncorrelated(columns: Array, chosen: Sequence[int]) -> Array:
    """From columns to as many uncorrelated ones as the chosen ones span."""
    values, vectors = np.linalg.eigh(columns[:, chosen].T @ columns[:, chosen] / len(columns))
    spans = values > 1e-6
    found = np.zeros((columns.shape[1], int(spans.sum())))
    found[chosen] = vectors[:, spans] / np.sqrt(values[spans])
    return found
