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
