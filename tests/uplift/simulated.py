"""Simulated tests with effects that are known for every member, as learning samples."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from experiments.definition.arms import Arm
from uplift.features import CategoryFeature, FeatureSpace, NumberFeature
from uplift.outcome import OutcomeModel
from uplift.sample import LearningSample, Members

Effects = Literal["each", "equal", "unequal"]


@dataclass(frozen=True)
class Simulated:
    """A sample and the expected value of each member in each arm."""

    sample: LearningSample
    truth: np.ndarray

    def captured(self, chosen: np.ndarray) -> float:
        """The share of the way from the best single arm to the best arm of each member."""
        best, oracle = self.truth.mean(axis=0).max(), self.truth.max(axis=1).mean()
        return float((self.truth[np.arange(len(chosen)), chosen].mean() - best) / (oracle - best))


def space(numbers: int) -> FeatureSpace:
    return FeatureSpace(
        (CategoryFeature("city", ("a", "b", "c")), *(NumberFeature(f"x{i}", 0.0) for i in range(numbers)))
    )


def simulate(
    n: int,
    *,
    effects: Effects,
    seed: int,
    arms: int = 4,
    numbers: int = 4,
    folds: int = 5,
    shares: tuple[float, ...] | None = None,
    spend: bool = False,
) -> Simulated:
    """A binary outcome, or rare purchases with heavy-tailed amounts; one category and numbers with missing values."""
    rng = np.random.default_rng(seed)
    codes = np.column_stack([rng.integers(0, 3, n).astype(float), rng.normal(size=(n, numbers))])
    codes[rng.random(n) < 0.05, 2] = np.nan
    lift = np.zeros((n, arms))
    if effects == "each":
        first, high = codes[:, 0] == 0, codes[:, 1] > 0
        for k, who in enumerate((first, ~first & high, ~first & ~high)[: arms - 1], start=1):
            lift[:, k] = np.where(who, 0.06, 0.0)
    else:
        lift[:, 1:] = 0.02 if effects == "equal" else np.array([0.01, 0.02, 0.03])[: arms - 1]
    chance = (0.10 + 0.03 * (codes[:, 1] > 0) + 0.02 * codes[:, 0])[:, None] + lift
    given = shares or (1 / arms,) * arms
    arm = rng.choice(arms, n, p=given)
    value = (rng.random(n) < chance[np.arange(n), arm]).astype(float)
    if spend:
        value, chance = value * np.exp(rng.normal(3, 1, n)), chance * np.exp(3.5)
    names = ["control", *(f"offer{arms - k}" for k in range(1, arms))]
    sample = LearningSample(
        arms=tuple(
            Arm(name, name, Fraction(share).limit_denominator(1000))
            for name, share in zip(names, given, strict=True)
        ),
        space=space(numbers),
        segments=("s0", "s1", "s2"),
        members=Members(codes, codes[:, 0].astype(np.int64)),
        arm=arm.astype(np.int64),
        value=value,
        propensity=np.array(given)[arm],
        fold=rng.integers(0, folds, n),
        folds=folds,
        seed=seed + 1,
    )
    return Simulated(sample, chance)


def arm_means(sample: LearningSample) -> OutcomeModel:
    """The simplest outcome model: each arm's mean; doubly robust scores are as unbiased with it as with any other."""
    k = len(sample.arms)
    means = np.array([sample.value[sample.arm == arm].mean() for arm in range(k)])
    return OutcomeModel(sample.arms, np.zeros(k), None, None, means)
