"""Comparisons of two independent estimates of a mean by a t statistic: what Welch, delta and Lin share."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from experiments.inference.lift import Lift, log_ratio_lift
from experiments.inference.tails import Alternative, critical_value, tail_probability

_LARGEST_RATIO = 1e150
"""The square of a larger ratio is no double."""


@dataclass(frozen=True)
class MeanEstimate:
    """An estimate of one arm's mean.

    Attributes:
        members: Members assigned to the arm.
        mean: The estimate.
        variance: Its variance (squared standard error); None where too few members show one.
        degrees: Degrees of freedom of that variance.
    """

    members: int
    mean: float
    variance: float | None
    degrees: float


class WaldComparison(ABC):
    """Difference of two independent means with Satterthwaite's degrees of freedom (Welch 1947).

    A subclass says how each mean and its variance are estimated. Where the data show no variance at all
    (one member, all values equal in both arms) there is no standard error: the p-value is 1 and the
    interval the whole line.
    """

    @property
    @abstractmethod
    def method(self) -> str:
        """Name of the estimator, as a row of the analysis shows it."""

    @property
    @abstractmethod
    def estimates(self) -> tuple[MeanEstimate, MeanEstimate]:
        """The arm's estimate and the one that it is compared with."""

    @property
    def members_arm(self) -> int:
        """Members assigned to the arm."""
        return self.estimates[0].members

    @property
    def members_versus(self) -> int:
        """Members assigned to the arm that it is compared with."""
        return self.estimates[1].members

    @property
    def mean_arm(self) -> float:
        """Estimated mean of the arm."""
        return self.estimates[0].mean

    @property
    def mean_versus(self) -> float:
        """Estimated mean of the arm that it is compared with."""
        return self.estimates[1].mean

    @property
    def variance_arm(self) -> float | None:
        """Squared standard error of `mean_arm`."""
        return self.estimates[0].variance

    @property
    def variance_versus(self) -> float | None:
        """Squared standard error of `mean_versus`."""
        return self.estimates[1].variance

    @property
    def difference(self) -> float:
        """`mean_arm - mean_versus`."""
        return self.mean_arm - self.mean_versus

    @property
    def std_error(self) -> float | None:
        """Standard error of the difference."""
        scaled = self._scaled_error(1.0)
        return None if scaled is None else scaled[0]

    @property
    def degrees(self) -> float:
        """Satterthwaite's degrees of freedom of the difference; infinite where there is no variance."""
        scaled = self._scaled_error(1.0)
        return math.inf if scaled is None else scaled[1]

    @property
    def statistic(self) -> float | None:
        """T statistic of the hypothesis of no difference."""
        error = self.std_error
        return None if error is None else self.difference / error

    @property
    def has_test(self) -> bool:
        """Whether there is a standard error."""
        return self.std_error is not None

    def p_value(self, null: float = 0.0, alternative: Alternative = "two-sided") -> float:
        """P-value of H0: difference = null (`two-sided`), <= null (`greater`), >= null (`less`)."""
        return self._contrast_p_value(1.0, null, alternative)

    def ratio_p_value(self, ratio: float, alternative: Alternative = "two-sided") -> float:
        """P-value of H0: mean_arm = ratio x mean_versus, or <= (`greater`), or >= (`less`) (Fieller 1954)."""
        return self._contrast_p_value(ratio, 0.0, alternative)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Two-sided 1 - alpha interval for the difference; (-inf, inf) without a standard error."""
        critical = critical_value(alpha, self.degrees)
        error = self.std_error
        half = math.inf if error is None else critical * error
        return self.difference - half, self.difference + half

    def lift(self, alpha: float) -> Lift | None:
        """Lift and its 1 - alpha interval from the log ratio; None where a mean is not positive, or too near 0."""
        arm, versus = self.estimates
        if self.std_error is None or arm.mean <= 0 or versus.mean <= 0:
            return None
        assert arm.variance is not None
        assert versus.variance is not None
        ratio = arm.mean / versus.mean
        if ratio > _LARGEST_RATIO:
            return None
        scaled = self._scaled_error(ratio)
        degrees = math.inf if scaled is None else scaled[1]
        critical = critical_value(alpha, degrees)
        return log_ratio_lift(arm.mean, versus.mean, arm.variance, versus.variance, critical)

    def _contrast_p_value(self, ratio: float, null: float, alternative: Alternative) -> float:
        scaled = self._scaled_error(ratio)
        if scaled is None:
            return 1.0
        error, degrees = scaled
        return tail_probability(
            (self.mean_arm - ratio * self.mean_versus - null) / error, alternative, degrees
        )

    def _scaled_error(self, ratio: float) -> tuple[float, float] | None:
        """Standard error and degrees of freedom of mean_arm - ratio x mean_versus; None without variance."""
        arm, versus = self.estimates
        if arm.variance is None or versus.variance is None:
            return None
        parts = arm.variance, ratio**2 * versus.variance
        largest = max(parts)
        if largest <= 0:
            return None
        # Shares of the larger part keep the squares below from underflowing.
        shares = parts[0] / largest, parts[1] / largest
        spread = shares[0] ** 2 / arm.degrees + shares[1] ** 2 / versus.degrees
        degrees = sum(shares) ** 2 / spread if spread > 0 else math.inf
        return math.sqrt(sum(parts)), degrees
