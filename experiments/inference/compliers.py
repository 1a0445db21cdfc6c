"""The effect on compliers: those whom a message reaches because they were assigned to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from scipy.special import ndtri

from experiments.inference.moments import Moments

WEAK_BELOW = math.sqrt(10.0)
"""Standard errors by which the shares reached must differ; below, the ratio is far from normal (Staiger and Stock 1997)."""


@dataclass(frozen=True)
class ComplierEffect:
    """The Wald ratio: the effect of assignment on the outcome over its effect on the share reached.

    The estimand is the mean effect on the members who are reached if assigned to `arm` and not if assigned to `versus` (the
    local average treatment effect), if being assigned changes an outcome only by being reached and keeps nobody from being
    reached (Angrist, Imbens and Rubin 1996). Where nobody of `versus` is reached (one-sided non-compliance) it is the
    effect on the members reached, and the second condition holds by itself.

    Attributes:
        arm: Moments of the outcome and of whether a member was reached.
        versus: The same of the arm that it is compared with.
        outcome: The column of the outcome.
        reached: The column that is 1 for a member reached, else 0.

    Raises:
        ValueError: An arm has fewer than two members.

    >>> def rows(pairs): return Moments.from_rows(("y", "d"), pairs)
    >>> told = ComplierEffect(rows([(2, 1), (0, 0), (2, 1), (0, 0)]), rows([(0, 0), (1, 0), (0, 0), (1, 0)]), "y", "d")
    >>> told.difference_reached, told.effect
    (0.5, 1.0)
    """

    arm: Moments
    versus: Moments
    outcome: str
    reached: str

    def __post_init__(self) -> None:
        if min(self.arm.count, self.versus.count) < 2:
            raise ValueError("the effect on compliers needs two members in each arm")

    @property
    def is_one_sided(self) -> bool:
        """Whether nobody of `versus` was reached."""
        return self.versus.nonzero_count(self.reached) == 0

    @property
    def difference_reached(self) -> float:
        """The share of compliers: the share reached in `arm` minus that in `versus`."""
        return self.arm.average(self.reached) - self.versus.average(self.reached)

    @property
    def is_weak(self) -> bool:
        """Whether the shares reached are too alike for the ratio: no effect is told then."""
        variance = sum(side.variance(self.reached) / side.count for side in (self.arm, self.versus))
        return self.difference_reached <= WEAK_BELOW * math.sqrt(variance) or self.difference_reached <= 0

    @cached_property
    def effect(self) -> float:
        """The Wald ratio.

        Raises:
            ZeroDivisionError: The same share of both arms was reached.
        """
        difference = self.arm.average(self.outcome) - self.versus.average(self.outcome)
        return difference / self.difference_reached

    @cached_property
    def std_error(self) -> float:
        """By the delta method: that of the difference of means of (outcome - effect x reached), over the share of compliers."""
        variance = sum(self._residual_variance(side) / side.count for side in (self.arm, self.versus))
        return math.sqrt(variance) / abs(self.difference_reached)

    def interval(self, alpha: float) -> tuple[float, float]:
        """The 1 - alpha normal interval."""
        margin = float(ndtri(1 - alpha / 2)) * self.std_error
        return self.effect - margin, self.effect + margin

    def _residual_variance(self, side: Moments) -> float:
        spread = (
            side.variance(self.outcome)
            - 2 * self.effect * side.covariance(self.outcome, self.reached)
            + self.effect**2 * side.variance(self.reached)
        )
        return max(spread, 0.0)
