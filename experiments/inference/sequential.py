"""Looks before the end: group-sequential bounds by error spending, and what looks cost in members."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from experiments.inference.moments import Array
from experiments.inference.tails import require_probability

SpendingName = Literal["obrien_fleming", "pocock"]
Spending = Callable[[float], float]

# The process is followed this many standard deviations below its mean.
_REACH = 8.5
# Gauss-Legendre nodes of a panel, and its width in standard deviations of one step.
_NODES = 8
_PANEL = 1.5
# Points whose densities are computed together, and the deviations beyond which a path adds less than rounding.
_BLOCK = 256
_FURTHEST = 9.0


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
    is left out, which matters nowhere at usual levels). Any steps of information, equal or not, give bounds whose
    error is within 1e-6 of what is spent at the look.

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


class _Process:
    """Brownian motion on the information scale, stopped where z exceeds a bound.

    The density of the paths that go on is held on Gauss-Legendre nodes in panels and carried from look
    to look (Armitage, McPherson and Rowe 1969; Jennison and Turnbull 2000, chapter 19). The nodes of a look are laid
    when the next one is known, close enough for the smaller of the steps before and after it.
    """

    def __init__(self, drift: float = 0.0) -> None:
        self._drift = drift
        self._before = _Density(0.0, np.zeros(1), np.ones(1))
        self._at = 0.0
        self._bound = math.inf
        self._laid: dict[float, _Density] = {}

    def tail(self, fraction: float, bound: float) -> float:
        """Probability to have gone on so far and to exceed the bound at this fraction."""
        now = self._density(fraction)
        step = fraction - now.at
        distance = now.nodes + self._drift * step - bound * math.sqrt(fraction)
        return float(now.mass @ ndtr(distance / math.sqrt(step)))

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
        self._before = self._density(fraction)
        self._at, self._bound = fraction, bound
        self._laid = {}

    def _density(self, following: float) -> _Density:
        """The paths that go on at the current look, on nodes that a step to the next fraction can be taken from."""
        if self._at == 0.0:
            return self._before
        if following not in self._laid:
            self._laid = {following: self._lay(following - self._at)}
        return self._laid[following]

    def _lay(self, following: float) -> _Density:
        step = self._at - self._before.at
        deviation = math.sqrt(self._at)
        centre = self._drift * self._at
        low = min(centre - _REACH * deviation, (self._bound - 0.01) * deviation)
        high = min(self._bound * deviation, centre + _REACH * deviation)
        panels = max(6, math.ceil((high - low) / (_PANEL * math.sqrt(min(step, following)))))
        width = (high - low) / panels
        unit, share = np.polynomial.legendre.leggauss(_NODES)
        nodes = (low + width * (np.arange(panels)[:, None] + (unit + 1) / 2)).ravel()
        weights = np.tile(share * width / 2, panels)
        density = self._before.after(step, self._drift, nodes)
        return _Density(self._at, nodes, density * weights)


@dataclass(frozen=True, eq=False)
class _Density:
    """Paths at a fraction of the information: nodes in ascending order and the probability at each."""

    at: float
    nodes: Array
    mass: Array

    def after(self, step: float, drift: float, to: Array) -> Array:
        """The density a step later at ascending points; what lies too far away to matter is left out."""
        deviation = math.sqrt(step)
        found = np.empty(len(to))
        for start in range(0, len(to), _BLOCK):
            block = to[start : start + _BLOCK] - drift * step
            reach = _FURTHEST * deviation
            first, last = np.searchsorted(self.nodes, (block[0] - reach, block[-1] + reach))
            distance = (block[:, None] - self.nodes[None, first:last]) / deviation
            found[start : start + _BLOCK] = np.exp(-(distance**2) / 2) @ self.mass[first:last]
        return found / math.sqrt(2 * math.pi * step)


def _require_increasing(information: Sequence[float]) -> None:
    steps = np.diff([0.0, *information])
    if not len(information) or not (steps > 0).all():
        raise ValueError(f"information fractions must be positive and increase; got {list(information)}")
