"""Curves of the design: each point is a plan of that size, by statsmodels' and R's power, with arms, shares and looks as planned."""

from __future__ import annotations

import math
from datetime import date, timedelta
from pathlib import Path

import pytest
from statsmodels.stats.power import TTestIndPower

from experiments.definition.model import Definition
from experiments.design.accrual import expected_accrual
from experiments.design.design import Available, plan_design, planned_members
from experiments.design.history import Past
from tests.decision.campaign import Campaign, Did, define, sentences
from tests.decision.test_design import OURS, plan, two_arms

CSV = {"orders": {"table": "orders.csv", "key": "member_id", "time": "paid_at"}}


def drawn(days: int, window: int = 14) -> dict[str, object]:
    """What a definition needs to send on so many days and to count orders in a window."""
    first = date(2026, 11, 26)
    return {
        "data": CSV,
        "metrics": {"converted": {"=": {"type": "binary", "from": "orders", "window_days": window}}},
        "assignment": {**OURS, "sample_size": 40_000},
        "send": {"days": [str(first + timedelta(days=n)) for n in range(days)]},
    }


def test_a_mean_is_that_of_the_t_test_at_every_size_and_share(tmp_path: Path) -> None:
    """statsmodels TTestIndPower with a control a ninth of the arm."""
    goals = {"primary": {"metric": "spend"}, "secondary": []}
    definition = two_arms(tmp_path, "1/10", "9/10", goals=goals)
    points = plan(definition, 24_000, Did(spread=20.0)).curve_by_members
    assert [point.members for point in points] == [1000 * step for step in range(1, 25)]
    for point in points[::6]:
        expected = TTestIndPower().solve_power(
            nobs1=0.9 * point.members, ratio=1 / 9, alpha=0.05, power=0.8, alternative="two-sided"
        )
        assert point.detectable_effect == pytest.approx(20 * expected, rel=1e-4)


def test_a_rate_is_that_of_rs_power_prop_test(tmp_path: Path) -> None:
    """R: power.prop.test(p1 = .04, p2 = .044, power = .8) asks for 39,474.76 in each group, 52,845 for a power of .9."""
    definition = two_arms(tmp_path, "1/2", "1/2", design={"baseline": 0.04})
    points = {p.members: p.detectable_effect for p in plan(definition, 2 * 39_475).curve_by_members}
    assert points[2 * 39_475] == pytest.approx(0.004, rel=1e-4)
    surer = two_arms(tmp_path / "90", "1/2", "1/2", design={"baseline": 0.04, "power": 0.9})
    assert plan(surer, 2 * 52_845).curve_by_members[-1].detectable_effect == pytest.approx(0.004, rel=1e-4)


def test_many_arms_show_the_weakest_comparison(tmp_path: Path) -> None:
    arms = {"offers": {"points": {"share": "1/2"}, "coupon": {"share": "1/8"}, "gift": {"share": "1/8"}}}
    definition = define(
        tmp_path, arms=arms, assignment=OURS, design={"baseline": 0.05, "correction": "dunnett"}
    )
    planned = plan(definition, 40_000)
    weakest = max(arm.detectable_effect for arm in planned.arms)
    assert planned.curve_by_members[-1].detectable_effect == pytest.approx(weakest, rel=1e-9)
    effects = [point.detectable_effect for point in planned.curve_by_members]
    assert effects == sorted(effects, reverse=True)


def test_looks_cost_their_inflation(tmp_path: Path) -> None:
    """rpact: five looks by O'Brien-Fleming spending take 1.0247 times the members."""
    looks = {"kind": "group_sequential", "at": [0.2, 0.4, 0.6, 0.8, 1.0]}
    goals = {"primary": {"metric": "spend"}, "secondary": []}
    fixed, looked = (
        plan(two_arms(tmp_path / name, "1/2", "1/2", goals=goals, design=design), 20_000, Did(spread=20.0))
        for name, design in (("fixed", {}), ("looks", {"looks": looks, "correction": "none"}))
    )
    ratio = looked.curve_by_members[-1].detectable_effect / fixed.curve_by_members[-1].detectable_effect
    assert ratio == pytest.approx(math.sqrt(1.024719891), rel=1e-4)


def test_a_fall_is_drawn_as_a_fall_and_the_curve_reaches_what_is_needed(tmp_path: Path) -> None:
    goals = {"primary": {"metric": "converted", "better": "down"}}
    definition = two_arms(
        tmp_path, "1/2", "1/2", goals=goals, design={"baseline": 0.05, "minimum_effect": 0.005}
    )
    planned = plan(definition, 20_000)
    last = planned.curve_by_members[-1]
    assert not planned.feasible
    assert last.members == planned.members_needed
    assert last.detectable_effect == pytest.approx(-0.005, rel=1e-4)
    assert 20_000 in {point.members for point in planned.curve_by_members}


def test_days_of_sending_then_the_window_then_beyond_the_plan(tmp_path: Path) -> None:
    arms = {"offers": {"=": {"points": {"share": "1/2"}}}, "control": {"share": "1/2"}}
    goals = {"=": {"primary": {"metric": "converted"}}}
    definition = define(
        tmp_path,
        arms=arms,
        goals=goals,
        decision={"=": {}},
        audience={"segments": None},
        design={"baseline": 0.05},
        **drawn(days=4),
    )
    planned = plan(definition, 65_000)
    points = planned.curve_by_days
    assert [(p.members, p.day) for p in points] == [
        (10_000, 15),
        (20_000, 16),
        (30_000, 17),
        (40_000, 18),
        (50_000, 19),
        (60_000, 20),
        (65_000, 21),
    ]
    assert planned.duration_days == 18
    by_size = {p.members: p.detectable_effect for p in planned.curve_by_members}
    assert points[3].detectable_effect == by_size[40_000]


def test_a_past_without_variance_has_no_curve(tmp_path: Path) -> None:
    planned = plan(define(tmp_path, assignment=OURS), 50_000, Did(rate=0.0, spend=0.0))
    assert (planned.curve_by_members, planned.curve_by_days) == ((), ())


def test_the_smallest_sizes_that_find_nothing_are_left_out(tmp_path: Path) -> None:
    planned = plan(two_arms(tmp_path, "1/2", "1/2", design={"baseline": 0.3}), 24)
    sizes = [point.members for point in planned.curve_by_members]
    assert sizes
    assert min(sizes) > 2
    assert all(0 < point.detectable_effect <= 0.7 for point in planned.curve_by_members)


def journey(folder: Path, until: str | None, sample: int | None) -> Definition:
    """Members who enter day by day and are sent to a day later; orders count for 14 days."""
    changes = drawn(days=1)
    return define(
        folder,
        **{
            **changes,
            "arms": {"offers": {"=": {"points": {"share": "1/2"}}}, "control": {"share": "1/2"}},
            "audience": {"snapshot": "daily", "until": until, "segments": None},
            "assignment": {**OURS, "sample_size": sample},
            "send": {"after_days": 1},
            "goals": {"=": {"primary": {"metric": "converted"}}},
            "decision": {"=": {}},
            "design": {"baseline": 0.05},
        },
    )


@pytest.mark.parametrize(
    ("until", "sample", "days", "eligible", "total"),
    [
        ("2026-12-05", None, 10, 4_000, 4_000),
        ("2026-12-05", 1_000, 3, 4_000, 1_000),
        (None, 1_000, 3, 1_000, 1_000),
        ("2026-11-20", None, 0, 0, 0),
    ],
)
def test_a_journey_counts_on_its_days_of_entry(
    tmp_path: Path, until: str | None, sample: int | None, days: int, eligible: int, total: int
) -> None:
    definition = journey(tmp_path, until, sample)
    accrual = expected_accrual(definition, date(2026, 11, 26), 400)
    assert accrual is not None
    assert (accrual.days, accrual.eligible) == (days, eligible)
    members = planned_members(definition, accrual.eligible)
    past = Past("history", Campaign({"control": Did()}).measure(definition).metrics)
    available = Available(eligible, {}, members, accrual=accrual)
    planned = plan_design(definition, available, past, sentences(definition))
    assert planned.audience == total
    points = planned.curve_by_days
    assert [(p.members, p.day) for p in points] == [
        (min(400 * day, total), day + 1 + 14) for day in range(1, days + 1)
    ]
    if days:
        assert planned.duration_days == points[-1].day
        assert (
            points[-1].detectable_effect
            == planned.curve_by_members[-1 if eligible == total else 5].detectable_effect
        )


def test_a_long_journey_is_drawn_with_few_points_and_its_last_day(tmp_path: Path) -> None:
    definition = journey(tmp_path, "2027-05-01", None)
    accrual = expected_accrual(definition, date(2026, 11, 26), 10)
    assert accrual is not None
    past = Past("history", Campaign({"control": Did()}).measure(definition).metrics)
    available = Available(
        accrual.eligible, {}, planned_members(definition, accrual.eligible), accrual=accrual
    )
    points = plan_design(definition, available, past, sentences(definition)).curve_by_days
    assert 12 <= len(points) <= 24
    assert (points[-1].members, points[-1].day) == (accrual.eligible, accrual.days + 15)
    assert expected_accrual(define(tmp_path / "one"), date(2026, 11, 26), 10) is None
