"""Equal shares of members with a property in all arms: scipy's tests, and the level by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from experiments.inference.homogeneity import homogeneity


@pytest.mark.parametrize(
    ("having", "members"),
    [((10, 30), (1_000, 1_000)), ((40, 55, 90), (800, 1_200, 1_600)), ((990, 960, 480), (1_000, 1_000, 500))],
)
def test_chi_square_is_scipys(having: tuple[int, ...], members: tuple[int, ...]) -> None:
    table = [having, [n - d for d, n in zip(having, members, strict=True)]]
    expected = stats.chi2_contingency(table, correction=False).pvalue
    assert homogeneity(having, members) == pytest.approx(expected, rel=1e-9)


def test_sparse_counts_use_the_conditional_mid_p() -> None:
    """Two missing amounts of the Karlan-List letters, both in the larger arm."""
    law = stats.hypergeom(50_083, 16_687, 2)
    both_tails = 2 * min(law.pmf(0) / 2, law.pmf(0) / 2 + law.pmf(1) + law.pmf(2))
    assert homogeneity([0, 2], [16_687, 33_396]) == pytest.approx(both_tails, rel=1e-9)


def test_many_sparse_arms_pay_for_each_test() -> None:
    law = stats.hypergeom(2_500, 1_000, 8)
    assert homogeneity([8, 0, 0], [1_000, 1_000, 500]) == pytest.approx(3 * 2 * law.pmf(8) / 2, rel=1e-9)


@pytest.mark.parametrize("having", [(0, 0, 0), (100, 100, 50)])
def test_nobody_or_everybody_differs_nowhere(having: tuple[int, ...]) -> None:
    assert homogeneity(having, [100, 100, 50]) == 1.0


@pytest.mark.parametrize("rate", [0.002, 0.03, 0.97])
def test_equal_shares_are_rejected_no_more_often_than_promised(rate: float) -> None:
    draws = np.random.default_rng(11)
    members, runs = (500, 700, 900), 2_000
    rejected = sum(
        homogeneity([int(draws.binomial(n, rate)) for n in members], members) < 0.01 for _ in range(runs)
    )
    assert rejected <= stats.binom.ppf(0.9995, runs, 0.01)


@pytest.mark.parametrize(
    ("having", "members"),
    [((1,), (2,)), ((1, 2), (2,)), ((3, 1), (2, 2)), ((0, 0), (0, 5)), ((-1, 0), (2, 2))],
)
def test_impossible_counts_are_refused(having: tuple[int, ...], members: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="arms"):
        homogeneity(having, members)
