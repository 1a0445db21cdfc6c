"""Health of the outcomes: are they complete, and does any arm's mean hang on a few members?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from experiments.definition.arms import Arm
from experiments.definition.model import Definition
from experiments.documents.analysis import CheckStatus, HealthCheck
from experiments.health.heavy_tails import fewest_nonzero, first_look, tailed_metrics
from experiments.health.split import WARN_BELOW
from experiments.health.telling import HealthWording
from experiments.inference.homogeneity import homogeneity
from experiments.measurement.measurement import Measurement, MetricMoments

_MISSING_FAILS_BELOW = 0.001


@dataclass(frozen=True)
class OutcomeHealth:
    """The checks of what the members did.

    Attributes:
        definition: Metrics and arms.
        measurement: Their moments.
        wording: How checks are told.
        still_entering: Whether members enter day by day, and more will.
    """

    definition: Definition
    measurement: Measurement
    wording: HealthWording
    still_entering: bool = False

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
        """An open window fails, and so does one that members who still enter will open.

        An interim look counts the members whose window has closed, and passes.
        """
        window = self.measurement.window
        if window.closes_at is None:
            return self.wording.told("window_open", "pass", "no_window")
        closes = self.wording.moment(window.closes_at)
        members = sum(self.measurement.assigned_to(arm.id) for arm in self.definition.all_arms)
        at_look = self.measurement.everybody is not None
        if not window.is_open and self.still_entering and not at_look:
            return self.wording.told("window_open", "fail", "entry_open", members=f"{members:,}")
        if not window.is_open:
            return self.wording.told("window_open", "pass", "window_closed", closes=closes)
        return self.wording.told(
            "window_open",
            "pass" if at_look else "fail",
            "window_of_look" if at_look else "window_open",
            closes=closes,
            open=f"{window.open_members:,}",
            members=f"{members:,}",
        )

    def _heavy_tails(self) -> Iterable[HealthCheck]:
        """Sums and counts with few non-zero values in an arm, at the first planned look where there are several."""
        names = tailed_metrics(self.definition)
        if not names:
            return
        design = self.definition.design
        least, early = fewest_nonzero(design), first_look(design) < 1
        few = []
        for name in names:
            counts = {arm.id: self._nonzero_at_first_look(name, arm) for arm in self.definition.all_arms}
            # An arm of nothing but zeros (benefits without an offer) has no tail; the other arms decide.
            nonzero = {arm: count for arm, count in counts.items() if count} or counts
            arm = min(nonzero, key=lambda each: nonzero[each])
            if nonzero[arm] < least:
                few.append(f"{name} ({self.wording.arm(arm)}: {nonzero[arm]})")
        code = ("heavy_tails_early" if early else "heavy_tails") if few else "no_heavy_tails"
        status: CheckStatus = "warn" if few else "pass"
        yield self.wording.told("heavy_tails", status, code, least=f"{least:,}", few=self.wording.listed(few))

    def _nonzero_at_first_look(self, metric: str, arm: Arm) -> int:
        """The non-zero values of an arm that the first planned look reads, by those that are measured now."""
        measured = self.measurement.metrics[metric]
        moments = measured.arm(arm.id)
        nonzero, part = moments.nonzero_count(measured.value), first_look(self.definition.design)
        if part == 1 or not moments.count:
            return nonzero
        size = self.definition.assignment.sample_size
        planned = float(size * arm.share) if size is not None else self.measurement.assigned_to(arm.id)
        return round(nonzero * min(1.0, part * planned / moments.count))

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
