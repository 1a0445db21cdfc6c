"""Factors: what each factor of the arms does by itself, and whether factors change each other's effect."""

from __future__ import annotations

from experiments.decision.contrasts import Contrasts
from experiments.decision.effects import deciding_metrics
from experiments.definition.arms import CONTROL
from experiments.definition.model import Definition
from experiments.documents.analysis import FactorialTerm
from experiments.inference.corrections import adjust
from experiments.inference.factorial import Cell, Factor, factorial_terms


def compare_factors(definition: Definition, contrasts: Contrasts) -> tuple[FactorialTerm, ...]:
    """Main effects and interactions on the primary and the value metric, each kind of term a family of its own, by Holm.

    The factors' main effects are one family, the interactions one, and the pairs of levels of each factor one. Empty
    where the arms are a plain list. A metric is left out where an arm shows no mean with a variance.

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
    families: dict[str, list[int]] = {}
    for place, term in enumerate(terms):
        families.setdefault(_family(term.term), []).append(place)
    adjusted = [1.0] * len(terms)
    for places in families.values():
        p_values = [terms[place].p_value for place in places]
        for place, p in zip(places, adjust([1.0 if p is None else p for p in p_values], "holm"), strict=True):
            adjusted[place] = p
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


def _family(term: str) -> str:
    """`main` of a factor, `interaction` of two, or the factor whose levels a pair compares.

    >>> [_family(term) for term in ("copy", "offer:copy", "offer:pts - offer:cpn")]
    ['main', 'interaction', 'pairs of offer']
    """
    if " - " in term:
        return f"pairs of {term.partition(':')[0]}"
    return "interaction" if ":" in term else "main"


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
