"""What learners and policies are worth on members that they were not learned from, as the document tells it."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.definition.uplift import LearnerName, PolicyKind
from uplift.calibration import ArmCalibration, calibrate
from uplift.crossfit import Contest, LearnerRecord
from uplift.documents import EffectGroup, Interval, Learner, Policy
from uplift.evaluation import (
    Estimate,
    autoc_estimate,
    auuc,
    policy_value,
    qini_estimate,
    weighted_value,
)
from uplift.features import Array
from uplift.gate import Contender
from uplift.rules import Rule
from uplift.sample import LearningSample
from uplift.sentences import PolicyWords


def valued_learner(
    name: LearnerName, record: LearnerRecord, scores: Array, sample: LearningSample
) -> Learner:
    """A learner's policy, how it ranks members for each arm, and whether its predictions come true.

    Args:
        name: The learner.
        record: Its held-out effects.
        scores: Shape (n, K): held-out doubly robust scores.
        sample: The members.
    """
    unit = sample.unit
    value = policy_value(scores, record.effects.argmax(axis=1), unit)
    low, high = value.interval()
    gains = scores - scores[:, :1]
    arms = {arm.id: (record.effects[:, k], gains[:, k]) for k, arm in enumerate(sample.arms) if k > 0}
    qinis = {arm: qini_estimate(*of_arm, unit) for arm, of_arm in arms.items()}
    calibrations = {arm: calibrate(*of_arm, unit=unit) for arm, of_arm in arms.items()}
    return Learner(
        name=name,
        policy_value=value.value,
        low=low,
        high=high,
        qini={arm: each.value for arm, each in qinis.items()},
        auuc={arm: auuc(*of_arm) for arm, of_arm in arms.items()},
        seconds=record.seconds,
        qini_interval={arm: _interval(each) for arm, each in qinis.items()},
        autoc={arm: _interval(autoc_estimate(*of_arm, unit)) for arm, of_arm in arms.items()},
        slope={
            arm: None if each.slope is None else _interval(each.slope) for arm, each in calibrations.items()
        },
        groups={arm: _groups(each) for arm, each in calibrations.items()},
    )


def valued_policy(
    each: Contender,
    rules: Mapping[PolicyKind, Rule],
    contest: Contest,
    sample: LearningSample,
    words: PolicyWords,
) -> Policy:
    """A kind of policy with its value by scores, and by weights alone where the contest has its offers."""
    low, high = each.value.interval()
    gain_low, gain_high = each.over_single.interval()
    chosen = contest.choices.get(each.kind)
    plain, normalised = (
        (None, None)
        if chosen is None
        else map(_interval, weighted_value(sample.arm, sample.value, sample.propensity, chosen, sample.unit))
    )
    return Policy(
        kind=each.kind,
        detail=words.detail(each, rules.get(each.kind), contest.favourite),
        value=each.value.value,
        low=low,
        high=high,
        gain_over_control=each.over_control.value,
        gain_over_best_single_arm=each.over_single.value,
        gain_low=gain_low,
        gain_high=gain_high,
        proven=each.proven,
        stability=contest.stability.get(each.kind),
        value_ipw=plain,
        value_self_normalised=normalised,
    )


def _groups(calibration: ArmCalibration) -> tuple[EffectGroup, ...]:
    return tuple(
        EffectGroup(group.members, group.predicted, _interval(group.realised)) for group in calibration.groups
    )


def _interval(estimate: Estimate) -> Interval:
    return Interval(estimate.value, *estimate.interval())
