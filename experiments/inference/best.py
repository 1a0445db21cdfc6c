"""Multiple comparisons with the best: each arm against the best of the others (Hsu)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from experiments.inference.comparison import Comparison
from experiments.inference.dunnett import dunnett_critical
from experiments.inference.moments import Array
from experiments.inference.tails import require_probability


@dataclass(frozen=True)
class WithBest:
    """An arm's mean minus the largest mean of the other arms.

    Attributes:
        difference: Its estimate.
        low: Lower end of the simultaneous interval, at most 0; infinite where the data set none.
        high: Upper end, at least 0. Above 0 the arm may be the best; it is proven to be where `low` is 0 too.
    """

    difference: float
    low: float
    high: float

    @property
    def may_be_best(self) -> bool:
        """Whether the data leave the arm the best one."""
        return self.high > 0

    @property
    def is_best(self) -> bool:
        """Whether the arm is proven to be the best one."""
        return self.high > 0 and self.low == 0


def compare_with_best(
    pairs: Mapping[tuple[int, int], Comparison], alpha: float = 0.05, *, dunnett: bool = True
) -> tuple[WithBest, ...]:
    """Constrained simultaneous intervals of all K arms, whose joint coverage is at least 1 - alpha.

    For each arm a one-sided family of comparisons with it as the control (Hsu 1996, chapter 4, and Edwards and Hsu 1983
    for unequal sizes): by Dunnett's critical value from the correlation through the arm's own mean, each bound by the pair's
    own estimator at that level.

    Args:
        pairs: Arms i < j of 0..K-1 to the comparison of i with j; all of them, more of the metric being better.
        alpha: 1 - joint coverage, one-sided.
        dunnett: Whether the critical values are Dunnett's; else Bonferroni's, for bounds of a look.

    Raises:
        ValueError: alpha outside (0, 1), fewer than two arms, or a pair is missing.
    """
    require_probability(alpha, "alpha")
    arms = _count(pairs)
    differences, upper = np.zeros((arms, arms)), np.full((arms, arms), math.inf)
    levels = [
        _level(pairs, arm, arms, alpha) if dunnett else min(0.5, alpha / (arms - 1)) for arm in range(arms)
    ]
    for (i, j), comparison in pairs.items():
        differences[i, j], differences[j, i] = comparison.difference, -comparison.difference
        upper[i, j] = comparison.interval(2 * levels[i])[1]
        upper[j, i] = -comparison.interval(2 * levels[j])[0]
    return tuple(
        WithBest(float(np.delete(differences[arm], arm).min()), low, high)
        for arm, (low, high) in enumerate(constrain(upper))
    )


def constrain(upper: Array) -> tuple[tuple[float, float], ...]:
    """The intervals of Hsu's comparisons with the best, from one-sided bounds.

    Args:
        upper: Shape (K, K): upper bound of mean i - mean j from the family with i as its control; the diagonal is unread.

    >>> bounds = np.array([[0.0, 3.0, 5.0], [1.0, 0.0, 4.0], [-1.0, 0.5, 0.0]])
    >>> constrain(bounds)
    ((-1.0, 3.0), (-3.0, 1.0), (-5.0, 0.0))
    """
    others = ~np.eye(len(upper), dtype=bool)
    highs = np.maximum(np.where(others, upper, math.inf).min(axis=1), 0.0)
    candidates = highs > 0
    lows = []
    for arm in range(len(upper)):
        rivals = candidates & others[arm]
        # Where no other arm may be the best, this one is.
        lows.append(float(np.minimum(-upper[rivals, arm], 0.0).min()) if rivals.any() else 0.0)
    return tuple((low + 0.0, float(high)) for low, high in zip(lows, highs, strict=True))


def _count(pairs: Mapping[tuple[int, int], Comparison]) -> int:
    arms = 1 + max((j for _, j in pairs), default=0)
    if arms < 2 or set(pairs) != {(i, j) for j in range(arms) for i in range(j)}:
        raise ValueError(f"every pair of two or more arms is needed; got {sorted(pairs)}")
    return arms


def _level(pairs: Mapping[tuple[int, int], Comparison], control: int, arms: int, alpha: float) -> float:
    """One-sided level of each comparison of the family in which this arm is the control."""
    shared = []
    for other in range(arms):
        if other == control:
            continue
        comparison = pairs[min(control, other), max(control, other)]
        variance = comparison.variance_arm if control < other else comparison.variance_versus
        error = comparison.std_error
        shared.append(0.0 if error is None or variance is None else min(1.0, math.sqrt(variance) / error))
    return min(0.5, float(ndtr(-dunnett_critical(min(alpha, 0.5), shared, two_sided=False))))
