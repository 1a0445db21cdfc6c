"""Our own draw, from the definition through the ledger to moments and health."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp

from experiments.assignment.file_ledger import FileLedger
from tests.measurement.campaign import campaign

TEXT = """
    data:
      members: {table: members.parquet, key: id}
      sales: {table: sales.parquet, key: buyer, time: at}
    features: {sold_before: {from: sales, count: rows, days: 90}}
    audience:
      snapshot: 2026-10-29
      segments: [{id: new, when: age < 40}, {id: old, when: otherwise}]
    arms:
      control: {share: 0.4}
      offers: {card: {share: 0.35}, mail: {share: 0.25, cost_per_send: 0.5}}
    assignment: {METHOD}
    send: {days: [2026-10-30, 2026-10-31]}
    metrics:
      bought: {type: binary, from: sales, window_days: 7}
      spend:  {type: sum, from: sales, value: amount, window_days: 7}
      profit: {type: formula, value: 0.5 * spend - contact_cost}
    goals: {primary: {metric: bought}, value: profit}
    design: {minimum_effect: 0.1, covariates: [sold_before, age]}
    decision: {}
"""
MEMBERS = 1_203


def _tables() -> dict[str, pa.Table]:
    draws = np.random.default_rng(4)
    start = datetime(2026, 9, 1, tzinfo=UTC)
    buyers = draws.integers(0, MEMBERS + 300, 6_000)
    at = [start + timedelta(minutes=int(minute)) for minute in draws.integers(0, 90 * 24 * 60, len(buyers))]
    sales = {
        "buyer": [f"{buyer:05d}" for buyer in buyers],
        "at": pa.array(at, pa.timestamp("us", tz="UTC")),
        "amount": np.round(draws.lognormal(3, 1, len(buyers)), 2),
    }
    members = {"id": [f"{number:05d}" for number in range(MEMBERS)], "age": draws.integers(18, 80, MEMBERS)}
    return {"members": pa.table(members), "sales": pa.table(sales)}


@pytest.mark.parametrize("method", ["{method: hash}", "{method: stratified, strata: [segment]}"])
def test_members_of_the_ledger_are_measured_by_the_arm_drawn(tmp_path: Path, method: str) -> None:
    tables = _tables()
    with campaign(tmp_path, TEXT.replace("{METHOD}", method), tables, None) as opened:
        found = opened.measurement()
        checks = opened.health()
        FileLedger(opened.experiment.workspace, opened.experiment.engine).read("drawn")
        names = ("member", "arm", "segment", "stratum", "planned_send_at")
        query = exp.select(*names).from_("drawn")
        ledger = [dict(zip(names, row, strict=True)) for row in opened.experiment.engine.rows(query)]
    spent: dict[str, list[float]] = {"control": [], "card": [], "mail": []}
    sales = pq.read_table(tmp_path / "sales.parquet").to_pylist()
    for row in ledger:
        opens = row["planned_send_at"]
        rows = [sale for sale in sales if sale["buyer"] == row["member"]]
        closes = opens + timedelta(hours=168)
        spent[row["arm"]].append(sum(sale["amount"] for sale in rows if opens <= sale["at"] < closes))
    for arm, values in spent.items():
        spend, bought = found.metrics["spend"].arm(arm), found.metrics["bought"].arm(arm)
        assert spend.count == len(values)
        assert spend.average("metric__spend") == pytest.approx(np.mean(values), rel=1e-9)
        assert spend.variance("metric__spend") == pytest.approx(np.var(values, ddof=1), rel=1e-9)
        assert bought.total("metric__bought") == pytest.approx(np.count_nonzero(values), abs=1e-6)
    assert sum(found.counts.values()) == MEMBERS
    assert len({each.day for each in found.assigned}) == 2
    assert found.window.is_open is False
    failed = [check for check in checks.values() if check.status == "fail"]
    assert failed == []
    assert (checks["sample_ratio"].p_value is None) == ("stratified" in method)
    assert checks["definition_changed"].status == "pass"
    assert set(checks) >= {"sample_ratio_by_segment", "sample_ratio_by_day", "window_open", "heavy_tails"}


def test_the_strata_of_an_arm_add_to_the_arm(tmp_path: Path) -> None:
    with campaign(
        tmp_path, TEXT.replace("{METHOD}", "{method: stratified, strata: [segment]}"), _tables(), None
    ) as opened:
        profit = opened.measurement().metrics["profit"]
    strata = profit.strata("mail")
    assert set(strata) == {"new", "old"}
    whole = profit.arm("mail")
    assert sum(each.count for each in strata.values()) == whole.count
    assert profit.arm("mail", "new").count == strata["new"].count
    totals = sum(each.total(profit.value) for each in strata.values())
    assert totals == pytest.approx(whole.total(profit.value))
    assert profit.arm("nobody's arm").count == 0
