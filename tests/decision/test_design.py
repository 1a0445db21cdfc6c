"""The design: sample sizes of R and rpact, the history one window before the snapshot, and plans that cannot work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.decision.contrasts import Contrasts
from experiments.definition.model import Definition
from experiments.design.design import Available, design, plan_design, planned_members
from experiments.design.history import Past
from experiments.documents.design import Design
from experiments.inference.comparison import compare
from experiments.inference.guardrails import non_inferiority
from experiments.inference.moments import Moments
from experiments.measurement.cells import Cell
from offerwise.opening import open_experiment
from tests.decision.campaign import Campaign, Did, define, sentences
from tests.decision.dormant import write_campaign

OURS = {"method": "hash", "from": None, "column": None}


def plan(definition: Definition, eligible: int, control: Did | None = None) -> Design:
    """The design on members that are there, when the past was like this control."""
    past = Past("history", Campaign({"control": control or Did()}).measure(definition).metrics)
    available = Available(eligible, {}, planned_members(definition, eligible))
    return plan_design(definition, available, past, sentences(definition))


def two_arms(folder: Path, control: str, offer: str, **changes: object) -> Definition:
    arms = {
        "control": {"share": control},
        "offers": {"=": {"points": {"label": "Points", "share": offer}}},
    }
    return define(folder, arms=arms, assignment=OURS, **changes)


@pytest.mark.parametrize(
    ("control", "offer", "needed"),
    [
        # R power.prop.test(p1 = .04, p2 = .044, power = .8): 39474.76 in each group.
        ("1/2", "1/2", 2 * 39_474.76167),
        # rpact getSampleSizeRates(pi1 = .044, pi2 = .04, allocationRatioPlanned = 9).
        ("1/10", "9/10", 222_422.064),
    ],
)
def test_members_needed_for_a_rate(tmp_path: Path, control: str, offer: str, needed: float) -> None:
    definition = two_arms(tmp_path, control, offer, design={"baseline": 0.04, "minimum_effect": 0.004})
    planned = plan(definition, 300_000)
    assert planned.members_needed == pytest.approx(needed, abs=3)
    assert planned.feasible
    assert planned.arms[0].power > 0.8
    assert (planned.baseline, planned.baseline_source) == (0.04, "definition")
    tight = plan(definition, planned.members_needed)
    assert tight.arms[0].power == pytest.approx(0.8, abs=1e-4)
    assert tight.arms[0].detectable_effect == pytest.approx(0.004, rel=1e-3)
    assert not plan(definition, planned.members_needed - 100).feasible


def test_members_needed_for_a_mean(tmp_path: Path) -> None:
    # R power.t.test(delta = 1, sd = 20, power = .8): 6280.06 in each group.
    goals = {"primary": {"metric": "spend"}, "secondary": []}
    definition = two_arms(tmp_path, "1/2", "1/2", goals=goals, design={"minimum_effect": 1})
    planned = plan(definition, 20_000, Did(spread=20.0))
    assert planned.members_needed == pytest.approx(12_561, abs=1)
    assert planned.baseline_source == "history"


def test_a_plan_that_cannot_find_its_own_effect_is_refused_with_what_it_needs(tmp_path: Path) -> None:
    definition = define(tmp_path, assignment=OURS, design={"minimum_effect": 0.005})
    planned = plan(definition, 40_000)
    assert not planned.feasible
    assert [reason.code for reason in planned.reasons[:3]] == ["underpowered"] * 3
    assert f"{planned.members_needed:,} are needed" in planned.reasons[0].text
    assert planned.alpha_each == pytest.approx(0.05 / 3)
    assert plan(definition, planned.members_needed + 4).feasible


def test_an_audience_smaller_than_the_sample_is_refused(tmp_path: Path) -> None:
    definition = define(tmp_path, assignment={**OURS, "sample_size": 50_000}, design={"minimum_effect": 0.02})
    planned = plan(definition, 49_999)
    assert not planned.feasible
    assert planned.reasons[0].code == "audience_too_small"
    assert plan(definition, 80_000).audience == 50_000


def test_a_past_without_variance_plans_nothing(tmp_path: Path) -> None:
    definition = define(tmp_path, assignment=OURS, design={"minimum_effect": 0.02})
    planned = plan(definition, 50_000, Did(rate=0.0, spend=0.0))
    assert not planned.feasible
    assert planned.reasons[0].code == "baseline_unknown"
    assert "Give `design.baseline`" in planned.next_step
    assert planned.arms[0].power is None


def test_every_correction_has_its_level(tmp_path: Path) -> None:
    levels = {
        correction: plan(
            define(tmp_path / correction, assignment=OURS, design={"correction": correction}), 50_000
        ).alpha_each
        for correction in ("none", "bonferroni", "holm", "hochberg", "bh", "dunnett")
    }
    assert levels["none"] == 0.05
    assert {levels[name] for name in ("bonferroni", "holm", "hochberg", "bh")} == {0.05 / 3}
    # Two-sided tail of 2.34897, the critical value for three arms with equal shares (R multcomp).
    assert levels["dunnett"] == pytest.approx(0.018826, abs=2e-5)


def test_guardrail_power_is_said_and_warned_of(tmp_path: Path) -> None:
    goals = {
        "guardrails": [
            {"metric": "unsubscribed", "better": "down", "limit": 0.001},
            {"metric": "spend", "better": "up", "limit_relative": 0.2},
        ]
    }
    definition = define(tmp_path, assignment=OURS, goals=goals, design={"minimum_effect": 0.02})
    planned = plan(definition, 40_000, Did(unsubscribed=0.004))
    weak, strong = planned.guardrails
    assert weak.power is not None
    assert weak.power < 0.5
    assert strong.limit == -0.2
    assert strong.power is not None
    assert strong.power > 0.9
    assert planned.feasible
    assert "guardrail_underpowered" in [reason.code for reason in planned.reasons]


def test_cost_budget_and_best_control_share(tmp_path: Path) -> None:
    offers = {"points": {"unit_cost": 5.0, "charged_when": "redeemed", "share": "1/4"}}
    definition = define(
        tmp_path,
        arms={"offers": offers},
        assignment={**OURS, "sample_size": 40_000},
        design={"baseline": 0.05, "minimum_effect": 0.02},
        rollout={"budget": {"amount": 1_000.0}},
    )
    planned = plan(definition, 60_000)
    assert planned.expected_cost == pytest.approx(10_000 * (3 * 0.05 + 0.07 * 5.0))
    assert planned.best_control_share == pytest.approx(1 / (1 + 3**0.5))
    short = next(reason for reason in planned.reasons if reason.code == "budget_short")
    # 0.05 a member with the cheapest arms, 0.40 with the dearest.
    assert "2,500 of the 20,000" in short.text
    assert "20,000 with the cheapest" in short.text
    assert (planned.budget, planned.currency) == (1_000.0, "CNY")


def test_covariates_of_the_past_sharpen_the_plan(tmp_path: Path) -> None:
    definition = two_arms(tmp_path, "1/2", "1/2", design={"minimum_effect": 0.02})
    rng = np.random.default_rng(3)
    past_spend = rng.normal(0, 1, 5_000)
    spend = 0.8 * past_spend + rng.normal(0, 0.6, 5_000)
    moments = Moments.from_rows(("spend", "before"), np.column_stack([spend, past_spend]))
    measured = Campaign().measure(definition).metrics["spend"]
    covered = replace(measured, covariates=("before",), cells={Cell("control", "", ""): moments})
    # R squared of the regression that made the data: .64 of the variance.
    assert Past("history", {"spend": covered}).explained("spend") == pytest.approx(0.64, abs=0.03)
    assert Past("history", {"spend": measured}).explained("spend") == 0
    orders = Moments.from_rows(("spend", "orders", "before"), np.column_stack([spend, spend**0, past_spend]))
    ratio = replace(covered, denominator="orders", cells={Cell("control", "", ""): orders})
    assert Past("history", {"spend": ratio}).explained("spend") == pytest.approx(
        Past("history", {"spend": covered}).explained("spend")
    )
    assert Contrasts({"spend": covered}).metrics["spend"].covariates == ("before",)


def test_history_is_measured_on_those_who_were_eligible_then(tmp_path: Path) -> None:
    with open_experiment(write_campaign(tmp_path), out=tmp_path / "runs") as experiment:
        planned = design(experiment)
    assert (planned.baseline, planned.baseline_source) == (pytest.approx(0.1), "history")
    assert (planned.eligible, planned.refused["include"]) == (90, 10)
    assert planned.duration_days == 2 + 14
    assert [arm.members for arm in planned.arms] == [45]


@pytest.mark.parametrize(("metric", "better", "limit"), [("spend", "up", 0.1), ("unsubscribed", "down", 0.3)])
def test_the_power_of_a_relative_guardrail_is_what_simulation_finds(
    tmp_path: Path, metric: str, better: str, limit: float
) -> None:
    """1,500 experiments without harm, judged by the ratio test that the analysis uses."""
    goals = {"guardrails": [{"metric": metric, "better": better, "limit_relative": limit}]}
    definition = two_arms(tmp_path, "2/5", "3/5", goals=goals, design={"baseline": 0.05})
    (planned,) = plan(definition, 25_000, Did(unsubscribed=0.02, spend=5.0, spread=20.0)).guardrails
    rng, runs, passed = np.random.default_rng(8), 1_500, 0
    for _ in range(runs):
        sides = []
        for members in (15_000, 10_000):
            if metric == "spend":
                mean = 5.0 + 20.0 * rng.standard_normal() / members**0.5
                sides.append(
                    Moments(("x",), members, np.array([mean]), np.array([[400.0 * (members - 1)]]), (0,))
                )
            else:
                ones = int(rng.binomial(members, 0.02))
                comoment = np.array([[ones * (1 - ones / members)]])
                sides.append(Moments(("x",), members, np.array([ones / members]), comoment, (ones,)))
        found = compare(sides[0], sides[1], "x", "mean" if metric == "spend" else "binary")
        signed = limit if better == "down" else -limit
        passed += (
            non_inferiority(found, signed, "down" if better == "down" else "up", relative=True).status
            == "pass"
        )
    assert planned.power is not None
    assert 0.5 < planned.power < 0.98
    assert (
        abs(passed - planned.power * runs)
        <= 3 * (runs * planned.power * (1 - planned.power)) ** 0.5 + 0.01 * runs
    )
