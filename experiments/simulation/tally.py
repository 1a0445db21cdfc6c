"""Tally: what happened over some simulated experiments; tallies add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Seen:
    """What one trial has shown so far of one metric's comparisons with control, arm by arm.

    Attributes:
        rejected: An unadjusted p-value was at most alpha.
        conservative: The test errs at most as often as its level says.
        covered: Every unadjusted interval covered the true difference.
        proven: An adjusted p-value was at most alpha.
        found: One was, with the sign that is good.
        all_covered: Every adjusted interval of every arm covered.
    """

    rejected: NDArray[np.bool_]
    conservative: NDArray[np.bool_]
    covered: NDArray[np.bool_]
    proven: NDArray[np.bool_]
    found: NDArray[np.bool_]
    all_covered: bool

    def then(self, later: Seen) -> Seen:
        """This look and a later one."""
        return Seen(
            self.rejected | later.rejected,
            self.conservative | later.conservative,
            self.covered & later.covered,
            self.proven | later.proven,
            self.found | later.found,
            self.all_covered and later.all_covered,
        )

    def tally(self, has_effect: NDArray[np.bool_]) -> FamilyTally:
        """What the trial counts for, given which arms have an effect."""
        false = int((self.proven & ~has_effect).sum())
        return FamilyTally(
            rejected=self.rejected.astype(np.int64),
            conservative=self.conservative.astype(np.int64),
            covered=self.covered.astype(np.int64),
            found=self.found.astype(np.int64),
            any_false=int(false > 0),
            false_share=false / int(self.proven.sum()) if false else 0.0,
            all_covered=int(self.all_covered),
        )


@dataclass(frozen=True, eq=False)
class FamilyTally:
    """What happened to one metric's comparisons with control over some trials; tallies add.

    Attributes:
        rejected: Per arm: trials with an unadjusted p-value of at most alpha.
        conservative: Per arm: trials whose test errs at most as often as its level says.
        covered: Per arm: trials whose unadjusted interval covers the true difference.
        found: Per arm: trials with an adjusted p-value of at most alpha and the sign that is good.
        any_false: Trials in which an adjusted p-value rejects for an arm without an effect.
        false_share: Sum over trials of the share of false ones among the rejections by adjusted p-values.
        all_covered: Trials in which every adjusted interval covers.
    """

    rejected: NDArray[np.int64]
    conservative: NDArray[np.int64]
    covered: NDArray[np.int64]
    found: NDArray[np.int64]
    any_false: int
    false_share: float
    all_covered: int

    def __add__(self, other: FamilyTally) -> FamilyTally:
        return FamilyTally(
            self.rejected + other.rejected,
            self.conservative + other.conservative,
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
