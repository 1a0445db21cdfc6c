"""The knapsack against the HiGHS solver of scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, eye, kron, vstack

from uplift.allocation import Hull, allocate
from uplift.limits import Limit, allocate_within


def problem(groups: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    cost = rng.exponential(1.0, (groups, 3))
    cost[rng.random(groups) < 0.1, 0] = 0.0
    return rng.normal(1.0, 2.0, (groups, 3)), cost, rng.integers(1, 5, groups).astype(float)


@pytest.mark.parametrize(("groups", "seed"), [(2_000, 0), (2_000, 1), (20_000, 2)])
def test_it_equals_the_linear_programme(groups: int, seed: int) -> None:
    value, cost, size = problem(groups, seed)
    budget = (cost * size[:, None]).sum() / 12
    found = allocate(value, cost, size, budget)
    weights, costs = (value * size[:, None]).ravel(), (cost * size[:, None]).ravel()
    rows = vstack([kron(eye(groups), np.ones((1, 3))), csr_matrix(costs)])
    solved = linprog(-weights, A_ub=rows, b_ub=np.r_[np.ones(groups), budget], method="highs")
    assert found.value == pytest.approx(-solved.fun, rel=1e-9)
    assert found.shadow_price == pytest.approx(-solved.ineqlin.marginals[-1], rel=1e-6)
    assert found.cost == pytest.approx(budget, rel=1e-12)


@given(st.integers(0, 10_000), st.floats(0, 60))
@settings(max_examples=60)
def test_shares_are_shares_and_more_budget_never_hurts(seed: int, budget: float) -> None:
    value, cost, size = problem(12, seed)
    found = allocate(value, cost, size, budget)
    assert found.cost <= budget + 1e-9
    assert found.shares.min() >= -1e-12
    assert found.shares.sum(axis=1).max() <= 1 + 1e-9
    assert ((found.shares > 1e-9) & (found.shares < 1 - 1e-9)).any(axis=1).sum() <= 1
    assert found.value <= allocate(value, cost, size, budget + 1).value + 1e-9


def test_options_on_one_line_are_bought_in_turn() -> None:
    """Value in proportion to cost: of the steps between such options rounding decides which one looks better."""
    rng = np.random.default_rng(3)
    cost = rng.integers(1, 400, (2000, 4)) / 100
    value, size = cost * 0.1, np.full(2000, 100.0)
    whole = Hull.of(value, cost, size).most
    for budget in np.linspace(0.0, whole, 9):
        found = allocate(value, cost, size, budget)
        assert found.shares.min() >= 0
        assert found.shares.sum(axis=1).max() <= 1 + 1e-9
        assert found.value == pytest.approx(0.1 * budget, abs=1e-9 * whole)


def test_without_a_budget_everybody_gets_the_best() -> None:
    value, cost, size = problem(500, 5)
    found = allocate(value, cost, size)
    assert found.value == pytest.approx((np.maximum(value.max(axis=1), 0) * size).sum())
    assert found.shadow_price == 0.0


def test_negative_costs_and_budgets_are_refused() -> None:
    one = np.ones((1, 1))
    with pytest.raises(ValueError, match="negative"):
        allocate(one, -one, np.ones(1))
    with pytest.raises(ValueError, match="negative"):
        allocate(one, one, np.ones(1), -1.0)


def limited(groups: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, list[Limit]]:
    value, cost, size = problem(groups, seed)
    members = size.sum()
    limits = [Limit("first", (0,), 0.05 * members), Limit("others", (1, 2), 0.2 * members)]
    return value, cost, size, (cost * size[:, None]).sum() / 12, limits


@pytest.mark.parametrize(("groups", "seed", "part"), [(300, 3, 1.0), (300, 4, 0.2), (7_000, 5, 0.3)])
def test_several_constraints_equal_the_linear_programme(groups: int, seed: int, part: float) -> None:
    """7,000 groups are sifted; few are solved at once."""
    value, cost, size, budget, limits = limited(groups, seed)
    found = allocate_within(value, cost, size, budget * part, limits)
    weights, costs = (value * size[:, None]).ravel(), (cost * size[:, None]).ravel()
    counted = [np.where(np.isin(np.arange(3), x.options), size[:, None], 0.0).ravel() for x in limits]
    rows = vstack([kron(eye(groups), np.ones((1, 3))), csr_matrix(np.stack([costs, *counted]))])
    capacity = [budget * part, *(limit.most for limit in limits)]
    solved = linprog(-weights, A_ub=rows, b_ub=np.r_[np.ones(groups), capacity], method="highs")
    assert found.value == pytest.approx(-solved.fun, rel=1e-9)
    prices = (found.shadow_price, *found.limit_prices)
    np.testing.assert_allclose(prices, -solved.ineqlin.marginals[-3:], rtol=1e-6, atol=1e-9)
    members = found.shares * size[:, None]
    assert members[:, 0].sum() <= limits[0].most + 1e-6
    assert found.cost <= budget * part + 1e-6
    assert ((found.shares > 1e-9) & (found.shares < 1 - 1e-9)).any(axis=1).sum() <= 3


def test_limits_that_do_not_bind_change_nothing() -> None:
    value, cost, size, budget, _ = limited(400, 6)
    ample = allocate_within(value, cost, size, budget, [Limit("first", (0,), size.sum())])
    plain = allocate(value, cost, size, budget)
    assert ample.value == pytest.approx(plain.value, rel=1e-12)
    assert ample.shadow_price == pytest.approx(plain.shadow_price)
    assert ample.limit_prices == (0.0,)
    with pytest.raises(ValueError, match="negative"):
        allocate_within(value, cost, size, budget, [Limit("first", (0,), -1.0)])


def test_the_curve_is_every_budget_s_optimum_at_once() -> None:
    value, cost, size = problem(300, 7)
    hull = Hull.of(value, cost, size)
    spend, gained = hull.curve()
    assert (np.diff(spend) >= 0).all()
    rng = np.random.default_rng(1)
    for budget in (*rng.uniform(0, hull.most, 20), 0.0, hull.most, 2 * hull.most):
        found = hull.allocate(budget)
        assert np.interp(budget, spend, gained) == pytest.approx(found.value, rel=1e-9, abs=1e-9)
        assert allocate(value, cost, size, budget).value == pytest.approx(found.value, rel=1e-12)
