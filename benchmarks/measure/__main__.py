"""How near is measurement to what one would write by hand for its engine, and does its cost grow with the members?

    python -m benchmarks.measure
    python -m benchmarks.measure --sizes 1000000 3000000 10000000 30000000 --rounds 1

10,000,000 members in a ledger x 7 arms, 30,000,000 orders and 10,000,000 rows of feedback in Parquet: 6 metrics,
3 covariates, 5 segments, to moments. Measurement and the two hand-written forms take turns, each in a process of its own
with the same threads and memory limit; the floor is the faster form. Prints medians; the exit code is 1 when time (wall or
CPU) is over 1.5 of the floor at any size, or memory reaches 6 GB at up to 10,000,000 members.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import duckdb

from benchmarks.measure.tables import Tables
from benchmarks.processes import Run, run

MOST_TIMES_THE_FLOOR = 1.5
MOST_MEMORY = 6 * 1024**3
MOST_MEMBERS_IN_MEMORY = 10_000_000
OURS = "measurement"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; 1 when a limit is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measure", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000_000], help="members")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each side, taking turns")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--memory", default="4GB", help="what DuckDB may hold before it spills, on every side"
    )
    parser.add_argument(
        "--data", type=Path, help="keep the tables under this folder, and use those that are there"
    )
    options = parser.parse_args(arguments)
    print(
        f"{options.threads} threads, {options.memory}; DuckDB {duckdb.__version__}; medians of {options.rounds}\n"
    )
    print(
        "| members | form | wall, s | CPU, s | CPU, us a member | peak memory, GB | wall, CPU over the floor |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    missed = False
    with tempfile.TemporaryDirectory() as temporary:
        for members in sorted(options.sizes):
            tables = Tables((options.data or Path(temporary)) / str(members), members)
            tables.make(options.threads, options.memory)
            missed |= _print_size(members, _take_turns(tables, options))
    return int(missed)


def _take_turns(tables: Tables, options: argparse.Namespace) -> dict[str, list[Run]]:
    limits = [str(tables.out), str(options.threads), options.memory]
    by_hand = ["benchmarks.measure.floor", str(tables.folder), *limits]
    commands = {
        OURS: ["benchmarks.measure.ours", str(tables.definition), *limits],
        "by hand, staged": [*by_hand, "staged"],
        "by hand, one statement": [*by_hand, "single"],
    }
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(options.rounds):
        for name, command in commands.items():
            runs[name].append(run([sys.executable, "-m", *command]))
    _same_answers([each.answer for found in runs.values() for each in found])
    return runs


def _same_answers(answers: Sequence[Mapping[str, Any]]) -> None:
    """Both sides have measured the same: members and counts exactly, sums of money to rounding."""
    for answer in answers:
        for name in ("members", "bought", "revenue", "complained"):
            assert abs(answer[name] - answers[0][name]) <= 1e-9 * abs(answers[0][name]), (name, answer)


def _print_size(members: int, runs: Mapping[str, Sequence[Run]]) -> bool:
    """Prints the rows of one size, and says whether it missed a limit."""
    times = {
        name: {kind: median(each.answer[kind] for each in found) for kind in ("wall", "cpu")}
        for name, found in runs.items()
    }
    hand = [found for name, found in times.items() if name != OURS]
    ratios = {kind: times[OURS][kind] / min(each[kind] for each in hand) for kind in ("wall", "cpu")}
    memory = {name: max(each.memory for each in found) for name, found in runs.items()}
    for name, took in times.items():
        over = f"{ratios['wall']:.2f}, {ratios['cpu']:.2f}" if name == OURS else ""
        print(
            f"| {members:,} | {name} | {took['wall']:.1f} | {took['cpu']:.1f} | {took['cpu'] / members * 1e6:.2f} "
            f"| {memory[name] / 1024**3:.2f} | {over} |",
            flush=True,
        )
    too_large = members <= MOST_MEMBERS_IN_MEMORY and memory[OURS] >= MOST_MEMORY
    return max(ratios.values()) > MOST_TIMES_THE_FLOOR or too_large


if __name__ == "__main__":
    sys.exit(main())
