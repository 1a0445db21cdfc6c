"""The document of `monitor`: health and alarms of guardrails, no effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from experiments.documents.analysis import HealthCheck

MonitorStatus = Literal["healthy", "warning", "alarm", "invalid"]


@dataclass(frozen=True)
class GuardrailAlarm:
    """Whether an arm is shown to do more harm than its limit allows; the size of the difference is not told."""

    metric: str
    arm: str
    alarm: bool


@dataclass(frozen=True)
class MonitoredArm:
    """The members of an arm, and those of them whose windows have closed."""

    arm: str
    members: int
    closed: int


@dataclass(frozen=True)
class Monitoring:
    """`monitor --json`."""

    experiment: str
    definition_sha256: str
    locked: bool
    status: MonitorStatus
    health: tuple[HealthCheck, ...]
    arms: tuple[MonitoredArm, ...]
    guardrails: tuple[GuardrailAlarm, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    schema: str = "offerwise.monitoring/1"

    @property
    def needs_action(self) -> bool:
        """Whether somebody must look into it now."""
        return self.status in {"alarm", "invalid"}
