"""Guardrails: how often an arm passes whose harm is exactly the limit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.calibration.judging import Cell, Table
from benchmarks.calibration.population import spending
from experiments.inference.comparison import Comparison, compare
from experiments.inference.guardrails import non_inferiority
from experiments.inference.proportions import compare_proportions
from experiments.inference.score import TwoByTwo

LEVEL = 0.05
SIZES = ((20_000, 20_000), (20_000, 40_000), (40_000, 10_000))


def guardrails(rng: np.random.Generator, runs: int) -> Iterator[Table]:
    """Absolute and relative limits of rates and of means."""
    cells = []
    for arm, control in SIZES:
        column = f"{arm:,} against {control:,}"
        for rate, limit in ((0.004, 0.003), (0.05, 0.01)):
            harmed = rng.binomial(arm, rate + limit, runs)
            others = rng.binomial(control, rate, runs)
            comparisons: list[Comparison] = [
                compare_proportions(TwoByTwo(int(a), arm, int(c), control))
                for a, c in zip(harmed, others, strict=True)
            ]
            for kind, value in (("absolute", limit), ("relative", limit / rate)):
                passed = sum(_passes(each, value, relative=kind == "relative") for each in comparisons)
                cells.append(Cell(f"rate {rate:g} + {limit:g}, {kind}", column, passed, runs, LEVEL))
        cells += _amounts(rng, runs, arm, control)
    yield Table(
        "Guardrails",
        "Share of arms that pass although their harm is exactly the limit (one-sided 5 %).",
        tuple(cells),
    )


def _amounts(rng: np.random.Generator, runs: int, arm: int, control: int) -> list[Cell]:
    """Spending that is a tenth higher, where less is better."""
    higher, usual = spending(0.1, 1.1), spending(0.1)
    drawn = [side.draw(rng, np.array([n]), runs)[:, 0] for side, n in ((higher, arm), (usual, control))]
    comparisons = [
        compare(higher.moments(a)[0], usual.moments(c)[0], "y") for a, c in zip(*drawn, strict=True)
    ]
    return [
        Cell(
            f"mean + 10 %, {kind}",
            f"{arm:,} against {control:,}",
            sum(_passes(each, value, relative=kind == "relative") for each in comparisons),
            runs,
            LEVEL,
        )
        for kind, value in (("absolute", usual.mean("y") / 10), ("relative", 0.1))
    ]


def _passes(comparison: Comparison, limit: float, *, relative: bool) -> bool:
    return non_inferiority(comparison, limit, "down", relative=relative).status == "pass"
