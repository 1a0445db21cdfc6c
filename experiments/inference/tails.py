"""Tail probabilities and critical values of the normal and Student's t, exact far into the tails."""

from __future__ import annotations

import math
from typing import Literal

from scipy.special import ndtr, ndtri, stdtr, stdtrit

Alternative = Literal["two-sided", "greater", "less"]


def tail_probability(statistic: float, alternative: Alternative, degrees: float = math.inf) -> float:
    """P-value of a statistic that is standard normal or Student's t under its null hypothesis.

    The lower tail is always evaluated at the negative side, so that nothing is lost to `1 - p`.

    Args:
        statistic: Observed z or t.
        alternative: `greater` takes the upper tail, `less` the lower one.
        degrees: Degrees of freedom; infinite for the normal.

    >>> tail_probability(-34.0, "two-sided") > 0
    True
    """
    if alternative == "two-sided":
        return min(1.0, 2.0 * _lower_tail(-abs(statistic), degrees))
    return _lower_tail(-statistic if alternative == "greater" else statistic, degrees)


def critical_value(alpha: float, degrees: float = math.inf) -> float:
    """The two-sided critical value: the statistic exceeds it in absolute value with probability alpha.

    Raises:
        ValueError: alpha is not strictly between 0 and 1.

    >>> round(critical_value(0.05), 4)
    1.96
    """
    require_probability(alpha, "alpha")
    return -float(ndtri(alpha / 2) if math.isinf(degrees) else stdtrit(degrees, alpha / 2))


def require_probability(value: float, name: str) -> None:
    """Raises ValueError unless the value lies strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}; it must lie strictly between 0 and 1")


def _lower_tail(statistic: float, degrees: float) -> float:
    return float(ndtr(statistic) if math.isinf(degrees) else stdtr(degrees, statistic))
