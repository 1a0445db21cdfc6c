"""The folders in which tests of an exclusive group keep their ledgers, and a record in each of the others.

Commands that write under different `--out` folders see one another's tests where each is told of the others. The record keeps a
later command from looking at fewer folders than an earlier one did: it would give members a second test without knowing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from experiments.definition.errors import OutsideError
from experiments.experiment import Experiment
from experiments.files import write_whole
from experiments.refusals import refusal

_SCHEMA = "offerwise.ledgers/1"
_RECORD = ".offerwise.ledgers.json"


def ledger_folders(experiment: Experiment) -> tuple[Path, ...]:
    """The folders in which tests of the experiment's group stand, its own first; its own alone without a group."""
    own = experiment.workspace.out
    if experiment.definition.audience.exclusive_group is None:
        return (own,)
    others = {path.resolve(): None for path in experiment.ledgers if path.resolve() != own.resolve()}
    return (own, *others)


def refuse_unseen(experiment: Experiment) -> None:
    """Refuse to decide by fewer folders than tests of the group were drawn by.

    Raises:
        RefusedError: A record names a folder that this command does not look at.
        OutsideError: A record cannot be read.
    """
    group = experiment.definition.audience.exclusive_group
    if group is None:
        return
    folders = ledger_folders(experiment)
    seen = {str(folder.resolve()) for folder in folders}
    missing = {
        other: folder for folder in folders for other in _recorded(folder).get(group, ()) if other not in seen
    }
    if missing:
        raise refusal(
            experiment.words,
            "unseen_folder",
            [{"other": other, "folder": folder} for other, folder in missing.items()],
            group=group,
            options=" ".join(f"--ledgers {other}" for other in missing),
            record=_RECORD,
        )


def record_folders(experiment: Experiment) -> None:
    """Write into each folder which others its tests of the group are drawn beside; call it while all are held.

    Raises:
        OutsideError: A record cannot be read or written.
    """
    group, folders = experiment.definition.audience.exclusive_group, ledger_folders(experiment)
    if group is None or len(folders) == 1:
        return
    named = {str(folder.resolve()) for folder in folders}
    for folder in folders:
        recorded = _recorded(folder)
        together = sorted({*recorded.get(group, ()), *named})
        if list(recorded.get(group, ())) != together:
            body = {"schema": _SCHEMA, "groups": {**recorded, group: together}}
            write_whole(folder / _RECORD, json.dumps(body, ensure_ascii=False, indent=1) + "\n")


def _recorded(folder: Path) -> Mapping[str, tuple[str, ...]]:
    """Group to the folders that its tests were drawn by."""
    path = folder / _RECORD
    if not path.is_file():
        return {}
    try:
        groups = json.loads(path.read_text(encoding="utf8"))["groups"]
        return {str(group): tuple(map(str, folders)) for group, folders in groups.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise OutsideError(
            f"Could not read {path}, which names the folders of tests that are drawn beside each other",
            "Nothing was changed",
            "Restore it from a backup",
        ) from error
