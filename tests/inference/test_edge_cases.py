"""Data at the edge, through every comparison and everything that reads one: an answer or a refusal, never a NaN."""

from __future__ import annotations

import math
import warnings
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.inference.adjustment import LinComparison
from experiments.inference.bayes import compare_arms
from experiments.inference.best import compare_with_best
from experiments.inference.cluster_robust import ClusterComparison
from experiments.inference.clusters import ClusterSums
from experiments.inference.comparison import Comparison, compare
from experiments.inference.dunnett import dunnett_adjust
from experiments.inference.guardrails import non_inferiority
from experiments.inference.looks import AnytimeComparison, GroupSequentialBounds, RepeatedComparison
from experiments.inference.means import WelchComparison
from experiments.inference.moments import Moments
from experiments.inference.normal_prior import InformedPosterior, NormalPrior
from experiments.inference.proportions import compare_proportions
from experiments.inference.ratios import DeltaRatioComparison
from experiments.inference.score import TwoByTwo
from experiments.inference.segments import heterogeneity
from experiments.inference.winner import correct_winner

COLUMNS = ("x", "d", "c")


@st.composite
def values(draw, largest=30):
    """A column: zeros, all equal, one buyer, huge with variance 1, tiny, negative, or mixed."""
    n = draw(st.integers(1, largest))
    kind = draw(st.sampled_from(["zeros", "equal", "one", "huge", "tiny", "negative", "mixed"]))
    noise = np.array(draw(st.lists(st.floats(-1, 1), min_size=n, max_size=n)))
    match kind:
        case "zeros":
            return np.zeros(n)
        case "equal":
            return np.full(n, draw(st.sampled_from([1.0, 1e8, 1e-9, -3.0])))
        case "one":
            return np.where(np.arange(n) == 0, draw(st.sampled_from([1.0, 1e8, 1e-9])), 0.0)
        case "huge":
            return 1e8 + noise
        case "tiny":
            return 1e-12 * noise
        case "negative":
            return -5 + noise
        case _:
            return 3 * noise


@st.composite
def sides(draw):
    """Two arms of rows: the metric, a denominator that is never negative, a covariate."""
    arms = []
    for _ in range(2):
        x = draw(values())
        d = draw(st.sampled_from([np.ones(len(x)), np.arange(len(x), dtype=float), np.zeros(len(x))]))
        c = draw(st.sampled_from([np.zeros(len(x)), np.arange(len(x), dtype=float), x]))
        arms.append(np.column_stack([x, d, c]))
    return arms[0], arms[1]


def clusters(rows, pilot):
    """Each two rows a shop; the pilot is near the mean, as an engine's is."""
    return ClusterSums.from_rows(COLUMNS[:2], COLUMNS[2:], rows, np.arange(len(rows)) // 2, pilot)


def every_comparison(arm, versus):
    """Every way to compare these rows, each also at a look; those that refuse are left out."""
    a, v = (Moments.from_rows(COLUMNS, rows) for rows in (arm, versus))
    half = [
        (Moments.from_rows(COLUMNS, rows[::2]), Moments.from_rows(COLUMNS, rows[1::2]))
        for rows in (arm, versus)
    ]
    pilot = np.concatenate([arm, versus]).mean(axis=0)
    asked = (
        lambda: WelchComparison(a, v, "x"),
        lambda: DeltaRatioComparison(a, v, "x", "d"),
        lambda: LinComparison([a], [v], "x", ("c",)),
        lambda: LinComparison([a], [v], "x", ("c", "d")),
        lambda: LinComparison(half[0], half[1], "x", ("c",)),
        lambda: LinComparison([a], [v], "x", ("c",), None, "d"),
        lambda: ClusterComparison(clusters(arm, pilot), clusters(versus, pilot), "x"),
        lambda: ClusterComparison(clusters(arm, pilot), clusters(versus, pilot), "x", adjusted=True),
        lambda: compare(a, v, "x", "binary"),
    )
    for ask in asked:
        try:
            found = ask()
        except ValueError as error:
            assert str(error)  # noqa: PT017 - a refusal says why
            continue
        yield found
        yield RepeatedComparison(found, GroupSequentialBounds((0.4, 0.7), "obrien_fleming"))
        yield AnytimeComparison(found, 100.0, 0.05, 1000)


def is_answer(comparison: Comparison) -> None:
    """Every figure is a number or says that there is none."""
    assert math.isfinite(comparison.difference)
    for figure in (
        comparison.std_error,
        comparison.statistic,
        comparison.variance_arm,
        comparison.variance_versus,
    ):
        assert figure is None or math.isfinite(figure)
    assert comparison.std_error is None or comparison.std_error > 0
    for null in (0.0, 0.01):
        for alternative in ("two-sided", "greater", "less"):
            assert 0 <= comparison.p_value(null, alternative) <= 1
            assert 0 <= comparison.ratio_p_value(1 + null, alternative) <= 1
    for alpha in (0.05, 1e-6):
        low, high = comparison.interval(alpha)
        assert low <= high
        slack = 1e-9 * max(1.0, abs(comparison.difference))
        assert low - slack <= comparison.difference <= high + slack
        lift = comparison.lift(alpha)
        if lift is not None:
            assert lift.low <= lift.lift <= lift.high
            assert math.isfinite(lift.high)


@settings(max_examples=60)
@given(sides())
def test_every_comparison_of_any_rows_answers(rows):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for comparison in every_comparison(*rows):
            is_answer(comparison)


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(1, 400), st.data())
def test_every_table_answers(n_arm, n_versus, data):
    table = TwoByTwo(data.draw(st.integers(0, n_arm)), n_arm, data.draw(st.integers(0, n_versus)), n_versus)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        is_answer(compare_proportions(table))
        for limit in (0.01, -0.01):
            for relative in (False, True):
                found = non_inferiority(
                    compare_proportions(table), limit, "down" if limit > 0 else "up", relative=relative
                )
                assert 0 <= found.p_value <= 1
                assert found.bound is None or math.isfinite(found.bound)


@settings(max_examples=40)
@given(st.lists(values(), min_size=3, max_size=4))
def test_what_reads_comparisons_answers(columns):
    """Dunnett, the best, the winner, segments and posteriors, of arms of any kind."""
    arms = [Moments.from_rows(("x",), column[:, None]) for column in columns]
    control, *offers = arms
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        against = [WelchComparison(arm, control, "x") for arm in offers]
        assert all(0 <= p <= 1 for p in dunnett_adjust(against))
        pairs = {
            (i, j): WelchComparison(offers[i], offers[j], "x") for i, j in combinations(range(len(offers)), 2)
        }
        for row in compare_with_best(pairs):
            assert row.low <= 0 <= row.high
        errors = [each.std_error for each in against]
        if all(errors):
            best = int(np.argmax([each.difference for each in against]))
            winner = correct_winner(against, best)
            assert winner.low <= winner.high
            assert math.isfinite(winner.corrected)
        if any(errors):
            for effect in heterogeneity([each.difference for each in against], errors).effects:
                assert effect.low <= effect.effect <= effect.high
        variances = [(each.variance_arm, each.variance_versus) for each in against]
        if all(a and v for a, v in variances):
            own, shared = [a for a, _ in variances], variances[0][1]
            differences = [each.difference for each in against]
            flat = compare_arms([0.0, *differences], [math.sqrt(shared), *np.sqrt(own)])
            informed = InformedPosterior(differences, own, shared, NormalPrior(0.0, 1.0)).odds()
            for odds in (*flat, *informed):
                assert 0 <= odds.probability_best <= 1 + 1e-6
                assert math.isfinite(odds.expected_loss)


def test_values_near_a_hundred_million_keep_six_digits(rng):
    """From rows and from an engine's sums: numpy's long doubles as witness."""
    arm, versus = 1e8 + rng.normal(0.02, 1, 40_000), 1e8 + rng.normal(0, 1, 40_000)
    exact = [np.asarray(x, dtype=np.longdouble) for x in (arm, versus)]
    difference = float(exact[0].mean() - exact[1].mean())
    error = float(np.sqrt(sum(x.var(ddof=1) / len(x) for x in exact)))
    found = WelchComparison(*(Moments.from_rows(("x",), x[:, None]) for x in (arm, versus)), "x")
    assert found.difference == pytest.approx(difference, rel=1e-6)
    assert found.std_error == pytest.approx(error, rel=1e-6)
    assert found.statistic == pytest.approx(difference / error, rel=1e-6)


def test_the_tail_of_a_huge_difference_is_kept():
    """40,000 against 50,000 of a million each: 5.309e-255 (tea-tasting), where 1 - p would be 0."""
    arm, versus = (
        Moments(("x",), 10**6, np.array([n / 1e6]), np.array([[n * (1e6 - n) / 1e6]]), (n,))
        for n in (50_000, 40_000)
    )
    assert compare(arm, versus, "x", "binary").p_value() == pytest.approx(5.309001661568793e-255, rel=1e-6)
    assert 0 < WelchComparison(arm, versus, "x").p_value() < 1e-250
