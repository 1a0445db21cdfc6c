"""Score statistics of two proportions under a restriction on their difference or their ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.optimize import brentq


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


def restricted_rates(
    rate_arm: float, members_arm: float, rate_versus: float, members_versus: float, difference: float
) -> tuple[float, float]:
    """Maximum likelihood rates of two arms under a given difference (Farrington and Manning 1990).

    The likelihood equation is a cubic; the trigonometric root is refined by Newton steps on the score, which
    has one zero, because the root's arc cosine loses half of the digits near 0 and 1.
    """
    theta = members_versus / members_arm
    a = 1 + theta
    b = -(1 + theta + rate_arm + theta * rate_versus + difference * (theta + 2))
    c = difference**2 + difference * (2 * rate_arm + theta + 1) + rate_arm + theta * rate_versus
    d = -rate_arm * difference * (1 + difference)
    centre = b / (3 * a)
    v = centre**3 - b * c / (6 * a**2) + d / (2 * a)
    u = math.copysign(math.sqrt(max(centre**2 - c / (3 * a), 0.0)), v)
    angle = (math.pi + math.acos(max(-1.0, min(v / u**3, 1.0)))) / 3 if u else 0.0
    low, high = max(0.0, difference), min(1.0, 1.0 + difference)
    arm = max(low, min(2 * u * math.cos(angle) - centre, high))
    cells = (
        (rate_arm, 0.0, 1),
        (1 - rate_arm, 1.0, -1),
        (theta * rate_versus, difference, 1),
        (theta * (1 - rate_versus), 1.0 + difference, -1),
    )
    for _ in range(3):
        step = _newton(cells, arm)
        arm = step if low < step < high else arm
    return arm, max(0.0, min(arm - difference, 1.0))


def _newton(cells: tuple[tuple[float, float, int], ...], arm: float) -> float:
    """One Newton step on the sum of weight x log(sign x (arm - shift)) over the cells with weight."""
    slope = curvature = 0.0
    for weight, shift, sign in cells:
        rate = sign * (arm - shift)
        if weight > 0:
            if rate <= 0:
                return arm
            slope += sign * weight / rate
            curvature += weight / rate**2
    return arm + slope / curvature


def _difference_variance(table: TwoByTwo, difference: float) -> float:
    arm, versus = restricted_rates(
        table.rate_arm, table.members_arm, table.rate_versus, table.members_versus, difference
    )
    variance = arm * (1 - arm) / table.members_arm + versus * (1 - versus) / table.members_versus
    return variance * _small_sample(table)


def _small_sample(table: TwoByTwo) -> float:
    members = table.members_arm + table.members_versus
    return members / (members - 1)


def _standardise(distance: float, variance: float) -> float | None:
    if variance > 0:
        return distance / math.sqrt(variance)
    return None if distance == 0 else math.copysign(math.inf, distance)
