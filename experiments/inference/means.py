"""Means of amounts and counts: Welch's t test."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from experiments.inference.moments import Moments
from experiments.inference.wald import MeanEstimate, WaldComparison


@dataclass(frozen=True)
class WelchComparison(WaldComparison):
    """Difference of two means with unequal variances (Welch 1947): method `welch`.

    The estimand is the intention-to-treat effect per assigned member.

    Attributes:
        arm: Moments of the arm.
        versus: Moments of the arm that it is compared with.
        metric: The column.

    Raises:
        ValueError: An arm has no members.

    >>> control = Moments.from_rows(("spend",), [[0.0], [0.0], [4.0], [2.0]])
    >>> offer = Moments.from_rows(("spend",), [[9.0], [0.0], [5.0], [6.0]])
    >>> round(WelchComparison(offer, control, "spend").p_value(), 4)
    0.1636
    """

    arm: Moments
    versus: Moments
    metric: str

    def __post_init__(self) -> None:
        if not (self.arm.count and self.versus.count):
            raise ValueError(f"an arm without members has no mean of {self.metric}")

    @property
    def method(self) -> str:
        """Always `welch`."""
        return "welch"

    @cached_property
    def estimates(self) -> tuple[MeanEstimate, MeanEstimate]:
        """Sample means."""
        return estimate_mean(self.arm, self.metric), estimate_mean(self.versus, self.metric)


def estimate_mean(moments: Moments, metric: str) -> MeanEstimate:
    """The sample mean of one arm with members."""
    n = moments.count
    variance = moments.variance(metric) / n if n > 1 else None
    return MeanEstimate(n, moments.average(metric), variance, n - 1)
