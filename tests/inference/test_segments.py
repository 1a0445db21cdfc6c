"""Segments: golden values of statsmodels' meta-analysis, shrinkage, coverage by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.meta_analysis import combine_effects

from experiments.inference.segments import heterogeneity

effects = st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 3)), min_size=2, max_size=8)


@given(effects)
def test_q_and_tau_are_those_of_statsmodels(pairs):
    y, errors = zip(*pairs, strict=True)
    ours = heterogeneity(y, errors)
    with np.errstate(all="ignore"):
        theirs = combine_effects(np.array(y), np.array(errors) ** 2, method_re="dl")
    assert ours.statistic == pytest.approx(theirs.q, rel=1e-9, abs=1e-12)
    assert ours.tau_squared == pytest.approx(max(theirs.tau2, 0.0), rel=1e-9, abs=1e-12)
    if theirs.tau2 > 0:
        assert ours.mean == pytest.approx(theirs.mean_effect_re, rel=1e-9, abs=1e-12)


@given(effects)
def test_shrunken_effects_lie_between_the_estimate_and_the_mean(pairs):
    y, errors = zip(*pairs, strict=True)
    result = heterogeneity(y, errors)
    for estimate, effect in zip(y, result.effects, strict=True):
        low, high = sorted((estimate, result.mean))
        assert low - 1e-9 <= effect.effect <= high + 1e-9
        assert effect.low <= effect.effect <= effect.high


def test_a_segment_without_a_standard_error_takes_the_mean():
    result = heterogeneity([0.1, 0.5, 9.0], [0.01, 0.01, None])
    assert result.effects[2].effect == pytest.approx(result.mean)
    assert result.mean == pytest.approx(0.3)
    assert result.effects[2].high > result.effects[1].high
    assert math.isfinite(result.effects[2].high)


def test_one_segment_has_nothing_to_differ_from():
    result = heterogeneity([0.2], [0.1])
    assert (result.statistic, result.p_value, result.tau_squared) == (0.0, 1.0, 0.0)
    assert result.effects[0].effect == pytest.approx(0.2)
    assert result.effects[0].high == pytest.approx(0.2 + 1.959964 * 0.1)


def test_refusals_give_the_reason():
    with pytest.raises(ValueError, match="2 estimates and 1"):
        heterogeneity([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="at least one segment"):
        heterogeneity([1.0], [None])
    with pytest.raises(ValueError, match="positive"):
        heterogeneity([1.0, 2.0], [1.0, 0.0])


def test_level_of_q_and_coverage_of_the_shrunken_effects(rng):
    runs, segments, errors = 2000, 4, [0.5, 1.0, 1.0, 2.0]
    rejected = sum(heterogeneity(rng.normal(0.3, errors), errors).p_value <= 0.05 for _ in range(runs))
    assert abs(rejected - 0.05 * runs) <= 3 * math.sqrt(runs * 0.05 * 0.95)
    for tau in (0.0, 1.0, 3.0):
        covered = 0
        for _ in range(runs):
            truth = rng.normal(0.3, tau, segments) if tau else np.full(segments, 0.3)
            result = heterogeneity(rng.normal(truth, errors), errors)
            covered += sum(e.low <= t <= e.high for e, t in zip(result.effects, truth, strict=True))
        # Effects of a run share its mean and tau: the bound counts runs, not effects.
        assert covered >= runs * segments * (0.95 - 3 * math.sqrt(0.05 * 0.95 / runs))


def test_shrinking_pays(rng):
    truth = rng.normal(0, 0.5, (800, 5))
    estimates = rng.normal(truth, 1.0)
    shrunken = [[e.effect for e in heterogeneity(y, [1.0] * 5).effects] for y in estimates]
    assert ((np.array(shrunken) - truth) ** 2).mean() < 0.7 * ((estimates - truth) ** 2).mean()
