"""Populations of finitely many types of members: exact moments of any number of members, drawn at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from experiments.inference.moments import Array, Moments

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Population:
    """Members of T types in each of S strata; how many of each type an arm holds says all that its moments need.

    Attributes:
        names: The p columns.
        values: Shape (S, T, p): the columns of each type.
        weights: Shape (S, T): share of each type within its stratum.
        sizes: Shape (S,): share of each stratum.
        influence: Shape (S, T): a number for each type whose mean moves like the estimate; it screens for runs
            that could reject, the estimator itself decides.
    """

    names: tuple[str, ...]
    values: Array
    weights: Array
    sizes: Array
    influence: Array

    def draw(self, rng: np.random.Generator, members: Counts, runs: int) -> Counts:
        """Members of each type, shape (runs, *members.shape, S, T); strata have exactly their shares."""
        strata = [
            rng.multinomial(_whole(members * size), weights, size=(runs, *members.shape))
            for size, weights in zip(self.sizes, self.weights, strict=True)
        ]
        return np.stack(strata, axis=-2)

    def mean(self, name: str) -> float:
        """The true mean of a column."""
        means = np.einsum("s,st,st->", self.sizes, self.weights, self.values[:, :, self.names.index(name)])
        return float(means)

    def moments(self, counts: Counts) -> list[Moments]:
        """Moments of each stratum from its members of each type, shape (S, T)."""
        found = []
        for members, values in zip(counts, self.values, strict=True):
            pilot = values.mean(axis=0)
            away = values - pilot
            products = (away * members[:, None]).T @ away
            nonzero = [int(n) for n in members @ (values != 0)]
            found.append(
                Moments.from_sums(self.names, pilot, int(members.sum()), members @ away, products, nonzero)
            )
        return found


def binary(rate: float) -> Population:
    """Members who do it or do not."""
    return _single(("y",), [(0.0,), (1.0,)], [1 - rate, rate], [0.0, 1.0])


def spending(buyers: float, factor: float = 1.0) -> Population:
    """Buyers who spend one of five skewed amounts, times a factor; the others nothing."""
    amounts = [0.0, 10.0, 20.0, 40.0, 80.0, 160.0]
    weights = [1 - buyers, *(buyers * share for share in (0.35, 0.3, 0.2, 0.1, 0.05))]
    scaled = [factor * amount for amount in amounts]
    return _single(("y",), [(amount,) for amount in scaled], weights, scaled)


def orders(factor: float = 1.0) -> Population:
    """Amounts and numbers of orders that go together; the amounts times a factor."""
    types = [(0.0, 0.0), (15.0, 1.0), (40.0, 1.0), (50.0, 2.0), (90.0, 2.0), (150.0, 4.0)]
    weights = [0.6, 0.15, 0.1, 0.07, 0.05, 0.03]
    scaled = [(factor * amount, number) for amount, number in types]
    mean = [sum(w * each[i] for w, each in zip(weights, scaled, strict=True)) for i in (0, 1)]
    influence = [amount - mean[0] / mean[1] * number for amount, number in scaled]
    return _single(("num", "den"), scaled, weights, influence)


def covaried(sizes: Sequence[float]) -> Population:
    """An outcome that two covariates explain in part, skewed around them, at a level of its own in each stratum."""
    types = [
        (a, b, noise, p * q)
        for (a, p), b, (noise, q) in product(
            [(-1.0, 0.3), (0.0, 0.5), (2.0, 0.2)], [0.0, 1.0], [(-1.0, 0.5), (0.0, 0.25), (2.0, 0.25)]
        )
    ]
    weights = np.array([p / 2 for *_, p in types])
    noise = np.array([noise for *_, noise, _ in types])
    values = np.array(
        [[[3.0 * h + a + 0.5 * b + e, a, b] for a, b, e, _ in types] for h in range(len(sizes))]
    )
    every = (len(sizes), 1)
    return Population(
        ("y", "a", "b"), values, np.tile(weights, every), np.array(sizes), np.tile(noise, every)
    )


def _single(
    names: tuple[str, ...],
    types: Sequence[tuple[float, ...]],
    weights: Sequence[float],
    influence: Sequence[float],
) -> Population:
    return Population(names, np.array([types]), np.array([weights]), np.ones(1), np.array([influence]))


def _whole(members: Array) -> Counts:
    rounded = np.rint(members)
    if not np.allclose(members, rounded):
        raise ValueError("a stratum's share of the members must be a whole number")
    return rounded.astype(np.int64)
