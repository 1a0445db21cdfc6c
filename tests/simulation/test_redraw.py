"""Arms drawn again: exact counts within strata, independent draws elsewhere, units whole, every arm with its share."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.simulation.redraw import Redraw

SHARES = (Fraction(28, 100), Fraction(48, 100), Fraction(24, 100))


@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=5),
    weights=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    seed=st.integers(0, 2**32),
)
def test_a_stratum_has_its_shares_within_one(sizes: list[int], weights: list[int], seed: int) -> None:
    shares = tuple(Fraction(weight, sum(weights)) for weight in weights)
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    arm = Redraw(shares, group, None, len(group)).draw(rng)
    for stratum, size in enumerate(sizes):
        counts = np.bincount(arm[group == stratum], minlength=len(shares))
        assert counts.sum() == size
        assert all(abs(count - share * size) < 1 for count, share in zip(counts, shares, strict=True))


@pytest.mark.parametrize("sizes", [(1, 2, 7), None], ids=["strata", "independent"])
def test_every_member_has_each_arm_with_its_share(sizes: tuple[int, ...] | None) -> None:
    """Over 20,000 draws, each of 10 members: within 4.9 standard errors, one in a million for each of the 30 rates."""
    group = None if sizes is None else np.repeat(np.arange(len(sizes)), sizes)
    redraw, rng, runs = Redraw(SHARES, group, None, 10), np.random.default_rng(1), 20_000
    arms = np.array([redraw.draw(rng) for _ in range(runs)])
    for number, share in enumerate(map(float, SHARES)):
        rates = (arms == number).mean(axis=0)
        assert np.abs(rates - share).max() < 4.9 * np.sqrt(share * (1 - share) / runs)


def test_units_stay_whole() -> None:
    unit = np.random.default_rng(2).integers(0, 50, size=400)
    arm = Redraw(SHARES, None, unit, 400).draw(np.random.default_rng(3))
    assert all(len(set(arm[unit == each])) == 1 for each in np.unique(unit))
    assert len(set(arm)) == 3
