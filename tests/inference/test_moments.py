"""Moments: golden values from numpy, and the properties that let engines compute them in parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from experiments.inference.moments import Moments, pool

values = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3))


@st.composite
def rows(draw, least=0):
    n = draw(st.integers(least, 30))
    return draw(arrays(float, (n, 2), elements=values))


def close(a: Moments, b: Moments) -> bool:
    scale = max(1.0, float(np.abs(a.comoment).max(initial=0)), float(np.abs(a.mean).max(initial=0)) ** 2)
    return (
        a.count == b.count
        and a.nonzero == b.nonzero
        and np.allclose(a.mean, b.mean, rtol=1e-12, atol=1e-9)
        and np.allclose(a.comoment, b.comoment, rtol=1e-9, atol=1e-11 * scale)
    )


def test_rows_give_what_numpy_gives(rng):
    x = rng.gamma(0.5, 20, (500, 3))
    moments = Moments.from_rows(("a", "b", "c"), x)
    covariance = np.cov(x.T, ddof=1)
    assert moments.covariance("a", "c") == pytest.approx(covariance[0, 2], rel=1e-12)
    assert moments.variance("b") == pytest.approx(covariance[1, 1], rel=1e-12)
    assert moments.total("b") == pytest.approx(x[:, 1].sum(), rel=1e-12)


@given(rows(), rows(), rows())
def test_adding_is_the_union_in_any_order(a, b, c):
    names = ("x", "y")
    parts = [Moments.from_rows(names, part) for part in (a, b, c)]
    whole = Moments.from_rows(names, np.concatenate([a, b, c]))
    assert close(pool(parts), whole)
    assert close(parts[2] + (parts[0] + parts[1]), whole)


@given(rows(least=1), values, values)
def test_sums_about_any_pilot_are_the_rows(x, first, second):
    pilot = np.array([first, second])
    shifted = x - pilot
    nonzero = [int(n) for n in np.count_nonzero(x, axis=0)]
    moments = Moments.from_sums(("x", "y"), pilot, len(x), shifted.sum(0), shifted.T @ shifted, nonzero)
    expected = Moments.from_rows(("x", "y"), x)
    raw = float(np.abs(shifted.T @ shifted).max())
    assert np.allclose(moments.comoment, expected.comoment, rtol=1e-9, atol=1e-11 * max(raw, 1.0))
    assert moments.nonzero == expected.nonzero


@pytest.mark.parametrize("parts", [1, 7, 1000])
def test_a_mean_of_1e8_does_not_drown_a_variance_of_1(parts):
    x = 1e8 + np.tile([-1.0, 1.0], 5000)
    moments = pool(Moments.from_rows(("x",), part[:, None]) for part in np.array_split(x, parts))
    assert moments.variance("x") == pytest.approx(10_000 / 9_999, rel=1e-9)


@pytest.mark.parametrize("constant", [0.1, 1e8 / 3, -7.7e-5])
def test_a_constant_column_has_exactly_no_variance(constant):
    x = np.full((1000, 1), constant)
    shifted = x - constant * 1.7
    sums = Moments.from_sums(("x",), [constant * 1.7], 1000, shifted.sum(0), shifted.T @ shifted, [1000])
    assert Moments.from_rows(("x",), x).variance("x") == 0
    assert sums.variance("x") == 0


def test_zero_is_neutral_and_select_reorders():
    moments = Moments.from_rows(("a", "b"), [[1.0, 0.0], [3.0, 5.0]])
    assert close(Moments.zero(("a", "b")) + moments, moments)
    nobody = Moments.from_sums(("a", "b"), [1.0, 2.0], 0, [0.0, 0.0], np.zeros((2, 2)), [0, 0])
    assert close(moments + nobody, moments)
    chosen = moments.select(("b", "a"))
    assert chosen.names == ("b", "a")
    assert chosen.nonzero_count("b") == 1
    assert chosen.covariance("a", "b") == moments.covariance("a", "b")


def test_arrays_are_read_only_and_do_not_alias_what_they_came_from():
    mean = np.zeros(1)
    moments = Moments(("a",), 1, mean, np.zeros((1, 1)), (0,))
    mean[0] = 5
    assert moments.average("a") == 0
    with pytest.raises(ValueError, match="read-only"):
        moments.mean[0] = 1


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda: Moments.from_rows(("a",), [[np.nan]]), "missing or not finite"),
        (lambda: Moments.from_rows(("a", "b"), [[1.0]]), "shape"),
        (lambda: Moments.from_rows(("a", "a"), [[1.0, 2.0]]), "repeat"),
        (lambda: Moments(("a",), 1, np.zeros(1), np.zeros((1, 1)), (2,)), "exceeds"),
        (lambda: Moments(("a",), 1, np.zeros(2), np.zeros((1, 1)), (0,)), "mean of shape"),
        (lambda: Moments.zero(("a",)) + Moments.zero(("b",)), "do not add"),
        (lambda: Moments.zero(("a",)).average("b"), "no moments of 'b'"),
        (lambda: Moments.from_rows(("a",), [[1.0]]).variance("a"), "two members"),
        (lambda: pool([]), "no moments"),
    ],
)
def test_refusals_give_the_reason(build, reason):
    with pytest.raises(ValueError, match=reason):
        build()


@settings(max_examples=30)
@given(rows(least=2))
def test_variances_are_never_negative(x):
    assert np.diag(Moments.from_rows(("x", "y"), x).comoment).min() >= 0


@given(st.floats(-1e6, 1e6), st.lists(st.integers(1, 10**6), min_size=1, max_size=5))
def test_a_column_of_zeros_has_a_mean_of_exactly_zero_whatever_the_pilot(pilot, parts):
    moments = pool(Moments.from_sums(("x",), [pilot], n, [n * -pilot], [[n * pilot**2]], [0]) for n in parts)
    assert moments.average("x") == 0.0
    assert moments.total("x") == 0.0
