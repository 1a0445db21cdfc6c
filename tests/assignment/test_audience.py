"""Features, refusals and caps against a slow computation in plain Python; nothing after the snapshot counts."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from sqlglot import exp

from experiments.assignment.assignment import assign
from experiments.audience.audience import Audience, build_audience
from experiments.data.catalogue import open_data
from experiments.engines.protocol import ColumnType
from experiments.experiment import Experiment
from experiments.queries import fetch_rows
from tests.assignment.campaign import NOW, Campaign, Row, members, write_csv
from tests.assignment.recomputed import h

SNAPSHOT = datetime.fromisoformat("2026-11-25")
FEATURES = {
    "since_last": {"from": "orders", "days_since": "last"},
    "since_first_paid": {"from": "orders", "days_since": "first", "where": "status = 'paid'"},
    "orders_all": {"from": "orders", "count": "rows"},
    "paid_90d": {"from": "orders", "count": "rows", "where": "status = 'paid'", "days": 90},
    "spend_30d": {"from": "orders", "sum": "amount - refund", "days": 30},
    "mean_amount": {"from": "orders", "mean": "amount"},
    "shops": {"from": "orders", "distinct": "shop"},
    "contacts_7d": {"from": "contacts", "count": "rows", "days": 7},
    "stage": {"stages": "dormancy", "on": "since_last"},
    "own_stage": {"stages": {"new": [0, 7], "old": [7, None]}, "on": "since_last"},
}
DORMANCY = {"active": 90, "silent": 180, "near_dormant": 365, "dormant": 730, "churned": 10**6}
CAPS = [
    {"channels": ["sms"], "kind": "marketing", "max": 1, "days": 30},
    {"channels": ["sms", "ai_call"], "kind": "any", "max": 3, "days": 14},
]


def orders(seed: int, keys: list[str], count: int = 700) -> list[dict[str, Any]]:
    """Orders around every boundary that matters: midnights of the snapshot and of the windows, to the second."""
    draw = random.Random(seed)
    edges = [0, 7, 30, 89, 90, 91, 180, 400, 800]
    return [
        {
            "会员": draw.choice(keys[: 3 * len(keys) // 4]),
            "paid_at": SNAPSHOT
            - timedelta(days=draw.choice(edges))
            + timedelta(seconds=draw.choice([-86400, -1, 0, 1, 40_000])),
            "status": draw.choice(["paid", "open", ""]),
            "amount": draw.randrange(0, 500_00) / 100,
            "refund": draw.choice([0, 5]),
            "shop": draw.choice(["s1", "s2", "s3", ""]),
        }
        for _ in range(count)
    ]


def contacts(seed: int, keys: list[str], count: int = 500) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    return [
        {
            "会员": draw.choice(keys),
            "sent_at": SNAPSHOT
            - timedelta(days=draw.choice([0, 1, 7, 14, 30, 31]))
            + timedelta(seconds=draw.choice([-1, 0])),
            "channel": draw.choice(["sms", "ai_call", "wecom"]),
            "kind": draw.choice(["care", "marketing"]),
        }
        for _ in range(count)
    ]


def audience_rows(experiment: Experiment, **arguments: Any) -> tuple[Audience, dict[str, Mapping[str, Any]]]:
    catalogue = open_data(experiment)
    audience = build_audience(experiment, catalogue, **arguments)
    query = exp.select(*(exp.column(name, quoted=True) for name in audience.columns)).from_(audience.relation)
    return audience, {row["member"]: row for row in fetch_rows(experiment.engine, query)}


def slow_features(rows: list[dict[str, Any]], touches: list[dict[str, Any]], key: str) -> dict[str, object]:
    own = [row for row in rows if row["会员"] == key and row["paid_at"] < SNAPSHOT]
    paid = [row for row in own if row["status"] == "paid"]

    def days(row: Mapping[str, Any]) -> int:
        return (SNAPSHOT.date() - row["paid_at"].date()).days

    def recent(window: int, among: list[dict[str, Any]], time: str = "paid_at") -> list[dict[str, Any]]:
        return [row for row in among if SNAPSHOT - timedelta(days=window) <= row[time] < SNAPSHOT]

    last = min(map(days, own), default=None)
    touched = [row for row in touches if row["会员"] == key]
    return {
        "since_last": last,
        "since_first_paid": max(map(days, paid), default=None),
        "orders_all": len(own),
        "paid_90d": len(recent(90, paid)),
        "spend_30d": sum(row["amount"] - row["refund"] for row in recent(30, own)),
        "mean_amount": sum(row["amount"] for row in own) / len(own) if own else None,
        "shops": len({row["shop"] for row in own} - {""}),
        "contacts_7d": len(recent(7, touched, "sent_at")),
        "stage": None if last is None else next(name for name, end in DORMANCY.items() if last < end),
        "own_stage": None if last is None else "new" if last < 7 else "old",
    }


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_features_equal_a_slow_computation(campaign: Campaign, seed: int) -> None:
    people = members(40)
    keys = [str(person["会员"]) for person in people]
    bought, touched = orders(seed, keys), contacts(seed, keys)
    campaign.write(people, bought, touched, features=FEATURES, design={"covariates": list(FEATURES)[:7]})
    with campaign.open() as experiment:
        audience, found = audience_rows(experiment)
    assert audience.columns["stage"] is ColumnType.TEXT
    assert audience.columns["since_last"] is ColumnType.INTEGER
    for key in keys:
        expected = slow_features(bought, touched, key)
        assert {name: found[key][name] for name in expected} == {
            name: pytest.approx(value) if isinstance(value, float) else value
            for name, value in expected.items()
        }


def test_nothing_at_or_after_the_snapshot_changes_anything(campaign: Campaign) -> None:
    people = members(40)
    keys = [str(person["会员"]) for person in people]
    bought, touched = orders(5, keys), contacts(5, keys)
    audience = {"snapshot": "2026-11-25", "include": "orders_all > 1", "contact_caps": CAPS}
    found = []
    for cut in (False, True):
        campaign.write(
            people,
            [row for row in bought if not cut or row["paid_at"] < SNAPSHOT],
            [row for row in touched if not cut or row["sent_at"] < SNAPSHOT],
            features=FEATURES,
            audience=audience,
            assignment={"method": "hash"},
        )
        with campaign.open() as experiment:
            found.append(audience_rows(experiment)[1])
    assert any(row["paid_at"] >= SNAPSHOT for row in bought)
    assert found[0] == found[1]


@pytest.mark.parametrize("seed", [1, 2])
def test_caps_equal_a_slow_computation(campaign: Campaign, seed: int) -> None:
    people = members(60)
    keys = [str(person["会员"]) for person in people]
    touched = contacts(seed, keys)
    campaign.write(
        people,
        contacts=touched,
        audience={"snapshot": "2026-11-25", "contact_caps": CAPS},
        assignment={"method": "hash"},
    )
    with campaign.open() as experiment:
        audience, found = audience_rows(experiment)
        _, later = audience_rows(experiment, snapshot=date(2026, 12, 20))

    def capped(key: str, at: datetime) -> bool:
        own = [row for row in touched if row["会员"] == key and row["sent_at"] < at]
        texts = [
            r
            for r in own
            if r["channel"] == "sms" and r["kind"] == "marketing" and r["sent_at"] >= at - timedelta(days=30)
        ]
        all_kinds = [
            r for r in own if r["channel"] in {"sms", "ai_call"} and r["sent_at"] >= at - timedelta(days=14)
        ]
        return len(texts) >= 1 or len(all_kinds) >= 3

    assert {key: row["refused_by"] for key, row in found.items()} == {
        key: "contact_caps" if capped(key, SNAPSHOT) else None for key in keys
    }
    assert 0 < audience.refused["contact_caps"] < 60
    assert {key for key, row in later.items() if row["refused_by"]} == {
        key for key in keys if capped(key, datetime.fromisoformat("2026-12-20"))
    }


def test_times_with_zone_count_in_the_definitions_days(campaign: Campaign) -> None:
    """An order at 16:30 UTC of the 24th is one of the 25th in Shanghai, and so after the snapshot."""
    people = members(4)
    keys = [str(person["会员"]) for person in people]
    bought = [
        {"会员": keys[0], "paid_at": "2026-11-24T15:59:59Z"},
        {"会员": keys[1], "paid_at": "2026-11-24T16:00:00Z"},
        {"会员": keys[2], "paid_at": "2026-11-23T16:00:00Z"},
        {"会员": keys[3], "paid_at": "2026-11-23T15:59:59Z"},
    ]
    campaign.write(
        people,
        bought,
        features={
            "since": {"from": "orders", "days_since": "last"},
            "week": {"from": "orders", "count": "rows", "days": 1},
        },
    )
    with campaign.open() as experiment:
        assert open_data(experiment).sources["orders"].columns["paid_at"] is ColumnType.INSTANT
        _, found = audience_rows(experiment)
    assert [(found[key]["since"], found[key]["week"]) for key in keys] == [(1, 1), (None, 0), (1, 1), (2, 0)]


def test_the_first_reason_removes_and_the_first_segment_takes(campaign: Campaign) -> None:
    people = members(200)
    keys = [str(person["会员"]) for person in people]
    write_csv(
        campaign.folder / "staff.csv", [{"会员": key, "name": "x"} for key in keys[:40]], ["name", "会员"]
    )
    write_csv(campaign.folder / "loud.csv", [{"who": key} for key in keys[30:60]], ["who"])
    touched = [
        {"会员": key, "sent_at": "2026-11-20 10:00:00", "channel": "sms", "kind": "care"} for key in keys[::2]
    ]
    campaign.write(
        people,
        contacts=touched,
        audience={
            "snapshot": "2026-11-25",
            "include": "city <> '北京'",
            "exclude_lists": ["staff.csv", "loud.csv"],
            "contact_caps": [{"channels": ["sms"], "max": 1, "days": 7}],
            "global_holdout": "exclude",
            "segments": [
                {"id": "vip", "when": "tier = 'vip'"},
                {"id": "pipe", "when": "city LIKE '%|%' OR tier = 'vip'"},
                {"id": "rest", "when": "otherwise"},
            ],
        },
        holdout={"share": "1/10", "salt": "brand"},
        assignment={"method": "hash"},
    )
    with campaign.open() as experiment:
        audience, found = audience_rows(experiment)

    def reason(place: int) -> str | None:
        key = keys[place]
        if people[place]["city"] in {
            "北京",
            "",
        }:  # a missing city makes the condition NULL, which does not hold
            return "include"
        if place < 60:
            return "exclude_lists"
        if Fraction(int(h("brand", "holdout", key)[:13], 16), 16**13) < Fraction(1, 10):
            return "holdout"
        return "contact_caps" if place % 2 == 0 else None

    expected = {key: reason(place) for place, key in enumerate(keys)}
    assert {key: row["refused_by"] for key, row in found.items()} == expected
    assert set(expected.values()) == {"include", "exclude_lists", "holdout", "contact_caps", None}
    assert audience.eligible == sum(each is None for each in expected.values())
    assert sum(audience.refused.values()) + audience.eligible == audience.members == 200
    for person in people:
        segment = "vip" if person["tier"] == "vip" else "pipe" if "|" in str(person["city"]) else "rest"
        assert found[str(person["会员"])]["segment"] == segment


def test_numeric_exclude_lists_keep_leading_zeros(campaign: Campaign) -> None:
    people: list[Row] = [{"会员": key, "tier": "x", "city": "y"} for key in ("0012", "12", "7")]
    write_csv(campaign.folder / "staff.csv", [{"id": "0012"}, {"id": "0007"}], ["id"])
    campaign.write(
        people,
        audience={"snapshot": "2026-11-25", "exclude_lists": ["staff.csv"]},
        assignment={"method": "hash"},
    )
    with campaign.open() as experiment:
        _, found = audience_rows(experiment)
    assert {key for key, row in found.items() if row["refused_by"]} == {"0012"}


def test_a_member_is_in_one_running_test_of_a_group(campaign: Campaign) -> None:
    people = members(100)
    keys = {str(person["会员"]) for person in people}
    group = {"snapshot": "2026-11-25", "exclusive_group": "winback"}
    half = {"method": "hash", "salt": "first", "sample_size": 50}
    campaign.write(people, id="first", audience=group, assignment=half)
    with campaign.open() as experiment:
        assign(experiment)
    campaign.define(
        id="other-group",
        audience={**group, "exclusive_group": "x"},
        assignment={"method": "hash", "sample_size": 20},
    )
    with campaign.open() as experiment:
        assert assign(experiment).refused["exclusive_group"] == 0
    # The first test sends on the 26th and 27th and measures 14 days: until the evening of December 11.
    for snapshot, refused in (("2026-11-26", 50), ("2026-12-10", 50), ("2026-12-12", 0)):
        campaign.define(
            id=f"second-{snapshot}",
            audience={**group, "snapshot": snapshot},
            send={"days": ["2026-12-20"]},
            assignment={"method": "hash"},
        )
        with campaign.open() as experiment:
            audience, found = audience_rows(experiment)
        assert audience.refused["exclusive_group"] == refused
        assert set(found) == keys
    # The first test does not stand in its own way.
    campaign.define(id="first", audience=group, assignment=half)
    with campaign.open(now=NOW + timedelta(days=1)) as experiment:
        assert assign(experiment).refused["exclusive_group"] == 0


def test_without_snapshot_the_day_is_today_in_the_zone(campaign: Campaign) -> None:
    people = [
        {**person, "arm": "control" if n % 3 else "a", "visit": 1} for n, person in enumerate(members(30))
    ]
    campaign.write(
        people,
        features=None,
        audience={"segments": [{"id": "all", "when": "otherwise"}]},
        assignment={"method": "recorded", "from": "members", "column": "arm"},
        metrics={"bought": {"type": "binary", "from": "members", "value": "visit"}},
    )
    with campaign.open(now=datetime(2026, 11, 24, 16, 30, tzinfo=UTC)) as experiment:
        audience, _ = audience_rows(experiment)
    assert audience.eligible == 30
