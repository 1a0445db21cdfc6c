"""Stages: half-open ranges of days without gap or overlap, on a feature that counts days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from experiments.definition.draft import Draft, Problem
from experiments.definition.features import Feature, StagesOfNever
from experiments.definition.origin import KeyPath
from experiments.definition.presets import STAGES
from experiments.definition.suggest import choose


def check_stages(draft: Draft, key: KeyPath, feature: Feature) -> Iterator[Problem]:
    """The rules of a feature that cuts days into stages."""
    if feature.stages is None:
        yield Problem(
            (*key, "on"),
            "stands without `stages` or `bands`",
            "add a preset or ranges of days as `stages`, or `bands`",
        )
        return
    names: tuple[str, ...] = ()
    if not isinstance(feature.stages, str):
        names = tuple(feature.stages)
        yield from _check_ranges((*key, "stages"), feature.stages)
    elif feature.stages in STAGES:
        names = tuple(STAGES[feature.stages])
    else:
        cause = f"there is no preset `{feature.stages}`"
        yield Problem((*key, "stages"), cause, choose(feature.stages, STAGES, "preset"))
    if feature.on is None:
        cause = "does not say which days are cut into stages"
        yield Problem(key, cause, "add `on` with a `days_since` feature")
    else:
        yield from _check_on(draft, (*key, "on"), feature.on)
    if feature.never is not None:
        yield from _check_never(draft, (*key, "never"), feature.never, names)


def _check_never(
    draft: Draft, key: KeyPath, never: str | StagesOfNever, names: tuple[str, ...]
) -> Iterator[Problem]:
    taken = [never] if isinstance(never, str) else list(never.stages)
    for name in taken:
        if name in names:
            at = key if isinstance(never, str) else (*key, "stages", name)
            yield Problem(at, f"`{name}` is a stage of members with those days", "give it another name")
    if isinstance(never, StagesOfNever):
        yield from _check_ranges((*key, "stages"), never.stages)
        yield from _check_on(draft, (*key, "on"), never.on)


def _check_on(draft: Draft, key: KeyPath, on: str) -> Iterator[Problem]:
    days = [
        name
        for name, other in draft.features.items()
        if other.days_since is not None or other.gap is not None
    ]
    if on not in draft.names("features"):
        yield Problem(key, f"there is no feature `{on}`", choose(on, days, "`days_since` feature"))
    elif on in draft.features and on not in days and draft.sound("features", on):
        yield Problem(key, f"`{on}` does not count days", choose("", days, "`days_since` feature"))


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
