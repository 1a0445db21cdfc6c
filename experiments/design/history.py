"""History: what members did without the experiment, measured as the experiment will measure it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Literal

from sqlglot import exp

from experiments.assignment.assigned import Assigned, assigned_members
from experiments.assignment.strata import stratum_name
from experiments.audience.audience import build_audience, snapshot_of
from experiments.data.catalogue import Catalogue
from experiments.definition.arms import CONTROL
from experiments.experiment import Experiment
from experiments.inference.adjustment import explained_share
from experiments.inference.moments import Moments
from experiments.inference.power_by_unit import design_effect
from experiments.inference.ratios import ratio_variance
from experiments.measurement.measurement import Measurement, MetricMoments, measure
from experiments.measurement.units import build_units
from experiments.measurement.windows import longest_window
from experiments.queries import column, double, is_null, named, number, relation

Source = Literal["history", "control"]

_RELATION = "history"

# A metric that covariates explain altogether would need no members.
_NEARLY_ALL = 1 - 1e-9


@dataclass(frozen=True)
class UnitEffect:
    """How many times its variance a mean has because units are assigned, and the members of a unit on average."""

    size: float
    members_per_unit: float


@dataclass(frozen=True)
class Past:
    """What is known of every metric before, or without, the experiment.

    Attributes:
        source: `history`: members who would have been eligible one window before the snapshot, in that window;
            `control`: the control arm of arms that another system drew.
        metrics: Metric to its moments; the members stand in the arm `control`.
    """

    source: Source
    metrics: Mapping[str, MetricMoments]

    def moments(self, metric: str) -> Moments:
        """The moments of a metric and of the covariates, one row a member."""
        return self.metrics[metric].arm(CONTROL)

    def mean(self, metric: str) -> float | None:
        """The mean of a metric, or the ratio of its sums; None over nobody."""
        measured, moments = self.metrics[metric], self.moments(metric)
        if moments.count == 0:
            return None
        if measured.denominator is None:
            return moments.average(measured.value)
        below = moments.average(measured.denominator)
        return moments.average(measured.value) / below if below > 0 else None

    def explained(self, metric: str) -> float:
        """Share of a metric's (a linearised ratio's) variance that its covariates explain; 0 without covariates."""
        measured, moments = self.metrics[metric], self.moments(metric)
        if not measured.covariates or moments.count < 2:
            return 0.0
        if measured.denominator is not None and moments.average(measured.denominator) <= 0:
            return 0.0
        share = explained_share(moments, measured.value, measured.covariates, measured.denominator)
        return min(share, _NEARLY_ALL)

    def by_unit(self, metric: str, *, adjusted: bool) -> UnitEffect | None:
        """The design effect of assigning units, by the past's own; None where members are assigned alone or it is unknown."""
        measured, moments = self.metrics[metric], self.moments(metric)
        sums = measured.by_unit(CONTROL)
        if sums is None or moments.count < 2:
            return None
        if measured.denominator is None:
            variance = moments.variance(measured.value)
        elif moments.average(measured.denominator) > 0:
            variance = ratio_variance(moments, measured.value, measured.denominator)
        else:
            return None
        size = design_effect(sums, variance, measured.value, measured.denominator, adjusted=adjusted)
        return None if size is None else UnitEffect(size, sums.members / len(sums.clusters))


def measure_history(experiment: Experiment, catalogue: Catalogue) -> Past:
    """Measure every metric over the longest window before the snapshot; see `past_members`.

    Raises:
        InputError: A metric cannot be measured.
        OutsideError: The engine fails.
    """
    past = past_members(experiment, catalogue)
    return Past("history", measure(experiment, build_units(experiment, catalogue, past)).metrics)


def past_members(experiment: Experiment, catalogue: Catalogue) -> Assigned:
    """Everybody who would have been eligible one longest window before the snapshot, in the arm `control`.

    Eligibility is decided as of the start of that window, so that a rule such as "no order for half a year" does not make
    the history empty. Contacts of other campaigns in that time are part of it. Members stand in the stratum in which
    they would have been drawn.

    Raises:
        OutsideError: The engine fails.
    """
    definition = experiment.definition
    days = longest_window(definition)
    start = snapshot_of(experiment) - timedelta(days=days)
    experiment.progress("Measuring the time before the snapshot")
    audience = build_audience(experiment, catalogue, snapshot=start)
    planned = datetime.combine(start, time(), definition.zone).astimezone(UTC)
    strata = [column(name) for name in definition.assignment.strata]
    own = {
        "arm": exp.Literal.string(CONTROL),
        "stratum": stratum_name(experiment.engine, strata),
        "batch": number(0),
        "propensity": double(1.0),
        "planned_send_at": experiment.engine.instant_literal(planned),
    }
    query = (
        exp.select(
            *(column(name) for name in audience.columns if name not in {*own, "refused_by"}),
            *(named(value, name) for name, value in own.items()),
        )
        .from_(relation(audience.relation))
        .where(is_null(column("refused_by")))
    )
    experiment.engine.create(_RELATION, query)
    columns = experiment.engine.columns(_RELATION)
    return Assigned(relation=_RELATION, columns=columns, locked=False, recorded=False)


def measure_recorded(experiment: Experiment, catalogue: Catalogue) -> tuple[Past, Measurement]:
    """The control arm of recorded arms as history, and the whole measurement with every arm's members."""
    assigned = assigned_members(experiment, catalogue)
    measurement = measure(experiment, build_units(experiment, catalogue, assigned))
    return Past("control", measurement.metrics), measurement
