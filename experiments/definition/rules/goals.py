"""Goals: metrics that exist, one role for each, and limits that can be tested."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.definition.draft import Draft, Problem
from experiments.definition.goals import Goals, Guardrail
from experiments.definition.metrics import RatioMetric
from experiments.definition.origin import KeyPath
from experiments.definition.rules.metrics import unknown_metric


def check_goals(draft: Draft) -> Iterator[Problem]:
    """The rules of `goals`."""
    if draft.goals is None:
        return
    yield from _check_roles(draft, draft.goals)
    for index, guardrail in enumerate(draft.goals.guardrails):
        yield from _check_guardrail(draft, ("goals", "guardrails", index), guardrail)


def _check_roles(draft: Draft, goals: Goals) -> Iterator[Problem]:
    metrics = draft.names("metrics")
    if draft.sound("goals", "primary") and goals.primary.metric not in metrics:
        yield unknown_metric(draft, ("goals", "primary", "metric"), goals.primary.metric)
    if goals.value is not None and goals.value not in metrics:
        yield unknown_metric(draft, ("goals", "value"), goals.value)
    if isinstance(draft.metrics.get(goals.value_metric), RatioMetric) and draft.sound("goals"):
        key: KeyPath = ("goals", "value") if goals.value else ("goals", "primary", "metric")
        yield Problem(
            key,
            f"`{goals.value_metric}` is a ratio, which has no value for a single member",
            "name a sum or a formula as `goals.value`",
        )
    for index, name in enumerate(goals.secondary):
        here: KeyPath = ("goals", "secondary", index)
        if name not in metrics:
            yield unknown_metric(draft, here, name)
        elif name in goals.secondary[:index] or name == goals.primary.metric:
            yield Problem(here, f"`{name}` already has a role", "delete it here")


def _check_guardrail(draft: Draft, key: KeyPath, guardrail: Guardrail) -> Iterator[Problem]:
    if guardrail.metric not in draft.names("metrics"):
        yield unknown_metric(draft, (*key, "metric"), guardrail.metric)
    limits = (guardrail.limit is not None) + (guardrail.limit_relative is not None)
    if limits == 0:
        yield Problem(key, "has no limit", "add `limit` (arm minus control) or `limit_relative`")
    elif limits == 2:
        yield Problem((*key, "limit_relative"), "stands beside `limit`", "keep one of the two")
    earlier = draft.goals.guardrails[: int(key[-1])] if draft.goals else ()
    if any(guardrail.metric == other.metric for other in earlier):
        yield Problem((*key, "metric"), f"`{guardrail.metric}` is guarded twice", "keep one of the two")
