"""Health of the outcomes: are they complete, and does any arm's mean hang on a few members?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from experiments.definition.metrics import CountMetric, SumMetric
from experiments.definition.model import Definition
from experiments.documents import CheckStatus, HealthCheck
from experiments.health.split import WARN_BELOW
from experiments.health.telling import HealthWording
from experiments.inference.homogeneity import homogeneity
from experiments.measurement.measurement import Measurement, MetricMoments

FEWEST_NONZERO = 200
"""Non-zero values that an arm needs for the level of Welch's test to be trusted (8.8 % instead of 5 % with 18)."""

_MISSING_FAILS_BELOW = 0.001


@dataclass(frozen=True)
class OutcomeHealth:
    """The checks of what the members did.

    Attributes:
        definition: Metrics and arms.
        measurement: Their moments.
        wording: How checks are told.
    """

    definition: Definition
    measurement: Measurement
    wording: HealthWording

    def checks(self) -> Iterable[HealthCheck]:
        """Every check that applies."""
        yield self._window_open()
        yield from self._heavy_tails()
        for name in self.definition.metrics:
            yield from self._missingness(self.measurement.metrics[name])
        if metrics := self.definition.metrics_of_others:
            yield self.wording.told(
                "interference", "warn", "interference", metrics=self.wording.listed(metrics)
            )

    def _window_open(self) -> HealthCheck:
        """An open window fails, unless this is an interim look, which counts the members whose window has closed."""
        window = self.measurement.window
        if window.closes_at is None:
            return self.wording.told("window_open", "pass", "no_window")
        closes = self.wording.moment(window.closes_at)
        if not window.is_open:
            return self.wording.told("window_open", "pass", "window_closed", closes=closes)
        members = sum(self.measurement.assigned_to(arm.id) for arm in self.definition.all_arms)
        at_look = self.measurement.everybody is not None
        return self.wording.told(
            "window_open",
            "pass" if at_look else "fail",
            "window_of_look" if at_look else "window_open",
            closes=closes,
            open=f"{window.open_members:,}",
            members=f"{members:,}",
        )

    def _heavy_tails(self) -> Iterable[HealthCheck]:
        """Sums and counts with few non-zero values in an arm; formulas and ratios rest on these."""
        names = [
            name
            for name, metric in self.definition.metrics.items()
            if isinstance(metric, SumMetric | CountMetric)
        ]
        if not names:
            return
        few = []
        for name in names:
            moments = self.measurement.metrics[name]
            counts = {
                arm.id: moments.arm(arm.id).nonzero_count(moments.value) for arm in self.definition.all_arms
            }
            # An arm of nothing but zeros (benefits without an offer) has no tail; the other arms decide.
            nonzero = {arm: count for arm, count in counts.items() if count} or counts
            arm = min(nonzero, key=lambda each: nonzero[each])
            if nonzero[arm] < FEWEST_NONZERO:
                few.append(f"{name} ({self.wording.arm(arm)}: {nonzero[arm]})")
        code = "heavy_tails" if few else "no_heavy_tails"
        yield self.wording.told(
            "heavy_tails", "warn" if few else "pass", code, least=FEWEST_NONZERO, few=self.wording.listed(few)
        )

    def _missingness(self, moments: MetricMoments) -> Iterable[HealthCheck]:
        """Members who were dropped must be as many in every arm, or the arms are no longer comparable."""
        dropped = {arm: n for arm, n in moments.dropped.items() if self.measurement.members(arm)}
        if not sum(dropped.values()) or len(dropped) < 2:
            return
        p_value = homogeneity(list(dropped.values()), [self.measurement.members(arm) for arm in dropped])
        status: CheckStatus = (
            "fail" if p_value < _MISSING_FAILS_BELOW else "warn" if p_value < WARN_BELOW else "pass"
        )
        code = "missing_alike" if status == "pass" else "missing_differs"
        counts = self.wording.counts(dropped)
        yield self.wording.told("missingness", status, code, p_value, metric=moments.metric, counts=counts)
