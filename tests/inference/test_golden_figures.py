"""Every figure of ../shared/golden/stats.json, from moments and from rows: R, rpact, statsmodels, gbstats, tea-tasting.

A figure of the file that nothing here computes fails `test_no_figure_is_left_out`. One figure of the file is wrong and is
shown to be: see `test_the_files_score_interval_is_wrong_and_ours_is_the_likelihoods`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar
from scipy.special import xlogy
from scipy.stats import barnard_exact, beta, binomtest, chi2_contingency, norm
from scipy.stats import t as student
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    proportion_effectsize,
)

from experiments.inference.always_valid import ConfidenceSequence
from experiments.inference.bayes import NormalPosterior, compare_arms
from experiments.inference.comparison import Comparison, compare
from experiments.inference.dunnett import dunnett_critical, max_t_tail
from experiments.inference.exact import boschloo, hypergeometric
from experiments.inference.moments import Moments
from experiments.inference.normal_prior import InformedPosterior, NormalPrior
from experiments.inference.power import PlannedMean, PlannedProportion, detectable_effect, sample_size
from experiments.inference.proportions import ScoreComparison, tabulate
from experiments.inference.ratios import DeltaRatioComparison
from experiments.inference.sample_ratio import sample_ratio
from experiments.inference.score import TwoByTwo
from experiments.inference.sequential import (
    crossing_probabilities,
    inflation,
    spending_bounds,
    spending_function,
)

Z = float(norm.isf(0.025))
FIVE = [0.2, 0.4, 0.6, 0.8, 1.0]
WRONG = "prop_two_sided_pooled/diff_ci_score_MN"

Build = Callable[[tuple[str, ...], int, Any, Any], Moments]
Figures = Mapping[str, Any]


def from_moments(names: tuple[str, ...], n: int, mean: Any, covariance: Any) -> Moments:
    """Moments as an engine returns them."""
    products = np.asarray(covariance, dtype=float) * (n - 1)
    return Moments.from_sums(
        names, np.asarray(mean, dtype=float), n, np.zeros(len(names)), products, [n] * len(names)
    )


def from_rows(names: tuple[str, ...], n: int, mean: Any, covariance: Any) -> Moments:
    """Moments of n rows that have this mean and this covariance."""
    grid = np.linspace(-1, 1, n)
    basis = np.column_stack([grid, grid**2][: len(names)])
    basis = basis - basis.mean(axis=0)
    # Both columns are orthogonal on an even grid; scaled, their covariance is the unit matrix.
    basis /= basis.std(axis=0, ddof=1)
    return Moments.from_rows(names, np.asarray(mean) + basis @ np.linalg.cholesky(covariance).T)


def binary_moments(successes: int, members: int) -> Moments:
    spread = successes * (members - successes) / members
    return Moments(("x",), members, np.array([successes / members]), np.array([[spread]]), (successes,))


def binary_rows(successes: int, members: int) -> Moments:
    column = np.zeros((members, 1))
    column[:successes] = 1
    return Moments.from_rows(("x",), column)


SOURCES = {"moments": (from_moments, binary_moments), "rows": (from_rows, binary_rows)}


def fraction(text: str) -> tuple[int, int]:
    successes, members = text.split("/")
    return int(successes), int(float(members))


def comparison_of(inputs: Any, binary: Callable[[int, int], Moments]) -> ScoreComparison:
    arm, control = (binary(*fraction(inputs[side])) for side in ("treatment", "control"))
    return ScoreComparison(tabulate(arm, control, "x"))


def rate_interval(successes: int, members: int, method: str) -> list[float]:
    """The 95 % interval of one rate, by scipy."""
    return list(binomtest(successes, members).proportion_ci(0.95, method))


def natural_lift(found: Comparison) -> tuple[float, float]:
    """The lift and its standard error by the delta method on the natural scale, which others tell; ours is on the log scale."""
    ratio = found.mean_arm / found.mean_versus
    variance = found.variance_arm + ratio**2 * found.variance_versus
    return ratio - 1, math.sqrt(variance) / found.mean_versus


def prop_two_sided_pooled(inputs: Any, _build: Build, binary: Any) -> Figures:
    """R prop.test and statsmodels proportions_ztest; Wald, Newcombe and Yates are made of our parts, for comparison."""
    found = comparison_of(inputs, binary)
    table, error = found.table, found.std_error
    rates = found.mean_arm, found.mean_versus
    (l1, u1), (l2, u2) = (
        rate_interval(x, n, "wilson")
        for x, n in (
            (table.successes_arm, table.members_arm),
            (table.successes_versus, table.members_versus),
        )
    )
    below, above = math.hypot(rates[0] - l1, u2 - rates[1]), math.hypot(u1 - rates[0], rates[1] - l2)
    step = (1 / table.members_arm + 1 / table.members_versus) / 2
    pooled = abs(found.difference) / abs(found.statistic)
    return {
        "z": found.statistic,
        "p": found.p_value(),
        "diff_ci_wald": [found.difference - Z * error, found.difference + Z * error],
        "diff_ci_newcombe": [found.difference - below, found.difference + above],
        "diff_ci_score_MN": found.interval(0.05),
        "p_with_yates": 2 * norm.sf((abs(found.difference) - step) / pooled),
        "yates_ci": [found.difference - Z * error - step, found.difference + Z * error + step],
    }


def prop_exact_small(inputs: Any, _build: Build, binary: Any) -> Figures:
    """R fisher.test and tea-tasting; Barnard's and the G test are scipy's, for comparison."""
    found = comparison_of(inputs, binary)
    table = found.table
    low, probabilities = hypergeometric(table)
    observed = probabilities[table.successes_arm - low]
    cells = np.array(table.counts).reshape(2, 2).T
    return {
        "fisher": probabilities[probabilities <= observed * (1 + 1e-7)].sum(),
        "barnard_pooled": barnard_exact(cells.astype(int), pooled=True, n=128).pvalue,
        "boschloo": boschloo(table, "two-sided"),
        "pearson_nocorr": found.p_value(),
        "g_nocorr": chi2_contingency(cells, correction=False, lambda_="log-likelihood").pvalue,
    }


def single_prop_intervals(inputs: Any, _build: Build, binary: Any) -> Figures:
    """statsmodels proportion_confint; scipy's, for comparison: no interval of one rate is told."""
    arm = binary(inputs["x"], inputs["n"])
    count = arm.nonzero_count("x"), arm.count
    return {
        "wilson": rate_interval(*count, "wilson"),
        "clopper_pearson": rate_interval(*count, "exact"),
        "wilson_0_of_50": rate_interval(0, 50, "wilson"),
    }


def extreme_p(inputs: Any, _build: Build, binary: Any) -> Figures:
    """tea-tasting 2.0."""
    return {"p": comparison_of(inputs, binary).p_value()}


def welch_mean_from_sums(inputs: Any, build: Build, _binary: Any) -> Figures:
    """growthbook's tests, scipy ttest_ind_from_stats, tea-tasting's Mean."""

    def arm(side: str) -> Moments:
        n, total, squares = (inputs[side][key] for key in ("n", "sum", "sumsq"))
        return build(("x",), n, [total / n], [[(squares - total**2 / n) / (n - 1)]])

    found = compare(arm("treatment"), arm("control"), "x")
    lift = found.lift(0.05)
    natural, error = natural_lift(found)
    degrees = found.degrees
    half = student.isf(0.025, degrees) * error
    return {
        "diff": found.difference,
        "t": found.statistic,
        "p": found.p_value(),
        "ci": found.interval(0.05),
        "rel_delta": {
            "lift": natural,
            "se": error,
            "ci": [natural - half, natural + half],
            "p": 2 * student.sf(abs(natural) / error, degrees),
        },
        "rel_log_ci": [lift.low, lift.high],
    }


def ratio_delta_method(inputs: Any, build: Build, _binary: Any) -> Figures:
    """tea-tasting's RatioOfMeans and gbstats' RatioStatistic."""

    def arm(side: str) -> Moments:
        figures = inputs[side]
        covariance = [[figures["var_num"], figures["cov"]], [figures["cov"], figures["var_den"]]]
        means = [figures["mean_num"], figures["mean_den"]]
        return build(("num", "den"), inputs["n_per_arm"], means, covariance)

    found = DeltaRatioComparison(arm("treatment"), arm("control"), "num", "den")
    lift = found.lift(0.05)
    natural, error = natural_lift(found)
    half = student.isf(0.025, found.degrees) * error
    return {
        "control": found.mean_versus,
        "treatment": found.mean_arm,
        "diff": found.difference,
        "se": found.std_error,
        "ci": found.interval(0.05),
        "p": found.p_value(),
        "rel": lift.lift,
        "rel_log_ci": [lift.low, lift.high],
        "rel_delta_ci": [natural - half, natural + half],
    }


def srm(inputs: Any, _build: Build, _binary: Any) -> Figures:
    """R chisq.test, gbstats check_srm, tea-tasting SampleRatio."""
    b = inputs["b"]
    return {
        "a": sample_ratio(inputs["a"], [0.5, 0.5]).p_value,
        "b": sample_ratio(b["counts"], b["expected"]).p_value,
    }


def dunnett(inputs: Any, build: Build, _binary: Any) -> Figures:
    """R multcomp glht, scipy.stats.dunnett: one pooled variance, as there."""
    values = [np.array(inputs[name]) for name in ("control", "a", "b", "c")]
    arms = [build(("x",), len(x), [x.mean()], [[x.var(ddof=1)]]) for x in values]
    degrees = sum(arm.count - 1 for arm in arms)
    pooled = sum(float(arm.comoment[0, 0]) for arm in arms) / degrees
    control, *others = arms
    error = math.sqrt(pooled * 2 / control.count)
    shared = [math.sqrt(0.5)] * len(others)
    t = [(arm.average("x") - control.average("x")) / error for arm in others]
    half = dunnett_critical(0.05, shared, degrees) * error
    first = others[0].average("x") - control.average("x")
    return {
        "t": t,
        "p": [max_t_tail(abs(value), shared, degrees) for value in t],
        "ci_a": [first - half, first + half],
    }


def dunnett_critical_large_df(inputs: Any, _build: Build, _binary: Any) -> Figures:
    """A one-dimensional integral by scipy."""
    shared = math.sqrt(inputs["rho"])
    return {"crit": [dunnett_critical(inputs["alpha"], [shared] * k) for k in inputs["k"]]}


def group_sequential_bounds(inputs: Any, _build: Build, _binary: Any) -> Figures:
    """rpact 3.3.4; the classical bounds are constants times a shape, found where all of alpha is spent."""
    alpha = inputs["alpha_one_sided"]
    of, pocock = spending_function("obrien_fleming", alpha), spending_function("pocock", alpha)

    def classical(power: float) -> list[float]:
        def bounds(constant: float) -> list[float]:
            return [constant * t**power for t in FIVE]

        constant = brentq(lambda c: sum(crossing_probabilities(FIVE, bounds(c))) - alpha, 1.5, 4, xtol=1e-10)
        return bounds(constant)

    def factor(bounds: list[float]) -> float:
        fixed = Z + float(norm.isf(0.2))
        drift = brentq(lambda d: sum(crossing_probabilities(FIVE, bounds, d)) - 0.8, fixed, 2 * fixed)
        return (drift / fixed) ** 2

    shapes = {"OBrienFleming": classical(-0.5), "Pocock": classical(0.0)}
    return {
        **shapes,
        "LanDeMets_OF": spending_bounds(FIVE, of),
        "LanDeMets_Pocock": spending_bounds(FIVE, pocock),
        "power_family_t2": spending_bounds(FIVE, lambda t: alpha * t**2),
        "LanDeMets_OF_at_25_60_100": spending_bounds([0.25, 0.6, 1.0], of),
        "LanDeMets_OF_spent": [of(t) for t in FIVE],
        "inflation_factor_power80": {
            "LDOF": inflation(FIVE, "obrien_fleming", 2 * alpha, 0.8),
            "Pocock": factor(shapes["Pocock"]),
            "OF": factor(shapes["OBrienFleming"]),
        },
    }


def anytime_asymptotic_cs(inputs: Any, _build: Build, binary: Any) -> Figures:
    """gbstats SequentialTwoSidedTTest (Waudby-Smith et al.)."""
    found = comparison_of(inputs, binary)
    members = found.members_arm + found.members_versus
    lift, error = natural_lift(found)
    absolute = ConfidenceSequence(found.difference, found.std_error, members, 24_000, inputs["alpha"])
    relative = ConfidenceSequence(lift, error, members, 5000, inputs["alpha"])
    return {
        "relative_Nstar5000": {"ci": relative.interval, "p": relative.p_value()},
        "absolute_Nstar24000": {"ci": absolute.interval, "p": absolute.p_value()},
    }


def bayes(inputs: Any, _build: Build, binary: Any) -> Figures:
    """gbstats EffectBayesianABTest on the lift; the beta posteriors, which we do not tell, by scipy, for comparison."""
    found = comparison_of(inputs, binary)
    lift, error = natural_lift(found)
    half = error**2 / 2
    control, flat = compare_arms([0.0, lift], [math.sqrt(half)] * 2)
    informed = InformedPosterior([lift], [half], half, NormalPrior(0.0, 0.3))
    (marginal,), (odds,) = informed.marginals(), informed.odds()
    arm, versus = (
        beta(1 + x, 1 + n - x)
        for x, n in (
            (found.table.successes_arm, found.table.members_arm),
            (found.table.successes_versus, found.table.members_versus),
        )
    )
    better, _ = quad(
        lambda rate: arm.pdf(rate) * versus.cdf(rate), 0.03, 0.07, epsabs=1e-13, points=[arm.mean()]
    )
    return {
        "beta11_P_B_gt_A": better,
        "gauss_flat": {
            "ctw": flat.probability_better_than_control,
            "ci": NormalPosterior(lift, error).interval(0.05),
            "risk": [control.expected_loss, flat.expected_loss],
        },
        "gauss_prior_sd_0_3": {
            "mean": marginal.mean,
            "ci": marginal.interval(0.05),
            "ctw": odds.probability_better_than_control,
        },
    }


def sample_size_two_prop(_inputs: Any, _build: Build, _binary: Any) -> Figures:
    """R power.prop.test, rpact; the arc sine (statsmodels) and Miller's formula are other tests', for comparison."""

    def size(baseline: float, effect: float, power: float = 0.8, ratio: float = 1.0) -> Any:
        return sample_size(PlannedProportion(baseline), effect, power=power, alpha=0.05, versus_per_arm=ratio)

    arcsine = NormalIndPower().solve_power(proportion_effectsize(0.25, 0.20), alpha=0.05, power=0.8)
    p, q, power = 0.20, 0.25, float(norm.isf(0.2))
    miller = (Z * math.sqrt(2 * p * (1 - p)) + power * math.sqrt(p * (1 - p) + q * (1 - q))) ** 2 / (
        q - p
    ) ** 2
    unequal = size(0.04, 0.004, ratio=1 / 9)
    return {
        "a_R_power_prop_test": size(0.20, 0.05).arm,
        "a_arcsine": arcsine,
        "a_baseline_variance_null": miller,
        "b_80": size(0.04, 0.004).arm,
        "b_90": size(0.04, 0.004, 0.9).arm,
        "c_total": unequal.arm + unequal.versus,
        "c_large": unequal.arm,
        "c_small": unequal.versus,
    }


def sample_size_mean(inputs: Any, build: Build, _binary: Any) -> Figures:
    """R power.t.test, rpact; the normal approximation is a formula, for comparison."""
    plan = {"power": inputs["power"], "alpha": inputs["alpha"]}
    past = build(("x",), 5000, [7.0], [[inputs["sd"] ** 2]])
    metric = PlannedMean.from_moments(past, "x")
    equal = sample_size(metric, inputs["delta"], **plan)
    unequal = sample_size(metric, inputs["delta"], versus_per_arm=9, **plan)
    cuped = sample_size(PlannedMean.from_moments(past, "x", explained=0.7**2), inputs["delta"], **plan)
    normal = 4 * (Z + float(norm.isf(0.2))) ** 2 * inputs["sd"] ** 2 / inputs["delta"] ** 2
    return {
        "total_normal": normal,
        "total_t": math.ceil(equal.arm + equal.versus),
        "per_arm_t": equal.arm,
        "total_9_to_1": unequal.arm + unequal.versus,
        "cuped_rho_0_7_total": cuped.arm + cuped.versus,
        "mde_at_total_12562": detectable_effect(metric, 6281, 6281, **plan),
    }


def winners_curse(inputs: Any, _build: Build, _binary: Any) -> Figures:
    """Order statistics by scipy's quad: the mean of the largest of k statistics from the tail that Dunnett's test has."""

    def largest(loading: float) -> float:
        shared = [loading] * inputs["k"]
        above, _ = quad(lambda x: max_t_tail(x, shared, two_sided=False), 0, 9)
        below, _ = quad(lambda x: 1 - max_t_tail(x, shared, two_sided=False), -9, 0)
        return above - below

    return {
        "E_max_z_independent": largest(0.0),
        "E_max_z_shared_control": largest(math.sqrt(0.5)),
    }


FIGURES: Mapping[str, Callable[[Any, Build, Any], Figures]] = {
    found.__name__: found
    for found in (
        prop_two_sided_pooled,
        prop_exact_small,
        single_prop_intervals,
        extreme_p,
        welch_mean_from_sums,
        ratio_delta_method,
        srm,
        dunnett,
        dunnett_critical_large_df,
        group_sequential_bounds,
        anytime_asymptotic_cs,
        bayes,
        sample_size_two_prop,
        sample_size_mean,
        winners_curse,
    )
}

TOLERANCE: Mapping[str, Mapping[str, float]] = {
    "prop_two_sided_pooled": {"rel": 1e-9},
    "prop_two_sided_pooled/diff_ci_newcombe": {"abs": 1e-7},
    # Written with twelve decimals.
    "prop_two_sided_pooled/yates_ci": {"abs": 1e-12},
    "prop_exact_small": {"rel": 1e-6},
    # Maximised over the common rate on a grid, as scipy does it.
    "prop_exact_small/barnard_pooled": {"rel": 1e-4},
    "single_prop_intervals": {"abs": 1e-10},
    "extreme_p": {"rel": 1e-6},
    "welch_mean_from_sums": {"rel": 1e-8},
    "ratio_delta_method": {"rel": 1e-8},
    "srm": {"rel": 1e-9},
    "dunnett/t": {"rel": 1e-8},
    "dunnett/p": {"rel": 2e-2, "abs": 1e-3},
    "dunnett/ci_a": {"abs": 1e-3},
    "dunnett_critical_large_df": {"abs": 1e-4},
    "group_sequential_bounds": {"abs": 1e-3},
    "group_sequential_bounds/LanDeMets_OF_spent": {"rel": 1e-6},
    "anytime_asymptotic_cs": {"abs": 1e-9},
    "bayes": {"abs": 1e-9},
    "bayes/beta11_P_B_gt_A": {"abs": 1e-8},
    "sample_size_two_prop": {"rel": 1e-4},
    "sample_size_mean": {"abs": 1.0},
    # The normal approximation at nine to one, where ours is the t test's.
    "sample_size_mean/total_9_to_1": {"abs": 5.0},
    "sample_size_mean/mde_at_total_12562": {"rel": 2e-6},
    "winners_curse": {"rel": 1e-6},
}
"""By the longest key that is there; as the file says, or tighter."""


def flat(figures: Figures, path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in figures.items():
        here = f"{path}/{key}" if path else key
        if isinstance(value, Mapping):
            yield from flat(value, here)
        else:
            yield here, value


@pytest.fixture(scope="module")
def entries(shared):
    return {entry["id"]: entry for entry in json.loads((shared / "golden" / "stats.json").read_text())}


def test_no_figure_is_left_out(entries):
    ours = {
        f"{name}/{key}"
        for name, figures in FIGURES.items()
        for key, _ in flat(figures(entries[name]["inputs"], *SOURCES["moments"]))
    }
    assert ours == {f"{name}/{key}" for name, entry in entries.items() for key, _ in flat(entry["expected"])}


@pytest.mark.parametrize("source", list(SOURCES))
@pytest.mark.parametrize("figure", list(FIGURES))
def test_figures_are_those_of_the_file(entries, figure, source):
    entry = entries[figure]
    ours = dict(flat(FIGURES[figure](entry["inputs"], *SOURCES[source])))
    for key, expected in flat(entry["expected"]):
        name = f"{figure}/{key}"
        if name == WRONG:
            continue
        tolerance = TOLERANCE.get(name) or TOLERANCE[figure]
        found = list(ours[key]) if isinstance(expected, list) else ours[key]
        assert found == pytest.approx(expected, **tolerance), (name, entry["source"])


def test_the_files_score_interval_is_wrong_and_ours_is_the_likelihoods(entries):
    """The file has what statsmodels 0.15 gives, whose restricted estimate has a wrong coefficient (its issue 10269).

    Here the likelihood is maximised directly under each difference, without any closed form, and the bound is where
    Miettinen and Nurminen's statistic equals the critical value.
    """
    entry = entries["prop_two_sided_pooled"]
    (x, n), (y, m) = fraction(entry["inputs"]["treatment"]), fraction(entry["inputs"]["control"])

    def statistic(difference: float) -> float:
        def loss(rate: float) -> float:
            other = rate - difference
            return -(xlogy(x, rate) + xlogy(n - x, 1 - rate) + xlogy(y, other) + xlogy(m - y, 1 - other))

        bounds = max(0.0, difference) + 1e-9, min(1.0, 1 + difference) - 1e-9
        rate = minimize_scalar(loss, bounds=(0.02, 0.08), method="bounded", options={"xatol": 1e-13}).x
        assert bounds[0] < rate < bounds[1]
        other = rate - difference
        variance = (rate * (1 - rate) / n + other * (1 - other) / m) * (n + m) / (n + m - 1)
        return (x / n - y / m - difference) / math.sqrt(variance)

    low = brentq(lambda d: statistic(d) - Z, 0.0, x / n - y / m, xtol=1e-12)
    high = brentq(lambda d: statistic(d) + Z, x / n - y / m, 0.02, xtol=1e-12)
    ours = ScoreComparison(TwoByTwo(x, n, y, m)).interval(0.05)
    assert ours == pytest.approx((low, high), abs=2e-9)
    published = entry["expected"]["diff_ci_score_MN"]
    assert confint_proportions_2indep(x, n, y, m, method="score") == pytest.approx(published, abs=1e-12)
    assert max(abs(a - b) for a, b in zip(ours, published, strict=True)) > 3e-6
