"""Measurement windows: a member's window opens at the planned send time and closes after whole days of 24 hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlglot import exp

from experiments.definition.metrics import BinaryMetric, CountMetric, MeasuredMetric, Metric, SumMetric
from experiments.definition.model import Definition
from experiments.engines.protocol import Engine
from experiments.queries import column, count_where, fetch_rows, named, relation

PLANNED = "planned_send_at"


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


def window_state(definition: Definition, engine: Engine, units: str, now: datetime) -> WindowState:
    """Whether every member's longest window has closed at `now`; one that closes at `now` has closed."""
    days = [found for metric in definition.metrics.values() if (found := window_days(definition, metric))]
    if not days:
        return WindowState(0, None)
    closes = engine.add_days(column(PLANNED), max(days))
    still_open = count_where(closes > engine.instant_literal(now))
    last = named(exp.Max(this=closes.copy()), "closes_at")
    (row,) = fetch_rows(engine, exp.select(named(still_open, "open"), last).from_(relation(units)))
    closing = row["closes_at"]
    return WindowState(int(row["open"]), closing.astimezone(UTC) if isinstance(closing, datetime) else None)
