"""The calendar of a draw: what comes after it and when, and what is wrong with its day."""

from __future__ import annotations

from datetime import datetime, timedelta

from experiments.assignment.send import send_days
from experiments.audience.audience import snapshot_of
from experiments.documents.analysis import Reason
from experiments.experiment import Experiment
from experiments.measurement.windows import longest_window

_PACKAGE = "experiments"
_MINUTE = timedelta(minutes=1)


def next_step(experiment: Experiment) -> str:
    """What to do with the lists; empty where nothing is sent."""
    definition = experiment.definition
    last = _last_send(experiment)
    if last is None:
        return ""
    closes = last + timedelta(days=longest_window(definition))
    code = "assigned" if definition.design.looks.kind == "fixed" else "assigned_looks"
    return experiment.words.say(
        _PACKAGE,
        f"next_step.{'entered' if definition.audience.is_daily else code}",
        file=experiment.arguments or str(definition.origin.path),
        closes=_local(experiment, closes),
    )


def told_day(experiment: Experiment) -> tuple[Reason, ...]:
    """What members who were drawn just now have to fear from the day: rows that may still come, messages that are too late."""
    definition = experiment.definition
    last, snapshot = _last_send(experiment), snapshot_of(experiment)
    if definition.audience.is_daily or last is None:
        return ()
    found = {}
    if snapshot > experiment.now.astimezone(definition.zone).date():
        found["snapshot_to_come"] = {"day": snapshot.isoformat()}
    if last < experiment.now:
        found["sends_over"] = {"moment": _local(experiment, last)}
    return tuple(
        Reason(code, experiment.words.say(_PACKAGE, f"assignment.{code}", **facts))
        for code, facts in found.items()
    )


def _last_send(experiment: Experiment) -> datetime | None:
    """The last moment at which a message of this draw can be planned."""
    definition = experiment.definition
    if definition.send is None:
        return None
    day = send_days(definition, definition.send, snapshot_of(experiment))[-1]
    return day.opens + (day.slots - 1) * _MINUTE


def _local(experiment: Experiment, moment: datetime) -> str:
    definition = experiment.definition
    return f"{moment.astimezone(definition.zone):%Y-%m-%d %H:%M} ({definition.timezone})"
