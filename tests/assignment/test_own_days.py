"""One pass over each source for all days of entry gives what a pass for each day gives, feature by feature."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from experiments.assignment.assigned import assigned_members
from experiments.assignment.assignment import assign
from experiments.data.catalogue import open_data
from experiments.queries import fetch_rows
from tests.assignment.campaign import Campaign
from tests.assignment.test_daily_entry import FIRST, HASH, JOURNEY, noon

DAYS = 6
FEATURES: dict[str, Any] = {
    "age": {"from": "members", "days_since": "joined"},
    "first": {"from": "orders", "days_since": "first"},
    "last": {"from": "orders", "days_since": "last", "days": 20},
    "orders_before": {"from": "orders", "count": "rows"},
    "orders_7d": {"from": "orders", "count": "rows", "days": 7},
    "paid_20d": {"from": "orders", "sum": "amount", "where": "status = 'paid'", "days": 20},
    "mean_amount": {"from": "orders", "mean": "amount"},
    "states": {"from": "orders", "distinct": "status"},
    "paid_share": {"from": "orders", "share": "status = 'paid'", "of": "amount"},
    "cycle": {"from": "orders", "gap": "median"},
    "paid_cycle": {"from": "orders", "gap": "median", "where": "status = 'paid'", "days": 40},
    "layer": {"from": "orders", "layers": {"new": 10, "active": 15, "churned": 30, "high_repurchase": 3}},
    "stage": {"stages": {"late": [0, 20], "before": [20, 40], "old": [40, None]}, "on": "first"},
    "messages_5d": {"from": "contacts", "count": "rows", "days": 5},
    "message": {"from": "contacts", "days_since": "last"},
}
BY_QUANTILE = {"banded": {"bands": 3, "on": "orders_before"}}
"""Bands of everybody on a day need a pass for each day."""


def write(campaign: Campaign) -> None:
    """Rows around every day of entry, many in the hours around midnight; contacts as instants of another zone, keys as numbers."""
    dice = random.Random(5)
    people = [
        {"会员": 100 + n, "joined": FIRST + timedelta(days=n % DAYS - 1), "tier": "basic"} for n in range(48)
    ]
    orders = [
        {"会员": 100 + dice.randrange(48), "paid_at": moment(dice, 60), "amount": dice.randrange(100),
         "status": dice.choice(("paid", "paid", "refunded"))}
        for _ in range(400)
    ]  # fmt: skip
    contacts = [
        {"会员": 100 + dice.randrange(48), "sent_at": f"{moment(dice, 20)}+00:00", "channel": "sms", "kind": "care"}
        for _ in range(150)
    ]  # fmt: skip
    campaign.write(people, orders, contacts, **changes({}))


def moment(dice: random.Random, days_before: int) -> str:
    day = FIRST + timedelta(days=dice.randrange(-days_before, DAYS + 5))
    hour = dice.choice((0, 0, 7, 8, 12, 15, 16, 23))
    return f"{day} {hour:02d}:{dice.choice((0, 0, 59)):02d}:00"


def changes(more: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **JOURNEY,
        "features": {**FEATURES, **more},
        "audience": {"snapshot": "daily", "include": "age = 1", "contact_caps": [
            {"channels": ["sms"], "kind": "any", "max": 100, "days": 30}]},
        "assignment": {**HASH, "sample_size": 100},
        "design": {"covariates": ["orders_7d"]},
    }  # fmt: skip


def known(campaign: Campaign) -> dict[str, dict[str, Any]]:
    """What is known of each member, by feature."""
    with campaign.open(noon(FIRST + timedelta(days=40))) as experiment:
        rows = fetch_rows(experiment.engine, assigned_members(experiment, open_data(experiment)).rows())
    return {row["member"]: {name: row[name] for name in (*FEATURES, "tier") if name in row} for row in rows}


def test_one_pass_knows_what_a_pass_for_each_day_knows(campaign: Campaign) -> None:
    write(campaign)
    for number in range(DAYS):
        with campaign.open(noon(FIRST + timedelta(days=number))) as experiment:
            assign(experiment)
    at_once = known(campaign)
    campaign.define(**changes(BY_QUANTILE))
    day_by_day = known(campaign)
    assert len(at_once) == 48
    assert set(FEATURES) <= set(at_once["100"])
    assert at_once == day_by_day
    assert {row["age"] for row in at_once.values()} == {1}
    varied = {name: {row[name] for row in at_once.values()} for name in FEATURES if name != "age"}
    assert {name for name, values in varied.items() if len(values) < 2} == set()


def test_they_are_counts_of_rows_before_midnight_of_the_own_day(campaign: Campaign) -> None:
    """Counted again in Python."""
    write(campaign)
    for number in range(DAYS):
        with campaign.open(noon(FIRST + timedelta(days=number))) as experiment:
            assign(experiment)
    orders = [line.split(",") for line in (campaign.folder / "orders.csv").read_text("utf8").splitlines()[1:]]
    for key, row in known(campaign).items():
        opens = FIRST + timedelta(days=(int(key) - 100) % DAYS)
        moments = [date.fromisoformat(order[1][:10]) for order in orders if order[0] == key]
        assert row["orders_before"] == sum(day < opens for day in moments)
