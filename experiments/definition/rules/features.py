"""Features: one way to compute each, from an event source before the snapshot, or stages without gap or overlap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from experiments.definition.draft import Draft, Problem
from experiments.definition.features import Feature
from experiments.definition.origin import KeyPath
from experiments.definition.presets import STAGES
from experiments.definition.rules.sources import check_event_source
from experiments.definition.suggest import choose

_WAYS = ("days_since", "count", "sum", "mean", "distinct")


def check_features(draft: Draft) -> Iterator[Problem]:
    """The rules of each feature that can be read."""
    for name, feature in draft.features.items():
        if not draft.sound("features", name):
            continue
        key: KeyPath = ("features", name)
        if feature.stages is not None or feature.on is not None:
            yield from _check_stages(draft, key, feature)
        else:
            yield from _check_rows(draft, key, feature)


def _check_rows(draft: Draft, key: KeyPath, feature: Feature) -> Iterator[Problem]:
    ways = [way for way in _WAYS if getattr(feature, way) is not None]
    if len(ways) != 1:
        have = f"has {' and '.join(f'`{way}`' for way in ways)}" if ways else "does not say what to compute"
        yield Problem(key, have, f"write exactly one of {', '.join(_WAYS)}")
    if feature.from_ is None:
        yield Problem(key, "has no `from`", "name the event source that it reads")
    else:
        yield from check_event_source(draft, (*key, "from"), feature.from_, "a feature")


def _check_stages(draft: Draft, key: KeyPath, feature: Feature) -> Iterator[Problem]:
    if feature.stages is None:
        yield Problem((*key, "on"), "stands without `stages`", "add a preset or ranges of days as `stages`")
        return
    others = [way for way in (*_WAYS, "where", "days") if getattr(feature, way) is not None]
    others += ["from"] if feature.from_ is not None else []
    for other in others:
        yield Problem((*key, other), "stands beside `stages`", "delete it, or make it a feature of its own")
    if isinstance(feature.stages, str):
        if feature.stages not in STAGES:
            cause = f"there is no preset `{feature.stages}`"
            yield Problem((*key, "stages"), cause, choose(feature.stages, STAGES, "preset"))
    else:
        yield from _check_ranges((*key, "stages"), feature.stages)
    yield from _check_on(draft, key, feature.on)


def _check_on(draft: Draft, key: KeyPath, on: str | None) -> Iterator[Problem]:
    days = [name for name, other in draft.features.items() if other.days_since is not None]
    if on is None:
        yield Problem(
            key, "does not say which days are cut into stages", "add `on` with a `days_since` feature"
        )
    elif on not in draft.names("features"):
        yield Problem((*key, "on"), f"there is no feature `{on}`", choose(on, days, "`days_since` feature"))
    elif on in draft.features and on not in days and draft.sound("features", on):
        yield Problem((*key, "on"), f"`{on}` does not count days", choose("", days, "`days_since` feature"))


def _check_ranges(key: KeyPath, stages: Mapping[str, tuple[int, int | None]]) -> Iterator[Problem]:
    if not stages:
        yield Problem(key, "has no stage", "write ranges such as `active: [0, 90]`")
    before: tuple[str, int | None] | None = None
    for name, (low, high) in sorted(stages.items(), key=lambda stage: stage[1][0]):
        here = (*key, name)
        if low < 0:
            yield Problem(here, f"begins at day {low}", "begin at day 0 or later")
        if high is not None and high <= low:
            yield Problem(
                here, f"[{low}, {high}] holds no day", "end after the beginning; the end is not included"
            )
        if before is not None and before[1] is None:
            yield Problem(
                here, f"overlaps with `{before[0]}`, which has no end", f"end `{before[0]}` at day {low}"
            )
        elif before is not None and before[1] != low:
            word = "overlaps with" if (before[1] or 0) > low else "leaves a gap after"
            cause = f"begins at day {low} and {word} `{before[0]}`, which ends at day {before[1]}"
            yield Problem(here, cause, f"begin at day {before[1]}")
        before = (name, high)
