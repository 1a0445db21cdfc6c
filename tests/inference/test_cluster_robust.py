"""Cluster-robust comparisons.

Witnesses: CR2 and its degrees of freedom by their definition in dense matrices (Pustejovsky and Tipton 2018, equations 5 to
10, working model of independence, as R's clubSandwich computes them), HC2 of statsmodels, Welch of scipy.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.inference.cluster_robust import ClusterComparison
from experiments.inference.clusters import ClusterSums
from experiments.inference.power import PlannedMean, power
from experiments.inference.power_by_unit import PlannedByUnit, design_effect

PILOT = [99.0, 0.4, -0.2]


def campaign(
    seed: int, clusters: int, size: int = 7, icc: float = 0.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows (y, a, b) of uneven clusters whose members are alike, the cluster of each, and its arm: even numbers are control."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(clusters), rng.integers(1, 2 * size, size=clusters))
    common = rng.normal(size=(clusters, 3))[cluster]
    own = rng.normal(size=(len(cluster), 3))
    rows = math.sqrt(icc) * common + math.sqrt(1 - icc) * own
    rows[:, 0] += 100 + rows[:, 1:] @ [1.0, 2.0]
    return rows, cluster, cluster % 2


def sums(rows: np.ndarray, cluster: np.ndarray, of: np.ndarray) -> ClusterSums:
    return ClusterSums.from_rows(["y"], ["a", "b"], rows[of], cluster[of], pilot=PILOT)


def compared(
    rows: np.ndarray, cluster: np.ndarray, arm: np.ndarray, *, adjusted: bool = False
) -> ClusterComparison:
    return ClusterComparison(sums(rows, cluster, arm == 1), sums(rows, cluster, arm == 0), "y", adjusted)


def dense_cr2(y: np.ndarray, x: np.ndarray, cluster: np.ndarray) -> tuple[float, float, float]:
    """The intercept, its CR2 variance and its Satterthwaite degrees of freedom, matrix by matrix."""
    inverse = np.linalg.inv(x.T @ x)
    hat = x @ inverse @ x.T
    residual, whole = y - hat @ y, np.eye(len(y))
    weights, variance = [], 0.0
    for number in np.unique(cluster):
        at = np.flatnonzero(cluster == number)
        values, vectors = np.linalg.eigh(whole[np.ix_(at, at)] - hat[np.ix_(at, at)])
        shrink = vectors @ np.diag([v**-0.5 if v > 1e-9 else 0.0 for v in values]) @ vectors.T
        part = shrink @ x[at] @ inverse[:, 0]
        variance += float(part @ residual[at]) ** 2
        weights.append((whole - hat)[at].T @ part)
    form = np.array(weights) @ np.array(weights).T
    return float(inverse[0] @ x.T @ y), variance, float(np.trace(form) ** 2 / (form**2).sum())


@pytest.mark.parametrize("adjusted", [False, True])
@pytest.mark.parametrize("clusters", [9, 30])
def test_cr2_by_its_definition(clusters: int, adjusted: bool) -> None:
    rows, cluster, arm = campaign(clusters, clusters)
    comparison = compared(rows, cluster, arm, adjusted=adjusted)
    assert comparison.method == "cluster_cr2"
    covariates = rows[:, 1:] - rows[:, 1:].mean(axis=0)
    for estimate, number in zip(comparison.estimates, (1, 0), strict=True):
        of = arm == number
        design = np.column_stack([np.ones(of.sum()), covariates[of]]) if adjusted else np.ones((of.sum(), 1))
        mean, variance, degrees = dense_cr2(rows[of, 0], design, cluster[of])
        assert estimate.members == of.sum()
        assert estimate.mean == pytest.approx(mean, rel=1e-12)
        assert estimate.variance == pytest.approx(variance, rel=1e-9)
        assert estimate.degrees == pytest.approx(degrees, rel=1e-9)
    arms, versus = comparison.estimates
    total = arms.variance + versus.variance
    welch = total**2 / (arms.variance**2 / arms.degrees + versus.variance**2 / versus.degrees)
    assert comparison.degrees == pytest.approx(welch)
    p = 2 * stats.t.sf(abs(comparison.difference) / math.sqrt(total), welch)
    assert comparison.p_value() == pytest.approx(p, rel=1e-8)


def test_clusters_of_one_are_hc2() -> None:
    """HC2 of statsmodels on the regression of both arms with interactions."""
    rows, _, _ = campaign(3, 60)
    arm = np.arange(len(rows)) % 3 == 0
    comparison = compared(rows, np.arange(len(rows)), arm.astype(int), adjusted=True)
    covariates = rows[:, 1:] - rows[:, 1:].mean(axis=0)
    design = np.column_stack([np.ones(len(rows)), arm, covariates, covariates * arm[:, None]])
    fitted = sm.OLS(rows[:, 0], design).fit(cov_type="HC2")
    assert comparison.method == "lin_hc2"
    assert comparison.difference == pytest.approx(fitted.params[1], rel=1e-10)
    assert comparison.std_error == pytest.approx(fitted.bse[1], rel=1e-9)


@given(seed=st.integers(0, 10_000), members=st.integers(4, 60))
def test_clusters_of_one_without_covariates_are_welch(seed: int, members: int) -> None:
    rows = np.random.default_rng(seed).lognormal(size=(members, 3))
    arm = np.arange(members) % 2
    comparison = compared(rows, np.arange(members), arm)
    expected = stats.ttest_ind(rows[arm == 1, 0], rows[arm == 0, 0], equal_var=False)
    assert comparison.p_value() == pytest.approx(expected.pvalue, rel=1e-7)
    low, high = comparison.interval(0.05)
    assert (low, high) == pytest.approx(tuple(expected.confidence_interval(0.95)), rel=1e-7)


def test_a_ratio_is_linearised() -> None:
    """The same as the mean of (y - R a) / mean(a) with R held fixed."""
    rows, cluster, arm = campaign(5, 24)
    rows[:, 1] += 5
    sides = [
        ClusterSums.from_rows(["y", "a"], [], rows[arm == n][:, :2], cluster[arm == n], [99, 4])
        for n in (1, 0)
    ]
    comparison = ClusterComparison(sides[0], sides[1], "y", denominator="a")
    for estimate, number in zip(comparison.estimates, (1, 0), strict=True):
        y, a = rows[arm == number, 0], rows[arm == number, 1]
        ratio = y.sum() / a.sum()
        linear = (y - ratio * a) / a.mean()
        _, variance, degrees = dense_cr2(linear, np.ones((len(y), 1)), cluster[arm == number])
        assert estimate.mean == pytest.approx(ratio, rel=1e-12)
        assert estimate.variance == pytest.approx(variance, rel=1e-9)
        assert estimate.degrees == pytest.approx(degrees, rel=1e-9)


@given(seed=st.integers(0, 1000), shift=st.sampled_from([0.0, 1e6]))
def test_sums_of_parts_add_and_the_pilot_does_not_matter(seed: int, shift: float) -> None:
    """Also where a cluster has members in both parts."""
    rows, cluster, _ = campaign(seed, 8)
    rows[:, 0] += shift
    pilot = np.array([100 + shift, 0.0, 0.0])
    part = np.random.default_rng(seed).random(len(rows)) < 0.5
    part[:2] = True, False
    halves = [ClusterSums.from_rows(["y"], ["a", "b"], rows[of], cluster[of], pilot) for of in (part, ~part)]
    whole = ClusterSums.from_rows(["y"], ["a", "b"], rows, cluster, pilot)
    added = ClusterSums.nobody(("y", "a", "b"), 2) + halves[0] + halves[1]
    np.testing.assert_array_equal(added.clusters, whole.clusters)
    np.testing.assert_allclose(added.sums, whole.sums, atol=1e-8)
    np.testing.assert_allclose(added.products, whole.products, atol=1e-8)
    other = ClusterSums.from_rows(["y"], ["a", "b"], rows, cluster)
    for one, two in zip(
        ClusterComparison(whole, whole, "y", True).estimates,
        ClusterComparison(other, other, "y", True).estimates,
        strict=True,
    ):
        assert one.mean == pytest.approx(two.mean, rel=1e-12)
        assert one.variance == pytest.approx(two.variance, rel=1e-6)


def test_what_does_not_exist_is_none_and_nothing_crashes() -> None:
    rows, cluster, arm = campaign(7, 12)
    one = np.where(arm == 1, 0, cluster)
    single = compared(rows, one, arm)
    assert single.std_error is None
    assert single.p_value() == 1.0
    constant = rows.copy()
    constant[:, 0] = 0.1
    assert compared(constant, cluster, arm).std_error is None
    assert compared(constant, cluster, arm, adjusted=True).p_value() == 1.0
    # Two clusters an arm are too few for two slopes.
    few = compared(rows, cluster % 4, arm, adjusted=True)
    assert few.estimates == compared(rows, cluster % 4, arm).estimates
    redundant = rows.copy()
    redundant[:, 2] = 3 * redundant[:, 1]
    alone = redundant.copy()
    alone[:, 2] = 0
    both, first = (compared(each, cluster, arm, adjusted=True) for each in (redundant, alone))
    assert both.difference == pytest.approx(first.difference)
    assert both.std_error == pytest.approx(first.std_error)
    with pytest.raises(ValueError, match="without members"):
        ClusterComparison(ClusterSums.nobody(("y",), 0), sums(rows, cluster, arm == 0), "y")
    with pytest.raises(ValueError, match="pilots"):
        sums(rows, cluster, arm == 0) + ClusterSums.from_rows(["y"], ["a", "b"], rows, cluster)


@pytest.mark.parametrize("adjusted", [False, True])
def test_the_level_is_kept_where_members_of_a_cluster_are_alike(adjusted: bool) -> None:
    """2,000 experiments without an effect, 10 and 20 uneven clusters, intra-cluster correlation .3.

    Rates within 3.3 standard errors of 5 % (one in a thousand), and Welch over members, which is blind to clusters, far above.
    """
    rng, runs = np.random.default_rng(11), 2000
    cluster = np.repeat(np.arange(30), rng.integers(10, 30, size=30))
    hits = blind = 0
    for _ in range(runs):
        common = rng.normal(size=(30, 3))[cluster]
        rows = math.sqrt(0.3) * common + math.sqrt(0.7) * rng.normal(size=(len(cluster), 3))
        rows[:, 0] += 0.5 * rows[:, 1]
        arm = (rng.permutation(30) < 10).astype(int)[cluster]
        hits += compared(rows, cluster, arm, adjusted=adjusted).p_value() <= 0.05
        blind += stats.ttest_ind(rows[arm == 1, 0], rows[arm == 0, 0], equal_var=False).pvalue <= 0.05
    assert abs(hits / runs - 0.05) < 3.3 * math.sqrt(0.05 * 0.95 / runs)
    assert blind / runs > 0.3


def test_planned_power_is_what_the_test_has() -> None:
    """A plan from the past of one population, and 1,500 experiments on others like it: 20 and 20 clusters, correlation .2."""
    rng, runs, effect = np.random.default_rng(21), 1500, 0.5

    def rows_of(clusters: int) -> tuple[np.ndarray, np.ndarray]:
        cluster = np.repeat(np.arange(clusters), rng.integers(5, 25, size=clusters))
        common = rng.normal(size=(clusters, 3))[cluster]
        return math.sqrt(0.2) * common + math.sqrt(0.8) * rng.normal(size=(len(cluster), 3)), cluster

    past, cluster = rows_of(4000)
    sums_of_past = ClusterSums.from_rows(["y"], ["a", "b"], past, cluster)
    inflated = design_effect(sums_of_past, float(past[:, 0].var(ddof=1)), "y")
    assert inflated is not None
    sizes = np.bincount(cluster)
    # Kish: 1 + (m - 1) icc, with m the mean size of a member's cluster.
    assert inflated == pytest.approx(1 + ((sizes**2).sum() / sizes.sum() - 1) * 0.2, rel=0.1)
    planned = PlannedByUnit(PlannedMean(1.0), inflated, float(sizes.mean()))
    expected = power(planned, effect, 20 * sizes.mean(), 20 * sizes.mean(), 0.05)
    hits = 0
    for _ in range(runs):
        rows, cluster = rows_of(40)
        arm = (rng.permutation(40) < 20).astype(int)[cluster]
        rows[arm == 1, 0] += effect
        hits += compared(rows, cluster, arm).p_value() <= 0.05
    assert 0.5 < expected < 0.95
    assert abs(hits / runs - expected) < 0.04
