"""Moments of metrics and covariates over a set of members: frozen, and they add."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# A centred sum of squares below this share of the raw one is what rounding leaves of a constant column.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, means and centred second moments of p columns: everything that the estimators read.

    Attributes:
        names: The p column names, unique.
        count: Number of members.
        mean: Shape (p,): mean of each column.
        comoment: Shape (p, p): sums over members of (x - mean)(x - mean)', not divided by anything.
        nonzero: Number of members whose value is not zero, per column.

    The arrays are read-only. Moments of two disjoint sets add to the moments of their union (Chan, Golub
    and LeVeque 1983), within rounding error also where the mean dwarfs the deviation.

    >>> halves = [Moments.from_rows(("spend",), [[1.0], [3.0]]), Moments.from_rows(("spend",), [[8.0]])]
    >>> pool(halves).average("spend"), pool(halves).variance("spend")
    (4.0, 13.0)
    """

    names: tuple[str, ...]
    count: int
    mean: Array
    comoment: Array
    nonzero: tuple[int, ...]

    def __post_init__(self) -> None:
        p = len(self.names)
        mean, comoment = np.array(self.mean, dtype=float), np.array(self.comoment, dtype=float)
        if len(set(self.names)) != p:
            raise ValueError(f"column names repeat: {', '.join(self.names)}")
        if mean.shape != (p,) or comoment.shape != (p, p) or len(self.nonzero) != p:
            raise ValueError(
                f"{p} columns need a mean of shape ({p},), a comoment of shape ({p}, {p}) and {p} non-zero "
                f"counts; got {mean.shape}, {comoment.shape} and {len(self.nonzero)}"
            )
        if self.count < 0 or any(not 0 <= n <= self.count for n in self.nonzero):
            raise ValueError(f"a count is negative or a non-zero count exceeds the {self.count} members")
        if not (np.isfinite(mean).all() and np.isfinite(comoment).all()):
            raise ValueError(f"a mean or a comoment of {', '.join(self.names)} is missing or not finite")
        mean.flags.writeable = comoment.flags.writeable = False
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "comoment", comoment)

    @classmethod
    def zero(cls, names: Sequence[str]) -> Moments:
        """Moments of nobody: what adding starts from."""
        p = len(names)
        return cls(tuple(names), 0, np.zeros(p), np.zeros((p, p)), (0,) * p)

    @classmethod
    def from_rows(cls, names: Sequence[str], rows: ArrayLike) -> Moments:
        """Moments of rows of shape (n, p), one row a member, in two passes.

        Raises:
            ValueError: The shape is wrong or a value is missing or not finite.
        """
        values = np.asarray(rows, dtype=float)
        if values.size == 0:
            return cls.zero(names)
        if values.ndim != 2 or values.shape[1] != len(names):
            raise ValueError(f"rows must have shape (n, {len(names)}); got {values.shape}")
        pilot = values.mean(axis=0)
        centred = values - pilot
        nonzero = [int(n) for n in np.count_nonzero(values, axis=0)]
        return cls.from_sums(names, pilot, len(values), centred.sum(axis=0), centred.T @ centred, nonzero)

    @classmethod
    def from_sums(
        cls,
        names: Sequence[str],
        pilot: ArrayLike,
        count: int,
        sums: ArrayLike,
        products: ArrayLike,
        nonzero: Sequence[int],
    ) -> Moments:
        """Moments from sums about a pilot, as an engine returns them.

        Args:
            names: The p columns.
            pilot: Shape (p,): any fixed value near each mean; the nearer, the less rounding.
            count: Number of members.
            sums: Shape (p,): sums of x - pilot.
            products: Shape (p, p): sums of (x - pilot)(x - pilot)'.
            nonzero: Number of members whose x is not zero, per column.

        >>> Moments.from_sums(("x",), [10.0], 3, [3.0], [[5.0]], [3]).variance("x")
        1.0
        """
        if count == 0:
            return cls.zero(names)
        first, second = np.asarray(sums, dtype=float), np.asarray(products, dtype=float)
        comoment = second - np.outer(first, first) / count
        comoment = (comoment + comoment.T) / 2
        # A column of zeros has a mean of exactly 0, or a lift over it would seem to exist.
        zeros = np.asarray(nonzero) == 0
        constant = (np.diag(comoment) <= _ROUNDING * np.diag(second)) | zeros
        comoment[constant, :] = 0.0
        comoment[:, constant] = 0.0
        mean = np.where(zeros, 0.0, np.asarray(pilot, float) + first / count)
        return cls(tuple(names), count, mean, comoment, tuple(nonzero))

    def __add__(self, other: Moments) -> Moments:
        """Moments of the union of two disjoint sets of members.

        Raises:
            ValueError: The columns differ.
        """
        if self.names != other.names:
            raise ValueError(f"moments of {self.names} and of {other.names} do not add")
        if self.count == 0 or other.count == 0:
            return self if other.count == 0 else other
        count = self.count + other.count
        step = other.mean - self.mean
        comoment = self.comoment + other.comoment
        comoment = comoment + np.outer(step, step) * (self.count * (other.count / count))
        nonzero = tuple(a + b for a, b in zip(self.nonzero, other.nonzero, strict=True))
        return Moments(self.names, count, self.mean + step * (other.count / count), comoment, nonzero)

    def select(self, names: Sequence[str]) -> Moments:
        """The same members, fewer columns, in the order asked for."""
        at = [self._at(name) for name in names]
        nonzero = tuple(self.nonzero[i] for i in at)
        return Moments(tuple(names), self.count, self.mean[at], self.comoment[np.ix_(at, at)], nonzero)

    def average(self, name: str) -> float:
        """Mean of a column; 0 over nobody."""
        return float(self.mean[self._at(name)])

    def total(self, name: str) -> float:
        """Sum of a column over the members."""
        return self.count * self.average(name)

    def nonzero_count(self, name: str) -> int:
        """Number of members whose value is not zero."""
        return self.nonzero[self._at(name)]

    def variance(self, name: str) -> float:
        """Sample variance of a column (divided by n - 1).

        Raises:
            ValueError: There are fewer than two members.
        """
        return self.covariance(name, name)

    def covariance(self, a: str, b: str) -> float:
        """Sample covariance of two columns (divided by n - 1).

        Raises:
            ValueError: There are fewer than two members.
        """
        if self.count < 2:
            raise ValueError(f"a variance needs two members; {a} has {self.count}")
        return float(self.comoment[self._at(a), self._at(b)]) / (self.count - 1)

    def _at(self, name: str) -> int:
        if name not in self.names:
            raise ValueError(f"no moments of {name!r}; there are {', '.join(self.names)}")
        return self.names.index(name)


def pool(parts: Iterable[Moments]) -> Moments:
    """Moments of the union of disjoint sets of members, such as the strata of an arm.

    Raises:
        ValueError: There is no part, or the columns differ.
    """
    total: Moments | None = None
    for part in parts:
        total = part if total is None else total + part
    if total is None:
        raise ValueError("there are no moments to pool")
    return total
