"""Factors: what each factor of the arms does by itself, and whether factors change each other's effect."""

from __future__ import annotations

from experiments.decision.contrasts import Contrasts
from experiments.decision.effects import deciding_metrics
from experiments.definition.arms import CONTROL
from experiments.definition.model import Definition
from experiments.documents import FactorialTerm
from experiments.inference.corrections import adjust
from experiments.inference.factorial import Cell, Factor, factorial_terms


def compare_factors(definition: Definition, contrasts: Contrasts) -> tuple[FactorialTerm, ...]:
    """Main effects and interactions on the primary and the value metric, Holm within each metric.

    Empty where the arms are a plain list. A metric is left out where an arm shows no mean with a variance.

    Args:
        definition: Names factors, arms, metrics and alpha.
        contrasts: The unadjusted ones: an arm's adjusted mean belongs to its own comparison with control.
    """
    declared = definition.arms.factors
    if declared is None:
        return ()
    factors = [Factor(name, tuple(levels)) for name, levels in declared.items()]
    found: list[FactorialTerm] = []
    for metric in deciding_metrics(definition.goals):
        cells = _cells(definition, contrasts, metric)
        if cells:
            found += _terms(metric, factors, cells, definition.design.alpha)
    return tuple(found)


def _terms(metric: str, factors: list[Factor], cells: list[Cell], alpha: float) -> list[FactorialTerm]:
    terms = factorial_terms(factors, cells, alpha)
    adjusted = adjust([1.0 if term.p_value is None else term.p_value for term in terms], "holm")
    return [
        FactorialTerm(
            metric=metric,
            term=term.term,
            estimate=term.estimate,
            std_error=term.std_error,
            low=term.low,
            high=term.high,
            statistic=term.statistic,
            p_value=term.p_value,
            p_value_adjusted=None if term.p_value is None else p,
            degrees=term.degrees,
        )
        for term, p in zip(terms, adjusted, strict=True)
    ]


def _cells(definition: Definition, contrasts: Contrasts, metric: str) -> list[Cell]:
    """The arms' means; empty where one has none."""
    cells = []
    for arm in definition.offer_arms:
        comparison = contrasts.compare(metric, arm.id, CONTROL)
        if comparison is None or comparison.variance_arm is None:
            return []
        levels = tuple(level for _, level in arm.levels)
        cells.append(Cell(levels, comparison.mean_arm, comparison.variance_arm))
    return cells
