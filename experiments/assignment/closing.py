"""Closing an arm in the middle of a test: who may close it and when, the record that it was, and until when it is sent.

Nobody is drawn anew. Whom the draw gives a closed arm has it in the ledger, is not sent to, and is left out of the analysis; the
interval of the arm is not given to others, so that all other members have the arms that they would have had.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, time

from experiments.assignment.locked import differing_keys, refuse_changes
from experiments.definition.assignment import ClosedArm
from experiments.definition.errors import InputError, OutsideError
from experiments.definition.lock import canonical_json
from experiments.definition.model import Definition
from experiments.documents.storage import read_document, to_json
from experiments.experiment import Experiment
from experiments.files import write_whole
from experiments.refusals import refusal

_KEY = "assignment.closed"


@dataclass(frozen=True)
class Closing:
    """One arm that was closed.

    Attributes:
        arm: The arm.
        closed_from: The first day of which nobody is sent to (ISO 8601).
        recorded_at: When `assign` recorded it (UTC, ISO 8601).
        definition_sha256: The lock from then on.
    """

    arm: str
    closed_from: str
    recorded_at: str
    definition_sha256: str


@dataclass(frozen=True)
class Closings:
    """Every closing of an experiment, in the order in which they were recorded."""

    experiment: str
    closings: tuple[Closing, ...] = ()
    schema: str = "offerwise.closings/1"


def closes_at(definition: Definition, arm: str) -> datetime | None:
    """The moment from which nobody of an arm is sent to; None where it stays open."""
    for each in definition.assignment.closed or ():
        if each.arm == arm:
            return datetime.combine(each.from_, time(), definition.zone)
    return None


def recorded_closing(experiment: Experiment, arm: str) -> Closing:
    """What `assign` recorded of an arm that is closed in the locked definition.

    Raises:
        OutsideError: The record cannot be read, or has no such entry.
    """
    found = next((each for each in _read(experiment).closings if each.arm == arm), None)
    if found is None:
        raise _unread(experiment)
    return found


def begin_record(experiment: Experiment) -> None:
    """Enter what the definition closes before anybody is drawn; call it where the lock is first written.

    Raises:
        OutsideError: The record cannot be written.
    """
    closed = experiment.definition.assignment.closed or ()
    if closed:
        _write(experiment, Closings(experiment.definition.id, _entries(experiment, closed)))
    else:
        # That of a first command which was killed before anybody was drawn.
        experiment.workspace.closings.unlink(missing_ok=True)


def accept_closings(experiment: Experiment) -> None:
    """Refuse a definition that differs from the lock, but record arms that are closed now, and lock the definition with them.

    A closing goes from today or a later day: whoever closes an arm then has seen no outcome of the members who are left out.

    Raises:
        RefusedError: Another key differs, a closing was changed or taken back, or it goes from a day that is over.
        OutsideError: The lock or the record cannot be read or written.
    """
    changed = differing_keys(experiment)
    refuse_changes(experiment.words, [each for each in changed if not each.key.startswith(_KEY)])
    if not changed:
        _require_record(experiment)
        return
    now, before = experiment.definition.assignment.closed or (), _locked(experiment)
    if now[: len(before)] != before:
        refuse_changes(experiment.words, changed)
    today = experiment.now.astimezone(experiment.definition.zone).date()
    added = now[len(before) :]
    over = [each for each in added if each.from_ < today]
    if over:
        days = [{"arm": each.arm, "day": each.from_, "today": today} for each in over]
        raise refusal(experiment.words, "closed_late", days)
    _record(experiment, added)
    write_whole(experiment.workspace.lock, canonical_json(experiment.definition))


def _locked(experiment: Experiment) -> tuple[ClosedArm, ...]:
    """The closings that stand in the lock."""
    locked = json.loads(experiment.workspace.lock.read_text(encoding="utf8"))
    return tuple(ClosedArm.model_validate(each) for each in locked["assignment"].get("closed", ()))


def _record(experiment: Experiment, added: tuple[ClosedArm, ...]) -> None:
    """Enter the closings; one that a command entered before it was killed is not entered twice."""
    record = _read(experiment)
    known = {(each.arm, each.closed_from) for each in record.closings}
    new = [each for each in _entries(experiment, added) if (each.arm, each.closed_from) not in known]
    _write(experiment, Closings(record.experiment, (*record.closings, *new)))


def _entries(experiment: Experiment, closed: tuple[ClosedArm, ...]) -> tuple[Closing, ...]:
    at = experiment.now.astimezone(UTC).isoformat(timespec="seconds")
    sha256 = experiment.definition.origin.sha256
    return tuple(Closing(each.arm, each.from_.isoformat(), at, sha256) for each in closed)


def _require_record(experiment: Experiment) -> None:
    """Every arm that the lock closes was recorded first: where one is missing, the record was lost."""
    if experiment.workspace.lock.is_file():
        for each in experiment.definition.assignment.closed or ():
            recorded_closing(experiment, each.arm)


def _write(experiment: Experiment, record: Closings) -> None:
    write_whole(experiment.workspace.closings, to_json(record))


def _read(experiment: Experiment) -> Closings:
    try:
        found = read_document(Closings, experiment.workspace.closings)
    except InputError as error:
        raise _unread(experiment) from error
    return found or Closings(experiment.definition.id)


def _unread(experiment: Experiment) -> OutsideError:
    return OutsideError(
        f"Could not read {experiment.workspace.closings}, the record of arms that were closed",
        "Nothing was changed",
        "Restore it from a backup",
    )
