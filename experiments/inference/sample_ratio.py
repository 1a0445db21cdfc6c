"""Sample ratio: do the arms have the members that their shares promise?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import chdtrc


@dataclass(frozen=True)
class SampleRatio:
    """Pearson's chi-square statistic of the arms' counts, and its p-value."""

    statistic: float
    p_value: float


def sample_ratio(counts: Sequence[int], shares: Sequence[float]) -> SampleRatio:
    """Chi-square goodness-of-fit test of member counts against planned shares.

    An arm with a share and no members is counted like any other here; that it is missing is a failure of its
    own, whatever this p-value.

    Args:
        counts: Members of each arm.
        shares: Planned share of each arm, positive; they add to 1.

    Raises:
        ValueError: Fewer than two arms, lengths differ, a share is not positive, the shares do not add to 1,
            a count is negative, or there are no members.

    >>> sample_ratio([821_588, 815_482], [0.5, 0.5]).p_value < 1e-5
    True
    """
    if len(counts) != len(shares) or len(counts) < 2:
        raise ValueError(
            f"a sample ratio needs two or more arms; got {len(counts)} counts, {len(shares)} shares"
        )
    if min(shares) <= 0 or not math.isclose(sum(shares), 1.0, abs_tol=1e-9):
        raise ValueError(f"shares must be positive and add to 1; got {list(shares)}")
    members = sum(counts)
    if members == 0 or min(counts) < 0:
        raise ValueError(f"a sample ratio needs members and no negative count; got {list(counts)}")
    statistic = sum(
        (count - members * share) ** 2 / (members * share)
        for count, share in zip(counts, shares, strict=True)
    )
    return SampleRatio(statistic, float(chdtrc(len(counts) - 1, statistic)))
