"""The value metric as money: its revenue, its costs, and what a member is worth at given totals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from sqlglot import exp

from experiments.definition.metrics import CONTACT_COST, FormulaMetric, Metric, SumMetric
from experiments.definition.model import Definition

_ONE = "1"
"""The term of a formula that multiplies nothing."""


@dataclass(frozen=True)
class ValueFormula:
    """Profit per member as a linear combination of measured metrics, contact cost and a constant.

    Attributes:
        terms: Metric to its coefficient.
        contact: Coefficient of the contact cost, usually -1.
        constant: What each member adds whatever they do.
        revenue: The sum metrics with a positive coefficient, in the definition's order.
    """

    terms: Mapping[str, float]
    contact: float
    constant: float
    revenue: tuple[str, ...]

    @cached_property
    def gains(self) -> Mapping[str, float]:
        """The terms that add."""
        return {metric: weight for metric, weight in self.terms.items() if weight > 0}

    @cached_property
    def costs(self) -> Mapping[str, float]:
        """The terms that subtract, with their size."""
        return {metric: -weight for metric, weight in self.terms.items() if weight < 0}


def value_formula(definition: Definition) -> ValueFormula | None:
    """The value metric as a linear formula of measured metrics.

    A sum metric is revenue from which the contact cost goes off. A formula is expanded through the formulas that it uses.

    Returns:
        None where the value metric is no amount (binary, count, ratio) or its formula is not linear.
    """
    name = definition.goals.value_metric
    metric = definition.metrics[name]
    if isinstance(metric, SumMetric):
        return ValueFormula({name: 1.0}, -1.0, 0.0, (name,))
    weights = linear_weights(metric.value.tree) if isinstance(metric, FormulaMetric) else None
    expanded = None if weights is None else _expand(weights, definition.metrics)
    if expanded is None:
        return None
    terms = {name: weight for name, weight in expanded.items() if name in definition.metrics}
    revenue = tuple(
        name
        for name, metric in definition.metrics.items()
        if isinstance(metric, SumMetric) and terms.get(name, 0.0) > 0
    )
    return ValueFormula(terms, expanded.get(CONTACT_COST, 0.0), expanded.get(_ONE, 0.0), revenue)


def linear_weights(tree: exp.Expr) -> dict[str, float] | None:
    """The coefficient of each column in an arithmetic tree, the constant under `1`; None where it is not linear.

    >>> import sqlglot
    >>> linear_weights(sqlglot.parse_one("0.5 * (revenue - returns) - contact_cost"))
    {'revenue': 0.5, 'returns': -0.5, 'contact_cost': -1.0}
    """
    match tree:
        case exp.Paren():
            return linear_weights(tree.this)
        case exp.Column():
            return {tree.name: 1.0}
        case exp.Literal() if not tree.is_string:
            return {_ONE: float(tree.this)}
        case exp.Neg():
            return _scaled(linear_weights(tree.this), -1.0)
        case exp.Add() | exp.Sub():
            sign = 1.0 if isinstance(tree, exp.Add) else -1.0
            return _added(linear_weights(tree.this), _scaled(linear_weights(tree.expression), sign))
        case exp.Mul() | exp.Div():
            return _multiplied(tree)
        case _:
            return None


def _multiplied(tree: exp.Mul | exp.Div) -> dict[str, float] | None:
    first, second = linear_weights(tree.this), linear_weights(tree.expression)
    factor = _constant(second)
    if factor is not None:
        if isinstance(tree, exp.Mul):
            return _scaled(first, factor)
        return _scaled(first, 1 / factor) if factor else None
    factor = _constant(first)
    return _scaled(second, factor) if factor is not None and isinstance(tree, exp.Mul) else None


def _constant(weights: dict[str, float] | None) -> float | None:
    return weights[_ONE] if weights is not None and set(weights) == {_ONE} else None


def _scaled(weights: dict[str, float] | None, factor: float) -> dict[str, float] | None:
    return None if weights is None else {name: weight * factor for name, weight in weights.items()}


def _added(first: dict[str, float] | None, second: dict[str, float] | None) -> dict[str, float] | None:
    if first is None or second is None:
        return None
    return {name: first.get(name, 0.0) + second.get(name, 0.0) for name in {**first, **second}}


def _expand(weights: Mapping[str, float], metrics: Mapping[str, Metric]) -> dict[str, float] | None:
    """The weights with every formula replaced by its own terms; None where one of them is not linear."""
    expanded: dict[str, float] | None = {}
    for name, weight in weights.items():
        metric = metrics.get(name)
        inner: dict[str, float] | None = {name: 1.0}
        if isinstance(metric, FormulaMetric):
            own = linear_weights(metric.value.tree)
            inner = None if own is None else _expand(own, metrics)
        expanded = _added(expanded, _scaled(inner, weight))
    return expanded
