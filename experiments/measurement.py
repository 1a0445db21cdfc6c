"""Measurement: the moments of every metric, by arm, segment and stratum, over everybody assigned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from experiments.cells import Cell
from experiments.inference.moments import Moments, pool
from experiments.units import Units
from experiments.windows import WindowState

__all__ = ["BatchCount", "Cell", "Measurement", "MetricMoments", "Units", "WindowState"]

MetricKind = Literal["binary", "mean", "ratio"]


@dataclass(frozen=True)
class MetricMoments:
    """One metric's moments over the members assigned (intention to treat), together with its covariates.

    A missing covariate is imputed by its mean over all members assigned, arms pooled: the same constant in every arm,
    so that the interacted regression stays unbiased in large samples (Zhao and Ding 2024, JASA, "To adjust or not
    to adjust?").

    Attributes:
        metric: The metric's name in the definition.
        kind: `binary` (0 or 1), `mean` (sum, count and formula) or `ratio` (of the sums of two variables).
        value: The variable of `cells` that holds the metric; the numerator of a ratio.
        denominator: The variable that holds the denominator of a ratio; else None.
        covariates: The variables that hold the design's covariates.
        cells: Cell to the moments of `value`, `denominator` and `covariates`; members dropped are in none.
        cap: The winsorising cap of the metric itself; None where it has none.
        raw: Arm to the moments of the uncapped value (and denominator) under the same variable names; None where
            nothing is capped.
        dropped: Arm to its members left out because their value is missing (`missing: drop`).
    """

    metric: str
    kind: MetricKind
    value: str
    denominator: str | None
    covariates: tuple[str, ...]
    cells: Mapping[Cell, Moments]
    cap: float | None
    raw: Mapping[str, Moments] | None
    dropped: Mapping[str, int]

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the moments: value, denominator, covariates."""
        parts = (self.value,) if self.denominator is None else (self.value, self.denominator)
        return (*dict.fromkeys(parts), *self.covariates)

    def arm(self, arm: str, segment: str | None = None) -> Moments:
        """The moments of an arm, overall or in one segment; of nobody where there is no such member."""
        return pool([Moments.zero(self.variables), *self.strata(arm, segment).values()])

    def strata(self, arm: str, segment: str | None = None) -> dict[str, Moments]:
        """The moments of an arm by stratum, overall or in one segment."""
        found: dict[str, Moments] = {}
        for cell, moments in self.cells.items():
            if cell.arm == arm and segment in {None, cell.segment}:
                known = found.get(cell.stratum)
                found[cell.stratum] = moments if known is None else known + moments
        return found


@dataclass(frozen=True)
class BatchCount:
    """How many members of an arm a batch has in a stratum."""

    arm: str
    stratum: str
    batch: int
    members: int


@dataclass(frozen=True)
class Measurement:
    """What the members assigned did: all that estimates, decision and health read.

    Attributes:
        counts: Cell to the members assigned, with those that a metric drops.
        metrics: Metric to its moments.
        window: Whether the windows have closed.
        batches: Members by arm, stratum and batch of the ledger.
        days: (arm, planned send day in the definition's time zone) to members; empty where no send is planned.
        repeated_members: Members who stand in the assignment more than once.
        pilots: Variable to the value that its sums were taken about.
    """

    counts: Mapping[Cell, int]
    metrics: Mapping[str, MetricMoments]
    window: WindowState
    batches: tuple[BatchCount, ...]
    days: Mapping[tuple[str, date], int]
    repeated_members: int
    pilots: Mapping[str, float]

    def members(self, arm: str, segment: str | None = None) -> int:
        """Members assigned to an arm, overall or in one segment."""
        return sum(
            n for cell, n in self.counts.items() if cell.arm == arm and segment in {None, cell.segment}
        )
