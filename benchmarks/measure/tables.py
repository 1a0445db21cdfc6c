"""The campaign that is measured: members, orders and feedback in Parquet, the definition over them, and its ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.parquet import write_missing
from experiments.assignment.assignment import assign
from offerwise.opening import open_experiment

SNAPSHOT = "2026-11-25"
ZONE = "Asia/Shanghai"
WINDOW_DAYS = 14
CONTACT_COST = 0.05
MARGIN = 0.3
COVARIATES = ("age", "orders_before", "spend_before")

_MEMBERS = """
    COPY (
        SELECT 'M' || lpad(i::VARCHAR, 9, '0') AS member_id, (18 + hash(i, 1) % 60)::INTEGER AS age,
               (hash(i, 2) % 7)::INTEGER AS orders_before, orders_before * (1 + hash(i, 3) % 90) AS spend_before,
               (hash(i, 4) % 500)::INTEGER AS idle_days
        FROM range(?) AS rows(i)
    ) TO '{path}' (FORMAT parquet)
"""
_ORDERS = """
    COPY (
        SELECT 'M' || lpad((hash(i, 5) % ?)::VARCHAR, 9, '0') AS member_id,
               TIMESTAMP '2026-11-20' + to_seconds((hash(i, 6) % (40 * 86400))::BIGINT) AS paid_at,
               CASE WHEN hash(i, 7) % 20 = 0 THEN 'refunded' ELSE 'paid' END AS status,
               (500 + hash(i, 8) % 50000)::DECIMAL(12, 2) / 100 AS amount
        FROM range(?) AS rows(i)
    ) TO '{path}' (FORMAT parquet)
"""
_FEEDBACK = """
    COPY (
        SELECT 'M' || lpad((hash(i, 9) % ?)::VARCHAR, 9, '0') AS member_id,
               TIMESTAMP '2026-11-20' + to_seconds((hash(i, 10) % (40 * 86400))::BIGINT) AS happened_at,
               list_extract(['unsubscribe', 'complaint', 'praise', 'other'], (1 + hash(i, 11) % 4)::BIGINT) AS kind
        FROM range(?) AS rows(i)
    ) TO '{path}' (FORMAT parquet)
"""


@dataclass(frozen=True)
class Tables:
    """Where the campaign stands, and its size.

    Attributes:
        folder: Holds `members.parquet`, `orders.parquet`, `feedback.parquet`, `measure.yml` and the ledger under `runs`.
        members: How many; there are three times as many orders, and as many rows of feedback.
    """

    folder: Path
    members: int

    @property
    def definition(self) -> Path:
        """The definition of the experiment."""
        return self.folder / "measure.yml"

    @property
    def out(self) -> Path:
        """Where the ledger stands."""
        return self.folder / "runs"

    def make(self, threads: int, memory: str) -> None:
        """Write what is not there yet and assign every member; the same rows and arms in every run."""
        rows = {
            "members": (_MEMBERS, [self.members]),
            "orders": (_ORDERS, [self.members, 3 * self.members]),
            "feedback": (_FEEDBACK, [self.members, self.members]),
        }
        write_missing(self.folder, rows, memory=memory, threads=threads)
        if not self.definition.exists():
            self.definition.write_text(json.dumps(define()), encoding="utf8")
        assigned = self.folder / "assigned"
        if not assigned.exists():
            engine = f"duckdb://?threads={threads}&memory_limit={memory}"
            with open_experiment(self.definition, engine=engine, out=self.out) as experiment:
                assign(experiment)
            assigned.touch()


def define() -> dict[str, Any]:
    """Seven arms stratified by five segments; six metrics, one of them a formula; three covariates."""
    orders = {"from": "orders", "where": "status = 'paid'", "window_days": WINDOW_DAYS}
    feedback = {"type": "binary", "from": "feedback", "window_days": WINDOW_DAYS}
    return {
        "version": 1, "id": "measure", "title": "Measure", "owner": "benchmarks@example.com",
        "hypothesis": "Moments are taken as fast as the engine can.", "currency": "CNY", "timezone": ZONE,
        "data": {"members": {"table": "members.parquet", "key": "member_id"},
                 "orders": {"table": "orders.parquet", "key": "member_id", "time": "paid_at"},
                 "feedback": {"table": "feedback.parquet", "key": "member_id", "time": "happened_at"}},
        "audience": {"snapshot": SNAPSHOT,
                     "segments": [{"id": "vip", "when": "orders_before >= 5"},
                                  {"id": "active", "when": "idle_days < 90"},
                                  {"id": "silent", "when": "idle_days < 180"},
                                  {"id": "dormant", "when": "idle_days < 365"},
                                  {"id": "churned", "when": "otherwise"}]},
        "arms": {"control": {"share": "0.28"}, "share_each": "0.12",
                 "factors": {"incentive": {"pts500": {"unit_cost": 5}, "cpn20": {"unit_cost": 20}, "gift": {"unit_cost": 8}},
                             "copy": {"care": {}, "urgent": {}}},
                 "channel": {"id": "sms", "cost_per_send": CONTACT_COST}},
        "assignment": {"method": "stratified", "strata": ["segment"], "salt": "measure.1"},
        "send": {"days": ["2026-11-26", "2026-11-27"], "hours": ["09:00", "20:00"]},
        "metrics": {"bought": {"type": "binary", **orders},
                    "revenue": {"type": "sum", "value": "amount", **orders},
                    "orders": {"type": "count", **orders},
                    "unsubscribed": {"where": "kind = 'unsubscribe'", **feedback},
                    "complained": {"where": "kind = 'complaint'", **feedback},
                    "profit": {"type": "formula", "value": f"{MARGIN} * revenue - contact_cost"}},
        "goals": {"primary": {"metric": "bought", "better": "up"}, "value": "profit"},
        "design": {"covariates": list(COVARIATES)},
        "decision": {"eligible_if": {"primary": "better_than_control"},
                     "pick": {"maximise": "value", "by": "overall", "min_members_per_arm": 500,
                              "fallback": "overall_winner", "tie": "first"}},
    }  # fmt: skip
