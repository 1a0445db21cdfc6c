"""Corrections for a family of tests: adjusted p-values, and the level of the intervals shown with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

import numpy as np

from experiments.inference.tails import require_probability

Method = Literal["none", "bonferroni", "holm", "hochberg", "bh"]


@dataclass(frozen=True)
class IntervalLevel:
    """Error rate of each interval of a family, and the name under which the adjustment is shown."""

    alpha: float
    label: str


def adjust(p_values: Sequence[float], method: Method) -> list[float]:
    """Adjusted p-values of one family, in the order given: rejecting where they are <= alpha keeps its rate.

    `bonferroni`, `holm` (1979) and `hochberg` (1988; independent or positively dependent tests) keep the
    family-wise error rate, `bh` (Benjamini and Hochberg 1995) the false discovery rate.

    Raises:
        ValueError: A p-value lies outside [0, 1] or is missing.

    >>> adjust([0.01, 0.02, 0.04], "holm")
    [0.03, 0.04, 0.04]
    """
    p = np.asarray(p_values, dtype=float)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p-values must lie in [0, 1]; got {list(p_values)}")
    m = len(p)
    order = np.argsort(p, kind="stable")
    rank = np.arange(1, m + 1)
    ordered = p[order]
    match method:
        case "none":
            stepped = ordered
        case "bonferroni":
            stepped = ordered * m
        case "holm":
            stepped = np.maximum.accumulate(ordered * (m + 1 - rank))
        case "hochberg":
            stepped = np.minimum.accumulate((ordered * (m + 1 - rank))[::-1])[::-1]
        case "bh":
            stepped = np.minimum.accumulate((ordered * (m / rank))[::-1])[::-1]
        case _:
            assert_never(method)
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in adjusted]


def interval_level(method: Method, alpha: float, family_size: int, rejected: int = 0) -> IntervalLevel:
    """The level of each interval of a family.

    Bonferroni's alpha / m for `bonferroni`, and for `holm` and `hochberg` (conservative: their own intervals are
    not usable); the false-coverage level alpha R / m of Benjamini and Yekutieli (2005) for `bh`, with R
    rejections, at least one.

    Raises:
        ValueError: alpha outside (0, 1), an empty family, or more rejections than tests.

    >>> interval_level("holm", 0.05, 5)
    IntervalLevel(alpha=0.01, label='bonferroni_conservative')
    """
    require_probability(alpha, "alpha")
    if family_size < 1 or not 0 <= rejected <= family_size:
        raise ValueError(f"{rejected} rejections in a family of {family_size} tests")
    match method:
        case "none":
            return IntervalLevel(alpha, "none")
        case "bonferroni":
            return IntervalLevel(alpha / family_size, "bonferroni")
        case "holm" | "hochberg":
            return IntervalLevel(alpha / family_size, "bonferroni_conservative")
        case "bh":
            return IntervalLevel(alpha * max(rejected, 1) / family_size, "false_coverage")
        case _:
            assert_never(method)


def control_share(arms: int) -> float:
    """Control's share that minimises the variance of K comparisons with it: 1 / (1 + sqrt(K)) (Dunnett 1955).

    Raises:
        ValueError: There is no arm besides control.

    >>> round(control_share(4), 4)
    0.3333
    """
    if arms < 1:
        raise ValueError("a control's share needs at least one other arm")
    return 1 / (1 + math.sqrt(arms))
