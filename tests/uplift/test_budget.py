"""The budget binds at a joint bound of the total cost, which holds as often as it says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm

from experiments.definition.rollout import Budget
from uplift.budget import Problem
from uplift.costs import Costs
from uplift.offers import Offers
from uplift.rules import SegmentTable

CONTACT = np.array([0.0, 0.05, 0.10])
MEANS = np.array([[0.0, 0.9, 0.5], [0.0, 0.3, 0.2], [0.0, 1.5, 1.1]])
SPREAD = np.array([[0.0, 3.0, 2.0], [0.0, 1.0, 0.5], [0.0, 8.0, 6.0]])
TESTED = np.array([2000.0, 500.0, 300.0])[:, None]
GIVEN = np.array([[0.0, 4000.0, 300.0], [0.0, 200.0, 5000.0], [0.0, 1500.0, 200.0]])


def costs_of(benefit: np.ndarray, error: np.ndarray, *, shared: bool = False) -> Costs:
    return Costs(CONTACT, benefit, error, SPREAD**2, np.full(benefit.shape, shared))


def held(amount: float, at: str = "upper_90", covers: tuple[str, ...] = ("contact", "benefit")) -> Budget:
    return Budget.model_validate({"amount": amount, "at": at, "covers": covers})


@pytest.mark.parametrize(("at", "level"), [("upper_90", 0.9), ("upper_99", 0.99), ("expected", 0.5)])
def test_the_bound_holds_as_often_as_it_says(at: str, level: float) -> None:
    """The test's means and the members' costs are drawn anew each time; binomial bounds at 1 in 10,000."""
    rng = np.random.default_rng(7)
    runs, error = 20_000, SPREAD / np.sqrt(TESTED)
    kept = 0
    for _ in range(runs):
        bound = costs_of(rng.normal(MEANS, error), error).bound(GIVEN, held(1.0, at))
        kept += (GIVEN * (CONTACT + MEANS) + rng.normal(0, SPREAD * np.sqrt(GIVEN))).sum() <= bound
    low, high = binom.ppf([5e-5, 1 - 5e-5], runs, level)
    assert low <= kept <= high


def test_the_bound_holds_where_parts_share_an_arm_s_mean() -> None:
    rng = np.random.default_rng(8)
    runs, error, mean = 20_000, np.full((3, 3), 0.05), np.array([0.0, 0.9, 0.5])
    kept = 0
    for _ in range(runs):
        seen = np.broadcast_to(rng.normal(mean, 0.05), (3, 3))
        bound = costs_of(seen, error, shared=True).bound(GIVEN, held(1.0))
        kept += (GIVEN * (CONTACT + mean) + rng.normal(0, SPREAD * np.sqrt(GIVEN))).sum() <= bound
    low, high = binom.ppf([5e-5, 1 - 5e-5], runs, 0.9)
    assert low <= kept <= high


def test_the_bound_by_hand() -> None:
    costs = Costs(
        np.array([0.0, 1.0]),
        np.array([[0.0, 2.0], [0.0, 4.0]]),
        np.array([[0.0, 0.3], [0.0, 0.4]]),
        np.array([[0.0, 9.0], [0.0, 16.0]]),
        np.zeros((2, 2), dtype=bool),
    )
    members = np.array([[0.0, 100.0], [0.0, 50.0]])
    variance = (100 * 0.3) ** 2 + (50 * 0.4) ** 2 + 100 * 9 + 50 * 16
    assert costs.bound(members, held(1.0)) == pytest.approx(550 + norm.ppf(0.9) * np.sqrt(variance))
    assert costs.bound(members, held(1.0, covers=("contact",))) == 150
    assert costs.bound(members, None) == 550


def problem(amount: float | None, at: str = "upper_90") -> Problem:
    gains = np.array([[0.0, 3.0, 1.5], [0.0, 0.7, 0.6], [0.0, 2.5, 2.0]])
    offers = Offers(
        SegmentTable((1, 2, 1)),
        None,
        ("control", "a", "b"),
        ("x", "y", "z"),
        (1, 2, 1),
        (),
        gains,
        np.zeros((3, 3)),
        0.0,
        np.ones((3, 3)),
    )
    explored = np.array([[0.0, 100.0, 100.0], [0.0, 120.0, 120.0], [0.0, 50.0, 50.0]])
    sizes = np.array([40_000.0, 50_000.0, 20_000.0])
    costs = costs_of(MEANS, SPREAD / np.sqrt(TESTED))
    return Problem(offers, costs, None if amount is None else held(amount, at), sizes, explored, (1, 2))


def profit(amount: float) -> float:
    made = problem(amount)
    return float((made.solve().given * made.offers.gains).sum())


@pytest.mark.parametrize("at", ["expected", "upper_90", "upper_99"])
@pytest.mark.parametrize("amount", [1_000.0, 20_000.0, 45_000.0, 60_000.0])
def test_the_budget_binds_at_or_under_its_amount(amount: float, at: str) -> None:
    made = problem(amount, at)
    bound = made.costs.bound(made.solve().given + made.explored, made.budget)
    assert amount - 3 < bound <= amount


def test_the_shadow_price_is_what_more_budget_brings() -> None:
    for amount in (20_000.0, 45_000.0, 60_000.0):
        gained = (profit(amount + 200) - profit(amount - 200)) / 400
        assert problem(amount).solve().shadow_price == pytest.approx(gained, rel=0.02)


def test_a_budget_that_does_not_bind_changes_nothing() -> None:
    free, ample = problem(None).solve(), problem(1e7).solve()
    np.testing.assert_array_equal(free.given, ample.given)
    assert free.shadow_price == ample.shadow_price == 0.0
