"""The time zone is one that there is."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from experiments.definition.draft import Draft, Problem
from experiments.definition.suggest import nearest


def check_timezone(draft: Draft) -> Iterator[Problem]:
    """The rule of `timezone`."""
    if draft.timezone is not None and draft.sound("timezone"):
        yield from _check(draft.timezone)


def _check(timezone: str) -> Iterator[Problem]:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = nearest(timezone, available_timezones())
        remedy = f"did you mean `{near}`?" if near else "write an IANA name, such as Asia/Shanghai"
        yield Problem(("timezone",), f"there is no time zone `{timezone[:60]}`", remedy)
