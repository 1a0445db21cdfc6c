"""Whom the messages reached, and the effect on them: beside the effects of sending, never read by the decision."""

from __future__ import annotations

from experiments.decision.effects import roles
from experiments.definition.arms import CONTROL
from experiments.definition.model import Definition
from experiments.documents.analysis import ComplierRow, DeliveredShare
from experiments.inference.compliers import ComplierEffect
from experiments.measurement.measurement import Measurement


def delivered_shares(definition: Definition, measurement: Measurement) -> tuple[DeliveredShare, ...]:
    """The members reached in each arm, control too; nothing where the definition does not say who was."""
    if definition.delivery is None:
        return ()
    measured = measurement.metrics[definition.delivery.metric]
    rows = []
    for arm in definition.all_arms:
        moments = measured.arm(arm.id)
        reached = moments.nonzero_count(measured.value)
        share = reached / moments.count if moments.count else None
        rows.append(DeliveredShare(arm.id, moments.count, reached, share))
    return tuple(rows)


def complier_effects(definition: Definition, measurement: Measurement) -> tuple[ComplierRow, ...]:
    """The effect on compliers of each offer against control, for every metric of the goals but ratios.

    Unadjusted, overall, each with an interval of its own at 1 - alpha. An arm whose share reached is too near to control's
    has no effect to tell. Where units of several members were assigned there are no rows: the variance of members does
    not hold.
    """
    reached = definition.delivery.metric if definition.delivery else None
    if reached is None:
        return ()
    rows = []
    for metric, _ in roles(definition.goals):
        measured = measurement.metrics[metric]
        if measured.with_delivery is None or _has_units(measurement, metric):
            continue
        versus = measured.with_delivery.get(CONTROL)
        for arm in definition.offer_arms:
            side = measured.with_delivery.get(arm.id)
            if side is None or versus is None or min(side.count, versus.count) < 2:
                continue
            found = ComplierEffect(side, versus, measured.value, measurement.metrics[reached].value)
            rows.append(_row(metric, arm.id, found, definition.design.alpha))
    return tuple(rows)


def _has_units(measurement: Measurement, metric: str) -> bool:
    clusters = measurement.metrics[metric].clusters
    return clusters is not None and not all(sums.is_single for sums in clusters.values())


def _row(metric: str, arm: str, found: ComplierEffect, alpha: float) -> ComplierRow:
    if found.is_weak:
        return ComplierRow(metric, arm, found.difference_reached, None, None, None, None, found.is_one_sided)
    low, high = found.interval(alpha)
    return ComplierRow(
        metric, arm, found.difference_reached, found.effect, low, high, found.std_error, found.is_one_sided
    )
