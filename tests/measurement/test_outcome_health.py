"""Health of the outcomes and of the lock, through the real tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.measurement.campaign import campaign
from tests.measurement.test_member_units import assigned, people, sold, text

SPEND = "spend: {type: sum, from: sales, value: amount, window_days: 7}"
PROFIT = "profit: {type: formula, value: 0.4 * spend - contact_cost}"
STARS = "stars: {type: sum, from: members, value: stars, missing: drop}"


def test_few_buyers_warn_of_heavy_tails_and_costs_do_not_hide_them(tmp_path: Path) -> None:
    """Every member of an offer arm has a profit that is not 0; the buyers are few all the same."""
    members = 1_000
    buyers = [number for number in range(members) if number % 2 == 0][:199]
    buyers += [number for number in range(members) if number % 2][:200]
    tables = {"members": people(members), "sales": sold([(str(buyer), 5.0) for buyer in buyers])}
    with campaign(tmp_path, text(SPEND, PROFIT), tables, assigned(members)) as opened:
        check = opened.health()["heavy_tails"]
    assert check.status == "warn"
    assert "spend (mail: 199)" in check.detail
    assert "profit" not in check.detail


def test_with_200_buyers_in_each_arm_tails_are_no_matter(tmp_path: Path) -> None:
    tables = {"members": people(400), "sales": sold([(str(buyer), 5.0) for buyer in range(400)])}
    with campaign(tmp_path, text(SPEND, PROFIT), tables, assigned(400)) as opened:
        assert opened.health()["heavy_tails"].status == "pass"


@pytest.mark.parametrize(
    ("missing", "status"), [({0: 40, 1: 40}, "pass"), ({0: 30, 1: 60}, "warn"), ({0: 20, 1: 60}, "fail")]
)
def test_more_missing_values_in_one_arm_are_noticed(
    tmp_path: Path, missing: dict[int, int], status: str
) -> None:
    stars = [None if number // 2 < missing[number % 2] else 1.0 for number in range(2_000)]
    tables = {"members": people(2_000, stars=pa.array(stars, pa.float64())), "sales": sold([])}
    with campaign(tmp_path, text(STARS), tables, assigned(2_000)) as opened:
        check = opened.health()["missingness"]
        moments = opened.measurement().metrics["stars"]
    assert check.status == status
    assert moments.dropped == {"mail": missing[0], "control": missing[1]}
    assert moments.arm("mail").count == 1_000 - missing[0]
    assert f"mail {missing[0]}" in check.detail


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        ((), "pass"),
        (("title", "arms.offers.mail.label", "mlflow.experiment"), "warn"),
        (("title", "goals.primary.metric"), "fail"),
        (("arms.offers.mail.cost_per_send",), "fail"),
    ],
)
def test_a_change_after_the_lock_matters_when_a_figure_depends_on_it(
    tmp_path: Path, keys: tuple[str, ...], status: str
) -> None:
    tables = {"members": people(4), "sales": sold([])}
    differences = [(key, "before", "after") for key in keys]
    with campaign(tmp_path, text(), tables, assigned(4), differences=differences) as opened:
        check = opened.health()["definition_changed"]
    assert check.status == status
    assert all(key in check.detail for key in keys)


def test_a_member_whom_two_batches_put_in_two_arms_is_a_duplicate(tmp_path: Path) -> None:
    drawn = assigned(4)
    again = drawn.slice(0, 1).set_column(1, "arm", pa.array(["control"]))
    again = again.set_column(4, "batch", pa.array([1], pa.int32()))
    twice = pa.concat_tables([drawn, again])
    with campaign(tmp_path, text(), {"members": people(4), "sales": sold([])}, twice) as opened:
        assert opened.measurement().repeated_members == 1
        assert opened.health()["duplicates"].status == "fail"


def test_health_speaks_chinese(tmp_path: Path) -> None:
    stars = np.where(np.arange(40) % 3 == 0, np.nan, 1.0)
    tables = {"members": people(40, stars=pa.array(stars)), "sales": sold([])}
    with campaign(tmp_path, text(SPEND, STARS), tables, assigned(40), language="zh") as opened:
        checks = opened.health()
    assert set(checks) >= {"window_open", "heavy_tails", "missingness", "definition_changed", "sample_ratio"}
    for check in checks.values():
        assert any("\u4e00" <= letter <= "\u9fff" for letter in check.detail), check
