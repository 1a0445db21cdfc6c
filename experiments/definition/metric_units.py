"""What a metric is counted in: money, a share of members, or plain numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from experiments.definition.metrics import (
    CONTACT_COST,
    BinaryMetric,
    FormulaMetric,
    RatioMetric,
    SumMetric,
)
from experiments.definition.model import Definition

Unit = Literal["money", "share", "number"]


def unit_of(definition: Definition, metric: str) -> Unit:
    """The unit of a metric's mean per member.

    A definition declares a currency but no unit for each metric, so money is told by its use: a formula that is the
    value or that reads the contact cost is money, and so is each sum that such a formula reads, and a sum that is
    itself the value. A ratio is money where its numerator is money and its denominator is not. A binary metric is a share.
    """
    found = definition.metrics.get(metric)
    if isinstance(found, BinaryMetric):
        return "share"
    if isinstance(found, RatioMetric):
        money = money_metrics(definition)
        return "money" if found.numerator in money and found.denominator not in money else "number"
    return "money" if metric in money_metrics(definition) else "number"


def money_metrics(definition: Definition) -> frozenset[str]:
    """The formulas and the sums that are amounts of the definition's currency."""
    formulas = {
        name: metric for name, metric in definition.metrics.items() if isinstance(metric, FormulaMetric)
    }
    value = definition.goals.value_metric
    roots = [name for name, metric in formulas.items() if CONTACT_COST in metric.value.columns]
    found = set(_read_by(definition, [*roots, value]))
    return frozenset(
        name for name in found if isinstance(definition.metrics.get(name), FormulaMetric | SumMetric)
    )


def _read_by(definition: Definition, names: Iterable[str]) -> Iterable[str]:
    waiting, seen = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        metric = definition.metrics.get(name)
        if isinstance(metric, FormulaMetric):
            waiting.extend(metric.value.columns)
    return seen
