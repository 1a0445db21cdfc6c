"""Allocation under several constraints: a budget, the stock of offers, the members whom a channel can reach.

With more than one constraint the hulls of single groups no longer decide. The linear programme is solved by HiGHS; for many
groups by sifting: under given prices of the constraints most groups have one clearly best option, so that only the others
enter the programme. Its duals are new prices, and the solution is accepted only if under them every group that was left out still
has its best option: complementary slackness then proves it optimal for all groups (Bixby, Gregory, Lustig, Marsten and
Shanno 1992, "Very large-scale linear programming").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from uplift.allocation import Allocation, allocate
from uplift.features import Array
from uplift.sample import Flags, Integers

# So many groups are solved at once; prices of more come from a sample.
_DIRECT, _SAMPLE = 5_000, 3_000
_SHRINK = 8
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Limit:
    """At most `most` members may get any of `options` together.

    Attributes:
        name: What people call it: an offer, a level of a factor or a channel.
        options: The options that it counts, by number.
        most: Members.
    """

    name: str
    options: tuple[int, ...]
    most: float


@dataclass(frozen=True)
class _Programme:
    """Groups, and constraints as weights per member: `weights` of shape (M, G, K), at most `capacity` of shape (M,)."""

    value: Array
    weights: Array
    capacity: Array
    size: Array

    def rows(self, chosen: Flags, capacity: Array) -> _Programme:
        """Some of the groups, with what the others leave."""
        return _Programme(self.value[chosen], self.weights[:, chosen], capacity, self.size[chosen])

    def used(self, members: Array) -> Array:
        """Shape (M,): what `members` of shape (G, K) use of each constraint."""
        return np.asarray(np.einsum("mgk,gk->m", self.weights, members))

    def reduced(self, prices: Array) -> Array:
        """Shape (G, K): values less what the constraints' prices take."""
        return np.asarray(self.value - np.tensordot(prices, self.weights, axes=1))


def allocate_within(
    value: Array, cost: Array, size: Array, budget: float | None, limits: Sequence[Limit]
) -> Allocation:
    """The allocation with the largest total value within the budget and every limit.

    It is a vertex of the linear programme: at most as many groups as there are constraints are split. Rounding the members
    of each group down loses less than one member for each split option, and exceeds no constraint.

    Args:
        value: Shape (G, K): value per member of each option over nothing.
        cost: Shape (G, K): cost per member, not negative.
        size: Shape (G,): members of each group.
        budget: None where there is no limit to the cost.
        limits: Further constraints; without any this is `allocate`.

    Raises:
        ValueError: A cost, the budget or a limit is negative.

    >>> two = allocate_within(
    ...     np.array([[3.0, 2.0]]), np.ones((1, 2)), np.array([10.0]), 8.0, [Limit("gift", (0,), 5.0)]
    ... )
    >>> two.shares.tolist(), two.value, two.shadow_price, two.limit_prices
    ([[0.5, 0.3]], 21.0, 2.0, (1.0,))
    """
    if not limits:
        return allocate(value, cost, size, budget)
    if (cost < 0).any() or (budget or 0.0) < 0 or any(limit.most < 0 for limit in limits):
        raise ValueError("a cost, the budget or a limit is negative; an allocation needs all at 0 or more")
    programme = _programme(value, cost, size, budget, limits)
    members, prices = _solve(programme) if len(value) <= _DIRECT else _sift(programme)
    # A group without members is told what its members would get.
    best, _ = _best_option(programme.reduced(prices))
    nobody = _given(replace(programme, size=np.ones_like(size)), best, size == 0)
    shares = np.divide(members, size[:, None], out=nobody, where=size[:, None] > 0)
    found = tuple(float(price) for price in prices)
    price, limit_prices = (0.0, found) if budget is None else (found[0], found[1:])
    return Allocation(
        shares, float((members * value).sum()), float((members * cost).sum()), price, limit_prices
    )


def _programme(
    value: Array, cost: Array, size: Array, budget: float | None, limits: Sequence[Limit]
) -> _Programme:
    weights, capacity = [], []
    if budget is not None:
        weights.append(cost)
        capacity.append(budget)
    for limit in limits:
        counted = np.zeros(value.shape[1])
        counted[list(limit.options)] = 1.0
        weights.append(np.broadcast_to(counted, value.shape))
        capacity.append(limit.most)
    return _Programme(value, np.stack(weights), np.array(capacity), size)


def _solve(programme: _Programme) -> tuple[Array, Array]:
    """Members of shape (G, K) and the constraints' prices, by HiGHS's dual simplex, which ends at a vertex."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix, vstack

    members = np.zeros_like(programme.value)
    group, option = np.nonzero((programme.value > 0) & (programme.size > 0)[:, None])
    if not len(group):
        return members, np.zeros(len(programme.capacity))
    places = np.arange(len(group))
    one_each = csr_matrix((np.ones(len(group)), (group, places)), shape=(len(members), len(group)))
    shared = csr_matrix(programme.weights[:, group, option])
    found = linprog(
        -programme.value[group, option],
        A_ub=vstack([one_each, shared], format="csr"),
        b_ub=np.concatenate([programme.size, programme.capacity]),
        method="highs-ds",
    )
    if found.status != 0:
        raise ArithmeticError(f"HiGHS ended without an optimum: {found.message}")
    members[group, option] = found.x
    return members, np.maximum(-found.ineqlin.marginals[len(members) :], 0.0)


def _sift(programme: _Programme) -> tuple[Array, Array]:
    """Prices from ever fewer groups: all, then those that the prices leave open, a sample of them while they are many."""
    groups = len(programme.value)
    everybody = np.ones(groups, dtype=bool)
    prices = _sampled_prices(programme, everybody, programme.capacity)
    open_before, width = groups, groups // _SHRINK
    while width < groups:
        best, margin = _best_option(programme.reduced(prices))
        core, left = _open_groups(programme, best, margin, max(_DIRECT, width))
        open_now = int(core.sum())
        if _DIRECT < open_now < open_before / 2:
            prices = _sampled_prices(programme, core, left)
            open_before, width = open_now, open_now // _SHRINK
            continue
        members = _given(programme, best, ~core)
        members[core], prices = _solve(programme.rows(core, left))
        wrong = ~core & _is_worse(programme, prices, best)
        if not wrong.any():
            return members, prices
        width = (open_now + int(wrong.sum())) * 2
        open_before = 0
    return _solve(programme)


def _open_groups(programme: _Programme, best: Integers, margin: Array, width: int) -> tuple[Flags, Array]:
    """At least `width` groups with the smallest margins, more until the others leave something of each capacity."""
    while width < len(margin):
        core = np.zeros(len(margin), dtype=bool)
        core[np.argpartition(margin, width)[:width]] = True
        left = programme.capacity - programme.used(_given(programme, best, ~core))
        if (left >= 0).all():
            return core, left
        width *= 2
    return np.ones(len(margin), dtype=bool), programme.capacity


def _sampled_prices(programme: _Programme, core: Flags, left: Array) -> Array:
    """The prices at which a sample of the open groups uses up its part of what is left."""
    rows = np.flatnonzero(core)
    chosen = np.zeros(len(core), dtype=bool)
    chosen[rows[np.random.default_rng(0).choice(len(rows), min(len(rows), _SAMPLE), replace=False)]] = True
    part = programme.size[chosen].sum() / programme.size[core].sum()
    return _solve(programme.rows(chosen, left * part))[1]


def _best_option(reduced: Array) -> tuple[Integers, Array]:
    """Each group's best option, -1 for nothing, and by how much it is better than the next."""
    with_nothing = np.column_stack([np.zeros(len(reduced)), reduced])
    ordered = np.partition(with_nothing, -2, axis=1)
    return with_nothing.argmax(axis=1).astype(np.int64) - 1, ordered[:, -1] - ordered[:, -2]


def _is_worse(programme: _Programme, prices: Array, option: Integers) -> Flags:
    """Whether another option than the given one is better under the prices, beyond rounding."""
    reduced = np.column_stack([np.zeros(len(option)), programme.reduced(prices)])
    mine = reduced[np.arange(len(option)), option + 1]
    scale = _TOLERANCE * max(1.0, float(np.abs(programme.value).max()))
    return np.asarray(reduced.max(axis=1) > mine + scale)


def _given(programme: _Programme, option: Integers, chosen: Flags) -> Array:
    members = np.zeros_like(programme.value)
    rows = np.flatnonzero(chosen & (option >= 0))
    members[rows, option[rows]] = programme.size[rows]
    return members
