"""Features: one way to compute each, from an event source before the snapshot, or from another feature."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from experiments.definition.draft import Draft, Problem
from experiments.definition.features import Feature
from experiments.definition.model import MEMBERS
from experiments.definition.origin import KeyPath
from experiments.definition.rules.outcomes import check_known_before
from experiments.definition.rules.sources import check_event_source
from experiments.definition.rules.stages import check_stages
from experiments.definition.suggest import choose

_WAYS = ("days_since", "count", "sum", "mean", "distinct", "share", "gap", "layers")
_OF_ROWS = ("from", *_WAYS, "of", "where", "days")
_ENDS = ("first", "last")


def check_features(draft: Draft) -> Iterator[Problem]:
    """The rules of each feature that can be read."""
    for name, feature in draft.features.items():
        if not draft.sound("features", name):
            continue
        key: KeyPath = ("features", name)
        if feature.bands is not None:
            yield from _strays(key, feature, "bands", (*_OF_ROWS, "stages", "never"))
            yield from _check_bands(draft, key, feature)
        elif feature.stages is not None or feature.on is not None:
            yield from _strays(key, feature, "stages", (*_OF_ROWS, "better"))
            yield from check_stages(draft, key, feature)
        else:
            yield from _check_rows(draft, key, feature)


def _strays(key: KeyPath, feature: Feature, beside: str, names: Sequence[str]) -> Iterator[Problem]:
    """Keys that have no meaning beside the one that says what the feature is."""
    for name in _given(feature, names):
        yield Problem((*key, name), f"stands beside `{beside}`", "delete it, or make it a feature of its own")


def _given(feature: Feature, names: Sequence[str]) -> list[str]:
    return [name for name in names if getattr(feature, "from_" if name == "from" else name) is not None]


def _check_rows(draft: Draft, key: KeyPath, feature: Feature) -> Iterator[Problem]:
    ways = _given(feature, _WAYS)
    if len(ways) != 1:
        have = f"has {' and '.join(f'`{way}`' for way in ways)}" if ways else "does not say what to compute"
        yield Problem(key, have, f"write exactly one of {', '.join(_WAYS)}, or `stages` or `bands`")
    for name in _given(feature, ("never", "better")):
        what = "stages" if name == "never" else "bands"
        yield Problem((*key, name), f"has no meaning without `{what}`", "delete it")
    if feature.of is not None and feature.share is None:
        yield Problem((*key, "of"), "has no meaning without `share`", "delete it")
    if feature.from_ is None:
        yield Problem(key, "has no `from`", "name the event source that it reads")
    elif feature.from_ == MEMBERS and ways == ["days_since"]:
        yield from _check_own_day(draft, key, feature)
    else:
        yield from check_event_source(draft, (*key, "from"), feature.from_, "a feature")
        if feature.days_since is not None and feature.days_since not in _ENDS:
            cause = f"`{feature.days_since}` is neither `first` nor `last`"
            yield Problem((*key, "days_since"), cause, choose(feature.days_since, _ENDS, "row"))
    if feature.layers is not None:
        yield from _check_layers(key, feature)


def _check_own_day(draft: Draft, key: KeyPath, feature: Feature) -> Iterator[Problem]:
    yield from check_known_before(draft, (*key, "days_since"), feature.days_since or "")
    if feature.days_since in _ENDS:
        cause = f"`{MEMBERS}` has one row for each member, so there is no {feature.days_since} one"
        yield Problem((*key, "days_since"), cause, "name the column with the day, such as `joined_on`")
    for name in _given(feature, ("where", "days")):
        yield Problem((*key, name), "has no meaning for a member's own column", "delete it")


def _check_layers(key: KeyPath, feature: Feature) -> Iterator[Problem]:
    if feature.days is not None:
        yield Problem(
            (*key, "days"), "layers look at a member's whole life", "delete it, or count rows in a window"
        )
    layers = feature.layers
    if layers is None:
        return
    for name, limit in (("new", layers.new), ("active", layers.active)):
        if limit > layers.churned:
            cause = f"{limit} days reach beyond `churned`, {layers.churned} days"
            yield Problem((*key, "layers", name), cause, f"write {layers.churned} or less")


def _check_bands(draft: Draft, key: KeyPath, feature: Feature) -> Iterator[Problem]:
    if isinstance(feature.bands, tuple):
        limits = feature.bands
        if not limits:
            yield Problem((*key, "bands"), "has no limit", "write ascending limits, such as [1, 2, 4, 8]")
        for place in range(1, len(limits)):
            if limits[place] <= limits[place - 1]:
                cause = f"{limits[place]:g} does not follow {limits[place - 1]:g}"
                yield Problem((*key, "bands", place), cause, "write limits in ascending order, each once")
    numbers = [
        name for name, other in draft.features.items() if other.from_ is not None and other.layers is None
    ]
    if feature.on is None:
        yield Problem(key, "does not say what is cut into bands", "add `on` with a feature that is a number")
    elif feature.on in draft.features and feature.on not in numbers and draft.sound("features", feature.on):
        yield Problem((*key, "on"), f"`{feature.on}` is no number", choose("", numbers, "feature"))
    elif feature.on not in draft.names("features"):
        yield from check_known_before(draft, (*key, "on"), feature.on)
