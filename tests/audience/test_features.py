"""Every kind of feature against plain Python, on purchase histories that hypothesis makes up around every boundary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from experiments.definition.features import LAYERS, Feature
from tests.assignment.campaign import Campaign
from tests.assignment.test_audience import audience_rows
from tests.audience import recomputed as slow

SNAPSHOT = date(2026, 11, 25)
MIDNIGHT = datetime(2026, 11, 25)  # noqa: DTZ001 - local to the definition, as the data are
LIMITS = {"new": 30, "active": 60, "churned": 200, "high_repurchase": 3}
OTHER_STAGES = {"fresh": (0, 100), "stale": (100, None)}
FEATURES: Mapping[str, Mapping[str, Any]] = {
    "since_last": {"from": "orders", "days_since": "last"},
    "since_first_paid": {"from": "orders", "days_since": "first", "where": "status = 'paid'"},
    "since_joined": {"from": "members", "days_since": "joined_on"},
    "orders_90d": {"from": "orders", "count": "rows", "days": 90},
    "spend": {"from": "orders", "sum": "amount"},
    "mean_90d": {"from": "orders", "mean": "amount", "days": 90},
    "shops": {"from": "orders", "distinct": "shop"},
    "paid_share": {"from": "orders", "share": "status = 'paid'"},
    "food_share_90d": {"from": "orders", "share": "shop = 'food'", "of": "amount", "days": 90},
    "cycle": {"from": "orders", "gap": "median"},
    "paid_cycle_200d": {"from": "orders", "gap": "median", "where": "status = 'paid'", "days": 200},
    "layer": {"from": "orders", "layers": LIMITS},
    "paid_layer": {"from": "orders", "layers": "seven_layers", "where": "status = 'paid'"},
    "stage": {"stages": "dormancy", "on": "since_last"},
    "named_stage": {"stages": "dormancy", "on": "since_last", "never": "never_bought"},
    "full_stage": {
        "stages": "dormancy",
        "on": "since_last",
        "never": {"stages": OTHER_STAGES, "on": "since_joined"},
    },
    "recency": {"bands": [30, 90, 180], "on": "since_last", "better": "down"},
    "frequency": {"bands": [1, 2, 4], "on": "orders_90d"},
    "money": {"bands": 5, "on": "spend"},
    "freshness": {"bands": 3, "on": "since_last", "better": "down"},
    "points_band": {"bands": 4, "on": "points"},
}
WAYS = {"days_since", "count", "sum", "mean", "distinct", "share", "gap", "layers", "stages", "bands"}
DAYS = st.sampled_from([0, 1, 2, 29, 30, 31, 60, 89, 90, 91, 180, 200, 201, 365, 400, 730])
SECONDS = st.sampled_from([-86_400, -1, 0, 1, 40_000])
ORDER = st.builds(
    lambda days, seconds, status, amount, shop: {
        "paid_at": MIDNIGHT - timedelta(days=days) + timedelta(seconds=seconds),
        "status": status,
        "amount": amount,
        "shop": shop,
    },
    DAYS,
    SECONDS,
    st.sampled_from(["paid", "open", ""]),
    st.integers(0, 4),
    st.sampled_from(["food", "toys", ""]),
)
MEMBER = st.tuples(st.lists(ORDER, max_size=7), st.integers(0, 400), st.none() | st.integers(0, 5))


def write(
    campaign: Campaign, people: Sequence[tuple[list[dict[str, Any]], int, int | None]], features: Any
) -> None:
    members = [
        {
            "会员": f"{place:03d}",
            "tier": "vip" if place % 3 == 0 else "basic",
            "city": "x",
            "joined_on": SNAPSHOT - timedelta(days=joined),
            "points": "" if points is None else points,
        }
        for place, (_, joined, points) in enumerate(people)
    ]
    orders = [{"会员": f"{place:03d}", **row} for place, (rows, _, _) in enumerate(people) for row in rows]
    # A row after the snapshot keeps the columns typed where nobody has an order.
    later = {
        "会员": "000",
        "paid_at": MIDNIGHT + timedelta(days=3),
        "status": "paid",
        "amount": 1,
        "shop": "food",
    }
    campaign.write(members, [*orders, later], features=features)


def expected(place: int, rows: list[dict[str, Any]], joined: int) -> dict[str, Any]:
    """Everything but quantile bands, which look at all members."""
    own = slow.before(rows, SNAPSHOT, "paid_at")
    recent = slow.before(rows, SNAPSHOT, "paid_at", 90)
    paid = [row for row in own if row["status"] == "paid"]
    paid_200d = [row for row in slow.before(rows, SNAPSHOT, "paid_at", 200) if row["status"] == "paid"]
    last = slow.days_since(own, SNAPSHOT, "paid_at", "last")
    first = slow.days_since(own, SNAPSHOT, "paid_at", "first")
    paid_days = [slow.days_since(paid, SNAPSHOT, "paid_at", which) for which in ("first", "last")]
    total = sum(row["amount"] for row in recent)
    food = sum(row["amount"] for row in recent if row["shop"] == "food")
    stage = slow.stage(last, slow.DORMANCY)
    recency = slow.band_by_limits(last, [30, 90, 180])
    return {
        "since_last": last,
        "since_first_paid": paid_days[0],
        "since_joined": joined,
        "orders_90d": len(recent),
        "spend": sum(row["amount"] for row in own),
        "mean_90d": total / len(recent) if recent else None,
        "shops": len({row["shop"] for row in own} - {""}),
        "paid_share": len(paid) / len(own) if own else None,
        "food_share_90d": food / total if total else None,
        "cycle": slow.gap(own, "paid_at"),
        "paid_cycle_200d": slow.gap(paid_200d, "paid_at"),
        "layer": slow.layer(first, last, len(own), LIMITS),
        "paid_layer": slow.layer(
            paid_days[0],
            paid_days[1],
            len(paid),
            {"new": 90, "active": 90, "churned": 365, "high_repurchase": 3},
        ),
        "stage": stage,
        "named_stage": stage or "never_bought",
        "full_stage": stage or slow.stage(joined, OTHER_STAGES),
        "recency": None if recency is None else 5 - recency,
        "frequency": slow.band_by_limits(len(recent), [1, 2, 4]),
    }


# Without shrinking: an example takes a third of a second, and says enough as it is.
@settings(max_examples=12, phases=[Phase.explicit, Phase.generate])
@given(people=st.lists(MEMBER, min_size=1, max_size=25))
def test_features_equal_a_slow_computation(
    tmp_path_factory: pytest.TempPathFactory, people: list[tuple[list[dict[str, Any]], int, int | None]]
) -> None:
    people = [([], 0, 2), *people]  # so that the column with points is one of numbers
    campaign = Campaign(tmp_path_factory.mktemp("features"))
    write(campaign, people, FEATURES)
    with campaign.open() as experiment:
        _, found = audience_rows(experiment)
    slowly = {f"{place:03d}": expected(place, rows, joined) for place, (rows, joined, _) in enumerate(people)}
    points = {f"{place:03d}": points for place, (_, _, points) in enumerate(people)}
    money = slow.bands_by_quantile({key: each["spend"] for key, each in slowly.items()}, 5)
    freshness = slow.bands_by_quantile({key: each["since_last"] for key, each in slowly.items()}, 3)
    points_band = slow.bands_by_quantile(points, 4)
    for key, features in slowly.items():
        fresh = freshness[key]
        features |= {
            "money": money[key],
            "freshness": None if fresh is None else 4 - fresh,
            "points_band": points_band[key],
        }
        assert {name: found[key][name] for name in features} == {
            name: pytest.approx(value, abs=0) if isinstance(value, float) else value
            for name, value in features.items()
        }


def test_every_kind_of_feature_is_among_them() -> None:
    fields = set(Feature.model_fields) - {"from_", "of", "where", "days", "never", "better", "on"}
    assert fields == WAYS == {way for feature in FEATURES.values() for way in feature} & WAYS


def test_nothing_after_the_snapshot_changes_a_feature(tmp_path: Path) -> None:
    """Orders from the first second of the snapshot on are planted, of every status, amount and shop, on three days."""
    people = [
        (
            [
                {
                    "paid_at": MIDNIGHT - timedelta(days=7 * n, seconds=1),
                    "status": "paid",
                    "amount": n % 5,
                    "shop": "food",
                }
                for n in range(1, place % 9)
            ],
            10 * place,
            place % 4,
        )
        for place in range(30)
    ]
    planted = [
        {
            "paid_at": MIDNIGHT + timedelta(days=days, seconds=seconds),
            "status": status,
            "amount": 4,
            "shop": shop,
        }
        for days in (0, 1, 40)
        for seconds in (0, 86_399)
        for status in ("paid", "open")
        for shop in ("food", "new shop")
    ]
    found = []
    for name, more in (("without", []), ("with", planted)):
        folder = tmp_path / name
        folder.mkdir()
        campaign = Campaign(folder)
        write(campaign, [([*rows, *more], joined, points) for rows, joined, points in people], FEATURES)
        with campaign.open() as experiment:
            found.append(audience_rows(experiment)[1])
    assert found[0] == found[1]
    assert len({tuple(row.items()) for row in found[0].values()}) == len(people)
    for name in FEATURES:
        assert any(row[name] is not None for row in found[0].values()), f"{name} says nothing here"


def test_layers_part_members_without_gap_or_overlap(campaign: Campaign) -> None:
    """One member for each layer, on both sides of each limit."""
    histories = {
        "potential": [[]],
        "churned": [[200], [200, 900, 901, 902]],
        "new": [[0], [29], [29, 1, 2]],
        "trial": [[30], [199]],
        "active": [[30, 59], [100, 59, 3, 4]],
        "high_repurchase_pre_churn": [[60, 70, 80], [199, 300, 400, 500]],
        "low_repurchase_pre_churn": [[60, 61], [199, 200]],
    }
    people = []
    for days_of_orders in [each for histories_of in histories.values() for each in histories_of]:
        rows = [
            {"paid_at": MIDNIGHT - timedelta(days=days), "status": "paid", "amount": 1, "shop": "food"}
            for days in days_of_orders
            if days
        ]
        rows += [
            {"paid_at": MIDNIGHT - timedelta(seconds=1), "status": "paid", "amount": 1, "shop": "food"}
            for days in days_of_orders
            if not days
        ]
        people.append((rows, 1, None))
    write(campaign, people, {"layer": {"from": "orders", "layers": LIMITS}})
    with campaign.open() as experiment:
        _, found = audience_rows(experiment)
    wanted = [layer for layer, each in histories.items() for _ in each]
    assert [found[f"{place:03d}"]["layer"] for place in range(len(people))] == wanted
    assert set(histories) == set(LAYERS)
