"""Looks: how often the data may be read, and what this version can plan and analyse."""

from __future__ import annotations

from experiments.definition.errors import RefusedError
from experiments.definition.goals import FixedLooks
from experiments.definition.model import Definition


def require_fixed_looks(definition: Definition) -> None:
    """Refuse plans with more than one look: fixed-horizon tests on them would find effects too often.

    Raises:
        RefusedError: `design.looks` is not `{kind: fixed}`.
    """
    looks = definition.design.looks
    if not isinstance(looks, FixedLooks):
        place = definition.origin.place(("design", "looks"))
        raise RefusedError(
            [
                f"{place.file}:{place.line}: design.looks: this version plans and analyses fixed looks only, "
                f"and the definition plans `{looks.kind}`"
            ],
            "Read the data once, after every window has closed: write `looks: {kind: fixed}` in a new definition "
            "before its members are assigned",
        )
