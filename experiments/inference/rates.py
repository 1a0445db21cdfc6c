"""The interval of a single rate, such as an arm's conversion or the level that a simulation finds."""

from __future__ import annotations

import math

from scipy.special import betaincinv

from experiments.inference.tails import critical_value, require_probability


def wilson_interval(successes: int, members: int, alpha: float = 0.05) -> tuple[float, float]:
    """Score interval of a rate (Wilson 1927): near its coverage on average, also with few successes.

    Raises:
        ValueError: No members, successes outside 0..members, or alpha outside (0, 1).

    >>> [round(bound, 6) for bound in wilson_interval(480, 12_000)]
    [0.036639, 0.043656]
    """
    _require_count(successes, members)
    z = critical_value(alpha)
    rate, weight = successes / members, z**2 / members
    centre = (rate + weight / 2) / (1 + weight)
    half = math.sqrt(rate * (1 - rate) * weight + weight**2 / 4) / (1 + weight)
    return (
        0.0 if successes == 0 else max(0.0, centre - half),
        1.0 if successes == members else min(1.0, centre + half),
    )


def clopper_pearson_interval(successes: int, members: int, alpha: float = 0.05) -> tuple[float, float]:
    """Exact interval of a rate (Clopper and Pearson 1934): never below its coverage.

    Raises:
        ValueError: No members, successes outside 0..members, or alpha outside (0, 1).

    >>> [round(bound, 6) for bound in clopper_pearson_interval(480, 12_000)]
    [0.036564, 0.043661]
    """
    _require_count(successes, members)
    require_probability(alpha, "alpha")
    failures = members - successes
    low = float(betaincinv(successes, failures + 1, alpha / 2)) if successes else 0.0
    high = float(betaincinv(successes + 1, failures, 1 - alpha / 2)) if failures else 1.0
    return low, high


def _require_count(successes: int, members: int) -> None:
    if members < 1 or not 0 <= successes <= members:
        raise ValueError(f"{successes} successes of {members} members have no rate")
