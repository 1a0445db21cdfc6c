"""Families of tests: which comparisons are corrected together, their adjusted p-values and intervals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from experiments.definition.goals import Correction
from experiments.inference.comparison import Alternative, Comparison
from experiments.inference.corrections import IntervalLevel, adjust, interval_level

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

    Attributes:
        contrasts: The comparisons, in the order in which results are given.
        correction: How they are corrected.
        alpha: The error rate of the whole family, two-sided.
    """

    contrasts: tuple[Contrast, ...]
    correction: Correction
    alpha: float

    def p_values(self, null: float = 0.0, alternative: Alternative = "two-sided") -> tuple[float, ...]:
        """Adjusted p-values of H0: difference = null, or <= (`greater`), or >= (`less`), in the order given."""
        raw = [contrast.comparison.p_value(null, alternative) for contrast in self.contrasts]
        return tuple(adjust(raw, self.correction))

    @cached_property
    def intervals(self) -> tuple[Interval, ...]:
        """Adjusted two-sided intervals of the differences, in the order given."""
        return tuple(contrast.comparison.interval(self._level.alpha) for contrast in self.contrasts)

    @property
    def interval_adjustment(self) -> str:
        """The name of the intervals' adjustment."""
        return self._level.label

    @cached_property
    def _level(self) -> IntervalLevel:
        rejected = sum(p <= self.alpha for p in self.p_values())
        return interval_level(self.correction, self.alpha, max(1, len(self.contrasts)), rejected)
