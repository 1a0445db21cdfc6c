"""How near is `assign` to what one would write by hand for its engine?

    python -m benchmarks.assign

10,000,000 members, 30,000,000 orders and 20,000,000 contacts in Parquet: features, caps, segments, stratified arms, the ledger
and the send lists. `assign` and the two hand-written forms take turns, each in a process of its own with the same threads and
memory limit; the floor is the faster form. Prints medians; the exit code is 1 when time (wall or CPU) is over 1.5 of the floor, or
memory reaches 6 GB. Other packages: `benchmarks.assign.against_peers`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import duckdb

from benchmarks.assign.tables import Tables
from benchmarks.processes import Run, run

MOST_TIMES_THE_FLOOR = 1.5
MOST_MEMORY = 6 * 1024**3


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the tables; 1 when a limit is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.assign", description=__doc__)
    parser.add_argument("--members", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each side, taking turns")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--memory", default="4GB", help="what DuckDB may hold before it spills, on every side"
    )
    parser.add_argument(
        "--data", type=Path, help="keep the tables in this folder, and use those that stand there"
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.data and options.data.parent) as temporary:
        tables = Tables(options.data or Path(temporary) / "data", options.members)
        tables.make()
        runs = _take_turns(tables, Path(temporary), options)
    missed = _print_floor(runs, options)
    _print_speeds(runs["assign"])
    return int(missed)


def _take_turns(tables: Tables, temporary: Path, options: argparse.Namespace) -> dict[str, list[Run]]:
    limits = (str(options.threads), options.memory)
    out = temporary / "out"
    commands = {
        "assign": ["benchmarks.assign.ours", str(tables.definition), str(out), *limits],
        "by hand, staged": ["benchmarks.assign.floor", str(tables.folder), str(out), *limits, "staged"],
        "by hand, one statement": [
            "benchmarks.assign.floor",
            str(tables.folder),
            str(out),
            *limits,
            "single",
        ],
    }
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(options.rounds):
        for name, command in commands.items():
            shutil.rmtree(out, ignore_errors=True)
            runs[name].append(run([sys.executable, "-m", *command]))
    assert len({each.answer["members"] for found in runs.values() for each in found}) == 1
    return runs


def _print_floor(runs: Mapping[str, Sequence[Run]], options: argparse.Namespace) -> bool:
    members = runs["assign"][0].answer["members"]
    print(
        f"{options.members:,} members, {3 * options.members:,} orders, {2 * options.members:,} contacts; {members:,} assigned; "
        f"{options.threads} threads, {options.memory}; DuckDB {duckdb.__version__}; medians of {options.rounds}\n"
    )
    print("| | wall, s | CPU, s | peak memory, GB |\n| --- | --- | --- | --- |")
    medians = {
        name: {kind: median(each.answer[kind] for each in found) for kind in ("wall", "cpu")}
        for name, found in runs.items()
    }
    for name, found in runs.items():
        memory = max(each.memory for each in found)
        print(
            f"| {name} | {medians[name]['wall']:.1f} | {medians[name]['cpu']:.1f} | {memory / 1024**3:.2f} |"
        )
    own = medians.pop("assign")
    ratios = {kind: own[kind] / min(form[kind] for form in medians.values()) for kind in own}
    print(f"\ntimes the floor: wall {ratios['wall']:.2f}, CPU {ratios['cpu']:.2f}\n")
    heaviest = max(each.memory for each in runs["assign"])
    return max(ratios.values()) > MOST_TIMES_THE_FLOOR or heaviest >= MOST_MEMORY


def _print_speeds(own: Sequence[Run]) -> None:
    """Members a second, of the whole command and of the draw with its ledger."""
    print("| | members a second |\n| --- | --- |")
    for name, seconds in (
        ("`assign`, all of it", "wall"),
        ("`assign`, the draw and the ledger on disk", "draw"),
    ):
        speed = median(each.answer["members"] / each.answer[seconds] for each in own)
        print(f"| {name} | {speed:,.0f} |")


if __name__ == "__main__":
    sys.exit(main())
