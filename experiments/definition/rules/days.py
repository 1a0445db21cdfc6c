"""Days of the definition lie in a time in which campaigns are run, so that windows and zones can be computed around them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from experiments.definition.draft import Draft, Problem
from experiments.definition.origin import KeyPath

FIRST_YEAR, LAST_YEAR = 1900, 2200


def check_days(draft: Draft) -> Iterator[Problem]:
    """The snapshot, the last day of entry, the first day of a refreshed holdout and every send day are in a year from 1900 to 2200."""
    days: dict[KeyPath, date] = {}
    if draft.audience is not None and draft.audience.day is not None:
        days["audience", "snapshot"] = draft.audience.day
    if draft.audience is not None and draft.audience.until is not None:
        days["audience", "until"] = draft.audience.until
    if draft.holdout is not None and draft.holdout.refresh is not None:
        days["holdout", "refresh", "from"] = draft.holdout.refresh.from_
    if draft.send is not None:
        days |= {("send", "days", index): day for index, day in enumerate(draft.send.days)}
    for key, day in days.items():
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            yield Problem(key, f"{day} is not in the years {FIRST_YEAR} to {LAST_YEAR}", "correct the day")
