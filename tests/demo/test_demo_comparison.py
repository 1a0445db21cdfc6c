"""Findings held against the truth: what is counted as covered, and what is called right or wrong."""

from __future__ import annotations

import dataclasses
import tomllib
from importlib.resources import files
from io import StringIO
from string import Formatter

import pytest
from rich.console import Console

from experiments.definition.uplift import PolicyKind
from experiments.documents.analysis import Analysis, Effect, GuardrailResult, Money, Role, Verdict
from experiments.language import Language, Words
from offerwise.demo.comparison import Comparison, compare_with_truth
from offerwise.demo.ending import show_ending
from offerwise.demo.journey import Demo
from offerwise.demo.truth import PLANTED, TrueEffect, TrueEffects, TrueMetric
from uplift.documents import Chosen, Heterogeneity, Policy, Rollout, SegmentOffer, Uplift

EN = Words("en")


def true(metric: TrueMetric, arm: str, segment: str | None, difference: float) -> TrueEffect:
    return TrueEffect(metric, segment, arm, 1000, 0.03, difference)


TRUTH = TrueEffects(
    PLANTED,
    (
        true("converted", "gift", None, 0.012),
        true("converted", "coupon", None, 0.014),
        true("profit", "gift", None, 1.0),
        true("profit", "coupon", None, -0.7),
        true("profit", "gift", "vip", 3.0),
        true("profit", "coupon", "vip", -1.0),
        true("profit", "gift", "dormant", -0.2),
        true("profit", "coupon", "dormant", -0.4),
        true("unsubscribed", "coupon", None, 0.007),
        true("unsubscribed", "gift", None, 0.001),
    ),
)


def effect(
    metric: str, arm: str, difference: float, role: Role, p: float, segment: str | None = None
) -> Effect:
    width = 0.005 if metric == "converted" else 0.6
    return Effect(
        metric=metric, segment=segment, arm=arm, versus="control", role=role, members_arm=1000, members_versus=2000,
        mean_arm=0.03 + difference, mean_versus=0.03, difference=difference, difference_low=difference - width,
        difference_high=difference + width, lift=None, lift_low=None, lift_high=None, std_error=width / 1.96,
        statistic=None, p_value=p, p_value_adjusted=p, method="welch", difference_low_adjusted=None,
        difference_high_adjusted=None, interval_adjustment="bonferroni",
    )  # fmt: skip


def money(arm: str, profit: float) -> Money:
    values: dict[str, object] = {item.name: None for item in dataclasses.fields(Money)}
    values |= {"arm": arm, "members": 1000, "incremental_profit": profit}
    return Money(**values)  # type: ignore[arg-type]


def analysis(winner: str | None, by_segment: dict[str, str], coupon_p: float = 0.0001) -> Analysis:
    status = "no_rollout" if winner is None else "rollout"
    return Analysis(
        experiment="demo",
        definition_sha256="0" * 64,
        locked=True,
        verdict=Verdict(status, winner, by_segment, (), ""),  # type: ignore[arg-type]
        health=(),
        arms=(),
        effects=(
            effect("converted", "gift", 0.011, "primary", 0.0001),
            effect("converted", "coupon", 0.020, "primary", coupon_p),
            effect("profit", "gift", 1.3, "value", 0.001),
            effect("profit", "gift", 1.0, "value", 0.01, segment="vip"),
            effect("order_value", "gift", 9.0, "secondary", 0.5),
        ),
        guardrails=(
            GuardrailResult("unsubscribed", "coupon", 0.003, 0.0068, 0.006, 1.0, "fail"),
            GuardrailResult("unsubscribed", "gift", 0.003, 0.0008, 0.002, 0.001, "pass"),
        ),
        money=(money("gift", 1300.0), money("coupon", -650.0)),
    )


def agreement(comparison: Comparison) -> dict[tuple[str, str], bool]:
    return {(statement.about, statement.subject): statement.agrees for statement in comparison.statements}


def test_each_interval_is_held_against_its_own_truth() -> None:
    compared = compare_with_truth(analysis("gift", {"vip": "gift", "dormant": "control"}), TRUTH, EN)
    held = {(row.metric, row.arm, row.segment): row.covered for row in compared.effects}
    assert held == {
        ("converted", "gift", None): True,
        ("converted", "coupon", None): False,
        ("profit", "gift", None): True,
        ("profit", "gift", "vip"): False,
    }
    assert compared.covered == 2
    assert compared.expected_misses == pytest.approx(0.2)


def test_adjusted_effects_are_compared_where_there_are_any() -> None:
    found = analysis("gift", {})
    adjusted = dataclasses.replace(
        found, adjusted_effects=(effect("converted", "gift", 0.030, "primary", 0.001),)
    )
    compared = compare_with_truth(adjusted, TRUTH, EN)
    assert [(row.arm, row.found, row.covered) for row in compared.effects] == [("gift", 0.030, False)]


def test_a_right_verdict_agrees_with_everything_planted() -> None:
    compared = compare_with_truth(analysis("gift", {"vip": "gift", "dormant": "control"}), TRUTH, EN)
    assert agreement(compared) == {
        ("best_arm", "vip"): True,
        ("best_arm", "dormant"): True,
        ("loss_maker", "coupon"): True,
        ("harmful", "coupon"): True,
    }
    assert any("-650" in statement.text for statement in compared.statements)
    (harmful,) = (each.text for each in compared.statements if each.about == "harmful")
    assert "points, beyond the limit of" in harmful


def test_rolling_out_the_loss_maker_is_called_wrong() -> None:
    compared = compare_with_truth(analysis("coupon", {"vip": "coupon", "dormant": "coupon"}), TRUTH, EN)
    assert set(agreement(compared).values()) == {False}


def test_a_loss_maker_that_was_not_seen_to_sell_is_not_called_found() -> None:
    compared = compare_with_truth(analysis("gift", {}, coupon_p=0.2), TRUTH, EN)
    assert agreement(compared)["loss_maker", "coupon"] is False


def test_without_a_rollout_every_segment_is_held_to_have_control() -> None:
    compared = compare_with_truth(analysis(None, {}), TRUTH, EN)
    assert agreement(compared)["best_arm", "vip"] is False
    assert agreement(compared)["best_arm", "dormant"] is True
    assert agreement(compared)["loss_maker", "coupon"] is True


def searched(kind: PolicyKind, offers: dict[str, str]) -> Uplift:
    def policy(kind: PolicyKind, detail: str, gain: float) -> Policy:
        return Policy(kind, detail, 4.0, 3.0, 5.0, 1.0, gain, gain - 0.3, gain + 0.3)

    return Uplift(
        experiment="demo",
        value_metric="profit",
        learners=(),
        heterogeneity=Heterogeneity("", 0.01, found=True),
        policies=(
            policy("best_single_arm", "gift", 0.0),
            policy("by_segment", "", 0.12),
            policy("tree", "", 0.2),
        ),
        chosen=Chosen(kind, "", None),
        offers_by_segment=tuple(
            SegmentOffer(segment, arm, 500, 4.0, 3.0, 5.0) for segment, arm in offers.items()
        ),
    )


@pytest.mark.parametrize(
    ("offers", "gain", "agrees"),
    [
        ({"vip": "gift", "dormant": "control"}, "+0.10", True),
        ({"vip": "gift", "dormant": "gift"}, "gift to everybody", True),
        ({"vip": "control", "dormant": "gift"}, "-1.50", False),
    ],
)
def test_a_policy_is_held_against_its_true_gain(offers: dict[str, str], gain: str, agrees: bool) -> None:
    found = searched("by_segment", offers)
    compared = compare_with_truth(analysis("gift", {}), TRUTH, EN, uplift=found)
    (statement,) = [row for row in compared.statements if row.about == "policy"]
    assert statement.agrees is agrees
    assert gain in statement.text


def test_a_policy_with_several_arms_in_a_segment_has_no_truth_by_segment() -> None:
    found = searched("tree", {"vip": "gift", "dormant": "gift"})
    both = dataclasses.replace(
        found, offers_by_segment=(*found.offers_by_segment, SegmentOffer("vip", "coupon", 9, 1.0, 0.0, 2.0))
    )
    compared = compare_with_truth(analysis("gift", {}), TRUTH, EN, uplift=both)
    assert "policy" not in {row.about for row in compared.statements}


@pytest.mark.parametrize(("cost", "agrees"), [(5999.0, True), (6000.01, False)])
def test_a_rollout_is_held_against_its_budget(cost: float, agrees: bool) -> None:
    sent = Rollout("demo", 100, (), 5, 5, 10, 6000.0, cost, 10.0, 5.0, 15.0)
    compared = compare_with_truth(analysis("gift", {}), TRUTH, EN, rollout=sent)
    assert agreement(compared)["budget", "rollout"] is agrees


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("store", "opened_by"),
    [
        ("sqlite:///runs/mlflow.db", "mlflow ui --backend-store-uri sqlite:///runs/mlflow.db"),
        ("http://127.0.0.1:5000", "MLflow   http://127.0.0.1:5000"),
        (None, None),
    ],
)
def test_the_ending_shows_verdict_statements_and_paths(
    language: Language, store: str | None, opened_by: str | None
) -> None:
    words = Words(language)
    found = analysis("gift", {"vip": "gift", "dormant": "control"})
    compared = compare_with_truth(found, TRUTH, words)
    demo = Demo(
        "demo", "demo/winback.yml", "demo/truth.json", "runs/report.html", store, found.verdict, compared
    )
    out = StringIO()
    show_ending(Console(file=out, width=200), demo, words)
    shown = out.getvalue()
    for text in (*(statement.text for statement in compared.statements), demo.truth, demo.report):
        assert text in shown
    assert "vip gift, dormant control" in shown
    assert "+0.0120" in shown
    assert ("MLflow" in shown) is (store is not None)
    assert opened_by is None or opened_by in shown


def test_both_languages_say_the_same_facts() -> None:
    def facts(language: str) -> dict[str, set[str | None]]:
        text = files("offerwise.demo").joinpath("wording", f"{language}.toml").read_text(encoding="utf8")
        return {
            f"{table}.{code}": {field for _, field, _, _ in Formatter().parse(sentence) if field}
            for table, entries in tomllib.loads(text).items()
            for code, sentence in entries.items()
        }

    assert facts("en") == facts("zh")
