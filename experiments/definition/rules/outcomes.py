"""What happened after the assignment may not explain or steer it: covariates, strata and policy features come before."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.definition.audience import SEGMENT
from experiments.definition.draft import Draft, Problem
from experiments.definition.metrics import FormulaMetric, RatioMetric
from experiments.definition.model import MEMBERS
from experiments.definition.origin import KeyPath


def check_known_before(draft: Draft, key: KeyPath, name: str) -> Iterator[Problem]:
    """`name` is neither a metric, nor a column that a metric reads, nor the column with the recorded arms."""
    remedy = "name a feature, or a column that was known before the campaign"
    if name in draft.names("metrics"):
        yield Problem(key, f"`{name}` is a metric: it is measured after the assignment", remedy)
        return
    is_our_segment = name == SEGMENT and draft.audience is not None and bool(draft.audience.segments)
    if is_our_segment or name in draft.names("features"):
        return
    for metric, columns in _outcome_columns(draft):
        if name in columns:
            yield Problem(key, f"`{name}` is an outcome: the metric `{metric}` reads it", remedy)
            return
    recorded = draft.assignment if draft.is_recorded else None
    if recorded is not None and recorded.from_ == MEMBERS and recorded.column == name:
        yield Problem(key, f"`{name}` is the arm itself", remedy)


def _outcome_columns(draft: Draft) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, metric in draft.metrics.items():
        if (
            not isinstance(metric, RatioMetric | FormulaMetric)
            and metric.from_ == MEMBERS
            and metric.value is not None
        ):
            yield name, metric.value.columns
