"""What looking costs: rpact's inflation, power by simulation, and always-valid power as a lower limit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.inference.always_valid import ConfidenceSequence
from experiments.inference.power import PlannedProportion, power, sample_size
from experiments.inference.schedules import AlwaysValidSchedule, FixedSchedule, GroupSequentialSchedule

FIVE = GroupSequentialSchedule((0.2, 0.4, 0.6, 0.8, 1.0), "obrien_fleming")
POCOCK = GroupSequentialSchedule((0.25, 0.6, 1.0), "pocock")


def test_inflation_is_rpacts_and_buys_the_power_back():
    # R rpact 3.3.4, getDesignCharacteristics(asOF, kMax = 5, alpha = .025, beta = .2)$inflationFactor.
    assert FIVE.inflation(0.05, 0.8) == pytest.approx(1.024719891, rel=1e-6)
    metric = PlannedProportion(0.10)
    fixed = sample_size(metric, 0.01, power=0.8, alpha=0.05)
    more = fixed.arm * FIVE.inflation(0.05, 0.8)
    assert FIVE.power(0.8, 0.05) < 0.8
    assert FIVE.power(power(metric, 0.01, more, more, 0.05), 0.05) == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize("schedule", [FIVE, POCOCK])
def test_power_is_how_often_a_look_rejects(rng, schedule):
    runs, fixed, alpha = 60_000, 0.7, 0.02
    drift = 0.524401 + 2.326348  # normal quantiles of .7 and of 1 - alpha / 2
    information = np.array(schedule.information)
    steps = np.diff([0.0, *information])
    moved = rng.normal(drift * steps, np.sqrt(steps), (runs, len(steps))).cumsum(axis=1)
    rejected = int((moved / np.sqrt(information) > np.array(schedule.bounds(alpha))).any(axis=1).sum())
    expected = schedule.power(fixed, alpha)
    assert abs(rejected - runs * expected) <= 2.81 * math.sqrt(runs * expected * (1 - expected))
    assert schedule.spent(alpha)[-1] == pytest.approx(alpha)


def test_always_valid_power_is_no_more_than_what_looking_finds(rng):
    schedule, runs, looks = AlwaysValidSchedule(0.05), 20_000, 40
    fixed = 0.95
    drift = 1.644854 + 1.959964
    inflated = math.sqrt(schedule.inflation(0.05, fixed)) * drift
    at_end = float((rng.normal(inflated, 1.0, runs) > schedule.critical(0.05)).mean())
    assert at_end == pytest.approx(fixed, abs=2.81 * math.sqrt(fixed * (1 - fixed) / runs))
    steps = rng.normal(drift / looks, math.sqrt(1 / looks), (runs, looks)).cumsum(axis=1)
    share = np.arange(1, looks + 1) / looks
    bounds = np.array([ConfidenceSequence(0.0, 1.0, each, 1.0, 0.05).critical(0.05) for each in share])
    found = float((steps / np.sqrt(share) > bounds).any(axis=1).mean())
    assert found >= schedule.power(fixed, 0.05) - 0.01


@given(st.floats(0.03, 0.999), st.sampled_from([0.05, 0.01]))
def test_looking_adds_no_power_to_find_an_effect_and_a_single_look_costs_none(fixed, alpha):
    for schedule in (FIVE, POCOCK):
        assert schedule.power(fixed, alpha) <= fixed + 1e-9
    assert AlwaysValidSchedule(0.05).power(fixed, alpha) <= fixed
    once = FixedSchedule()
    assert (once.power(fixed, alpha), once.inflation(alpha, 0.8)) == (fixed, 1.0)


def test_certain_and_impossible_power_stay_what_they_are():
    for schedule in (FIVE, AlwaysValidSchedule(0.05)):
        assert schedule.power(1.0, 0.05) == pytest.approx(1.0, abs=1e-5)
        assert schedule.power(0.0, 0.05) == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(ValueError, match="must exceed"):
        AlwaysValidSchedule(0.05).inflation(0.05, 0.02)
