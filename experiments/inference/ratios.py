"""Ratios of sums (order value = revenue / orders): the delta method."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from experiments.inference.moments import Moments
from experiments.inference.wald import MeanEstimate, WaldComparison


@dataclass(frozen=True)
class DeltaRatioComparison(WaldComparison):
    """Difference of two ratios of sums, members being the units (Deng et al. 2018): method `delta`.

    The estimand is sum(numerator) / sum(denominator) of an arm. It is not a causal effect per order: an
    arm also changes who orders.

    Attributes:
        arm: Moments of the arm.
        versus: Moments of the arm that it is compared with.
        numerator: The column above the line.
        denominator: The column below it.

    Raises:
        ValueError: An arm has no members, or its denominator's sum is not positive.
    """

    arm: Moments
    versus: Moments
    numerator: str
    denominator: str

    def __post_init__(self) -> None:
        for moments in (self.arm, self.versus):
            _positive(moments.average(self.denominator), self.numerator, self.denominator)

    @property
    def method(self) -> str:
        """Always `delta`."""
        return "delta"

    @cached_property
    def estimates(self) -> tuple[MeanEstimate, MeanEstimate]:
        """Ratios of sums."""
        return (
            estimate_ratio(self.arm, self.numerator, self.denominator),
            estimate_ratio(self.versus, self.numerator, self.denominator),
        )


def estimate_ratio(moments: Moments, numerator: str, denominator: str) -> MeanEstimate:
    """The ratio of sums of one arm; its variance is that of the mean of (numerator - ratio x denominator).

    Raises:
        ValueError: The arm has no members or the denominator's sum is not positive.
    """
    n = moments.count
    ratio = moments.average(numerator) / _positive(moments.average(denominator), numerator, denominator)
    variance = ratio_variance(moments, numerator, denominator) / n if n > 1 else None
    return MeanEstimate(n, ratio, variance, n - 1)


def ratio_variance(moments: Moments, numerator: str, denominator: str) -> float:
    """Variance per member of the linearised ratio, (numerator - ratio x denominator) / mean(denominator).

    Raises:
        ValueError: Fewer than two members, or the denominator's sum is not positive.
    """
    below = _positive(moments.average(denominator), numerator, denominator)
    ratio = moments.average(numerator) / below
    spread = (
        moments.variance(numerator)
        - 2 * ratio * moments.covariance(numerator, denominator)
        + ratio**2 * moments.variance(denominator)
    )
    return max(spread, 0.0) / below**2


def _positive(below: float, numerator: str, denominator: str) -> float:
    if below <= 0:
        raise ValueError(f"{numerator} / {denominator} needs a positive denominator; its mean is {below}")
    return below
