"""Two thousand members, sent to on ten days, whose windows close one day after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from experiments.analysis import analyze
from experiments.assignment.assignment import assign
from experiments.assignment.file_ledger import FileLedger
from experiments.documents.analysis import Analysis
from experiments.engines.connect import connect
from experiments.files import Workspace
from offerwise.opening import open_experiment

MEMBERS, DAYS, WINDOW = 2_000, 10, 7
FIRST = date(2026, 11, 26)
BEFORE = datetime(2026, 11, 25, tzinfo=UTC)
Row = Mapping[str, Any]


def morning(day: int) -> datetime:
    """The moment at which the windows of the first `day` send days have closed, and no other."""
    return datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) + timedelta(days=day + WINDOW)


def write(folder: Path, **changes: Any) -> Path:
    """The data, without any order yet, and the definition."""
    folder.mkdir(parents=True, exist_ok=True)
    members = pa.table({"member_id": [f"m{member:04}" for member in range(MEMBERS)]})
    pc.write_csv(members, folder / "members.csv")
    write_orders(folder, [])
    days = [str(FIRST + timedelta(days=day)) for day in range(DAYS)]
    definition = {
        "version": 1,
        "id": "looked-at",
        "title": "Looked at",
        "owner": "a@example.com",
        "hypothesis": "Mail brings them back.",
        "currency": "EUR",
        "timezone": "UTC",
        "data": {
            "members": {"table": "members.csv", "key": "member_id"},
            "orders": {"table": "orders.parquet", "key": "member_id", "time": "paid_at"},
        },
        "audience": {"snapshot": "2026-11-25"},
        "arms": {"control": {"share": "1/2"}, "offers": {"mail": {"share": "1/2", "cost_per_send": 0.01}}},
        "assignment": {"method": "hash"},
        "send": {"days": days},
        "metrics": {
            "bought": {"type": "binary", "from": "orders", "window_days": WINDOW},
            "revenue": {"type": "sum", "from": "orders", "value": "amount", "window_days": WINDOW},
            "profit": {"type": "formula", "value": "0.5 * revenue - contact_cost"},
        },
        "goals": {"primary": {"metric": "bought"}, "value": "profit"},
        "design": {
            "baseline": 0.2,
            "minimum_effect": 0.08,
            "looks": {"kind": "group_sequential", "at": [0.5, 1]},
        },
        "decision": {"eligible_if": {"value_low_above": 0}, "pick": {"by": "overall"}},
    }
    file = folder / "definition.yml"
    file.write_text(json.dumps(definition | changes), encoding="utf8")
    return file


def write_orders(folder: Path, rows: list[tuple[str, datetime]]) -> None:
    table = pa.table(
        {
            "member_id": pa.array([member for member, _ in rows], pa.string()),
            "paid_at": pa.array([moment for _, moment in rows], pa.timestamp("us", tz="UTC")),
            "amount": pa.array([10.0] * len(rows), pa.float64()),
        }
    )
    pq.write_table(table, folder / "orders.parquet")


def draw(file: Path) -> list[Row]:
    """Assign the members; the ledger's rows."""
    with open_experiment(file, out=file.parent / "runs", now=BEFORE) as experiment:
        assign(experiment)
    return assigned(file)


def assigned(file: Path) -> list[Row]:
    """The ledger's rows."""
    batches = FileLedger(Workspace(file.parent / "runs", "looked-at"), connect()).batch_files()
    return [row for batch in batches for row in pq.read_table(batch).to_pylist()]


def buy(file: Path, drawn: list[Row], every: Mapping[str, int]) -> set[str]:
    """Every so-many-th member of an arm buys, an hour after the send; who they are."""
    bought = [row for arm, step in every.items() for row in [r for r in drawn if r["arm"] == arm][::step]]
    write_orders(file.parent, [(r["member"], r["planned_send_at"] + timedelta(hours=1)) for r in bought])
    return {row["member"] for row in bought}


def looked(file: Path, now: datetime) -> Analysis:
    with open_experiment(file, out=file.parent / "runs", now=now) as experiment:
        return analyze(experiment)


def book(file: Path) -> Path:
    """The ledger of looks."""
    return file.parent / "runs" / "looked-at" / "looks.json"
