"""The campaign that is assigned: members, orders and contacts in Parquet, and the definition over them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.parquet import write_missing

SNAPSHOT = "2026-11-25"
SALT = "assign.1"

_MEMBERS = """
    COPY (
        SELECT 'M' || lpad(i::VARCHAR, 9, '0') AS member_id,
               list_extract(['basic', 'basic', 'basic', 'silver', 'gold', 'vip'], (1 + hash(i, 1) % 6)::BIGINT) AS tier,
               hash(i, 2) % 100 < 90 AS sms_opt_in, (18 + hash(i, 3) % 60)::INTEGER AS age
        FROM range(?) AS rows(i)
    ) TO '{path}' (FORMAT parquet)
"""
_ORDERS = """
    COPY (
        SELECT 'M' || lpad((hash(i, 4) % ?)::VARCHAR, 9, '0') AS member_id,
               TIMESTAMP '2026-11-30' - to_seconds((hash(i, 5) % (3 * 365 * 86400))::BIGINT) AS paid_at,
               CASE WHEN hash(i, 6) % 20 = 0 THEN 'refunded' ELSE 'paid' END AS status,
               (500 + hash(i, 7) % 50000)::DECIMAL(12, 2) / 100 AS amount
        FROM range(?) AS rows(i)
    ) TO '{path}' (FORMAT parquet)
"""
_CONTACTS = """
    COPY (
        SELECT 'M' || lpad((hash(i, 8) % ?)::VARCHAR, 9, '0') AS member_id,
               TIMESTAMP '2026-11-25' - to_seconds((hash(i, 9) % (120 * 86400))::BIGINT) AS sent_at,
               list_extract(['sms', 'sms', 'wecom', 'ai_call'], (1 + hash(i, 10) % 4)::BIGINT) AS channel,
               CASE WHEN hash(i, 11) % 3 = 0 THEN 'care' ELSE 'marketing' END AS kind
        FROM range(?) AS rows(i)
    ) TO '{path}' (FORMAT parquet)
"""


@dataclass(frozen=True)
class Tables:
    """Where the campaign stands, and its size.

    Attributes:
        folder: Holds `members.parquet`, `orders.parquet`, `contacts.parquet` and `assign.yml`.
        members: How many; there are three times as many orders and twice as many contacts.
    """

    folder: Path
    members: int

    @property
    def definition(self) -> Path:
        """The definition of the experiment."""
        return self.folder / "assign.yml"

    def path(self, source: str) -> Path:
        """The file of a source."""
        return self.folder / f"{source}.parquet"

    def make(self) -> None:
        """Write what is not there yet; the same rows in every run."""
        rows = {
            "members": (_MEMBERS, [self.members]),
            "orders": (_ORDERS, [self.members, 3 * self.members]),
            "contacts": (_CONTACTS, [self.members, 2 * self.members]),
        }
        write_missing(self.folder, rows, memory="4GB")
        self.definition.write_text(json.dumps(define()), encoding="utf8")


def define() -> dict[str, Any]:
    """Four features (one a stage), a condition, two caps, three segments, seven arms stratified by segment and tier."""
    return {
        "version": 1, "id": "assign", "title": "Assign", "owner": "benchmarks@example.com",
        "hypothesis": "Arms are drawn as fast as the engine can.", "currency": "CNY", "timezone": "Asia/Shanghai",
        "data": {"members": {"table": "members.parquet", "key": "member_id"},
                 "orders": {"table": "orders.parquet", "key": "member_id", "time": "paid_at"},
                 "contacts": {"table": "contacts.parquet", "key": "member_id", "time": "sent_at"}},
        "features": {"days_since_last_order": {"from": "orders", "days_since": "last"},
                     "orders_365d": {"from": "orders", "count": "rows", "days": 365},
                     "spend_365d": {"from": "orders", "sum": "amount", "where": "status = 'paid'", "days": 365},
                     "lifecycle": {"stages": "dormancy", "on": "days_since_last_order"}},
        "audience": {"snapshot": SNAPSHOT, "include": "days_since_last_order >= 30 AND sms_opt_in",
                     "contact_caps": [{"channels": ["sms"], "kind": "marketing", "max": 2, "days": 30},
                                      {"channels": ["sms", "ai_call", "wecom"], "kind": "any", "max": 4, "days": 30}],
                     "segments": [{"id": "vip", "when": "tier IN ('gold', 'vip')"},
                                  {"id": "recent", "when": "days_since_last_order <= 180"},
                                  {"id": "dormant", "when": "otherwise"}]},
        "arms": {"control": {"share": "0.28"}, "share_each": "0.12",
                 "factors": {"incentive": {"pts500": {"unit_cost": 5}, "cpn20": {"unit_cost": 20}, "gift": {"unit_cost": 8}},
                             "copy": {"care": {}, "urgent": {}}},
                 "channel": {"id": "sms", "cost_per_send": 0.05}},
        "assignment": {"method": "stratified", "strata": ["segment", "tier"], "salt": SALT},
        "send": {"days": ["2026-11-26", "2026-11-27"], "hours": ["09:00", "20:00"]},
        "metrics": {"bought": {"type": "binary", "from": "orders", "where": "status = 'paid'", "window_days": 14}},
        "goals": {"primary": {"metric": "bought", "better": "up"}},
        "design": {"covariates": ["orders_365d", "spend_365d", "days_since_last_order"]},
        "decision": {"eligible_if": {"primary": "better_than_control"},
                     "pick": {"maximise": "value", "by": "overall", "min_members_per_arm": 500,
                              "fallback": "overall_winner", "tie": "first"}},
    }  # fmt: skip
