"""Power, sample size and detectable effect of a comparison that is being planned."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from scipy.optimize import brentq
from scipy.special import ndtr

from experiments.inference.moments import Moments
from experiments.inference.ratios import ratio_variance
from experiments.inference.score import restricted_rates
from experiments.inference.tails import critical_value, require_probability

# Searches for a sample size stop here.
_MOST_MEMBERS = 1e15


@dataclass(frozen=True)
class SampleSize:
    """Members needed, as fractions: `arm` in the arm and `versus` in the one that it is compared with."""

    arm: float
    versus: float


class PlannedMetric(Protocol):
    """What is known of a metric before the experiment, and the standard errors that follow from it."""

    def null_error(self, difference: float, effect: float, arm: float, versus: float) -> float:
        """Standard error that the test uses when it tests `difference` and `effect` is true."""

    def true_error(self, effect: float, arm: float, versus: float) -> float:
        """Standard error of the estimated difference when `effect` is true."""

    def degrees(self, arm: float, versus: float) -> float:
        """Degrees of freedom of the test; infinite for the normal."""

    def furthest(self, direction: Literal[-1, 1]) -> float:
        """The largest possible effect in a direction."""


@dataclass(frozen=True)
class PlannedProportion:
    """A rate: the score test of two proportions, as R's power.prop.test, also with unequal arms.

    Attributes:
        baseline: Rate of the arm that is compared with.
        explained: Share of the variance that covariates explain (R squared).

    Raises:
        ValueError: The baseline is not strictly between 0 and 1 or `explained` not in [0, 1).
    """

    baseline: float
    explained: float = 0.0

    def __post_init__(self) -> None:
        require_probability(self.baseline, "baseline")
        _require_explained(self.explained)

    def null_error(self, difference: float, effect: float, arm: float, versus: float) -> float:
        """With the rates that the restricted likelihood gives under the null for the expected counts."""
        rate = self._rate(effect)
        if difference == 0:
            pooled = (arm * rate + versus * self.baseline) / (arm + versus)
            null = pooled, pooled
        else:
            expected = arm * rate, arm * (1 - rate), versus * self.baseline, versus * (1 - self.baseline)
            null = restricted_rates(expected, difference)
        return self._error(null[0], null[1], arm, versus)

    def true_error(self, effect: float, arm: float, versus: float) -> float:
        """With the true rates."""
        return self._error(self._rate(effect), self.baseline, arm, versus)

    def degrees(self, arm: float, versus: float) -> float:  # noqa: ARG002
        """Infinite: a z test."""
        return math.inf

    def furthest(self, direction: Literal[-1, 1]) -> float:
        """As far as a rate of 0 or 1."""
        return 1 - self.baseline if direction == 1 else -self.baseline

    def _rate(self, effect: float) -> float:
        rate = self.baseline + effect
        if not 0 <= rate <= 1:
            raise ValueError(f"an effect of {effect} on a rate of {self.baseline} gives no rate: {rate}")
        return rate

    def _error(self, rate: float, baseline: float, arm: float, versus: float) -> float:
        variance = rate * (1 - rate) / arm + baseline * (1 - baseline) / versus
        return math.sqrt((1 - self.explained) * variance)


@dataclass(frozen=True)
class PlannedMean:
    """A mean: the t test with equal variances, as R's power.t.test, also with unequal arms.

    Attributes:
        std_dev: Standard deviation per member.
        explained: Share of the variance that covariates explain (R squared).

    Raises:
        ValueError: The deviation is not positive or `explained` not in [0, 1).
    """

    std_dev: float
    explained: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.std_dev < math.inf:
            raise ValueError(f"a standard deviation of {self.std_dev} plans nothing")
        _require_explained(self.explained)

    @classmethod
    def from_moments(
        cls, moments: Moments, metric: str, denominator: str | None = None, explained: float = 0.0
    ) -> PlannedMean:
        """A mean, or with a denominator a ratio of sums, as varied as in past data."""
        variance = (
            moments.variance(metric) if denominator is None else ratio_variance(moments, metric, denominator)
        )
        return cls(math.sqrt(variance), explained)

    def null_error(self, difference: float, effect: float, arm: float, versus: float) -> float:  # noqa: ARG002
        """The same under every null."""
        return self.true_error(effect, arm, versus)

    def true_error(self, effect: float, arm: float, versus: float) -> float:  # noqa: ARG002
        """The same for every effect."""
        return self.std_dev * math.sqrt((1 - self.explained) * (1 / arm + 1 / versus))

    def degrees(self, arm: float, versus: float) -> float:
        """Of the pooled variance."""
        return arm + versus - 2

    def furthest(self, direction: Literal[-1, 1]) -> float:
        """No limit."""
        return direction * math.inf


def power(metric: PlannedMetric, effect: float, arm: float, versus: float, alpha: float) -> float:
    """Probability that the two-sided test at alpha rejects no difference, on the side of the effect.

    For a family of comparisons give the alpha of one: alpha / K for Bonferroni, and for Holm and
    Hochberg as their guaranteed power.

    Args:
        metric: What is planned.
        effect: True difference, arm minus versus.
        arm: Members of the arm.
        versus: Members of the arm that it is compared with.
        alpha: Two-sided level.

    Raises:
        ValueError: alpha outside (0, 1), too few members, or an effect that gives no rate.

    >>> round(power(PlannedProportion(0.20), 0.05, 1093.739, 1093.739, 0.05), 6)
    0.8
    """
    require_probability(alpha, "alpha")
    return _rejection(metric, abs(effect), effect, 0.0, (arm, versus), alpha)


def non_inferiority_power(
    metric: PlannedMetric, limit: float, arm: float, versus: float, level: float = 0.05, effect: float = 0.0
) -> float:
    """Probability that a guardrail passes: the one-sided test at `limit` rejects when `effect` is true.

    Args:
        metric: The guardrail's metric.
        limit: Arm minus control that is too much; negative where more is better.
        arm: Members of the arm.
        versus: Members of control.
        level: One-sided level.
        effect: True difference, inside the limit.

    Raises:
        ValueError: level outside (0, .5), a limit of 0, or too few members.

    >>> round(non_inferiority_power(PlannedProportion(0.004), 0.001, 21_600, 50_400), 3)
    0.585
    """
    if not 0 < level < 0.5 or limit == 0:
        raise ValueError(
            f"no power for a limit of {limit} at level {level}: the one not 0, the other in (0, .5)"
        )
    margin = limit - effect if limit > 0 else effect - limit
    return _rejection(metric, margin, effect, limit, (arm, versus), 2 * level)


def sample_size(
    metric: PlannedMetric, effect: float, *, power: float, alpha: float, versus_per_arm: float = 1.0
) -> SampleSize:
    """Members of both arms with which the two-sided test at alpha finds an effect with the power asked for.

    Args:
        metric: What is planned.
        effect: True difference, not 0.
        power: Probability to reject.
        alpha: Two-sided level of this one comparison.
        versus_per_arm: Members of the arm that is compared with, per member of the arm.

    Raises:
        ValueError: The effect is 0 or gives no rate, power does not exceed alpha, or no size is enough.

    >>> size = sample_size(PlannedMean(20.0), 1.0, power=0.8, alpha=0.05)
    >>> round(size.arm, 3)
    6280.064
    """
    require_probability(power, "power")
    require_probability(alpha, "alpha")
    if effect == 0 or power <= alpha or versus_per_arm <= 0:
        raise ValueError(
            f"no sample size for effect {effect}, power {power}, alpha {alpha}, ratio {versus_per_arm}"
        )

    def gap(log_members: float) -> float:
        arm = math.exp(log_members)
        return _rejection(metric, abs(effect), effect, 0.0, (arm, arm * versus_per_arm), alpha) - power

    low, high = math.log(2 * max(1.0, 1 / versus_per_arm)), math.log(_MOST_MEMBERS)
    arm = math.exp(_root(gap, low, high, f"an effect of {effect} needs more than {_MOST_MEMBERS:g} members"))
    return SampleSize(arm, arm * versus_per_arm)


def detectable_effect(
    metric: PlannedMetric,
    arm: float,
    versus: float,
    *,
    power: float,
    alpha: float,
    direction: Literal[-1, 1] = 1,
) -> float:
    """The smallest effect that the two-sided test at alpha finds with the power asked for; has the direction's sign.

    Raises:
        ValueError: power does not exceed alpha, or even the largest possible effect is not found.

    >>> round(detectable_effect(PlannedMean(20.0), 6281, 6281, power=0.8, alpha=0.05), 4)
    0.9999
    """
    require_probability(power, "power")
    require_probability(alpha, "alpha")
    if power <= alpha:
        raise ValueError(f"a power of {power} does not exceed alpha = {alpha}")
    furthest = abs(metric.furthest(direction))
    error = metric.true_error(0.0, arm, versus)

    def gap(effect: float) -> float:
        return _rejection(metric, effect, direction * effect, 0.0, (arm, versus), alpha) - power

    high = error
    while high < furthest and gap(high) < 0:
        high *= 2
    reason = f"{arm:g} and {versus:g} members find no effect in this direction with power {power}"
    return direction * _root(gap, 0.0, min(high, furthest), reason)


def _rejection(
    metric: PlannedMetric,
    margin: float,
    effect: float,
    null: float,
    members: tuple[float, float],
    alpha: float,
) -> float:
    """Probability that an estimate whose mean lies `margin` from the null passes the two-sided critical value."""
    arm, versus = members
    if min(arm, versus) < 1 or arm + versus <= 2:
        raise ValueError(f"power needs members in both arms, three in all; got {arm:g} and {versus:g}")
    degrees = metric.degrees(arm, versus)
    critical = critical_value(alpha, degrees)
    true_error = metric.true_error(effect, arm, versus)
    reach = critical * metric.null_error(null, effect, arm, versus)
    if math.isinf(degrees):
        return float(ndtr((margin - reach) / true_error)) if true_error > 0 else float(margin > reach)
    return _noncentral_tail(critical, degrees, margin / true_error)


def _noncentral_tail(critical: float, degrees: float, noncentrality: float) -> float:
    """Upper tail of the noncentral t at a critical value."""
    from scipy.stats import nct

    return float(nct.sf(critical, degrees, noncentrality))


def _root(gap: Callable[[float], float], low: float, high: float, reason: str) -> float:
    """Where an increasing function crosses 0; its lower end where it is above 0 already."""
    if gap(low) >= 0:
        return low
    if gap(high) < 0:
        raise ValueError(reason)
    return float(brentq(gap, low, high, xtol=1e-13, rtol=1e-12))


def _require_explained(explained: float) -> None:
    if not 0 <= explained < 1:
        raise ValueError(f"a share of explained variance lies in [0, 1); got {explained}")
