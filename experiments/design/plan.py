"""The plan: power, detectable effect and members needed of every comparison, before the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from experiments.decision.guardrails import LEVEL, signed_limit
from experiments.definition.arms import CONTROL, Arm
from experiments.definition.design import AlwaysValidLooks, FixedLooks, GroupSequentialLooks
from experiments.definition.goals import Guardrail
from experiments.definition.model import Definition
from experiments.design.history import Past
from experiments.documents.design import ArmPower, GuardrailPower, PlannedLook
from experiments.inference.corrections import interval_level
from experiments.inference.dunnett import dunnett_critical
from experiments.inference.power import (
    PlannedMean,
    PlannedMetric,
    PlannedProportion,
    detectable_effect,
    non_inferiority_power,
    power,
    sample_size,
)
from experiments.inference.power_by_unit import PlannedByUnit
from experiments.inference.schedules import (
    AlwaysValidSchedule,
    FixedSchedule,
    GroupSequentialSchedule,
    Schedule,
)
from experiments.inference.sequential import nominal_level
from experiments.inference.tails import tail_probability

# Power needs more members than this in both arms together.
_FEWEST = 2


@dataclass(frozen=True)
class Plan:
    """The arms' planned members, and what comparisons with control can show with them.

    Attributes:
        definition: The goals, the shares and the design's numbers.
        members: Arm to its planned members.
        past: What is known of the metrics.
    """

    definition: Definition
    members: Mapping[str, int]
    past: Past

    @property
    def total(self) -> int:
        """All planned members."""
        return sum(self.members.values())

    @property
    def direction(self) -> Literal[-1, 1]:
        """1 where the primary metric is to rise, -1 where it is to fall."""
        return 1 if self.definition.goals.primary.better == "up" else -1

    @property
    def effect(self) -> float | None:
        """The effect that the test is to find, with its sign."""
        size = self.definition.design.minimum_effect
        return None if size is None else self.direction * size

    @cached_property
    def baseline(self) -> float | None:
        """Control's mean of the primary metric: the definition's, else the one measured."""
        given = self.definition.design.baseline
        return given if given is not None else self.past.mean(self.definition.goals.primary.metric)

    @cached_property
    def alpha_each(self) -> float:
        """The two-sided level of one comparison that the family's correction guarantees.

        Bonferroni's for Holm, Hochberg and BH, whose power is at least that; Dunnett's critical value for the planned
        members.
        """
        design, arms = self.definition.design, self.definition.offer_arms
        if design.correction != "dunnett":
            return interval_level(design.correction, design.alpha, len(arms)).alpha
        shared = [
            math.sqrt(self.members[arm.id] / (self.members[arm.id] + self.members[CONTROL] or 1))
            for arm in arms
        ]
        return tail_probability(dunnett_critical(design.alpha, shared), "two-sided")

    @cached_property
    def metric(self) -> PlannedMetric | None:
        """What is known of the primary metric; None where that says nothing of its variance."""
        return self._planned(self.definition.goals.primary.metric, self.baseline, adjusted=True)

    @cached_property
    def schedule(self) -> Schedule:
        """When the data are looked at."""
        looks, alpha = self.definition.design.looks, self.definition.design.alpha
        match looks:
            case FixedLooks():
                return FixedSchedule()
            case GroupSequentialLooks():
                return GroupSequentialSchedule(looks.at, looks.spending)
            case AlwaysValidLooks():
                return AlwaysValidSchedule(alpha)

    @cached_property
    def inflation(self) -> float:
        """How many times the members of a fixed design the schedule needs for the same power."""
        return self.schedule.inflation(self.alpha_each, self.definition.design.power)

    def looks(self) -> tuple[PlannedLook, ...]:
        """The planned looks of a group-sequential design, with the bound of one comparison at each."""
        if not isinstance(self.schedule, GroupSequentialSchedule):
            return ()
        bounds = self.schedule.bounds(self.alpha_each)
        spent = self.schedule.spent(self.definition.design.alpha)
        planned = zip(self.schedule.information, bounds, spent, strict=True)
        return tuple(
            PlannedLook(
                number, fraction, math.ceil(fraction * self.total), bound, nominal_level(bound), error
            )
            for number, (fraction, bound, error) in enumerate(planned, start=1)
        )

    def arms(self) -> tuple[ArmPower, ...]:
        """Each offer arm against control at the family's per-comparison level."""
        return tuple(self._arm(arm) for arm in self.definition.offer_arms)

    def guardrails(self) -> tuple[GuardrailPower, ...]:
        """The power of each guardrail to pass an arm that does no harm, for the arm where it is least."""
        return tuple(self._guardrail(guardrail) for guardrail in self.definition.goals.guardrails)

    def members_needed(self) -> int | None:
        """All members with which every comparison has the power asked for, at the planned shares."""
        if self.metric is None or self.effect is None:
            return None
        needed = [self._needed(arm) for arm in self.definition.offer_arms]
        shares = [float(arm.share) for arm in self.definition.offer_arms]
        return math.ceil(max(n / share for n, share in zip(needed, shares, strict=True)))

    def detectable(self, members: float) -> float | None:
        """The effect that the weakest comparison finds with the planned power, were the audience of another size.

        Returns:
            None where the baseline is unknown, or the audience too small for any effect to be found.
        """
        if self.metric is None or not self.total:
            return None
        times = members / self.total
        control = self.members[CONTROL] * times
        found = [
            self._detectable(self.metric, self.members[arm.id] * times, control)
            for arm in self.definition.offer_arms
        ]
        known = [effect for effect in found if effect is not None]
        return max(known, key=abs) if len(known) == len(found) else None

    def _arm(self, arm: Arm) -> ArmPower:
        members, control = self.members[arm.id], self.members[CONTROL]
        share = members / self.total if self.total else 0.0
        if self.metric is None or not members or not control or members + control <= _FEWEST:
            return ArmPower(arm.id, share, members, None, None, None)
        reached = None
        if self.effect is not None:
            fixed = power(self.metric, self.effect, members, control, self.alpha_each)
            reached = self.schedule.power(fixed, self.alpha_each)
        needed = None if self.effect is None else math.ceil(self._needed(arm))
        return ArmPower(
            arm.id, share, members, reached, self._detectable(self.metric, members, control), needed
        )

    def _detectable(self, metric: PlannedMetric, members: float, control: float) -> float | None:
        """None where even the largest possible effect would be missed too often."""
        wanted = self.definition.design.power
        furthest = abs(metric.furthest(self.direction))
        # A fixed test of so many members has the power that these members have with the looks.
        arm, versus = members / self.inflation, control / self.inflation
        if min(arm, versus) < 1 or arm + versus <= _FEWEST:
            return None
        if math.isfinite(furthest):
            largest = self.direction * furthest
            if power(metric, largest, arm, versus, self.alpha_each) < wanted:
                return None
        return detectable_effect(
            metric, arm, versus, power=wanted, alpha=self.alpha_each, direction=self.direction
        )

    def _needed(self, arm: Arm) -> float:
        assert self.metric is not None
        assert self.effect is not None
        ratio = float(self.definition.arm(CONTROL).share / arm.share)
        wanted = self.definition.design.power
        found = sample_size(
            self.metric, self.effect, power=wanted, alpha=self.alpha_each, versus_per_arm=ratio
        )
        return found.arm * self.inflation

    def _guardrail(self, guardrail: Guardrail) -> GuardrailPower:
        limit, baseline = signed_limit(guardrail), self.past.mean(guardrail.metric)
        metric = self._planned(guardrail.metric, baseline, adjusted=False)
        absolute = limit if guardrail.limit is not None else limit * baseline if baseline else None
        arms = [self.members[arm.id] for arm in self.definition.offer_arms]
        control = self.members[CONTROL]
        if metric is None or not absolute or not control or not min(arms) or not _possible(metric, absolute):
            return GuardrailPower(guardrail.metric, limit, baseline, None)
        # A relative limit tests arm - (1 + limit) x control, whose second part has the variance of so many fewer members.
        weight = 1.0 if guardrail.limit is not None else (1 + limit) ** 2
        compared = max(1.0, control / weight) if weight > 0 else control
        least = min(non_inferiority_power(metric, absolute, members, compared, LEVEL) for members in arms)
        return GuardrailPower(guardrail.metric, limit, baseline, self.schedule.power(least, 2 * LEVEL))

    def _planned(self, name: str, baseline: float | None, *, adjusted: bool) -> PlannedMetric | None:
        """What is known of a metric; where units are assigned, covariates are part of the design effect."""
        if self.definition.audience.unit is None:
            return self._planned_alone(name, baseline, self.past.explained(name) if adjusted else 0.0)
        alone, effect = self._planned_alone(name, baseline, 0.0), self.past.by_unit(name, adjusted=adjusted)
        return PlannedByUnit(alone, effect.size, effect.members_per_unit) if alone and effect else None

    def _planned_alone(self, name: str, baseline: float | None, explained: float) -> PlannedMetric | None:
        if self.definition.metrics[name].type == "binary":
            known = baseline is not None and 0 < baseline < 1
            return PlannedProportion(baseline, explained) if known and baseline is not None else None
        measured, moments = self.past.metrics[name], self.past.moments(name)
        if moments.count < 2 or moments.variance(measured.value) <= 0:
            return None
        if measured.denominator is not None and moments.average(measured.denominator) <= 0:
            return None
        return PlannedMean.from_moments(moments, measured.value, measured.denominator, explained)


def _possible(metric: PlannedMetric, limit: float) -> bool:
    """Whether a metric can move as far as a limit."""
    return abs(limit) < abs(metric.furthest(1 if limit > 0 else -1))
