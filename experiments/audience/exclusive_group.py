"""Exclusive groups: a member is in one running test of a group at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from sqlglot import exp

from experiments.assignment.ledger import Ledger
from experiments.assignment.open_ledger import open_ledger
from experiments.audience.event_pass import local_midnight
from experiments.definition.errors import OutsideError, RefusedError
from experiments.experiment import Experiment
from experiments.files import Workspace
from experiments.queries import coalesce, column, named, relation


def members_in_running_tests(experiment: Experiment, snapshot: date) -> list[exp.Select]:
    """The members of other tests of the group under the same `--out` whose window is open at 00:00 of the snapshot.

    A member's window closes the longest `window_days` of that test after the planned send; a test that will
    start later is running, too. With `cool_down_days` a member stays out for so many days longer.

    Returns:
        One query for each such test, with the key as `member`.

    Raises:
        OutsideError: The lock or the ledger of another test cannot be read.
    """
    group = experiment.definition.audience.exclusive_group
    if group is None:
        return []
    cool_down = experiment.definition.audience.cool_down_days
    engine = experiment.engine
    opens = engine.instant_literal(local_midnight(experiment.definition, snapshot))
    found = []
    for place, (ledger, locked) in enumerate(_others(experiment, group)):
        name = f"exclusive_group_{place}"
        ledger.read(name)
        start = coalesce(column("planned_send_at"), column("assigned_at"))
        closes = engine.add_days(start, _longest_window(locked) + (cool_down or 0))
        query = exp.select(named(column("member"), "member")).from_(relation(name))
        found.append(query.where(exp.GT(this=closes, expression=opens.copy())))
    return found


def refuse_before_others(experiment: Experiment) -> None:
    """Refuse to take members before the experiments that come first have theirs.

    Raises:
        RefusedError: An experiment of `yields_to` has assigned nobody under the same `--out`.
        OutsideError: The ledger of such an experiment cannot be read.
    """
    audience = experiment.definition.audience
    missing = [
        other
        for other in audience.yields_to or ()
        if not open_ledger(Workspace(experiment.workspace.out, other), experiment.engine).state().exists
    ]
    if missing:
        raise RefusedError(
            [
                f"{other} comes first in the group {audience.exclusive_group}, and has assigned nobody under {experiment.workspace.out}"
                for other in missing
            ],
            "run `offerwise assign` on it first, or take it out of `audience.yields_to`",
        )


def _others(experiment: Experiment, group: str) -> Iterator[tuple[Ledger, Mapping[str, Any]]]:
    """The other experiments of the group that have assigned members."""
    workspace = experiment.workspace
    for folder in sorted(path for path in workspace.out.glob("*") if path.is_dir()):
        other = Workspace(workspace.out, folder.name)
        if folder.name == workspace.experiment or not other.lock.is_file():
            continue
        locked = _read(other.lock)
        ledger = open_ledger(other, experiment.engine)
        if locked.get("audience", {}).get("exclusive_group") == group and ledger.state().exists:
            yield ledger, locked


def _read(lock: Path) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = json.loads(lock.read_text(encoding="utf8"))
    except (OSError, ValueError) as error:
        raise OutsideError(
            f"Could not read {lock}, the lock of another test",
            "Nothing was changed",
            "Restore it from a backup, or move that experiment's folder elsewhere",
        ) from error
    return found


def _longest_window(locked: Mapping[str, Any]) -> int:
    return max((metric.get("window_days") or 0 for metric in locked["metrics"].values()), default=0)
