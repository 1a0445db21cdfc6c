"""Arms that another system drew: which label of the data is which arm."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.definition.model import MEMBERS, Definition


def recorded_source(definition: Definition) -> str:
    """The data source that holds the recorded arms."""
    return definition.assignment.from_ or MEMBERS


def arm_of_label(definition: Definition) -> Mapping[str, str]:
    """Label, as text, to arm; the arm's own id where `values` says nothing of it."""
    values = definition.assignment.values or {}
    return {str(values.get(arm.id, arm.id)): arm.id for arm in definition.all_arms}
