"""Runs `assign` once, as the command does, and prints what it took.

    python -m benchmarks.assign.ours DEFINITION.yml OUT THREADS MEMORY

Prints one JSON object: `wall` and `cpu` in seconds, from the open definition to the document, `draw` (the seconds from
the audience to the ledger on disk) and `members` assigned. Progress with its times goes to standard error.
"""

from __future__ import annotations

import json
import resource
import sys
import time

from offerwise.journey import Journey
from offerwise.opening import open_experiment


def main(definition: str, out: str, threads: str, memory: str) -> None:
    """Assigns into an empty folder."""
    started, before = time.perf_counter(), _cpu()

    moments: list[tuple[str, float]] = []

    def tell(doing: str) -> None:
        moments.append((doing, time.perf_counter()))
        print(
            f"{time.perf_counter() - started:8.2f} s, CPU {_cpu() - before:7.2f} s: {doing}", file=sys.stderr
        )

    engine = f"duckdb://?threads={threads}&memory_limit={memory}"
    with open_experiment(definition, engine=engine, out=out, progress=tell) as experiment:
        document = Journey(experiment).assign()
    took = {"wall": time.perf_counter() - started, "cpu": _cpu() - before}
    begun = next(moment for doing, moment in moments if doing == "Drawing arms")
    ended = next(moment for doing, moment in moments if doing.startswith("Writing the send list"))
    print(json.dumps({**took, "draw": ended - begun, "members": document.sampled}))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(*sys.argv[1:])
