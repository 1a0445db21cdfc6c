"""The forecast's prediction interval against what a rollout's holdout shows."""

from __future__ import annotations

import numpy as np

from uplift.forecast import forecast
from uplift.offers import Offers
from uplift.rules import SegmentTable


def test_the_interval_covers_what_the_holdout_shows() -> None:
    """Two segments; the test's estimates, the contacted and the held-out members are drawn anew each time."""
    rng = np.random.default_rng(1)
    gains, base, spread = np.array([[0.0, 0.6], [0.0, 0.2]]), np.array([1.0, 2.0]), np.array([2.0, 2.5])
    tested, offered, held = 4000, np.array([9000, 5000]), np.array([900, 500])
    error = np.sqrt((spread**2).sum() / tested)
    runs, covered = 2000, 0
    for _ in range(runs):
        seen = gains + np.column_stack([np.zeros(2), rng.normal(0, error, 2)])
        errors = np.column_stack([np.zeros(2), np.full(2, error)])
        offers = Offers(
            SegmentTable((1, 1)), None, ("control", "a"), ("x", "y"), (1, 1), seen, errors, 0.0, spread
        )
        found = forecast(offers, np.column_stack([[0, 0], offered]), np.zeros((2, 2)), held)
        contacted = base + gains[:, 1] + rng.normal(0, spread[1] / np.sqrt(offered))
        without = base + rng.normal(0, spread[0] / np.sqrt(held))
        covered += found.low <= float(((contacted - without) * offered).sum()) <= found.high
    assert 0.935 < covered / runs < 0.965


def test_optimism_is_taken_from_the_chosen_arm_only() -> None:
    gains = np.array([[0.0, 0.5, 0.4]])
    offers = Offers(
        SegmentTable((1,)), None, ("control", "a", "b"), ("",), (1,), gains, np.zeros((1, 3)), 0.1, np.ones(3)
    )
    found = forecast(offers, np.array([[0.0, 100.0, 10.0]]), np.array([[0.0, 5.0, 5.0]]), np.array([10.0]))
    np.testing.assert_allclose(found.by_arm, [0.0, 40.0, 4.0])
    assert found.total == 40.0 + 4.0 + 2.5 + 2.0
