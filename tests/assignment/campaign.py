"""A small campaign on disk: members with awkward keys, orders, contacts, and a definition that names them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from experiments.experiment import Experiment
from offerwise.opening import open_experiment

NOW = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
Row = Mapping[str, object]


def definition(**changes: Any) -> dict[str, Any]:
    """The plain definition; a change replaces a whole block, None removes it."""
    body: dict[str, Any] = {
        "version": 1,
        "id": "test-1",
        "title": "A test",
        "owner": "a@example.com",
        "hypothesis": "It works.",
        "currency": "CNY",
        "timezone": "Asia/Shanghai",
        "data": {
            "members": {"table": "members.csv", "key": "会员"},
            "orders": {"table": "orders.csv", "key": "会员", "time": "paid_at"},
            "contacts": {"table": "contacts.csv", "key": "会员", "time": "sent_at"},
        },
        "features": {"orders_before": {"from": "orders", "count": "rows"}},
        "audience": {
            "snapshot": "2026-11-25",
            "segments": [{"id": "vip", "when": "tier = 'vip'"}, {"id": "rest", "when": "otherwise"}],
        },
        "arms": {
            "control": {"share": "1/3"},
            "offers": {"a": {"share": 0.25, "template": "a.txt"}, "b": {"share": "5/12", "channel": "wecom"}},
            "channel": {"id": "sms", "cost_per_send": 0.05},
        },
        "assignment": {"method": "stratified", "strata": ["segment", "city"], "salt": "盐|1"},
        "send": {"days": ["2026-11-26", "2026-11-27"], "hours": ["09:00", "20:00"]},
        "metrics": {"bought": {"type": "binary", "from": "orders", "window_days": 14}},
        "goals": {"primary": {"metric": "bought"}},
        "decision": {"invalid_if": {}},
    }
    body.update(changes)
    return {key: value for key, value in body.items() if value is not None}


def members(count: int, first: int = 0) -> list[Row]:
    """Members whose keys have leading zeros, Chinese characters, commas or quotes, and whose city holds `|`, a backslash or nothing."""
    kinds = ("{:06d}", "会员{}", 'q"{}', "a,{}")
    cities = ("北京", "a|b", "a\\b", "")
    return [
        {
            "会员": kinds[n % len(kinds)].format(n),
            "tier": "vip" if n % 5 == 0 else "basic",
            "city": cities[n % 7 % 4],
            "household": f"h{n // 3}",
        }
        for n in range(first, first + count)
    ]


def write_csv(path: Path, rows: Sequence[Row], names: Sequence[str]) -> None:
    with path.open("w", newline="", encoding="utf8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


@dataclass(frozen=True)
class Campaign:
    """A folder with data and a definition; commands write under `runs/`, on an engine."""

    folder: Path
    engine: str = "duckdb://?threads=2"

    def write(
        self,
        people: Sequence[Row],
        orders: Sequence[Row] = ({"会员": "000000", "paid_at": "2026-11-01 10:00:00"},),
        contacts: Sequence[Row] = (
            {"会员": "000000", "sent_at": "2026-11-01 10:00:00", "channel": "sms", "kind": "care"},
        ),
        **changes: Any,
    ) -> Path:
        write_csv(self.folder / "members.csv", people, list(people[0]))
        write_csv(self.folder / "orders.csv", orders, list(orders[0]))
        write_csv(self.folder / "contacts.csv", contacts, list(contacts[0]))
        return self.define(**changes)

    def define(self, **changes: Any) -> Path:
        path = self.folder / "test.yml"
        with path.open("w", encoding="utf8") as file:
            YAML().dump(definition(**changes), file)
        return path

    @contextmanager
    def open(
        self, now: datetime = NOW, *, out: str = "runs", ledgers: Sequence[str] = ()
    ) -> Iterator[Experiment]:
        """The experiment; `out` and `ledgers` are folders of the campaign's own."""
        with open_experiment(
            self.folder / "test.yml",
            engine=self.engine,
            out=self.folder / out,
            now=now,
            ledgers=[self.folder / each for each in ledgers],
        ) as experiment:
            yield experiment
