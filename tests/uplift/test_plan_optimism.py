"""What a plan's profit is lowered by, for having been chosen by the estimates that value it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from experiments.definition.rollout import Budget
from uplift.budget import Problem
from uplift.costs import Costs
from uplift.offers import Offers
from uplift.plan_optimism import plan_optimism
from uplift.rules import SegmentTable

SIZE, ERROR, RUNS = 1000.0, 0.5, 150


def problem(gains: np.ndarray, errors: np.ndarray, amount: float | None) -> Problem:
    """The first arm for every part of 1,000 members, a second that costs and brings less; contact costs 0.5 and 0.3."""
    parts, arms = gains.shape
    nothing = np.zeros((parts, arms))
    offers = Offers(
        SegmentTable((1,) * parts),
        None,
        tuple("cab"[:arms]),
        tuple(str(part) for part in range(parts)),
        (1,) * parts,
        (),
        gains,
        errors,
        np.zeros(parts),
        nothing + 1.0,
    )
    costs = Costs(np.array([0.0, 0.5, 0.3])[:arms], nothing, nothing, nothing, nothing > 0)
    budget = None if amount is None else Budget.model_validate({"amount": amount, "at": "expected"})
    return Problem(offers, costs, budget, np.full(parts, SIZE), nothing, tuple(range(1, arms)))


def told(made: Problem) -> tuple[float, float, np.ndarray]:
    """Profit at the estimates, and corrected, of the plan, and the plan."""
    plan = made.solve()
    naive = float((plan.given * made.offers.gains).sum())
    return naive, naive - float(plan_optimism(made, [plan.capacity])[0]), plan.given


@pytest.mark.parametrize("gain", [-0.6, -0.1, 0.0, 0.2, 0.5, 1.5])
def test_one_part_is_the_closed_form(gain: float) -> None:
    """One part is offered something where its gain looks positive: E[(g - w) 1(g + w > 0)] for normal w."""
    made = problem(np.array([[0.0, gain]]), np.array([[0.0, ERROR]]), None)
    _, corrected, _ = told(made)
    expected = gain * norm.cdf(gain / ERROR) - ERROR * norm.pdf(gain / ERROR)
    # A hundred draws, in pairs, of an amount whose deviation is below 0.5.
    assert corrected / SIZE == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(
    ("parts", "gains", "amount", "too_high"),
    [
        pytest.param(8, [1.0, 0.8], 1000.0, 0.25, id="equal parts, a quarter is reached"),
        pytest.param(8, [0.0, 0.0], None, 0.25, id="nothing helps, no budget"),
        pytest.param(3, [3.0, 0.5], None, 0.0, id="everybody is reached"),
    ],
)
def test_the_forecast_of_a_chosen_plan_is_not_too_high(
    parts: int, gains: list[float], amount: float | None, too_high: float
) -> None:
    """Over tests of the same truth, plans at the estimates promise too much, and corrected ones what they bring."""
    rng = np.random.default_rng(5)
    truth = np.tile([0.0, *gains], (parts, 1))
    errors = np.tile([0.0, ERROR, ERROR], (parts, 1))
    naive, corrected = np.zeros(RUNS), np.zeros(RUNS)
    for run in range(RUNS):
        noise = (rng.normal(size=truth.shape) + rng.normal(size=(parts, 1))) * np.sqrt(0.5)
        at_estimates, lowered, given = told(problem(truth + noise * errors, errors, amount))
        brings = float((given * truth).sum())
        naive[run], corrected[run] = at_estimates - brings, lowered - brings
    scale, precision = SIZE * parts * ERROR, norm.ppf(0.9995) / np.sqrt(RUNS)
    if too_high:
        assert naive.mean() > too_high * scale - precision * naive.std()
    # It values plans made with more noise, which bring a little less.
    assert -0.10 * scale - precision * corrected.std() < corrected.mean() < precision * corrected.std()


def test_what_was_certain_is_not_lowered() -> None:
    gains = np.array([[0.0, 3.0], [0.0, 1.0]])
    assert plan_optimism(problem(gains, np.zeros((2, 2)), 600.0), [600.0]).tolist() == [0.0]
    far = problem(gains, np.array([[0.0, 0.1], [0.0, 0.1]]), 500.0)
    naive, corrected, _ = told(far)
    assert corrected == pytest.approx(naive)


def test_it_is_an_amount_of_the_value_metric() -> None:
    """In cents all is a hundred times as much; no plan is lowered by less than nothing."""
    rng = np.random.default_rng(3)
    gains = rng.normal(0.5, 1.0, (6, 3)) * [0, 1, 1]
    errors = np.tile([0.0, 0.4, 0.6], (6, 1))
    capacities = [0.0, 300.0, 1000.0, None]
    found = plan_optimism(problem(gains, errors, 1000.0), capacities)
    assert (found >= 0).all()
    assert found[0] == 0.0
    in_cents = plan_optimism(problem(gains * 100, errors * 100, 1000.0), capacities)
    np.testing.assert_allclose(in_cents, found * 100)
