"""Times tea-tasting on a DuckDB table; runs in an environment of its own, which has no Offerwise.

    python peer.py TABLE.duckdb TIMES

Prints one JSON object: its version, and seconds by question.
"""

from __future__ import annotations

import functools
import json
import operator
import sys
import time
from collections.abc import Callable

import ibis

import tea_tasting as tt
from tea_tasting.metrics import aggregate_by_variants


def main(database: str, times: str) -> None:
    table = ibis.duckdb.connect(database, read_only=True, threads=2).table("members")
    metrics = {
        "converted": tt.Proportion("converted"),
        "spend": tt.Mean("spend"),
        "orders": tt.Mean("orders"),
        "visits": tt.Mean("visits"),
        "order_value": tt.RatioOfMeans("spend", "orders"),
    }
    experiment = tt.Experiment(metrics, variant="arm")
    columns = functools.reduce(operator.or_, (metric.aggr_cols for metric in metrics.values()))

    def query() -> None:
        aggregate_by_variants(table, columns, "arm")

    def analysis() -> None:
        results = experiment.analyze(table, "control", all_variants=True)
        assert all(len(result) == len(metrics) for result in results.values())

    print(
        json.dumps(
            {"version": tt.__version__, "query": timed(query, times), "analysis": timed(analysis, times)}
        )
    )


def timed(work: Callable[[], None], times: str) -> list[float]:
    work()
    seconds = []
    for _ in range(int(times)):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main(*sys.argv[1:])
