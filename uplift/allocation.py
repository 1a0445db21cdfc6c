"""Allocation under a budget: the multiple-choice knapsack over groups or members, by convex hulls and one threshold.

Each group may give its members one of K options or nothing. Along a group's upper convex hull of (cost, value) points, each
step buys value at a falling rate; taking steps from the best rate down until the budget is spent solves the linear relaxation
exactly (Sinha and Zoltners 1979). The rate at which the budget runs out is its shadow price. Sorted once, the steps answer
every budget: they are the whole curve of value against spend.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uplift.features import Array


@dataclass(frozen=True)
class Allocation:
    """Who gets what.

    Attributes:
        shares: Shape (G, K): the share of each group that gets each option; the rest gets nothing. All are 0 or 1, except
            in the one group where the budget runs out, or in as many as there are limits.
        value: Total value.
        cost: Total cost, within the budget.
        shadow_price: What one more unit of budget would bring; 0 where the budget does not bind.
        limit_prices: What one more member within each limit would bring; empty where there are none.
    """

    shares: Array
    value: float
    cost: float
    shadow_price: float
    limit_prices: tuple[float, ...] = ()


@dataclass(frozen=True)
class _Steps:
    """Steps along the hulls: each replaces an option of a group by a better one, -1 standing for nothing.

    `rate` is value for each unit of cost, infinite for a step that costs nothing. Along a group it never rises: of options on
    one line, rounding could make the second step look better than the first, which must be bought before it.
    """

    group: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    value: Array
    cost: Array
    rate: Array

    def at(self, places: NDArray[np.int64]) -> _Steps:
        """Some of the steps, in the order of `places`."""
        return _Steps(
            self.group[places],
            self.before[places],
            self.after[places],
            self.value[places],
            self.cost[places],
            self.rate[places],
        )


@dataclass(frozen=True)
class Hull:
    """The steps of a problem in the order in which a growing budget buys them.

    Attributes:
        value: Shape (G, K): value per member of each option over nothing.
        cost: Shape (G, K): cost per member.
        size: Shape (G,): members of each group.
        steps: The steps, the best rate first.
        spent: Shape (S,): what all steps up to each one cost; one after another they are the breakpoints of the curve.
    """

    value: Array
    cost: Array
    size: Array
    steps: _Steps
    spent: Array

    @classmethod
    def of(cls, value: Array, cost: Array, size: Array) -> Hull:
        """The hulls of all groups, their steps sorted once.

        Raises:
            ValueError: A cost is negative.
        """
        if (cost < 0).any():
            raise ValueError("a cost is negative; an allocation needs every cost at 0 or more")
        found = _hull_steps(value, cost)
        steps = found.at(np.lexsort((found.group, -found.rate)))
        return cls(value, cost, size, steps, np.cumsum(steps.cost * size[steps.group]))

    @property
    def most(self) -> float:
        """What the best option for everybody costs; more budget changes nothing."""
        return float(self.spent[-1]) if len(self.spent) else 0.0

    def allocate(self, budget: float | None = None) -> Allocation:
        """The allocation with the largest total value whose cost is within the budget; None is no limit.

        Raises:
            ValueError: The budget is negative.
        """
        if budget is not None and budget < 0:
            raise ValueError("the budget is negative; an allocation needs it at 0 or more")
        limit = np.inf if budget is None else budget
        whole = int(np.searchsorted(self.spent, limit, side="right"))
        shares = np.zeros_like(self.value)
        _take(shares, self.steps.at(np.arange(whole)), 1.0)
        price = 0.0
        if whole < len(self.spent):
            step = self.steps.at(np.array([whole]))
            left = limit - (float(self.spent[whole - 1]) if whole else 0.0)
            part = left / float(step.cost[0] * self.size[step.group[0]])
            _take(shares, step, part)
            price = float(step.rate[0])
        members = shares * self.size[:, None]
        return Allocation(
            shares, float((members * self.value).sum()), float((members * self.cost).sum()), price
        )

    def curve(self) -> tuple[Array, Array]:
        """The whole budget curve in one pass: spend and value at each of its breakpoints, from (0, 0) on.

        Between two breakpoints the value is linear; the curve is concave, and its slope is the shadow price.
        """
        gained = np.cumsum(self.steps.value * self.size[self.steps.group])
        return np.concatenate([[0.0], self.spent]), np.concatenate([[0.0], gained])


def allocate(value: Array, cost: Array, size: Array, budget: float | None = None) -> Allocation:
    """The allocation with the largest total value whose cost is within the budget.

    Args:
        value: Shape (G, K): value per member of each option over nothing.
        cost: Shape (G, K): cost per member, not negative.
        size: Shape (G,): members of each group.
        budget: None where there is no limit.

    Raises:
        ValueError: A cost or the budget is negative.

    >>> two = allocate(np.array([[3.0], [1.0]]), np.array([[1.0], [1.0]]), np.array([10.0, 10.0]), 15.0)
    >>> two.shares.ravel().tolist(), two.value, two.shadow_price
    ([1.0, 0.5], 35.0, 1.0)
    """
    return Hull.of(value, cost, size).allocate(budget)


def _hull_steps(value: Array, cost: Array) -> _Steps:
    """The hulls of all groups at once, one step a round: the next point is the one with the best rate from here."""
    groups = np.arange(len(value))
    option = np.full(len(value), -1)
    at_value, at_cost = np.zeros(len(value)), np.zeros(len(value))
    at_rate = np.full(len(value), np.inf)
    found: list[_Steps] = []
    for _ in range(value.shape[1]):
        gain, extra = value[groups] - at_value[:, None], cost[groups] - at_cost[:, None]
        rate = np.divide(gain, extra, out=np.full(gain.shape, np.inf), where=extra > 0)
        # A better option that costs no more comes first, the best of several; among equal rates the farthest.
        rate = np.where(gain > 0, rate, -np.inf)
        best_rate = rate.max(axis=1, initial=-np.inf)
        chosen = np.where(rate == best_rate[:, None], gain, -np.inf).argmax(axis=1)
        rows = np.flatnonzero(best_rate > 0)
        if not len(rows):
            break
        groups, chosen = groups[rows], chosen[rows]
        step_value, step_cost = gain[rows, chosen], np.maximum(extra[rows, chosen], 0.0)
        at_rate = np.minimum(best_rate[rows], at_rate[rows])
        found.append(_Steps(groups, option[rows], chosen, step_value, step_cost, at_rate))
        option, at_value, at_cost = chosen, value[groups, chosen], at_cost[rows] + step_cost
    if not found:
        none = np.zeros(0, dtype=np.int64)
        return _Steps(none, none, none, np.zeros(0), np.zeros(0), np.zeros(0))
    return _Steps(
        np.concatenate([each.group for each in found]),
        np.concatenate([each.before for each in found]),
        np.concatenate([each.after for each in found]),
        np.concatenate([each.value for each in found]),
        np.concatenate([each.cost for each in found]),
        np.concatenate([each.rate for each in found]),
    )


def _take(shares: Array, steps: _Steps, part: float) -> None:
    """Move `part` of each step's group from one option to the next, for steps in the order in which they are bought."""
    np.add.at(shares, (steps.group, steps.after), part)
    moved = steps.before >= 0
    np.add.at(shares, (steps.group[moved], steps.before[moved]), -part)
