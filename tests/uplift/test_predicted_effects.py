"""Predictions against what comes true."""

from __future__ import annotations

import numpy as np
import pytest

from uplift.calibration import calibrate

N = 40_000


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_the_slope_is_the_share_of_predicted_differences_that_comes_true(slope: float) -> None:
    rng = np.random.default_rng(1)
    predicted = rng.normal(0.1, 0.3, N)
    found = calibrate(predicted, 0.1 + slope * (predicted - 0.1) + rng.normal(size=N)).slope
    assert found is not None
    assert abs(found.value - slope) < 3 * found.std_error
    assert found.std_error == pytest.approx(1 / (0.3 * np.sqrt(N)), rel=0.05)


def test_groups_go_from_low_to_high_and_hold_everybody() -> None:
    rng = np.random.default_rng(2)
    predicted = rng.normal(size=N)
    groups = calibrate(predicted, predicted + rng.normal(size=N)).groups
    assert len(groups) == 10
    assert sum(group.members for group in groups) == N
    assert [group.predicted for group in groups] == sorted(group.predicted for group in groups)
    assert all(abs(group.realised.value - group.predicted) < 4 * group.realised.std_error for group in groups)


def test_equal_predictions_stay_together_and_have_no_slope() -> None:
    gain = np.random.default_rng(3).normal(size=1000)
    found = calibrate(np.full(1000, 0.1), gain)
    assert found.slope is None
    assert [group.members for group in found.groups] == [1000]
    two = calibrate(np.repeat([0.0, 1.0], [900, 100]), gain)
    assert [group.members for group in two.groups] == [900, 100]


@pytest.mark.parametrize("size", [1, 4])
def test_the_slope_s_error_is_the_robust_one(size: int) -> None:
    """HC0 (White 1980), and of units by the sums of their terms (Liang and Zeger 1986), written out."""
    rng = np.random.default_rng(4)
    predicted = rng.normal(size=2000)
    gain = 0.3 * predicted + rng.normal(size=2000) * (1 + np.abs(predicted))
    unit = np.arange(2000) // size
    found = calibrate(predicted, gain, unit=None if size == 1 else unit).slope
    assert found is not None
    centred = predicted - predicted.mean()
    slope = float(centred @ gain / (centred @ centred))
    terms = np.bincount(unit, weights=centred * (gain - gain.mean() - slope * centred))
    assert found.value == pytest.approx(slope, rel=1e-10)
    assert found.std_error == pytest.approx(np.sqrt((terms**2).sum()) / (centred @ centred), rel=1e-10)
