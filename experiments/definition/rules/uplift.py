"""Uplift: features that were known before, and policies that can be built."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.definition.draft import Draft, Problem
from experiments.definition.origin import KeyPath
from experiments.definition.rules.outcomes import check_known_before
from experiments.definition.uplift import Uplift


def check_uplift(draft: Draft) -> Iterator[Problem]:
    """The rules of `uplift`."""
    if draft.uplift is not None:
        yield from _check(draft, draft.uplift)


def _check(draft: Draft, uplift: Uplift) -> Iterator[Problem]:
    for index, name in enumerate(uplift.features):
        key: KeyPath = ("uplift", "features", index)
        if name in uplift.features[:index]:
            yield Problem(key, f"`{name}` stands twice", "delete one of them")
        yield from check_known_before(draft, key, name)
    for index, learner in enumerate(uplift.learners):
        if learner in uplift.learners[:index]:
            yield Problem(("uplift", "learners", index), f"`{learner}` stands twice", "delete one of them")
    kinds = uplift.policy.kinds
    if "by_segment" in kinds and draft.has_no_segments and draft.says("uplift", "policy", "kinds"):
        place: KeyPath = ("uplift", "policy", "kinds", kinds.index("by_segment"))
        yield Problem(place, "there are no segments", "add `audience.segments`, or delete `by_segment`")
