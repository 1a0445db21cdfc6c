"""Assignment: what drawing arms needs, and what reading them needs."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.definition.arms import Arms
from experiments.definition.assignment import Assignment
from experiments.definition.audience import SEGMENT
from experiments.definition.draft import Draft, Problem
from experiments.definition.origin import KeyPath
from experiments.definition.rules.sources import unknown_source
from experiments.definition.suggest import choose


def check_assignment(draft: Draft) -> Iterator[Problem]:
    """The rules of `assignment`."""
    if draft.assignment is None or not draft.sound("assignment"):
        return
    yield from _check_strata(draft, draft.assignment)
    if draft.assignment.method == "recorded":
        yield from _check_recorded(draft, draft.assignment)
    else:
        yield from _check_drawn(draft, draft.assignment)


def _check_strata(draft: Draft, assignment: Assignment) -> Iterator[Problem]:
    key: KeyPath = ("assignment", "strata")
    if assignment.method == "stratified" and not assignment.strata:
        yield Problem(
            ("assignment",), "`stratified` needs `strata`", "add `strata: [segment]`, or write `method: hash`"
        )
    if assignment.method == "hash" and assignment.strata:
        yield Problem(key, "`hash` draws without strata", "write `method: stratified`, or delete them")
    for index, stratum in enumerate(assignment.strata):
        if stratum in assignment.strata[:index]:
            yield Problem((*key, index), f"`{stratum}` stands twice", "delete one of them")
        if stratum == SEGMENT and draft.has_no_segments and assignment.method == "stratified":
            yield Problem(
                (*key, index), "there are no segments", "add `audience.segments`, or delete it here"
            )


def _check_recorded(draft: Draft, assignment: Assignment) -> Iterator[Problem]:
    key: KeyPath = ("assignment",)
    if draft.audience is not None and draft.audience.is_daily:
        cause = "recorded arms do not say on which day a member entered"
        yield Problem(("audience", "snapshot"), cause, "write `snapshot: YYYY-MM-DD`")
    if assignment.from_ is None:
        yield Problem(key, "`recorded` needs `from`", "name the source with the recorded arms")
    elif assignment.from_ not in draft.names("data"):
        yield unknown_source(draft, (*key, "from"), assignment.from_)
    if assignment.column is None:
        yield Problem(key, "`recorded` needs `column`", "name the column with the recorded arms")
    for name in ("salt", "sample_size", "rerandomise"):
        if getattr(assignment, name) is not None:
            yield Problem((*key, name), "has no meaning for arms that were recorded", "delete it")
    if assignment.values is not None and draft.sound("arms") and draft.arms and draft.arms.resolved[1:]:
        yield from _check_values(draft.arms, assignment)


def _check_values(arms: Arms, assignment: Assignment) -> Iterator[Problem]:
    values = dict(assignment.values or {})
    ids = [arm.id for arm in arms.resolved]
    labels = list(values.values())
    for index, arm in enumerate(values):
        key: KeyPath = ("assignment", "values", arm)
        if arm not in ids:
            yield Problem(key, f"there is no arm `{arm}`", choose(arm, ids, "arm"))
        elif labels[index] in labels[:index]:
            yield Problem(
                key, f"the label {labels[index]!r} already stands for another arm", "give each arm its own"
            )
    for arm in ids:
        if arm not in values:
            yield Problem(("assignment", "values"), f"the arm `{arm}` has no label", f"add `{arm}: ...`")


def _check_drawn(draft: Draft, assignment: Assignment) -> Iterator[Problem]:
    for name, value in {
        "from": assignment.from_,
        "column": assignment.column,
        "values": assignment.values,
    }.items():
        if value is not None:
            yield Problem(
                ("assignment", name),
                f"has no meaning for `{assignment.method}`",
                "delete it, or write `method: recorded`",
            )
    yield from _check_journey(draft, assignment)
    yield from _check_rerandomise(draft, assignment)
    events = [name for name in draft.metrics if draft.is_event_metric(name)]
    if events and draft.send is None and draft.sound("send"):
        yield Problem(
            ("metrics", events[0]),
            "its window starts at the planned send time, and there is no `send`",
            'add `send: {days: [YYYY-MM-DD], hours: ["09:00", "20:00"]}`',
        )


def _check_journey(draft: Draft, assignment: Assignment) -> Iterator[Problem]:
    """Members who enter day by day are sent to some days later, until the sample is full."""
    audience, send = draft.audience, draft.send
    if audience is None or not draft.sound("audience", "snapshot") or not draft.sound("send"):
        return
    if not audience.is_daily:
        if audience.until is not None:
            cause = "all members enter by one snapshot, so entry has no last day"
            yield Problem(("audience", "until"), cause, "delete it, or write `snapshot: daily`")
        if send is not None and send.after_days is not None:
            cause = "`after_days` counts from the day on which a member enters, and all enter on one day"
            remedy = "write `days`, or `audience: {snapshot: daily}`"
            yield Problem(("send", "after_days"), cause, remedy)
        return
    if send is not None and send.days:
        cause = "members enter on a new day each day, so the days to send on differ"
        yield Problem(("send", "days"), cause, "write `after_days: 1` instead")
    if send is None:
        cause = "a daily snapshot plans each member's send by the day of entry, and there is no `send`"
        yield Problem(
            ("audience", "snapshot"), cause, 'add `send: {after_days: 1, hours: ["09:00", "20:00"]}`'
        )
    if assignment.sample_size is None and audience.until is None and draft.sound("assignment", "sample_size"):
        cause = "members would enter for ever: there is neither `assignment.sample_size` nor `audience.until`"
        remedy = "add one of them, so that the test has an end"
        yield Problem(("audience", "snapshot"), cause, remedy)


def _check_rerandomise(draft: Draft, assignment: Assignment) -> Iterator[Problem]:
    """What is balanced by design is adjusted for, and there is one draw to balance."""
    settings = assignment.rerandomise
    if settings is None:
        return
    key: KeyPath = ("assignment", "rerandomise")
    adjusted = draft.design.covariates if draft.design else ()
    for index, name in enumerate(settings.covariates):
        if name in settings.covariates[:index]:
            yield Problem((*key, "covariates", index), f"`{name}` stands twice", "delete one of them")
        elif name not in adjusted and draft.sound("design"):
            cause = f"`{name}` is not adjusted for, so that intervals would be too wide"
            yield Problem((*key, "covariates", index), cause, "add it to `design.covariates`")
    if draft.audience is not None and draft.audience.unit is not None:
        cause = f"`{draft.audience.unit}` is assigned together, and only members are drawn again"
        yield Problem(key, cause, "delete it, or delete `audience.unit`")
    if draft.audience is not None and draft.audience.is_daily:
        cause = "members enter day by day, and the arms of a few members cannot be balanced"
        yield Problem(key, cause, "delete it")
