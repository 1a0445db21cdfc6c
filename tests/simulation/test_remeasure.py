"""Moments of a simulated experiment: those of the members' rows, arm by arm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from experiments.inference.moments import Moments
from experiments.simulation.remeasure import Remeasure
from tests.simulation.members import COLUMNS, members

ARMS = ("control", "mail", "call")


def test_moments_are_those_of_the_rows() -> None:
    sample = members(700)
    arm = np.random.default_rng(5).integers(0, 3, size=700)
    measured = Remeasure.of(sample, ARMS, tuple(sample.metrics)).measure(arm)
    for cell, moments in measured.metrics["spend"].cells.items():
        place = sample.places.index((cell.segment, cell.stratum))
        rows = sample.values[(arm == ARMS.index(cell.arm)) & (sample.place == place)][:, [1, 2]]
        expected = Moments.from_rows(COLUMNS[1:], rows)
        assert (moments.names, moments.count, moments.nonzero) == (COLUMNS[1:], len(rows), expected.nonzero)
        np.testing.assert_allclose(moments.mean, expected.mean, rtol=1e-12)
        np.testing.assert_allclose(moments.comoment, expected.comoment, rtol=1e-10)
    assert sum(measured.counts.values()) == 700
    assert len(measured.metrics["spend"].cells) == 12


def test_a_changed_column_takes_the_place_of_the_samples() -> None:
    sample = members(300)
    arm = np.random.default_rng(6).integers(0, 3, size=300)
    changed = np.where(arm == 1, 1.0, sample.values[:, 0])
    measured = Remeasure.of(sample, ARMS, ("converted",)).measure(arm, (0, changed))
    moments = measured.metrics["converted"].arm("mail")
    assert moments.average(COLUMNS[0]) == pytest.approx(1.0)
    assert moments.nonzero_count(COLUMNS[0]) == moments.count
    control = measured.metrics["converted"].arm("control")
    assert control.average(COLUMNS[0]) == pytest.approx(sample.values[arm == 0, 0].mean())


def test_members_without_a_value_are_left_out_of_that_metric_only() -> None:
    sample = members(400)
    values = sample.values.copy()
    values[::4, 1] = np.nan
    sample = replace(sample, values=values)
    arm = np.arange(400) % 2
    measured = Remeasure.of(sample, ARMS[:2], tuple(sample.metrics)).measure(arm)
    assert measured.metrics["converted"].arm("control").count == 200
    assert measured.metrics["spend"].arm("control").count == 100
    assert measured.metrics["basket"].arm("control").count == 100
    assert measured.metrics["spend"].dropped == {"control": 100, "mail": 0}
