"""Delivery: the metric that says who was reached is there, and says yes or no for every member."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.definition.draft import Draft, Problem
from experiments.definition.metrics import BinaryMetric
from experiments.definition.origin import KeyPath
from experiments.definition.rules.metrics import unknown_metric


def check_delivery(draft: Draft) -> Iterator[Problem]:
    """The rules of `delivery`."""
    if draft.delivery is None or not draft.sound("delivery", "metric"):
        return
    key: KeyPath = ("delivery", "metric")
    name = draft.delivery.metric
    if name not in draft.names("metrics"):
        yield unknown_metric(draft, key, name)
        return
    metric = draft.metrics.get(name)
    if metric is None:
        return
    if not isinstance(metric, BinaryMetric):
        yield Problem(
            key, f"`{name}` is a {metric.type}", "name a binary metric: a member was reached or not"
        )
    elif metric.missing == "drop":
        yield Problem(
            key,
            f"`{name}` drops members, and nobody may be left out of the share reached",
            "write `missing: zero` in the metric",
        )
    elif draft.goals is not None and name in {draft.goals.primary.metric, draft.goals.value}:
        yield Problem(key, f"`{name}` decides the test too", "name another metric as the goal")
