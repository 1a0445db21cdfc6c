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
    where: Expression | None = None
    window_days: Days | None = None
    missing: Missing | None = None


class BinaryMetric(_Measured):
    """1 where a row in the window meets `where`, or where the member's own `value` is true or not 0; else 0."""

    type: Literal["binary"]
    value: Expression | None = None


class SumMetric(_Measured):
    """The sum of `value` over the member's rows in the window; no row is 0."""

    type: Literal["sum"]
    value: Expression
    winsorize_at: Probability | None = None


class CountMetric(_Measured):
    """The number of the member's rows in the window."""

    type: Literal["count"]
    value: Expression | None = None
    winsorize_at: Probability | None = None


class RatioMetric(Block):
    """The ratio of two metrics' sums over members; not causal for each order."""

    type: Literal["ratio"]
    numerator: str
    denominator: str


class FormulaMetric(Block):
    """An expression over the member's other metrics and `contact_cost`."""

    type: Literal["formula"]
    value: Expression


MeasuredMetric = BinaryMetric | SumMetric | CountMetric
Metric = Annotated[
    BinaryMetric | SumMetric | CountMetric | RatioMetric | FormulaMetric, Field(discriminator="type")
]
