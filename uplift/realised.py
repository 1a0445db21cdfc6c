"""What a rollout brought, as its own holdout shows it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from experiments.definition.arms import CONTROL
from experiments.inference.moments import Moments, pool
from experiments.measurement.measurement import MetricMoments


@dataclass(frozen=True)
class Realised:
    """The total of a metric over what the contacted members would have had without contact.

    Attributes:
        contacted: Members.
        total: Their gain, all together.
        std_error: Its standard error.
    """

    contacted: int
    total: float
    std_error: float


def realised(measured: MetricMoments) -> Realised:
    """The difference of means between contacted and held-out members of each stratum, times the contacted ones.

    Within a segment and stratum of `measured` (what the policy gives, and the part of the audience) holdout is random. A
    stratum without a held-out member is compared with all held-out members.

    Args:
        measured: Moments of the metric among the released members; control are those held out.
    """
    value = measured.value
    by_stratum: dict[tuple[str, str], list[Moments]] = {}
    held: dict[tuple[str, str], Moments] = {}
    for cell, moments in measured.cells.items():
        key = cell.segment, cell.stratum
        if cell.arm == CONTROL:
            held[key] = held[key] + moments if key in held else moments
        else:
            by_stratum.setdefault(key, []).append(moments)
    everybody = pool([Moments.zero(measured.variables), *held.values()])
    contacted, total, variance = 0, 0.0, 0.0
    for key, parts in by_stratum.items():
        mine, others = pool(parts), held.get(key, everybody)
        if not others.count:
            continue
        contacted += mine.count
        total += mine.count * (mine.average(value) - others.average(value))
        variance += mine.count * _variance(mine, value, everybody)
        variance += mine.count**2 / others.count * _variance(others, value, everybody)
    return Realised(contacted, total, math.sqrt(variance))


def _variance(moments: Moments, value: str, everybody: Moments) -> float:
    """Between members; of one member alone that of everybody held out."""
    found = moments if moments.count > 1 else everybody
    return found.variance(value) if found.count > 1 else 0.0
