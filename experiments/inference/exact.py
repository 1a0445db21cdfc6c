"""Exact tests of two equal proportions, for tables too sparse for the score test."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import bdtr, gammaln, xlog1py, xlogy

from experiments.inference.score import TwoByTwo
from experiments.inference.tails import Alternative

Array = NDArray[np.float64]

# Tables whose ordering statistic differs by less than this are tied.
_TIE = 1e-9
# The unknown common rate is searched on so many points, then refined around the best of them.
_RATES = 201


def hypergeometric(table: TwoByTwo) -> tuple[int, Array]:
    """Distribution of the arm's successes given all margins, if both arms have the same rate.

    Returns:
        The smallest possible count, and the probabilities of it and of the counts that follow.
    """
    n_arm, n_versus = table.members_arm, table.members_versus
    total = table.successes_arm + table.successes_versus
    low, high = max(0, total - n_versus), min(total, n_arm)
    k = np.arange(low, high, dtype=float)
    steps = np.log((total - k) * (n_arm - k)) - np.log((k + 1) * (n_versus - total + k + 1))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    weights = np.exp(logs - logs.max())
    return low, weights / weights.sum()


def mid_p(table: TwoByTwo, alternative: Alternative) -> float:
    """Conditional mid-p test of equal rates (Lancaster 1961): half of the observed table's probability counts.

    Two-sided: twice the smaller tail, at most 1.

    >>> round(mid_p(TwoByTwo(6, 100_000, 1, 100_000), "greater"), 4)
    0.0352
    """
    low, probabilities = hypergeometric(table)
    at = table.successes_arm - low
    half = probabilities[at] / 2
    upper = float(probabilities[at + 1 :].sum() + half)
    lower = float(probabilities[:at].sum() + half)
    return combine_tails(upper, lower, alternative)


def boschloo(table: TwoByTwo, alternative: Alternative) -> float:
    """Boschloo's unconditional test (1970): Fisher's one-sided p orders the tables, the worst common rate counts.

    Two-sided: twice the smaller of the one-sided p-values, at most 1. Time and memory grow with the product
    of the arms' sizes.

    >>> round(boschloo(TwoByTwo(17, 50, 7, 50), "two-sided"), 6)
    0.020992
    """
    mirrored = TwoByTwo(
        table.members_arm - table.successes_arm,
        table.members_arm,
        table.members_versus - table.successes_versus,
        table.members_versus,
    )
    upper = _boschloo_upper(table) if alternative != "less" else 1.0
    lower = _boschloo_upper(mirrored) if alternative != "greater" else 1.0
    return combine_tails(upper, lower, alternative)


def combine_tails(upper: float, lower: float, alternative: Alternative) -> float:
    """The p-value of an alternative from both one-sided ones: twice the smaller for two sides, at most 1."""
    if alternative == "two-sided":
        return min(1.0, 2 * min(upper, lower))
    return min(1.0, upper if alternative == "greater" else lower)


def _boschloo_upper(table: TwoByTwo) -> float:
    """One-sided p-value for a higher rate in the arm."""
    if table.members_arm > table.members_versus:
        # The same question about failures, with the smaller arm first: the tables below stay small.
        table = TwoByTwo(
            table.members_versus - table.successes_versus,
            table.members_versus,
            table.members_arm - table.successes_arm,
            table.members_arm,
        )
    n_arm, n_versus = table.members_arm, table.members_versus
    fisher = _fisher_upper(n_arm, n_versus)
    observed = fisher[table.successes_arm, table.successes_versus]
    # For each count in the arm, tables as extreme are those with few enough successes in the other arm.
    largest = (fisher <= observed * (1 + _TIE)).sum(axis=1) - 1.0
    counts = np.flatnonzero(largest >= 0)
    limits = largest[counts]
    weights = gammaln(n_arm + 1) - gammaln(counts + 1) - gammaln(n_arm - counts + 1)

    def probability(rates: Array) -> Array:
        rates = rates[:, None]
        ours = np.exp(weights + xlogy(counts, rates) + xlog1py(n_arm - counts, -rates))
        return np.asarray((ours * bdtr(limits, n_versus, rates)).sum(axis=1), dtype=float)

    # Even steps of the arc sine follow the spread of a binomial, so that no peak falls between two points.
    angles = np.linspace(0.0, math.pi / 2, _RATES)
    values = probability(np.sin(angles) ** 2)
    best = float(values.max())
    peaks = np.flatnonzero((values[1:-1] >= values[:-2]) & (values[1:-1] >= values[2:])) + 1
    for peak in peaks[values[peaks] > 0.9 * best]:
        refined = minimize_scalar(
            lambda angle: -float(probability(np.array([math.sin(angle) ** 2]))[0]),
            bounds=(angles[peak - 1], angles[peak + 1]),
            method="bounded",
            options={"xatol": 1e-9},
        )
        best = max(best, -float(refined.fun))
    return best


def _fisher_upper(n_arm: int, n_versus: int) -> Array:
    """Fisher's one-sided p-value of every table, shape (n_arm + 1, n_versus + 1)."""
    arm, total = np.arange(n_arm + 1)[:, None], np.arange(n_arm + n_versus + 1)[None, :]
    versus = total - arm
    possible = (versus >= 0) & (versus <= n_versus)
    inside = np.where(possible, versus, 0)
    logs = _log_choose(n_arm, arm) + _log_choose(n_versus, inside) - _log_choose(n_arm + n_versus, total)
    probability = np.exp(np.where(possible, logs, -np.inf))
    tails = probability[::-1].cumsum(axis=0)[::-1]
    rows = np.arange(n_arm + 1)[:, None]
    return np.asarray(tails[rows, rows + np.arange(n_versus + 1)[None, :]], dtype=float)


def _log_choose(n: int, k: NDArray[np.int64]) -> Array:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), dtype=float)
