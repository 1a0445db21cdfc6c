"""Contacts: caps and a policy that can be counted, stages that exist, and hours in which nobody is disturbed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time

from experiments.definition.contact_policy import CONTACTS, ContactPolicy
from experiments.definition.draft import Draft, Problem
from experiments.definition.features import stage_names
from experiments.definition.origin import KeyPath
from experiments.definition.send import Send
from experiments.definition.suggest import choose

SMS = "sms"
QUIET_HOURS = (time(21), time(8))
"""No marketing SMS from 21:00 to 08:00, where the definition says nothing else."""


def check_contacts(draft: Draft) -> Iterator[Problem]:
    """The rules of contact caps, the contact policy and the quiet hours."""
    if draft.audience is not None:
        audience = draft.audience
        if audience.contact_caps:
            yield from _check_source(draft, ("audience", "contact_caps"), "contact caps")
        for index, cap in enumerate(audience.contact_caps):
            yield from _check_channels(("audience", "contact_caps", index, "channels"), cap.channels)
        if audience.contact_policy is not None and draft.sound("audience", "contact_policy"):
            yield from _check_policy(draft, audience.contact_policy)
    if draft.send is not None and draft.sound("send"):
        yield from _check_quiet_hours(draft, draft.send)


def _check_source(draft: Draft, key: KeyPath, what: str) -> Iterator[Problem]:
    contacts = draft.data.get(CONTACTS)
    if CONTACTS not in draft.names("data"):
        cause = f"contacts are counted in the source `{CONTACTS}`, which `data` does not have"
        yield Problem(
            key, cause, f"add `{CONTACTS}` with key and time; it needs the columns `channel` and `kind`"
        )
    elif contacts is not None and contacts.time is None and draft.sound("data", CONTACTS):
        yield Problem(
            ("data", CONTACTS),
            f"has no `time`, so {what} cannot be counted",
            "add the column with the moment",
        )


def _check_channels(key: KeyPath, channels: tuple[str, ...]) -> Iterator[Problem]:
    if len(set(channels)) < len(channels):
        yield Problem(key, "a channel stands twice", "delete one of them")


def _check_policy(draft: Draft, policy: ContactPolicy) -> Iterator[Problem]:
    key: KeyPath = ("audience", "contact_policy")
    if draft.audience is not None and not draft.audience.contact_caps:
        yield from _check_source(draft, key, "the contact policy")
    yield from _check_channels((*key, "channels"), policy.channels or ())
    for stage, limits in policy.stages.items():
        for kind, bounds in (("care", limits.care), ("marketing", limits.marketing)):
            if bounds is not None and bounds[1] is not None and bounds[0] > bounds[1]:
                cause = f"the floor {bounds[0]} is above the ceiling {bounds[1]}"
                yield Problem((*key, "stages", stage, kind), cause, "write [at least, at most]")
    if policy.prefer is not None and draft.sound("send"):
        kind = (draft.send.kind if draft.send else None) or "marketing"
        if not any(limits.bounds(kind)[0] for limits in policy.stages.values()):
            cause = (
                f"no stage has a floor for {kind} contacts, which are what is sent, so nobody is under one"
            )
            yield Problem((*key, "prefer"), cause, "give a stage a floor above 0, or delete it")
    staged = [name for name, feature in draft.features.items() if stage_names(feature)]
    if policy.on not in draft.names("features"):
        cause = f"there is no feature `{policy.on}`"
        yield Problem((*key, "on"), cause, choose(policy.on, staged, "feature with stages"))
    elif policy.on in draft.features and draft.sound("features", policy.on):
        known = stage_names(draft.features[policy.on])
        if not known:
            cause = f"`{policy.on}` has no stages"
            yield Problem((*key, "on"), cause, choose("", staged, "feature with stages"))
            return
        for stage in policy.stages:
            if stage not in known:
                cause = f"`{policy.on}` has no stage `{stage}`"
                yield Problem((*key, "stages", stage), cause, choose(stage, known, "stage"))


def _check_quiet_hours(draft: Draft, send: Send) -> Iterator[Problem]:
    quiet = send.quiet_hours or QUIET_HOURS
    if quiet[0] == quiet[1]:
        cause = f"{quiet[0]:%H:%M} to {quiet[1]:%H:%M} is no time at all"
        yield Problem(("send", "quiet_hours"), cause, "write [from, until]")
    elif (
        send.kind != "care"
        and send.hours[0] < send.hours[1]
        and _sends_sms(draft)
        and _meet(send.hours, quiet)
    ):
        ends = [f"{end:%H:%M}" for end in quiet]
        within = f'stay within ["{ends[1]}", "{ends[0]}"]'
        yield Problem(
            ("send", "hours"),
            f"{send.hours[0]:%H:%M} to {send.hours[1]:%H:%M} reaches into the quiet hours of SMS, {ends[0]} to {ends[1]}",
            within if quiet[0] > quiet[1] else f"send before {ends[0]} or from {ends[1]} on",
        )


def _meet(hours: tuple[time, time], quiet: tuple[time, time]) -> bool:
    """Whether hours of one day reach into quiet hours, which may span midnight; both are half-open."""
    if quiet[0] < quiet[1]:
        return hours[0] < quiet[1] and hours[1] > quiet[0]
    return hours[0] < quiet[1] or hours[1] > quiet[0]


def _sends_sms(draft: Draft) -> bool:
    return draft.arms is not None and any(arm.channel == SMS for arm in draft.arms.resolved)
