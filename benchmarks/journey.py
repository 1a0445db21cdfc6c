"""What does it cost to know every member of a triggered journey as of the own day of entry?

    python -m benchmarks.journey

1,000,000 members join over 40 days and enter a day later, each day by an `assign` of its own; 3,000,000 orders, in Parquet. Then
everybody is read with three features as of the own day: in one pass, and with a feature that needs a pass for each day (bands by quantiles
of everybody on a day). Prints seconds; no limit.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.assign.tables import define
from experiments.assignment.assigned import assigned_members
from experiments.assignment.assignment import assign
from experiments.data.catalogue import open_data
from experiments.experiment import Experiment
from offerwise.opening import open_experiment

FIRST = datetime(2026, 11, 1, 4, tzinfo=UTC)
MEMBERS = """
    COPY (SELECT 'M' || lpad(i::VARCHAR, 9, '0') AS member_id, DATE '2026-10-31' + (i % ?)::INTEGER AS joined
          FROM range(?) AS rows(i)) TO '{path}' (FORMAT parquet)
"""
ORDERS = """
    COPY (SELECT 'M' || lpad((hash(i, 1) % ?)::VARCHAR, 9, '0') AS member_id,
                 TIMESTAMP '2026-12-31' - to_seconds((hash(i, 2) % (365 * 86400))::BIGINT) AS paid_at,
                 (500 + hash(i, 3) % 50000)::DECIMAL(12, 2) / 100 AS amount
          FROM range(?) AS rows(i)) TO '{path}' (FORMAT parquet)
"""
FEATURES = {
    "age": {"from": "members", "days_since": "joined"},
    "quiet": {"from": "orders", "days_since": "last"},
    "orders_90d": {"from": "orders", "count": "rows", "days": 90},
    "spend": {"from": "orders", "sum": "amount"},
}
BY_QUANTILE = {"band": {"bands": 4, "on": "spend"}}


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.journey", description=__doc__)
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=40)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with duckdb.connect() as connection:
            connection.execute("SET enable_progress_bar = false")
            connection.execute(
                MEMBERS.format(path=folder / "members.parquet"), [options.days, options.members]
            )
            connection.execute(
                ORDERS.format(path=folder / "orders.parquet"), [options.members, 3 * options.members]
            )
        print("| | wall, s | CPU, s |\n| --- | --- | --- |")
        write(folder, FEATURES)
        with timed(f"`assign` on {options.days} days, all of them"):
            for number in range(options.days):
                with opened(folder, number) as experiment:
                    sampled = assign(experiment).sampled
        assert sampled == options.members
        for label, features in (
            ("everybody as of the own day, one pass", FEATURES),
            ("everybody as of the own day, a pass for each day", {**FEATURES, **BY_QUANTILE}),
        ):
            write(folder, features)
            with opened(folder, 2 * options.days) as experiment:
                catalogue = open_data(experiment)
                with timed(label):
                    assigned_members(experiment, catalogue)
    return 0


@contextmanager
def timed(label: str) -> Iterator[None]:
    started, before = time.perf_counter(), _cpu()
    yield
    print(f"| {label} | {time.perf_counter() - started:.1f} | {_cpu() - before:.1f} |", flush=True)


@contextmanager
def opened(folder: Path, day: int) -> Iterator[Experiment]:
    with open_experiment(
        folder / "journey.yml",
        engine="duckdb://?threads=2&memory_limit=4GB",
        out=folder / "out",
        now=FIRST + timedelta(days=day),
    ) as experiment:
        yield experiment


def write(folder: Path, features: Mapping[str, Any]) -> None:
    """The definition."""
    body = define()
    body["data"] = {
        "members": {"table": "members.parquet", "key": "member_id"},
        "orders": {"table": "orders.parquet", "key": "member_id", "time": "paid_at"},
    }
    body["features"] = dict(features)
    body["audience"] = {"snapshot": "daily", "include": "age = 1", "until": "2026-12-30"}
    body["assignment"] = {"method": "hash"}
    body["send"] = {"after_days": 1, "hours": ["09:00", "20:00"]}
    body["metrics"] = {"bought": {"type": "binary", "from": "orders", "window_days": 14}}
    body["design"] = {"covariates": ["orders_90d", "spend"]}
    body["decision"] = {"invalid_if": {}}
    (folder / "journey.yml").write_text(json.dumps(body), encoding="utf8")


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
