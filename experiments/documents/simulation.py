"""`simulate --json` as frozen types: rates that were simulated, and what they must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from experiments.documents.analysis import Reason

Scenario = Literal["aa", "ab"]
"""`aa`: no arm does anything; `ab`: an effect is planted in some arms."""

Rate = Literal[
    "type_one_error",
    "family_wise_error",
    "coverage",
    "simultaneous_coverage",
    "power",
    "false_discovery",
    "false_rollout",
]
Side = Literal["both", "above", "below"]
"""The departures from the target that count against the engine."""

RateStatus = Literal["pass", "fail", "unjudged"]
Source = Literal["assigned", "history"]


@dataclass(frozen=True)
class SimulatedRate:
    """How often something happened over the simulated experiments.

    Attributes:
        scenario: Whether an effect was planted.
        kind: What was counted. `type_one_error`, `coverage` and `power` are of one comparison with control,
            `coverage` of its unadjusted interval; the others of the metric's whole family, or of the verdict.
        metric: The metric; None for the verdict.
        arm: The arm; None for a family or the verdict.
        effect: The true difference from control of that comparison; None where there is no single one.
        hits: How often; a sum of shares for `false_discovery`.
        runs: Of how many simulated experiments.
        rate: `hits / runs`.
        target: What the rate should be; for `power` the design's; None where nothing is promised.
        low: The least rate that chance explains when the promise holds, at .005 over all judged rates together.
        high: The largest such rate.
        side: Which departures count; None where the rate is not judged.
        status: Whether the rate lies within its bounds.
    """

    scenario: Scenario
    kind: Rate
    metric: str | None
    arm: str | None
    effect: float | None
    hits: float
    runs: int
    rate: float
    target: float | None
    low: float | None
    high: float | None
    side: Side | None
    status: RateStatus


@dataclass(frozen=True)
class Planted:
    """The effect that was planted: a metric, the true difference from control, and the arms that have it."""

    metric: str
    effect: float
    arms: tuple[str, ...]


@dataclass(frozen=True)
class Simulation:
    """`simulate --json`.

    Attributes:
        members: Members whose outcomes were simulated with.
        available: Members whose outcomes there are; more where the sample was bounded.
        source: Whether they are the members assigned, or members eligible one window before the snapshot.
        planted: The planted effect; None where the definition names none that fits.
        calibrated: Whether every judged rate lies within its bounds.
    """

    experiment: str
    definition_sha256: str
    members: int
    available: int
    source: Source
    runs: int
    seed: int
    planted: Planted | None
    calibrated: bool
    rates: tuple[SimulatedRate, ...]
    reasons: tuple[Reason, ...]
    next_step: str
    files: Mapping[str, str] = field(default_factory=dict)
    mlflow_run_id: str | None = None
    schema: str = "offerwise.simulation/1"
