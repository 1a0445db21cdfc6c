"""Measurement: the moments of every metric, by arm, segment and stratum, over everybody assigned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from experiments.assignment.assigned import Assigned
from experiments.assignment.draws import unit_key
from experiments.definition.metrics import BinaryMetric, RatioMetric
from experiments.definition.model import Definition
from experiments.experiment import Experiment
from experiments.inference.clusters import ClusterSums
from experiments.inference.moments import Moments, pool
from experiments.measurement.cells import Cell
from experiments.measurement.cluster_query import ClusterQuery
from experiments.measurement.formulas import measured_parts
from experiments.measurement.member_counts import (
    MemberCount,
    count_members,
    members_by_cell,
    repeated_members,
)
from experiments.measurement.member_values import missing_rule
from experiments.measurement.moments_query import MomentsQuery
from experiments.measurement.unit_counts import UnitCounts, count_units
from experiments.measurement.units import Units
from experiments.measurement.windows import WindowState, window_state

MetricKind = Literal["binary", "mean", "ratio"]


@dataclass(frozen=True)
class MetricMoments:
    """One metric's moments over the members assigned (intention to treat), together with its covariates.

    A missing covariate is imputed by its mean over all members assigned, arms pooled: the same constant in every arm,
    so that the interacted regression stays consistent (Zhao and Ding 2024, JASA, "To adjust or not
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
        clusters: Cell (without strata) to the sums by unit of assignment; None where that is the member.
        with_delivery: Arm to the moments of `value` together with the metric that says who was reached; None for a
            ratio, and where the definition does not say who was.
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
    clusters: Mapping[Cell, ClusterSums] | None = None
    with_delivery: Mapping[str, Moments] | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the moments: value, denominator, covariates."""
        parts = (self.value,) if self.denominator is None else (self.value, self.denominator)
        return (*dict.fromkeys(parts), *self.covariates)

    def arm(self, arm: str, segment: str | None = None) -> Moments:
        """The moments of an arm, overall or in one segment; of nobody where there is no such member."""
        strata = self.strata(arm, segment)
        return pool(strata.values()) if strata else Moments.zero(self.variables)

    def by_unit(self, arm: str, segment: str | None = None) -> ClusterSums | None:
        """The sums of an arm by unit of assignment, overall or in one segment; None where that is the member."""
        if self.clusters is None:
            return None
        parts = (
            sums
            for cell, sums in self.clusters.items()
            if cell.arm == arm and segment in {None, cell.segment}
        )
        return sum(parts, start=ClusterSums.nobody(self.variables, len(self.covariates)))

    def strata(self, arm: str, segment: str | None = None) -> dict[str, Moments]:
        """The moments of an arm by stratum, overall or in one segment."""
        found: dict[str, Moments] = {}
        for cell, moments in self.cells.items():
            if cell.arm == arm and segment in {None, cell.segment}:
                known = found.get(cell.stratum)
                found[cell.stratum] = moments if known is None else known + moments
        return found


@dataclass(frozen=True)
class Measurement:
    """What the members assigned did: all that estimates, decision and health read.

    Attributes:
        counts: Cell to the members assigned, with those that a metric drops.
        metrics: Metric to its moments.
        window: Whether the windows have closed.
        assigned: The same members, also by batch and planned send day.
        repeated_members: Members who stand in the assignment more than once.
        pilots: Variable to the value that its sums were taken about.
        unit_counts: How many units of assignment each arm has; None where the unit is the member.
        everybody: Cell to everybody assigned, where `counts` and `metrics` hold only the members whose windows have
            closed; None where they hold everybody. `window`, `assigned` and `repeated_members` are about everybody.
    """

    counts: Mapping[Cell, int]
    metrics: Mapping[str, MetricMoments]
    window: WindowState
    assigned: tuple[MemberCount, ...]
    repeated_members: int
    pilots: Mapping[str, float]
    everybody: Mapping[Cell, int] | None = None
    unit_counts: UnitCounts | None = None

    def members(self, arm: str, segment: str | None = None) -> int:
        """Members of an arm that are measured, overall or in one segment."""
        return sum(
            n for cell, n in self.counts.items() if cell.arm == arm and segment in {None, cell.segment}
        )

    def assigned_to(self, arm: str) -> int:
        """Members assigned to an arm, whether their windows have closed or not."""
        return sum(n for cell, n in (self.everybody or self.counts).items() if cell.arm == arm)


def measure(experiment: Experiment, units: Units, everybody: Assigned | None = None) -> Measurement:
    """Take the moments of every metric in the engine; no member's row leaves it.

    There is one aggregate query for each group of metrics that count the same members: one for all metrics that drop
    nobody, and one for each set of metrics that drop the same members.

    Args:
        experiment: The definition, the engine and the moment.
        units: The members to measure.
        everybody: Everybody assigned, where `units` are only those whose windows have closed.
    """
    definition, engine = experiment.definition, experiment.engine
    experiment.progress("Taking the moments of every metric by arm, segment and stratum")
    whole = units.assigned if everybody is None else everybody
    assigned = units.members if everybody is None else count_members(experiment, everybody)
    counts = members_by_cell(units.members)
    metrics: dict[str, MetricMoments] = {}
    for complete, names in _sample_groups(definition, units).items():
        asked = [_asked(definition, units, name) for name in names]
        found = _moments(experiment, units, complete, asked, counts)
        metrics |= _with_clusters(experiment, units, complete, found)
    return Measurement(
        counts=counts,
        metrics={name: metrics[name] for name in definition.metrics},
        window=window_state(definition, engine, whole.relation, experiment.now),
        assigned=assigned,
        repeated_members=repeated_members(experiment, whole, assigned),
        pilots=units.pilots,
        everybody=None if everybody is None else members_by_cell(assigned),
        unit_counts=count_units(experiment, whole),
    )


@dataclass(frozen=True)
class _Asked:
    """The variables of one metric."""

    metric: str
    kind: MetricKind
    value: str
    denominator: str | None
    raw: tuple[str, ...]
    cap: float | None
    with_delivery: tuple[str, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for name in (self.value, self.denominator) if name is not None))


def _asked(definition: Definition, units: Units, name: str) -> _Asked:
    metric = definition.metrics[name]
    parts = (metric.numerator, metric.denominator) if isinstance(metric, RatioMetric) else (name,)
    columns = [units.metric_columns[part] for part in parts]
    reached = units.metric_columns[definition.delivery.metric] if definition.delivery else None
    raw: tuple[str, ...] = ()
    if any(part in units.raw_columns for part in parts):
        raw = tuple(dict.fromkeys(units.raw_columns.get(part, units.metric_columns[part]) for part in parts))
    return _Asked(
        metric=name,
        kind="binary" if isinstance(metric, BinaryMetric) else "ratio" if len(parts) == 2 else "mean",
        value=columns[0],
        denominator=columns[1] if len(parts) == 2 else None,
        raw=raw,
        cap=units.caps.get(name),
        with_delivery=()
        if reached is None or len(parts) == 2
        else tuple(dict.fromkeys((columns[0], reached))),
    )


def _sample_groups(definition: Definition, units: Units) -> dict[tuple[str, ...], list[str]]:
    """The metrics by the columns whose missing values leave a member out of them."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in definition.metrics:
        dropping = [
            units.metric_columns[part]
            for part in measured_parts(definition.metrics, name)
            if missing_rule(definition.metrics[part]) == "drop" and units.missing.get(part, 0)
        ]
        groups.setdefault(tuple(sorted(dropping)), []).append(name)
    return groups


def _moments(
    experiment: Experiment,
    units: Units,
    complete: tuple[str, ...],
    asked: list[_Asked],
    counts: Mapping[Cell, int],
) -> dict[str, MetricMoments]:
    covariates = tuple(units.covariate_columns.values())
    sets = [(*each.variables, *covariates) for each in asked]
    more = [each.raw for each in asked if each.raw]
    more += [each.with_delivery for each in asked if each.with_delivery]
    query = MomentsQuery(
        units.pilots,
        frozenset(covariates),
        complete,
        (*sets, *more),
        units.numbers,
        units.binary_columns(experiment.definition),
    )
    answers = iter(query.run(experiment.engine, units.relation))
    cells = [next(answers) for _ in asked]
    raw = {each.metric: _by_arm(next(answers), each.variables) for each in asked if each.raw}
    delivery = {
        each.metric: _by_arm(next(answers), each.with_delivery) for each in asked if each.with_delivery
    }
    found: dict[str, MetricMoments] = {}
    for each, by_cell in zip(asked, cells, strict=True):
        found[each.metric] = MetricMoments(
            metric=each.metric,
            kind=each.kind,
            value=each.value,
            denominator=each.denominator,
            covariates=covariates,
            cells=by_cell,
            cap=each.cap,
            raw=raw.get(each.metric),
            dropped=_dropped(counts, by_cell),
            with_delivery=delivery.get(each.metric),
        )
    return found


def _with_clusters(
    experiment: Experiment,
    units: Units,
    complete: tuple[str, ...],
    found: Mapping[str, MetricMoments],
) -> Mapping[str, MetricMoments]:
    """The metrics with their sums by unit of assignment, where the definition names one."""
    unit, engine = experiment.definition.audience.unit, experiment.engine
    if unit is None:
        return found
    experiment.progress(f"Taking the sums of every metric by {unit}")
    covariates = tuple(units.covariate_columns.values())
    outcomes = {name: _outcomes(each) for name, each in found.items()}
    every = tuple(dict.fromkeys(name for names in outcomes.values() for name in names))
    query = ClusterQuery(unit_key(engine, unit), units.pilots, complete, every, covariates)
    sums = query.run(engine, units.relation)
    return {
        name: replace(each, clusters={cell: of.select(outcomes[name]) for cell, of in sums.items()})
        for name, each in found.items()
    }


def _outcomes(measured: MetricMoments) -> tuple[str, ...]:
    return measured.variables[: len(measured.variables) - len(measured.covariates)]


def _by_arm(cells: Mapping[Cell, Moments], names: tuple[str, ...]) -> dict[str, Moments]:
    """Moments by arm, under other variable names of the same order."""
    arms = dict.fromkeys(cell.arm for cell in cells)
    pooled = {arm: pool(moments for cell, moments in cells.items() if cell.arm == arm) for arm in arms}
    return {arm: replace(moments, names=names) for arm, moments in pooled.items()}


def _dropped(counts: Mapping[Cell, int], cells: Mapping[Cell, Moments]) -> dict[str, int]:
    dropped = dict.fromkeys((cell.arm for cell in counts), 0)
    for cell, members in counts.items():
        dropped[cell.arm] += members - (cells[cell].count if cell in cells else 0)
    return dropped
