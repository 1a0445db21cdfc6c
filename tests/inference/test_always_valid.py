"""Confidence sequences: golden values of gbstats, the level under looking every day."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.inference.always_valid import ConfidenceSequence

P, Q, N = 560 / 12_000, 480 / 12_000, 12_000
VARIANCES = P * (1 - P) / N, Q * (1 - Q) / N


def test_golden(golden):
    _, expected = golden("anytime_asymptotic_cs")
    absolute = ConfidenceSequence(P - Q, math.sqrt(sum(VARIANCES)), 2 * N, 24_000)
    assert absolute.interval == pytest.approx(expected["absolute_Nstar24000"]["ci"], rel=1e-9)
    assert absolute.p_value() == pytest.approx(expected["absolute_Nstar24000"]["p"], rel=1e-9)


@given(st.floats(-3, 3), st.integers(100, 10**6), st.sampled_from([0.01, 0.05]))
def test_the_bound_has_p_alpha(estimate, members, alpha):
    sequence = ConfidenceSequence(estimate, 0.3, members, 10_000, alpha)
    for bound, alternative in zip(sequence.interval, ("greater", "less"), strict=True):
        assert sequence.p_value(bound) == pytest.approx(alpha, rel=1e-9)
        assert sequence.p_value(bound, alternative) == pytest.approx(alpha / 2, rel=1e-9)
        other = "less" if alternative == "greater" else "greater"
        assert sequence.p_value(bound, other) == pytest.approx(1 - alpha / 2)


def test_it_is_narrowest_near_the_planned_number():
    widths = [ConfidenceSequence(0.0, 1.0, n, 10_000).interval[1] for n in (1000, 10_000, 100_000)]
    assert min(widths) == widths[1]


def test_looking_two_hundred_times_keeps_the_level(rng):
    runs, looks, batch = 3000, 200, 100
    sums = rng.normal(0, math.sqrt(batch), (runs, looks)).cumsum(axis=1)
    members = batch * np.arange(1, looks + 1)
    bounds = [ConfidenceSequence(0.0, 1.0, n, looks * batch).interval[1] for n in members]
    z = np.abs(sums) / np.sqrt(members)
    assert (z > np.array(bounds)).any(axis=1).sum() <= 0.05 * runs + 2.6 * math.sqrt(runs * 0.05 * 0.95)
    assert (z > 1.96).any(axis=1).mean() > 0.3


@pytest.mark.parametrize(("error", "members", "planned"), [(0.0, 10, 10), (1.0, 0, 10), (1.0, 10, 0)])
def test_refusals_give_the_reason(error, members, planned):
    with pytest.raises(ValueError, match="all positive"):
        ConfidenceSequence(0.1, error, members, planned)
