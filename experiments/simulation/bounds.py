"""Bounds: the simulated rates that chance explains when a promise is kept."""

from __future__ import annotations

from collections.abc import Callable

from scipy.special import bdtr, bdtrc

from experiments.documents.simulation import Side
from experiments.inference.tails import require_probability


def binomial_bounds(target: float, runs: int, side: Side, level: float) -> tuple[float, float]:
    """The lowest and the highest rate that a true rate of `target` leaves with probability at most `level`.

    Exact binomial tails, `level / 2` at each end for `both`; the end that does not count is 0 or 1. For a mean of shares
    in [0, 1] the bounds are wider than needed, since no such mean varies more than a rate.

    Args:
        target: The true rate.
        runs: Simulated experiments.
        side: Which departures count.
        level: The probability of leaving the bounds.

    Raises:
        ValueError: Target or level outside (0, 1).

    >>> binomial_bounds(0.05, 2000, "both", 0.05)
    (0.0405, 0.06)
    """
    require_probability(target, "target")
    require_probability(level, "level")
    tail = level / 2 if side == "both" else level
    low, high = 0, runs
    if side != "above":
        low = _first(lambda hits: float(bdtr(hits, runs, target)) > tail, runs)
    if side != "below":
        high = _first(lambda hits: float(bdtrc(hits, runs, target)) <= tail, runs)
    return low / runs, high / runs


def _first(holds: Callable[[int], bool], most: int) -> int:
    """The smallest count from which on a condition holds; `most` where it never does."""
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
