"""The document of `design`: size, power, curves, cost, and who could enter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from experiments.documents.analysis import Reason
from experiments.documents.assignment import ContactLevel, RuleRemoval


@dataclass(frozen=True)
class ArmPower:
    """One comparison with control, as planned; a figure that the baseline or the plan does not give is None."""

    arm: str
    share: float
    members: int
    power: float | None
    detectable_effect: float | None
    members_needed: int | None


@dataclass(frozen=True)
class GuardrailPower:
    """The power of a guardrail to pass when the arm does no harm."""

    metric: str
    limit: float
    baseline: float | None
    power: float | None


@dataclass(frozen=True)
class PlannedLook:
    """One look as planned: at which information it is due, its bound for one comparison, the family's error spent."""

    number: int
    information: float
    members: int
    bound: float
    nominal_level: float
    alpha_spent: float


@dataclass(frozen=True)
class CurvePoint:
    """What the weakest comparison with control finds with the planned power, were the audience of this size.

    `day` counts from the first send day to the day on which the windows of these members have closed; None by size alone.
    """

    members: int
    day: int | None
    detectable_effect: float


@dataclass(frozen=True)
class Design:
    """`design --json`: what the plan can detect, and why it is refused if it is.

    `inflation` is how many times the members of a fixed design the looks need for the same power.
    """

    experiment: str
    definition_sha256: str
    feasible: bool
    eligible: int
    audience: int
    refused: Mapping[str, int]
    metric: str
    baseline: float | None
    baseline_source: str
    minimum_effect: float | None
    alpha: float
    alpha_each: float
    correction: str
    power: float
    arms: tuple[ArmPower, ...]
    guardrails: tuple[GuardrailPower, ...]
    members_needed: int | None
    control_share: float
    best_control_share: float
    duration_days: int
    expected_cost: float
    budget: float | None
    currency: str
    reasons: tuple[Reason, ...]
    next_step: str
    inflation: float = 1.0
    looks: tuple[PlannedLook, ...] = ()
    curve_by_members: tuple[CurvePoint, ...] = ()
    curve_by_days: tuple[CurvePoint, ...] = ()
    rules: tuple[RuleRemoval, ...] = ()
    contact_levels: tuple[ContactLevel, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    mlflow_run_id: str | None = None
    schema: str = "offerwise.design/1"
