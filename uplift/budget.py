"""The plan of a rollout: the best allocation of its members to arms whose cost bound is within the budget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.definition.policy import Budget
from uplift.allocation import Allocation, allocate
from uplift.costs import Costs
from uplift.features import Array
from uplift.offers import Offers

_PRECISION = 1e-9
_STEP = 1e-6


@dataclass(frozen=True)
class Plan:
    """Who is offered what.

    Attributes:
        given: Shape (C, K): whole members of each part who are offered each arm.
        shadow_price: The profit that one more unit of budget would bring; 0 where it does not bind or there is none.
    """

    given: Array
    shadow_price: float


@dataclass(frozen=True)
class Problem:
    """The members to allocate: `sizes` of shape (C,) for the policy, `explored` of shape (C, K) already given.

    `eligible` are the arms that may be rolled out.
    """

    offers: Offers
    costs: Costs
    budget: Budget | None
    sizes: Array
    explored: Array
    eligible: tuple[int, ...]

    @property
    def exploration(self) -> float:
        """The cost bound of exploration alone."""
        return self.costs.bound(self.explored, self.budget)

    def solve(self) -> Plan:
        """The multiple-choice knapsack on expected costs, its capacity the largest with which the bound is within the budget.

        The knapsack is linear and the bound is not: it adds a root of a sum of variances. The capacity is found by
        bisection; at 0 nobody is offered what costs anything. The shadow price is the knapsack's, for each unit of
        expected cost, over what the last such unit adds to the bound.
        """
        whole = self._allocate(None)
        if self.budget is None or self._bound(whole) <= self.budget.amount:
            return self._plan(whole, 0.0)
        low, high = 0.0, whole.cost
        while high - low > _PRECISION * high:
            middle = (low + high) / 2
            fits = self._bound(self._allocate(middle)) <= self.budget.amount
            low, high = (middle, high) if fits else (low, middle)
        best, less = self._allocate(low), self._allocate(low * (1 - _STEP))
        steepness = self._bound(best) - self._bound(less)
        price = best.shadow_price * low * _STEP / steepness if steepness > 0 else best.shadow_price
        return self._plan(best, price)

    def _allocate(self, capacity: float | None) -> Allocation:
        return allocate(self._values(), self.costs.covered(self.budget), self.sizes, capacity)

    def _bound(self, allocation: Allocation) -> float:
        return self.costs.bound(allocation.shares * self.sizes[:, None] + self.explored, self.budget)

    def _plan(self, allocation: Allocation, price: float) -> Plan:
        return Plan(np.floor(allocation.shares * self.sizes[:, None] + _PRECISION), price)

    def _values(self) -> Array:
        """Shape (C, K): what each arm is worth in each part; nothing for an arm that is no option there.

        An option is the rule's own arm, and where the budget does not reach, an eligible arm that costs and brings less.
        """
        gains, cost = self.offers.gains, self.costs.expected
        own = np.array(self.offers.arm)
        rows = np.arange(len(own))
        value = np.zeros_like(gains)
        for k in self.eligible:
            cheaper = (cost[:, k] < cost[rows, own]) & (gains[:, k] < gains[rows, own])
            value[:, k] = np.where((own == k) | ((own > 0) & cheaper), np.maximum(gains[:, k], 0.0), 0.0)
        return value
