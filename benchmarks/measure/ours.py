"""Takes the moments once, as `analyze` does, and prints what it took.

    python -m benchmarks.measure.ours DEFINITION.yml OUT THREADS MEMORY

Prints one JSON object: `wall` and `cpu` in seconds, from the open definition to the moments with every check of the data
and of the ledger, and what the moments say in all: `members` and the totals of three metrics. Progress with its times goes
to standard error.
"""

from __future__ import annotations

import json
import resource
import sys
import time

from experiments.assignment.assigned import assigned_members
from experiments.data.catalogue import open_data
from experiments.measurement.measurement import measure
from experiments.measurement.units import build_units
from offerwise.opening import open_experiment


def main(definition: str, out: str, threads: str, memory: str) -> None:
    """Measures everybody in the ledger."""
    started, before = time.perf_counter(), _cpu()

    def tell(doing: str) -> None:
        took = f"{time.perf_counter() - started:8.2f} s, CPU {_cpu() - before:7.2f} s"
        print(f"{took}: {doing}", file=sys.stderr)

    engine = f"duckdb://?threads={threads}&memory_limit={memory}"
    with open_experiment(definition, engine=engine, out=out, progress=tell) as experiment:
        catalogue = open_data(experiment)
        assigned = assigned_members(experiment, catalogue)
        measured = measure(experiment, build_units(experiment, catalogue, assigned))
        took = {"wall": time.perf_counter() - started, "cpu": _cpu() - before}
        tell("Done")
    totals = {
        name: sum(
            moments.total(measured.metrics[name].value) for moments in measured.metrics[name].cells.values()
        )
        for name in ("bought", "revenue", "complained")
    }
    print(json.dumps({**took, "members": sum(measured.counts.values()), **totals}))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(*sys.argv[1:])
