"""Sample ratio: golden values of R's chisq.test."""

from __future__ import annotations

import math

import pytest

from experiments.inference.sample_ratio import sample_ratio


def test_golden(golden):
    inputs, expected = golden("srm")
    assert sample_ratio(inputs["a"], [0.5, 0.5]).p_value == pytest.approx(expected["a"], rel=1e-9)
    b = inputs["b"]
    assert sample_ratio(b["counts"], b["expected"]).p_value == pytest.approx(expected["b"], rel=1e-9)


def test_hillstroms_arms():
    """The p-value .904 stands in the data folder's README."""
    assert sample_ratio([21_306, 21_307, 21_387], [1 / 3] * 3).p_value == pytest.approx(0.904, abs=5e-4)


def test_exact_shares_have_nothing_to_test():
    result = sample_ratio([280, 120, 600], [0.28, 0.12, 0.6])
    assert (result.statistic, result.p_value) == (pytest.approx(0, abs=1e-20), pytest.approx(1))


@pytest.mark.parametrize(
    ("counts", "shares", "reason"),
    [
        ([1], [1.0], "two or more"),
        ([1, 2], [1.0], "two or more"),
        ([1, 2], [1.0, 0.0], "positive"),
        ([1, 2], [0.5, 0.4], "add to 1"),
        ([0, 0], [0.5, 0.5], "needs members"),
        ([-1, 5], [0.5, 0.5], "negative"),
    ],
)
def test_refusals_give_the_reason(counts, shares, reason):
    with pytest.raises(ValueError, match=reason):
        sample_ratio(counts, shares)


def test_level(rng):
    runs, shares = 4000, [0.28] + [0.12] * 6
    failed = sum(
        sample_ratio([int(n) for n in c], shares).p_value < 0.01 for c in rng.multinomial(5000, shares, runs)
    )
    assert abs(failed - 0.01 * runs) <= 2.81 * math.sqrt(runs * 0.01 * 0.99)
