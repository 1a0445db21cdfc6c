"""Goals, design and decision: metrics that exist, limits that can be tested, looks that can be planned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from experiments.definition.design import Design, FixedLooks, GroupSequentialLooks
from experiments.definition.draft import Draft, Problem
from experiments.definition.goals import Goals, Guardrail
from experiments.definition.metrics import BinaryMetric, RatioMetric
from experiments.definition.origin import KeyPath
from experiments.definition.rules.metrics import unknown_metric
from experiments.definition.rules.outcomes import check_known_before

_UNPLANNABLE = ("dunnett", "hochberg", "bh")
"""Corrections whose joint bounds over several looks are not established."""


def check_goals(draft: Draft) -> Iterator[Problem]:
    """The rules of `goals`, `design` and `decision`."""
    if draft.goals is not None:
        yield from _check_roles(draft, draft.goals)
        for index, guardrail in enumerate(draft.goals.guardrails):
            yield from _check_guardrail(draft, ("goals", "guardrails", index), guardrail)
    if draft.design is not None:
        yield from _check_design(draft, draft.design)
    if draft.decision is not None and draft.decision.pick.by == "segment":
        yield from _check_by_segment(draft)


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


def _check_design(draft: Draft, design: Design) -> Iterator[Problem]:
    if isinstance(design.looks, GroupSequentialLooks) and draft.sound("design", "looks"):
        yield from _check_looks(design.looks.at)
    if not isinstance(design.looks, FixedLooks) and design.correction in _UNPLANNABLE:
        yield Problem(
            ("design", "correction"),
            f"`{design.correction}` has no planned looks",
            "write holm, bonferroni or none, or `looks: {kind: fixed}`",
        )
    for index, name in enumerate(design.covariates):
        key: KeyPath = ("design", "covariates", index)
        if name in design.covariates[:index]:
            yield Problem(key, f"`{name}` stands twice", "delete one of them")
        yield from check_known_before(draft, key, name)
    yield from _check_priors(draft, design)
    if draft.goals is None or not isinstance(draft.metrics.get(draft.goals.primary.metric), BinaryMetric):
        return
    if design.baseline is not None and not 0 < design.baseline < 1:
        yield Problem(
            ("design", "baseline"),
            f"{design.baseline:g} is not a rate between 0 and 1",
            "write 0.009 for 0.9 %",
        )
    if design.minimum_effect is not None and design.minimum_effect >= 1:
        yield Problem(
            ("design", "minimum_effect"),
            f"{design.minimum_effect:g} is not a difference of two rates",
            "write the absolute difference: 0.003 for 0.3 percentage points",
        )


def _check_priors(draft: Draft, design: Design) -> Iterator[Problem]:
    for name in design.priors or ():
        key: KeyPath = ("design", "priors", name)
        if name not in draft.names("metrics"):
            yield unknown_metric(draft, key, name)
        elif draft.goals and name not in {draft.goals.primary.metric, draft.goals.value_metric}:
            yield Problem(
                key,
                f"`{name}` has no posterior: it is neither the primary nor the value metric",
                "delete it here",
            )


def _check_looks(at: Sequence[float]) -> Iterator[Problem]:
    key: KeyPath = ("design", "looks", "at")
    if any(later <= earlier for earlier, later in pairwise(at)):
        yield Problem(key, "looks do not ascend", "write fractions such as [0.5, 1]")
    elif at[-1] != 1:
        yield Problem(key, f"the last look is at {at[-1]:g}", "end with 1, when all of the information is in")


def _check_by_segment(draft: Draft) -> Iterator[Problem]:
    if draft.has_no_segments:
        yield Problem(
            ("decision", "pick", "by"),
            "there are no segments",
            "add `audience.segments`, or write `by: overall`",
        )
