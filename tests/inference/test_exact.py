"""Exact tests: golden values of scipy and R, brute force, and a level that is never exceeded."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest
from scipy.stats import binom, boschloo_exact

from experiments.inference.exact import boschloo, hypergeometric, mid_p
from experiments.inference.proportions import compare_proportions
from experiments.inference.score import TwoByTwo

SMALL = TwoByTwo(17, 50, 7, 50)


def test_golden_small_table(golden):
    _, expected = golden("prop_exact_small")
    assert boschloo(SMALL, "two-sided") == pytest.approx(expected["boschloo"], rel=1e-6)
    low, probabilities = hypergeometric(SMALL)
    observed = probabilities[SMALL.successes_arm - low]
    fisher = probabilities[probabilities <= observed * (1 + 1e-7)].sum()
    assert fisher == pytest.approx(expected["fisher"], rel=1e-6)


@pytest.mark.parametrize(
    "table", [TwoByTwo(3, 12, 9, 14), TwoByTwo(0, 30, 4, 11), TwoByTwo(2, 90, 8, 60), TwoByTwo(1, 1, 6, 40)]
)
@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_boschloo_is_scipys(table, alternative):
    cells = [
        [table.successes_arm, table.successes_versus],
        [table.members_arm - table.successes_arm, table.members_versus - table.successes_versus],
    ]
    expected = boschloo_exact(cells, alternative=alternative, n=128).pvalue
    assert boschloo(table, alternative) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("table", [TwoByTwo(3, 12, 9, 14), TwoByTwo(5, 9, 0, 9), TwoByTwo(11, 12, 4, 6)])
def test_mid_p_by_counting_in_whole_numbers(table):
    total = table.successes_arm + table.successes_versus

    def ways(k):
        return comb(table.members_arm, k) * comb(table.members_versus, total - k) if k <= total else 0

    whole = comb(table.members_arm + table.members_versus, total)
    above = sum(ways(k) for k in range(table.successes_arm + 1, table.members_arm + 1))
    expected = Fraction(2 * above + ways(table.successes_arm), 2 * whole)
    assert mid_p(table, "greater") == pytest.approx(float(expected), rel=1e-12)
    assert mid_p(table, "less") == pytest.approx(float(1 - expected), rel=1e-9)


@pytest.mark.parametrize(("n_arm", "n_versus"), [(12, 12), (20, 7)])
def test_boschloo_keeps_its_level_at_every_rate(n_arm, n_versus):
    cells = list(product(range(n_arm + 1), range(n_versus + 1)))
    rejected = [(x, y) for x, y in cells if boschloo(TwoByTwo(x, n_arm, y, n_versus), "two-sided") <= 0.05]
    for rate in np.linspace(0.01, 0.99, 33):
        size = sum(binom.pmf(x, n_arm, rate) * binom.pmf(y, n_versus, rate) for x, y in rejected)
        assert size <= 0.05 + 1e-9


def test_sparse_tables_choose_the_exact_test():
    assert compare_proportions(TwoByTwo(3, 200, 9, 200)).method == "boschloo"
    assert compare_proportions(TwoByTwo(3, 200, 9, 201)).method == "exact_conditional"
    assert compare_proportions(TwoByTwo(199_995, 200_000, 199_996, 200_000)).method == "exact_conditional"
    assert compare_proportions(TwoByTwo(10, 200, 10, 200)).method == "score"


def test_exact_p_values_only_replace_the_test_of_equality():
    sparse, z_test = TwoByTwo(6, 100_000, 1, 100_000), compare_proportions(TwoByTwo(600, 1000, 100, 1000))
    comparison = compare_proportions(sparse)
    assert comparison.p_value() == pytest.approx(2 * comparison.p_value(0.0, "greater"))
    assert comparison.p_value(0.0, "less") > 0.9
    assert comparison.p_value(1e-3, "less") < 1e-6
    assert z_test.method == "score"


def test_a_rare_arm_with_many_successes_elsewhere():
    """A large other arm makes the table long; its tail is still the binomial's."""
    table = TwoByTwo(9, 100, 50_000, 1_000_000)
    expected = binom.sf(9, 100, 0.05) + binom.pmf(9, 100, 0.05) / 2
    assert mid_p(table, "greater") == pytest.approx(expected, rel=2e-3)


def test_a_lone_member_against_many_is_quick_and_exact():
    """The arm's only member succeeds: at rate p only that table is as extreme."""
    p = boschloo(TwoByTwo(1, 1, 0, 40_000), "greater")
    worst = max(rate * (1 - rate) ** 40_000 for rate in np.linspace(0, 1e-3, 100_001))
    assert p == pytest.approx(worst, rel=1e-6)
    assert boschloo(TwoByTwo(40_000, 40_000, 0, 1), "greater") == pytest.approx(p, rel=1e-6)
