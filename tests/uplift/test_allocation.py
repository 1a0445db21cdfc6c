"""The knapsack against the HiGHS solver of scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, eye, kron, vstack

from uplift.allocation import allocate


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
