"""Money: the practitioner's two plans, worked on paper, and what attributed and incremental mean."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.decision.contrasts import Contrasts
from experiments.documents.analysis import Money
from experiments.documents.storage import to_json
from experiments.inference.moments import Moments
from experiments.money.money import money_rows
from tests.decision.campaign import Campaign, Did, analysis, define, metric

PLAIN = {"audience": None, "decision": {"pick": {"by": "overall"}}}


def rows(document) -> dict[str, Money]:
    return {row.arm: row for row in document.money}


def test_plan_a_pay_per_click(tmp_path: Path) -> None:
    # 1.00 a click, 5 % of the clicks buy for 100 at a margin of 40 %; nobody buys unasked.
    definition = define(
        tmp_path,
        arms={"channel": {"cost_per_send": 1.0}},
        **PLAIN,
        metrics={"profit": {"value": "0.4 * spend - contact_cost"}},
    )
    arm = rows(analysis(definition, _buying(definition, points=0.05, coupon=0.05, control=0.0)))["points"]
    buyers = arm.attributed_buyers
    assert arm.cost_per_attributed_buyer == pytest.approx(20)
    assert arm.attributed_revenue / buyers == pytest.approx(100)
    assert (arm.attributed_profit + arm.contact_cost) / buyers == pytest.approx(40)
    assert arm.attributed_revenue / arm.cost == pytest.approx(5)
    assert (arm.attributed_profit + arm.contact_cost) / arm.contact_cost == pytest.approx(2)


def test_plan_b_message_and_coupon_with_the_control_that_practice_lacks(tmp_path: Path) -> None:
    # 0.05 a message, 1 % buy for 100 at a margin of 40 % with a coupon of 5; 0.8 % buy anyway.
    definition = define(tmp_path, **PLAIN)
    campaign = _buying(definition, points=0.01, coupon=0.01, control=0.008, coupon_cost=5.0)
    arm = rows(analysis(definition, campaign))["points"]
    coupons = arm.cost - arm.contact_cost
    sales = arm.attributed_revenue - coupons
    gross_profit = arm.attributed_profit + arm.contact_cost
    assert arm.contact_cost / arm.attributed_buyers == pytest.approx(5)
    assert arm.cost_per_attributed_buyer == pytest.approx(5 + 5)
    assert sales / arm.attributed_buyers == pytest.approx(95)
    assert gross_profit / arm.attributed_buyers == pytest.approx(35)
    assert sales / arm.contact_cost == pytest.approx(19)
    assert gross_profit / arm.contact_cost == pytest.approx(7)
    # The correction: 25 yuan of messages for each buyer won, plus five coupons of which four went to the 0.8 %.
    assert arm.incremental_buyers == pytest.approx(0.002 * arm.members)
    assert arm.contact_cost / arm.incremental_buyers == pytest.approx(25)
    assert arm.cost_per_incremental_buyer == pytest.approx(25 + 5 * 5)


def _buying(definition, *, points, coupon, control, coupon_cost=0.0):
    """Members who buy for 100 at these rates; takers of the offer redeem a coupon each."""
    return Campaign(
        {
            "control": Did(100_000, control, 100 * control),
            "points": Did(100_000, points, 100 * points, benefit=coupon_cost * points),
            "coupon": Did(100_000, coupon, 100 * coupon, benefit=coupon_cost * coupon),
        }
    )


def test_incremental_figures_are_effects_times_members(tmp_path: Path) -> None:
    document = analysis(define(tmp_path), Campaign({"points": Did(rate=0.08, spend=8.0, benefit=0.1)}))
    arm = rows(document)["points"]
    profit = next(e for e in document.effects if (e.metric, e.arm, e.segment) == ("profit", "points", None))
    assert arm.members == 20_000
    assert arm.incremental_profit == pytest.approx(profit.difference * 20_000)
    assert arm.incremental_profit_low == pytest.approx(profit.difference_low * 20_000)
    assert arm.incremental_profit_high == pytest.approx(profit.difference_high * 20_000)
    assert arm.incremental_revenue == pytest.approx(3.0 * 20_000)
    assert arm.incremental_buyers == pytest.approx(600)
    assert arm.cost == pytest.approx((0.05 + 0.1) * 20_000)
    assert arm.roi == pytest.approx(arm.incremental_profit / arm.cost)
    # Control's 5.00 of spend bring 2.00; a member of the arm costs 0.15 more.
    assert arm.break_even_lift == pytest.approx(0.15 / 2.0)
    assert arm.attributed_profit == pytest.approx((0.4 * 8 - 0.15) * 20_000)


def test_control_has_attributed_money_only(tmp_path: Path) -> None:
    control = rows(analysis(define(tmp_path), Campaign()))["control"]
    assert control.attributed_revenue == pytest.approx(100_000)
    assert control.cost == 0
    assert {
        control.incremental_buyers,
        control.incremental_revenue,
        control.incremental_profit,
        control.roi,
        control.cost_per_incremental_buyer,
        control.break_even_lift,
    } == {None}


def test_no_cost_per_buyer_where_an_arm_wins_none(tmp_path: Path) -> None:
    arm = rows(analysis(define(tmp_path), Campaign({"gift": Did(rate=0.04)})))["gift"]
    assert arm.incremental_buyers < 0
    assert arm.cost_per_incremental_buyer is None


def test_a_return_over_next_to_nothing_does_not_exist(tmp_path: Path) -> None:
    definition = define(tmp_path, **PLAIN, goals={"primary": {"metric": "converted"}})
    small = Did(spend=1e-310, spread=0.0)
    document = analysis(definition, Campaign(dict.fromkeys(("control", "points", "coupon", "gift"), small)))
    assert {row.break_even_lift for row in document.money} == {None}
    assert rows(document)["points"].incremental_profit == pytest.approx(-0.05 * 10_000)
    assert json.loads(to_json(document))["money"]


def test_attributed_money_is_raw_and_the_cap_shows_what_it_removed(tmp_path: Path) -> None:
    definition = define(tmp_path, metrics={"spend": {"winsorize_at": 0.99}})
    measured = Campaign({"points": Did(rate=0.08, spend=8.0)}).measure(definition)
    raw = {
        arm.id: Moments(("spend",), 20_000, np.array([12.0 if arm.id == "points" else 5.0]), np.eye(1), (1,))
        for arm in definition.all_arms
    }
    capped = replace(measured.metrics["spend"], raw=raw, cap=500.0)
    measured = replace(measured, metrics={**measured.metrics, "spend": capped})
    money = {row.arm: row for row in money_rows(definition, measured, Contrasts(measured.metrics))}
    assert money["points"].attributed_revenue == pytest.approx(240_000)
    assert money["points"].removed_by_cap == pytest.approx(80_000)
    assert money["points"].incremental_revenue == pytest.approx(60_000)
    assert money["control"].removed_by_cap == pytest.approx(0)
    from experiments.health.capping import check_capping
    from tests.decision.campaign import sentences

    check = check_capping(definition, Contrasts(measured.metrics), sentences(definition))
    assert check is not None
    assert (check.check, check.status) == ("raw_outside_capped", "warn")
    assert "Points" in check.detail
    assert "Gift" not in check.detail


def test_a_sum_as_value_is_revenue_less_the_contact_cost(tmp_path: Path) -> None:
    definition = define(tmp_path, goals={"value": "spend", "secondary": []})
    document = analysis(definition, Campaign({"points": Did(rate=0.08, spend=8.0)}))
    arm = rows(document)["points"]
    assert arm.cost == arm.contact_cost == pytest.approx(1_000)
    assert arm.incremental_revenue == pytest.approx(60_000)
    assert arm.incremental_profit == pytest.approx(59_000)
    assert arm.attributed_profit == pytest.approx(159_000)


def test_a_value_that_is_no_amount_has_no_profit(tmp_path: Path) -> None:
    definition = define(tmp_path, goals={"value": None, "secondary": []})
    arm = rows(analysis(definition, Campaign({"points": Did(rate=0.08)})))["points"]
    assert (arm.incremental_profit, arm.attributed_revenue, arm.roi) == (None, None, None)
    assert arm.attributed_buyers == 1_600
    assert arm.cost == pytest.approx(1_000)


def test_metric_moments_of_a_formula_that_is_not_linear_still_give_profit(tmp_path: Path) -> None:
    definition = define(tmp_path, metrics={"profit": {"value": "ABS(spend) - contact_cost"}})
    measured = Campaign({"points": Did(spend=8.0)}).measure(definition)
    money = {row.arm: row for row in money_rows(definition, measured, Contrasts(measured.metrics))}
    assert money["points"].incremental_profit == pytest.approx(0.4 * 3 * 20_000 - 1_000)
    assert money["points"].attributed_revenue is None
    assert metric("spend", {}).kind == "mean"
