"""Measurement windows: a member's window opens at the planned send time and closes after whole days of 24 hours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlglot import exp

from experiments.assignment.assigned import Assigned
from experiments.definition.metrics import BinaryMetric, CountMetric, MeasuredMetric, Metric, SumMetric
from experiments.definition.model import Definition
from experiments.engines.protocol import Engine
from experiments.experiment import Experiment
from experiments.queries import column, count_where, fetch_rows, named, relation

PLANNED = "planned_send_at"

_CLOSED = "closed"


@dataclass(frozen=True)
class WindowState:
    """Whether the windows of the members assigned have closed, by the experiment's `now`.

    Attributes:
        open_members: Members whose longest window closes after `now`; 0 where no metric has a window.
        closes_at: When the last window closes (UTC); None where no metric has a window.
    """

    open_members: int
    closes_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether some member can still add to a metric."""
        return self.open_members > 0


def window_days(definition: Definition, metric: Metric) -> int | None:
    """The days of a metric's window; None where it reads the member's own row or other metrics."""
    if not isinstance(metric, BinaryMetric | SumMetric | CountMetric) or not reads_events(definition, metric):
        return None
    assert metric.window_days is not None
    return metric.window_days


def reads_events(definition: Definition, metric: MeasuredMetric) -> bool:
    """Whether a metric reads a source whose rows are events in time."""
    return definition.data[metric.from_].time is not None


def in_window(engine: Engine, happened: exp.Expr, planned: exp.Expr, days: int) -> exp.Expr:
    """Whether an instant lies in [planned, planned + days x 24 hours), the end left out."""
    closes = engine.add_days(planned.copy(), days)
    return exp.and_(happened >= planned, happened.copy() < closes)


def closed_members(experiment: Experiment, assigned: Assigned) -> Assigned:
    """The members assigned whose longest window has closed at the experiment's `now`: those an interim look counts.

    Everybody where no metric has a window. Metrics are then measured, capped and imputed from these members alone, so
    that a look shows nothing of outcomes that are half known.
    """
    days = longest_window(experiment.definition)
    if not days:
        return assigned
    closes = experiment.engine.add_days(column(PLANNED), days)
    has_closed = closes <= experiment.engine.instant_literal(experiment.now)
    members = exp.select(exp.Star()).from_(relation(assigned.relation)).where(has_closed)
    experiment.engine.create(_CLOSED, members)
    return replace(assigned, relation=_CLOSED)


def longest_window(definition: Definition) -> int:
    """The days of the longest window of any metric; 0 where no metric has one."""
    found = [window_days(definition, metric) for metric in definition.metrics.values()]
    return max((days for days in found if days is not None), default=0)


def window_state(definition: Definition, engine: Engine, units: str, now: datetime) -> WindowState:
    """Whether every member's longest window has closed at `now`; one that closes at `now` has closed."""
    days = longest_window(definition)
    if not days:
        return WindowState(0, None)
    planned, window = column(PLANNED), timedelta(days=days)
    still_open = count_where(planned > engine.instant_literal(now - window))
    last = named(exp.Max(this=planned.copy()), "last")
    (row,) = fetch_rows(engine, exp.select(named(still_open, "open"), last).from_(relation(units)))
    opens = row["last"]
    closing = opens.astimezone(UTC) + window if isinstance(opens, datetime) else None
    return WindowState(int(row["open"]), closing)
