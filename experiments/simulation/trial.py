"""Trials: simulated experiments, each concluded as a real one is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from experiments.decision.contrasts import Contrasts, read_by_decision
from experiments.decision.decision import Evidence, decide, is_settled
from experiments.decision.effects import overall_family, roles
from experiments.decision.eligibility import goodness
from experiments.decision.family import Family
from experiments.decision.guardrails import judge_guardrails
from experiments.decision.sentences import Sentences
from experiments.definition.model import Definition
from experiments.documents.analysis import VerdictStatus
from experiments.documents.simulation import Scenario
from experiments.inference.look_names import ALWAYS_VALID
from experiments.language import Words
from experiments.measurement.measurement import Measurement
from experiments.money.money import money_rows
from experiments.simulation.planting import Planting
from experiments.simulation.redraw import Redraw
from experiments.simulation.sample import MemberSample
from experiments.simulation.schedule import Stage, plan_stages
from experiments.simulation.tally import Seen, Tally

_STREAMS: Mapping[Scenario, int] = {"aa": 0, "ab": 1}
_EXACT = ("boschloo", "exact_conditional")


@dataclass(frozen=True, eq=False)
class Trials:
    """Simulated experiments of one scenario.

    `aa`: outcomes stay as they are whatever arm is drawn (the sharp null hypothesis): every metric of the goals is
    compared and the verdict is reached. `ab`: the effect is planted, and the primary metric is compared. A design that
    looks more than once is read at each look: an error at any of them is an error, and the verdict is the first that is
    settled.

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
    def _stages(self) -> tuple[Stage, ...]:
        # A verdict reads metrics that no goal names, such as the parts of a formula.
        metrics = tuple(self.definition.metrics) if self.planting is None else self.metrics
        return plan_stages(self.definition, self.sample, metrics)

    def _trial(self, rng: np.random.Generator) -> Tally:
        arm = self._redraw.draw(rng)
        changed = None if self.planting is None else self.planting.apply(self.sample, arm, rng)
        seen: dict[str, Seen] = {}
        status: VerdictStatus | None = None
        for stage in self._stages:
            planted = None
            if self.planting is not None and changed is not None:
                planted = self.planting.column, changed[: stage.members]
            measurement = stage.remeasure.measure(arm[: stage.members], planted)
            reading = read_by_decision(self.definition, measurement.metrics, stage.look)
            for metric in self.metrics:
                now = self._see(metric, overall_family(self.definition, reading, metric))
                seen[metric] = seen[metric].then(now) if metric in seen else now
            if self.planting is None and status is None:
                status = self._status(measurement, reading)
        effects = np.array([self.effect(each.id) for each in self.definition.offer_arms])
        families = {metric: each.tally(effects != 0) for metric, each in seen.items()}
        return Tally(1, families, int(status == "rollout"))

    def _see(self, metric: str, family: Family) -> Seen:
        """What one reading shows of a metric's comparisons with control."""
        alpha, sign = family.alpha, goodness(self.definition, metric)
        place = {arm.id: number for number, arm in enumerate(self.definition.offer_arms)}
        rejected, conservative, proven, found = (np.zeros(len(place), dtype=bool) for _ in range(4))
        covered, all_covered = np.ones(len(place), dtype=bool), True
        rows = zip(family.contrasts, family.p_values(), family.intervals, strict=True)
        for contrast, p_adjusted, (low, high) in rows:
            at, effect, comparison = place[contrast.arm], self.effect(contrast.arm), contrast.comparison
            own_low, own_high = comparison.interval(alpha)
            rejected[at] = comparison.p_value() <= alpha
            conservative[at] = _is_conservative(comparison.method)
            covered[at] = own_low <= effect <= own_high
            proven[at] = p_adjusted <= alpha
            found[at] = p_adjusted <= alpha and sign * comparison.difference > 0
            all_covered &= low <= effect <= high
        return Seen(rejected, conservative, covered, proven, found, all_covered)

    def effect(self, arm: str) -> float:
        """The true difference of an arm from control, on the metrics that are compared."""
        planted = self.planting.planted if self.planting else None
        return planted.effect if planted is not None and arm in planted.arms else 0.0

    def _status(self, measurement: Measurement, reading: Contrasts) -> VerdictStatus | None:
        """The verdict of a reading; None at an interim look that settles nothing."""
        definition, look = self.definition, reading.look
        guardrails = judge_guardrails(definition, Contrasts(measurement.metrics, look=look))
        # Only the status counts; the sentences are written in one language and read by nobody.
        sentences = Sentences(definition, Words())
        is_last = look is None or look.final
        if not (is_last or is_settled(definition, reading, guardrails, sentences)):
            return None
        money = money_rows(definition, measurement, reading)
        return decide(definition, Evidence(reading, guardrails, money), sentences).status


def _is_conservative(method: str) -> bool:
    """Whether a test errs at most as often as its level says, by construction."""
    return method.startswith(_EXACT) or method.endswith(ALWAYS_VALID)
