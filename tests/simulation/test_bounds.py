"""Binomial bounds of a simulated rate. Witness: scipy.stats.binom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from experiments.simulation.bounds import binomial_bounds


@given(
    target=st.sampled_from([0.01, 0.05, 0.5, 0.95]),
    runs=st.sampled_from([100, 400, 2000]),
    level=st.sampled_from([0.05, 0.005, 0.0001]),
)
def test_bounds_hold_their_level_and_no_narrower_ones_do(target: float, runs: int, level: float) -> None:
    low, high = (round(bound * runs) for bound in binomial_bounds(target, runs, "both", level))
    assert binom.cdf(low - 1, runs, target) <= level / 2 < binom.cdf(low, runs, target)
    assert binom.sf(high, runs, target) <= level / 2 < binom.sf(high - 1, runs, target)
    assert binomial_bounds(target, runs, "above", level)[0] == 0
    assert binomial_bounds(target, runs, "below", level)[1] == 1
    above = round(binomial_bounds(target, runs, "above", level)[1] * runs)
    assert binom.sf(above, runs, target) <= level < binom.sf(above - 1, runs, target)


def test_a_rate_that_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match="target"):
        binomial_bounds(1.0, 100, "both", 0.05)
