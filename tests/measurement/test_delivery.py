"""Whom the messages reached: through the real tables, into health, the document's shares and the effect on compliers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from experiments.decision.compliers import complier_effects, delivered_shares
from tests.measurement.campaign import campaign, ledger_of
from tests.measurement.test_member_units import SENT, people, sold

ARMS = ("control", "mail", "sms")
TEXT = """
    data:
      members: {table: members.parquet, key: id}
      sales: {table: sales.parquet, key: buyer, time: at}
      receipts: {table: receipts.parquet, key: person, time: at}
    arms:
      control: {share: 1/3}
      offers: {mail: {share: 1/3}, sms: {share: 1/3}}
    audience: {snapshot: 2026-10-29}
    assignment: {method: hash}
    send: {days: [2026-10-30]}
    metrics:
      bought: {type: binary, from: sales, window_days: 7}
      spend: {type: sum, from: sales, value: amount, window_days: 7}
      basket: {type: ratio, numerator: spend, denominator: visits}
      visits: {type: count, from: sales, window_days: 7}
      reached: {type: binary, from: receipts, where: status = 'delivered', window_days: 2}
    goals: {primary: {metric: bought}, value: spend, secondary: [basket]}
    delivery: {metric: reached}
    design: {minimum_effect: 0.1}
    decision: {}
"""
MEMBERS = 3_000


def drawn() -> pa.Table:
    arms = [ARMS[number % 3] for number in range(MEMBERS)]
    return ledger_of(arms, [SENT] * MEMBERS, propensity=1 / 3)


def receipts(shares: tuple[float, float, float]) -> pa.Table:
    """A receipt for the first of each arm's thousand members, up to its share; some more that are no delivery."""
    reached = [number for number in range(MEMBERS) if number // 3 < shares[number % 3] * MEMBERS / 3]
    late = [(str(number), SENT + timedelta(days=3), "delivered") for number in range(0, MEMBERS, 7)]
    bounced = [(str(number), SENT, "bounced") for number in range(0, MEMBERS, 5)]
    rows = [*((str(number), SENT, "delivered") for number in reached), *late, *bounced]
    return pa.table(
        {
            "person": [row[0] for row in rows],
            "at": pa.array([row[1] for row in rows], pa.timestamp("us", tz="UTC")),
            "status": [row[2] for row in rows],
        }
    )


@pytest.mark.parametrize(
    ("shares", "differential", "control"),
    [
        ((0.0, 0.80, 0.80), "pass", "pass"),
        ((0.0, 0.80, 0.70), "warn", "pass"),
        ((0.02, 0.80, 0.80), "pass", "warn"),
        ((0.0, 0.0, 0.0), "pass", "pass"),
    ],
)
def test_unlike_delivery_and_a_control_that_was_reached_warn(
    tmp_path: Path, shares: tuple[float, float, float], differential: str, control: str
) -> None:
    tables = {"members": people(MEMBERS), "sales": sold([("1", 5.0)]), "receipts": receipts(shares)}
    with campaign(tmp_path, TEXT, tables, drawn()) as opened:
        health = opened.health()
        told = delivered_shares(opened.experiment.definition, opened.measurement())
    assert health["differential_delivery"].status == differential
    assert health["control_reached"].status == control
    assert [line.reached for line in told] == [round(share * MEMBERS / 3) for share in shares]
    assert [line.share for line in told] == pytest.approx(list(shares))


def test_the_effect_on_compliers_is_that_of_sending_over_the_share_reached(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    buyers = [(str(number), round(float(rng.lognormal(3, 0.5)), 2)) for number in range(MEMBERS)]
    sales = [row for row in buyers if rng.random() < (0.10 if int(row[0]) % 3 == 0 else 0.25)]
    tables = {"members": people(MEMBERS), "sales": sold(sales), "receipts": receipts((0.0, 0.5, 0.0))}
    with campaign(tmp_path, TEXT, tables, drawn()) as opened:
        measured = opened.measurement()
        rows = {
            (row.metric, row.arm): row for row in complier_effects(opened.experiment.definition, measured)
        }
        values = opened.rows(opened.units(), "arm", "metric__spend", "metric__reached")
    assert {metric for metric, _ in rows} == {"bought", "spend"}
    sides = {arm: np.array([v[1:] for v in values.values() if v[0] == arm]) for arm in ARMS}
    difference = sides["mail"][:, 0].mean() - sides["control"][:, 0].mean()
    found = rows["spend", "mail"]
    assert (found.compliers, found.one_sided) == (0.5, True)
    assert found.effect == pytest.approx(difference / 0.5)
    residual = {arm: side[:, 0] - found.effect * side[:, 1] for arm, side in sides.items()}
    variance = sum(residual[arm].var(ddof=1) / len(residual[arm]) for arm in ("mail", "control"))
    assert found.std_error == pytest.approx(np.sqrt(variance) / 0.5)
    assert rows["spend", "sms"].effect is None
    assert rows["bought", "mail"].effect == pytest.approx(
        ((sides["mail"][:, 0] > 0).mean() - (sides["control"][:, 0] > 0).mean()) / 0.5
    )


def test_without_delivery_nothing_is_told(tmp_path: Path) -> None:
    tables = {"members": people(MEMBERS), "sales": sold([]), "receipts": receipts((0, 1, 1))}
    text = TEXT.replace("    delivery: {metric: reached}\n", "")
    with campaign(tmp_path, text, tables, drawn()) as opened:
        definition, measured = opened.experiment.definition, opened.measurement()
        assert delivered_shares(definition, measured) == ()
        assert complier_effects(definition, measured) == ()
        assert not {"differential_delivery", "control_reached"} & set(opened.health())
