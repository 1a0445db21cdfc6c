"""Closed arms: which may be closed in the middle of a test, and from when."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.definition.arms import CONTROL
from experiments.definition.audience import ClosedArm
from experiments.definition.draft import Draft, Problem
from experiments.definition.goals import FixedLooks
from experiments.definition.origin import KeyPath
from experiments.definition.suggest import choose


def check_closed(draft: Draft) -> Iterator[Problem]:
    """The rules of `assignment.closed`."""
    if draft.assignment is None or not draft.assignment.closed or not draft.sound("assignment", "closed"):
        return
    key: KeyPath = ("assignment", "closed")
    closed = draft.assignment.closed
    if draft.is_recorded:
        yield Problem(key, "has no meaning for arms that were recorded", "delete it")
        return
    if draft.send is None and draft.sound("send"):
        yield Problem(key, "goes by the planned send, and there is no `send`", "add `send`, or delete it")
    if draft.design is not None and not isinstance(draft.design.looks, FixedLooks):
        cause = "the error that looks spend is shared by all arms, so none of them can be left out in between"
        yield Problem(key, cause, "keep the arm and stop sending its list, or use `looks: {kind: fixed}`")
    for index, each in enumerate(closed):
        if each.arm in [other.arm for other in closed[:index]]:
            yield Problem((*key, index, "arm"), f"`{each.arm}` stands twice", "delete one of them")
        yield from _check_day(draft, (*key, index, "from"), each)
    if draft.arms is not None and draft.sound("arms"):
        yield from _check_arms(key, [arm.id for arm in draft.arms.resolved[1:]], closed)


def _check_day(draft: Draft, key: KeyPath, closed: ClosedArm) -> Iterator[Problem]:
    """Some of the days to send on are before it, and some are not."""
    days = draft.send.days if draft.send is not None and draft.sound("send") else ()
    if days and closed.from_ <= days[0]:
        cause = f"nobody of `{closed.arm}` is planned before {closed.from_}, so it would never have been open"
        yield Problem(key, cause, "leave the arm out before anybody is assigned")
    elif days and closed.from_ > days[-1]:
        cause = f"nobody is planned for {closed.from_} or later, the last day being {days[-1]}"
        yield Problem(key, cause, "delete it")


def _check_arms(key: KeyPath, offers: list[str], closed: tuple[ClosedArm, ...]) -> Iterator[Problem]:
    for index, each in enumerate(closed):
        if each.arm == CONTROL:
            cause = "everything is compared with control, so that it cannot be closed"
            yield Problem((*key, index, "arm"), cause, "delete it, or end the test")
        elif each.arm not in offers:
            yield Problem(
                (*key, index, "arm"), f"there is no arm `{each.arm}`", choose(each.arm, offers, "arm")
            )
    if not set(offers) - {each.arm for each in closed}:
        yield Problem(key, "no offer stays open", "end the test instead, and analyze it without `closed`")
