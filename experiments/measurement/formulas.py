"""Formula and ratio metrics: which measured metrics they rest on, and a formula as a value of the member's row."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from experiments.definition.arms import Arm
from experiments.definition.metrics import CONTACT_COST, FormulaMetric, Metric, RatioMetric
from experiments.definition.model import Definition
from experiments.engines.protocol import ColumnType, Engine
from experiments.engines.translate import translate
from experiments.queries import double


def measured_parts(metrics: Mapping[str, Metric], name: str) -> tuple[str, ...]:
    """The metrics read from rows that a metric rests on, each once; a measured metric rests on itself.

    >>> from experiments.definition.metrics import CountMetric
    >>> parts = {"orders": CountMetric(type="count", **{"from": "o"}), "visits": CountMetric(type="count", **{"from": "v"})}
    >>> ratio = RatioMetric(type="ratio", numerator="orders", denominator="visits")
    >>> measured_parts({**parts, "rate": ratio}, "rate")
    ('orders', 'visits')
    """
    metric = metrics[name]
    if isinstance(metric, RatioMetric):
        operands: tuple[str, ...] = (metric.numerator, metric.denominator)
    elif isinstance(metric, FormulaMetric):
        operands = tuple(operand for operand in metric.value.columns if operand != CONTACT_COST)
    else:
        return (name,)
    return tuple(dict.fromkeys(part for operand in operands for part in measured_parts(metrics, operand)))


def formula_value(
    definition: Definition, engine: Engine, name: str, values: Mapping[str, exp.Expr], arm: exp.Expr
) -> exp.Expr:
    """A metric over the member's measured metrics and what contacting the member cost, formulas in formulas included.

    Args:
        definition: Where the formula and the arms' costs stand.
        engine: The engine that will compute it.
        name: The metric; one that is no formula is its own value.
        values: Measured metric to its value, a double.
        arm: The member's arm id.
    """
    metric = definition.metrics[name]
    if not isinstance(metric, FormulaMetric):
        return values[name]

    def operand(operand_name: str) -> exp.Expr:
        if operand_name == CONTACT_COST:
            return contact_cost(definition.all_arms, arm)
        return exp.paren(formula_value(definition, engine, operand_name, values, arm))

    kinds = dict.fromkeys(metric.value.columns, ColumnType.FLOAT)
    return translate(metric.value, operand, kinds, engine, definition.zone)


def contact_cost(arms: tuple[Arm, ...], arm: exp.Expr) -> exp.Expr:
    """What contacting a member of an arm costs, as a double.

    >>> from fractions import Fraction
    >>> arms = (Arm("control", "No mail", Fraction(1, 2)), Arm("mail", "Mail", Fraction(1, 2), cost_per_send=0.5))
    >>> print(contact_cost(arms, exp.column("arm")).sql("duckdb"))
    CASE arm WHEN 'mail' THEN CAST('0.5' AS DOUBLE) ELSE CAST('0.0' AS DOUBLE) END
    """
    charged = [each for each in arms if each.contact_cost]
    if not charged:
        return double(0.0)
    case = exp.Case(this=arm.copy())
    for each in charged:
        case = case.when(exp.Literal.string(each.id), double(each.contact_cost))
    return case.else_(double(0.0))
