"""Closed arms: which may be closed in the middle of a test, and from when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from pydantic import TypeAdapter

from experiments.definition.arms import CONTROL
from experiments.definition.design import FixedLooks
from experiments.definition.draft import Draft, Problem
from experiments.definition.origin import KeyPath
from experiments.definition.suggest import choose

_DAY = TypeAdapter(date)


@dataclass(frozen=True)
class _Entry:
    """What can be read of one entry, whatever is wrong with others."""

    index: int
    arm: str | None
    day: date | None


def check_closed(draft: Draft) -> Iterator[Problem]:
    """The rules of `assignment.closed`."""
    entries = tuple(_entries(draft))
    if draft.assignment is None or not entries:
        return
    key: KeyPath = ("assignment", "closed")
    if draft.is_recorded:
        yield Problem(key, "has no meaning for arms that were recorded", "delete it")
        return
    if draft.send is None and draft.sound("send"):
        yield Problem(key, "goes by the planned send, and there is no `send`", "add `send`, or delete it")
    if draft.design is not None and not isinstance(draft.design.looks, FixedLooks):
        cause = "the error that looks spend is shared by all arms, so none of them can be left out in between"
        yield Problem(key, cause, "keep the arm and stop sending its list, or use `looks: {kind: fixed}`")
    for place, each in enumerate(entries):
        if each.arm is not None and each.arm in [other.arm for other in entries[:place]]:
            yield Problem((*key, each.index, "arm"), f"`{each.arm}` stands twice", "delete one of them")
        yield from _check_day(draft, (*key, each.index, "from"), each)
    if draft.arms is not None and draft.sound("arms"):
        yield from _check_arms(key, [arm.id for arm in draft.arms.resolved[1:]], entries)


def _entries(draft: Draft) -> Iterator[_Entry]:
    block = draft.written.get("assignment")
    written = block.get("closed") if isinstance(block, Mapping) else None
    for index, entry in enumerate(written if isinstance(written, list) else ()):
        if isinstance(entry, Mapping):
            at = ("assignment", "closed", index)
            arm = entry.get("arm") if draft.sound(*at, "arm") else None
            day = entry.get("from") if draft.sound(*at, "from") else None
            yield _Entry(index, arm, None if day is None else _DAY.validate_python(day))


def _check_day(draft: Draft, key: KeyPath, closed: _Entry) -> Iterator[Problem]:
    """Some of the days to send on are before it, and some are not."""
    days = draft.send.days if draft.send is not None and draft.sound("send") else ()
    if not days or closed.day is None:
        return
    if closed.day <= days[0]:
        whose = f"nobody of `{closed.arm}`" if closed.arm else "nobody"
        cause = f"{whose} is planned before {closed.day}, so it would never have been open"
        yield Problem(key, cause, "leave the arm out before anybody is assigned")
    elif closed.day > days[-1]:
        cause = f"nobody is planned for {closed.day} or later, the last day being {days[-1]}"
        yield Problem(key, cause, "delete it")


def _check_arms(key: KeyPath, offers: list[str], closed: tuple[_Entry, ...]) -> Iterator[Problem]:
    for each in closed:
        at = (*key, each.index, "arm")
        if each.arm == CONTROL:
            cause = "everything is compared with control, so that it cannot be closed"
            yield Problem(at, cause, "delete it, or end the test")
        elif each.arm is not None and each.arm not in offers:
            yield Problem(at, f"there is no arm `{each.arm}`", choose(each.arm, offers, "arm"))
    if not set(offers) - {each.arm for each in closed}:
        yield Problem(key, "no offer stays open", "end the test instead, and analyze it without `closed`")
