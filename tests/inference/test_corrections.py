"""Corrections: golden values of statsmodels and R's p.adjust, properties, interval levels."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from experiments.inference.corrections import adjust, control_share, interval_level

families = st.lists(st.floats(0, 1), min_size=1, max_size=12)
METHODS = {"bonferroni": "bonferroni", "holm": "holm", "hochberg": "simes-hochberg", "bh": "fdr_bh"}


@pytest.mark.parametrize("method", METHODS)
@given(p=families)
def test_adjusted_p_values_are_those_of_statsmodels(method, p):
    expected = multipletests(p, method=METHODS[method])[1]
    assert adjust(p, method) == pytest.approx(list(expected), rel=1e-12, abs=1e-300)


def test_the_karlan_list_family(shared):
    """Gifts by matching ratio; Holm .0837, .0128, .0128 stand in the data folder's README."""
    from experiments.inference.proportions import ScoreComparison
    from experiments.inference.score import TwoByTwo

    control = (298, 16_687)
    p = [
        ScoreComparison(TwoByTwo(gave, members, *control)).p_value()
        for gave, members in ((231, 11_133), (252, 11_134), (253, 11_129))
    ]
    assert adjust(p, "holm") == pytest.approx([0.0837, 0.0128, 0.0128], abs=5e-5)


@given(families, st.randoms())
def test_the_order_of_a_family_does_not_matter(p, random):
    order = list(range(len(p)))
    random.shuffle(order)
    for method in ("holm", "hochberg", "bh"):
        straight, shuffled = adjust(p, method), adjust([p[i] for i in order], method)
        assert shuffled == [straight[i] for i in order]


@given(families)
def test_methods_are_ordered_by_strictness(p):
    bonferroni, holm, hochberg, bh, none = (
        adjust(p, method) for method in ("bonferroni", "holm", "hochberg", "bh", "none")
    )
    for chain in zip(bonferroni, holm, hochberg, bh, none, strict=True):
        assert all(a >= b - 1e-12 for a, b in itertools.pairwise(chain))
    assert none == p


def test_an_empty_family_and_impossible_p_values():
    assert adjust([], "holm") == []
    for bad in (math.nan, -0.1, 1.1):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            adjust([0.5, bad], "holm")


@pytest.mark.parametrize(
    ("method", "alpha", "label"),
    [
        ("none", 0.05, "none"),
        ("bonferroni", 0.01, "bonferroni"),
        ("holm", 0.01, "bonferroni_conservative"),
        ("hochberg", 0.01, "bonferroni_conservative"),
        ("bh", 0.02, "false_coverage"),
    ],
)
def test_interval_levels(method, alpha, label):
    level = interval_level(method, 0.05, 5, rejected=2)
    assert (level.alpha, level.label) == (pytest.approx(alpha), label)


def test_false_coverage_without_rejections_is_bonferroni():
    assert interval_level("bh", 0.05, 5, rejected=0).alpha == pytest.approx(0.01)
    with pytest.raises(ValueError, match="6 rejections"):
        interval_level("bh", 0.05, 5, rejected=6)


@pytest.mark.parametrize("arms", [1, 3, 8])
def test_the_control_share_minimises_the_variance(arms):
    def variance(share):
        return 1 / share + arms / (1 - share)

    best = control_share(arms)
    grid = np.linspace(0.01, 0.99, 2001)
    assert variance(best) <= min(variance(share) for share in grid)
    with pytest.raises(ValueError, match="at least one"):
        control_share(0)
