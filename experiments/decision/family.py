"""Families of tests: which comparisons are corrected together, their adjusted p-values and intervals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from experiments.definition.design import Correction
from experiments.inference.comparison import Comparison
from experiments.inference.corrections import adjust, interval_level
from experiments.inference.dunnett import dunnett_adjust, dunnett_critical, loadings
from experiments.inference.tails import Alternative, tail_probability

Interval = tuple[float, float]


@dataclass(frozen=True)
class Contrast:
    """One comparison of a family: `arm` with `versus`, overall or within a segment."""

    arm: str
    versus: str
    segment: str | None
    comparison: Comparison


@dataclass(frozen=True)
class Family:
    """Comparisons that share one error rate alpha.

    Dunnett's correction uses the correlation through the shared control, within each of the S segments at alpha / S;
    every other correction reads the p-values alone.

    Attributes:
        contrasts: The comparisons, in the order in which results are given; all against the same arm for `dunnett`.
        correction: How they are corrected.
        alpha: The error rate of the whole family, two-sided.
    """

    contrasts: tuple[Contrast, ...]
    correction: Correction
    alpha: float

    def p_values(self, null: float = 0.0, alternative: Alternative = "two-sided") -> tuple[float, ...]:
        """Adjusted p-values of H0: difference = null, or <= (`greater`), or >= (`less`), in the order given.

        A comparison without a test counts with a p-value of 1.
        """
        if self.correction != "dunnett":
            raw = [contrast.comparison.p_value(null, alternative) for contrast in self.contrasts]
            return tuple(adjust(raw, self.correction))
        by_place: dict[tuple[str, str | None], float] = {}
        for group in self._by_segment.values():
            p_values = dunnett_adjust([contrast.comparison for contrast in group], null, alternative)
            for contrast, p in zip(group, p_values, strict=True):
                by_place[contrast.arm, contrast.segment] = min(1.0, p * len(self._by_segment))
        return tuple(by_place[contrast.arm, contrast.segment] for contrast in self.contrasts)

    @cached_property
    def intervals(self) -> tuple[Interval, ...]:
        """Adjusted two-sided intervals of the differences, in the order given."""
        return tuple(
            contrast.comparison.interval(self._levels[contrast.segment]) for contrast in self.contrasts
        )

    @cached_property
    def interval_adjustment(self) -> str:
        """The name of the intervals' adjustment."""
        if self.correction == "dunnett":
            return "dunnett"
        return interval_level(self.correction, self.alpha, max(1, len(self.contrasts))).label

    @cached_property
    def _by_segment(self) -> dict[str | None, list[Contrast]]:
        groups: dict[str | None, list[Contrast]] = {}
        for contrast in self.contrasts:
            groups.setdefault(contrast.segment, []).append(contrast)
        return groups

    @cached_property
    def _levels(self) -> dict[str | None, float]:
        """The error rate of each interval, by segment."""
        if self.correction != "dunnett":
            rejected = sum(p <= self.alpha for p in self.p_values())
            level = interval_level(self.correction, self.alpha, max(1, len(self.contrasts)), rejected)
            return dict.fromkeys(self._by_segment, level.alpha)
        each = self.alpha / max(1, len(self._by_segment))
        return {
            segment: tail_probability(
                dunnett_critical(each, loadings([contrast.comparison for contrast in group])), "two-sided"
            )
            for segment, group in self._by_segment.items()
        }
