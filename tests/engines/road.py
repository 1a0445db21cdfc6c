"""The road from members to moments and send lists on one engine, told as plain data: `python -m tests.engines.road URL FOLDER NAME`.

The campaign's keys have leading zeros, capitals and small letters, Chinese characters, quotes and commas; its strata hold `|`,
backslashes and nothing; its times are local in one file and instants in another.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet
from ruamel.yaml import YAML
from sqlglot import exp

from experiments.assignment.assigned import assigned_members
from experiments.assignment.assignment import assign
from experiments.data.catalogue import open_data
from experiments.measurement.event_counts import count_events
from experiments.measurement.measurement import measure
from experiments.measurement.units import build_units
from offerwise.opening import open_experiment

MEMBERS = 2_400
ASSIGNED_AT = datetime(2024, 3, 1, 4, 0, tzinfo=UTC)
ANALYSED_AT = datetime(2024, 5, 1, 4, 0, tzinfo=UTC)
SNAPSHOT = date(2024, 3, 1)
ARMS = [("control", "1/3"), ("gift", "1/4"), ("coupon", "5/12")]

_DEFINITION: dict[str, Any] = {
    "version": 1,
    "title": "The same on every engine",
    "owner": "a@example.com",
    "hypothesis": "Offers sell.",
    "currency": "CNY",
    "timezone": "Asia/Shanghai",
    "data": {
        "members": {"table": "members.csv", "key": "会员"},
        "orders": {"table": "orders.parquet", "key": "会员", "time": "paid_at"},
        "contacts": {"table": "contacts.csv.gz", "key": "会员", "time": "sent_at"},
        "feedback": {"table": "feedback.parquet", "key": "会员", "time": "created_at"},
    },
    "features": {
        "days_since_last": {"from": "orders", "days_since": "last"},
        "days_member": {"from": "members", "days_since": "joined"},
        "orders_365d": {"from": "orders", "count": "rows", "days": 365},
        "paid_365d": {"from": "orders", "sum": "amount", "where": "status = 'paid'", "days": 365},
        "mean_amount": {"from": "orders", "mean": "amount"},
        "states": {"from": "orders", "distinct": "status"},
        "refunded": {"from": "orders", "share": "refund > 0", "of": "amount"},
        "cycle": {"from": "orders", "gap": "median"},
        "lifecycle": {"stages": "dormancy", "on": "days_since_last", "never": "never"},
        "value_band": {"bands": 4, "on": "paid_365d"},
        "layer": {
            "from": "orders",
            "layers": {"new": 30, "active": 90, "churned": 365, "high_repurchase": 3},
        },
    },
    "audience": {
        "snapshot": SNAPSHOT.isoformat(),
        "include": "opted_in AND LOWER(tier) <> 'blocked' AND days_member BETWEEN 1 AND 2000",
        "exclude_lists": ["staff.csv"],
        "contact_caps": [
            {"channels": ["sms"], "kind": "marketing", "max": 2, "days": 30},
            {"channels": ["sms", "wecom"], "kind": "any", "max": 3, "days": 30},
            {"channels": ["wecom"], "kind": "care", "max": 1, "days": 7, "when": "lifecycle = 'active'"},
        ],
        "global_holdout": "exclude",
        "contact_policy": {
            "on": "lifecycle",
            "prefer": "under_floor",
            "stages": {
                "active": {"days": 30, "care": [1, 2], "marketing": [0, 2]},
                "silent": {"days": 20, "care": [1, None], "marketing": [1, 3]},
            },
        },
        "reachable": {"sms": "opted_in", "wecom": "tier IS NOT NULL"},
        "segments": [
            {"id": "vip", "when": "UPPER(tier) IN ('VIP', 'SVIP') AND paid_365d / orders_365d > 20"},
            {"id": "lately", "when": "days_since_last <= 60 OR lifecycle = 'never'"},
            {"id": "rest", "when": "otherwise"},
        ],
    },
    "holdout": {
        "share": "1/12",
        "salt": "盐 holdout",
        "refresh": {"from": "2021-03-01", "every_days": 90, "part": "23/24"},
    },
    "arms": {
        "control": {"share": "1/3"},
        "offers": {
            "gift": {"share": 0.25, "unit_cost": 1.0, "charged_when": "redeemed", "template": "关怀.txt"},
            "coupon": {"share": "5/12", "unit_cost": 2.0, "charged_when": "sent", "channel": "wecom"},
        },
        "channel": {"id": "sms", "cost_per_send": 0.05},
    },
    "send": {"days": ["2024-03-02", "2024-03-03"], "hours": ["09:00", "20:00"]},
    "metrics": {
        "bought": {"type": "binary", "from": "orders", "where": "status = 'paid'", "window_days": 14},
        "spend": {
            "type": "sum",
            "from": "orders",
            "value": "amount - refund",
            "where": "status = 'paid'",
            "window_days": 14,
            "winsorize_at": 0.99,
        },
        "orders_n": {"type": "count", "from": "orders", "window_days": 14},
        "order_value": {"type": "ratio", "numerator": "spend", "denominator": "orders_n"},
        "complained": {"type": "binary", "from": "feedback", "where": "kind LIKE 'compl%'", "window_days": 7},
        "profit": {"type": "formula", "value": "0.4 * spend - contact_cost"},
    },
    "goals": {"primary": {"metric": "bought"}, "value": "profit", "guardrails": [{"metric": "complained", "limit": 0.2, "better": "down"}]},
    "decision": {
        "invalid_if": {},
        "eligible_if": {"primary": "better_than_control", "value_low_above": 0},
        "pick": {"by": "segment", "min_members_per_arm": 50},
    },
    "rollout": {"budget": {"amount": 150, "at": "upper_90"}, "ramp": [0.25, 1.0]},
}  # fmt: skip

METHODS: Mapping[str, dict[str, Any]] = {
    "stratified": {
        "method": "stratified",
        "strata": ["segment", "city"],
        "salt": "盐|'1\\",
        "sample_size": 1000,
    },
    "hash": {"method": "hash", "salt": "salt.2"},
}

COVARIATES: Mapping[str, list[str]] = {"stratified": ["paid_365d", "orders_365d"], "hash": ["age"]}
"""Features, which are computed for everybody, and a column of the members, which is looked up."""


def key_of(n: int) -> str:
    """Keys with leading zeros, Chinese characters, quotes, commas, and pairs that differ in nothing but capitals."""
    return ("{:06d}", "会员{}", 'q"{}', "a,{}", "Key{}", "kEy{}", "张 {}")[n % 7].format(
        n // 2 * 2 if n % 7 in {4, 5} else n
    )


def draw(*parts: object) -> float:
    """A number in [0, 1) that is the same on every machine."""
    return int(hashlib.md5("/".join(map(str, parts)).encode()).hexdigest()[:12], 16) / 16**12


def make(folder: Path) -> None:
    """Write the data and both definitions; members of the stratified test respond by the arm that DuckDB has drawn."""
    keys = list(dict.fromkeys(map(key_of, range(MEMBERS))))
    _write_members(folder, keys)
    _write_contacts(folder, keys)
    before = [row for key in keys for row in _orders_before(key)]
    _write_orders(folder, before)
    for name, method in METHODS.items():
        with (folder / f"{name}.yml").open("w", encoding="utf8") as file:
            covariates = {"design": {"covariates": COVARIATES[name]}}
            YAML().dump({"id": f"road-{name}", **_DEFINITION, **covariates, "assignment": method}, file)
    with open_experiment(folder / "stratified.yml", out=folder / "first", now=ASSIGNED_AT) as experiment:
        assign(experiment)
        arms = {row[0]: row[1] for row in experiment.engine.rows(exp.select("member", "arm").from_("ledger"))}
    _write_orders(folder, before + [row for key in keys for row in _orders_after(key, arms.get(key))])


def _write_members(folder: Path, keys: list[str]) -> None:
    tiers, cities = ("vip", "SVIP", "basic", "Ünal", "BLOCKED"), ("北京", "a|b", "a\\b", "", "上海")
    with (folder / "members.csv").open("w", newline="", encoding="utf8") as file:
        writer = csv.writer(file)
        writer.writerow(["会员", "tier", "city", "opted_in", "joined", "age"])
        for key in keys:
            joined = SNAPSHOT - timedelta(days=int(draw(key, "joined") * 2100))
            age = round(18 + 60 * draw(key, "age"), 1) if draw(key, "told") < 0.9 else ""
            tier, city = tiers[int(draw(key, "tier") * 5)], cities[int(draw(key, "city") * 5)]
            writer.writerow([key, tier, city, str(draw(key, "in") < 0.95).lower(), joined.isoformat(), age])
    with (folder / "staff.csv").open("w", newline="", encoding="utf8") as file:
        csv.writer(file).writerows([["会员"], *([key] for key in keys if draw(key, "staff") < 0.02)])


def _write_contacts(folder: Path, keys: list[str]) -> None:
    lines = ["会员;sent_at;channel;kind"]
    for key in keys:
        for n in range(int(draw(key, "contacts") * 5)):
            at = datetime(2024, 1, 20, tzinfo=UTC) + timedelta(minutes=int(draw(key, "at", n) * 60_000))
            channel, kind = ("sms", "wecom")[n % 2], ("marketing", "care")[int(draw(key, "kind", n) * 2)]
            quoted = '"' + key.replace('"', '""') + '"'
            lines.append(f"{quoted};{at.isoformat(sep=' ')};{channel};{kind}")
    (folder / "contacts.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))


Order = tuple[str, datetime, Decimal, Decimal, str]


def _orders_before(key: str) -> list[Order]:
    last = datetime(2024, 3, 1, 9)  # noqa: DTZ001 - local time without zone
    days = sorted(int(draw(key, "day", n) ** 2 * 900) for n in range(int(draw(key, "orders") * 6)))
    return [_order(key, last - timedelta(days=day, minutes=day), n) for n, day in enumerate(days)]


def _orders_after(key: str, arm: str | None) -> list[Order]:
    """Local times around both ends of the windows, some outside of them."""
    if draw(key, "buys") >= {"control": 0.08, "gift": 0.2, "coupon": 0.3, None: 0.1}[arm]:
        return []
    first = datetime(2024, 3, 2, 8)  # noqa: DTZ001 - local time without zone
    return [
        _order(key, first + timedelta(minutes=int(draw(key, "when", n) * 24_000)), f"after{n}")
        for n in range(1 + int(draw(key, "more") * 3))
    ]


def _order(key: str, at: datetime, n: object) -> Order:
    amount = Decimal(int(draw(key, "amount", n) ** 3 * 30_000)) / 100 + 1
    refund = amount / 2 if draw(key, "refund", n) < 0.1 else Decimal(0)
    status = "paid" if draw(key, "status", n) < 0.9 else "open"
    return key, at, amount.quantize(Decimal("0.01")), refund.quantize(Decimal("0.01")), status


def _write_orders(folder: Path, orders: list[Order]) -> None:
    """The orders, some of them loaded twice, and what their buyers say."""
    kinds = [pa.string(), pa.timestamp("ns"), pa.decimal128(18, 2), pa.decimal128(18, 2), pa.string()]
    names = ["会员", "paid_at", "amount", "refund", "status"]
    columns = zip(*orders, *orders[::29], strict=True)
    table = pa.table({n: pa.array(c, k) for n, c, k in zip(names, columns, kinds, strict=True)})
    parquet.write_table(table, folder / "orders.parquet")
    rows = [
        (key, at.replace(tzinfo=UTC), "complaint" if draw(key, "says", at) < 0.5 else "praise")
        for key, at, *_ in orders
        if draw(key, "speaks", at) < 0.1
    ]
    kinds = [pa.string(), pa.timestamp("us", tz="UTC"), pa.string()]
    table = pa.table(
        {
            n: pa.array(c, k)
            for n, c, k in zip(["会员", "created_at", "kind"], zip(*rows, strict=True), kinds, strict=True)
        }
    )
    parquet.write_table(table, folder / "feedback.parquet")


def travel(engine: Any, folder: Path, name: str, out: Path) -> dict[str, Any]:
    """Assign and measure on an engine: who stands where, every moment, the events, every list's SHA-256."""
    with open_experiment(folder / f"{name}.yml", engine=engine, out=out, now=ASSIGNED_AT) as experiment:
        document = asdict(assign(experiment))
    return {**told(document), **measured(engine, folder, name, out)}


def told(document: Mapping[str, Any]) -> dict[str, Any]:
    """What an assignment's document says that no file name changes."""
    balance = {row["feature"]: row["max_standardised_difference"] for row in document["balance"]}
    return {
        "eligible": document["eligible"],
        "refused": document["refused"],
        "arms": document["arms"],
        "balance": balance,
        "levels": document["contact_levels"],
        "classes": document["classes"],
    }


def measured(engine: Any, folder: Path, name: str, out: Path) -> dict[str, Any]:
    """What an engine reads of those it has assigned, and the moments that it takes."""
    with open_experiment(folder / f"{name}.yml", engine=engine, out=out, now=ANALYSED_AT) as experiment:
        catalogue = open_data(experiment)
        assigned = assigned_members(experiment, catalogue)
        names = ("member", "arm", "segment", "stratum", "batch", "propensity", "planned_send_at")
        columns = (exp.column(each, quoted=True) for each in names)
        rows = experiment.engine.rows(exp.select(*columns).from_(assigned.relation))
        measurement = measure(experiment, build_units(experiment, catalogue, assigned))
        events = count_events(experiment, catalogue, assigned, measurement.assigned)
        lists = hashes(experiment.workspace.send_lists)
    return {
        "members": {row[0]: [str(value) for value in row[1:]] for row in rows},
        "lists": lists,
        "moments": {
            f"{metric}/{cell.arm}/{cell.segment}/{cell.stratum}": {
                "count": moments.count,
                "mean": moments.mean.tolist(),
                "comoment": moments.comoment.tolist(),
                "cap": found.cap,
            }
            for metric, found in measurement.metrics.items()
            for cell, moments in found.cells.items()
        },
        "events": [asdict(each) for each in events],
    }


def hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of every list in a folder."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.csv"))}


if __name__ == "__main__":
    url, place, name = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    sys.stdout.write(json.dumps(travel(url, place, name, place / "elsewhere"), default=str))
