"""Learners of each member's effect of each arm: causalml's meta-learners and uplift forest, and the joint outcome model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from experiments.definition.uplift import LearnerName
from uplift.causalml_quiet import load_causalml
from uplift.features import Array, FeatureSpace
from uplift.outcome import OutcomeModel, refine, shrunken_means
from uplift.sample import Integers, LearningSample

_FOREST_TREES = 12


class EffectModel(Protocol):
    """A fitted learner."""

    def effects(self, codes: Array) -> Array:
        """Shape (n, K): what each arm adds to the value of each member over control; column 0 is 0."""


def fit_learner(name: LearnerName, sample: LearningSample, outcome: OutcomeModel) -> EffectModel:
    """Fit a learner on the members of `sample`.

    Of a value in two parts a learner sees whether members act; the amount that the outcome model expects turns its effects
    into value, so that a few large purchases do not make effects. Propensities are handed over as the libraries mean
    them: P(arm | arm or control).

    Args:
        name: The learner.
        sample: Whom it learns from.
        outcome: The outcome model of the same members.
    """
    if name == "joint":
        return JointEffects(refine(outcome, sample))
    if name == "uplift_forest":
        return _fit_forest(sample, outcome)
    return _fit_meta(name, sample, outcome)


@dataclass(frozen=True)
class JointEffects:
    """Differences of the joint outcome model."""

    outcome: OutcomeModel

    def effects(self, codes: Array) -> Array:
        """Shape (n, K)."""
        value = self.outcome.predict(codes).value
        return np.asarray(value - value[:, :1])


@dataclass(frozen=True)
class MetaLearner:
    """A fitted meta-learner of causalml (Künzel et al. 2019; Kennedy 2023; Nie and Wager 2021).

    Attributes:
        model: causalml's learner.
        space: How features become numbers.
        outcome: Turns effects on the chance of acting into value, for a value in two parts; else None.
        pair_propensity: Shape (K - 1,): P(arm | arm or control).
        takes_propensity: Whether it predicts with propensities.
    """

    model: Any
    space: FeatureSpace
    outcome: OutcomeModel | None
    pair_propensity: tuple[float, ...]
    takes_propensity: bool

    def effects(self, codes: Array) -> Array:
        """Shape (n, K)."""
        dense = self.space.dense(codes)
        extra = (
            {"p": {_name(k): np.full(len(codes), p) for k, p in enumerate(self.pair_propensity, start=1)}}
            if self.takes_propensity
            else {}
        )
        found = np.column_stack([np.zeros(len(codes)), self.model.predict(dense, **extra)])
        if self.outcome is None:
            return found
        parts = self.outcome.predict(codes)
        value = parts.idle + np.clip(parts.chance[:, :1] + found, 0.0, 1.0) * parts.amount
        return np.asarray(value - value[:, :1])


@dataclass(frozen=True)
class UpliftForest:
    """A fitted uplift random forest (Rzepakowski and Jaroszewicz 2012), which knows only whether members act.

    Attributes:
        model: causalml's forest.
        space: How features become numbers.
        outcome: Gives the amount of those who act, for a value in two parts; else None.
        high: Shape (K,): mean value above the cut, by arm, where the value is not in two parts.
        low: Shape (K,): mean value at or below it.
    """

    model: Any
    space: FeatureSpace
    outcome: OutcomeModel | None
    high: Array
    low: Array

    def effects(self, codes: Array) -> Array:
        """Shape (n, K)."""
        found = self.model.predict(self.space.dense(codes), full_output=True)
        chance = found[[_name(k) for k in range(len(self.high))]].to_numpy(dtype=float)
        if self.outcome is not None:
            parts = self.outcome.predict(codes)
            value = parts.idle + chance * parts.amount
        else:
            value = self.low + chance * (self.high - self.low)
        return np.asarray(value - value[:, :1])


def _fit_meta(name: LearnerName, sample: LearningSample, outcome: OutcomeModel) -> MetaLearner:
    dense = sample.space.dense(sample.members.codes)
    treatment = _names(sample.arm)
    value = sample.value
    if outcome.in_two_parts:
        value = (value != outcome.idle[sample.arm]).astype(float)
    shares = _pair_propensities(sample)
    p = {_name(k): np.full(len(sample), share) for k, share in enumerate(shares, start=1)}
    model = _meta_learner(name, sample)
    if name == "dr_learner":
        model.fit(dense, treatment=treatment, y=value, p=p, seed=sample.seed)
    elif name in {"x_learner", "r_learner"}:
        model.fit(dense, treatment=treatment, y=value, p=p)
    else:
        model.fit(dense, treatment=treatment, y=value)
    known = outcome if outcome.in_two_parts else None
    return MetaLearner(model, sample.space, known, shares, name in {"x_learner", "dr_learner"})


def _meta_learner(name: LearnerName, sample: LearningSample) -> Any:
    """Outcomes by trees of ordinary size; effects, which are smaller than outcomes and noisier, by small trees."""
    causalml = load_causalml()
    outcomes, effects = _booster(sample, leaves=15, rounds=60), _booster(sample, leaves=4, rounds=30)
    both = {"control_outcome_learner": outcomes, "treatment_outcome_learner": outcomes}
    if name == "x_learner":
        each = {"control_effect_learner": effects, "treatment_effect_learner": effects}
        return causalml.x_learner(**both, **each, control_name=_name(0))
    if name == "dr_learner":
        return causalml.dr_learner(**both, treatment_effect_learner=effects, control_name=_name(0))
    if name == "r_learner":
        return causalml.r_learner(
            outcome_learner=outcomes,
            effect_learner=effects,
            control_name=_name(0),
            random_state=sample.seed,
        )
    kind = causalml.s_learner if name == "s_learner" else causalml.t_learner
    return kind(learner=outcomes, control_name=_name(0))


def _fit_forest(sample: LearningSample, outcome: OutcomeModel) -> UpliftForest:
    arms = len(sample.arms)
    two_parts = outcome.in_two_parts
    cut = float(np.median(sample.value))
    acts = sample.value != outcome.idle[sample.arm] if two_parts else sample.value > cut
    forest = load_causalml().uplift_forest(
        control_name=_name(0),
        n_estimators=_FOREST_TREES,
        max_depth=5,
        min_samples_leaf=max(100, len(sample) // 100),
        min_samples_treatment=max(20, len(sample) // 1000),
        random_state=sample.seed,
        n_jobs=1,
    )
    forest.fit(sample.space.dense(sample.members.codes), treatment=_names(sample.arm), y=acts.astype(int))
    if two_parts or not 0 < acts.sum() < len(acts):
        return UpliftForest(forest, sample.space, outcome, np.zeros(arms), np.zeros(arms))
    high = shrunken_means(sample.value[acts], sample.arm[acts], arms)
    low = shrunken_means(sample.value[~acts], sample.arm[~acts], arms)
    return UpliftForest(forest, sample.space, None, high, low)


def _pair_propensities(sample: LearningSample) -> tuple[float, ...]:
    """P(arm | arm or control) for each arm but control, from the design's shares."""
    shares = [float(arm.share) for arm in sample.arms]
    return tuple(share / (share + shares[0]) for share in shares[1:])


def _booster(sample: LearningSample, *, leaves: int, rounds: int) -> Any:
    import lightgbm

    return lightgbm.LGBMRegressor(
        n_estimators=rounds,
        num_leaves=leaves,
        learning_rate=0.08,
        min_child_samples=max(30, len(sample) // (50 * len(sample.arms))),
        reg_lambda=5.0,
        random_state=sample.seed,
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,
        verbosity=-1,
    )


def _name(arm: int) -> str:
    """Arms as text that sorts in the definition's order: causalml sorts its groups."""
    return f"{arm:03d}"


def _names(arms: Integers) -> Any:
    return np.array([_name(k) for k in range(int(arms.max()) + 1)])[arms]
