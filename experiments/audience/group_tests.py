"""The other tests of an exclusive group: on files under every folder that is looked at, and in the tables of the engine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.assignment.file_ledger import FileLedger
from experiments.assignment.group_table import announced_names, announced_tests
from experiments.assignment.ledger import Ledger
from experiments.assignment.ledger_folders import ledger_folders
from experiments.assignment.open_ledger import open_ledger
from experiments.assignment.table_ledger import TableLedger, assigned_experiments
from experiments.definition.errors import OutsideError
from experiments.engines.protocol import KeepsTables
from experiments.experiment import Experiment
from experiments.files import Workspace
from experiments.refusals import refusal


@dataclass(frozen=True)
class GroupTest:
    """Another test of the group.

    Attributes:
        experiment: Its id.
        ledger: Whom it has assigned.
        window_days: Its longest outcome window.
        space: Its folder; None where that is under none that is looked at, and its ledger is a table.
        locked: The definition that it was locked with; None where its folder is.
    """

    experiment: str
    ledger: Ledger
    window_days: int
    space: Workspace | None = None
    locked: Mapping[str, Any] | None = None


def other_tests(experiment: Experiment, group: str) -> tuple[GroupTest, ...]:
    """The other tests of the group that have assigned members, each once.

    Raises:
        RefusedError: The experiment itself has assigned members under another folder, too.
        OutsideError: The lock or the ledger of another test cannot be read.
    """
    found = {each.experiment: each for each in _in_tables(experiment, group)}
    for space in _folders(experiment):
        if space.experiment == experiment.workspace.experiment:
            _refuse_second_folder(experiment, space)
            continue
        locked = _read_lock(experiment, space)
        if locked is None or locked.get("audience", {}).get("exclusive_group") != group:
            continue
        known = found.get(space.experiment)
        ledger = known.ledger if known else open_ledger(space, experiment.engine)
        if known or ledger.state().exists:
            days = longest_window(locked)
            found[space.experiment] = GroupTest(space.experiment, ledger, days, space, locked)
    return tuple(found.values())


def unannounced_tests(experiment: Experiment) -> tuple[str, ...]:
    """The other tests in the engine's table of whom nothing tells whether they are in the group: no row of it, and no folder.

    Raises:
        OutsideError: The engine fails.
    """
    engine = experiment.engine
    if not isinstance(engine, KeepsTables):
        return ()
    looked_at = {space.experiment for space in _folders(experiment) if space.lock.is_file()}
    known = {*looked_at, *announced_names(engine, engine.lasting), experiment.workspace.experiment}
    return tuple(each for each in assigned_experiments(engine, engine.lasting) if each not in known)


def _in_tables(experiment: Experiment, group: str) -> Iterator[GroupTest]:
    engine, own = experiment.engine, experiment.workspace
    if not isinstance(engine, KeepsTables):
        return
    for each in announced_tests(engine, engine.lasting, group):
        ledger = TableLedger(Workspace(own.out, each.experiment), engine, engine.lasting)
        if each.experiment != own.experiment and ledger.drew_by(each.definition_sha256):
            yield GroupTest(each.experiment, ledger, each.window_days)


def _folders(experiment: Experiment) -> Iterator[Workspace]:
    """The folders of all experiments that are looked at, but the own one."""
    for out in ledger_folders(experiment):
        for folder in sorted(path for path in out.glob("*") if path.is_dir()):
            if out != experiment.workspace.out or folder.name != experiment.workspace.experiment:
                yield Workspace(out, folder.name)


def _refuse_second_folder(experiment: Experiment, space: Workspace) -> None:
    """One test has one ledger: a second one would draw its members again."""
    if FileLedger(space, experiment.engine).is_begun:
        raise refusal(experiment.words, "second_folder", experiment=space.experiment, out=space.out)


def _read_lock(experiment: Experiment, space: Workspace) -> Mapping[str, Any] | None:
    """The definition that a test was locked with; None where it has assigned nobody.

    Raises:
        OutsideError: It cannot be read, or the ledger stands without it.
    """
    if not space.lock.is_file() and not FileLedger(space, experiment.engine).is_begun:
        return None
    try:
        found = json.loads(space.lock.read_text(encoding="utf8"))
    except (OSError, ValueError) as error:
        raise _unread(space.lock) from error
    # Every lock has both; a text without them would be read as a test in no group.
    if not isinstance(found, dict) or not isinstance(found.get("metrics"), dict) or "audience" not in found:
        raise _unread(space.lock)
    return found


def _unread(lock: Path) -> OutsideError:
    return OutsideError(
        f"Could not read {lock}, the lock of another test",
        "Nothing was changed",
        "Restore it from a backup, or move that experiment's folder elsewhere",
    )


def longest_window(locked: Mapping[str, Any]) -> int:
    """The longest outcome window of a locked definition, in days."""
    return max((metric.get("window_days") or 0 for metric in locked["metrics"].values()), default=0)
