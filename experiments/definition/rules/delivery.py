"""Delivery: the metrics that say who was sent to and who was reached are there, and say yes or no for every member."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.definition.draft import Draft, Problem
from experiments.definition.metrics import BinaryMetric
from experiments.definition.origin import KeyPath
from experiments.definition.rules.metrics import unknown_metric


def check_delivery(draft: Draft) -> Iterator[Problem]:
    """The rules of `delivery`."""
    if draft.delivery is None:
        return
    if draft.sound("delivery", "metric"):
        yield from _check_metric(draft, ("delivery", "metric"), draft.delivery.metric, "reached")
    if draft.delivery.sent is not None and draft.sound("delivery", "sent"):
        yield from _check_metric(draft, ("delivery", "sent"), draft.delivery.sent, "sent a message")


def _check_metric(draft: Draft, key: KeyPath, name: str, what: str) -> Iterator[Problem]:
    if name not in draft.names("metrics"):
        yield unknown_metric(draft, key, name)
        return
    metric = draft.metrics.get(name)
    if metric is None:
        return
    if not isinstance(metric, BinaryMetric):
        yield Problem(
            key, f"`{name}` is a {metric.type}", f"name a binary metric: a member was {what} or not"
        )
    elif metric.missing == "drop":
        cause = f"`{name}` drops members, and nobody may be left out of the share that was {what}"
        yield Problem(key, cause, "write `missing: zero` in the metric")
    elif draft.goals is not None and name in {draft.goals.primary.metric, draft.goals.value}:
        yield Problem(key, f"`{name}` decides the test too", "name another metric as the goal")
