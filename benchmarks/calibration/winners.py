"""The corrected winner of equal arms: is it unbiased in the median, and does its interval cover?"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from benchmarks.calibration.grid import SHARES
from benchmarks.calibration.judging import Cell, Table
from experiments.inference.dunnett import dunnett_critical
from experiments.inference.winner import hybrid

ALPHA = 0.05
OFFERS = (2, 6, 9, 22)


def winners(rng: np.random.Generator, runs: int) -> Iterator[Table]:
    """Equal arms: the estimate lies on either side of the truth equally often; 95 % intervals miss in at most 5 %."""
    cells: list[Cell] = []
    notes = ["The largest of equal arms, in standard errors:", ""]
    for offers in OFFERS:
        for shares, (arm, control) in SHARES.items():
            row = f"{offers} equal offers, {shares}"
            error = math.sqrt(1 / arm + 1 / control)
            loadings = [control**-0.5 / error] * offers
            drawn = rng.normal(size=(runs, offers)) / math.sqrt(arm)
            z = (drawn - rng.normal(size=(runs, 1)) / math.sqrt(control)) / error
            critical = dunnett_critical(ALPHA / 10, loadings)
            answers = [
                hybrid(
                    each, np.ones(offers), loadings, alpha=ALPHA, critical=critical, chosen=int(each.argmax())
                )
                for each in z
            ]
            corrected = np.array([answer.corrected for answer in answers])
            missed = sum(not answer.low <= 0 <= answer.high for answer in answers)
            naive = float((np.abs(z.max(axis=1)) <= 1.96).mean())
            cells += [
                Cell(row, "estimate below the truth", int((corrected < 0).sum()), runs, 0.5),
                Cell(row, "interval misses", missed, runs, ALPHA, "upper"),
            ]
            notes.append(
                f"- {row}: naive mean {z.max(axis=1).mean():+.2f}, its interval covers {naive:.3f}; corrected "
                f"median {np.median(corrected):+.3f}, mean {corrected.mean():+.2f}, covers {1 - missed / runs:.3f}"
            )
    yield Table(
        "The winner of equal arms",
        "Share of experiments whose corrected estimate (hybrid) lies below the truth, target 50 %, and whose "
        "95 % interval misses it.",
        tuple(cells),
        (*notes, ""),
    )
