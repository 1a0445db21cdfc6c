"""Trials: simulated experiments, each concluded as a real one is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from experiments.decision.contrasts import Contrasts, read_by_decision
from experiments.decision.decision import Evidence, decide
from experiments.decision.effects import overall_family, roles
from experiments.decision.eligibility import goodness
from experiments.decision.family import Family
from experiments.decision.guardrails import judge_guardrails
from experiments.decision.sentences import Sentences
from experiments.definition.model import Definition
from experiments.documents import VerdictStatus
from experiments.language import Words
from experiments.measurement.measurement import Measurement
from experiments.money.money import money_rows
from experiments.simulation.documents import Scenario
from experiments.simulation.planting import Planting
from experiments.simulation.redraw import Redraw
from experiments.simulation.remeasure import Remeasure
from experiments.simulation.sample import MemberSample
from experiments.simulation.tally import FamilyTally, Tally

_STREAMS: Mapping[Scenario, int] = {"aa": 0, "ab": 1}
_EXACT = frozenset({"boschloo", "exact_conditional"})
"""Methods whose error rate is at most the level."""


@dataclass(frozen=True, eq=False)
class Trials:
    """Simulated experiments of one scenario.

    `aa`: outcomes stay as they are whatever arm is drawn (the sharp null hypothesis): every metric of the goals is
    compared and the verdict is reached. `ab`: the effect is planted, and the primary metric is compared.

    Attributes:
        definition: The plan and the rule.
        sample: The members and their outcomes.
        seed: Trial i of a scenario draws from (seed, scenario, i), whichever process runs it.
        planting: The effect; None for `aa`.
    """

    definition: Definition
    sample: MemberSample
    seed: int
    planting: Planting | None = None

    @property
    def scenario(self) -> Scenario:
        """Which scenario this is."""
        return "aa" if self.planting is None else "ab"

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics whose comparisons are counted."""
        goals = self.definition.goals
        return (
            tuple(metric for metric, _ in roles(goals)) if self.planting is None else (goals.primary.metric,)
        )

    def run(self, first: int, last: int) -> Tally:
        """The trials from `first` up to, and without, `last`."""
        total = Tally(0)
        for number in range(first, last):
            total += self._trial(np.random.default_rng([self.seed, _STREAMS[self.scenario], number]))
        return total

    @cached_property
    def _redraw(self) -> Redraw:
        return Redraw.of(self.definition, self.sample)

    @cached_property
    def _remeasure(self) -> Remeasure:
        arms = [arm.id for arm in self.definition.all_arms]
        # A verdict reads metrics that no goal names, such as the parts of a formula.
        metrics = tuple(self.definition.metrics) if self.planting is None else self.metrics
        return Remeasure.of(self.sample, arms, metrics)

    def _trial(self, rng: np.random.Generator) -> Tally:
        arm = self._redraw.draw(rng)
        if self.planting is None:
            measurement = self._remeasure.measure(arm)
        else:
            changed = self.planting.apply(self.sample, arm, rng)
            measurement = self._remeasure.measure(arm, (self.planting.column, changed))
        reading = read_by_decision(self.definition, measurement.metrics)
        families = {
            metric: self._family(metric, overall_family(self.definition, reading, metric))
            for metric in self.metrics
        }
        rolled_out = self.planting is None and self._status(measurement, reading) == "rollout"
        return Tally(1, families, int(rolled_out))

    def _family(self, metric: str, family: Family) -> FamilyTally:
        alpha, sign = family.alpha, goodness(self.definition, metric)
        place = {arm.id: number for number, arm in enumerate(self.definition.offer_arms)}
        rejected, exact, found = (np.zeros(len(place), dtype=np.int64) for _ in range(3))
        covered = np.ones(len(place), dtype=np.int64)
        false, true, all_covered = 0, 0, True
        rows = zip(family.contrasts, family.p_values(), family.intervals, strict=True)
        for contrast, p_adjusted, (low, high) in rows:
            at, effect, comparison = place[contrast.arm], self.effect(contrast.arm), contrast.comparison
            own_low, own_high = comparison.interval(alpha)
            rejected[at] = comparison.p_value() <= alpha
            exact[at] = comparison.method in _EXACT
            covered[at] = own_low <= effect <= own_high
            found[at] = p_adjusted <= alpha and sign * comparison.difference > 0
            all_covered &= low <= effect <= high
            false += p_adjusted <= alpha and effect == 0
            true += p_adjusted <= alpha and effect != 0
        share = false / (false + true) if false else 0.0
        return FamilyTally(rejected, exact, covered, found, int(false > 0), share, int(all_covered))

    def effect(self, arm: str) -> float:
        """The true difference of an arm from control, on the metrics that are compared."""
        planted = self.planting.planted if self.planting else None
        return planted.effect if planted is not None and arm in planted.arms else 0.0

    def _status(self, measurement: Measurement, reading: Contrasts) -> VerdictStatus:
        guardrails = judge_guardrails(self.definition, Contrasts(measurement.metrics))
        money = money_rows(self.definition, measurement, reading)
        # Only the status counts; the sentences are written in one language and read by nobody.
        sentences = Sentences(self.definition, Words())
        return decide(self.definition, Evidence(reading, guardrails, money), sentences).status
