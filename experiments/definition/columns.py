"""Columns that Offerwise computes beside those of the data; nothing of the data stands under one of their names."""

from __future__ import annotations

from typing import Literal, get_args

from experiments.definition.audience import SEGMENT

UNDER_FLOOR = "under_floor"
"""Whether a member had fewer contacts of the kind that is sent than the floor of the own stage."""

_OF_ASSIGNMENT = frozenset(
    {"experiment", "member", "arm", SEGMENT, "stratum", "batch", "propensity", "planned_send_at", "assigned_at",
     "definition_sha256", "refused_by", "refused_rule", "contacts__care", "contacts__marketing", UNDER_FLOOR}
)  # fmt: skip

Computed = Literal["value", "missing", "unknown", "metric", "raw", "covariate", "cell"]
"""What is computed for a metric, a covariate or the cells, each under a prefix of its own."""

_PREFIXES = tuple(f"{what}__" for what in get_args(Computed))


def computed_column(what: Computed, name: str) -> str:
    """The column with what is computed for the metric or covariate `name`.

    >>> computed_column("metric", "spend")
    'metric__spend'
    """
    return f"{what}__{name}"


def is_reserved(name: str) -> bool:
    """Whether a column of the data, or a feature, would take the place of one of ours; engines fold capitals.

    >>> [is_reserved(name) for name in ("Arm", "metric__spend", "metric_spend", "tier")]
    [True, True, False, False]
    """
    folded = name.casefold()
    return folded in _OF_ASSIGNMENT or folded.startswith(_PREFIXES)
