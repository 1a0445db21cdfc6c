"""Do predicted effects come true? Slope and groups of held-out predictions against doubly robust gains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uplift.evaluation import Estimate, estimate_part
from uplift.features import Array
from uplift.sample import Integers

GROUPS = 10


@dataclass(frozen=True)
class EffectGroup:
    """Members of similar predicted effect: what was predicted for them on average, and what came true (GATES)."""

    members: int
    predicted: float
    realised: Estimate


@dataclass(frozen=True)
class ArmCalibration:
    """One arm's predictions.

    Attributes:
        slope: Best linear projection of the gains on the predictions: 1 where differences come true as predicted, 0 where
            predictions say nothing; None where all members have the same prediction.
        groups: From the lowest predicted effects to the highest.
    """

    slope: Estimate | None
    groups: tuple[EffectGroup, ...]


def calibrate(
    predicted: Array, gain: Array, groups: int = GROUPS, unit: Integers | None = None
) -> ArmCalibration:
    """Hold predictions of models that have not seen the members against the members' doubly robust gains.

    Chernozhukov, Demirer, Duflo and Fernández-Val (2025), "Fisher-Schultz lecture: generic machine learning inference on
    heterogeneous treatment effects"; the slope's error is the heteroskedasticity-robust one (HC0), by units where there are some.

    Args:
        predicted: Shape (n,): predicted effect of the arm over control.
        gain: Shape (n,): score of the arm minus that of control.
        groups: Number of groups of about equal size; members with equal predictions stay together.
        unit: As for `estimate_mean`.
    """
    return ArmCalibration(_slope(predicted, gain, unit), _groups(predicted, gain, groups, unit))


def _slope(predicted: Array, gain: Array, unit: Integers | None) -> Estimate | None:
    centred = predicted - predicted.mean()
    spread = float((centred**2).sum())
    # What rounding leaves of equal predictions is no prediction.
    if spread <= 1e-18 * max(1.0, float((predicted**2).sum())):
        return None
    from statsmodels.regression.linear_model import OLS

    line = OLS(gain, np.column_stack([np.ones(len(gain)), centred]))
    if unit is None:
        found = line.fit(cov_type="HC0")
    else:
        found = line.fit(cov_type="cluster", cov_kwds={"groups": unit, "use_correction": False})
    return Estimate(float(found.params[1]), float(found.bse[1]))


def _groups(predicted: Array, gain: Array, groups: int, unit: Integers | None) -> tuple[EffectGroup, ...]:
    cuts = np.unique(np.quantile(predicted, np.arange(1, groups) / groups))
    group = np.searchsorted(cuts, predicted, side="left")
    return tuple(
        EffectGroup(int(here.sum()), float(predicted[here].mean()), estimate_part(gain, here, unit))
        for here in (group == number for number in range(len(cuts) + 1))
        if here.any()
    )
