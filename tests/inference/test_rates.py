"""Intervals of one rate: golden values of statsmodels, exact coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from experiments.inference.rates import clopper_pearson_interval, wilson_interval


def test_golden(golden):
    inputs, expected = golden("single_prop_intervals")
    x, n = inputs["x"], inputs["n"]
    assert wilson_interval(x, n) == pytest.approx(expected["wilson"], abs=1e-10)
    assert clopper_pearson_interval(x, n) == pytest.approx(expected["clopper_pearson"], abs=1e-10)
    assert wilson_interval(0, 50) == pytest.approx(expected["wilson_0_of_50"], abs=1e-10)


@given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([0.001, 0.05, 0.3]))
def test_any_count_is_that_of_statsmodels(members, share, alpha):
    x = round(share * members)
    for ours, method in ((wilson_interval, "wilson"), (clopper_pearson_interval, "beta")):
        expected = proportion_confint(x, members, alpha, method)
        assert ours(x, members, alpha) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("rate", [0.003, 0.05, 0.5])
def test_clopper_pearson_covers_every_rate(rate):
    counts = np.arange(81)
    intervals = [clopper_pearson_interval(int(x), 80) for x in counts]
    covered = sum(
        binom.pmf(x, 80, rate)
        for x, (low, high) in zip(counts, intervals, strict=True)
        if low <= rate <= high
    )
    assert covered >= 0.95


@pytest.mark.parametrize(("successes", "members"), [(0, 0), (-1, 5), (6, 5)])
def test_refusals_give_the_reason(successes, members):
    for interval in (wilson_interval, clopper_pearson_interval):
        with pytest.raises(ValueError, match="no rate"):
            interval(successes, members)
