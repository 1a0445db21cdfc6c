"""Everybody assigned: from the ledger or recorded, whatever has become of them, and how alike the arms were."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean, variance
from typing import Any

import pytest

from experiments.analysis import analyze
from experiments.assignment.assigned import Assigned, assigned_members
from experiments.assignment.assignment import assign
from experiments.data.catalogue import open_data
from experiments.definition.errors import OutsideError, RefusedError
from experiments.engines.protocol import ColumnType
from experiments.experiment import Experiment
from experiments.queries import fetch_rows
from tests.assignment.campaign import Campaign, Row, definition, members

FEATURES = {
    "features": {"orders_before": {"from": "orders", "count": "rows"}},
    "uplift": {"features": ["orders_before", "tier", "age"]},
}


def people(count: int) -> list[Row]:
    return [{**person, "age": 20 + n % 31} for n, person in enumerate(members(count))]


def read(experiment: Experiment) -> tuple[Assigned, dict[str, Mapping[str, Any]]]:
    assigned = assigned_members(experiment, open_data(experiment))
    return assigned, {row["member"]: row for row in fetch_rows(experiment.engine, assigned.rows())}


def test_nobody_is_assigned_before_assign(campaign: Campaign) -> None:
    campaign.write(members(20))
    with campaign.open() as experiment, pytest.raises(RefusedError, match="offerwise assign"):
        read(experiment)


def test_the_ledger_comes_with_what_was_known_before(campaign: Campaign) -> None:
    campaign.write(people(50), **FEATURES)
    with campaign.open() as experiment:
        assign(experiment)
    with campaign.open() as experiment:
        assigned, found = read(experiment)
    assert (assigned.locked, assigned.recorded, assigned.differences) == (True, False, ())
    assert list(assigned.columns)[:7] == [
        "member",
        "arm",
        "segment",
        "stratum",
        "batch",
        "propensity",
        "planned_send_at",
    ]
    assert assigned.columns["planned_send_at"] is ColumnType.INSTANT
    assert found["000000"]["orders_before"] == 1
    assert {row["orders_before"] for key, row in found.items() if key != "000000"} == {0}
    assert {row["age"] for row in found.values()} == {20 + n % 31 for n in range(50)}


def test_who_left_the_data_keeps_an_arm(campaign: Campaign) -> None:
    campaign.write(people(50), **FEATURES)
    with campaign.open() as experiment:
        assign(experiment)
        _, before = read(experiment)
    campaign.write(people(30), **FEATURES)
    with campaign.open() as experiment:
        _, after = read(experiment)
    assert {key: row["arm"] for key, row in after.items()} == {key: row["arm"] for key, row in before.items()}
    assert after['q"46']["age"] is None
    assert after['q"26']["age"] == 20 + 26


def test_what_nothing_reads_is_not_computed_and_members_columns_are_looked_up(campaign: Campaign) -> None:
    """A feature that only the audience reads has done its work when arms are drawn."""
    only_columns = {"features": FEATURES["features"], "uplift": {"features": ["tier", "age"]}}
    campaign.write(people(50), **only_columns)
    with campaign.open() as experiment:
        assign(experiment)
    campaign.write(people(30), **only_columns)
    with campaign.open() as experiment:
        assigned, found = read(experiment)
    assert assigned.known is not None
    assert "orders_before" not in assigned.columns
    assert list(next(iter(found.values()))) == list(assigned.columns)
    assert (found['q"46']["age"], found['q"26']["age"]) == (None, 20 + 26)
    assert len(found) == 50


def test_a_changed_definition_is_not_locked(campaign: Campaign) -> None:
    campaign.write(people(50), **FEATURES)
    with campaign.open() as experiment:
        assign(experiment)
    campaign.define(**FEATURES, owner="b@example.com")
    with campaign.open() as experiment:
        assigned, found = read(experiment)
    assert not assigned.locked
    assert [tuple(each) for each in assigned.differences] == [("owner", "a@example.com", "b@example.com")]
    assert len(found) == 50
    (campaign.folder / "runs" / "test-1" / "definition.lock.json").unlink()
    with campaign.open() as experiment, pytest.raises(OutsideError, match=r"definition\.lock\.json"):
        read(experiment)


def test_a_renamed_arm_is_refused_with_its_keys(campaign: Campaign) -> None:
    """Members have an arm that the definition no longer has; it is neither left out nor taken for another one."""
    campaign.write(people(50), **FEATURES)
    with campaign.open() as experiment:
        assign(experiment)
    arms = definition()["arms"]
    offers = {"a2" if name == "a" else name: offer for name, offer in arms["offers"].items()}
    campaign.define(**FEATURES, arms={**arms, "offers": offers})
    with campaign.open() as experiment, pytest.raises(RefusedError, match=r"arms\.offers\.a "):
        read(experiment)
    arms["offers"]["a"]["share"], arms["offers"]["b"]["share"] = "5/12", "1/4"
    campaign.define(**FEATURES, arms=arms)
    with campaign.open() as experiment:
        document = analyze(experiment)
    assert (document.verdict.status, document.verdict.reasons[0].code) == ("invalid", "definition_changed")


def test_recorded_arms_of_another_source_and_eligible_members_only(campaign: Campaign) -> None:
    rows = [{"id": person["会员"], "grp": ["0", "1", "2"][n % 3]} for n, person in enumerate(members(60))]
    campaign.write([{**person, "visit": 1} for person in members(90)])
    (campaign.folder / "groups.csv").write_text(
        "id,grp\n" + "".join('"{}",{}\n'.format(str(r["id"]).replace('"', '""'), r["grp"]) for r in rows)
    )
    campaign.define(
        data={"members": {"table": "members.csv", "key": "会员"}, "groups": {"table": "groups.csv", "key": "id"}},
        features=None,
        audience={"include": "tier <> 'vip'", "segments": [{"id": "all", "when": "otherwise"}]},
        assignment={
            "method": "recorded", "from": "groups", "column": "grp", "values": {"control": 0, "a": 1, "b": 2}, "strata": ["city"],
        },
        metrics={"visited": {"type": "binary", "from": "members", "value": "visit"}},
        goals={"primary": {"metric": "visited"}},
        send=None,
    )  # fmt: skip
    with campaign.open() as experiment:
        assigned, found = read(experiment)
    assert (assigned.recorded, assigned.locked) == (True, False)
    arms = dict(zip(("0", "1", "2"), ("control", "a", "b"), strict=True))
    vips = {person["会员"] for person in members(60) if person["tier"] == "vip"}
    assert {key: row["arm"] for key, row in found.items()} == {
        r["id"]: arms[r["grp"]] for r in rows if r["id"] not in vips
    }
    assert {row["planned_send_at"] for row in found.values()} == {None}
    assert {row["stratum"] for row in found.values()} == {"北京", "a\\|b", "a\\\\b", "\\N"}
    assert {row["propensity"] for row in found.values() if row["arm"] == "control"} == {1 / 3}


def test_balance_is_the_largest_standardised_difference(campaign: Campaign) -> None:
    campaign.write(people(200), **FEATURES)
    with campaign.open() as experiment:
        document = assign(experiment)
        _, found = read(experiment)

    def of(arm: str, value: Any) -> list[float]:
        return [float(value(row)) for row in found.values() if row["arm"] == arm]

    def difference(arm: str, value: Any, spread: Any) -> float:
        one, control = of(arm, value), of("control", value)
        return float(abs(mean(one) - mean(control)) / ((spread(one) + spread(control)) / 2) ** 0.5)

    def share_variance(values: list[float]) -> float:
        return mean(values) * (1 - mean(values))

    shown = {row.feature: row.max_standardised_difference for row in document.balance}
    assert shown["age"] == pytest.approx(
        max(difference(arm, lambda row: row["age"], variance) for arm in "ab")
    )
    assert shown["tier"] == pytest.approx(
        max(difference(arm, lambda row: row["tier"] == "vip", share_variance) for arm in "ab")
    )
    assert set(shown) == {"age", "tier", "segment", "city", "orders_before"}
    assert [row.max_standardised_difference for row in document.balance] == sorted(
        shown.values(), reverse=True
    )
