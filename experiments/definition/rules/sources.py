"""Data sources: a members table with a key, and event sources that can be joined to it."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.definition.draft import Draft, Problem
from experiments.definition.model import MEMBERS
from experiments.definition.origin import KeyPath
from experiments.definition.sources import ROW_NUMBER
from experiments.definition.suggest import choose


def check_sources(draft: Draft) -> Iterator[Problem]:
    """There are members; `row_number` numbers them only where their arms are read from the same rows; events have a time."""
    if draft.names("data") and MEMBERS not in draft.names("data"):
        yield Problem(("data",), f"there is no `{MEMBERS}`", "add the table with one row for each member")
    for name, source in draft.data.items():
        if source.event_id is not None and source.time is None and draft.sound("data", name):
            cause = f"`{name}` has no `time`, so its rows are no events"
            yield Problem(("data", name, "event_id"), cause, "delete it, or add `time`")
        elif source.event_id is not None and source.event_id in {source.key, source.time}:
            cause = f"`{source.event_id}` names the member or the moment, which many events may share"
            yield Problem(
                ("data", name, "event_id"), cause, "name the column that tells each event, or delete it"
            )
        if source.key != ROW_NUMBER:
            continue
        key: KeyPath = ("data", name, "key")
        if name != MEMBERS:
            yield Problem(
                key, f"numbered rows of `{name}` belong to no member", "name the column with the member's key"
            )
        elif draft.assignment is not None and not draft.is_recorded:
            yield Problem(
                key,
                "row numbers change when the file does, so arms cannot be drawn on them",
                "name a column with the key",
            )


def check_event_source(draft: Draft, key: KeyPath, source: str, what: str) -> Iterator[Problem]:
    """`source` is an event source: it exists, is not `members`, and says when its events happened."""
    if source not in draft.names("data"):
        yield unknown_source(draft, key, source)
    elif source == MEMBERS:
        events = [name for name, table in draft.data.items() if table.time is not None]
        yield Problem(
            key, f"{what} reads rows with a time, `{MEMBERS}` has none", choose("", events, "source")
        )
    elif source in draft.data and draft.data[source].time is None and draft.sound("data", source):
        yield Problem(key, f"`{source}` has no `time`", f"add the column with the moment to `data.{source}`")


def unknown_source(draft: Draft, key: KeyPath, source: str) -> Problem:
    """The problem of a source that `data` does not define."""
    return Problem(
        key, f"there is no source `{source}` in `data`", choose(source, draft.names("data"), "source")
    )
