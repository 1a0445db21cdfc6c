"""The pick: which eligible arm wins overall, and which segments depart from it, by the definition's `pick`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from experiments.decision.contrasts import Contrasts
from experiments.decision.effects import overall_family, segment_family
from experiments.decision.eligibility import goodness
from experiments.decision.sentences import Sentences
from experiments.definition.arms import CONTROL
from experiments.definition.decision import Pick
from experiments.definition.model import Definition
from experiments.documents.analysis import Reason
from experiments.inference.corrections import adjust

# Costs per member are sums of many amounts; a difference this small is rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Choice:
    """The arm that wins overall, the arm of each segment, and why."""

    winner: str
    by_segment: Mapping[str, str]
    reasons: tuple[Reason, ...]


def maximised_metric(definition: Definition) -> str:
    """The metric that `pick` maximises."""
    goals = definition.goals
    return goals.value_metric if definition.decision.pick.maximise == "value" else goals.primary.metric


@dataclass(frozen=True)
class Picker:
    """Applies `pick` to the arms that are eligible.

    Attributes:
        definition: The rule.
        contrasts: Those that the decision reads.
        eligible: The eligible arms in the definition's order, at least one.
        costs: What each arm cost per member, as measured.
        sentences: Words for the reasons.
    """

    definition: Definition
    contrasts: Contrasts
    eligible: tuple[str, ...]
    costs: Mapping[str, float]
    sentences: Sentences

    def choose(self) -> Choice:
        """The overall winner, then each segment's arm.

        The winner is the best eligible arm on the maximised metric, or, among it and the arms that cannot be told from
        it, the preferred one. Segments are read only with `by: segment`, and only when the primary metric's
        overall family rejects for at least one arm.
        """
        winner, reasons = self._winner()
        segments = [segment.id for segment in self.definition.audience.segments]
        everywhere = dict.fromkeys(segments, winner)
        if not segments or self._rule.by == "overall":
            return Choice(winner, everywhere, reasons)
        if not self._segments_may_be_read():
            unread = self.sentences.reason("segments_not_read", arm=self.sentences.arm(winner))
            return Choice(winner, everywhere, (*reasons, unread))
        large = [
            segment for segment in segments if self._smallest_arm(segment) >= self._rule.min_members_per_arm
        ]
        departures = self._departures(winner, large)
        for segment in segments:
            found = self._in_segment(winner, segment, departures.get(segment))
            everywhere[segment] = found.winner
            reasons += found.reasons
        if set(everywhere.values()) == {winner}:
            reasons += (self.sentences.reason("segments_follow", arm=self.sentences.arm(winner)),)
        return Choice(winner, everywhere, reasons)

    @property
    def _rule(self) -> Pick:
        return self.definition.decision.pick

    @property
    def _metric(self) -> str:
        return maximised_metric(self.definition)

    def _score(self, arm: str, segment: str | None) -> float:
        """How much better than control an arm is on the maximised metric."""
        comparison = self.contrasts.compare(self._metric, arm, CONTROL, segment)
        return (
            goodness(self.definition, self._metric) * comparison.difference if comparison else float("-inf")
        )

    def _winner(self) -> tuple[str, tuple[Reason, ...]]:
        best, tied = self._tie(self.eligible, None)
        winner = self._preferred(tied)
        if len(tied) > 1:
            reason = self.sentences.reason(
                f"{'best_and' if winner == best else 'tie'}_{self._rule.tie}",
                arm=self.sentences.arm(winner),
                best=self.sentences.arm(best),
                others=self.sentences.arms(tuple(arm for arm in tied if arm != winner)),
                metric=self._metric,
                cost=self.sentences.amount(self.costs[winner]),
            )
            return winner, (reason,)
        code = "best" if len(self.eligible) > 1 else "only_eligible"
        reason = self.sentences.reason(
            code,
            arm=self.sentences.arm(winner),
            metric=self._metric,
            difference=self.sentences.change(self._metric, self._difference(winner, None)),
        )
        return winner, (reason,)

    def _difference(self, arm: str, segment: str | None) -> float:
        return goodness(self.definition, self._metric) * self._score(arm, segment)

    def _tie(self, arms: Sequence[str], segment: str | None) -> tuple[str, tuple[str, ...]]:
        """The best arm, and with it the arms that cannot be told from it: Holm over the comparisons with it."""
        best = max(arms, key=lambda arm: self._score(arm, segment))
        found = {arm: self.contrasts.compare(self._metric, best, arm, segment) for arm in arms if arm != best}
        p_values = adjust([1.0 if c is None else c.p_value() for c in found.values()], "holm")
        alpha = self.definition.design.alpha
        tied = {best, *(arm for arm, p in zip(found, p_values, strict=True) if p > alpha)}
        return best, tuple(arm for arm in arms if arm in tied)

    def _preferred(self, tied: Sequence[str]) -> str:
        """The cheapest arm per member, as measured, or the first in the file; equal costs go by the file's order."""
        if self._rule.tie == "first":
            return tied[0]
        least = min(self.costs[arm] for arm in tied)
        return next(arm for arm in tied if self.costs[arm] <= least + _ROUNDING * max(1.0, abs(least)))

    def _segments_may_be_read(self) -> bool:
        family = overall_family(self.definition, self.contrasts, self.definition.goals.primary.metric)
        return any(p <= self.definition.design.alpha for p in family.p_values())

    def _smallest_arm(self, segment: str) -> int:
        """Members of the smallest arm that could be chosen in a segment, control included."""
        measured = self.contrasts.metrics[self._metric]
        return min(measured.arm(arm, segment).count for arm in (CONTROL, *self.eligible))

    def _departures(self, winner: str, segments: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """For each segment the eligible arms that are proven better than the winner within it.

        One family over every eligible arm and every segment, Holm, two-sided at alpha: the choice within a segment is
        the best of several arms, so that a family of the choices alone would let equal arms depart too often.
        """
        sign = goodness(self.definition, self._metric)
        places = [(segment, arm) for segment in segments for arm in self.eligible if arm != winner]
        found = [self.contrasts.compare(self._metric, arm, winner, segment) for segment, arm in places]
        p_values = adjust([1.0 if c is None else c.p_value() for c in found], "holm")
        better: dict[str, tuple[str, ...]] = dict.fromkeys(segments, ())
        for (segment, arm), comparison, p in zip(places, found, p_values, strict=True):
            if comparison and p <= self.definition.design.alpha and sign * comparison.difference > 0:
                better[segment] += (arm,)
        return better

    def _in_segment(self, winner: str, segment: str, better: tuple[str, ...] | None) -> Choice:
        """The arm of one segment; `better` is None where the segment has too few members."""
        reasons: tuple[Reason, ...] = ()
        chosen = winner
        if better is None:
            chosen = winner if self._rule.fallback == "overall_winner" else CONTROL
            members, least = self._smallest_arm(segment), self._rule.min_members_per_arm
            reasons += (self._say("segment_too_small", segment, chosen, members=members, least=least),)
        elif better:
            _, tied = self._tie(better, segment)
            chosen = self._preferred(tied)
            comparison = self.contrasts.compare(self._metric, chosen, winner, segment)
            assert comparison is not None
            difference = self.sentences.change(self._metric, comparison.difference)
            facts = {"winner": self.sentences.arm(winner), "metric": self._metric, "difference": difference}
            reasons += (self._say("segment_departs", segment, chosen, **facts),)
        highest = self._value_bounds.get((chosen, segment))
        if highest is not None and highest < 0:
            goals = self.definition.goals
            bound = self.sentences.change(
                goals.value_metric, goodness(self.definition, goals.value_metric) * highest
            )
            reasons += (self._say("segment_loses", segment, chosen, metric=goals.value_metric, bound=bound),)
            chosen = CONTROL
        return Choice(chosen, {segment: chosen}, reasons)

    def _say(self, code: str, segment: str, arm: str, **facts: object) -> Reason:
        return self.sentences.reason(code, segment=segment, arm=self.sentences.arm(arm), **facts)

    @cached_property
    def _value_bounds(self) -> Mapping[tuple[str, str], float]:
        """The best that each arm's value may be in each segment: the good end of the family's adjusted interval."""
        metric = self.definition.goals.value_metric
        family = segment_family(self.definition, self.contrasts, metric)
        upward = goodness(self.definition, metric) > 0
        return {
            (contrast.arm, contrast.segment or ""): high if upward else -low
            for contrast, (low, high) in zip(family.contrasts, family.intervals, strict=True)
        }
