"""What members' outcomes leave to be explained by arms, and the columns that say what each arm is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.definition.arms import Arm
from uplift.features import Array, FeatureSpace
from uplift.sample import Integers


@dataclass(frozen=True)
class ArmDesign:
    """The columns W of the arms.

    Attributes:
        columns: Shape (K, G): contacted or not, every level of every factor, and every arm, as 0 and 1; equal ones once.
        shares: Shape (G,): the share of members with a 1.
    """

    columns: Array
    shares: Array

    @classmethod
    def of(cls, arms: Sequence[Arm]) -> ArmDesign:
        """The design of the definition's arms, control first."""
        levels = sorted({level for arm in arms for level in arm.levels})
        columns = [[0.0 if k == 0 else 1.0 for k in range(len(arms))]]
        columns += [[1.0 if level in arm.levels else 0.0 for arm in arms] for level in levels]
        columns += [[1.0 if arm.id == other.id else 0.0 for arm in arms] for other in arms[1:]]
        distinct = np.array(list(dict.fromkeys(map(tuple, columns)))).T
        given = np.array([float(arm.share) for arm in arms])
        return cls(distinct, given @ distinct / given.sum())

    @property
    def rows(self) -> Array:
        """Shape (K, G): W minus its mean, by arm."""
        return np.asarray(self.columns - self.shares)

    def centred(self, arm: Integers) -> Array:
        """Shape (n, G): W minus its mean."""
        return np.asarray(self.rows[arm])

    def by_arm(self, parts: Array) -> Array:
        """From f of shape (n, G) to what each arm adds to the mean over arms, shape (n, K)."""
        return np.asarray(parts @ self.rows.T)


@dataclass(frozen=True)
class Residuals:
    """What is left of n members' outcomes once m is taken off.

    Attributes:
        space: The space of the features.
        codes: Shape (n, features).
        arm: Shape (n,).
        rest: Shape (n,): Y - m(x), with an m that has not seen the member.
        design: The arms.
        seed: Of whatever is random.
    """

    space: FeatureSpace
    codes: Array
    arm: Integers
    rest: Array
    design: ArmDesign
    seed: int

    def rows(self, chosen: NDArray[np.bool_] | slice) -> Residuals:
        """Some of the members."""
        return Residuals(
            self.space, self.codes[chosen], self.arm[chosen], self.rest[chosen], self.design, self.seed
        )
