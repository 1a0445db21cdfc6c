"""Are the tests, intervals and corrections what they say? Simulates each and judges it by the binomial.

    python -m benchmarks.calibration --runs 20000

One table per question. Cells of a table are judged together: a rate passes when it lies within z of its target,
z at .005 / cells; methods that are conservative by construction are judged on the upper side only.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from experiments.inference.adjustment import LinComparison
from experiments.inference.always_valid import ConfidenceSequence
from experiments.inference.comparison import Comparison
from experiments.inference.corrections import adjust
from experiments.inference.dunnett import dunnett_critical, max_t_tail
from experiments.inference.guardrails import non_inferiority
from experiments.inference.means import WelchComparison
from experiments.inference.moments import Moments
from experiments.inference.proportions import compare_proportions
from experiments.inference.ratios import DeltaRatioComparison
from experiments.inference.score import TwoByTwo
from experiments.inference.sequential import spending_bounds, spending_function
from experiments.inference.tails import critical_value, tail_probability
from experiments.inference.winner import hybrid

Judge = Literal["both", "upper"]


@dataclass(frozen=True)
class Cell:
    """A simulated rate and what it should be."""

    name: str
    hits: int
    runs: int
    target: float
    judge: Judge = "both"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints every table; the exit code is the number of cells that fail, at most 1."""
    parser = argparse.ArgumentParser(description="Simulate the statistics and judge their error rates.")
    parser.add_argument(
        "--runs", type=int, default=2000, help="simulated experiments per cell (20000 to judge)"
    )
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--only", help="only the tables whose title contains this")
    options = parser.parse_args(arguments)
    failed = 0
    for title, simulate in TABLES.items():
        if options.only and options.only not in title:
            continue
        started = time.perf_counter()
        cells = simulate(np.random.default_rng(options.seed), options.runs)
        failed += report(title, cells, time.perf_counter() - started)
    return min(failed, 1)


def report(title: str, cells: Sequence[Cell], seconds: float) -> int:
    """Prints a table and returns the number of cells that miss their target."""
    z = critical_value(0.005 / len(cells))
    print(f"\n{title}  ({cells[0].runs:,} runs a cell, {seconds:.1f} s, |z| <= {z:.2f})")
    failed = 0
    for cell in cells:
        rate = cell.hits / cell.runs
        deviate = (rate - cell.target) / math.sqrt(cell.target * (1 - cell.target) / cell.runs)
        good = deviate <= z if cell.judge == "upper" else abs(deviate) <= z
        failed += not good
        print(
            f"  {'ok  ' if good else 'MISS'} {cell.name:<52} {rate:.4f}  target {cell.target:.3f}  z {deviate:+.2f}"
        )
    return failed


def type_one_error(rng: np.random.Generator, runs: int) -> list[Cell]:
    """Level of every estimator without an effect, at equal and at unequal shares."""
    cells = []
    for share in (0.5, 0.1):
        for name, draw, judge in (
            ("score, rate .02, 20,000 members", _proportions(0.02, 20_000, share), "both"),
            ("sparse exact, rate .002, 6,000 members", _proportions(0.002, 6000, share), "upper"),
            ("small exact, rate .05, 200 members", _proportions(0.05, 200, share), "upper"),
            ("welch, 5 % buyers, 40,000 members", _amounts(0.05, 40_000, share), "both"),
            ("delta, ratio of sums, 4,000 members", _ratios(4000, share), "both"),
            ("lin, two covariates, 1,000 members", _covariates(1000, share, 1), "both"),
            ("stratified, 3 strata, 1,500 members", _covariates(1500, share, 3), "both"),
        ):
            hits = sum(draw(rng).p_value() <= 0.05 for _ in range(runs))
            cells.append(Cell(f"{name}, {share:.0%} in the arm", hits, runs, 0.05, judge))
    return cells


def coverage(rng: np.random.Generator, runs: int) -> list[Cell]:
    """Coverage of the 95 % intervals of the difference and of the lift, at +50 %."""
    cells = []
    for share in (0.5, 0.1):
        n_arm, n_versus = int(20_000 * share), 20_000 - int(20_000 * share)
        difference = lift = 0
        for _ in range(runs):
            table = TwoByTwo(
                int(rng.binomial(n_arm, 0.03)), n_arm, int(rng.binomial(n_versus, 0.02)), n_versus
            )
            comparison = compare_proportions(table)
            low, high = comparison.interval(0.05)
            difference += low <= 0.01 <= high
            relative = comparison.lift(0.05)
            lift += relative is not None and relative.low <= 0.5 <= relative.high
        cells += [
            Cell(f"score interval of .03 - .02, {share:.0%} in the arm", difference, runs, 0.95),
            Cell(f"lift of 50 % on .02, {share:.0%} in the arm", lift, runs, 0.95),
        ]
    return cells


def families(rng: np.random.Generator, runs: int) -> list[Cell]:
    """Family-wise error of K equal arms against one control."""
    cells = []
    for arms in (3, 8):
        sizes, control = np.full(arms, 500), 1000
        errors = np.sqrt(1 / sizes + 1 / control)
        shared = list(control**-0.5 / errors)
        z = (
            rng.normal(size=(runs, arms)) / np.sqrt(sizes) - rng.normal(size=(runs, 1)) / math.sqrt(control)
        ) / errors
        p = [[tail_probability(value, "two-sided") for value in row] for row in z]
        for method in ("bonferroni", "holm", "hochberg"):
            hits = sum(min(adjust(row, method)) <= 0.05 for row in p)
            cells.append(Cell(f"{method}, {arms} arms", hits, runs, 0.05, "upper"))
        critical = dunnett_critical(0.05, shared)
        hits = int((np.abs(z).max(axis=1) > critical).sum())
        cells.append(Cell(f"dunnett, {arms} arms", hits, runs, 0.05))
        assert abs(max_t_tail(critical, shared) - 0.05) < 1e-8
    return cells


def winners(rng: np.random.Generator, runs: int) -> list[Cell]:
    """The corrected winner of equal arms: median and coverage; the naive one beside it is expected to miss."""
    cells = []
    for arms in (2, 5, 9, 22):
        shared = [math.sqrt(0.5)] * arms
        critical = dunnett_critical(0.005, shared)
        z = (rng.normal(size=(runs, arms)) - rng.normal(size=(runs, 1))) / math.sqrt(2)
        answers = [
            hybrid(row, np.ones(arms), shared, alpha=0.05, critical=critical, chosen=int(row.argmax()))
            for row in z
        ]
        covered = sum(answer.low <= 0 <= answer.high for answer in answers)
        below = sum(answer.corrected <= 0 for answer in answers)
        corrected = np.array([answer.corrected for answer in answers])
        naive = float(np.mean([abs(answer.naive) <= 1.96 for answer in answers]))
        print(
            f"  {arms} arms: naive mean {z.max(axis=1).mean():+.2f} se, coverage {naive:.3f}; "
            f"corrected median {np.median(corrected):+.3f}, mean {corrected.mean():+.2f}"
        )
        cells += [
            Cell(f"estimate below the truth, {arms} arms", below, runs, 0.5),
            Cell(f"interval misses, {arms} arms", runs - covered, runs, 0.05, "upper"),
        ]
    return cells


def guardrails(rng: np.random.Generator, runs: int) -> list[Cell]:
    """How often an arm passes whose harm is exactly the limit."""
    cells = []
    for rate, limit in ((0.004, 0.003), (0.05, 0.01)):
        for relative in (False, True):
            arm = rng.binomial(20_000, rate + limit, runs)
            control = rng.binomial(40_000, rate, runs)
            hits = sum(
                non_inferiority(
                    compare_proportions(TwoByTwo(int(a), 20_000, int(c), 40_000)),
                    limit / rate if relative else limit,
                    "down",
                    relative=relative,
                ).status
                == "pass"
                for a, c in zip(arm, control, strict=True)
            )
            kind = "relative" if relative else "absolute"
            cells.append(Cell(f"{kind} limit, rate {rate}, harm {limit}", hits, runs, 0.05))
    return cells


def looks(rng: np.random.Generator, runs: int) -> list[Cell]:
    """Rejections without an effect over 14 looks."""
    count, batch = 14, 500
    sums = rng.normal(size=(runs, count)).cumsum(axis=1)
    z = np.abs(sums) / np.sqrt(np.arange(1, count + 1))
    information = [(i + 1) / count for i in range(count)]
    cells = []
    for name in ("obrien_fleming", "pocock"):
        bounds = np.array(spending_bounds(information, spending_function(name, 0.025)))
        cells.append(Cell(f"{name}, 14 looks", int((z > bounds).any(axis=1).sum()), runs, 0.05))
    widths = np.array(
        [ConfidenceSequence(0.0, 1.0, batch * (i + 1), batch * count).interval[1] for i in range(count)]
    )
    cells.append(Cell("always valid, 14 looks", int((z > widths).any(axis=1).sum()), runs, 0.05, "upper"))
    print(f"  naive peeking at 14 looks rejects {float((z > 1.96).any(axis=1).mean()):.3f}")
    return cells


TABLES: dict[str, Callable[[np.random.Generator, int], list[Cell]]] = {
    "Type I error": type_one_error,
    "Coverage": coverage,
    "Families": families,
    "Corrected winner": winners,
    "Guardrails": guardrails,
    "Looks": looks,
}

Draw = Callable[[np.random.Generator], Comparison]


def _sizes(members: int, share: float) -> tuple[int, int]:
    arm = round(members * share)
    return arm, members - arm


def _proportions(rate: float, members: int, share: float) -> Draw:
    arm, versus = _sizes(members, share)
    return lambda rng: compare_proportions(
        TwoByTwo(int(rng.binomial(arm, rate)), arm, int(rng.binomial(versus, rate)), versus)
    )


def _amounts(buyers: float, members: int, share: float) -> Draw:
    def arm(rng: np.random.Generator, n: int) -> Moments:
        x = rng.gamma(2.0, 20.0, rng.binomial(n, buyers))
        return Moments.from_sums(("x",), [0.0], n, [x.sum()], [[float(x @ x)]], [len(x)])

    return lambda rng: WelchComparison(*(arm(rng, n) for n in _sizes(members, share)), "x")


def _ratios(members: int, share: float) -> Draw:
    def arm(rng: np.random.Generator, n: int) -> Moments:
        orders = rng.poisson(rng.gamma(2.0, 1.0, n))
        return Moments.from_rows(("num", "den"), np.c_[rng.gamma(2.0 * orders + 1e-9, 10.0), orders])

    return lambda rng: DeltaRatioComparison(*(arm(rng, n) for n in _sizes(members, share)), "num", "den")


def _covariates(members: int, share: float, strata: int) -> Draw:
    def arm(rng: np.random.Generator, n: int, level: int) -> Moments:
        x = rng.normal(size=(n, 2))
        y = level + x @ np.array([1.0, 0.5]) + rng.normal(size=n)
        return Moments.from_rows(("y", "a", "b"), np.c_[y, x])

    def draw(rng: np.random.Generator) -> Comparison:
        sides = ([arm(rng, n // strata, level) for level in range(strata)] for n in _sizes(members, share))
        return LinComparison(*sides, "y", ("a", "b"))

    return draw


if __name__ == "__main__":
    sys.exit(main())
