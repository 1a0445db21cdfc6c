"""How many members a second does the draw alone give an arm, beside PlanOut and Ambrosia on the same task?

    python -m benchmarks.assign.against_peers

A table of members in memory becomes a table of members with arms: no ledger, no file, no send times. Each run is a process of its own,
one at a time; ours has two threads, the others one, which is how they work. They are installed once into `benchmarks/.venvs/assign`.
Prints a table of task, package and size. The exit code is 1 when the draw by hash, which is what both others do, is less than 20 times as
fast as Ambrosia's at 10,000,000 members, or as PlanOut's at any size. Ambrosia at fewer members, where the building of queries decides, and
draws within strata, which only Ambrosia has and where ranks are known only once everybody has been counted, are shown without
a limit: docs/speed.md says why.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.environments import peer_interpreter
from benchmarks.processes import run

HERE = Path(__file__).resolve().parent
PEERS = ("planout==0.6.0", "ambrosia==0.5.3.post1")
SIZES = (100_000, 1_000_000, 10_000_000)
MOST_OF_PLANOUT = 1_000_000
"""PlanOut takes a minute and a half for so many, and as long for each million more."""
TASKS = {"planout": "hash", "hash": "hash", "stratified": "stratified", "random": "stratified"}
"""What others do, to what we do."""
LEAST_TIMES = 20
JUDGED_FROM = {"planout": 0, "hash": 10_000_000}
"""Members from which a row is judged; PlanOut's at every size, since it is run at the smaller ones alone."""


@dataclass(frozen=True)
class Speed:
    """Medians of one side on one task.

    Attributes:
        name: The package with its version.
        wall: Members a second.
        cpu: Members a second of CPU.
    """

    name: str
    wall: float
    cpu: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; 1 when a row is below the limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.assign.against_peers", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="members")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each side")
    parser.add_argument("--threads", type=int, default=2, help="of the draw")
    parser.add_argument("--memory", default="4GB", help="what DuckDB may hold before it spills")
    options = parser.parse_args(arguments)
    print("| task | members | package | members a second | a CPU second | draw, times it: wall | CPU |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    missed = False
    for members in options.sizes:
        limits = (str(members), str(options.threads), options.memory)
        own = {task: _speed(_own_command(limits, task), options.rounds) for task in ("hash", "stratified")}
        for task, speed in own.items():
            _print(task, members, speed)
        for task, ours in TASKS.items():
            if task == "planout" and members > MOST_OF_PLANOUT:
                continue
            peer = [str(peer_interpreter("assign", PEERS)), str(HERE / "peers.py"), str(members), task]
            other = _speed(peer, options.rounds)
            _print("stratified, at random" if task == "random" else ours, members, other, own[ours])
            missed |= own[ours].wall / other.wall < LEAST_TIMES and members >= JUDGED_FROM.get(
                task, sys.maxsize
            )
    return int(missed)


def _own_command(limits: Sequence[str], task: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.assign.draw", *limits, task]


def _speed(command: Sequence[str], rounds: int) -> Speed:
    answers = [run(command).answer for _ in range(rounds)]
    name = f"{answers[0]['name']} {answers[0]['version']}" if "name" in answers[0] else "Offerwise"
    wall, cpu = (median(each["members"] / each[kind] for each in answers) for kind in ("wall", "cpu"))
    return Speed(name, wall, cpu)


def _print(task: str, members: int, speed: Speed, ours: Speed | None = None) -> None:
    times = f"{ours.wall / speed.wall:,.1f} | {ours.cpu / speed.cpu:,.1f}" if ours else " | "
    print(
        f"| {task} | {members:,} | {speed.name} | {speed.wall:,.0f} | {speed.cpu:,.0f} | {times} |",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
