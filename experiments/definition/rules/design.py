"""Design: numbers that a test can be planned with, looks that can be planned, covariates that were known before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from experiments.definition.design import Design, FixedLooks, GroupSequentialLooks
from experiments.definition.draft import Draft, Problem
from experiments.definition.metrics import BinaryMetric
from experiments.definition.origin import KeyPath
from experiments.definition.rules.metrics import unknown_metric
from experiments.definition.rules.outcomes import check_known_before

_UNPLANNABLE = ("dunnett", "hochberg", "bh")
"""Corrections whose joint bounds over several looks are not established."""


def check_design(draft: Draft) -> Iterator[Problem]:
    """The rules of `design`."""
    if draft.design is not None:
        yield from _check(draft, draft.design)


def _check(draft: Draft, design: Design) -> Iterator[Problem]:
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
