"""Audience: a day as of which everything is known, and segments that take every member exactly once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from experiments.definition.audience import Audience, Segment
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
    for key, lists in (
        ("exclude_lists", draft.audience.exclude_lists),
        ("exempt_lists", draft.audience.exempt_lists or ()),
    ):
        for index, name in enumerate(lists):
            if name in lists[:index]:
                yield Problem(("audience", key, index), f"`{name}` stands twice", "delete one of them")


def _check_snapshot(draft: Draft, audience: Audience) -> Iterator[Problem]:
    if audience.snapshot is not None or not draft.sound("audience", "snapshot"):
        return
    needed_by = [
        *(["drawing arms"] if draft.assignment is not None and not draft.is_recorded else []),
        *(["features"] if draft.names("features") else []),
        *(["contact caps"] if audience.contact_caps else []),
        *(["the contact policy"] if audience.contact_policy else []),
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
