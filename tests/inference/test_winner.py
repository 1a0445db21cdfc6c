"""The corrected winner: unbiased in the median and covering under equal arms, golden order statistics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm, truncnorm

from experiments.inference.dunnett import dunnett_critical
from experiments.inference.means import WelchComparison
from experiments.inference.moments import Moments
from experiments.inference.winner import correct_winner, hybrid, projection

EQUAL = math.sqrt(0.5)


def equal_arms(rng, runs, arms):
    """Effects of arms without effect against a shared control, in standard errors."""
    return (rng.normal(size=(runs, arms)) - rng.normal(size=(runs, 1))) / math.sqrt(2)


def comparisons_of(means, members=1000, control=1000):
    spread = np.array([[float(members - 1)]])
    versus = Moments(("x",), control, np.zeros(1), spread * (control - 1) / (members - 1), (0,))
    return [
        WelchComparison(Moments(("x",), members, np.array([m]), spread, (0,)), versus, "x") for m in means
    ]


def test_golden_naive_bias(golden, rng):
    inputs, expected = golden("winners_curse")
    z = equal_arms(rng, 200_000, inputs["k"])
    assert z.max(axis=1).mean() == pytest.approx(expected["E_max_z_shared_control"], rel=0.02)


@pytest.mark.parametrize("arms", [2, 9, 22])
def test_equal_arms(rng, arms):
    """Statistics.md: median bias under .1 se; coverage .94 to .97. 4,000 runs bound both."""
    runs, critical = 4000, dunnett_critical(0.005, [EQUAL] * arms)
    ones = np.ones(arms)
    answers = [
        hybrid(z, ones, [EQUAL] * arms, alpha=0.05, critical=critical, chosen=int(z.argmax()))
        for z in equal_arms(rng, runs, arms)
    ]
    below = sum(answer.corrected < 0 for answer in answers)
    covered = sum(answer.low <= 0 <= answer.high for answer in answers)
    assert abs(below - runs / 2) <= 2.94 * math.sqrt(runs / 4)
    assert 0.94 * runs <= covered + 2.94 * math.sqrt(runs * 0.05 * 0.95)
    assert covered <= 0.97 * runs
    naive = sum(abs(answer.naive) <= 1.96 for answer in answers)
    if arms == 9:
        assert naive / runs == pytest.approx(0.866, abs=0.02)


def test_one_best_arm_and_unequal_shares(rng):
    sizes, control, runs = np.array([300, 900, 500]), 700, 3000
    truth = np.array([0.0, 0.05, 0.1])
    errors = np.sqrt(1 / sizes + 1 / control)
    shared = list(control**-0.5 / errors)
    critical = dunnett_critical(0.005, shared)
    covered = below = 0
    for _ in range(runs):
        effects = truth + rng.normal(0, sizes**-0.5) - rng.normal(0, control**-0.5)
        best = int(effects.argmax())
        answer = hybrid(effects, errors, shared, alpha=0.05, critical=critical, chosen=best)
        covered += answer.low <= truth[best] <= answer.high
        below += answer.corrected < truth[best]
    assert abs(below - runs / 2) <= 3 * math.sqrt(runs / 4)
    assert 0.95 * runs - 3 * math.sqrt(runs * 0.05 * 0.95) <= covered <= 0.975 * runs


def test_the_conditional_estimate_solves_the_truncated_normal():
    """Two independent arms: the winner's estimate is normal above the runner-up; scipy's truncnorm agrees."""
    effects, critical = np.array([2.0, 1.2]), 3.1
    answer = hybrid(effects, np.ones(2), [0.0, 0.0], alpha=0.05, critical=critical, chosen=0)
    for end, level in ((answer.corrected, 0.5), (answer.low, None), (answer.high, None)):
        low, high = max(1.2, end - critical) - end, critical
        share = truncnorm.cdf(2.0 - end, low, high)
        if level is not None:
            assert share == pytest.approx(0.5, abs=1e-7)
        else:
            assert min(share, 1 - share) == pytest.approx(0.045 / 0.995 / 2, abs=1e-7)


def test_a_clear_winner_is_left_nearly_alone():
    answer = correct_winner(comparisons_of([0.0, 1.0, 0.1]), 1)
    assert answer.method == "hybrid"
    assert answer.corrected == pytest.approx(answer.naive, abs=1e-3)
    half = norm.ppf(0.975) * math.sqrt(2 / 1000)
    assert (answer.high - answer.low) / 2 == pytest.approx(half, rel=0.05)


def test_a_narrow_winner_is_drawn_down():
    answer = correct_winner(comparisons_of([0.10, 0.101, 0.09]), 1)
    assert answer.low < answer.corrected < answer.naive < answer.high


def test_an_arm_that_a_rule_chose_gets_the_projection():
    arms = comparisons_of([0.10, 0.12, 0.09])
    answer = correct_winner(arms, 0)
    critical = dunnett_critical(0.05, [EQUAL] * 3)
    assert answer.method == "projection"
    assert answer.corrected == answer.naive == pytest.approx(0.10)
    assert answer.high - answer.low == pytest.approx(2 * critical * math.sqrt(2 / 1000), rel=1e-6)
    assert projection(1.0, 0.5, 2.0).low == 0.0


def test_ties_and_single_arms_are_answers():
    tie = correct_winner(comparisons_of([0.1, 0.1]), 0)
    alone = correct_winner(comparisons_of([0.1]), 0)
    assert tie.low <= tie.corrected <= tie.high
    assert all(math.isfinite(value) for value in (tie.low, tie.corrected, tie.high))
    assert alone.corrected == pytest.approx(0.1, abs=1e-6)


def test_refusals_give_the_reason():
    constant = Moments.from_rows(("x",), [[1.0], [1.0]])
    with pytest.raises(ValueError, match="without a standard error"):
        correct_winner([WelchComparison(constant, constant, "x")], 0)
    with pytest.raises(ValueError, match="no arm 5"):
        correct_winner(comparisons_of([0.1]), 5)
