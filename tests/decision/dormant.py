"""A hundred members who bought 200 days ago, ten of them again in the fortnight before the snapshot."""

from __future__ import annotations

import csv
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

SNAPSHOT = date(2026, 11, 25)
Order = tuple[int, date]


def past_orders() -> list[Order]:
    orders = [(member, SNAPSHOT - timedelta(days=200)) for member in range(100)]
    return orders + [(member, SNAPSHOT - timedelta(days=10)) for member in range(10)]


def write_orders(folder: Path, orders: list[Order]) -> None:
    with (folder / "orders.csv").open("w", newline="") as file:
        rows = [(f"m{member:03}", f"{day} 12:00:00", 10) for member, day in orders]
        csv.writer(file).writerows([("member_id", "paid_at", "amount"), *rows])


def write_campaign(folder: Path, **changes: Any) -> Path:
    """The data and the definition; quiet members are drawn into two arms and sent to on two days."""
    with (folder / "members.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("member_id",), *((f"m{member:03}",) for member in range(100))])
    write_orders(folder, past_orders())
    definition = {
        "version": 1,
        "id": "dormant",
        "title": "Dormant members",
        "owner": "a@example.com",
        "hypothesis": "They come back.",
        "currency": "CNY",
        "timezone": "Asia/Shanghai",
        "data": {
            "members": {"table": "members.csv", "key": "member_id"},
            "orders": {"table": "orders.csv", "key": "member_id", "time": "paid_at"},
        },
        "features": {"quiet": {"from": "orders", "days_since": "last"}},
        "audience": {"snapshot": str(SNAPSHOT), "include": "quiet >= 100"},
        "arms": {
            "control": {"share": "1/2"},
            "offers": {"mail": {"share": "1/2"}},
            "channel": {"id": "sms", "cost_per_send": 0.05},
        },
        "assignment": {"method": "hash"},
        "send": {"days": [str(SNAPSHOT), str(SNAPSHOT + timedelta(days=1))]},
        "metrics": {"converted": {"type": "binary", "from": "orders", "window_days": 14}},
        "goals": {"primary": {"metric": "converted"}},
        "design": {"minimum_effect": 0.2},
        "decision": {"pick": {"by": "overall"}},
    }
    file = folder / "definition.yml"
    file.write_text(json.dumps(definition | changes), encoding="utf8")
    return file
