"""The joint outcome model: what a member would be worth in each arm, learned over all arms together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.definition.arms import Arm
from uplift.effects import THREADS, Effects, fit_quick, fit_stack
from uplift.features import Array
from uplift.residuals import ArmDesign, Residuals
from uplift.sample import LearningSample
from uplift.shrinkage import shrink

# Fewer members with an amount than this cannot teach how amounts depend on anything but the arm.
_FEW = 400
# Scores need no model of more members than these, the first in a random order: outcomes are noisier by far.
_ENOUGH = 100_000
# Amounts above this quantile are cut off while their shape is learned; the arms' means are of all of every amount.
_CAP = 0.99


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
class Response:
    """A mean over arms, from two models of half of the members each, and what each arm adds to it.

    Attributes:
        halves: The two models of the mean.
        effects: What arms add.
        is_chance: Whether the mean is a probability.
    """

    halves: tuple[Any, Any]
    effects: Effects
    is_chance: bool

    def predict(self, codes: Array) -> Array:
        """Shape (n, K)."""
        mean = sum(half.predict(codes, num_threads=THREADS) for half in self.halves) / 2
        found = mean[:, None] + self.effects.predict(codes)
        return np.asarray(np.clip(found, 0.0, 1.0) if self.is_chance else found)


@dataclass(frozen=True)
class Amounts:
    """What members who act bring: a shape over features and arms, moved to each arm's mean, shape (K,) of moves."""

    shape: Any
    design: ArmDesign
    moves: Array

    def predict(self, codes: Array) -> Array:
        """Shape (n, K)."""
        found = [
            self.shape.predict(_with_arm(codes, row), num_threads=THREADS) for row in self.design.columns
        ]
        return np.column_stack(found) + self.moves


@dataclass(frozen=True)
class OutcomeModel:
    """A fitted joint model; see `fit_outcome`.

    Attributes:
        arms: The arms.
        idle: Shape (K,): as in `Prediction`.
        chance: Chance of acting; None where everybody does.
        amount: Value above `idle`; None where it is the arm's mean for everybody.
        amount_of_arm: Shape (K,): that mean.
    """

    arms: tuple[Arm, ...]
    idle: Array
    chance: Response | None
    amount: Response | Amounts | None
    amount_of_arm: Array

    @property
    def in_two_parts(self) -> bool:
        """Whether the value is a chance times an amount."""
        return not isinstance(self.amount, Response)

    def predict(self, codes: Array) -> Prediction:
        """For each row of the feature matrix and each arm, the expected value in two parts."""
        n, k = len(codes), len(self.arms)
        chance = np.ones((n, k)) if self.chance is None else self.chance.predict(codes)
        amount = np.tile(self.amount_of_arm, (n, 1)) if self.amount is None else self.amount.predict(codes)
        return Prediction(self.idle, chance, amount)


def fit_outcome(sample: LearningSample) -> OutcomeModel:
    """Fit E[value | features, arm] as a mean over arms and what each arm adds to it; see `uplift.effects`.

    Where at least half of each arm's members have one and the same value (nobody bought: the contact cost), the value is
    modelled in two parts, the chance of another value and the mean of it, so that the noise of rare large purchases does
    not enter the chance. With under 400 such members the mean is each arm's, shrunken towards all arms' mean.
    """
    idle = idle_values(sample)
    zero = np.zeros(len(sample.arms))
    if idle is None:
        response = _fit_response(sample, sample.value, is_chance=False)
        return OutcomeModel(sample.arms, zero, None, response, zero)
    above = sample.value - idle[sample.arm]
    active = above != 0
    if not active.any():
        return OutcomeModel(sample.arms, idle, None, None, zero)
    chance = _fit_response(sample, active.astype(float), is_chance=True)
    by_arm = shrunken_means(above[active], sample.arm[active], len(sample.arms))
    amount = None
    if np.ptp(above[active]) > 0 and active.sum() >= _FEW:
        amount = _fit_amounts(sample.rows(active), above[active])
    return OutcomeModel(sample.arms, idle, chance, amount, by_arm)


def refine(model: OutcomeModel, sample: LearningSample) -> OutcomeModel:
    """The model with effects from a stack of candidates in place of one quick candidate.

    Args:
        model: The outcome model of the same members.
        sample: Whom it was learned from.
    """
    response = model.chance if model.in_two_parts else model.amount
    if not isinstance(response, Response):
        return model
    target = sample.value
    if model.in_two_parts:
        target = (sample.value != model.idle[sample.arm]).astype(float)
    half = _half(sample)
    data = _residuals(sample, target, response.halves, half)
    refined = replace(response, effects=fit_stack(data, half))
    return replace(model, chance=refined) if model.in_two_parts else replace(model, amount=refined)


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


def _fit_response(sample: LearningSample, target: Array, *, is_chance: bool) -> Response:
    if len(sample) > _ENOUGH:
        few = np.arange(len(sample)) < _ENOUGH
        sample, target = sample.rows(few), target[few]
    half = _half(sample)
    halves = (_boost_mean(sample, target, half), _boost_mean(sample, target, ~half))
    return Response(halves, fit_quick(_residuals(sample, target, halves, half)), is_chance)


def _half(sample: LearningSample) -> NDArray[np.bool_]:
    """A random half of the members; that of the first ones is the same whatever the number of members."""
    return np.asarray(np.random.default_rng(sample.seed).random(len(sample)) < 0.5)


def _residuals(
    sample: LearningSample, target: Array, halves: tuple[Any, Any], half: NDArray[np.bool_]
) -> Residuals:
    """Outcomes minus the mean over arms, by the model of the other half."""
    codes = sample.members.codes
    rest = np.empty(len(sample))
    for learned, model in ((half, halves[0]), (~half, halves[1])):
        rest[~learned] = target[~learned] - model.predict(codes[~learned], num_threads=THREADS)
    return Residuals(sample.space, codes, sample.arm, rest, ArmDesign.of(sample.arms), sample.seed)


def _boost_mean(sample: LearningSample, target: Array, rows: NDArray[np.bool_]) -> Any:
    return _boost(sample, sample.members.codes[rows], target[rows], leaves=8, rounds=40)


def _fit_amounts(active: LearningSample, above: Array) -> Amounts:
    """The shape by boosted trees of amounts below the cap, moved by what each arm's mean lies above it.

    The moves are shrunken towards their mean by their precision (DerSimonian and Laird 1986): where offers do not change
    amounts, a few large purchases do not make one arm look dearer than another.
    """
    design = ArmDesign.of(active.arms)
    codes = np.column_stack([active.members.codes, design.columns[active.arm]])
    low, high = np.quantile(above, [1 - _CAP, _CAP])
    shape = _boost(active, codes, np.clip(above, low, high), leaves=6, rounds=40, share=20)
    found = Amounts(shape, design, np.zeros(len(active.arms)))
    rest = above - found.predict(active.members.codes)[np.arange(len(active)), active.arm]
    by_arm = [rest[active.arm == k] for k in range(len(active.arms))]
    known = [k for k, each in enumerate(by_arm) if len(each) > 1]
    means = np.array([by_arm[k].mean() for k in known])
    variances = np.array([by_arm[k].var(ddof=1) / len(by_arm[k]) for k in known])
    moves = np.full(len(active.arms), float(rest.mean()))
    moves[known] = shrink(means, variances)
    return replace(found, moves=moves)


def _with_arm(codes: Array, columns: Array) -> Array:
    return np.column_stack([codes, np.broadcast_to(columns, (len(codes), len(columns)))])


def _boost(
    sample: LearningSample, codes: Array, target: Array, *, leaves: int, rounds: int, share: int = 100
) -> Any:
    import lightgbm

    least = max(40, len(target) // share)
    data = lightgbm.Dataset(
        codes,
        label=target,
        categorical_feature=list(sample.space.categorical),
        free_raw_data=True,
        params={"verbosity": -1},
    )
    parameters = {
        "objective": "regression",
        "num_leaves": leaves,
        "learning_rate": 0.1,
        "min_data_in_leaf": least,
        "min_data_per_group": least,
        "lambda_l2": 5.0,
        "max_bin": 63,
        "seed": sample.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": THREADS,
        "verbosity": -1,
    }
    return lightgbm.train(parameters, data, num_boost_round=rounds)
