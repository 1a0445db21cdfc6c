"""Exclusive groups: a member is in one running test of a group at a time, and who comes first takes first."""

from __future__ import annotations

from datetime import date

from sqlglot import exp

from experiments.assignment.entry import last_entry_day
from experiments.assignment.ledger_folders import refuse_unseen
from experiments.audience.group_tests import GroupTest, other_tests, unannounced_tests
from experiments.data.midnight import local_midnight
from experiments.definition.audience import DAILY
from experiments.definition.errors import RefusedError
from experiments.experiment import Experiment
from experiments.queries import coalesce, column, named, relation
from experiments.refusals import refusal


def members_in_running_tests(experiment: Experiment, snapshot: date) -> list[exp.Select]:
    """The members of other tests of the group whose window is open at 00:00 of the snapshot.

    A member's window closes the longest `window_days` of that test after the planned send; a test that will
    start later is running, too. With `cool_down_days` a member stays out for so many days longer.

    Returns:
        One query for each such test, with the key as `member`.

    Raises:
        RefusedError: Tests of the group were drawn beside others that this command does not look at, or of a test nothing tells
            whether it is in the group.
        OutsideError: The lock or the ledger of another test cannot be read.
    """
    group = experiment.definition.audience.exclusive_group
    if group is None:
        return []
    refuse_unseen(experiment)
    _refuse_unannounced(experiment, group)
    cool_down = experiment.definition.audience.cool_down_days
    engine = experiment.engine
    opens = engine.instant_literal(local_midnight(experiment.definition.zone, snapshot))
    found = []
    for place, test in enumerate(other_tests(experiment, group)):
        name = f"exclusive_group_{place}"
        test.ledger.read(name)
        start = coalesce(column("planned_send_at"), column("assigned_at"))
        closes = engine.add_days(start, test.window_days + (cool_down or 0))
        query = exp.select(named(column("member"), "member")).from_(relation(name))
        found.append(query.where(exp.GT(this=closes, expression=opens.copy())))
    return found


def _refuse_unannounced(experiment: Experiment, group: str) -> None:
    """Refuse to send to members who may be in a running test of the group without anybody being able to tell."""
    unknown = unannounced_tests(experiment)
    if unknown:
        tests = [{"experiment": name} for name in unknown]
        raise refusal(experiment.words, "unknown_group", tests, group=group)


def refuse_before_others(experiment: Experiment, snapshot: date) -> None:
    """Refuse to take members before the experiments that come first have theirs, of this day, too, where members enter theirs day by day.

    Raises:
        RefusedError: An experiment of `yields_to` is no test of the group that has assigned members, or not yet those of
            the snapshot.
        OutsideError: The lock or the ledger of such an experiment cannot be read.
    """
    audience = experiment.definition.audience
    if not audience.yields_to or audience.exclusive_group is None:
        return
    found = {test.experiment: test for test in other_tests(experiment, audience.exclusive_group)}
    words, group = experiment.words, audience.exclusive_group
    where = ", ".join(map(str, (experiment.workspace.out, *experiment.ledgers)))
    absent = [{"other": other} for other in audience.yields_to if other not in found]
    behind = [
        {"other": name} for name in audience.yields_to if name in found and _is_behind(found[name], snapshot)
    ]
    refusals = [
        *([refusal(words, "not_yet_assigned", absent, group=group, where=where)] if absent else []),
        *([refusal(words, "not_yet_this_day", behind, group=group, day=snapshot)] if behind else []),
    ]
    if refusals:
        told = [reason for each in refusals for reason in each.reasons]
        raise RefusedError(told, refusals[0].next_step)


def _is_behind(test: GroupTest, day: date) -> bool:
    """Whether members still enter a test day by day, and those of this day have not yet."""
    audience = (test.locked or {}).get("audience", {})
    if test.space is None or test.locked is None or audience.get("snapshot") != DAILY:
        return False
    until, size = audience.get("until"), test.locked["assignment"].get("sample_size")
    is_over = until is not None and date.fromisoformat(until) < day
    is_full = size is not None and test.ledger.state().members >= size
    last = last_entry_day(test.space)
    return not (is_over or is_full) and (last is None or last < day)
