"""Group-sequential looks: golden values of rpact, and levels by simulation."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtr

from experiments.inference.sequential import (
    crossing_probabilities,
    inflation,
    nominal_level,
    spending_bounds,
    spending_function,
)

FIVE = [0.2, 0.4, 0.6, 0.8, 1.0]


def test_golden_bounds(golden):
    inputs, expected = golden("group_sequential_bounds")
    alpha = inputs["alpha_one_sided"]
    of, pocock = spending_function("obrien_fleming", alpha), spending_function("pocock", alpha)
    assert spending_bounds(FIVE, of) == pytest.approx(expected["LanDeMets_OF"], abs=1e-6)
    assert spending_bounds(FIVE, pocock) == pytest.approx(expected["LanDeMets_Pocock"], abs=1e-6)
    squared = spending_bounds(FIVE, lambda fraction: alpha * fraction**2)
    assert squared == pytest.approx(expected["power_family_t2"], abs=1e-6)
    uneven = spending_bounds([0.25, 0.6, 1.0], of)
    assert uneven == pytest.approx(expected["LanDeMets_OF_at_25_60_100"], abs=1e-6)
    assert [of(t) for t in FIVE] == pytest.approx(expected["LanDeMets_OF_spent"], rel=1e-6)


def first_crossing_at_the_second(times, bounds):
    """P(Z1 < b1, Z2 > b2) by scipy's adaptive quadrature over the first look, split where the integrand bends."""
    (first, second), (b1, b2) = times, bounds
    step = math.sqrt(second - first)
    bend = step / math.sqrt(first)
    cuts = (b1 - 30 * bend, b1 - 10 * bend, b1 - 3 * bend, b1 - bend)
    ends = [-9.0, *(cut for cut in cuts if cut > -9), b1]

    def integrand(z):
        above = ndtr((z * math.sqrt(first) - b2 * math.sqrt(second)) / step)
        return math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * above

    return sum(quad(integrand, *pair, epsabs=1e-16, epsrel=1e-12, limit=200)[0] for pair in pairwise(ends))


@pytest.mark.parametrize("name", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize("first", [0.3, 0.9])
@pytest.mark.parametrize("step", [0.1, 0.01, 0.004, 0.001, 1e-4, 1e-5])
def test_a_look_soon_after_another_spends_what_it_may(name, first, step):
    times, spending = (first, first + step), spending_function(name, 0.025)
    found = first_crossing_at_the_second(times, spending_bounds(times, spending))
    assert found == pytest.approx(spending(times[1]) - spending(times[0]), rel=1e-6)


@pytest.mark.parametrize("design", ["OBrienFleming", "Pocock"])
def test_golden_classical_designs_spend_alpha(golden, design):
    inputs, expected = golden("group_sequential_bounds")
    assert sum(crossing_probabilities(FIVE, expected[design])) == pytest.approx(
        inputs["alpha_one_sided"], rel=1e-6
    )


def test_golden_inflation(golden):
    _, expected = golden("group_sequential_bounds")
    factors = expected["inflation_factor_power80"]
    assert inflation(FIVE, "obrien_fleming", 0.05, 0.8) == pytest.approx(factors["LDOF"], rel=1e-6)
    # The classical designs' factors: power .8 at the fixed design's drift, stretched.
    for design, key in (("OBrienFleming", "OF"), ("Pocock", "Pocock")):
        drift = (1.959963985 + 0.841621234) * math.sqrt(factors[key])
        assert sum(crossing_probabilities(FIVE, expected[design], drift)) == pytest.approx(0.8, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0.02, 1), min_size=1, max_size=8, unique=True).map(sorted),
    st.sampled_from(["obrien_fleming", "pocock"]),
)
def test_any_looks_spend_exactly_what_is_allowed(information, name):
    spending = spending_function(name, 0.025)
    bounds = spending_bounds(information, spending)
    spent = np.cumsum(crossing_probabilities(information, bounds))
    assert list(spent) == pytest.approx([spending(t) for t in information], rel=1e-5, abs=1e-9)


def test_fourteen_looks_keep_the_level(rng):
    information = [i / 14 for i in range(1, 15)]
    bounds = np.array(spending_bounds(information, spending_function("obrien_fleming", 0.025)))
    paths = rng.normal(size=(40_000, 14)).cumsum(axis=1) / np.sqrt(np.arange(1, 15))
    rejected = int((np.abs(paths) > bounds).any(axis=1).sum())
    peeked = (np.abs(paths) > 1.96).any(axis=1).mean()
    assert abs(rejected - 2000) <= 2.81 * math.sqrt(40_000 * 0.05 * 0.95)
    assert peeked > 0.2


def test_repeated_intervals_cover_at_all_looks(rng):
    information = [0.3, 0.6, 1.0]
    bounds = spending_bounds(information, spending_function("pocock", 0.025))
    steps = rng.normal(size=(40_000, 3)) * np.sqrt(np.diff([0.0, *information]))
    z = steps.cumsum(axis=1) / np.sqrt(information)
    covered = int((np.abs(z) <= np.array(bounds)).all(axis=1).sum())
    assert abs(covered - 38_000) <= 2.81 * math.sqrt(40_000 * 0.05 * 0.95)
    assert nominal_level(bounds[0]) == pytest.approx(2 * 0.5 * math.erfc(bounds[0] / math.sqrt(2)))


def test_nothing_spent_is_an_infinite_bound():
    bounds = spending_bounds([0.1, 1.0], lambda fraction: 0.025 * (fraction == 1))
    assert bounds[0] == math.inf
    assert bounds[1] == pytest.approx(1.959964, abs=1e-6)


def test_nearly_everything_spent_is_a_bound_that_nothing_stays_under():
    (bound,) = spending_bounds([1.0], lambda _: 1.0)
    assert bound < -8


def test_information_beyond_the_plan_spends_no_more():
    spending = spending_function("obrien_fleming", 0.025)
    bounds = spending_bounds([0.5, 1.1], spending)
    assert sum(crossing_probabilities([0.5, 1.1], bounds)) == pytest.approx(0.025, rel=1e-6)


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (lambda: spending_bounds([0.5, 0.5], spending_function("pocock", 0.025)), "increase"),
        (lambda: spending_bounds([], spending_function("pocock", 0.025)), "increase"),
        (lambda: spending_function("pocock", 0.0), "alpha"),
        (lambda: inflation([0.5, 0.9], "pocock", 0.05, 0.8), "last look"),
    ],
)
def test_refusals_give_the_reason(ask, reason):
    with pytest.raises(ValueError, match=reason):
        ask()
