"""One policy on one simulated truth, judged by what is true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.uplift.truths import Population


@dataclass(frozen=True)
class Row:
    """How a policy does.

    Attributes:
        method: Whose policy.
        kind: What kind it is.
        captured: The share of the gap between the best single arm and the oracle; None where there is no gap.
        loss: What a member loses against the best single arm, in the value's unit; 0 or less is no loss.
        uncovered: The share of members who get an offer of which every purchase costs more than it brings.
        seconds: Time to learn it.
    """

    method: str
    kind: str
    captured: float | None
    loss: float
    uncovered: float
    seconds: float


def judge(method: str, kind: str, chosen: NDArray[np.int64], population: Population, seconds: float) -> Row:
    """The policy's true value among `population`, where it gives the arms `chosen`, shape (n,)."""
    members, value = np.arange(len(chosen)), population.value
    single, oracle = value.mean(axis=0).max(), value.max(axis=1).mean()
    mine = value[members, chosen].mean()
    gap = float(oracle - single)
    return Row(
        method=method,
        kind=kind,
        captured=float(mine - single) / gap if gap > 1e-9 else None,
        loss=float(single - mine),
        uncovered=float(population.never_covered[members, chosen].mean()),
        seconds=seconds,
    )
