"""Tally: what happened over some simulated experiments; tallies add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class FamilyTally:
    """What happened to one metric's comparisons with control over some trials; tallies add.

    Attributes:
        rejected: Per arm: trials with an unadjusted p-value of at most alpha.
        exact: Per arm: trials in which the test was an exact one.
        covered: Per arm: trials whose unadjusted interval covers the true difference.
        found: Per arm: trials with an adjusted p-value of at most alpha and the sign that is good.
        any_false: Trials in which an adjusted p-value rejects for an arm without an effect.
        false_share: Sum over trials of the share of false ones among the rejections by adjusted p-values.
        all_covered: Trials in which every adjusted interval covers.
    """

    rejected: NDArray[np.int64]
    exact: NDArray[np.int64]
    covered: NDArray[np.int64]
    found: NDArray[np.int64]
    any_false: int
    false_share: float
    all_covered: int

    def __add__(self, other: FamilyTally) -> FamilyTally:
        return FamilyTally(
            self.rejected + other.rejected,
            self.exact + other.exact,
            self.covered + other.covered,
            self.found + other.found,
            self.any_false + other.any_false,
            self.false_share + other.false_share,
            self.all_covered + other.all_covered,
        )


@dataclass(frozen=True)
class Tally:
    """What happened over some trials of one scenario; tallies add.

    Attributes:
        runs: How many trials.
        families: Metric to its comparisons.
        rollouts: Trials with the verdict `rollout`; 0 where no verdict is asked for.
    """

    runs: int
    families: Mapping[str, FamilyTally] = field(default_factory=dict)
    rollouts: int = 0

    def __add__(self, other: Tally) -> Tally:
        if not self.runs:
            return other
        families = {metric: tally + other.families[metric] for metric, tally in self.families.items()}
        return Tally(self.runs + other.runs, families, self.rollouts + other.rollouts)
