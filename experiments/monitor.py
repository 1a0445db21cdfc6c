"""Monitoring: is the experiment in health, and does an arm do harm; nothing of effects before the window closes."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.assignment.assigned import assigned_members
from experiments.data.catalogue import open_data
from experiments.decision.contrasts import Contrasts
from experiments.decision.guardrails import LEVEL, signed_limit
from experiments.definition.arms import CONTROL
from experiments.definition.goals import Guardrail
from experiments.documents.analysis import HealthCheck
from experiments.documents.monitoring import GuardrailAlarm, MonitoredArm, Monitoring, MonitorStatus
from experiments.experiment import Experiment
from experiments.health.health import examine
from experiments.inference.guardrails import non_inferiority
from experiments.inference.looks import AnytimeComparison
from experiments.measurement.measurement import Measurement, measure
from experiments.measurement.open_arms import open_arms
from experiments.measurement.units import build_units
from experiments.measurement.windows import closed_members


def monitor(experiment: Experiment) -> Monitoring:
    """Check split, delivery and data of everybody assigned, and the guardrails of those whose windows have closed.

    It may be asked every day: an arm is alarmed by an always-valid bound at one-sided .05 over all guardrails and arms
    together (Bonferroni), so that however often one asks, a false alarm in the whole experiment stays that rare. Arms that
    were closed are left out.

    Raises:
        InputError: The data do not fit the definition.
        RefusedError: Nobody is assigned yet.
        OutsideError: The engine or the disk fails, or a ledger is damaged.
    """
    catalogue = open_data(experiment)
    opened = open_arms(experiment, assigned_members(experiment, catalogue))
    experiment, assigned, definition = opened.experiment, opened.assigned, opened.experiment.definition
    closed = closed_members(experiment, assigned)
    units = build_units(experiment, catalogue, closed)
    measurement = measure(experiment, units, assigned)
    health = examine(opened, catalogue, units, measurement)
    alarms = tuple(_alarms(experiment, measurement))
    return Monitoring(
        experiment=definition.id,
        definition_sha256=definition.origin.sha256,
        locked=assigned.locked,
        status=_status(health, alarms),
        health=health,
        arms=tuple(
            MonitoredArm(arm.id, measurement.assigned_to(arm.id), measurement.members(arm.id))
            for arm in definition.all_arms
        ),
        guardrails=alarms,
    )


def _alarms(experiment: Experiment, measurement: Measurement) -> Iterator[GuardrailAlarm]:
    definition = experiment.definition
    contrasts = Contrasts(measurement.metrics)
    asked = [(rail, arm.id) for rail in definition.goals.guardrails for arm in definition.offer_arms]
    for guardrail, arm in asked:
        level = LEVEL / len(asked)
        is_harmful = _does_harm(measurement, contrasts, guardrail, arm, level)
        yield GuardrailAlarm(guardrail.metric, arm, is_harmful)


def _does_harm(
    measurement: Measurement, contrasts: Contrasts, guardrail: Guardrail, arm: str, level: float
) -> bool:
    comparison = contrasts.compare(guardrail.metric, arm, CONTROL)
    if comparison is None or not comparison.has_test:
        return False
    measured = measurement.metrics[guardrail.metric]
    events = sum(measured.arm(side).nonzero_count(measured.value) for side in (arm, CONTROL))
    planned = measurement.assigned_to(arm) + measurement.assigned_to(CONTROL)
    anytime = AnytimeComparison(comparison, planned, 2 * level, events)
    relative = guardrail.limit is None
    judged = non_inferiority(
        anytime, signed_limit(guardrail), guardrail.better, level=level, relative=relative
    )
    return judged.status == "fail"


def _status(health: tuple[HealthCheck, ...], alarms: tuple[GuardrailAlarm, ...]) -> MonitorStatus:
    statuses = {check.status for check in health}
    if "fail" in statuses:
        return "invalid"
    if any(each.alarm for each in alarms):
        return "alarm"
    return "warning" if "warn" in statuses else "healthy"
