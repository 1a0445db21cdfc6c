"""Sums by cluster: all that estimates need where members were assigned together, by shop or by household."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.inference.moments import Array


@dataclass(frozen=True, eq=False)
class ClusterSums:
    """Sums over the members of each of J clusters, about a pilot: outcomes, covariates, their products.

    Attributes:
        names: The q columns: outcomes first, then covariates.
        covariates: How many of them, the last ones, are covariates (p).
        pilot: Shape (q,): any fixed value near each column's mean.
        clusters: Shape (J,): the clusters' numbers, ascending, each once.
        counts: Shape (J,): members of each cluster, at least one.
        sums: Shape (J, q): sums of x - pilot.
        products: Shape (J, q, p): sums of (x - pilot) times each covariate less its pilot.
    """

    names: tuple[str, ...]
    covariates: int
    pilot: Array
    clusters: NDArray[np.int64]
    counts: Array
    sums: Array
    products: Array

    def __post_init__(self) -> None:
        j, q, p = len(self.clusters), len(self.names), self.covariates
        shapes = ((j,), (j, q), (j, q, p), (q,))
        found = self.counts.shape, self.sums.shape, self.products.shape, self.pilot.shape
        if found != shapes:
            raise ValueError(f"{j} clusters of {q} columns need shapes {shapes}; got {found}")
        if j and (self.counts.min() < 1 or (np.diff(self.clusters) <= 0).any()):
            raise ValueError("every cluster needs a member, and numbers must ascend, each once")
        if not (np.isfinite(self.sums).all() and np.isfinite(self.products).all()):
            raise ValueError(f"a sum of {', '.join(self.names)} is missing or not finite")

    @classmethod
    def nobody(cls, names: Sequence[str], covariates: int) -> ClusterSums:
        """Sums over nobody: what adding starts from."""
        q = len(names)
        empty = np.zeros(0)
        return cls(
            tuple(names),
            covariates,
            np.zeros(q),
            np.zeros(0, dtype=np.int64),
            empty,
            np.zeros((0, q)),
            np.zeros((0, q, covariates)),
        )

    @classmethod
    def from_rows(
        cls,
        outcomes: Sequence[str],
        covariates: Sequence[str],
        rows: ArrayLike,
        cluster: ArrayLike,
        pilot: ArrayLike | None = None,
    ) -> ClusterSums:
        """Sums of rows, one a member.

        Args:
            outcomes: Names of the first columns.
            covariates: Names of the last columns.
            rows: Shape (n, q).
            cluster: Shape (n,): the number of each member's cluster.
            pilot: Shape (q,); the columns' means when absent.

        Raises:
            ValueError: Shapes do not fit, or a value is missing or not finite.

        >>> sums = ClusterSums.from_rows(["spend"], [], [[1.0], [5.0], [3.0]], [7, 9, 7])
        >>> sums.clusters.tolist(), sums.counts.tolist(), sums.sums.ravel().tolist()
        ([7, 9], [2.0, 1.0], [-2.0, 2.0])
        """
        values = np.asarray(rows, dtype=float)
        names = (*outcomes, *covariates)
        if values.ndim != 2 or values.shape[1] != len(names) or not len(values):
            raise ValueError(f"rows must have shape (n, {len(names)}), n at least 1; got {values.shape}")
        centre = values.mean(axis=0) if pilot is None else np.asarray(pilot, dtype=float)
        away = values - centre
        products = away[:, :, None] * away[:, None, len(outcomes) :]
        numbers = np.asarray(cluster, dtype=np.int64)
        one = np.ones(len(values))
        return cls._grouped(names, len(covariates), centre, numbers, (one, away, products))

    def __add__(self, other: ClusterSums) -> ClusterSums:
        """Sums over disjoint sets of members; a cluster that has members in both is one cluster.

        Raises:
            ValueError: Columns or pilots differ.
        """
        if not len(other.clusters) or not len(self.clusters):
            return other if len(other.clusters) else self
        if self.names != other.names or not np.array_equal(self.pilot, other.pilot):
            raise ValueError(f"sums of {self.names} and of {other.names} about other pilots do not add")
        together = (
            np.concatenate([mine, theirs])
            for mine, theirs in (
                (self.counts, other.counts),
                (self.sums, other.sums),
                (self.products, other.products),
            )
        )
        numbers = np.concatenate([self.clusters, other.clusters])
        counts, sums, products = together
        return self._grouped(self.names, self.covariates, self.pilot, numbers, (counts, sums, products))

    def select(self, outcomes: Sequence[str]) -> ClusterSums:
        """The same clusters and covariates, fewer outcomes, in the order asked for."""
        first = len(self.names) - self.covariates
        at = [*(self.names.index(name) for name in outcomes), *range(first, len(self.names))]
        names = tuple(self.names[place] for place in at)
        pilot, sums, products = self.pilot[at], self.sums[:, at], self.products[:, at]
        return ClusterSums(names, self.covariates, pilot, self.clusters, self.counts, sums, products)

    @property
    def members(self) -> int:
        """Members of all clusters."""
        return int(self.counts.sum())

    @property
    def is_single(self) -> bool:
        """Whether no cluster has more than one member."""
        return self.members == len(self.clusters)

    def mean(self, name: str) -> float:
        """Mean of a column over the members.

        Raises:
            ValueError: There is no such column, or nobody.
        """
        if name not in self.names or not len(self.clusters):
            raise ValueError(f"no mean of {name!r} over {self.members} members")
        at = self.names.index(name)
        return float(self.pilot[at] + self.sums[:, at].sum() / self.counts.sum())

    @classmethod
    def _grouped(
        cls,
        names: tuple[str, ...],
        covariates: int,
        pilot: Array,
        numbers: NDArray[np.int64],
        parts: tuple[Array, Array, Array],
    ) -> ClusterSums:
        """Adds the parts of each cluster."""
        order = np.argsort(numbers, kind="stable")
        clusters, starts = np.unique(numbers[order], return_index=True)
        counts, sums, products = (np.add.reduceat(part[order], starts, axis=0) for part in parts)
        return cls(names, covariates, pilot, clusters, counts, sums, products)
