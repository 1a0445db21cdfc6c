"""Score statistics of two proportions under a restriction on their difference or their ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.optimize import brentq

# Below this a difference is none: its square would not be a number any more.
_NO_DIFFERENCE = 1e-150

Counts = tuple[float, float, float, float]


@dataclass(frozen=True)
class TwoByTwo:
    """Successes and members of an arm and of the arm that it is compared with.

    Raises:
        ValueError: An arm has no members, or successes outside 0..members.
    """

    successes_arm: int
    members_arm: int
    successes_versus: int
    members_versus: int

    def __post_init__(self) -> None:
        if self.members_arm < 1 or self.members_versus < 1:
            raise ValueError(
                f"both arms need members; there are {self.members_arm} and {self.members_versus}"
            )
        if not (
            0 <= self.successes_arm <= self.members_arm and 0 <= self.successes_versus <= self.members_versus
        ):
            raise ValueError(f"successes lie outside 0..members: {self}")

    @property
    def counts(self) -> Counts:
        """Successes and failures of the arm, then of the other."""
        return (
            self.successes_arm,
            self.members_arm - self.successes_arm,
            self.successes_versus,
            self.members_versus - self.successes_versus,
        )

    @property
    def rate_arm(self) -> float:
        """Share of successes in the arm."""
        return self.successes_arm / self.members_arm

    @property
    def rate_versus(self) -> float:
        """Share of successes in the arm that it is compared with."""
        return self.successes_versus / self.members_versus

    @property
    def pooled_rate(self) -> float:
        """Share of successes in both together: the estimate under equality."""
        return (self.successes_arm + self.successes_versus) / (self.members_arm + self.members_versus)

    @property
    def smallest_expected(self) -> float:
        """The smallest of the four expected counts under equality."""
        members = min(self.members_arm, self.members_versus)
        return members * min(self.pooled_rate, 1 - self.pooled_rate)


def pooled_z(table: TwoByTwo) -> float | None:
    """Score statistic of equality, no continuity correction; None where nobody or everybody succeeds."""
    rate = table.pooled_rate
    variance = rate * (1 - rate) * (1 / table.members_arm + 1 / table.members_versus)
    return (table.rate_arm - table.rate_versus) / math.sqrt(variance) if variance > 0 else None


def difference_z(table: TwoByTwo, null: float) -> float | None:
    """Score statistic of H0: difference = null (Miettinen and Nurminen 1985, with their N / (N - 1)).

    Returns:
        None where the restricted estimates leave no variance and the observed difference equals null;
        plus or minus infinity where the table is impossible under the null.

    Raises:
        ValueError: null is not between -1 and 1.
    """
    if not -1 <= null <= 1:
        raise ValueError(f"a difference of proportions is never {null}")
    return _standardise(table.rate_arm - table.rate_versus - null, _difference_variance(table, null))


def ratio_z(table: TwoByTwo, ratio: float) -> float | None:
    """Score statistic of H0: rate_arm = ratio x rate_versus (Miettinen and Nurminen 1985).

    Returns:
        None and infinities as `difference_z`.

    Raises:
        ValueError: The ratio is negative.
    """
    if ratio < 0:
        raise ValueError(f"a ratio of proportions is never {ratio}")
    n_arm, n_versus = table.members_arm, table.members_versus
    square = (n_arm + n_versus) * ratio
    linear = n_arm * ratio + table.successes_arm + n_versus + table.successes_versus * ratio
    constant = table.successes_arm + table.successes_versus
    # The smaller root, written so that nothing cancels.
    root = math.sqrt(max(linear**2 - 4 * square * constant, 0.0))
    versus = min(2 * constant / (linear + root), 1.0)
    arm = min(ratio * versus, 1.0)
    variance = arm * (1 - arm) / n_arm + ratio**2 * versus * (1 - versus) / n_versus
    return _standardise(table.rate_arm - ratio * table.rate_versus, variance * _small_sample(table))


def difference_interval(table: TwoByTwo, critical: float) -> tuple[float, float]:
    """The differences that `difference_z` does not reject at a critical value (Miettinen-Nurminen interval).

    Returns:
        Low and high, inside [-1, 1]; also for 0 or all successes.
    """
    observed = table.rate_arm - table.rate_versus
    # At 0 or all successes the variance is 0 at the observed difference itself: the search starts beside it.
    step = 1e-3 * critical**2 / (table.members_arm + table.members_versus + critical**2)

    def bound(side: int) -> float:
        def excess(null: float) -> float:
            return side * (observed - null) + critical * math.sqrt(_difference_variance(table, null))

        start = observed + side * step
        if abs(start) >= 1 or excess(start) <= 0:
            return max(-1.0, min(observed, 1.0))
        return float(brentq(excess, start, float(side), xtol=1e-14, rtol=1e-13))

    return bound(-1), bound(1)


def restricted_rates(counts: Counts, difference: float) -> tuple[float, float]:
    """Maximum likelihood rates of two arms under a given difference (Miettinen and Nurminen 1985).

    The likelihood has one maximum; it is found to full relative precision also at rates of 1e-9, where the
    closed form of the cubic (Farrington and Manning 1990) has lost its digits.

    Args:
        counts: Successes and failures of the arm, then of the other; not necessarily whole.
        difference: Rate of the arm minus rate of the other, between -1 and 1.
    """
    arm_hit, arm_miss, other_hit, other_miss = counts
    if difference < 0:
        other, arm = restricted_rates((other_hit, other_miss, arm_hit, arm_miss), -difference)
        return arm, other
    if difference < _NO_DIFFERENCE:
        pooled = (arm_hit + other_hit) / sum(counts)
        return pooled, pooled
    room = 1.0 - difference
    if room <= 0:
        return 1.0, 0.0
    if _slope(counts, difference, room / 2)[0] > 0:
        # In the upper half, failures take the place of successes, so that what is small is searched for.
        from_top = _lower_rate((other_miss, other_hit, arm_miss, arm_hit), difference)
        return 1.0 - from_top, room - from_top
    lower = _lower_rate(counts, difference)
    return lower + difference, lower


def _lower_rate(counts: Counts, difference: float) -> float:
    """The lower of the two rates, which lies between 0 and half of what the difference leaves: Newton with a bracket."""
    arm_hit, arm_miss, other_hit, other_miss = counts
    room = 1.0 - difference
    high = room / 2
    steepest = 2 * arm_miss / room + other_miss / (1 - high)
    if other_hit > 0:
        low = min(high, other_hit / (steepest + other_hit))
    else:
        rise = arm_hit / difference - arm_miss / room - other_miss
        if rise <= 0:
            return 0.0
        low = min(
            high, rise / (arm_hit / difference**2 + 4 * arm_miss / room**2 + other_miss / (1 - high) ** 2)
        )
    rate = min(max(_cubic_root(counts, difference), low), high)
    for _ in range(100):
        slope, curvature = _slope(counts, difference, rate)
        low, high = (rate, high) if slope > 0 else (low, rate)
        step = rate + slope / curvature
        if not low <= step <= high:
            step = math.sqrt(low * high)
        if abs(step - rate) <= 1e-14 * rate:
            break
        rate = step
    return rate


def _slope(counts: Counts, difference: float, rate: float) -> tuple[float, float]:
    """Slope of the log-likelihood in the lower rate, and minus its curvature."""
    slope = curvature = 0.0
    places = rate + difference, rate - (1 - difference), rate, rate - 1
    for count, place in zip(counts, places, strict=True):
        if count > 0:
            slope += count / place
            curvature += count / place**2
    return slope, curvature


def _cubic_root(counts: Counts, difference: float) -> float:
    """The lower rate by the cubic's closed form: where the search starts."""
    arm_hit, arm_miss, other_hit, other_miss = counts
    arm, other = arm_hit + arm_miss, other_hit + other_miss
    total = arm + other
    b = ((arm + 2 * other) * difference - total - arm_hit - other_hit) / (3 * total)
    c = ((other * difference - total - 2 * other_hit) * difference + arm_hit + other_hit) / total
    d = other_hit * difference * (1 - difference) / total
    v = b**3 - b * c / 2 + d / 2
    u = math.copysign(math.sqrt(max(b**2 - c / 3, 0.0)), v)
    angle = (math.pi + math.acos(max(-1.0, min(v / u**3, 1.0)))) / 3 if u else 0.0
    return 2 * u * math.cos(angle) - b


def _difference_variance(table: TwoByTwo, difference: float) -> float:
    arm, versus = restricted_rates(table.counts, difference)
    variance = arm * (1 - arm) / table.members_arm + versus * (1 - versus) / table.members_versus
    return variance * _small_sample(table)


def _small_sample(table: TwoByTwo) -> float:
    members = table.members_arm + table.members_versus
    return members / (members - 1)


def _standardise(distance: float, variance: float) -> float | None:
    if variance > 0:
        return distance / math.sqrt(variance)
    return None if distance == 0 else math.copysign(math.inf, distance)
