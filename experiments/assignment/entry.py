"""Entry day by day: on which day a member entered a triggered journey, and which day members may enter on now."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

from experiments.definition.errors import InputError, OutsideError
from experiments.definition.model import Definition
from experiments.experiment import Experiment
from experiments.files import Workspace, write_whole


def entry_day(definition: Definition, planned: datetime | None) -> date | None:
    """The day on which a member entered, by the planned time in the ledger: it lies `after_days` later.

    None where all members enter by one snapshot.
    """
    send = definition.send
    if not definition.audience.is_daily or send is None or planned is None:
        return None
    return planned.astimezone(definition.zone).date() - timedelta(days=send.after_days or 0)


def is_entry_over(definition: Definition, members: int, now: datetime) -> bool:
    """Whether nobody can enter any more who enters day by day: the sample is full, or the last day is over.

    True where all members enter by one snapshot.
    """
    if not definition.audience.is_daily:
        return True
    size, until = definition.assignment.sample_size, definition.audience.until
    return (size is not None and members >= size) or (
        until is not None and now.astimezone(definition.zone).date() > until
    )


def refuse_day(experiment: Experiment) -> None:
    """Refuse a day on which nobody can enter.

    Raises:
        InputError: The snapshot is one day for all, the day is still to come, or its messages would have been sent already.
    """
    definition, day = experiment.definition, experiment.as_of
    today = experiment.now.astimezone(definition.zone).date()
    until = definition.audience.until
    if until is not None and (day or today) > until:
        at, cause = ("audience", "until"), f"nobody enters after {until}, and this is {day or today}"
        raise InputError([definition.origin.fault(at, cause, "go on with `offerwise analyze`")])
    if day is None:
        return
    if not definition.audience.is_daily:
        raise InputError.single(
            f"`{definition.id}` has one snapshot for all members",
            "leave the option out, or write `audience: {snapshot: daily}`",
            key="--as-of",
        )
    if day > today:
        raise InputError.single(f"{day} is still to come", f"give {today} or an earlier day", key="--as-of")
    sent = day + timedelta(days=(definition.send.after_days or 0) if definition.send else 0)
    if sent < today:
        raise InputError.single(
            f"members who enter on {day} are sent to on {sent}, which is over",
            "give a later day; who was missed then cannot be randomised any more",
            key="--as-of",
        )


def record_entry_day(workspace: Workspace, day: date) -> None:
    """Keep that the members of a day have entered, were there any or not: tests that come after this one wait for it.

    Raises:
        OutsideError: The disk refuses, or what was kept cannot be read.
    """
    last = last_entry_day(workspace)
    if last is None or day > last:
        write_whole(workspace.entry, json.dumps({"last_day": day.isoformat()}) + "\n")


def last_entry_day(workspace: Workspace) -> date | None:
    """The last day whose members have entered; None where nobody has entered day by day.

    Raises:
        OutsideError: It cannot be read.
    """
    if not workspace.entry.is_file():
        return None
    try:
        return date.fromisoformat(json.loads(workspace.entry.read_text(encoding="utf8"))["last_day"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise OutsideError(
            f"Could not read {workspace.entry}, the last day on which members entered",
            "Nothing was changed",
            "Restore it from a backup; or delete it, and the next `offerwise assign` writes it anew",
        ) from error
