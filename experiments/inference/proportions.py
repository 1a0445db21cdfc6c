"""Proportions: the score test, and the exact tests that replace it in sparse tables."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

from experiments.inference.exact import boschloo, combine_tails, mid_p
from experiments.inference.lift import Lift, log_ratio_lift
from experiments.inference.moments import Moments
from experiments.inference.score import TwoByTwo, difference_interval, difference_z, pooled_z, ratio_z
from experiments.inference.tails import Alternative, critical_value, tail_probability

# Below this expected count under equality the normal approximation is not trusted.
SPARSE_BELOW = 10.0
# Boschloo's test is computed up to this product of the arms' sizes.
BOSCHLOO_UP_TO = 40_000


@dataclass(frozen=True)
class ScoreComparison:
    """Difference of two proportions by score tests: method `score`.

    H0 of no difference: pooled z without continuity correction. H0 of any other difference, and the
    interval: Miettinen and Nurminen (1985), so that test and interval agree (they differ from the pooled z by
    the factor N / (N - 1) only). The standard error is that of the difference itself (unpooled), for pooling
    and shrinking; `statistic` is the pooled z. The lift's interval is the log ratio's.

    >>> comparison = ScoreComparison(TwoByTwo(560, 12_000, 480, 12_000))
    >>> round(comparison.p_value(), 6), [round(bound, 6) for bound in comparison.interval(0.05)]
    (0.011204, [0.001517, 0.011835])
    """

    table: TwoByTwo

    @property
    def method(self) -> str:
        """`score`."""
        return "score"

    @property
    def members_arm(self) -> int:
        """Members assigned to the arm."""
        return self.table.members_arm

    @property
    def members_versus(self) -> int:
        """Members assigned to the arm that it is compared with."""
        return self.table.members_versus

    @property
    def mean_arm(self) -> float:
        """Rate of the arm."""
        return self.table.rate_arm

    @property
    def mean_versus(self) -> float:
        """Rate of the arm that it is compared with."""
        return self.table.rate_versus

    @property
    def variance_arm(self) -> float:
        """Squared standard error of `mean_arm`."""
        return self.mean_arm * (1 - self.mean_arm) / self.members_arm

    @property
    def variance_versus(self) -> float:
        """Squared standard error of `mean_versus`."""
        return self.mean_versus * (1 - self.mean_versus) / self.members_versus

    @property
    def difference(self) -> float:
        """`mean_arm - mean_versus`."""
        return self.mean_arm - self.mean_versus

    @property
    def std_error(self) -> float | None:
        """Unpooled standard error of the difference; None where neither arm shows variance."""
        variance = self.variance_arm + self.variance_versus
        return math.sqrt(variance) if variance > 0 else None

    @property
    def statistic(self) -> float | None:
        """Pooled z; None where nobody or everybody succeeds."""
        return pooled_z(self.table)

    @property
    def has_test(self) -> bool:
        """Always: a table in which nobody or everybody succeeds is tested exactly."""
        return True

    def p_value(self, null: float = 0.0, alternative: Alternative = "two-sided") -> float:
        """P-value of H0: difference = null (`two-sided`), <= null (`greater`), >= null (`less`)."""
        z = pooled_z(self.table) if null == 0 else difference_z(self.table, null)
        return 1.0 if z is None else tail_probability(z, alternative)

    def ratio_p_value(self, ratio: float, alternative: Alternative = "two-sided") -> float:
        """P-value of H0: mean_arm = ratio x mean_versus, or <= (`greater`), or >= (`less`): score test."""
        z = ratio_z(self.table, ratio)
        return 1.0 if z is None else tail_probability(z, alternative)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Two-sided 1 - alpha Miettinen-Nurminen interval for the difference."""
        return difference_interval(self.table, critical_value(alpha))

    def lift(self, alpha: float) -> Lift | None:
        """Lift and its 1 - alpha interval from the log ratio; None where a rate is 0."""
        critical = critical_value(alpha)
        return log_ratio_lift(
            self.mean_arm, self.mean_versus, self.variance_arm, self.variance_versus, critical
        )


class ExactComparison(ScoreComparison, ABC):
    """An exact test of equality; score tests of any other difference, and the score interval.

    Where the exact p-value and the interval disagree about 0, the p-value rules.
    """

    @property
    @abstractmethod
    def one_sided(self) -> tuple[float, float]:
        """Exact p-values for a higher and for a lower rate in the arm."""

    def p_value(self, null: float = 0.0, alternative: Alternative = "two-sided") -> float:
        """As the score comparison's, but exact for null = 0; two-sided is twice the smaller tail."""
        if null != 0:
            return super().p_value(null, alternative)
        return combine_tails(*self.one_sided, alternative)


@dataclass(frozen=True)
class BoschlooComparison(ExactComparison):
    """Boschloo's unconditional exact test: method `boschloo`."""

    @property
    def method(self) -> str:
        """`boschloo`."""
        return "boschloo"

    @cached_property
    def one_sided(self) -> tuple[float, float]:
        """By the least favourable common rate."""
        return boschloo(self.table, "greater"), boschloo(self.table, "less")


@dataclass(frozen=True)
class ConditionalMidPComparison(ExactComparison):
    """Fisher's conditional test with mid-p: method `exact_conditional`."""

    @property
    def method(self) -> str:
        """`exact_conditional`."""
        return "exact_conditional"

    @cached_property
    def one_sided(self) -> tuple[float, float]:
        """Given all margins of the table."""
        return mid_p(self.table, "greater"), mid_p(self.table, "less")


def compare_proportions(table: TwoByTwo) -> ScoreComparison:
    """The comparison by the rule of expected counts: score, or Boschloo, or conditional mid-p where sparse.

    >>> compare_proportions(TwoByTwo(3, 50, 7, 50)).method
    'boschloo'
    """
    if table.smallest_expected >= SPARSE_BELOW:
        return ScoreComparison(table)
    if table.members_arm * table.members_versus <= BOSCHLOO_UP_TO:
        return BoschlooComparison(table)
    return ConditionalMidPComparison(table)


def tabulate(arm: Moments, versus: Moments, metric: str) -> TwoByTwo:
    """The two-by-two table of a metric whose values are 0 and 1.

    Raises:
        ValueError: An arm has no members or the values are not all 0 or 1.
    """
    counts = [_successes(moments, metric) for moments in (arm, versus)]
    return TwoByTwo(counts[0], arm.count, counts[1], versus.count)


def _successes(moments: Moments, metric: str) -> int:
    """Non-zero values, which are the successes if their sum and their spread say that each is 1."""
    successes, n = moments.nonzero_count(metric), moments.count
    if n == 0:
        raise ValueError(f"an arm without members has no rate of {metric}")
    at = moments.names.index(metric)
    spread = successes * (n - successes) / n
    slack = 1e-6 * max(1, successes)
    if abs(moments.total(metric) - successes) > slack or abs(moments.comoment[at, at] - spread) > slack:
        raise ValueError(f"{metric} is compared as binary, but its values are not all 0 or 1")
    return successes
