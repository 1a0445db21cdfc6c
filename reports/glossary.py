"""What the terms and the methods of a report mean: only those that the report uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from experiments.definition.metric_units import money_metrics
from experiments.documents.analysis import Analysis
from experiments.documents.assignment import Assignment
from experiments.documents.design import Design
from reports.narrator import Narrator


@dataclass(frozen=True)
class Term:
    """A term and its meaning in one sentence."""

    name: str
    meaning: str


def methods_used(narrator: Narrator, analysis: Analysis) -> tuple[Term, ...]:
    """How the numbers were computed: one line for each `method` of the analysis."""
    effects = (*analysis.effects, *analysis.adjusted_effects, *analysis.arm_comparisons)
    codes = dict.fromkeys([*(e.method for e in effects), *(w.method for w in analysis.winner_corrected)])
    return tuple(Term(narrator.method(code), narrator.computed(code)) for code in codes)


def terms_used(
    narrator: Narrator,
    analysis: Analysis,
    design: Design | None,
    assignment: Assignment | None,
    *,
    policies: bool,
    rollout: bool,
) -> tuple[Term, ...]:
    """The terms of the sections that this report has, in the order in which they are met."""
    has_effects = bool(analysis.effects)
    capped = any(line.removed_by_cap is not None for line in analysis.money)
    groups: list[tuple[bool, Iterable[str]]] = [
        (True, ("intention",)),
        (has_effects, ("incremental", "interval", "lift", "p_value", "p_adjusted")),
        (bool(analysis.money), ("as_attributed", "cost_per_incremental")),
        (bool(analysis.money) and bool(money_metrics(narrator.definition)), ("roi", "break_even")),
        (capped, ("cap",)),
        (has_effects and "share" in {narrator.unit(e.metric) for e in analysis.effects}, ("points",)),
        (bool(analysis.winner_corrected), ("corrected",)),
        (bool(analysis.guardrails), ("guardrail",)),
        (bool(analysis.segments), ("shrunken", "heterogeneity")),
        (bool(analysis.factorial), ("interaction",)),
        (bool(analysis.bayes), ("odds",)),
        (bool(analysis.health), ("sample_ratio",)),
        (policies, ("policy_value", "qini")),
        (rollout, ("holdout",)),
        (design is not None, ("power",)),
        (assignment is not None and bool(assignment.balance), ("standardised",)),
    ]
    codes = [code for used, terms in groups if used for code in terms]
    return tuple(
        Term(narrator.say(f"term.{code}"), narrator.say(f"glossary.{code}", level=narrator.level))
        for code in codes
    )
