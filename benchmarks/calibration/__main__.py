"""Are the tests, intervals and corrections what they say? Simulates each and judges it by the binomial.

    python -m benchmarks.calibration --runs 20000 --page docs/calibration.md

Prints Markdown tables; the exit code is 1 when a cell misses its target.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.calibration.departures import departures
from benchmarks.calibration.families import family_errors
from benchmarks.calibration.grid import type_one_errors
from benchmarks.calibration.guardrails import guardrails
from benchmarks.calibration.intervals import coverage
from benchmarks.calibration.judging import Table, failures
from benchmarks.calibration.winners import winners

SIMULATIONS: dict[str, Callable[[np.random.Generator, int], Iterator[Table]]] = {
    "type-one": type_one_errors,
    "coverage": coverage,
    "corrections": family_errors,
    "winner": winners,
    "departures": departures,
    "guardrails": guardrails,
}

HOW_TO_READ = """\
Every rate below is simulated with the code that `analyze` runs, from moments, without an effect unless the table says
otherwise. Cells of a table are judged together: a rate may lie z standard errors from its target, z at .005 / cells,
two-sided. `<` marks a method that promises at most its target and is judged on that side only; a rate in brackets
promises nothing; a miss is bold. What is simulated and how large it is stands in `benchmarks/calibration/`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints every table; 1 when a cell misses, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=2000, help="simulated experiments per cell (20000 to judge)"
    )
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--only", choices=SIMULATIONS, help="one simulation")
    parser.add_argument("--page", type=Path, help="also write the tables as a page of the documentation")
    options = parser.parse_args(arguments)
    tables: list[Table] = []
    started = time.perf_counter()
    for name, simulate in SIMULATIONS.items():
        if options.only in {None, name}:
            for table in simulate(np.random.default_rng(options.seed), options.runs):
                print(table.markdown(), flush=True)
                tables.append(table)
            print(
                f"{name}: {time.perf_counter() - started:.0f} s since the start", file=sys.stderr, flush=True
            )
    missed = failures(tables)
    if options.page:
        command = f"python -m benchmarks.calibration --runs {options.runs} --seed {options.seed}"
        options.page.write_text(page(tables, command), encoding="utf8")
    return min(missed, 1)


def page(tables: Sequence[Table], command: str) -> str:
    """The tables as a page: how they were made, when, and how to read them."""
    made = f"`{command}`, {datetime.now(UTC):%Y-%m-%d}: {failures(tables)} cells miss."
    return "\n".join(
        ["# Calibration", "", made, "", HOW_TO_READ, "", *(table.markdown() for table in tables)]
    )


if __name__ == "__main__":
    sys.exit(main())
