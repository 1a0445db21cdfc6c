"""Homogeneity: does the same share of every arm's members have a property, such as a missing value?"""

from __future__ import annotations

from collections.abc import Sequence

from scipy.special import chdtrc

from experiments.inference.exact import mid_p
from experiments.inference.score import TwoByTwo

_LEAST_EXPECTED = 5.0


def homogeneity(having: Sequence[int], members: Sequence[int]) -> float:
    """P-value of H0: the share of members who have the property is the same in all arms.

    Pearson's chi-square test of homogeneity (k - 1 degrees of freedom). Where an arm's expected count, of those who
    have the property or of those who do not, is under 5, the conditional mid-p test of each arm against all others, the
    smallest p-value times the number of such tests (Bonferroni).

    Args:
        having: Members of each arm who have the property.
        members: All members of each arm.

    Raises:
        ValueError: Fewer than two arms, lengths differ, an arm is empty, or a count is outside of its arm.

    >>> round(homogeneity([10, 30], [1000, 1000]), 4), round(homogeneity([0, 2], [16687, 33396]), 3)
    (0.0014, 0.445)
    """
    if len(having) != len(members) or len(members) < 2:
        raise ValueError(f"two or more arms are compared; got {len(having)} counts of {len(members)} arms")
    if any(n < 1 or not 0 <= d <= n for d, n in zip(having, members, strict=True)):
        raise ValueError(
            f"counts must lie within arms that have members; got {list(having)} of {list(members)}"
        )
    total, found = sum(members), sum(having)
    if found in {0, total}:
        return 1.0
    rarer = having if 2 * found <= total else [n - d for d, n in zip(having, members, strict=True)]
    share = sum(rarer) / total
    if min(members) * share < _LEAST_EXPECTED:
        return _exact(rarer, members)
    statistic = sum(
        (d - n * share) ** 2 / (n * share * (1 - share)) for d, n in zip(rarer, members, strict=True)
    )
    return float(chdtrc(len(members) - 1, statistic))


def _exact(having: Sequence[int], members: Sequence[int]) -> float:
    total, found = sum(members), sum(having)
    arms = list(zip(having, members, strict=True))
    if len(arms) == 2:
        # The second arm against the first is the same test.
        del arms[1]
    p_values = [mid_p(TwoByTwo(d, n, found - d, total - n), "two-sided") for d, n in arms]
    return min(1.0, len(arms) * min(p_values))
