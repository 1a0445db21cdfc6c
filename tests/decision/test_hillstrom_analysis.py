"""Hillstrom from the file to the verdict. Figures: the data's README, R's prop.test and t.test on the same rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.analysis import analyze
from experiments.design.design import design
from experiments.documents.analysis import Analysis, Effect
from experiments.documents.design import Design
from experiments.documents.storage import to_json
from offerwise.opening import open_experiment


@pytest.fixture(scope="module")
def hillstrom(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Analysis, Design]:
    out = tmp_path_factory.mktemp("hillstrom")
    with open_experiment(shared / "design" / "hillstrom.yml", out=out) as experiment:
        return analyze(experiment), design(experiment)


def effect(rows: tuple[Effect, ...], metric: str, arm: str, segment: str | None = None) -> Effect:
    return next(row for row in rows if (row.metric, row.arm, row.segment) == (metric, arm, segment))


def test_members(hillstrom: tuple[Analysis, Design]) -> None:
    analysis, _ = hillstrom
    assert [arm.members for arm in analysis.arms] == [21_306, 21_307, 21_387]


def test_raw_effects(hillstrom: tuple[Analysis, Design]) -> None:
    analysis, _ = hillstrom
    visits = effect(analysis.effects, "visited", "mens")
    assert visits.difference == pytest.approx(0.076590, abs=5e-7)
    assert visits.statistic == pytest.approx(22.486, abs=5e-4)
    assert (visits.method, visits.role, visits.versus) == ("score", "primary", "control")
    spend = effect(analysis.effects, "spend", "mens")
    assert spend.difference == pytest.approx(0.769827, abs=5e-7)
    assert spend.statistic == pytest.approx(5.3001, abs=5e-5)
    assert spend.p_value == pytest.approx(1.16e-7, rel=5e-3)
    assert spend.mean_versus == pytest.approx(0.652789, abs=5e-7)
    assert (spend.method, spend.role) == ("welch", "secondary")


def test_adjusted_effects_stand_beside_and_are_what_is_decided_on(hillstrom: tuple[Analysis, Design]) -> None:
    analysis, _ = hillstrom
    adjusted = effect(analysis.adjusted_effects, "visited", "mens")
    raw = effect(analysis.effects, "visited", "mens")
    assert adjusted.method == "lin"
    assert adjusted.std_error < raw.std_error
    assert len(analysis.adjusted_effects) == len(analysis.effects) == 4 * 2 * (1 + 3)
    profit = effect(analysis.adjusted_effects, "profit", "mens")
    row = next(row for row in analysis.money if row.arm == "mens")
    assert row.incremental_profit == pytest.approx(profit.difference * 21_307)
    assert row.incremental_profit_low == pytest.approx(profit.difference_low * 21_307)


def test_families(hillstrom: tuple[Analysis, Design]) -> None:
    analysis, _ = hillstrom
    overall = [effect(analysis.effects, "converted", arm) for arm in ("mens", "womens")]
    assert overall[0].p_value_adjusted == pytest.approx(2 * overall[0].p_value)
    assert overall[1].p_value_adjusted == pytest.approx(overall[1].p_value)
    segments = [row for row in analysis.effects if row.metric == "spend" and row.segment is not None]
    smallest = min(segments, key=lambda row: row.p_value)
    assert smallest.p_value_adjusted == pytest.approx(6 * smallest.p_value)
    assert {row.interval_adjustment for row in segments} == {"bonferroni_conservative"}


def test_verdict_and_money(hillstrom: tuple[Analysis, Design]) -> None:
    analysis, _ = hillstrom
    verdict = analysis.verdict
    assert (verdict.status, verdict.winner) == ("rollout", "mens")
    assert set(verdict.winner_by_segment) == {"mens_only", "womens_only", "both"}
    codes = [reason.code for reason in verdict.reasons]
    assert codes.count("primary_better") == 2
    assert codes.count("value_proven") == codes.count("value_not_proven") == 1
    assert "$2,785" in next(reason.text for reason in verdict.reasons if reason.code == "winner_money")
    money = {row.arm: row for row in analysis.money}
    assert [money[arm].attributed_buyers for arm in money] == [122, 267, 189]
    assert money["mens"].attributed_revenue == pytest.approx(1.422617 * 21_307, rel=1e-6)
    assert money["mens"].cost == pytest.approx(2_130.70)
    assert money["control"].incremental_profit is None
    assert money["control"].attributed_profit == pytest.approx(0.3 * 0.652789 * 21_306, rel=1e-6)
    low, high = money["mens"].incremental_profit_low, money["mens"].incremental_profit_high
    assert low is not None
    assert high is not None
    assert 0 < low < 2_785 < high


def test_health_and_the_other_blocks(hillstrom: tuple[Analysis, Design]) -> None:
    analysis, _ = hillstrom
    ratio = next(check for check in analysis.health if check.check == "sample_ratio")
    assert ratio.p_value == pytest.approx(0.904, abs=5e-4)
    assert len(analysis.arm_comparisons) == 4
    assert len(analysis.segments) == 2 * 2
    assert [row.method for row in analysis.winner_corrected] == ["hybrid"]
    assert sum(row.probability_best for row in analysis.bayes if row.metric == "profit") <= 1
    assert json.loads(to_json(analysis))["schema"] == "offerwise.analysis/1"


def test_the_design_is_evaluated_at_the_recorded_counts(hillstrom: tuple[Analysis, Design]) -> None:
    _, planned = hillstrom
    assert planned.feasible
    assert (planned.baseline_source, planned.baseline) == ("control", pytest.approx(2_262 / 21_306))
    assert [arm.members for arm in planned.arms] == [21_307, 21_387]
    assert planned.alpha_each == pytest.approx(0.025)
    assert planned.best_control_share == pytest.approx(2**0.5 - 1)


def test_an_always_valid_design_reads_recorded_arms_at_once(shared: Path, tmp_path: Path) -> None:
    text = (shared / "design" / "hillstrom.yml").read_text(encoding="utf8")
    text = text.replace("../data/", f"{shared}/data/").replace(
        "covariates:", "looks: {kind: always_valid}, covariates:"
    )
    file = tmp_path / "hillstrom.yml"
    file.write_text(text, encoding="utf8")
    with open_experiment(file, out=tmp_path) as experiment:
        analysis, planned = analyze(experiment), design(experiment)
    assert (analysis.look, analysis.looks[0].final) == (1, True)
    # The visits of both e-mails are proven at any time; at the bounds that this takes, their profit is not.
    assert analysis.verdict.status == "no_rollout"
    assert all(
        row.p_value_adjusted < 1e-6 for row in analysis.effects if row.role == "primary" and not row.segment
    )
    spend = effect(analysis.effects, "spend", "mens")
    assert spend.method == "welch_always_valid"
    # Waudby-Smith et al. (2024), narrowest at the 42,693 members of both arms, by hand: 3.0352 standard errors.
    half = 3.0352 * spend.std_error
    assert (spend.difference_low, spend.difference_high) == (
        pytest.approx(spend.difference - half, rel=1e-4),
        pytest.approx(spend.difference + half, rel=1e-4),
    )
    assert planned.inflation > 1.5
