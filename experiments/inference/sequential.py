"""Looks before the end: group-sequential bounds by error spending, with repeated p-values and intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, assert_never

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from experiments.inference.moments import Array
from experiments.inference.tails import Alternative, require_probability

SpendingName = Literal["obrien_fleming", "pocock"]
Spending = Callable[[float], float]

# The process is followed this many standard deviations below its mean.
_REACH = 8.5
# Gauss-Legendre nodes of a panel, and its width in standard deviations of one step.
_NODES = 8
_PANEL = 1.5
# A repeated p-value below this is reported as this.
_SMALLEST = 1e-15


def spending_function(name: SpendingName, alpha: float) -> Spending:
    """One-sided error that may be spent up to an information fraction in [0, 1] (Lan and DeMets 1983).

    `obrien_fleming` spends little early, `pocock` nearly evenly; both have spent alpha at 1.

    Raises:
        ValueError: alpha is not in (0, 1).

    >>> round(spending_function("obrien_fleming", 0.025)(0.5), 5)
    0.00153
    """
    require_probability(alpha, "alpha")

    def obrien_fleming(fraction: float) -> float:
        return 2 * float(ndtr(float(ndtri(alpha / 2)) / math.sqrt(fraction))) if fraction > 0 else 0.0

    def pocock(fraction: float) -> float:
        return alpha * math.log1p((math.e - 1) * fraction)

    match name:
        case "obrien_fleming":
            return obrien_fleming
        case "pocock":
            return pocock
        case _:
            assert_never(name)


def spending_bounds(information: Sequence[float], spending: Spending) -> tuple[float, ...]:
    """Upper bounds of the z statistic at each look, so that the error spent is what the function allows.

    One-sided; a two-sided test at alpha uses both signs with the function for alpha / 2 (crossing both bounds
    is left out, which matters nowhere at usual levels).

    Args:
        information: Information fraction at each look so far, increasing; beyond 1 counts as 1 for spending.
        spending: Error that may be spent up to a fraction.

    Returns:
        One bound per look; infinite where nothing may be spent.

    Raises:
        ValueError: The fractions are not positive and increasing.

    >>> bounds = spending_bounds([0.5, 1.0], spending_function("obrien_fleming", 0.025))
    >>> [round(bound, 3) for bound in bounds]
    [2.963, 1.969]
    """
    _require_increasing(information)
    process = _Process()
    bounds: list[float] = []
    spent = 0.0
    for fraction in information:
        allowed = spending(min(fraction, 1.0))
        bound = process.bound(fraction, max(allowed - spent, 0.0))
        process.advance(fraction, bound)
        bounds.append(bound)
        spent = max(allowed, spent)
    return tuple(bounds)


def crossing_probabilities(
    information: Sequence[float], bounds: Sequence[float], drift: float = 0.0
) -> tuple[float, ...]:
    """Probability that the z statistic first exceeds its bound at each look.

    Args:
        information: Information fraction at each look, increasing.
        bounds: Bound of z at each look.
        drift: Expected z at information 1.

    Raises:
        ValueError: The fractions are not positive and increasing, or lengths differ.
    """
    _require_increasing(information)
    process = _Process(drift)
    crossed = []
    for fraction, bound in zip(information, bounds, strict=True):
        crossed.append(process.tail(fraction, bound))
        process.advance(fraction, bound)
    return tuple(crossed)


def inflation(information: Sequence[float], name: SpendingName, alpha: float, power: float) -> float:
    """How many times the members of a fixed design a group-sequential one needs for the same power.

    Args:
        information: Planned fraction at each look, the last one 1.
        name: Spending function.
        alpha: Two-sided level.
        power: Probability to reject at any look, above alpha / 2.

    Raises:
        ValueError: A fraction, alpha or power is out of range.

    >>> round(inflation([0.2, 0.4, 0.6, 0.8, 1.0], "obrien_fleming", 0.05, 0.8), 4)
    1.0247
    """
    require_probability(power, "power")
    bounds = spending_bounds(information, spending_function(name, alpha / 2))
    fixed = float(ndtri(power) - ndtri(alpha / 2))
    if fixed <= 0 or information[-1] != 1.0:
        raise ValueError(f"power {power} must exceed alpha / 2 = {alpha / 2} and the last look be at 1")

    def gap(drift: float) -> float:
        return sum(crossing_probabilities(information, bounds, drift)) - power

    return (float(brentq(gap, fixed * 0.99, fixed * 3, xtol=1e-9)) / fixed) ** 2


def nominal_level(bound: float) -> float:
    """Two-sided level of a z bound: `Comparison.interval` at it is the repeated interval of that look.

    The repeated intervals of all looks hold the effect together with probability 1 - alpha, whatever rule stops
    the experiment (Jennison and Turnbull 2000, chapter 9).

    >>> round(nominal_level(1.959964), 4)
    0.05
    """
    return 2 * float(ndtr(-bound))


def repeated_p_value(
    p_value: float, information: Sequence[float], name: SpendingName, alternative: Alternative = "two-sided"
) -> float:
    """The smallest alpha at which the current look's bound is crossed (Jennison and Turnbull 2000, chapter 9).

    Args:
        p_value: Ordinary p-value of this look, of the same alternative.
        information: Fractions of the looks up to this one.
        name: Spending function.
        alternative: Whether alpha is spent on two sides or on one.

    Returns:
        Between 1e-15 and 1.

    Raises:
        ValueError: p_value outside [0, 1] or wrong fractions.
    """
    _require_increasing(information)
    if not 0 <= p_value <= 1:
        raise ValueError(f"a p-value lies in [0, 1]; got {p_value}")
    sides = 2.0 if alternative == "two-sided" else 1.0
    z = -float(ndtri(p_value / sides))

    def excess(log_alpha: float) -> float:
        spending = spending_function(name, math.exp(log_alpha) / sides)
        return spending_bounds(information, spending)[-1] - z

    low, high = math.log(_SMALLEST), math.log(1 - 1e-9)
    if excess(low) <= 0:
        return _SMALLEST
    if excess(high) >= 0:
        return 1.0
    return math.exp(float(brentq(excess, low, high, xtol=1e-9)))


class _Process:
    """Brownian motion on the information scale, stopped where z exceeds a bound.

    The density of the paths that go on is held on Gauss-Legendre nodes in panels and carried from look
    to look (Armitage, McPherson and Rowe 1969; Jennison and Turnbull 2000, chapter 19).
    """

    def __init__(self, drift: float = 0.0) -> None:
        self._drift = drift
        self._at = 0.0
        self._nodes: Array = np.zeros(1)
        self._mass: Array = np.ones(1)

    def tail(self, fraction: float, bound: float) -> float:
        """Probability to have gone on so far and to exceed the bound at this fraction."""
        step = fraction - self._at
        distance = self._nodes + self._drift * step - bound * math.sqrt(fraction)
        return float(self._mass @ ndtr(distance / math.sqrt(step)))

    def bound(self, fraction: float, error: float) -> float:
        """The bound that is exceeded with a given probability; infinite for no error."""
        if error <= 0:
            return math.inf
        low, high = -_REACH, 40.0
        if self.tail(fraction, low) <= error:
            return low
        return float(brentq(lambda bound: self.tail(fraction, bound) - error, low, high, xtol=1e-10))

    def advance(self, fraction: float, bound: float) -> None:
        """Moves to this fraction, keeping the paths below the bound."""
        step = fraction - self._at
        deviation = math.sqrt(fraction)
        centre = self._drift * fraction
        low = min(centre - _REACH * deviation, (bound - 0.01) * deviation)
        high = min(bound * deviation, centre + _REACH * deviation)
        panels = max(6, math.ceil((high - low) / (_PANEL * math.sqrt(step))))
        width = (high - low) / panels
        unit, share = np.polynomial.legendre.leggauss(_NODES)
        nodes = (low + width * (np.arange(panels)[:, None] + (unit + 1) / 2)).ravel()
        weights = np.tile(share * width / 2, panels)
        distance = (nodes[:, None] - self._nodes[None, :] - self._drift * step) / math.sqrt(step)
        density = np.exp(-(distance**2) / 2) @ self._mass / math.sqrt(2 * math.pi * step)
        self._nodes, self._mass = nodes, density * weights
        self._at = fraction


def _require_increasing(information: Sequence[float]) -> None:
    steps = np.diff([0.0, *information])
    if not len(information) or not (steps > 0).all():
        raise ValueError(f"information fractions must be positive and increase; got {list(information)}")
