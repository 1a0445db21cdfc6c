"""Schedules of looks as planned: what looking more than once costs in members and power, for any planned test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from scipy.special import ndtr, ndtri

from experiments.inference.always_valid import ConfidenceSequence
from experiments.inference.sequential import (
    SpendingName,
    crossing_probabilities,
    inflation,
    spending_bounds,
    spending_function,
)

# Powers of 0 and 1 have no finite expected statistic; these are as good.
_NEARLY_ONE = 1 - 1e-15


class Schedule(Protocol):
    """When a test is looked at, and what follows for its power."""

    def inflation(self, alpha: float, power: float) -> float:
        """How many times the members of a fixed two-sided test at alpha are needed for the same power.

        Raises:
            ValueError: alpha or power is out of range, or power does not exceed alpha / 2.
        """

    def power(self, fixed: float, alpha: float) -> float:
        """Probability to reject at any look, where a fixed two-sided test at alpha rejects with probability `fixed`."""


@dataclass(frozen=True)
class FixedSchedule:
    """One look at the end."""

    def inflation(self, alpha: float, power: float) -> float:  # noqa: ARG002
        """Nothing is added."""
        return 1.0

    def power(self, fixed: float, alpha: float) -> float:  # noqa: ARG002
        """The fixed test's own."""
        return fixed


@dataclass(frozen=True)
class GroupSequentialSchedule:
    """Planned looks with error spending (Lan and DeMets 1983).

    Attributes:
        information: Planned fraction at each look, the last one 1.
        spending: How the error is spent.

    >>> schedule = GroupSequentialSchedule((0.5, 1.0), "obrien_fleming")
    >>> round(schedule.inflation(0.05, 0.8), 4), round(schedule.power(0.8, 0.05), 4)
    (1.0037, 0.7985)
    """

    information: tuple[float, ...]
    spending: SpendingName

    def inflation(self, alpha: float, power: float) -> float:
        """The square of the ratio of drifts."""
        return inflation(self.information, self.spending, alpha, power)

    def power(self, fixed: float, alpha: float) -> float:
        """Crossing on the effect's side, with the drift that gives the fixed test its power."""
        drift = _drift(fixed, alpha)
        return min(1.0, sum(crossing_probabilities(self.information, self.bounds(alpha), drift)))

    def bounds(self, alpha: float) -> tuple[float, ...]:
        """The z bound of each planned look, two-sided at alpha."""
        return spending_bounds(self.information, spending_function(self.spending, alpha / 2))

    def spent(self, alpha: float) -> tuple[float, ...]:
        """The two-sided error spent up to each planned look."""
        spending = spending_function(self.spending, alpha / 2)
        return tuple(2 * spending(fraction) for fraction in self.information)


@dataclass(frozen=True)
class AlwaysValidSchedule:
    """Any number of looks by a confidence sequence that is narrowest at the planned members.

    Power is that of the last look alone: a lower limit, which any earlier look adds to.

    Attributes:
        alpha: The two-sided level that the sequence is tuned for.

    >>> round(AlwaysValidSchedule(0.05).inflation(0.05, 0.8), 3)
    1.915
    """

    alpha: float

    def inflation(self, alpha: float, power: float) -> float:
        """The square of the ratio of the expected statistics that the last look asks for."""
        fixed = _drift(power, alpha)
        if fixed <= 0:
            raise ValueError(f"power {power} must exceed alpha / 2 = {alpha / 2}")
        return ((self.critical(alpha) + float(ndtri(power))) / fixed) ** 2

    def power(self, fixed: float, alpha: float) -> float:
        """Probability to reject at the planned members."""
        return float(ndtr(_drift(fixed, alpha) - self.critical(alpha)))

    def critical(self, alpha: float) -> float:
        """Half the width of the interval at the planned members, in standard errors."""
        return ConfidenceSequence(0.0, 1.0, 1.0, 1.0, self.alpha).critical(alpha)


def _drift(power: float, alpha: float) -> float:
    """The expected z at which a two-sided test at alpha has this power, the other side left out."""
    return float(ndtri(min(max(power, 1 - _NEARLY_ONE), _NEARLY_ONE)) - ndtri(alpha / 2))
