"""Guardrails: one-sided non-inferiority of an arm to control on a metric that must not get worse."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scipy.optimize import brentq

from experiments.inference.comparison import Comparison
from experiments.inference.tails import Alternative

Better = Literal["up", "down"]
Status = Literal["pass", "fail", "unclear"]

# A ratio of means beyond this is called unbounded.
_LARGEST_RATIO = 1e9


@dataclass(frozen=True)
class Guardrail:
    """Answer of a guardrail.

    Attributes:
        bound: One-sided confidence bound of the harm, on the limit's scale; None where the data set none.
        p_value: Of H0: the harm reaches the limit.
        status: `pass` when the harm is shown to stay under the limit, `fail` when it is shown to reach it,
            else `unclear`.
    """

    bound: float | None
    p_value: float
    status: Status


def non_inferiority(
    comparison: Comparison, limit: float, better: Better, *, level: float = 0.05, relative: bool = False
) -> Guardrail:
    """Tests an arm against the worst acceptable change: at `limit`, one-sided, at `level`.

    Both directions are tested at the limit: `pass` when the confidence bound on the harmful side is inside the
    limit, `fail` when the bound on the other side is at or beyond it (score test for proportions,
    Welch for means; Farrington and Manning 1990).

    Args:
        comparison: The arm against control.
        limit: Arm minus control, or with `relative` arm / control - 1: the change that is too much. Positive
            where less is better (complaints + .0005), negative where more is (order value - 2.0).
        better: `down` where a rise does harm, `up` where a fall does.
        level: One-sided level.
        relative: Whether the limit is relative to control's mean.

    Raises:
        ValueError: The level is outside (0, .5), or a limit is impossible (below -100 %, or an absolute
            one beyond -1..1 for proportions).

    >>> from experiments.inference.proportions import ScoreComparison
    >>> from experiments.inference.score import TwoByTwo
    >>> complaints = ScoreComparison(TwoByTwo(31, 20_000, 30, 20_000))
    >>> non_inferiority(complaints, 0.001, "down").status
    'pass'
    """
    if not 0 < level < 0.5:
        raise ValueError(f"level is {level}; a one-sided level lies between 0 and one half")
    if relative and limit < -1:
        raise ValueError(f"a relative limit of {limit} is below -100 %")

    def p_value(at: float, alternative: Alternative) -> float:
        if relative:
            return comparison.ratio_p_value(1 + at, alternative)
        return comparison.p_value(at, alternative)

    safe, harmful = _directions(better)
    p = p_value(limit, safe)
    status: Status = "unclear"
    if p <= level:
        status = "pass"
    elif p_value(limit, harmful) <= level:
        status = "fail"
    if relative:
        return Guardrail(_relative_bound(comparison, better, level), p, status)
    low, high = comparison.interval(2 * level)
    bound = high if better == "down" else low
    return Guardrail(bound if math.isfinite(bound) else None, p, status)


def _directions(better: Better) -> tuple[Alternative, Alternative]:
    """The alternatives that say "the harm is under the limit" and "the harm is over it"."""
    return ("less", "greater") if better == "down" else ("greater", "less")


def _relative_bound(comparison: Comparison, better: Better, level: float) -> float | None:
    """The relative change at which the one-sided ratio test just stops rejecting."""
    safe, _ = _directions(better)

    def excess(ratio: float) -> float:
        return comparison.ratio_p_value(ratio, safe) - level

    if better == "up":
        if excess(0.0) >= 0:
            return None
        start = 1.0
        while excess(start) < 0 and start < _LARGEST_RATIO:
            start *= 2
        return float(brentq(excess, 0.0, start, xtol=1e-12)) - 1 if start < _LARGEST_RATIO else None
    high = 1.0
    while excess(high) > 0 and high < _LARGEST_RATIO:
        high *= 2
    if high >= _LARGEST_RATIO:
        return None
    return float(brentq(excess, 0.0, high, xtol=1e-12)) - 1 if excess(0.0) > 0 else -1.0
