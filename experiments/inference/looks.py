"""Comparisons at a look: p-values and intervals of any estimator, with the bounds of a design that looks more than once."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri

from experiments.inference.always_valid import ConfidenceSequence
from experiments.inference.comparison import Comparison
from experiments.inference.lift import Lift, log_ratio_lift
from experiments.inference.look_names import ALWAYS_VALID, GROUP_SEQUENTIAL
from experiments.inference.moments import Array
from experiments.inference.sequential import SpendingName, nominal_level, spending_bounds, spending_function
from experiments.inference.tails import Alternative

LEAST_EVENTS = 100
"""Events of both arms together from which an asymptotic confidence sequence is trusted."""

_RATE_METHODS = frozenset({"score", "boschloo", "exact_conditional"})

# Repeated p-values are read from a table over this range of one-sided levels.
_SMALLEST, _LARGEST = 1e-15, 1 - 1e-6
_NODES = 121
_LEAST_STEP = 1e-9


@dataclass(frozen=True)
class GroupSequentialBounds:
    """The bounds of the current look by error spending at the information that there was (Lan and DeMets 1983).

    Attributes:
        information: Information fraction of each look so far, increasing; the last is the current look's.
        spending: How the error is spent.
        final: Whether no look follows, so that what is left is spent now, whatever the information.

    Raises:
        ValueError: The fractions are not positive and increasing.

    >>> bounds = GroupSequentialBounds((0.5, 1.0), "obrien_fleming", final=True)
    >>> round(bounds.bound(0.05), 3), round(bounds.p_value(0.04), 4)
    (1.969, 0.0407)
    """

    information: tuple[float, ...]
    spending: SpendingName
    final: bool = False

    def bound(self, alpha: float) -> float:
        """The z beyond which a two-sided test at alpha rejects; infinite where nothing may be spent yet."""
        return spending_bounds(self.information, self._spend(alpha / 2))[-1]

    def nominal_level(self, alpha: float) -> float:
        """The two-sided level of that bound: an ordinary p-value up to it rejects; 0 where nothing may be spent."""
        return _nominal_level(self, alpha)

    def spent(self, alpha: float) -> float:
        """The two-sided error spent up to this look."""
        return 2 * self._spend(alpha / 2)(self.information[-1])

    def p_value(self, p_value: float, alternative: Alternative = "two-sided") -> float:
        """The smallest alpha at which an ordinary p-value of this look rejects: the repeated p-value.

        Jennison and Turnbull (2000, chapter 9). Read from a table of bounds, exact to about six digits; at least 1e-15.
        """
        sides = 2.0 if alternative == "two-sided" else 1.0
        if p_value <= 0:
            return _SMALLEST
        z = -float(ndtri(p_value / sides))
        heights, levels = _table(self)
        if z >= heights[-1]:
            return _SMALLEST
        return min(1.0, sides * math.exp(float(levels(z)))) if z > heights[0] else 1.0

    def _spend(self, one_sided: float) -> Callable[[float], float]:
        by_name = spending_function(self.spending, one_sided)
        last = self.information[-1]

        def allowed(fraction: float) -> float:
            return one_sided if self.final and fraction >= min(last, 1.0) else by_name(min(fraction, 1.0))

        return allowed


@lru_cache(maxsize=256)
def _nominal_level(bounds: GroupSequentialBounds, alpha: float) -> float:
    """Kept, because every comparison of a look asks for the same few levels."""
    return nominal_level(bounds.bound(alpha))


@lru_cache(maxsize=64)
def _table(bounds: GroupSequentialBounds) -> tuple[Array, Callable[[float], Array]]:
    """Bounds, rising, and the logarithm of the one-sided level as a monotone function of them."""
    from scipy.interpolate import CubicSpline

    # Even steps of the normal quantile are near to even steps of the bound.
    ends = -ndtri(np.array([_LARGEST, _SMALLEST]))
    levels = ndtr(-np.linspace(ends[0], ends[1], _NODES))
    heights = np.array([bounds.bound(2 * float(level)) for level in levels])
    # Where nothing may be spent at a level, the bound is infinite, and is so at every smaller level.
    finite = int(np.isfinite(heights).sum())
    heights, levels = heights[:finite], levels[:finite]
    rising = np.diff(heights, prepend=-math.inf) > _LEAST_STEP
    kept = heights[rising]
    found: Callable[[float], Array] = CubicSpline(kept, np.log(levels[rising]))
    return kept, found


class ComparisonAtLook(ABC):
    """A comparison whose p-values and intervals hold at every look together; estimates are the ordinary ones."""

    comparison: Comparison

    @property
    @abstractmethod
    def method(self) -> str:
        """The estimator's method, then the kind of look: `score_group_sequential`."""

    @property
    def members_arm(self) -> int:
        """Members counted in the arm."""
        return self.comparison.members_arm

    @property
    def members_versus(self) -> int:
        """Members counted in the arm that it is compared with."""
        return self.comparison.members_versus

    @property
    def mean_arm(self) -> float:
        """Estimated mean of the arm."""
        return self.comparison.mean_arm

    @property
    def mean_versus(self) -> float:
        """Estimated mean of the arm that it is compared with."""
        return self.comparison.mean_versus

    @property
    def variance_arm(self) -> float | None:
        """Squared standard error of `mean_arm`."""
        return self.comparison.variance_arm

    @property
    def variance_versus(self) -> float | None:
        """Squared standard error of `mean_versus`."""
        return self.comparison.variance_versus

    @property
    def difference(self) -> float:
        """`mean_arm - mean_versus`."""
        return self.comparison.difference

    @property
    def std_error(self) -> float | None:
        """Standard error of the difference at this look."""
        return self.comparison.std_error

    @property
    def statistic(self) -> float | None:
        """The ordinary statistic of no difference, which the look's bound is compared with."""
        return self.comparison.statistic

    @property
    def has_test(self) -> bool:
        """Whether the ordinary comparison has a test."""
        return self.comparison.has_test


@dataclass(frozen=True)
class RepeatedComparison(ComparisonAtLook):
    """A comparison at a look of a group-sequential design: repeated p-values and repeated intervals.

    The rule of the nominal level carries the bounds, which are those of a normal process, to any statistic.

    Attributes:
        comparison: The ordinary comparison of this look's data.
        bounds: The look's bounds.
    """

    comparison: Comparison
    bounds: GroupSequentialBounds

    @property
    def method(self) -> str:
        """The estimator's method and `group_sequential`."""
        return f"{self.comparison.method}_{GROUP_SEQUENTIAL}"

    def p_value(self, null: float = 0.0, alternative: Alternative = "two-sided") -> float:
        """Repeated p-value of H0: difference = null (`two-sided`), <= null (`greater`), >= null (`less`)."""
        return self.bounds.p_value(self.comparison.p_value(null, alternative), alternative)

    def ratio_p_value(self, ratio: float, alternative: Alternative = "two-sided") -> float:
        """Repeated p-value of H0: mean_arm = ratio x mean_versus, or <= (`greater`), or >= (`less`)."""
        return self.bounds.p_value(self.comparison.ratio_p_value(ratio, alternative), alternative)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Repeated 1 - alpha interval for the difference; (-inf, inf) where nothing may be spent yet."""
        level = self.bounds.nominal_level(alpha)
        return self.comparison.interval(level) if level > 0 else (-math.inf, math.inf)

    def lift(self, alpha: float) -> Lift | None:
        """Lift with its repeated 1 - alpha interval; None where either mean is not positive or no interval is finite."""
        level = self.bounds.nominal_level(alpha)
        return self.comparison.lift(level) if level > 0 else None


@dataclass(frozen=True)
class AnytimeComparison(ComparisonAtLook):
    """A comparison that may be looked at as often as one likes, by an asymptotic confidence sequence.

    With fewer than `LEAST_EVENTS` events, or without a standard error, nothing is claimed: every p-value is 1 and the
    interval the whole line. Rates by their unpooled standard error (method `wald_always_valid`).

    Attributes:
        comparison: The ordinary comparison of this look's data.
        planned: Planned members of both arms, fixed before the first look.
        alpha: The two-sided level at which the sequence is narrowest at the planned number, fixed likewise.
        events: Non-zero values of both arms.
    """

    comparison: Comparison
    planned: float
    alpha: float
    events: int

    @property
    def method(self) -> str:
        """The estimator's method and `always_valid`."""
        named = self.comparison.method
        return f"{'wald' if named in _RATE_METHODS else named}_{ALWAYS_VALID}"

    def p_value(self, null: float = 0.0, alternative: Alternative = "two-sided") -> float:
        """Always-valid p-value of H0: difference = null (`two-sided`), <= null (`greater`), >= null (`less`)."""
        sequence = self._sequence(self.difference, self.std_error)
        return sequence.p_value(null, alternative) if sequence else 1.0

    def ratio_p_value(self, ratio: float, alternative: Alternative = "two-sided") -> float:
        """Always-valid p-value of H0: mean_arm = ratio x mean_versus, or <= (`greater`), or >= (`less`)."""
        if self.variance_arm is None or self.variance_versus is None:
            return 1.0
        error = math.sqrt(self.variance_arm + ratio**2 * self.variance_versus)
        sequence = self._sequence(self.mean_arm - ratio * self.mean_versus, error)
        return sequence.p_value(0.0, alternative) if sequence else 1.0

    def interval(self, alpha: float) -> tuple[float, float]:
        """The 1 - alpha interval of the sequence at this look."""
        sequence = self._sequence(self.difference, self.std_error)
        if sequence is None or self.std_error is None:
            return -math.inf, math.inf
        half = sequence.critical(alpha) * self.std_error
        return self.difference - half, self.difference + half

    def lift(self, alpha: float) -> Lift | None:
        """Lift with the sequence's interval on the log scale; None where either mean is not positive."""
        sequence = self._sequence(self.difference, self.std_error)
        if sequence is None or self.variance_arm is None or self.variance_versus is None:
            return None
        critical = sequence.critical(alpha)
        return log_ratio_lift(
            self.mean_arm, self.mean_versus, self.variance_arm, self.variance_versus, critical
        )

    def _sequence(self, estimate: float, std_error: float | None) -> ConfidenceSequence | None:
        if not std_error or self.events < LEAST_EVENTS:
            return None
        members = self.members_arm + self.members_versus
        return ConfidenceSequence(estimate, std_error, members, self.planned, self.alpha)
