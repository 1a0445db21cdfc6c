"""Heavy tails: how many members must have done something for the error rate of a mean's test to be trusted, and when."""

from __future__ import annotations

from experiments.definition.design import Design, GroupSequentialLooks
from experiments.definition.metrics import CountMetric, SumMetric
from experiments.definition.model import Definition

FEWEST_NONZERO = 200
"""Non-zero values that an arm needs for the level of Welch's test to be trusted (8.8 % instead of 5 % with 18)."""

FEWEST_WITH_POCOCK = 1000
"""The same at the first of several looks that spend by Pocock, whose bounds there lie far in the tail while they spend much:
22 offers, 14 looks and a control of nine times an arm showed 8.2 % with 200, 5.2 % with 1,000."""


def fewest_nonzero(design: Design) -> int:
    """Non-zero values that an arm needs at the first look: more where the looks spend by Pocock."""
    looks = design.looks
    pocock = isinstance(looks, GroupSequentialLooks) and looks.spending == "pocock"
    return FEWEST_WITH_POCOCK if pocock else FEWEST_NONZERO


def first_look(design: Design) -> float:
    """The part of the planned members that the first planned look reads; all of them in a fixed or always-valid design."""
    looks = design.looks
    return looks.at[0] if isinstance(looks, GroupSequentialLooks) else 1.0


def tailed_metrics(definition: Definition) -> tuple[str, ...]:
    """The metrics that may have heavy tails: sums and counts; formulas and ratios rest on these."""
    return tuple(
        name for name, metric in definition.metrics.items() if isinstance(metric, SumMetric | CountMetric)
    )
