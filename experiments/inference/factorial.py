"""Factorial effects: what each factor of the arms does by itself, and whether factors interact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import chdtrc

from experiments.inference.moments import Array
from experiments.inference.tails import critical_value, tail_probability

# Directions of a set of contrasts with less variance than this share of the largest are redundant.
_REDUNDANT = 1e-9


@dataclass(frozen=True)
class Factor:
    """A factor of the arms and its levels, in order."""

    name: str
    levels: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """The arm at one combination of levels: its estimated mean and that mean's variance.

    Attributes:
        levels: One level per factor.
        mean: Estimated mean of the metric.
        variance: Squared standard error of the mean; 0 where the data show none.
    """

    levels: tuple[str, ...]
    mean: float
    variance: float


@dataclass(frozen=True)
class FactorialTerm:
    """A contrast of the arms' means, or a joint test of several.

    Attributes:
        term: `factor:level - factor:level` for two levels, `factor` or `factor:factor` for all of it.
        estimate: The contrast; None for a joint test of more than one degree of freedom.
        std_error: Its standard error; None like `estimate`, or where there is no variance.
        low: Lower end of its 1 - alpha interval.
        high: Upper end.
        statistic: Z of a contrast, chi-square of a joint test; None where there is no variance.
        degrees: Degrees of freedom.
        p_value: Two-sided for a contrast; None where there is no variance.
    """

    term: str
    estimate: float | None
    std_error: float | None
    low: float | None
    high: float | None
    statistic: float | None
    degrees: int
    p_value: float | None


def factorial_terms(
    factors: Sequence[Factor], cells: Sequence[Cell], alpha: float = 0.05
) -> tuple[FactorialTerm, ...]:
    """Main effects and two-factor interactions from arm means (Wu and Hamada 2009, chapter 4), normal tests.

    A main effect is the difference of two levels averaged over the combinations of the other factors that have
    both, each with the same weight; a factor of three or more levels gets every pair and a joint test (`factor`).
    An interaction (`factor:factor`) is the joint test of all differences of differences, themselves averaged
    over the other factors; of two two-level factors it is one contrast. Omitted arms are allowed: a term for
    which no combination is left is absent.

    Args:
        factors: The factors, at least one.
        cells: One per arm that is not control.
        alpha: 1 - coverage of the intervals.

    Raises:
        ValueError: A cell does not have one known level per factor, or two cells are the same.

    >>> factors = (Factor("offer", ("pts", "cpn")), Factor("copy", ("care", "urgent")))
    >>> means = {("pts", "care"): 3.0, ("pts", "urgent"): 4.0, ("cpn", "care"): 1.0, ("cpn", "urgent"): 2.0}
    >>> for row in factorial_terms(factors, [Cell(levels, mean, 0.25) for levels, mean in means.items()]):
    ...     print(row.term, row.estimate, row.std_error)
    offer 2.0 0.5
    copy -1.0 0.5
    offer:copy 0.0 1.0
    """
    at = _index(factors, cells)
    means = np.array([cell.mean for cell in cells], dtype=float)
    variances = np.array([cell.variance for cell in cells], dtype=float)
    terms: list[tuple[str, list[Array]]] = []
    for position, factor in enumerate(factors):
        pairs = {pair: _main_effect(at, position, pair) for pair in combinations(factor.levels, 2)}
        present = {pair: contrast for pair, contrast in pairs.items() if contrast is not None}
        if len(factor.levels) > 2:
            terms += [
                (f"{factor.name}:{a} - {factor.name}:{b}", [contrast]) for (a, b), contrast in present.items()
            ]
        terms.append((factor.name, list(present.values())))
    for first, second in combinations(range(len(factors)), 2):
        name = f"{factors[first].name}:{factors[second].name}"
        terms.append((name, _interactions(at, factors, first, second)))
    return tuple(
        _test(name, np.array(contrasts), means, variances, alpha) for name, contrasts in terms if contrasts
    )


def _index(factors: Sequence[Factor], cells: Sequence[Cell]) -> dict[tuple[str, ...], int]:
    at = {cell.levels: number for number, cell in enumerate(cells)}
    if len(at) != len(cells):
        raise ValueError("two arms have the same levels")
    for levels in at:
        known = len(levels) == len(factors) and all(
            level in factor.levels for level, factor in zip(levels, factors, strict=True)
        )
        if not known:
            raise ValueError(
                f"the levels {levels} are not one of each of {[factor.name for factor in factors]}"
            )
    return at


def _main_effect(at: dict[tuple[str, ...], int], position: int, pair: tuple[str, str]) -> Array | None:
    """Weights of the cells in the difference of two levels; None where no combination has both."""
    a, b = pair
    matched = [
        (number, at[_swap(levels, position, b)])
        for levels, number in at.items()
        if levels[position] == a and _swap(levels, position, b) in at
    ]
    if not matched:
        return None
    weights = np.zeros(len(at))
    for plus, minus in matched:
        weights[plus] += 1 / len(matched)
        weights[minus] -= 1 / len(matched)
    return weights


def _interactions(
    at: dict[tuple[str, ...], int], factors: Sequence[Factor], first: int, second: int
) -> list[Array]:
    """Weights of every difference of differences between two factors' levels."""
    found = []
    for a, b in combinations(factors[first].levels, 2):
        for c, d in combinations(factors[second].levels, 2):
            contrasts = []
            for levels in at:
                if levels[first] != a or levels[second] != c:
                    continue
                corners = [_swap(_swap(levels, first, x), second, y) for x in (a, b) for y in (c, d)]
                if all(corner in at for corner in corners):
                    weights = np.zeros(len(at))
                    weights[[at[corner] for corner in corners]] = 1, -1, -1, 1
                    contrasts.append(weights)
            if contrasts:
                found.append(np.mean(contrasts, axis=0))
    return found


def _swap(levels: tuple[str, ...], position: int, level: str) -> tuple[str, ...]:
    return (*levels[:position], level, *levels[position + 1 :])


def _test(term: str, contrasts: Array, means: Array, variances: Array, alpha: float) -> FactorialTerm:
    estimates = contrasts @ means
    rank = int(np.linalg.matrix_rank(contrasts))
    covariance = (contrasts * variances) @ contrasts.T
    if rank == 1:
        estimate, variance = float(estimates[0]), float(covariance[0, 0])
        if variance <= 0:
            return FactorialTerm(term, estimate, None, None, None, None, 1, None)
        error = math.sqrt(variance)
        half = critical_value(alpha) * error
        z = estimate / error
        p_value = tail_probability(z, "two-sided")
        return FactorialTerm(term, estimate, error, estimate - half, estimate + half, z, 1, p_value)
    values, vectors = np.linalg.eigh(covariance)
    kept = values > _REDUNDANT * max(float(values.max()), 0.0)
    degrees = int(kept.sum())
    if not degrees or values.max() <= 0:
        return FactorialTerm(term, None, None, None, None, None, rank, None)
    statistic = float(((vectors[:, kept].T @ estimates) ** 2 / values[kept]).sum())
    return FactorialTerm(term, None, None, None, None, statistic, degrees, float(chdtrc(degrees, statistic)))
