"""The plan of a rollout: the best allocation of its members to arms whose cost bound is within the budget, and every limit kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.optimize import brentq

from experiments.definition.arms import Arm
from experiments.definition.rollout import Budget, Rollout
from uplift.allocation import Allocation, Hull
from uplift.costs import Costs
from uplift.features import Array
from uplift.limits import Limit, allocate_within
from uplift.offers import Offers
from uplift.sample import Flags, Integers

_PRECISION = 1e-9
_STEP = 1e-6
# A model's groups are few members each, and the gains of its parts are told in bands.
_STEP_OF_MODEL = 0.01


@dataclass(frozen=True)
class Plan:
    """Who is offered what.

    Attributes:
        given: Shape (G, K): whole members of each group who are offered each arm.
        shares: Shape (G, K): the same as shares of each group; of a group without members, what one would get.
        shadow_price: The profit that one more unit of budget would bring; 0 where it does not bind or there is none.
        capacity: The expected cost that it may have; None where nothing holds it.
        limit_prices: The profit that one more member within each limit would bring.
    """

    given: Array
    shares: Array
    shadow_price: float
    capacity: float | None = None
    limit_prices: tuple[float, ...] = ()


@dataclass(frozen=True)
class Groups:
    """Members who are alike to the plan, where the parts of the audience are not: by a model's predictions, by who comes first, or both.

    Attributes:
        cell: Shape (G,): the part of the audience that each group belongs to.
        worth: Shape (G, K): what each arm is predicted to bring a member over no contact; None where the part's estimates tell it.
        first: Shape (G,): who is allocated to before all others; None where nobody is.
    """

    cell: Integers
    worth: Array | None = None
    first: Flags | None = None


@dataclass(frozen=True)
class Problem:
    """The members to allocate: `sizes` of shape (G,) for the policy, `explored` of shape (C, K) already given.

    `eligible` are the arms that may be rolled out. Without `groups` each part of the audience is one group;
    where groups come first, the budget and every limit go to them before the others.
    """

    offers: Offers
    costs: Costs
    budget: Budget | None
    sizes: Array
    explored: Array
    eligible: tuple[int, ...]
    limits: tuple[Limit, ...] = ()
    groups: Groups | None = None

    @property
    def exploration(self) -> float:
        """The cost bound of exploration alone."""
        return self.costs.bound(self.explored, self.budget)

    def solve(self) -> Plan:
        """The multiple-choice knapsack on expected costs, its capacity the largest with which the bound is within the budget.

        The knapsack is linear and the bound is not: it adds a root of a sum of variances. The capacity is the root of bound
        less budget; at 0 nobody is offered what costs anything. The shadow price is what the last bit of capacity adds to the
        profit that the test's gains tell, over what it adds to the bound. A model's predictions order members; they do not
        tell what is earned.
        """
        whole = self._allocate(None)
        if self.budget is None:
            return self._plan(whole, 0.0, None)
        room = self.budget.amount - self._bound(whole)
        if room >= 0:
            return self._plan(whole, 0.0, whole.cost + room)
        capacity = self._capacity(self.budget.amount, whole.cost)
        step = _STEP if self.groups is None or self.groups.worth is None else _STEP_OF_MODEL
        best, less = self._allocate(capacity), self._allocate(capacity * (1 - step))
        steepness = self._bound(best) - self._bound(less)
        price = (self._told(best) - self._told(less)) / steepness if steepness > 0 else 0.0
        return self._plan(best, max(price, 0.0), capacity)

    def reached(self, capacity: float | None) -> Array:
        """Shape (G, K): members who are offered each arm within an expected cost, parts of members included."""
        return np.asarray(self._allocate(capacity).shares * self.sizes[:, None])

    def with_budget(self, amount: float) -> Problem:
        """The same members with another budget; only for one that has a budget."""
        assert self.budget is not None
        changed = replace(self, budget=self.budget.model_copy(update={"amount": amount}))
        changed.__dict__["_hulls"] = self._hulls
        return changed

    def curve(self, points: int) -> tuple[tuple[float, Plan], ...]:
        """Plans from no cost to the best offer for everybody, each with its cost bound; one sorted hull serves all."""
        whole = self._allocate(None)
        found = []
        for part in np.linspace(0.0, 1.0, points):
            capacity = float(part) * whole.cost if part < 1 else None
            allocation = whole if capacity is None else self._allocate(capacity)
            plan = self._plan(allocation, allocation.shadow_price, capacity)
            found.append((self._bound(allocation), plan))
        return tuple(found)

    def by_cell(self, members: Array) -> Array:
        """Shape (C, K): members of groups, shape (G, K), by part of the audience."""
        if self.groups is None:
            return members
        found = np.zeros_like(self.offers.gains)
        np.add.at(found, self.groups.cell, members)
        return found

    def _capacity(self, amount: float, most: float) -> float:
        """The largest expected cost whose bound is within the amount; a hair under the root, so that it is."""

        def excess(capacity: float) -> float:
            return self._bound(self._allocate(capacity)) - amount

        if excess(0.0) >= 0:
            return 0.0
        root = float(brentq(excess, 0.0, most, xtol=_PRECISION * most, rtol=1e-12))
        while root > 0 and excess(root) > 0:
            root = max(0.0, root - _PRECISION * most)
        return root

    @cached_property
    def _sizes_in_turn(self) -> tuple[Array, ...]:
        """Shape (G,) each: everybody at once; or those who come first, and then the others."""
        first = self.groups.first if self.groups is not None else None
        if first is None:
            return (self.sizes,)
        return (np.where(first, self.sizes, 0.0), np.where(first, 0.0, self.sizes))

    @cached_property
    def _hulls(self) -> tuple[Hull, ...]:
        return tuple(Hull.of(self._values, self._covered, sizes) for sizes in self._sizes_in_turn)

    def _allocate(self, capacity: float | None) -> Allocation:
        """The best allocation; where some come first, the best for them, and the best for the others of what they leave."""
        found = self._allocate_to(0, capacity, self.limits)
        if self.groups is None or self.groups.first is None:
            return found
        used = (found.shares * self._sizes_in_turn[0][:, None]).sum(axis=0)
        limits = [
            replace(limit, most=max(0.0, limit.most - float(used[list(limit.options)].sum())))
            for limit in self.limits
        ]
        left = None if capacity is None else max(0.0, capacity - found.cost)
        others = self._allocate_to(1, left, limits)
        return Allocation(
            np.where(self.groups.first[:, None], found.shares, others.shares),
            found.value + others.value,
            found.cost + others.cost,
            found.shadow_price or others.shadow_price,
            tuple(own or other for own, other in zip(found.limit_prices, others.limit_prices, strict=True)),
        )

    def _allocate_to(self, turn: int, capacity: float | None, limits: Sequence[Limit]) -> Allocation:
        if not limits:
            return self._hulls[turn].allocate(capacity)
        return allocate_within(self._values, self._covered, self._sizes_in_turn[turn], capacity, limits)

    def _bound(self, allocation: Allocation) -> float:
        return self.costs.bound(self._members(allocation) + self.explored, self.budget)

    def _told(self, allocation: Allocation) -> float:
        return float((self._members(allocation) * self.offers.gains).sum())

    def _members(self, allocation: Allocation) -> Array:
        return self.by_cell(allocation.shares * self.sizes[:, None])

    def _plan(self, allocation: Allocation, price: float, capacity: float | None) -> Plan:
        size = self.sizes[:, None]
        given = np.floor(allocation.shares * size + _PRECISION)
        shares = np.divide(given, size, out=np.floor(allocation.shares), where=size > 0)
        return Plan(given, shares, price, capacity, allocation.limit_prices)

    @cached_property
    def _covered(self) -> Array:
        covered = self.costs.covered(self.budget)
        return covered if self.groups is None else covered[self.groups.cell]

    @cached_property
    def _values(self) -> Array:
        """Shape (G, K): what each arm is worth in each group; nothing for an arm that is no option there.

        An option is the rule's own arm, and where the budget or a stock does not reach, an eligible arm that brings less;
        without limits it must cost less, too. For a model every eligible arm is an option, at its prediction.
        """
        if self.groups is None:
            return self._values_of_parts()
        worth = self.groups.worth
        if worth is None:
            return self._values_of_parts()[self.groups.cell]
        value = np.zeros_like(worth)
        for k in self.eligible:
            value[:, k] = np.maximum(worth[:, k], 0.0)
        return value

    def _values_of_parts(self) -> Array:
        value = np.zeros_like(self.offers.gains)
        gains, cost = self.offers.gains, self.costs.expected
        own = np.array(self.offers.arm)
        rows = np.arange(len(own))
        for k in self.eligible:
            behind = gains[:, k] < gains[rows, own]
            if not self.limits:
                behind &= cost[:, k] < cost[rows, own]
            value[:, k] = np.where((own == k) | ((own > 0) & behind), np.maximum(gains[:, k], 0.0), 0.0)
        return value


def sold_out(arms: Sequence[Arm], settings: Rollout) -> frozenset[int]:
    """The arms, by number, of which a stock or a channel has none at all: nobody can explore them."""
    limits = rollout_limits(arms, settings, np.zeros((1, len(arms))))
    return frozenset(k for limit in limits if limit.most == 0 for k in limit.options)


def rollout_limits(arms: Sequence[Arm], settings: Rollout, explored: Array) -> tuple[Limit, ...]:
    """The definition's stock and contacts, less the exploring members.

    Args:
        arms: All arms, control first.
        settings: The definition's `rollout`.
        explored: Shape (C, K): exploring members.

    Returns:
        One limit for each entry; what is left of one may be negative where exploration alone exceeds it.
    """
    used = explored.sum(axis=0)
    found = []
    for name, most in (settings.stock or {}).items():
        here = [
            k for k, arm in enumerate(arms) if name == arm.id or name in (level for _, level in arm.levels)
        ]
        found.append(Limit(name, tuple(here), most - float(used[here].sum())))
    for name, most in (settings.contacts or {}).items():
        here = [k for k, arm in enumerate(arms) if arm.channel == name]
        found.append(Limit(name, tuple(here), most - float(used[here].sum())))
    return tuple(found)
