"""The joint outcome model: what a member would be worth in each arm, learned over all arms together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.definition.arms import Arm
from uplift.features import Array
from uplift.sample import LearningSample

# Fewer members with an amount than this cannot teach how amounts depend on anything but the arm.
_FEW = 400
# Models are fitted side by side instead: threads within one wait for each other as soon as the machine is shared.
_THREADS = 1


@dataclass(frozen=True)
class Prediction:
    """What a model expects of n members in each of K arms.

    Attributes:
        idle: Shape (K,): the value of a member who does nothing (its contact cost; 0 in control).
        chance: Shape (n, K): probability that the member does something.
        amount: Shape (n, K): value above `idle` if it does.
    """

    idle: Array
    chance: Array
    amount: Array

    @property
    def value(self) -> Array:
        """Shape (n, K): expected value."""
        return self.idle + self.chance * self.amount


@dataclass(frozen=True)
class OutcomeModel:
    """A fitted joint model; see `fit_outcome`."""

    arms: tuple[Arm, ...]
    idle: Array
    chance: Any | None
    amount: Any | None
    amount_of_arm: Array

    def predict(self, codes: Array) -> Prediction:
        """For each row of the feature matrix and each arm, the expected value in two parts."""
        n, k = len(codes), len(self.arms)
        stacked = _with_arm(np.tile(codes, (k, 1)), np.repeat(np.arange(k), n), self.arms)
        chance = (
            np.ones((n, k))
            if self.chance is None
            else self.chance.predict(stacked, num_threads=_THREADS).reshape(k, n).T
        )
        amount = (
            np.tile(self.amount_of_arm, (n, 1))
            if self.amount is None
            else self.amount.predict(stacked, num_threads=_THREADS).reshape(k, n).T
        )
        return Prediction(self.idle, chance, amount)


def fit_outcome(sample: LearningSample) -> OutcomeModel:
    """Fit E[value | features, arm] by boosted trees in which arms share strength through their factors' levels.

    Where at least half of each arm's members have one and the same value (nobody bought: the contact cost), the value is
    modelled in two parts, the chance of another value and the mean of it, so that the noise of rare large purchases does
    not enter the chance. With under 400 such members the mean is each arm's, shrunken towards all arms' mean.
    """
    idle = idle_values(sample)
    if idle is None:
        zero = np.zeros(len(sample.arms))
        model = _boost(sample, np.ones(len(sample), dtype=bool), sample.value, "regression", 15)
        return OutcomeModel(sample.arms, zero, None, model, zero)
    above = sample.value - idle[sample.arm]
    active = above != 0
    if not active.any():
        return OutcomeModel(sample.arms, idle, None, None, np.zeros(len(sample.arms)))
    chance = _boost(sample, np.ones(len(sample), dtype=bool), active.astype(float), "binary", 15)
    constant = np.ptp(above[active]) == 0
    amount = None
    if not constant and active.sum() >= _FEW:
        amount = _boost(sample, active, above, "regression", 7)
    by_arm = shrunken_means(above[active], sample.arm[active], len(sample.arms))
    return OutcomeModel(sample.arms, idle, chance, amount, by_arm)


def idle_values(sample: LearningSample) -> Array | None:
    """For each arm the value that at least half of its members share, or None where an arm has no such value.

    For a value that is 0 or 1 it is 0 in every arm, so that the chance means the same in all of them.
    """
    idle = np.zeros(len(sample.arms))
    if np.isin(sample.value, (0.0, 1.0)).all():
        return idle
    for k in range(len(sample.arms)):
        values, counts = np.unique(sample.value[sample.arm == k], return_counts=True)
        if not len(values) or counts.max() * 2 < counts.sum():
            return None
        idle[k] = values[counts.argmax()]
    return idle


def shrunken_means(values: Array, arm: NDArray[np.int64], arms: int, strength: float = 100.0) -> Array:
    """Means by arm, each drawn towards the mean of all as if by `strength` further members with that mean."""
    overall = float(values.mean())
    counts = np.bincount(arm, minlength=arms)
    sums = np.bincount(arm, weights=values, minlength=arms)
    return np.asarray((sums + strength * overall) / (counts + strength))


def arm_features(arms: Sequence[Arm]) -> Array:
    """Shape (K, columns): contacted or not, every level of every factor, and every arm, as 0 and 1."""
    levels = sorted({level for arm in arms for level in arm.levels})
    columns = [[0.0 if arm.is_control else 1.0 for arm in arms]]
    columns += [[1.0 if level in arm.levels else 0.0 for arm in arms] for level in levels]
    columns += [[1.0 if arm.id == other.id else 0.0 for arm in arms] for other in arms[1:]]
    return np.array(columns).T


def _with_arm(codes: Array, arm: NDArray[np.int64], arms: Sequence[Arm]) -> Array:
    return np.column_stack([codes, arm_features(arms)[arm]])


def _boost(
    sample: LearningSample, rows: NDArray[np.bool_], target: Array, objective: str, leaves: int
) -> Any:
    import lightgbm

    n = int(rows.sum())
    data = lightgbm.Dataset(
        _with_arm(sample.members.codes[rows], sample.arm[rows], sample.arms),
        label=target[rows],
        categorical_feature=list(sample.space.categorical),
        free_raw_data=True,
        params={"verbosity": -1},
    )
    parameters = {
        "objective": objective,
        "num_leaves": leaves,
        "learning_rate": 0.05,
        "min_data_in_leaf": max(40, n // 100),
        "min_data_per_group": max(40, n // 100),
        "lambda_l2": 5.0,
        "seed": sample.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": _THREADS,
        "verbosity": -1,
    }
    return lightgbm.train(parameters, data, num_boost_round=80 if objective == "binary" or leaves > 7 else 40)
