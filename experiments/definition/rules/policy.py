"""Uplift and rollout: policies that can be built, and a rollout that leaves members to be offered something."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from experiments.definition.draft import Draft, Problem
from experiments.definition.origin import KeyPath
from experiments.definition.policy import Rollout, Uplift
from experiments.definition.rules.outcomes import check_known_before


def check_policy(draft: Draft) -> Iterator[Problem]:
    """The rules of `uplift` and `rollout`."""
    if draft.uplift is not None:
        yield from _check_uplift(draft, draft.uplift)
    if draft.rollout is not None:
        yield from _check_rollout(draft, draft.rollout)


def _check_uplift(draft: Draft, uplift: Uplift) -> Iterator[Problem]:
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


def _check_rollout(draft: Draft, rollout: Rollout) -> Iterator[Problem]:
    key: KeyPath = ("rollout", "ramp")
    if draft.sound(*key):
        if any(later <= earlier for earlier, later in pairwise(rollout.ramp)):
            yield Problem(
                key, "steps do not ascend", "write growing parts of the audience, such as [0.1, 0.5, 1]"
            )
        elif rollout.ramp and rollout.ramp[-1] != 1:
            yield Problem(key, f"the last step reaches {rollout.ramp[-1]:g} of the audience", "end with 1")
    if draft.sound("rollout", "holdout_share") and rollout.holdout_share + rollout.explore_share >= 1:
        total = rollout.holdout_share + rollout.explore_share
        yield Problem(
            ("rollout", "explore_share"),
            f"holdout and exploration take {total:g} of the audience, so nobody follows the policy",
            "let both together stay below 1",
        )
    yield from _check_limits(draft, rollout)
    covers = rollout.budget.covers if rollout.budget else ()
    if len(set(covers)) < len(covers):
        yield Problem(("rollout", "budget", "covers"), "a cost stands twice", "delete one of them")


def _check_limits(draft: Draft, rollout: Rollout) -> Iterator[Problem]:
    """Stock is of arms or levels, contacts are through channels, that the definition has."""
    if draft.arms is None or not draft.sound("arms"):
        return
    offers = draft.arms.resolved[1:]
    stocked = {arm.id for arm in offers} | {level for arm in offers for _, level in arm.levels}
    channels = {arm.channel for arm in offers if arm.channel is not None}
    for block, named, known in (("stock", rollout.stock, stocked), ("contacts", rollout.contacts, channels)):
        for name in named or ():
            if name not in known:
                what = "arm or level of a factor" if block == "stock" else "channel of an arm"
                choices = ", ".join(sorted(known)) or "nothing here: no arm names a channel"
                yield Problem(("rollout", block, name), f"`{name}` is no {what}", f"use one of {choices}")
