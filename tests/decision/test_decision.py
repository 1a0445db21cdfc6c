"""The decision rule, branch by branch, on campaigns that are made of moments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.decision.conclusion import Lock
from experiments.documents.analysis import Analysis, HealthCheck
from experiments.documents.storage import to_json
from experiments.language import Language
from tests.decision.campaign import Campaign, Did, analysis, codes, define

GOOD = Did(rate=0.08, spend=8.0, benefit=0.1)
BETTER = Did(rate=0.09, spend=10.0, benefit=0.1)
LOSES = Did(rate=0.09, spend=6.0, benefit=2.0)
SHY = {"audience": None, "decision": {"pick": {"by": "overall"}}}


def reasons_of(document: Analysis, arm: str) -> list[str]:
    return [reason.code for reason in document.verdict.reasons if f"({arm})" in reason.text]


def test_the_only_arm_that_shows_everything_wins(tmp_path: Path) -> None:
    document = analysis(define(tmp_path), Campaign({"points": GOOD, "coupon": LOSES}))
    verdict = document.verdict
    assert (verdict.status, verdict.winner) == ("rollout", "points")
    assert verdict.winner_by_segment == {"vip": "points", "others": "points"}
    assert codes(document)[0] == "only_eligible"
    assert "offerwise rollout" in verdict.next_step


def test_an_arm_that_sells_but_loses_money_is_not_rolled_out_and_says_why(tmp_path: Path) -> None:
    document = analysis(define(tmp_path), Campaign({"coupon": LOSES}))
    assert (document.verdict.status, document.verdict.winner) == ("no_rollout", None)
    assert reasons_of(document, "coupon") == ["primary_better", "value_negative"]
    assert document.verdict.winner_by_segment == {}


def test_an_arm_whose_money_is_uncertain_is_not_proven(tmp_path: Path) -> None:
    unsure = Did(rate=0.08, spend=5.2, spread=200.0)
    document = analysis(define(tmp_path), Campaign({"gift": unsure}))
    assert reasons_of(document, "gift") == ["primary_better", "value_not_proven"]
    assert document.verdict.status == "no_rollout"


def test_an_arm_that_harms_the_primary_metric_is_not_eligible_however_rich(tmp_path: Path) -> None:
    document = analysis(define(tmp_path), Campaign({"gift": Did(rate=0.03, spend=12.0)}))
    assert reasons_of(document, "gift") == ["primary_worse", "value_proven"]
    assert document.verdict.status == "no_rollout"


def test_less_is_better_where_the_goal_says_down(tmp_path: Path) -> None:
    definition = define(
        tmp_path,
        goals={"primary": {"metric": "unsubscribed", "better": "down"}},
        decision={"eligible_if": {"value_low_above": None}, "pick": {"maximise": "primary", "by": "overall"}},
    )
    document = analysis(
        definition, Campaign({"points": Did(unsubscribed=0.0005), "gift": Did(unsubscribed=0.004)})
    )
    assert document.verdict.winner == "points"
    assert reasons_of(document, "gift") == ["primary_worse"]


def test_value_low_above_is_a_threshold_of_its_own(tmp_path: Path) -> None:
    campaign = Campaign({"points": GOOD})
    low = define(tmp_path / "low", decision={"eligible_if": {"value_low_above": 0.8}})
    high = define(tmp_path / "high", decision={"eligible_if": {"value_low_above": 1.0}})
    beyond = define(tmp_path / "beyond", decision={"eligible_if": {"value_low_above": 2.0}})
    assert analysis(low, campaign).verdict.winner == "points"
    assert reasons_of(analysis(high, campaign), "points") == ["primary_better", "value_not_proven"]
    assert reasons_of(analysis(beyond, campaign), "points") == ["primary_better", "value_negative"]


def test_a_rule_that_asks_for_nothing_lets_every_arm_compete(tmp_path: Path) -> None:
    definition = define(
        tmp_path,
        decision={
            "eligible_if": {"primary": {"=": None}, "value_low_above": None},
            "pick": {"tie": "first"},
        },
    )
    document = analysis(definition, Campaign())
    assert document.verdict.winner == "points"
    assert codes(document)[:2] == ["best_and_first", "segments_not_read"]


@pytest.mark.parametrize(
    ("unsubscribed", "status", "verdict"),
    [(0.002, "pass", "rollout"), (0.0035, "unclear", "no_rollout"), (0.009, "fail", "no_rollout")],
)
def test_guardrails_must_all_pass_where_the_rule_says_so(
    tmp_path: Path, unsubscribed: float, status: str, verdict: str
) -> None:
    definition = define(
        tmp_path,
        goals={"guardrails": [{"metric": "unsubscribed", "better": "down", "limit": 0.002}]},
        decision={"eligible_if": {"guardrails": "all_pass"}},
    )
    arm = Did(rate=0.08, spend=8.0, unsubscribed=unsubscribed)
    document = analysis(definition, Campaign({"points": arm}))
    row = next(row for row in document.guardrails if row.arm == "points")
    assert row.status == status
    assert document.verdict.status == verdict
    assert f"guardrail_{status}" in reasons_of(document, "points")


def test_a_broken_guardrail_that_the_rule_does_not_ask_for_is_said(tmp_path: Path) -> None:
    definition = define(
        tmp_path, goals={"guardrails": [{"metric": "unsubscribed", "better": "down", "limit": 0.002}]}
    )
    document = analysis(definition, Campaign({"points": Did(rate=0.08, spend=8.0, unsubscribed=0.02)}))
    assert document.verdict.winner == "points"
    assert "guardrail_ignored" in codes(document)


def test_a_relative_guardrail_where_more_is_better(tmp_path: Path) -> None:
    definition = define(
        tmp_path,
        goals={"guardrails": [{"metric": "spend", "better": "up", "limit_relative": 0.1}]},
        decision={"eligible_if": {"guardrails": "all_pass"}},
    )
    document = analysis(definition, Campaign({"points": GOOD, "gift": Did(rate=0.08, spend=4.0)}))
    rows = {row.arm: row for row in document.guardrails}
    assert rows["points"].status == "pass"
    assert rows["gift"].status == "fail"
    assert rows["gift"].limit == -0.1
    assert rows["gift"].difference == pytest.approx(-0.2)


def test_the_best_of_two_arms_that_can_be_told_apart(tmp_path: Path) -> None:
    document = analysis(define(tmp_path), Campaign({"points": GOOD, "gift": BETTER}))
    assert document.verdict.winner == "gift"
    assert codes(document)[0] == "best"


def test_a_tie_goes_to_the_cheapest_or_to_the_first(tmp_path: Path) -> None:
    dear = Did(rate=0.08, spend=8.3, benefit=0.2)
    cheap = Did(rate=0.08, spend=8.0, benefit=0.1)
    campaign = Campaign({"points": dear, "gift": cheap})
    cheapest = analysis(define(tmp_path / "a"), campaign)
    first = analysis(define(tmp_path / "b", decision={"pick": {"tie": "first"}}), campaign)
    assert (cheapest.verdict.winner, codes(cheapest)[0]) == ("gift", "tie_cheapest")
    assert (first.verdict.winner, codes(first)[0]) == ("points", "best_and_first")
    other = analysis(
        define(tmp_path / "c", decision={"pick": {"tie": "first"}}), Campaign({"points": cheap, "gift": dear})
    )
    assert (other.verdict.winner, codes(other)[0]) == ("points", "tie_first")


def test_equal_costs_in_a_tie_go_by_the_order_of_the_file(tmp_path: Path) -> None:
    document = analysis(define(tmp_path), Campaign({"coupon": GOOD, "gift": GOOD}))
    assert document.verdict.winner == "coupon"


def test_maximise_primary_ignores_the_value(tmp_path: Path) -> None:
    rich, popular = Did(rate=0.07, spend=12.0), Did(rate=0.12, spend=8.0)
    campaign = Campaign({"points": rich, "gift": popular})
    by_primary = define(tmp_path / "p", decision={"pick": {"maximise": "primary"}})
    assert analysis(define(tmp_path / "v"), campaign).verdict.winner == "points"
    assert analysis(by_primary, campaign).verdict.winner == "gift"


def test_a_segment_departs_where_another_eligible_arm_is_proven_better(tmp_path: Path) -> None:
    campaign = Campaign(
        {"points": GOOD, "gift": GOOD},
        {("points", "others"): BETTER, ("gift", "vip"): Did(rate=0.09, spend=9.5)},
    )
    document = analysis(define(tmp_path), campaign)
    assert document.verdict.winner_by_segment == {"vip": "gift", "others": "points"}
    assert "segment_departs" in codes(document)
    overall = analysis(define(tmp_path / "o", decision={"pick": {"by": "overall"}}), campaign)
    assert set(overall.verdict.winner_by_segment.values()) == {overall.verdict.winner}


def test_a_segment_does_not_depart_to_an_arm_that_is_not_eligible(tmp_path: Path) -> None:
    campaign = Campaign(
        {"points": GOOD, "gift": LOSES}, {("gift", "vip"): Did(members=1_000, rate=0.2, spend=30.0)}
    )
    document = analysis(define(tmp_path), campaign)
    assert reasons_of(document, "gift")[-1] == "value_negative"
    assert document.verdict.winner_by_segment["vip"] == "points"


@pytest.mark.parametrize(("fallback", "arm"), [("overall_winner", "points"), ("control", "control")])
def test_a_small_segment_falls_back(tmp_path: Path, fallback: str, arm: str) -> None:
    definition = define(tmp_path, decision={"pick": {"fallback": fallback}})
    small = {
        (arm, "vip"): Did(members=499, rate=0.08, spend=8.0)
        for arm in ("control", "points", "coupon", "gift")
    }
    document = analysis(definition, Campaign({"points": GOOD}, small))
    assert document.verdict.winner_by_segment == {"vip": arm, "others": "points"}
    assert "segment_too_small" in codes(document)


def test_a_segment_where_the_winner_surely_loses_gets_no_contact(tmp_path: Path) -> None:
    campaign = Campaign(
        {"points": Did(rate=0.1, spend=13.0)}, {("points", "vip"): Did(rate=0.05, spend=5.0, benefit=1.5)}
    )
    document = analysis(define(tmp_path), campaign)
    assert document.verdict.winner == "points"
    assert document.verdict.winner_by_segment == {"vip": "control", "others": "points"}
    assert "segment_loses" in codes(document)


def test_nothing_is_rolled_out_when_no_segment_is_left(tmp_path: Path) -> None:
    definition = define(tmp_path, decision={"pick": {"fallback": "control", "min_members_per_arm": 50_000}})
    document = analysis(definition, Campaign({"points": GOOD}))
    assert document.verdict.status == "no_rollout"
    assert codes(document)[0] == "no_segment_left"


@pytest.mark.parametrize(
    ("check", "changes", "status"),
    [
        (HealthCheck("sample_ratio", "fail", 0.0004, "x"), {}, "invalid"),
        (HealthCheck("sample_ratio", "warn", 0.005, "x"), {}, "rollout"),
        (HealthCheck("sample_ratio", "warn", 0.005, "x"), {"srm_p_below": 0.01}, "invalid"),
        (HealthCheck("arm_missing", "fail", None, "x"), {}, "invalid"),
        (HealthCheck("arm_missing", "fail", None, "x"), {"arm_missing": False}, "rollout"),
        (HealthCheck("sample_below_plan", "fail", None, "x"), {"sample_below_plan": 0.9}, "invalid"),
        (HealthCheck("sample_below_plan", "fail", None, "x"), {}, "rollout"),
        (HealthCheck("duplicates", "fail", None, "x"), {}, "invalid"),
        (HealthCheck("window_open", "fail", None, "x"), {}, "too_early"),
        (HealthCheck("heavy_tails", "warn", None, "x"), {}, "rollout"),
    ],
)
def test_invalid_if(tmp_path: Path, check: HealthCheck, changes: dict[str, object], status: str) -> None:
    definition = define(tmp_path, decision={"invalid_if": changes})
    document = analysis(definition, Campaign({"points": GOOD}), health=(check,))
    assert document.verdict.status == status
    assert document.health[0] is check
    if status in {"invalid", "too_early"}:
        assert codes(document)[0] == check.check
        assert document.verdict.winner is None
        assert (document.effects, document.money, document.guardrails, document.adjusted_effects) == ((),) * 4
        assert [arm.members for arm in document.arms] == [20_000] * 4


def test_a_broken_experiment_is_invalid_even_while_its_windows_are_open(tmp_path: Path) -> None:
    health = (HealthCheck("window_open", "fail", None, "x"), HealthCheck("sample_ratio", "fail", 1e-9, "y"))
    document = analysis(define(tmp_path), Campaign(), health=health)
    assert (document.verdict.status, codes(document)) == ("invalid", ["sample_ratio"])


def test_a_changed_or_never_locked_definition_is_said_in_the_verdict(tmp_path: Path) -> None:
    campaign = Campaign({"points": GOOD})
    changed = analysis(define(tmp_path), campaign, lock=Lock(False, ("design.alpha", "goals.primary")))
    assert not changed.locked
    assert (changed.verdict.status, codes(changed)[0]) == ("rollout", "definition_changed")
    assert "design.alpha, goals.primary" in changed.verdict.reasons[0].text
    assert "offerwise rollout" not in changed.verdict.next_step
    assert "Restore the definition" in changed.verdict.next_step
    never = analysis(define(tmp_path), campaign, lock=Lock(False))
    assert codes(never)[-1] == "not_locked"
    assert "offerwise rollout" in never.verdict.next_step
    assert never.verdict.status == "rollout"


def test_an_arm_that_nobody_measured_is_not_eligible_and_has_no_rows(tmp_path: Path) -> None:
    nobody = {("gift", segment): Did(members=0) for segment in ("vip", "others")}
    document = analysis(define(tmp_path), Campaign({"points": GOOD}, nobody))
    assert reasons_of(document, "gift") == ["not_measured", "not_measured"]
    assert "gift" not in {row.arm for row in document.effects}
    money = {row.arm: row for row in document.money}
    assert money["gift"].incremental_profit is None
    assert to_json(document)


def test_without_segments_there_is_an_overall_winner_only(tmp_path: Path) -> None:
    document = analysis(define(tmp_path, **SHY), Campaign({"points": GOOD}))
    assert (document.verdict.winner, document.verdict.winner_by_segment) == ("points", {})
    assert {row.segment for row in document.effects} == {None}


def test_both_languages_decide_the_same(tmp_path: Path) -> None:
    campaign = Campaign({"points": GOOD, "coupon": LOSES, "gift": GOOD})
    english, chinese = (analysis(define(tmp_path), campaign, language=language) for language in ("en", "zh"))
    assert codes(english) == codes(chinese)
    assert all(ord(max(reason.text)) > 0x4E00 for reason in chinese.verdict.reasons)
    assert english.verdict.winner_by_segment == chinese.verdict.winner_by_segment


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "p unknown, because the data show no variance"), ("zh", "p 未知（数据没有方差）")],
)
def test_a_gain_without_variance_proves_nothing_and_its_p_value_does_not_exist(
    tmp_path: Path, language: Language, words: str
) -> None:
    flat = {arm: Did(spend=spend, spread=0.0) for arm, spend in {"control": 5.0, "points": 50.0}.items()}
    definition = define(tmp_path, decision={"eligible_if": {"primary": None}})
    document = analysis(definition, Campaign(flat), language=language)
    rows = [row for row in document.effects if row.metric == "profit" and row.arm == "points"]
    assert {(row.std_error, row.p_value, row.p_value_adjusted) for row in rows} == {(None, None, None)}
    assert document.verdict.status == "no_rollout"
    texts = {each.code: each.text for each in document.verdict.reasons if "(points)" in each.text}
    reason = texts["value_not_proven"]
    assert words in reason
    assert "1.0000" not in reason
    assert json.loads(to_json(document))["effects"]
