"""Audience: a day as of which everything is known, and segments that take every member exactly once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from sqlglot import exp

from experiments.definition.audience import Audience, Segment
from experiments.definition.draft import Draft, Problem
from experiments.definition.expressions import OTHERWISE, Expression
from experiments.definition.features import stage_names
from experiments.definition.holdout import Holdout
from experiments.definition.origin import KeyPath
from experiments.definition.segment_grid import SegmentGrid, values_of
from experiments.definition.suggest import choose, nearest

MOST_CELLS = 200
"""A grid with more segments is one whose cells are too small to be read."""


def check_audience(draft: Draft) -> Iterator[Problem]:
    """The rules of the `audience` block and of the standing holdout."""
    if draft.holdout is not None:
        yield from _check_refresh(draft.holdout)
    if draft.audience is None:
        return
    yield from _check_snapshot(draft, draft.audience)
    yield from _check_group(draft, draft.audience)
    if draft.audience.segment_grid is not None:
        yield from _check_grid(draft, draft.audience.segment_grid)
    elif draft.sound("audience", "segments"):
        yield from _check_segments(draft.audience.segments)
    yield from _check_stages(draft, draft.audience)
    for key, lists in (
        ("exclude_lists", draft.audience.exclude_lists),
        ("exempt_lists", draft.audience.exempt_lists or ()),
    ):
        for index, name in enumerate(lists):
            if name in lists[:index]:
                yield Problem(("audience", key, index), f"`{name}` stands twice", "delete one of them")


def _check_refresh(holdout: Holdout) -> Iterator[Problem]:
    """Who is released must find a place outside of the next holdout."""
    if holdout.refresh is not None and holdout.share * (1 + holdout.refresh.part) > 1:
        cause = f"{holdout.refresh.part} of a holdout of {holdout.share} cannot be replaced: too few members are outside of it"
        yield Problem(("holdout", "refresh", "part"), cause, "lower `part`, or `holdout.share`")


def _check_group(draft: Draft, audience: Audience) -> Iterator[Problem]:
    """What orders the tests of a group needs a group."""
    if audience.exclusive_group is None and draft.sound("audience", "exclusive_group"):
        for name in ("cool_down_days", "yields_to"):
            if getattr(audience, name) is not None:
                cause = "is about other tests of an exclusive group, and there is none"
                yield Problem(("audience", name), cause, "add `exclusive_group`, or delete it")
    for index, other in enumerate(audience.yields_to or ()):
        if other == draft.written.get("id"):
            key = ("audience", "yields_to", index)
            yield Problem(key, "the experiment cannot come after itself", "name another experiment")


def _check_snapshot(draft: Draft, audience: Audience) -> Iterator[Problem]:
    if audience.snapshot is not None or not draft.sound("audience", "snapshot"):
        return
    needed_by = [
        *(["drawing arms"] if draft.assignment is not None and not draft.is_recorded else []),
        *(["features"] if draft.names("features") else []),
        *(["contact caps"] if audience.contact_caps else []),
        *(["the contact policy"] if audience.contact_policy else []),
        *(["a holdout that is refreshed"] if _asks_refreshed_holdout(draft, audience) else []),
    ]
    if needed_by:
        yield Problem(
            ("audience",),
            f"there is no `snapshot` for {', '.join(needed_by)}",
            "add `snapshot: YYYY-MM-DD`, the day before which everything is known",
        )


def _asks_refreshed_holdout(draft: Draft, audience: Audience) -> bool:
    is_refreshed = draft.holdout is not None and draft.holdout.refresh is not None
    return is_refreshed and audience.global_holdout == "exclude"


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


def _check_grid(draft: Draft, grid: SegmentGrid) -> Iterator[Problem]:
    key: KeyPath = ("audience", "segment_grid")
    if draft.says("audience", "segments"):
        yield Problem(key, "stands beside `segments`", "keep one of the two")
    for name, cells in grid.items():
        values = values_of(cells)
        for value in dict.fromkeys(value for value in values if values.count(value) > 1):
            yield Problem((*key, name), f"`{value}` stands twice", "let each value stand in one cell")
    count = prod(len(cells) for cells in grid.values())
    if count > MOST_CELLS:
        cause = f"the grid has {count} cells, {MOST_CELLS} are the most"
        yield Problem(key, cause, "group values: a segment needs members enough to tell its effect")


def _check_stages(draft: Draft, audience: Audience) -> Iterator[Problem]:
    """A stage that is misspelt in a condition would take nobody, and nobody would see why."""
    names = {name: stage_names(feature) for name, feature in draft.features.items()}
    for key, condition in audience.conditions():
        for feature, value in _compared(condition):
            known = names.get(feature, ())
            if known and value not in known:
                yield Problem(key, f"`{feature}` has no stage `{value}`", choose(value, known, "stage"))


def _compared(condition: Expression) -> Iterator[tuple[str, str]]:
    """The texts with which columns are compared for equality."""
    for node in condition.tree.find_all(exp.EQ, exp.NEQ, exp.In):
        parts = [node.this, *(node.expressions if isinstance(node, exp.In) else [node.expression])]
        columns = [part.name for part in parts if isinstance(part, exp.Column)]
        texts = [part.name for part in parts if isinstance(part, exp.Literal) and part.is_string]
        yield from ((column, text) for column in columns for text in texts)
