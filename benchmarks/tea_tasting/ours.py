"""Times Offerwise on a DuckDB table.

    python -m benchmarks.tea_tasting.ours TABLE.duckdb DEFINITION.yml TIMES

Prints one JSON object with seconds by question: `query` (moments of every metric by arm), `analysis` (the
same and everything that is concluded from them) and `journey` (`analyze` from the tables: data checks, audience, arms,
member values, moments, health, conclusion).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable

from experiments.analysis import analyze
from experiments.assignment.assigned import assigned_members
from experiments.data.catalogue import open_data
from experiments.decision.conclusion import Lock, conclude
from experiments.decision.sentences import Sentences
from experiments.measurement.measurement import measure
from experiments.measurement.moments_query import MomentsQuery
from experiments.measurement.units import build_units
from offerwise.opening import open_experiment


def main(database: str, definition: str, times: str) -> None:
    """Opens the experiment once and times each question."""
    with (
        tempfile.TemporaryDirectory() as out,
        open_experiment(definition, engine=f"duckdb:///{database}?threads=2", out=out) as experiment,
    ):
        catalogue = open_data(experiment)
        units = build_units(experiment, catalogue, assigned_members(experiment, catalogue))
        spend, orders = units.metric_columns["spend"], units.metric_columns["orders"]
        sets = (*((name,) for name in units.metric_columns.values()), (spend, orders))
        binary = units.binary_columns(experiment.definition)
        sentences = Sentences(experiment.definition, experiment.words)

        measured = measure(experiment, units)

        def query() -> None:
            moments = MomentsQuery(units.pilots, frozenset(), (), sets, units.numbers, binary)
            moments.run(experiment.engine, units.relation)

        def analysis() -> None:
            query()
            found = conclude(experiment.definition, measured, (), Lock(True), sentences)
            assert len(found.effects) == 5 * 6

        def journey() -> None:
            assert len(analyze(experiment).effects) == 5 * 6

        timings = {
            "query": timed(query, times),
            "analysis": timed(analysis, times),
            "journey": timed(journey, times),
        }
    print(json.dumps(timings))


def timed(work: Callable[[], None], times: str) -> list[float]:
    """Seconds of each of several runs after one that is not counted."""
    work()
    seconds = []
    for _ in range(int(times)):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main(*sys.argv[1:])
