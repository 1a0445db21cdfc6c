"""Contrasts: two arms compared on one metric, overall or within a segment, from the measured moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from experiments.decision.looks import Look
from experiments.definition.model import Definition
from experiments.inference.adjustment import LinComparison
from experiments.inference.cluster_robust import ClusterComparison
from experiments.inference.comparison import Comparison, compare
from experiments.inference.moments import Moments, pool
from experiments.inference.proportions import SPARSE_BELOW, tabulate
from experiments.inference.ratios import DeltaRatioComparison
from experiments.measurement.measurement import MetricMoments

Place = tuple[str, str, str, str | None]


@dataclass(frozen=True)
class Contrasts:
    """Every comparison that effects, guardrails, money and the decision read; each is computed once.

    The estimand is the intention-to-treat effect per assigned member, by the rules of the estimator: pooled score or
    exact for binary metrics, Welch for means, the delta method for ratios; with `adjusted`, Lin's regression on the
    metric's covariates and, with `stratified`, the strata weighted by their share of the members of all arms. Where units
    of several members were assigned, every variance is CR2 by unit; where the definition names the member's own key as the
    unit, adjusted ones are HC2. Rates with an expected count below 10 are tested exactly and never adjusted.

    Attributes:
        metrics: Moments of each metric, by arm, segment and stratum.
        adjusted: Whether covariates and strata are used.
        stratified: Whether the arms were drawn within strata.
        look: The look whose bounds p-values and intervals have; None for a fixed design.
    """

    metrics: Mapping[str, MetricMoments]
    adjusted: bool = False
    stratified: bool = False
    look: Look | None = None
    _done: dict[Place, Comparison | None] = field(default_factory=dict, repr=False, compare=False)

    def compare(self, metric: str, arm: str, versus: str, segment: str | None = None) -> Comparison | None:
        """The comparison of `arm` with `versus`.

        Returns:
            None where it does not exist: an arm has no measured member there, or a ratio no positive denominator.
        """
        place = metric, arm, versus, segment
        if place not in self._done:
            self._done[place] = self._compute(*place)
        return self._done[place]

    def _compute(self, metric: str, arm: str, versus: str, segment: str | None) -> Comparison | None:
        measured = self.metrics[metric]
        sides = measured.arm(arm, segment), measured.arm(versus, segment)
        if not all(side.count for side in sides):
            return None
        if measured.denominator and not all(side.average(measured.denominator) > 0 for side in sides):
            return None
        found = (
            self._by_unit(measured, arm, versus, segment)
            or self._adjust(measured, arm, versus, segment)
            or _unadjusted(measured, *sides)
        )
        if self.look is None:
            return found
        events = sum(side.nonzero_count(measured.value) for side in sides)
        return self.look.read(found, arm, versus, events)

    def _by_unit(
        self, measured: MetricMoments, arm: str, versus: str, segment: str | None
    ) -> ClusterComparison | None:
        """The comparison by sums of units; None where members were assigned alone and there is nothing to adjust with."""
        sides = measured.by_unit(arm, segment), measured.by_unit(versus, segment)
        if sides[0] is None or sides[1] is None:
            return None
        adjusted = self.adjusted and bool(measured.covariates)
        if sides[0].is_single and sides[1].is_single and not adjusted:
            return None
        return ClusterComparison(sides[0], sides[1], measured.value, adjusted, measured.denominator)

    def _adjust(
        self, measured: MetricMoments, arm: str, versus: str, segment: str | None
    ) -> LinComparison | None:
        """The adjusted comparison; None where there is nothing to adjust with, or a rate too rare for a t test."""
        if not self.adjusted or _is_sparse(measured, arm, versus, segment):
            return None
        sides = [measured.strata(side, segment) for side in (arm, versus)]
        strata = sorted(set(sides[0]) | set(sides[1]))
        if not self.stratified or len(strata) < 2:
            whole = [(pool(side.values()),) for side in sides]
            if not measured.covariates:
                return None
            return LinComparison(
                whole[0], whole[1], measured.value, measured.covariates, None, measured.denominator
            )
        nobody = Moments.zero(next(iter(sides[0].values())).names)
        first, second = (tuple(side.get(stratum, nobody) for stratum in strata) for side in sides)
        shares = [float(_members_of_all_arms(measured, stratum, segment)) for stratum in strata]
        return LinComparison(first, second, measured.value, measured.covariates, shares, measured.denominator)


def read_by_decision(
    definition: Definition, metrics: Mapping[str, MetricMoments], look: Look | None = None
) -> Contrasts:
    """The contrasts that the decision reads: adjusted where the definition names covariates or strata, else raw."""
    stratified = definition.assignment.method == "stratified"
    adjusted = stratified or bool(definition.design.covariates)
    return Contrasts(metrics, adjusted=adjusted, stratified=stratified, look=look)


def _members_of_all_arms(measured: MetricMoments, stratum: str, segment: str | None) -> int:
    return sum(
        moments.count
        for cell, moments in measured.cells.items()
        if cell.stratum == stratum and segment in {None, cell.segment}
    )


def _is_sparse(measured: MetricMoments, arm: str, versus: str, segment: str | None) -> bool:
    """Whether a rate has too few events for anything but an exact test: its adjusted t test errs too often."""
    if measured.kind != "binary":
        return False
    table = tabulate(measured.arm(arm, segment), measured.arm(versus, segment), measured.value)
    return table.smallest_expected < SPARSE_BELOW


def _unadjusted(measured: MetricMoments, arm: Moments, versus: Moments) -> Comparison:
    if measured.denominator is not None:
        return DeltaRatioComparison(arm, versus, measured.value, measured.denominator)
    return compare(arm, versus, measured.value, "binary" if measured.kind == "binary" else "mean")
