"""Buyers: who counts as one, so that attributed and incremental buyers mean the same in every arm."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.decision.contrasts import Contrasts
from experiments.definition.arms import CONTROL
from experiments.definition.metrics import BinaryMetric, SumMetric
from experiments.definition.model import MEMBERS, Definition


@dataclass(frozen=True)
class Buyers:
    """Counts buyers by one metric.

    Attributes:
        metric: A binary metric, whose ones are the buyers, or an amount, whose members above or below 0 are.
        binary: Which of the two it is.
    """

    metric: str
    binary: bool

    def attributed(self, contrasts: Contrasts, arm: str) -> int:
        """The buyers among the members of an arm, whatever made them buy."""
        measured = contrasts.metrics[self.metric]
        return measured.arm(arm).nonzero_count(measured.value)

    def incremental(self, contrasts: Contrasts, arm: str, members: int) -> float | None:
        """The buyers of an arm that there would not have been without contact: the effect times its members."""
        if self.binary:
            comparison = contrasts.compare(self.metric, arm, CONTROL)
            return comparison.difference * members if comparison else None
        measured = contrasts.metrics[self.metric]
        sides = measured.arm(arm), measured.arm(CONTROL)
        if not all(side.count for side in sides):
            return None
        first, second = (side.nonzero_count(measured.value) / side.count for side in sides)
        return (first - second) * members


def find_buyers(definition: Definition, revenue: tuple[str, ...]) -> Buyers | None:
    """The metric that says who is a buyer.

    It is the binary metric that reads the same events as the first revenue metric, by the same condition and window;
    where there is none, the revenue itself; where there is no revenue, the primary metric if it is binary.
    """
    if not revenue:
        primary = definition.goals.primary.metric
        return Buyers(primary, binary=True) if definition.metrics[primary].type == "binary" else None
    amount = definition.metrics[revenue[0]]
    assert isinstance(amount, SumMetric)
    for name, metric in definition.metrics.items():
        if isinstance(metric, BinaryMetric) and _reads_the_same(metric, amount):
            return Buyers(name, binary=True)
    return Buyers(revenue[0], binary=False)


def _reads_the_same(metric: BinaryMetric, amount: SumMetric) -> bool:
    if amount.from_ == MEMBERS or metric.value is not None:
        return False
    return (metric.from_, metric.where, metric.window_days) == (
        amount.from_,
        amount.where,
        amount.window_days,
    )
