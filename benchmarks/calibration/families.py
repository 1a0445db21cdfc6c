"""Corrections: false calls among K arms against one control, where none works and where half of them do."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.calibration.grid import ALPHA, SHARES
from benchmarks.calibration.judging import Cell, Table
from experiments.inference.corrections import Method, adjust
from experiments.inference.dunnett import dunnett_critical, max_t_tail
from experiments.inference.moments import Array
from experiments.inference.tails import tail_probability

OFFERS = (1, 6, 22)
CORRECTIONS: tuple[Method, ...] = ("bonferroni", "holm", "hochberg", "bh")
# Effects of the arms that work, in standard errors.
EFFECT = 4.0


def family_errors(rng: np.random.Generator, runs: int) -> Iterator[Table]:
    """Family-wise error of each correction; the false discovery rate of BH."""
    cells = []
    for offers in OFFERS:
        for shares in SHARES:
            row = f"{offers} offers, {shares}"
            z, loading = _deviates(rng, runs, offers, shares)
            critical = dunnett_critical(ALPHA, [loading] * offers)
            _require_tail(critical, [loading] * offers)
            hits = int((np.abs(z).max(axis=1) > critical).sum())
            cells.append(Cell(row, "dunnett", hits, runs, ALPHA))
            works = np.arange(offers) < offers // 2
            for correction in CORRECTIONS:
                cells.append(
                    Cell(row, correction, _false_calls(z, works & False, correction), runs, ALPHA, "upper")
                )
                if offers > 1:
                    column = f"{correction}, half work"
                    wrong = _false_calls(z + EFFECT * works, works, correction)
                    cells.append(Cell(row, column, wrong, runs, ALPHA, "upper"))
    yield Table(
        "Corrections",
        "Share of experiments with a false call among the arms (`bh`: mean share of false calls among all calls). "
        f"Dunnett is exact, the others promise at most 5 %. Arms that work do so by {EFFECT:g} standard errors.",
        tuple(cells),
    )


def _deviates(rng: np.random.Generator, runs: int, offers: int, shares: str) -> tuple[Array, float]:
    """Normal deviates of arms against a shared control, and their loading."""
    arm, control = SHARES[shares]
    error = math.sqrt(1 / arm + 1 / control)
    means = rng.normal(size=(runs, offers)) / math.sqrt(arm) - rng.normal(size=(runs, 1)) / math.sqrt(control)
    return means / error, control**-0.5 / error


def _false_calls(z: Array, works: NDArray[np.bool_], correction: Method) -> int:
    """Runs with a rejected arm that does not work; for BH the sum of the false shares, rounded."""
    wrong = 0.0
    for row in z:
        p_values = adjust([tail_probability(value, "two-sided") for value in row], correction)
        called = np.array(p_values) <= ALPHA
        false = int((called & ~works).sum())
        wrong += false / max(1, int(called.sum())) if correction == "bh" else false > 0
    return round(wrong)


def _require_tail(critical: float, shared: list[float]) -> None:
    if abs(max_t_tail(critical, shared) - ALPHA) > 1e-8:
        raise ArithmeticError(f"the tail beyond Dunnett's critical value {critical} is not {ALPHA}")
