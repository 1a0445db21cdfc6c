"""Audience: segments that take every member exactly once, and contact caps that can be counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from experiments.definition.audience import Audience, Segment
from experiments.definition.contact_policy import CONTACTS
from experiments.definition.draft import Draft, Problem
from experiments.definition.expressions import OTHERWISE
from experiments.definition.origin import KeyPath
from experiments.definition.suggest import nearest


def check_audience(draft: Draft) -> Iterator[Problem]:
    """The rules of the `audience` block."""
    if draft.audience is None:
        return
    yield from _check_snapshot(draft, draft.audience)
    if draft.sound("audience", "segments"):
        yield from _check_segments(draft.audience.segments)
    yield from _check_caps(draft, draft.audience)
    lists = draft.audience.exclude_lists
    for index, name in enumerate(lists):
        if name in lists[:index]:
            yield Problem(
                ("audience", "exclude_lists", index), f"`{name}` stands twice", "delete one of them"
            )


def _check_snapshot(draft: Draft, audience: Audience) -> Iterator[Problem]:
    if audience.snapshot is not None or not draft.sound("audience", "snapshot"):
        return
    needed_by = [
        *(["drawing arms"] if draft.assignment is not None and not draft.is_recorded else []),
        *(["features"] if draft.names("features") else []),
        *(["contact caps"] if audience.contact_caps else []),
    ]
    if needed_by:
        yield Problem(
            ("audience",),
            f"there is no `snapshot` for {', '.join(needed_by)}",
            "add `snapshot: YYYY-MM-DD`, the day before which everything is known",
        )


def _check_segments(segments: Sequence[Segment]) -> Iterator[Problem]:
    ids = [segment.id for segment in segments]
    for index, segment in enumerate(segments):
        key: KeyPath = ("audience", "segments", index)
        if segment.id in ids[:index]:
            yield Problem((*key, "id"), f"the segment `{segment.id}` stands twice", "rename one of them")
        if segment.is_otherwise and index < len(segments) - 1:
            yield Problem(
                (*key, "when"),
                "`otherwise` takes everybody, so later segments stay empty",
                "let it stand last",
            )
    if segments and not any(segment.is_otherwise for segment in segments):
        last: KeyPath = ("audience", "segments", len(segments) - 1)
        if nearest(str(segments[-1].when), [OTHERWISE]):
            yield Problem(
                (*last, "when"), f"`{segments[-1].when}` is not `otherwise`", "write `when: otherwise`"
            )
        else:
            yield Problem(
                last, "members outside of all segments have none", "add a last segment with `when: otherwise`"
            )


def _check_caps(draft: Draft, audience: Audience) -> Iterator[Problem]:
    if not audience.contact_caps:
        return
    key: KeyPath = ("audience", "contact_caps")
    contacts = draft.data.get(CONTACTS)
    if CONTACTS not in draft.names("data"):
        cause = f"contacts are counted in the source `{CONTACTS}`, which `data` does not have"
        yield Problem(
            key, cause, f"add `{CONTACTS}` with key and time; it needs the columns `channel` and `kind`"
        )
    elif contacts is not None and contacts.time is None and draft.sound("data", CONTACTS):
        yield Problem(
            ("data", CONTACTS),
            "has no `time`, so contact caps cannot be counted",
            "add the column with the moment",
        )
    for index, cap in enumerate(audience.contact_caps):
        if len(set(cap.channels)) < len(cap.channels):
            yield Problem((*key, index, "channels"), "a channel stands twice", "delete one of them")
