"""Power where shops or households are assigned: members who are alike tell less than as many strangers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from experiments.inference.cluster_robust import ClusterComparison
from experiments.inference.clusters import ClusterSums
from experiments.inference.power import PlannedMetric


@dataclass(frozen=True)
class PlannedByUnit:
    """A metric whose members are assigned by unit: n members have the errors of n / design_effect (Kish 1965).

    The test has the degrees of freedom of the units, not of the members (Donner and Klar 2000).

    Attributes:
        metric: The metric, had members been assigned alone.
        design_effect: How many times its variance the mean has by unit; positive.
        members_per_unit: Members of a unit, on average.

    Raises:
        ValueError: A figure is not positive.
    """

    metric: PlannedMetric
    design_effect: float
    members_per_unit: float

    def __post_init__(self) -> None:
        if self.design_effect <= 0 or self.members_per_unit <= 0:
            raise ValueError(
                f"a design effect of {self.design_effect} and {self.members_per_unit} members a unit plan nothing"
            )

    def null_error(self, difference: float, effect: float, arm: float, versus: float) -> float:
        """Standard error that the test uses when it tests `difference` and `effect` is true."""
        return self.metric.null_error(
            difference, effect, arm / self.design_effect, versus / self.design_effect
        )

    def true_error(self, effect: float, arm: float, versus: float) -> float:
        """Standard error of the estimated difference when `effect` is true."""
        return self.metric.true_error(effect, arm / self.design_effect, versus / self.design_effect)

    def degrees(self, arm: float, versus: float) -> float:
        """Units less two, at least one."""
        return max(1.0, (arm + versus) / self.members_per_unit - 2)

    def furthest(self, direction: Literal[-1, 1]) -> float:
        """The largest possible effect in a direction."""
        return self.metric.furthest(direction)


def design_effect(
    sums: ClusterSums, variance: float, metric: str, denominator: str | None = None, *, adjusted: bool = False
) -> float | None:
    """The CR2 variance of a mean over the variance that it would have were its members assigned alone.

    Args:
        sums: Past members by unit.
        variance: The metric's variance per member (a linearised ratio's).
        metric: The column (a ratio's numerator).
        denominator: A ratio's denominator.
        adjusted: Whether the covariates are used; what they explain then lowers the effect, even below 1.

    Returns:
        None where a single unit, or no variance, tells nothing.
    """
    found = ClusterComparison(sums, sums, metric, adjusted, denominator).estimates[0].variance
    return found * sums.members / variance if found and variance > 0 else None
