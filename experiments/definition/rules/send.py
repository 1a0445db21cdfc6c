"""Send: days in order, none before the snapshot, and hours that begin before they end."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.definition.audience import Audience
from experiments.definition.draft import Draft, Problem
from experiments.definition.send import Send


def check_send(draft: Draft) -> Iterator[Problem]:
    """The rules of `send`."""
    if draft.send is not None:
        yield from _check(draft, draft.send)


def _check(draft: Draft, send: Send) -> Iterator[Problem]:
    days, (start, end) = send.days, send.hours
    if not days and send.after_days is None and draft.sound("send"):
        yield Problem(("send",), "there is no day to send on", "add `days: [YYYY-MM-DD]`")
    for index in range(1, len(days)):
        if draft.sound("send", "days") and days[index] <= days[index - 1]:
            yield Problem(
                ("send", "days", index),
                f"{days[index]} does not follow {days[index - 1]}",
                "write days in order, each once",
            )
    if draft.sound("send", "days") and draft.audience is not None:
        yield from _check_after_snapshot(draft.audience, send)
    if not draft.sound("send", "hours"):
        return
    if start >= end:
        yield Problem(("send", "hours"), f"{start:%H:%M} is not before {end:%H:%M}", "write [from, until]")


def _check_after_snapshot(audience: Audience, send: Send) -> Iterator[Problem]:
    for index, day in enumerate(send.days):
        if audience.day is not None and day < audience.day:
            cause = f"{day} is before the snapshot {audience.day}"
            yield Problem(("send", "days", index), cause, "send on the day of the snapshot or later")
