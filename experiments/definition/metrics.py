"""Metrics: one number for each member assigned, in a window that starts at the planned send time."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from experiments.definition.block import Block, Days, Probability
from experiments.definition.expressions import Expression

CONTACT_COST = "contact_cost"
"""What contacting the member cost, by the arm's own figures; formulas may use it like a metric."""

Missing = Literal["zero", "drop"]


class _Measured(Block):
    """A metric that reads rows: of an event source in a window, or the member's own row."""

    from_: str = Field(alias="from")
    """`members`, or an event source."""
    where: Expression | None = None
    """Only rows that meet this condition."""
    window_days: Days | None = None
    """So many days from the planned send time; for event sources only."""
    missing: Missing | None = None
    """What a missing value in the member's own row means."""
    of_others: bool | None = None
    """Whether other people than the member do it (friends who are brought), so that one arm's members may change another's."""


class BinaryMetric(_Measured):
    """1 where a row in the window meets `where`, or where the member's own `value` is true or 1; else 0."""

    type: Literal["binary"]
    """Did it happen?"""
    value: Expression | None = None
    """A column or expression of the member's own row."""


class SumMetric(_Measured):
    """The sum of `value` over the member's rows in the window; no row is 0."""

    type: Literal["sum"]
    """How much?"""
    value: Expression
    """What is added up."""
    winsorize_at: Probability | None = None
    """The quantile of the non-zero values at which larger ones are cut."""


class CountMetric(_Measured):
    """The number of the member's rows in the window."""

    type: Literal["count"]
    """How often?"""
    value: Expression | None = None
    """A column with the count in the member's own row."""
    winsorize_at: Probability | None = None
    """The quantile of the non-zero values at which larger ones are cut."""


class RatioMetric(Block):
    """The ratio of two metrics' sums over members; not causal for each order."""

    type: Literal["ratio"]
    """How much for each?"""
    numerator: str
    """A sum, count or binary metric."""
    denominator: str
    """A sum, count or binary metric."""


class FormulaMetric(Block):
    """An expression over the member's other metrics and `contact_cost`."""

    type: Literal["formula"]
    """A figure made of others."""
    value: Expression
    """An expression over metrics and `contact_cost`."""


MeasuredMetric = BinaryMetric | SumMetric | CountMetric
Metric = Annotated[
    BinaryMetric | SumMetric | CountMetric | RatioMetric | FormulaMetric, Field(discriminator="type")
]
