"""The same moments as one would write them by hand in DuckDB, without checks: the floor that measurement is measured against.

    python -m benchmarks.measure.floor FOLDER OUT THREADS MEMORY staged|single

`staged` keeps a temporary table of the members' values, `single` computes the moments in one statement. Both give counts,
sums, non-zero counts and products of every metric with itself and with the covariates, by arm and segment. Prints one JSON
object: `wall` and `cpu` in seconds, `members` and the totals of three metrics.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from benchmarks.measure.tables import CONTACT_COST, COVARIATES, MARGIN, WINDOW_DAYS, ZONE

_IN_WINDOW = f"""
    {{time}} AT TIME ZONE '{ZONE}' >= planned_send_at
    AND {{time}} AT TIME ZONE '{ZONE}' < planned_send_at + to_hours({24 * WINDOW_DAYS})
    AND {{time}} >= TIMESTAMP '2026-11-26' AND {{time}} < TIMESTAMP '2026-11-28' + to_days({WINDOW_DAYS})
"""
_ORDERS = f"""
    SELECT member_id AS member, sum(amount)::DOUBLE AS revenue, count(*)::DOUBLE AS orders
    FROM read_parquet('{{folder}}/orders.parquet') JOIN ledger ON member = member_id
    WHERE status = 'paid' AND {_IN_WINDOW.format(time="paid_at")} GROUP BY member_id
"""
_FEEDBACK = f"""
    SELECT member_id AS member, max((kind = 'unsubscribe')::INTEGER)::DOUBLE AS unsubscribed,
           max((kind = 'complaint')::INTEGER)::DOUBLE AS complained
    FROM read_parquet('{{folder}}/feedback.parquet') JOIN ledger ON member = member_id
    WHERE {_IN_WINDOW.format(time="happened_at")} GROUP BY member_id
"""
_VALUES = f"""
    SELECT arm, segment, coalesce((orders > 0)::DOUBLE, 0) AS bought, coalesce(revenue, 0) AS revenue,
           coalesce(orders, 0) AS orders, coalesce(unsubscribed, 0) AS unsubscribed, coalesce(complained, 0) AS complained,
           {MARGIN} * coalesce(revenue, 0)
               - CASE WHEN arm = 'control' THEN 0 ELSE {CONTACT_COST} END::DOUBLE AS profit,
           {", ".join(f"{name}::DOUBLE AS {name}" for name in COVARIATES)}
    FROM ledger JOIN read_parquet('{{folder}}/members.parquet') ON member = member_id
    LEFT JOIN orders_of USING (member) LEFT JOIN feedback_of USING (member)
"""
_METRICS = ("bought", "revenue", "orders", "unsubscribed", "complained", "profit")


def _moments() -> str:
    names = (*_METRICS, *COVARIATES)
    sums = [f"sum({name}), count_if({name} <> 0)" for name in names]
    pairs = [(name, other) for name in names for other in (name, *COVARIATES)]
    products = [
        f"sum({one} * {other})" for one, other in dict.fromkeys(tuple(sorted(pair)) for pair in pairs)
    ]
    totals = "sum(bought) AS bought, sum(revenue) AS revenue, sum(complained) AS complained"
    return f"SELECT count(*) AS members, {totals}, {', '.join(sums + products)} FROM member_values GROUP BY arm, segment"


def main(folder: str, out: str, threads: str, memory: str, form: str) -> None:
    """Measures once, in the form that is asked for."""
    started, before = time.perf_counter(), _cpu()
    ledger = next((Path(out) / "measure").glob("**/batches/*.parquet"))
    steps = {
        "orders_of": _ORDERS.format(folder=folder),
        "feedback_of": _FEEDBACK.format(folder=folder),
        "member_values": _VALUES.format(folder=folder),
    }
    with tempfile.TemporaryDirectory(dir=out) as spill:
        settings = {"threads": int(threads), "memory_limit": memory, "temp_directory": spill}
        session = duckdb.connect(config=settings)
        session.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
        session.execute(f"CREATE TEMP VIEW ledger AS FROM read_parquet('{ledger}')")
        if form == "staged":
            for name, statement in steps.items():
                session.execute(f"CREATE TEMP TABLE {name} AS {statement}")
            rows = session.execute(_moments()).fetchall()
        else:
            parts = ", ".join(f"{name} AS ({statement})" for name, statement in steps.items())
            rows = session.execute(f"WITH {parts} {_moments()}").fetchall()
        took = {"wall": time.perf_counter() - started, "cpu": _cpu() - before}
        session.close()
    names = ("members", "bought", "revenue", "complained")
    print(json.dumps({**took, **{name: sum(row[at] for row in rows) for at, name in enumerate(names)}}))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(*sys.argv[1:])
