"""Judge: every simulated rate against what its method promises, all of them together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from experiments.documents.simulation import Rate, Side, SimulatedRate
from experiments.health.heavy_tails import FEWEST_NONZERO
from experiments.simulation.bounds import binomial_bounds
from experiments.simulation.tally import FamilyTally, Tally
from experiments.simulation.trial import Trials

LEVEL = 0.005
"""The probability that an engine which keeps every promise fails one of them."""

_CONTROLS_FAMILY = frozenset({"bonferroni", "holm", "hochberg", "dunnett"})
"""Corrections that keep the family-wise error rate whatever the true effects."""


def judge_rates(done: Sequence[tuple[Trials, Tally]]) -> tuple[SimulatedRate, ...]:
    """Every rate of the scenarios; those with a promise are judged together at `LEVEL`.

    Tests of exact level (score, t, Dunnett) are judged on both sides. What is conservative by construction is judged
    only where it errs too often: exact tests, confidence sequences, other corrections, verdicts that ask for several
    things, and means with fewer than `FEWEST_NONZERO` non-zero values in an arm. Power is shown beside the design's and
    judged by nobody.
    """
    rates = [rate for trials, tally in done for rate in _Telling(trials, tally).rates()]
    judged = sum(rate.side is not None for rate in rates)
    return tuple(_judge(rate, LEVEL / judged) for rate in rates)


def _judge(rate: SimulatedRate, level: float) -> SimulatedRate:
    if rate.side is None or rate.target is None:
        return rate
    low, high = binomial_bounds(rate.target, rate.runs, rate.side, level)
    return replace(rate, low=low, high=high, status="pass" if low <= rate.rate <= high else "fail")


@dataclass(frozen=True)
class _Telling:
    """The rates of one scenario, not judged yet."""

    trials: Trials
    tally: Tally

    def rates(self) -> Iterator[SimulatedRate]:
        null = self.trials.planting is None
        for metric, family in self.tally.families.items():
            if null:
                yield from self._type_one_errors(metric, family)
                yield from self._family_wise_error(metric, family)
            else:
                yield from self._powers(metric, family)
                yield from self._coverages(metric, family)
                yield from self._false_discovery(metric, family)
            yield from self._simultaneous_coverage(metric, family)
        if null:
            yield self._false_rollout()

    @property
    def _alpha(self) -> float:
        return self.trials.definition.design.alpha

    @property
    def _correction(self) -> str:
        return self.trials.definition.design.correction

    @property
    def _arms(self) -> list[str]:
        return [arm.id for arm in self.trials.definition.offer_arms]

    def _type_one_errors(self, metric: str, family: FamilyTally) -> Iterator[SimulatedRate]:
        for arm, rejected, loose in zip(self._arms, family.rejected, family.conservative, strict=True):
            side: Side = "above" if loose or self._has_heavy_tails(metric) else "both"
            yield self._rate("type_one_error", metric, arm, int(rejected), self._alpha, side)

    def _family_wise_error(self, metric: str, family: FamilyTally) -> Iterator[SimulatedRate]:
        """Under the null hypothesis for all arms `bh` keeps it too."""
        if len(self._arms) == 1:
            return
        kept = self._correction != "none"
        side: Side = (
            "both" if self._correction == "dunnett" and not self._is_loose(metric, family) else "above"
        )
        yield self._rate(
            "family_wise_error", metric, None, family.any_false, self._alpha if kept else None, side
        )

    def _powers(self, metric: str, family: FamilyTally) -> Iterator[SimulatedRate]:
        for arm, found in zip(self._arms, family.found, strict=True):
            if self.trials.effect(arm):
                yield self._rate("power", metric, arm, int(found), self.trials.definition.design.power, None)

    def _coverages(self, metric: str, family: FamilyTally) -> Iterator[SimulatedRate]:
        side: Side = "below" if self._is_loose(metric, family) else "both"
        for arm, covered in zip(self._arms, family.covered, strict=True):
            yield self._rate("coverage", metric, arm, int(covered), 1 - self._alpha, side)

    def _false_discovery(self, metric: str, family: FamilyTally) -> Iterator[SimulatedRate]:
        """A correction that keeps the family-wise error rate keeps this one."""
        if all(self.trials.effect(arm) for arm in self._arms):
            return
        target = self._alpha if self._correction in _CONTROLS_FAMILY | {"bh"} else None
        yield self._rate("false_discovery", metric, None, family.false_share, target, "above")

    def _simultaneous_coverage(self, metric: str, family: FamilyTally) -> Iterator[SimulatedRate]:
        if len(self._arms) == 1 or self._correction not in _CONTROLS_FAMILY:
            return
        yield self._rate("simultaneous_coverage", metric, None, family.all_covered, 1 - self._alpha, "below")

    def _false_rollout(self) -> SimulatedRate:
        """Held to alpha where the rule asks for a proof and the family is corrected."""
        rule = self.trials.definition.decision.eligible_if
        proof = rule.primary is not None or (rule.value_low_above is not None and rule.value_low_above >= 0)
        kept = proof and (self._correction != "none" or len(self._arms) == 1)
        return self._rate(
            "false_rollout", None, None, self.tally.rollouts, self._alpha if kept else None, "above"
        )

    def _is_loose(self, metric: str, family: FamilyTally) -> bool:
        """Whether tests of a metric may err less often than their level says."""
        return bool(np.any(family.conservative)) or self._has_heavy_tails(metric)

    def _has_heavy_tails(self, metric: str) -> bool:
        measured = self.trials.sample.metrics[metric]
        if measured.kind == "binary":
            return False
        values = self.trials.sample.values[:, self.trials.sample.at(measured.value)]
        nonzero = int(np.count_nonzero(np.nan_to_num(values)))
        least = float(min(arm.share for arm in self.trials.definition.all_arms))
        return nonzero * least < FEWEST_NONZERO

    def _rate(
        self,
        kind: Rate,
        metric: str | None,
        arm: str | None,
        hits: float,
        target: float | None,
        side: Side | None,
    ) -> SimulatedRate:
        return SimulatedRate(
            scenario=self.trials.scenario,
            kind=kind,
            metric=metric,
            arm=arm,
            effect=None if arm is None else self.trials.effect(arm),
            hits=hits,
            runs=self.tally.runs,
            rate=hits / self.tally.runs,
            target=target,
            low=None,
            high=None,
            side=None if target is None else side,
            status="unjudged",
        )
