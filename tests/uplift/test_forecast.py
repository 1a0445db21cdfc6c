"""The forecast's prediction interval against what a rollout's holdout shows."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.documents.analysis import WinnerCorrected
from uplift.forecast import Strata, forecast
from uplift.offers import Offers, winners_optimism
from uplift.rules import SegmentTable


def offers_of(gains: np.ndarray, errors: np.ndarray, spread: np.ndarray, optimism: float = 0.0) -> Offers:
    """One offer to every part."""
    parts, arms = gains.shape
    arm = (1,) * parts
    return Offers(
        SegmentTable(arm),
        None,
        tuple("cab"[:arms]),
        tuple("xyz"[:parts]),
        arm,
        (),
        gains,
        errors,
        np.full(parts, optimism),
        spread,
    )


def strata(offered: np.ndarray, explored: np.ndarray, held: np.ndarray) -> Strata:
    """One stratum for each part: the policy gives all of it the same."""
    return Strata(np.arange(len(held)), offered.astype(float), explored.astype(float), held.astype(float))


@pytest.mark.parametrize(
    "spread",
    [
        pytest.param([[2.0, 2.5], [2.0, 2.5]], id="equal parts"),
        pytest.param([[0.5, 0.6], [9.0, 12.0]], id="most members in the steady part"),
        pytest.param([[9.0, 12.0], [0.5, 0.6]], id="most members in the part that varies"),
    ],
)
def test_the_interval_covers_what_the_holdout_shows(spread: list[list[float]]) -> None:
    """Two segments; the test's estimates, the contacted and the held-out members are drawn anew each time.

    A quarter of the contacted members explore the other arm, whose estimate shares the control of the first: errors that are
    taken to go together may cover a little more than 95 %.
    """
    rng = np.random.default_rng(1)
    sd = np.column_stack([np.array(spread), np.array(spread)[:, 1]])
    gains, base = np.array([[0.0, 0.6, 0.3], [0.0, 0.2, 0.1]]), np.array([1.0, 2.0])
    tested, held = 4000, np.array([900, 500])
    contacted = np.array([[0, 6750, 2250], [0, 3750, 1250]])
    errors = np.sqrt((sd**2 + sd[:, :1] ** 2) / tested) * [0, 1, 1]
    runs, covered = 4000, 0
    for _ in range(runs):
        means = rng.normal(0, sd / np.sqrt(tested))
        seen = gains + (means - means[:, :1]) * [0, 1, 1]
        found = forecast(
            offers_of(seen, errors, sd), strata(contacted * [0, 1, 0], contacted * [0, 0, 1], held)
        )
        got = contacted * (base[:, None] + gains) + rng.normal(0, sd * np.sqrt(contacted))
        without = base + rng.normal(0, sd[:, 0] / np.sqrt(held))
        shown = got.sum() - (contacted.sum(axis=1) * without).sum()
        covered += found.low <= shown <= found.high
    assert 0.943 < covered / runs < 0.968


def test_optimism_is_taken_from_the_chosen_arm_only() -> None:
    gains = np.array([[0.0, 0.5, 0.4]])
    offers = offers_of(gains, np.zeros((1, 3)), np.ones((1, 3)), optimism=0.1)
    found = forecast(
        offers, strata(np.array([[0.0, 100.0, 10.0]]), np.array([[0.0, 5.0, 5.0]]), np.array([10.0]))
    )
    np.testing.assert_allclose(found.by_arm, [0.0, 40.0, 4.0])
    assert found.total == 40.0 + 4.0 + 2.5 + 2.0


def test_a_departing_segment_is_forecast_by_its_own_correction() -> None:
    rows = [
        WinnerCorrected(None, "profit", "a", 0.5, 0.4, 0.1, 0.7, "hybrid"),
        WinnerCorrected("y", "profit", "b", 0.9, 0.6, 0.2, 1.1, "hybrid"),
        WinnerCorrected("z", "profit", "b", 0.2, 0.3, 0.0, 0.6, "hybrid"),
        WinnerCorrected("x", "revenue", "b", 9.0, 1.0, 0.0, 9.5, "hybrid"),
    ]
    np.testing.assert_allclose(winners_optimism(rows, "profit", ("x", "y", "z")), [0.1, 0.3, 0.0])
    assert list(winners_optimism([], "profit", ("x", "y"))) == [0.0, 0.0]
