"""The gate: its critical value, its choice, and how often it is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, norm

from tests.uplift.simulated import Effects, arm_means, simulate
from uplift.crossfit import Arena, Plan
from uplift.gate import max_t_critical, run_gate
from uplift.scores import CrossFit


def test_the_critical_value_of_independent_and_of_equal_statistics() -> None:
    normal = np.random.default_rng(0).normal(size=(100_000, 3))
    assert max_t_critical(normal[:, :1], 0.025) == pytest.approx(norm.ppf(0.975), abs=0.02)
    assert max_t_critical(normal, 0.025) == pytest.approx(norm.ppf(0.975 ** (1 / 3)), abs=0.03)
    assert max_t_critical(normal[:, [0, 0]], 0.025) == pytest.approx(norm.ppf(0.975), abs=0.02)


def scores_of(gains: dict[str, float], n: int = 40_000) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Scores in which the kinds use one arm each, with the gains over the single arm (in standard errors) as asked."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(n, len(gains) + 2))
    noise -= noise.mean(axis=0)
    means = np.array([0.0, 0.0, *gains.values()]) * np.sqrt(2 / n)
    choices = {kind: np.full(n, k) for k, kind in enumerate(["best_single_arm", *gains], start=1)}
    return noise + means, choices


@pytest.mark.parametrize(
    ("gains", "chosen"),
    [
        ({"by_segment": 1.0, "tree": 1.5, "individual": 2.0}, "best_single_arm"),
        ({"by_segment": 0.0, "tree": 6.0, "individual": 6.2}, "tree"),
        ({"by_segment": 5.5, "tree": 6.0, "individual": 6.2}, "by_segment"),
        ({"by_segment": 0.0, "tree": 4.0, "individual": 9.0}, "individual"),
    ],
)
def test_it_takes_the_simplest_proven_kind_within_one_standard_error(
    gains: dict[str, float], chosen: str
) -> None:
    scores, choices = scores_of(gains)
    assert run_gate(scores, choices, 5).chosen.kind == chosen


@pytest.mark.parametrize(("kept", "chosen"), [(0.90, "individual"), (0.97, "tree")])
def test_a_simpler_kind_keeps_nearly_all_that_is_expected_of_the_best(kept: float, chosen: str) -> None:
    scores, choices = scores_of({"by_segment": 0.0, "tree": 6.0, "individual": 6.2})
    expected = np.tile([0.0, 1.0, 1.0, 1.0 + kept, 2.0], (len(scores), 1))
    assert run_gate(scores, choices, 5, expected).chosen.kind == chosen


def test_a_kind_that_had_luck_gives_way_to_one_of_which_more_is_expected() -> None:
    scores, choices = scores_of({"by_segment": 0.0, "tree": 6.2, "individual": 6.0})
    for kept, chosen in ((0.90, "individual"), (0.97, "tree")):
        expected = np.tile([0.0, 1.0, 1.0, 1.0 + kept, 2.0], (len(scores), 1))
        assert run_gate(scores, choices, 5, expected).chosen.kind == chosen


def test_what_is_proven_is_chosen_though_nothing_is_expected_of_it() -> None:
    scores, choices = scores_of({"tree": 6.0})
    expected = np.tile([0.0, 1.0, 0.5], (len(scores), 1))
    assert run_gate(scores, choices, 5, expected).chosen.kind == "tree"


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_folds_that_teach_each_other_make_the_gain_less_sure(folds: int) -> None:
    scores, choices = scores_of({"tree": 3.0})
    gains = scores[:, 2] - scores[:, 1]
    plain = gains.var(ddof=1) / len(gains)
    for expected in (None, scores):
        result = run_gate(scores, choices, folds, expected)
        found = {each.kind: each.over_single for each in result.contenders}
        assert found["tree"].value == pytest.approx(gains.mean())
        assert found["tree"].std_error ** 2 == pytest.approx(plain * (1 + 1 / (folds - 1)))


@pytest.mark.parametrize(("gain", "passes"), [(2.3, True), (2.1, False)])
def test_one_kind_is_proven_above_the_one_sided_point_of_its_own_error(gain: float, passes: bool) -> None:
    """1.96 x (1 + 1 / 4)^0.5 = 2.19 of the standard errors of independent members."""
    scores, choices = scores_of({"tree": gain})
    assert run_gate(scores, choices, 5, scores).passed == passes


def test_no_contact_is_not_personal_where_a_fold_took_an_arm_that_loses() -> None:
    """One purchase of 3,000 made the arm the best of the fold that learned from it; on the other half it only costs."""
    rng = np.random.default_rng(0)
    n = 6000
    scores = np.column_stack([np.zeros(n), rng.normal(-0.5, 0.1, n)])
    single = np.repeat([0, 1], n // 2)
    scores[0, 1] += 3000
    choices = {"best_single_arm": single, "tree": np.zeros(n, dtype=int)}
    few = choices["tree"].copy()
    few[5] = 1
    assert not run_gate(scores, choices, 2).passed
    assert not run_gate(scores, {**choices, "individual": few}, 2).passed


def test_where_no_contact_is_the_best_single_arm_nobody_is_treated() -> None:
    scores, choices = scores_of({"tree": -3.0})
    assert (
        run_gate(scores, {**choices, "best_single_arm": np.zeros(len(scores), dtype=int)}, 5).chosen.kind
        == "treat_nobody"
    )


def passes(effects: Effects, runs: int, members: int = 3000, household: int = 1) -> int:
    """How often the gate passes for segments and trees; members of a household do the same."""
    found = 0
    for seed in range(runs):
        sample = simulate(members, effects=effects, seed=seed, numbers=2).sample
        if household > 1:
            home = np.repeat(np.arange(members), household)
            sample = replace(sample.rows(home), unit=home)
        arena = Arena(sample, Plan(("by_segment", "tree"), (), 2, 300))
        arena.models = CrossFit(sample, fit=arm_means)
        contest = arena.run()
        found += run_gate(contest.scores, contest.choices, sample.folds, unit=sample.unit).passed
    return found


@pytest.mark.parametrize("effects", ["equal", "unequal"])
def test_equal_and_constant_effects_are_seldom_personalised(effects: Effects) -> None:
    """At most 5 % of simulations, by the 99.5 % point of the binomial."""
    runs = 120
    assert passes(effects, runs) <= binom.ppf(0.995, runs, 0.05)


def test_households_of_members_who_act_alike_are_seldom_personalised() -> None:
    """Counted as four members each, a quarter of them would be."""
    runs = 120
    assert passes("equal", runs, household=4) <= binom.ppf(0.995, runs, 0.05)


def test_effects_that_differ_are_found() -> None:
    assert passes("each", 8, members=16_000) >= 6
