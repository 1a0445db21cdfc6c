"""Rollout: steps that end with everybody, limits of what there is, and members who are left to be offered something."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from experiments.definition.draft import Draft, Problem
from experiments.definition.origin import KeyPath
from experiments.definition.rollout import Rollout


def check_rollout(draft: Draft) -> Iterator[Problem]:
    """The rules of `rollout`."""
    if draft.rollout is not None:
        yield from _check(draft, draft.rollout)


def _check(draft: Draft, rollout: Rollout) -> Iterator[Problem]:
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
