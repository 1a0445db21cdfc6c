"""The arms before the experiment: a covariate that knows of the arm is found, a true draw is left in peace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from experiments.analysis import analyze
from experiments.data.catalogue import open_data
from experiments.definition.errors import InputError
from experiments.inference.rerandomisation import imbalance_p_value
from tests.assignment.campaign import Campaign, members


def recorded(campaign: Campaign, shift: float) -> None:
    """900 members with recorded arms; in arm `b` the covariate is higher by `shift` deviations."""
    rng = np.random.default_rng(5)
    people = [
        {
            **row,
            "arm": arm,
            "age": round(40 + 10 * float(rng.normal()) + 10 * shift * (arm == "b"), 2),
            "bought": n % 2,
        }
        for n, (row, arm) in enumerate(zip(members(900), ["control", "a", "b"] * 300, strict=True))
    ]
    changes: dict[str, Any] = {
        "data": {"members": {"table": "members.csv", "key": "会员"}},
        "features": None,
        "audience": None,
        "send": None,
        "arms": {"control": {"share": "1/3"}, "offers": {"a": {"share": "1/3"}, "b": {"share": "1/3"}}},
        "assignment": {"method": "recorded", "from": "members", "column": "arm"},
        "metrics": {"bought": {"type": "binary", "from": "members", "value": "bought"}},
        "design": {"covariates": ["age"]},
    }
    campaign.write(people, **changes)


@pytest.mark.parametrize(("shift", "status"), [(0.0, "pass"), (0.5, "warn")])
def test_a_covariate_that_knows_of_the_arm_is_told(tmp_path: Path, shift: float, status: str) -> None:
    campaign = Campaign(tmp_path)
    recorded(campaign, shift)
    with campaign.open() as experiment:
        found = analyze(experiment)
    (check,) = [each for each in found.health if each.check == "pre_period_balance"]
    assert check.status == status
    assert "age" in check.detail
    assert found.effects


def test_random_draws_are_that_unlike_as_often_as_they_say() -> None:
    """2,000 random draws of three arms: p below .05 in 5 %, within 4 deviations."""
    rng = np.random.default_rng(8)
    values, arms, rejected = rng.exponential(size=(600, 2)), np.repeat([0, 1, 2], 200), 0
    covariance = np.cov(values.T, bias=True)
    for _ in range(2000):
        rng.shuffle(arms)
        means = [list(values[arms == arm].mean(axis=0)) for arm in range(3)]
        rejected += imbalance_p_value([200] * 3, means, covariance) < 0.05
    assert abs(rejected / 2000 - 0.05) < 4 * (0.05 * 0.95 / 2000) ** 0.5


def test_events_without_a_single_time_are_told(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    campaign.write(members(20))
    duckdb.execute(
        f"""COPY (SELECT '000000' AS "会员", NULL::TIMESTAMP AS paid_at FROM range(2))
            TO '{tmp_path}/orders.parquet' (FORMAT parquet)"""
    )
    data = {
        "members": {"table": "members.csv", "key": "会员"},
        "orders": {"table": "orders.parquet", "key": "会员", "time": "paid_at"},
    }
    campaign.define(data=data)
    with campaign.open() as experiment, pytest.raises(InputError, match="missing in every row of orders"):
        open_data(experiment)
