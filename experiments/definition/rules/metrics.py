"""Metrics: rows of a known source in a window, or figures made of other metrics without going round in circles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from experiments.definition.draft import Draft, Problem
from experiments.definition.metrics import (
    CONTACT_COST,
    BinaryMetric,
    CountMetric,
    FormulaMetric,
    MeasuredMetric,
    RatioMetric,
)
from experiments.definition.model import MEMBERS
from experiments.definition.origin import KeyPath
from experiments.definition.rules.sources import check_event_source
from experiments.definition.suggest import choose


def check_metrics(draft: Draft) -> Iterator[Problem]:
    """The rules of each metric that can be read."""
    for name, metric in draft.metrics.items():
        if not draft.sound("metrics", name):
            continue
        key: KeyPath = ("metrics", name)
        if isinstance(metric, RatioMetric):
            yield from _check_ratio(draft, key, metric)
        elif isinstance(metric, FormulaMetric):
            yield from _check_formula(draft, key, metric)
        elif metric.from_ == MEMBERS:
            yield from _check_own_row(key, metric)
        else:
            yield from _check_events(draft, key, metric)
    yield from _check_circles(draft)


def unknown_metric(draft: Draft, key: KeyPath, metric: str) -> Problem:
    """The problem of a metric that `metrics` does not define."""
    return Problem(key, f"there is no metric `{metric}`", choose(metric, draft.names("metrics"), "metric"))


def _check_own_row(key: KeyPath, metric: MeasuredMetric) -> Iterator[Problem]:
    if metric.window_days is not None:
        yield Problem((*key, "window_days"), "a column of the member's own row has no window", "delete it")
    if isinstance(metric, BinaryMetric) and metric.value is None and metric.where is None:
        yield Problem(
            key, "does not say what counts", "add `value` with a column, or `where` with a condition"
        )
    if isinstance(metric, CountMetric) and metric.value is None:
        yield Problem(
            key, "each member has one row of its own", "add `value` with the column that holds the count"
        )


def _check_events(draft: Draft, key: KeyPath, metric: MeasuredMetric) -> Iterator[Problem]:
    yield from check_event_source(draft, (*key, "from"), metric.from_, "a metric with a window")
    if draft.is_recorded and draft.sound("assignment"):
        yield Problem(
            (*key, "from"),
            "its window starts at the planned send time, which recorded arms do not have",
            f"read a column of `{MEMBERS}`, or draw the arms with `assignment.method: stratified`",
        )
    elif metric.window_days is None:
        yield Problem(
            key,
            f"reads events of `{metric.from_}` without `window_days`",
            "add a window, such as `window_days: 14`",
        )
    if metric.missing is not None:
        yield Problem(
            (*key, "missing"),
            "a member without rows counts 0",
            f"delete it; it is for columns of `{MEMBERS}`",
        )
    if isinstance(metric, BinaryMetric | CountMetric) and metric.value is not None:
        yield Problem(
            (*key, "value"), f"a {metric.type} metric of events counts rows", "write a condition as `where`"
        )


def _check_ratio(draft: Draft, key: KeyPath, metric: RatioMetric) -> Iterator[Problem]:
    for part, name in (("numerator", metric.numerator), ("denominator", metric.denominator)):
        other = draft.metrics.get(name)
        if name not in draft.names("metrics"):
            yield unknown_metric(draft, (*key, part), name)
        elif isinstance(other, RatioMetric | FormulaMetric):
            cause = f"`{name}` is a {other.type}"
            yield Problem((*key, part), cause, "name a sum, count or binary metric")
    if metric.numerator == metric.denominator:
        yield Problem((*key, "denominator"), "is the numerator too", "divide by another metric")


def _check_formula(draft: Draft, key: KeyPath, metric: FormulaMetric) -> Iterator[Problem]:
    for name in metric.value.columns:
        if isinstance(draft.metrics.get(name), RatioMetric):
            yield Problem(
                (*key, "value"),
                f"`{name}` is a ratio, which no single member has",
                "use its numerator or denominator",
            )
        elif name != CONTACT_COST and name not in draft.names("metrics"):
            known = (*draft.names("metrics"), CONTACT_COST)
            yield Problem((*key, "value"), f"there is no metric `{name}`", choose(name, known, "metric"))


def _check_circles(draft: Draft) -> Iterator[Problem]:
    reads: Mapping[str, tuple[str, ...]] = {
        name: metric.value.columns
        for name, metric in draft.metrics.items()
        if isinstance(metric, FormulaMetric)
    }
    for name in reads:
        reached: set[str] = set()
        waiting = list(reads[name])
        while waiting:
            other = waiting.pop()
            if other not in reached:
                reached.add(other)
                waiting.extend(reads.get(other, ()))
        if name in reached:
            yield Problem(
                ("metrics", name, "value"),
                "the formula needs itself",
                "use metrics that do not lead back to it",
            )
