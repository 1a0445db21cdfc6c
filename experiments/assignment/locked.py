"""The lock beside the ledger: is the definition still the one that the arms were drawn by?"""

from __future__ import annotations

from collections.abc import Sequence

from experiments.assignment.open_ledger import open_ledger
from experiments.definition.errors import OutsideError
from experiments.definition.lock import Difference, canonical_json, differences
from experiments.experiment import Experiment
from experiments.language import Words
from experiments.refusals import refusal

_LONGEST = 80


def differing_keys(experiment: Experiment) -> tuple[Difference, ...]:
    """The keys in which the definition differs from the one that was locked; empty where nothing is locked.

    The lock may be newer than the ledger's last batch, which was drawn before an arm was closed.

    Raises:
        OutsideError: The lock is lost or damaged, or the ledger cannot be read.
    """
    drawn = open_ledger(experiment.workspace, experiment.engine).state()
    is_as_drawn = drawn.definition_sha256 == experiment.definition.origin.sha256
    if not drawn.exists or (is_as_drawn and not experiment.workspace.closings.exists()):
        return ()
    try:
        old = experiment.workspace.lock.read_text(encoding="utf8")
        return tuple(differences(old, canonical_json(experiment.definition)))
    except (OSError, ValueError) as error:
        raise OutsideError(
            f"Could not read {experiment.workspace.lock}, the lock of the definition",
            "Nothing was changed",
            "Restore it from a backup",
        ) from error


def refuse_changes(words: Words, changed: Sequence[Difference]) -> None:
    """Refuse to go on by a definition that differs from the lock.

    Raises:
        RefusedError: Some key differs; each is named with both of its values.
    """
    if changed:
        raise refusal(
            words,
            "changed",
            [
                {"key": each.key, "old": _shown(words, each.old), "new": _shown(words, each.new)}
                for each in changed
            ],
        )


def _shown(words: Words, value: object) -> str:
    text = words.say("experiments", "refused.absent") if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
