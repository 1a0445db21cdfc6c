"""Dunnett: many arms against one control, and the distribution of the largest of their t statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaincinv, gammaln, log_ndtr, ndtr, ndtri

from experiments.inference.comparison import Comparison
from experiments.inference.moments import Array
from experiments.inference.tails import Alternative, critical_value, require_probability, tail_probability

# A control that is nearly all of every difference's variance is treated as this correlated.
_LARGEST_LOADING = 0.9999
# The normal tail beyond this is smaller than any number that a double holds.
_FURTHEST = 38.5
# Points of the integral over the common standard deviation.
_SCALES = 301


def loadings(comparisons: Sequence[Comparison]) -> tuple[float, ...]:
    """Correlation of each difference with the mean that all of them share: its standard error over theirs.

    Differences i and j then correlate by the product of their loadings (one-factor structure). A comparison
    without a standard error is independent of the others (0).
    """
    found = []
    for comparison in comparisons:
        error, shared = comparison.std_error, comparison.variance_versus
        found.append(0.0 if error is None or shared is None else min(1.0, math.sqrt(shared) / error))
    return tuple(found)


def dunnett_adjust(
    comparisons: Sequence[Comparison], null: float = 0.0, alternative: Alternative = "two-sided"
) -> list[float]:
    """Single-step adjusted p-values of arms compared with one control (Dunnett 1955), in the order given.

    Each p-value is read as the normal deviate with the same tail, so that score, exact and t tests can stand in
    one family; unequal shares enter by the loadings.

    Args:
        comparisons: The K arms, all against the same arm.
        null: As for `Comparison.p_value`.
        alternative: As for `Comparison.p_value`.
    """
    tails = 2.0 if alternative == "two-sided" else 1.0
    shared = loadings(comparisons)
    deviates = [-float(ndtri(c.p_value(null, alternative) / tails)) for c in comparisons]
    return [max_t_tail(z, shared, two_sided=tails == 2.0) for z in deviates]


def dunnett_critical(
    alpha: float, shared: Sequence[float], degrees: float = math.inf, *, two_sided: bool = True
) -> float:
    """The value that the largest of K statistics exceeds with probability alpha.

    Args:
        alpha: Error rate of the family.
        shared: Loading of each of the K statistics, in [0, 1].
        degrees: Degrees of freedom of a common variance; infinite for the normal.
        two_sided: Whether absolute values are meant.

    Raises:
        ValueError: alpha outside (0, 1), no statistic, or a loading outside [0, 1].

    >>> round(dunnett_critical(0.05, [0.5**0.5] * 3), 4)
    2.349
    """
    require_probability(alpha, "alpha")
    _require_loadings(shared)
    one, all_of_them = (
        critical_value((1.0 if two_sided else 2.0) * alpha / count, degrees) for count in (1, len(shared))
    )
    if len(shared) == 1:
        return one

    def excess(critical: float) -> float:
        return max_t_tail(critical, shared, degrees, two_sided=two_sided) - alpha

    # Bonferroni's value is never too small; the margins allow for the error of the integral.
    return float(brentq(excess, one - 1e-6, all_of_them + 1e-6, xtol=1e-10))


def max_t_tail(
    critical: float, shared: Sequence[float], degrees: float = math.inf, *, two_sided: bool = True
) -> float:
    """Probability that the largest of K statistics exceeds a value, exact far into the tail.

    One integral over the shared mean's deviate, a second over the common standard deviation if `degrees` is
    finite (Hsu 1996, appendix); no simulation.

    Raises:
        ValueError: No statistic, or a loading outside [0, 1].
    """
    _require_loadings(shared)
    if math.isnan(critical):
        raise ValueError("a critical value is missing")
    if critical == math.inf:
        return 0.0
    if critical == -math.inf or (two_sided and critical <= 0):
        return 1.0
    if math.isinf(degrees):
        return float(_normal_tail(np.array([critical]), shared, two_sided)[0])
    single = tail_probability(critical, "two-sided" if two_sided else "greater", degrees)
    low = _scale_quantile(1e-12 * max(single, 1e-280), degrees)
    high = math.sqrt(1 + 14 / math.sqrt(degrees) + 60 / degrees)
    logs = np.linspace(math.log(low), math.log(high), _SCALES)
    scales = np.exp(logs)
    half = degrees / 2
    density = np.exp(math.log(2) + half * math.log(half) - gammaln(half) + degrees * logs - half * scales**2)
    return min(1.0, float(np.trapezoid(density * _normal_tail(critical * scales, shared, two_sided), logs)))


def _normal_tail(criticals: Array, shared: Sequence[float], two_sided: bool) -> Array:
    """P(max > critical) for normal statistics, per critical value."""
    loading = np.minimum(np.asarray(shared, dtype=float), _LARGEST_LOADING)
    own = np.sqrt(1 - loading**2)
    criticals = np.minimum(criticals, _FURTHEST)
    reach = float(np.abs(criticals).max()) + 10.0
    steepest = float((own / np.maximum(loading, 0.1)).min())
    points = math.ceil(2 * reach / min(0.2, steepest / 2)) + 1
    z = np.linspace(-reach, reach, points)
    within = np.zeros((len(criticals), points))
    for weight, spread in zip(loading, own, strict=True):
        outside = log_ndtr((weight * z[None, :] - criticals[:, None]) / spread)
        tail = np.exp(outside)
        if two_sided:
            tail = tail + ndtr((-criticals[:, None] - weight * z[None, :]) / spread)
        with np.errstate(divide="ignore"):
            within += np.log1p(-np.minimum(tail, 1.0))
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return np.asarray(np.trapezoid(-np.expm1(within) * density[None, :], z, axis=1), dtype=float)


def _scale_quantile(probability: float, degrees: float) -> float:
    """Quantile of the square root of a chi-square over its degrees of freedom."""
    return max(math.sqrt(2 * float(gammaincinv(degrees / 2, probability)) / degrees), 1e-150)


def _require_loadings(shared: Sequence[float]) -> None:
    if not shared or not all(0 <= loading <= 1 for loading in shared):
        raise ValueError(f"loadings must lie in [0, 1], one per comparison; got {list(shared)}")
