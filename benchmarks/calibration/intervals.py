"""Intervals: how often the true difference and the true lift lie in theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.calibration.judging import Cell, Table
from benchmarks.calibration.population import Population, binary, orders, spending
from experiments.inference.comparison import Comparison, compare
from experiments.inference.moments import Moments
from experiments.inference.ratios import DeltaRatioComparison

ALPHA = 0.05
Compare = Callable[[Moments, Moments], Comparison]


def coverage(rng: np.random.Generator, runs: int) -> Iterator[Table]:
    """Coverage of 95 % intervals at a lift of +50 %, 20,000 members in all, at several shares of the arm."""
    cells = []
    cases: list[tuple[str, Population, Population, Compare]] = [
        ("score, 2 %", binary(0.03), binary(0.02), lambda a, c: compare(a, c, "y", "binary")),
        ("score, 20 %", binary(0.3), binary(0.2), lambda a, c: compare(a, c, "y", "binary")),
        ("welch, 20 % buyers", spending(0.2, 1.5), spending(0.2), lambda a, c: compare(a, c, "y")),
        ("delta", orders(1.5), orders(), lambda a, c: DeltaRatioComparison(a, c, "num", "den")),
    ]
    for name, arm, versus, contrast in cases:
        for share in (0.5, 0.1, 0.9):
            truth = _estimand(arm) - _estimand(versus)
            sizes = round(20_000 * share), 20_000 - round(20_000 * share)
            drawn = [
                side.draw(rng, np.array([size]), runs)[:, 0]
                for side, size in zip((arm, versus), sizes, strict=True)
            ]
            differences = lifts = 0
            for a, c in zip(*drawn, strict=True):
                comparison = contrast(arm.moments(a)[0], versus.moments(c)[0])
                low, high = comparison.interval(ALPHA)
                differences += low <= truth <= high
                lift = comparison.lift(ALPHA)
                lifts += lift is not None and lift.low <= 0.5 <= lift.high
            row = f"{name}, {share:.0%} in the arm"
            cells += [
                Cell(row, "difference", differences, runs, 1 - ALPHA),
                Cell(row, "lift", lifts, runs, 1 - ALPHA),
            ]
    yield Table(
        "Coverage of intervals",
        "Share of experiments whose 95 % interval holds the true difference, and the true lift of +50 %; "
        "20,000 members in all.",
        tuple(cells),
    )


def _estimand(population: Population) -> float:
    """The mean, or the ratio of the means of two columns."""
    means = [population.mean(name) for name in population.names]
    return means[0] if len(means) == 1 else means[0] / means[1]
