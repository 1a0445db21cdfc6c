"""Lift: the relative difference of two means, with its interval from the log ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass

# exp() overflows beyond this; a log ratio that uncertain says nothing about the lift.
_LARGEST_LOG = 700.0


@dataclass(frozen=True)
class Lift:
    """Relative difference `mean_arm / mean_versus - 1` and its interval."""

    lift: float
    low: float
    high: float


def log_ratio_lift(
    mean_arm: float, mean_versus: float, variance_arm: float, variance_versus: float, critical: float
) -> Lift | None:
    """Lift with the interval exp(log ratio +- critical x se), se by the delta method on the log scale.

    Keeps its coverage with unequal shares, where the interval on the natural scale does not
    (Deng, Knoblich and Lu 2018, section 3).

    Args:
        mean_arm: Mean of the arm.
        mean_versus: Mean that it is compared with; independent of the arm's.
        variance_arm: Variance of `mean_arm` (squared standard error).
        variance_versus: Variance of `mean_versus`.
        critical: Two-sided critical value.

    Returns:
        None where either mean is not positive, or too near 0 for the interval to be finite.

    >>> log_ratio_lift(0.3, 0.2, 0.0, 0.0, 1.96).lift
    0.4999999999999998
    """
    if mean_arm <= 0 or mean_versus <= 0:
        return None
    # hypot, because the square of a mean near 0 may be 0.
    error = math.hypot(math.sqrt(variance_arm) / mean_arm, math.sqrt(variance_versus) / mean_versus)
    centre = math.log(mean_arm) - math.log(mean_versus)
    if not abs(centre) + critical * error < _LARGEST_LOG:
        return None
    low, high = (math.expm1(centre + side * critical * error) for side in (-1, 1))
    return Lift(mean_arm / mean_versus - 1, low, high)
