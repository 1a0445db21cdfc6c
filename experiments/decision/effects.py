"""Effects: every metric's difference between arms as rows, each with its family's correction."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from experiments.decision.contrasts import Contrasts
from experiments.decision.family import Contrast, Family, Interval
from experiments.definition.arms import CONTROL
from experiments.definition.design import Correction
from experiments.definition.goals import Goals
from experiments.definition.model import Definition
from experiments.documents.analysis import Effect, Role


@dataclass(frozen=True)
class Effects:
    """The rows of one reading of the data, raw or adjusted.

    Attributes:
        versus_control: Every offer arm against control: each goal's metric overall, then by segment.
        between_offers: Every pair of offer arms, overall.
    """

    versus_control: tuple[Effect, ...]
    between_offers: tuple[Effect, ...]


def estimate_effects(definition: Definition, contrasts: Contrasts) -> Effects:
    """All effects, every metric being families of its own.

    The K arms against control overall are one family, the K x S rows by segment another, both by `design.correction`
    at `design.alpha`. The pairs of offer arms are one family for each metric, by Holm. A row is left out where a side
    has no measured member, or a ratio no positive denominator.
    """
    rows: list[Effect] = []
    pairs: list[Effect] = []
    for metric, role in roles(definition.goals):
        rows += effect_rows(metric, role, overall_family(definition, contrasts, metric))
        rows += effect_rows(metric, role, segment_family(definition, contrasts, metric))
        pairs += effect_rows(metric, role, _pairs_family(definition, contrasts, metric))
    return Effects(tuple(rows), tuple(pairs))


def roles(goals: Goals) -> tuple[tuple[str, Role], ...]:
    """The metrics of the goals with their roles; a metric with several roles has the first of primary, value, secondary, guardrail."""
    named: list[tuple[str, Role]] = [(goals.primary.metric, "primary"), (goals.value_metric, "value")]
    named += [(metric, "secondary") for metric in goals.secondary]
    named += [(guardrail.metric, "guardrail") for guardrail in goals.guardrails]
    first: dict[str, Role] = {}
    for metric, role in named:
        first.setdefault(metric, role)
    return tuple(first.items())


def deciding_metrics(goals: Goals) -> tuple[str, ...]:
    """The metrics that the decision reads: primary and value, once each."""
    return tuple(dict.fromkeys((goals.primary.metric, goals.value_metric)))


def overall_family(definition: Definition, contrasts: Contrasts, metric: str) -> Family:
    """The K arms against control on one metric, everybody assigned."""
    return _family(definition, contrasts, metric, [(arm.id, CONTROL, None) for arm in definition.offer_arms])


def segment_family(definition: Definition, contrasts: Contrasts, metric: str) -> Family:
    """The K x S comparisons with control on one metric; empty where the definition has no segments."""
    places = [
        (arm.id, CONTROL, segment.id)
        for segment in definition.audience.segments
        for arm in definition.offer_arms
    ]
    return _family(definition, contrasts, metric, places)


def _pairs_family(definition: Definition, contrasts: Contrasts, metric: str) -> Family:
    pairs = combinations((arm.id for arm in definition.offer_arms), 2)
    return _family(definition, contrasts, metric, [(arm, versus, None) for arm, versus in pairs], "holm")


def _family(
    definition: Definition,
    contrasts: Contrasts,
    metric: str,
    places: Sequence[tuple[str, str, str | None]],
    correction: Correction | None = None,
) -> Family:
    found = []
    for arm, versus, segment in places:
        comparison = contrasts.compare(metric, arm, versus, segment)
        if comparison is not None:
            found.append(Contrast(arm, versus, segment, comparison))
    return Family(tuple(found), correction or definition.design.correction, definition.design.alpha)


def effect_rows(metric: str, role: Role, family: Family) -> Iterator[Effect]:
    """The rows of a family, in its order."""
    for contrast, p_adjusted, adjusted in zip(
        family.contrasts, family.p_values(), family.intervals, strict=True
    ):
        yield _row(metric, role, contrast, p_adjusted, adjusted, family)


def _row(
    metric: str, role: Role, contrast: Contrast, p_adjusted: float, adjusted: Interval, family: Family
) -> Effect:
    comparison = contrast.comparison
    low, high = (finite(bound) for bound in comparison.interval(family.alpha))
    lift = comparison.lift(family.alpha)
    return Effect(
        metric=metric,
        segment=contrast.segment,
        arm=contrast.arm,
        versus=contrast.versus,
        role=role,
        members_arm=comparison.members_arm,
        members_versus=comparison.members_versus,
        mean_arm=comparison.mean_arm,
        mean_versus=comparison.mean_versus,
        difference=comparison.difference,
        difference_low=low,
        difference_high=high,
        lift=lift.lift if lift else None,
        lift_low=lift.low if lift else None,
        lift_high=lift.high if lift else None,
        std_error=comparison.std_error,
        statistic=comparison.statistic,
        p_value=comparison.p_value() if comparison.has_test else None,
        p_value_adjusted=p_adjusted if comparison.has_test else None,
        method=comparison.method,
        difference_low_adjusted=finite(adjusted[0]),
        difference_high_adjusted=finite(adjusted[1]),
        interval_adjustment=family.interval_adjustment,
    )


def finite(bound: float) -> float | None:
    """None for a bound that the data do not set."""
    return bound if math.isfinite(bound) else None
