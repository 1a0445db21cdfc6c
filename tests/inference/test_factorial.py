"""Factorial effects: golden values of statsmodels' weighted least squares with sum-to-zero contrasts."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import statsmodels.api as sm

from experiments.inference.factorial import Cell, Factor, factorial_terms

OFFER = Factor("offer", ("pts", "cpn", "gift"))
COPY = Factor("copy", ("care", "urgent"))


def cells(means, variances, factors=(OFFER, COPY), omit=()):
    combos = [c for c in product(*(f.levels for f in factors)) if c not in omit]
    return [Cell(c, m, v) for c, m, v in zip(combos, means, variances, strict=True)]


def by_term(rows):
    return {row.term: row for row in rows}


def test_terms_of_a_three_by_two(rng):
    means, variances = rng.normal(5, 1, 6), rng.gamma(2, 0.1, 6)
    rows = by_term(factorial_terms((OFFER, COPY), cells(means, variances)))
    assert list(rows) == [
        "offer:pts - offer:cpn",
        "offer:pts - offer:gift",
        "offer:cpn - offer:gift",
        "offer",
        "copy",
        "offer:copy",
    ]
    grid = means.reshape(3, 2)
    assert rows["offer:pts - offer:gift"].estimate == pytest.approx(grid[0].mean() - grid[2].mean())
    assert rows["copy"].estimate == pytest.approx(grid[:, 0].mean() - grid[:, 1].mean())
    assert rows["copy"].std_error == pytest.approx(math.sqrt(variances.sum() / 9))
    assert rows["offer"].degrees == rows["offer:copy"].degrees == 2
    assert rows["offer"].estimate is rows["offer:copy"].std_error is None


def test_joint_tests_are_wald_tests_of_the_saturated_regression(rng):
    """Effect coding: its coefficients are zero exactly where the unweighted marginal contrasts are."""
    means, variances = rng.normal(5, 0.4, 6), rng.gamma(2, 0.1, 6)
    a = np.repeat(np.array([[1, 0], [0, 1], [-1, -1]]), 2, axis=0)
    b = np.tile([1, -1], 3)[:, None]
    design = np.c_[np.ones(6), a, b, a * b]
    inverse = np.linalg.inv(design)
    coefficients, covariance = inverse @ means, inverse @ np.diag(variances) @ inverse.T
    rows = by_term(factorial_terms((OFFER, COPY), cells(means, variances)))
    for term, at in (("offer", [1, 2]), ("offer:copy", [4, 5])):
        part = coefficients[at]
        expected = part @ np.linalg.inv(covariance[np.ix_(at, at)]) @ part
        assert rows[term].statistic == pytest.approx(expected, rel=1e-9)


def test_two_by_two_is_the_regression_on_rows(rng):
    factors = (Factor("a", ("0", "1")), Factor("b", ("0", "1")))
    combos = list(product((0, 1), (0, 1)))
    groups = [rng.normal(i, 1 + i, 50) for i in range(4)]
    fit = sm.OLS(
        np.concatenate(groups),
        np.repeat([[1, 0.5 - a, 0.5 - b, 4 * (0.5 - a) * (0.5 - b)] for a, b in combos], 50, axis=0),
    ).fit(cov_type="HC3")
    arms = [
        Cell((str(a), str(b)), float(g.mean()), float(g.var(ddof=1) / 50))
        for (a, b), g in zip(combos, groups, strict=True)
    ]
    rows = by_term(factorial_terms(factors, arms))
    assert rows["a"].estimate == pytest.approx(fit.params[1])
    assert rows["b"].std_error == pytest.approx(fit.bse[2], rel=0.02)
    assert rows["a:b"].estimate == pytest.approx(4 * fit.params[3])
    assert rows["a:b"].statistic == pytest.approx(fit.tvalues[3], rel=0.02)


def test_an_omitted_arm_leaves_what_can_be_matched():
    omit = (("gift", "urgent"),)
    rows = by_term(factorial_terms((OFFER, COPY), cells([1, 2, 3, 5, 9], [0.1] * 5, omit=omit)))
    assert rows["offer:pts - offer:gift"].estimate == pytest.approx(1 - 9)
    assert rows["offer:pts - offer:cpn"].estimate == pytest.approx(1.5 - 4)
    assert rows["copy"].estimate == pytest.approx(((1 - 2) + (3 - 5)) / 2)
    assert (rows["offer:copy"].degrees, rows["offer:copy"].estimate) == (1, pytest.approx(1 - 2 - 3 + 5))


def test_a_term_without_matched_arms_is_absent():
    omit = (("pts", "urgent"), ("cpn", "urgent"), ("gift", "care"))
    rows = by_term(factorial_terms((OFFER, COPY), cells([1, 2, 3], [0.1] * 3, omit=omit)))
    assert set(rows) == {"offer:pts - offer:cpn", "offer"}


def test_three_factors_have_three_interactions(rng):
    factors = (Factor("a", ("0", "1")), Factor("b", ("0", "1")), Factor("c", ("0", "1")))
    means = rng.normal(size=8)
    rows = by_term(factorial_terms(factors, cells(means, [0.1] * 8, factors)))
    cube = means.reshape(2, 2, 2).mean(axis=2)
    assert rows["a:b"].estimate == pytest.approx(cube[0, 0] - cube[0, 1] - cube[1, 0] + cube[1, 1])
    assert {"a:b", "a:c", "b:c"} <= set(rows)


def test_no_variance_is_an_answer():
    for row in factorial_terms((OFFER, COPY), cells([1] * 6, [0.0] * 6)):
        assert (row.p_value, row.statistic, row.std_error) == (None, None, None)


def test_refusals_give_the_reason():
    with pytest.raises(ValueError, match="same levels"):
        factorial_terms((COPY,), [Cell(("care",), 1, 1), Cell(("care",), 2, 1)])
    with pytest.raises(ValueError, match="not one of each"):
        factorial_terms((COPY,), [Cell(("loud",), 1, 1)])


def test_joint_tests_keep_their_level(rng):
    runs, variances = 3000, [0.1, 0.4, 0.2, 0.1, 0.3, 0.2]
    rejected = {"offer": 0, "offer:copy": 0}
    for _ in range(runs):
        rows = by_term(factorial_terms((OFFER, COPY), cells(rng.normal(2, np.sqrt(variances)), variances)))
        for term in rejected:
            rejected[term] += rows[term].p_value <= 0.05
    for count in rejected.values():
        assert abs(count - 0.05 * runs) <= 3.03 * math.sqrt(runs * 0.05 * 0.95)
