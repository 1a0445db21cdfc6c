"""Scenarios and grids: each resolves to one concrete definition, which the lock covers and the file's own keys override."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from experiments.definition.errors import InputError
from experiments.definition.load import load
from experiments.definition.scenario import FOLDER, SCENARIOS

EVENTS = ("orders", "visits", "redemptions", "referrals", "renewals")
PURPOSES = {
    "store_opening": ("lifecycle IN ('near_dormant', 'dormant')", "visited_store", 14),
    "grand_promotion": ("lifecycle = 'churned' OR discounted_share >= 0.5", "purchased", 14),
    "mid_month_push": ("orders_ever = 1 OR lifecycle = 'silent'", "purchased", 14),
    "new_season": ("lifecycle IN ('silent', 'near_dormant')", "returned", 30),
    "online_to_store": ("lifecycle IN ('near_dormant', 'dormant')", "redeemed_in_store", 14),
    "online_gmv": ("lifecycle <> 'active'", "revenue", 14),
    "referral_seeds": ("lifecycle <> 'active'", "new_members_brought", 30),
    "membership_renewal": ("days_since_expiry BETWEEN -30 AND 90", "renewed", 30),
    "repurchase_cycle": ("days_since_last_order > own_cycle", "purchased", 14),
}
"""What the domain's notes say of each: who, what counts, and how long."""


def write(folder: Path, **changes: Any) -> Path:
    body: dict[str, Any] = {
        "version": 1,
        "id": "push",
        "title": "A push",
        "owner": "a@example.com",
        "hypothesis": "It works.",
        "currency": "CNY",
        "timezone": "Asia/Shanghai",
        "data": {
            "members": {"table": "members.csv", "key": "id"},
            **{name: {"table": f"{name}.csv", "key": "id", "time": "at"} for name in EVENTS},
        },
        "audience": {"snapshot": "2026-11-25"},
        "arms": {"control": {"share": 0.5}, "offers": {"a": {"share": 0.5, "channel": "sms"}}},
        "assignment": {"method": "hash"},
        "send": {"days": ["2026-11-26"]},
        "decision": {},
    }
    path = folder / "push.yml"
    with path.open("w", encoding="utf8") as file:
        YAML().dump({key: value for key, value in (body | changes).items() if value is not None}, file)
    return path


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_gives_audience_primary_metric_and_window(tmp_path: Path, name: str) -> None:
    definition = load(write(tmp_path, scenario=name))
    include, metric, window = PURPOSES[name]
    assert str(definition.audience.include) == include
    assert definition.goals.primary.metric == metric
    measured = definition.metrics[metric]
    assert getattr(measured, "window_days", None) == window
    assert definition.metrics_of_others == (("new_members_brought",) if name == "referral_seeds" else ())
    resolved = definition.origin.resolved
    assert resolved["audience"]["include"] == include
    assert resolved["metrics"][metric]["window_days"] == window


def test_every_scenario_has_its_file() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yml")) == sorted(SCENARIOS) == sorted(PURPOSES)


def test_the_files_own_keys_go_first_and_change_the_lock(tmp_path: Path) -> None:
    plain = load(write(tmp_path, scenario="online_gmv"))
    own = load(
        write(
            tmp_path,
            scenario="online_gmv",
            features={"lifecycle": {"stages": {"active": [0, 60], "gone": [60, None]}}},
            metrics={"revenue": {"value": "amount - refund", "window_days": 7}},
        )
    )
    assert own.features["lifecycle"].on == "days_since_last_order"
    assert own.features["lifecycle"].stages == {"active": (0, 60), "gone": (60, None)}
    revenue = own.origin.resolved["metrics"]["revenue"]
    assert (revenue["value"], revenue["window_days"], revenue["winsorize_at"]) == (
        "amount - refund",
        7,
        0.999,
    )
    assert own.origin.sha256 != plain.origin.sha256


def test_what_a_scenario_lacks_is_told_where_it_is_named(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        scenario="store_opening",
        data={
            "members": {"table": "members.csv", "key": "id"},
            "orders": {"table": "orders.csv", "key": "id", "time": "at"},
        },
    )
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if text.startswith("scenario"))
    with pytest.raises(InputError) as caught:
        load(path)
    assert [(fault.line, fault.key) for fault in caught.value.faults] == [
        (line, "metrics.visited_store.from")
    ]


def test_an_unknown_scenario_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"scenario: .* did you mean `mid_month_push`\?"):
        load(write(tmp_path, scenario="mid_month_pusch", metrics={}, goals={"primary": {"metric": "x"}}))


def test_presets_are_locked_as_what_they_say(tmp_path: Path) -> None:
    features = {
        "since": {"from": "orders", "days_since": "last"},
        "stage": {"stages": "aftercare", "on": "since"},
        "layer": {"from": "orders", "layers": "seven_layers"},
    }
    policy = {"on": "stage", "stages": "aftercare"}
    definition = load(
        write(
            tmp_path,
            scenario="online_gmv",
            features=features,
            audience={"snapshot": "2026-11-25", "contact_policy": policy},
            data={
                "members": {"table": "members.csv", "key": "id"},
                "orders": {"table": "orders.csv", "key": "id", "time": "at"},
                "contacts": {"table": "contacts.csv", "key": "id", "time": "at"},
            },
        )
    )
    resolved = definition.origin.resolved
    assert resolved["features"]["layer"]["layers"] == {
        "active": 90, "churned": 365, "high_repurchase": 3, "new": 90
    }  # fmt: skip
    # The table of the domain's notes: after_sales 4-7 care and no marketing, ..., dead none and at most one.
    limits = resolved["audience"]["contact_policy"]["stages"]
    assert {stage: (each["care"], each["marketing"]) for stage, each in limits.items()} == {
        "after_sales": ([4, 7], [0, 0]),
        "active": ([2, 3], [3, 4]),
        "silent": ([1, 2], [2, 3]),
        "sleeping": ([1, 2], [1, 2]),
        "churning": ([0, 1], [1, 2]),
        "dead": ([0, 0], [0, 1]),
    }


def test_a_grid_is_one_segment_for_each_cell(tmp_path: Path) -> None:
    grid = {
        "lifecycle": ["active", "silent"],
        "会员等级": {"regular": ["普通", "o'ld"], "vip": ["贵宾"]},
        "band": {"low": [-1, 2]},
        "opt_in": [True],
    }
    definition = load(
        write(tmp_path, scenario="online_gmv", audience={"snapshot": "2026-11-25", "segment_grid": grid})
    )
    segments = definition.audience.segments
    assert [segment.id for segment in segments] == [
        "active__regular__low__true", "active__vip__low__true",
        "silent__regular__low__true", "silent__vip__low__true", "others",
    ]  # fmt: skip
    rest = '("band" = -1 OR "band" = 2) AND "opt_in" = TRUE'
    assert [str(segment.when) for segment in segments[:2]] == [
        f"\"lifecycle\" = 'active' AND \"会员等级\" IN ('普通', 'o''ld') AND {rest}",
        f"\"lifecycle\" = 'active' AND \"会员等级\" = '贵宾' AND {rest}",
    ]
    assert segments[-1].is_otherwise
    assert len(definition.origin.resolved["audience"]["segments"]) == 5
