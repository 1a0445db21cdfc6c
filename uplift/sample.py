"""What is learned from: the members of the test, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from experiments.definition.arms import Arm
from uplift.features import Array, FeatureSpace

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

FEWEST = 200
"""A part of the audience with fewer members in an arm takes the variance or the cost that the arm has everywhere."""


@dataclass(frozen=True)
class Members:
    """What a policy may look at, for n members.

    Attributes:
        codes: Shape (n, features): the matrix of a FeatureSpace.
        segment: Shape (n,): the number of each member's segment.
    """

    codes: Array
    segment: Integers

    def rows(self, chosen: Flags | Integers) -> Members:
        """Some of the members."""
        return Members(self.codes[chosen], self.segment[chosen])

    def __len__(self) -> int:
        return len(self.segment)


@dataclass(frozen=True)
class LearningSample:
    """The members of the test, in the order of their `learn` hash.

    Attributes:
        arms: The definition's arms, control first.
        space: How features became numbers.
        segments: The names of the segments.
        members: Features and segments of the n members.
        arm: Shape (n,): the number of the arm that each was assigned to.
        value: Shape (n,): the value metric.
        propensity: Shape (n,): the probability with which each member was assigned to the arm that it is in.
        fold: Shape (n,): the fold of each member, from 0.
        folds: Number of folds.
        seed: Seed of every learner, from the definition's salt.
        unit: Shape (n,), from 0: the shop or household that each was assigned with; None where members were assigned alone.
    """

    arms: tuple[Arm, ...]
    space: FeatureSpace
    segments: tuple[str, ...]
    members: Members
    arm: Integers
    value: Array
    propensity: Array
    fold: Integers
    folds: int
    seed: int
    unit: Integers | None = None

    def __len__(self) -> int:
        return len(self.arm)

    def rows(self, chosen: Flags | Integers) -> LearningSample:
        """Some of the members."""
        return replace(
            self,
            members=self.members.rows(chosen),
            arm=self.arm[chosen],
            value=self.value[chosen],
            propensity=self.propensity[chosen],
            fold=self.fold[chosen],
            unit=None if self.unit is None else self.unit[chosen],
        )

    def spread(self, part: Flags) -> Array:
        """Shape (K,): the standard deviation of the value by arm among `part`; everywhere, of an arm with few members there."""
        found = []
        for k in range(len(self.arms)):
            everywhere = self.arm == k
            here = everywhere & part
            found.append(self.value[here if here.sum() >= FEWEST else everywhere].std(ddof=1))
        return np.array(found)

    def without(self, *folds: int) -> LearningSample:
        """The members of the other folds."""
        return self.rows(~np.isin(self.fold, folds))
