"""The winner's effect, corrected for having been chosen because it was the largest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from experiments.inference.comparison import Comparison
from experiments.inference.dunnett import dunnett_critical, loadings
from experiments.inference.moments import Array
from experiments.inference.tails import require_probability


@dataclass(frozen=True)
class Winner:
    """Effect of the chosen arm.

    Attributes:
        naive: The estimate as if the arm had been chosen beforehand.
        corrected: Median-unbiased estimate (`hybrid`), or the naive one (`projection`).
        low: Lower end of the interval.
        high: Upper end.
        method: `hybrid` where the arm has the largest estimate of all, else `projection`.
    """

    naive: float
    corrected: float
    low: float
    high: float
    method: Literal["hybrid", "projection"]


def correct_winner(comparisons: Sequence[Comparison], chosen: int, alpha: float = 0.05) -> Winner:
    """Estimate and interval of the chosen arm's effect against the control that all arms share.

    If the chosen arm has the largest difference: the hybrid of Andrews, Kitagawa and McCloskey (2024, Inference
    on winners), which conditions on that event within a projection interval at alpha / 10. If a rule chose
    another arm: the projection interval, valid under any rule. Coverage is not conditional on the verdict.

    Args:
        comparisons: Every arm against control, on the metric that is maximised; equal-variance or not.
        chosen: Index of the chosen arm.
        alpha: 1 - coverage.

    Raises:
        ValueError: A comparison has no standard error, the index is wrong, or alpha outside (0, 1).
    """
    require_probability(alpha, "alpha")
    if not 0 <= chosen < len(comparisons):
        raise ValueError(f"there is no arm {chosen} among {len(comparisons)}")
    errors = [comparison.std_error for comparison in comparisons]
    known = np.array([math.nan if error is None else error for error in errors])
    if np.isnan(known).any():
        raise ValueError("an arm without a standard error cannot be ranked with the others")
    estimates = np.array([comparison.difference for comparison in comparisons])
    shared = loadings(comparisons)
    if estimates[chosen] >= estimates.max():
        critical = dunnett_critical(alpha / 10, shared)
        return hybrid(estimates, known, shared, alpha=alpha, critical=critical, chosen=chosen)
    return projection(float(estimates[chosen]), float(known[chosen]), dunnett_critical(alpha, shared))


def projection(estimate: float, std_error: float, critical: float) -> Winner:
    """The chosen arm's interval from a critical value that holds for all arms at once.

    Args:
        estimate: Its effect.
        std_error: Its standard error.
        critical: Of the largest statistic: Dunnett's, or the bound of a repeated interval after an early stop.
    """
    half = critical * std_error
    return Winner(estimate, estimate, estimate - half, estimate + half, "projection")


def hybrid(
    estimates: Array,
    std_errors: Array,
    shared: Sequence[float],
    *,
    alpha: float,
    critical: float,
    chosen: int,
) -> Winner:
    """The hybrid estimate of the arm with the largest effect.

    Args:
        estimates: Shape (K,): effects against the shared control.
        std_errors: Shape (K,): their standard errors.
        shared: Their loadings: the covariance of effects i and j is the product of both standard errors and
            both loadings.
        alpha: 1 - coverage.
        critical: Two-sided critical value at alpha / 10 of the largest of the K statistics.
        chosen: Index of the largest effect.
    """
    observed, error = float(estimates[chosen]), float(std_errors[chosen])
    low, high = _selection_bounds(estimates, std_errors, np.asarray(shared), chosen)
    reach = critical * error

    def below(mean: float) -> float:
        """Probability of an estimate up to the observed one, given selection and the projection interval."""
        floor, ceiling = (
            (max(low, mean - reach) - mean) / error,
            (min(high, mean + reach) - mean) / error,
        )
        at = (observed - mean) / error
        mass = _between(floor, ceiling)
        return _between(floor, min(at, ceiling)) / mass if mass > 0 else float(at >= ceiling)

    def quantile(level: float) -> float:
        # Where the runner-up ties, the conditional probability may not reach the level inside the interval.
        ends = observed - reach * (1 - 1e-9), observed + reach * (1 - 1e-9)
        gaps = [below(end) - (1 - level) for end in ends]
        if gaps[0] <= 0:
            return observed - reach
        if gaps[1] >= 0:
            return observed + reach
        return float(brentq(lambda mean: below(mean) - (1 - level), *ends, xtol=1e-10 * error))

    rest = (alpha - alpha / 10) / (1 - alpha / 10)
    return Winner(observed, quantile(0.5), quantile(rest / 2), quantile(1 - rest / 2), "hybrid")


def _selection_bounds(estimates: Array, std_errors: Array, shared: Array, chosen: int) -> tuple[float, float]:
    """Range of the chosen estimate in which it stays the largest, what is independent of it held fixed."""
    variance = std_errors[chosen] ** 2
    covariance = std_errors * std_errors[chosen] * shared * shared[chosen]
    covariance[chosen] = variance
    fixed = estimates - covariance / variance * estimates[chosen]
    gap = variance - covariance
    lower, upper = gap > 0, gap < 0
    low = (variance * fixed[lower] / gap[lower]).max(initial=-math.inf)
    high = (variance * fixed[upper] / gap[upper]).min(initial=math.inf)
    return min(float(low), float(estimates[chosen])), max(float(high), float(estimates[chosen]))


def _between(low: float, high: float) -> float:
    """Standard normal probability of an interval, taken in the lower tail."""
    if low > 0:
        low, high = -high, -low
    return max(float(ndtr(high) - ndtr(low)), 0.0)
