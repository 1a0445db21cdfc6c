"""Documents made by hand, and open experiments to go with them: what a report may meet."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

from experiments.definition.load import load
from experiments.documents.analysis import (
    Analysis,
    ArmCount,
    Bayes,
    ComparisonWithBest,
    ComplierRow,
    DeliveredShare,
    Effect,
    FactorialTerm,
    Finding,
    GuardrailResult,
    HealthCheck,
    Money,
    Reason,
    SegmentHeterogeneity,
    SegmentRow,
    Verdict,
    VerdictStatus,
    WinnerCorrected,
)
from experiments.documents.assignment import ArmMembers, Assignment, AssignmentFiles, Balance
from experiments.documents.design import ArmPower, CurvePoint, Design, GuardrailPower
from experiments.documents.validation import SourceCheck, Validation
from experiments.engines.connect import connect
from experiments.experiment import Experiment
from experiments.files import Workspace
from experiments.language import Language, Words
from uplift.documents import (
    Chosen,
    EffectGroup,
    Heterogeneity,
    Interval,
    Learner,
    Offer,
    Policy,
    Rollout,
    SegmentOffer,
    Uplift,
)

ARMS = ("care", "urgent", "gift")
SEGMENTS = ("vip", "near_dormant", "dormant")
SHARES = (0.034, 0.041, 0.029)

DEFINITION = """
version: 1
id: winback-test
title: {title}
owner: lifecycle@example.com
hypothesis: At least one offer brings dormant members back at a profit.
currency: {currency}
timezone: Asia/Shanghai
data:
  members: {{table: members.csv, key: member_id}}
  orders: {{table: orders.csv, key: member_id, time: paid_at}}
audience:
  snapshot: 2026-10-31
  segments:
    - {{id: vip, when: "tier = 'vip'"}}
    - {{id: near_dormant, when: days <= 365}}
    - {{id: dormant, when: otherwise}}
arms:
  control: {{label: "{control}", share: 0.4}}
  share_each: 0.2
  offers:
    care: {{label: "{care}", unit_cost: 5.00, charged_when: redeemed}}
    urgent: {{label: "{urgent}"}}
    gift: {{label: "{gift}", unit_cost: 8.00, charged_when: sent}}
  channel: {{id: sms, cost_per_send: 0.05}}
assignment: {{method: hash}}
send: {{days: [2026-11-01], hours: ["09:00", "20:00"]}}
metrics:
  converted: {{type: binary, from: orders, window_days: 14}}
  net_revenue: {{type: sum, from: orders, value: amount, window_days: 14, winsorize_at: 0.999}}
  complained: {{type: binary, from: orders, where: kind = 'complaint', window_days: 14}}
  profit: {{type: formula, value: 0.4 * net_revenue - contact_cost}}
goals:
  primary: {{metric: converted, better: up}}
  value: profit
  secondary: [net_revenue]
  guardrails:
    - {{metric: complained, better: down, limit: 0.0010}}
decision:
  pick: {{by: segment}}
"""

ENGLISH = {
    "title": "Win-back of dormant members",
    "currency": "USD",
    "control": "No contact",
    "care": "Care message with 500 points",
    "urgent": "Last-chance text",
    "gift": "Gift in store",
}
CHINESE = {
    "title": "休眠会员召回",
    "currency": "CNY",
    "control": "不触达",
    "care": "500 积分 × 关怀",
    "urgent": "满 100 减 20 × 限时",
    "gift": "到店礼 × 关怀",
}
HOSTILE = {
    "title": "<script>window.hacked = 1</script>",
    "currency": "USD",
    "control": "<b>No</b> & contact",
    "care": "</title></svg><script>window.hacked = 2</script>",
    "urgent": "<img src=x onerror=window.hacked=3>",
    "gift": "'; DROP TABLE arms; -- {0} {{ 7*7 }} %s",
}


def open_experiment(folder: Path, labels: dict[str, str] = ENGLISH, language: Language = "en") -> Experiment:
    """The experiment of the definition above, written into `folder` and opened on an empty engine."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "definition.yml"
    quoted = {key: value.replace('"', "'") for key, value in labels.items()}
    path.write_text(dedent(DEFINITION).format(**{**quoted, "title": f'"{quoted["title"]}"'}), encoding="utf8")
    definition = load(path)
    return Experiment(
        definition=definition,
        engine=connect(),
        workspace=Workspace(folder / "runs", definition.id),
        words=Words(language),
        now=datetime(2026, 12, 1, 4, tzinfo=UTC),
    )


def effect(metric: str, arm: str, place: int, segment: str | None = None, **changes: object) -> Effect:
    """A plausible effect of an arm."""
    n_arm, n_control = (24_000, 48_000) if segment is None else (8_000, 16_000)
    scale = 1.0 if segment is None else 1.7
    base, difference, error = {
        "converted": (0.0243, (0.0061, 0.0102, 0.0038)[place], 0.0013),
        "profit": (1.21, (0.231, 0.094, -0.412)[place], 0.058),
        "net_revenue": (3.42, (0.71, 0.93, 0.55)[place], 0.16),
        "complained": (0.0004, (0.0001, 0.0009, 0.0)[place], 0.00012),
    }[metric]
    shift = 0.0 if segment is None else (SEGMENTS.index(segment) - 1) * 0.4 * difference
    found, error = difference + shift, error * scale
    role = {"converted": "primary", "profit": "value", "net_revenue": "secondary", "complained": "guardrail"}[
        metric
    ]
    made = Effect(
        metric=metric,
        segment=segment,
        arm=arm,
        versus="control",
        role=role,  # type: ignore[arg-type]
        members_arm=n_arm,
        members_versus=n_control,
        mean_arm=base + found,
        mean_versus=base,
        difference=found,
        difference_low=found - 1.96 * error,
        difference_high=found + 1.96 * error,
        lift=found / base,
        lift_low=(found - 2 * error) / base,
        lift_high=(found + 2 * error) / base,
        std_error=error,
        statistic=found / error,
        p_value=1e-6 if abs(found / error) > 4 else 0.0312,
        p_value_adjusted=3e-6 if abs(found / error) > 4 else 0.0936,
        method="score" if metric in {"converted", "complained"} else "welch",
        difference_low_adjusted=found - 2.4 * error,
        difference_high_adjusted=found + 2.4 * error,
        interval_adjustment="bonferroni_conservative",
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def money(arm: str, place: int) -> Money:
    """A plausible money row of an arm; `place` -1 is control."""
    members = 48_000 if place < 0 else 24_000
    if place < 0:
        return Money(
            arm,
            members,
            1166,
            None,
            164_160.0,
            None,
            0.0,
            65_664.0,
            None,
            None,
            None,
            None,
            None,
            None,
            812.0,
        )
    profit = (5544.0, 2256.0, -9888.0)[place]
    cost = (4120.0, 1200.0, 193_200.0)[place]
    return Money(
        arm=arm,
        members=members,
        attributed_buyers=(729, 828, 674)[place],
        incremental_buyers=(146.4, 244.8, 91.2)[place],
        attributed_revenue=(99_120.0, 104_400.0, 95_280.0)[place],
        incremental_revenue=(17_040.0, 22_320.0, 13_200.0)[place],
        cost=cost,
        attributed_profit=(35_528.0, 40_560.0, -155_088.0)[place],
        incremental_profit=profit,
        incremental_profit_low=profit - 2730,
        incremental_profit_high=profit + 2730,
        roi=profit / cost,
        cost_per_incremental_buyer=cost / (146.4, 244.8, 91.2)[place],
        break_even_lift=(0.104, 0.031, 0.9)[place],
        removed_by_cap=(412.0, 0.0, 96.5)[place],
        contact_cost=1200.0,
        cost_per_attributed_buyer=cost / (729, 828, 674)[place],
    )


def analysis(experiment: Experiment, status: VerdictStatus = "rollout") -> Analysis:
    """An analysis with every block filled, or, where the verdict shows no effects, with health and counts only."""
    definition = experiment.definition
    labels = {arm.id: arm.label for arm in definition.all_arms}
    arms = (
        ArmCount("control", labels["control"], 48_000, 0.4),
        *(ArmCount(arm, labels[arm], 24_000, 0.2) for arm in ARMS),
    )
    counts = Analysis(
        experiment=definition.id,
        definition_sha256=definition.origin.sha256,
        locked=True,
        verdict=verdict(status),
        health=checks(status),
        arms=arms,
    )
    if status in {"invalid", "too_early"}:
        return counts
    metrics = ("converted", "profit", "net_revenue", "complained")
    overall = [effect(metric, arm, place) for metric in metrics for place, arm in enumerate(ARMS)]
    inside = [
        effect(metric, arm, place, segment)
        for metric in metrics
        for segment in SEGMENTS
        for place, arm in enumerate(ARMS)
    ]
    return dataclasses.replace(
        counts,
        effects=(*overall, *inside),
        arm_comparisons=tuple(
            effect("profit", arm, place, versus="urgent") for place, arm in enumerate(ARMS) if arm != "urgent"
        ),
        factorial=(
            FactorialTerm(
                "profit", "incentive:pts500 - incentive:cpn20", 0.12, 0.05, 0.02, 0.22, 2.4, 0.016, 0.033
            ),
            FactorialTerm("profit", "incentive:copy", 0.01, 0.07, -0.13, 0.15, 0.14, 0.89, 1.0),
        ),
        segments=tuple(
            SegmentHeterogeneity(
                "profit", arm, 8.31, 0.0157, 0.004, tuple(segment_row(place, k) for k in range(len(SEGMENTS)))
            )
            for place, arm in enumerate(ARMS)
        ),
        winner_corrected=(WinnerCorrected(None, "profit", "care", 0.231, 0.2156, 0.098, 0.331, "hybrid"),)
        if status == "rollout"
        else (),
        guardrails=(
            GuardrailResult("complained", "care", 0.001, 0.0001, 0.0003, 0.0002, "pass"),
            GuardrailResult("complained", "urgent", 0.001, 0.0009, 0.0011, 0.2, "unclear"),
            GuardrailResult("complained", "gift", 0.001, 0.0, 0.0002, 0.0001, "pass"),
        ),
        money=(money("control", -1), *(money(arm, place) for place, arm in enumerate(ARMS))),
        bayes=tuple(
            Bayes(
                "profit",
                arm,
                (0.93, 0.07, 0.0)[place],
                0.99,
                0.004 * (place + 1),
                prior_mean=0.0 if place else None,
                prior_sd=0.5 if place else None,
                posterior_mean=0.21,
                low=0.1,
                high=0.32,
            )
            for place, arm in enumerate(ARMS)
        ),
        with_best=(
            ComparisonWithBest("profit", "care", 0.137, 0.0, 0.25, may_be_best=True, is_best=True),
            ComparisonWithBest("profit", "urgent", -0.137, -0.25, 0.0, may_be_best=False, is_best=False),
            ComparisonWithBest("profit", "gift", -0.643, None, None, may_be_best=True, is_best=False),
        ),
        delivery=(
            DeliveredShare("control", 30_000, 0, 0.0),
            *(DeliveredShare(arm, 30_000, 24_300, 0.81) for arm in ARMS),
        ),
        compliers=(
            ComplierRow("profit", "care", 0.81, 0.32, 0.18, 0.46, 0.07, one_sided=True),
            ComplierRow("profit", "gift", 0.0, None, None, None, None, one_sided=True),
        ),
        findings=(
            Finding("factors", "factors_some", "profit", "For profit this matters: copy <adjusted>."),
            Finding("segments", "segment_not_special", "profit", "Care is significant in vip only."),
        ),
    )


def segment_row(place: int, k: int) -> SegmentRow:
    """One shrunken segment."""
    found = (0.231, 0.094, -0.412)[place] * (0.6 + 0.4 * k)
    return SegmentRow(SEGMENTS[k], found, 0.1, found * 0.8, found * 0.8 - 0.18, found * 0.8 + 0.18)


def verdict(status: VerdictStatus) -> Verdict:
    """A verdict of each kind."""
    match status:
        case "rollout":
            reason = Reason(
                "primary_better", "Conversion with the care message is above control (adjusted p < 0.0001)."
            )
            blocked = Reason("guardrail_unclear", "Last-chance text: complaints may exceed the limit.")
            winners = {"vip": "urgent", "near_dormant": "care", "dormant": "control"}
            return Verdict(
                status, "care", winners, (reason, blocked), "Run: offerwise rollout definition.yml"
            )
        case "no_rollout":
            reason = Reason("value_not_above", "No arm's profit is proven to be above 0.")
            return Verdict(status, None, {}, (reason,), "Try a cheaper offer, or send nothing.")
        case "invalid":
            reason = Reason("sample_ratio", "The arms are not split as drawn (p = 0.000002).")
            return Verdict(status, None, {}, (reason,), "Find the members who were lost, then analyze again.")
        case "too_early":
            reason = Reason("window_open", "The window of 812 members is open until 2026-12-09.")
            return Verdict(status, None, {}, (reason,), "Run analyze again on 2026-12-09.")


def checks(status: VerdictStatus) -> tuple[HealthCheck, ...]:
    """Health checks that fit a verdict."""
    ratio = HealthCheck("sample_ratio", "pass", 0.904, "120,000 members are split as drawn.")
    if status == "invalid":
        ratio = HealthCheck("sample_ratio", "fail", 2e-6, "24,000 expected in care, 22,931 found.")
    window = HealthCheck("window_open", "pass", None, "Every window has closed.")
    if status == "too_early":
        window = HealthCheck("window_open", "fail", None, "812 windows are open until 2026-12-09.")
    tails = HealthCheck("heavy_tails", "warn", None, "net_revenue: 182 buyers in vip.")
    return (ratio, window, tails, HealthCheck("duplicates", "pass", None, "Every member has one row."))


def assignment(experiment: Experiment) -> Assignment:
    """A draw into the four arms."""
    return Assignment(
        experiment=experiment.definition.id,
        eligible=131_442,
        sampled=120_000,
        refused={
            "include": 80_210,
            "exclude_lists": 112,
            "holdout": 6_801,
            "exclusive_group": 0,
            "contact_caps": 9_404,
        },
        arms=(ArmMembers("control", 48_000, 0.4), *(ArmMembers(arm, 24_000, 0.2) for arm in ARMS)),
        balance=(Balance("orders_365d", 0.0072), Balance("spend_365d", 0.121)),
        files=AssignmentFiles(
            "runs/winback-test/ledger", {arm: f"runs/winback-test/send_lists/{arm}.csv" for arm in ARMS}
        ),
    )


def validation(experiment: Experiment) -> Validation:
    """A definition whose data are in order."""
    definition = experiment.definition
    return Validation(
        experiment=definition.id,
        definition_sha256=definition.origin.sha256,
        arms=tuple(arm.id for arm in definition.all_arms),
        metrics=tuple(definition.metrics),
        sources=tuple(
            SourceCheck(name, f"/a/rather/long/path/to/the/campaign/{source.table}", 7, source.key)
            for name, source in definition.data.items()
        ),
    )


def design(experiment: Experiment, *, feasible: bool = True) -> Design:
    """A plan that works, or one that is refused."""
    reason = Reason("sample_too_small", "12,000 more members are needed to detect the smallest effect.")
    return Design(
        experiment=experiment.definition.id,
        definition_sha256=experiment.definition.origin.sha256,
        feasible=feasible,
        eligible=131_442,
        audience=120_000,
        refused={"include": 80_210, "contact_caps": 9_404},
        metric="converted",
        baseline=0.0243,
        baseline_source="history",
        minimum_effect=0.004,
        alpha=0.05,
        alpha_each=0.0166667,
        correction="holm",
        power=0.8,
        arms=tuple(ArmPower(arm, 0.2, 24_000, 0.84 if feasible else 0.61, 0.0037, 96_000) for arm in ARMS),
        guardrails=(
            GuardrailPower("complained", 0.001, 0.0004, 0.99),
            GuardrailPower("complained", 0.0001, None, None),
        ),
        members_needed=110_000 if feasible else 132_000,
        control_share=0.4,
        best_control_share=0.366,
        duration_days=15,
        expected_cost=198_520.0,
        budget=250_000.0 if feasible else None,
        currency="USD",
        curve_by_members=tuple(CurvePoint(n * 10_000, None, 0.013 / n**0.5) for n in range(1, 14)),
        curve_by_days=tuple(CurvePoint(n * 40_000, 14 + n, 0.0065 / n**0.5) for n in range(1, 4)),
        reasons=() if feasible else (reason,),
        next_step="Run: offerwise assign definition.yml" if feasible else "Widen the audience.",
    )


def uplift() -> Uplift:
    """A search that found a tree."""
    return Uplift(
        experiment="winback-test",
        value_metric="profit",
        learners=(
            Learner(
                "x_learner",
                1.45,
                1.38,
                1.52,
                {"care": 0.021, "urgent": 0.004},
                {"care": 0.11, "urgent": 0.05},
                12.4,
                qini_interval={"care": Interval(0.021, 0.01, 0.032), "urgent": Interval(0.004, -0.01, 0.018)},
                autoc={"care": Interval(0.06, 0.03, 0.09), "urgent": Interval(0.01, -0.02, 0.04)},
                slope={"care": Interval(0.8, 0.4, 1.2), "urgent": None},
                groups={
                    "care": (
                        EffectGroup(60_000, 0.1, Interval(0.08, 0.02, 0.14)),
                        EffectGroup(60_000, 0.3, Interval(0.31, 0.25, 0.37)),
                    ),
                    "urgent": (EffectGroup(120_000, 0.05, Interval(0.04, 0.0, 0.08)),),
                },
            ),
            Learner("uplift_forest", 1.41, 1.33, 1.49, {"care": 0.011}, {"care": 0.1}, 41.0),
        ),
        heterogeneity=Heterogeneity("best linear projection", 0.012, True),
        policies=(
            Policy("treat_nobody", "", 1.21, 1.15, 1.27, 0.0, -0.21, -0.3, -0.12),
            Policy("best_single_arm", "care", 1.42, 1.35, 1.49, 0.21, 0.0, 0.0, 0.0),
            Policy(
                "by_segment",
                "3 segments",
                1.47,
                1.40,
                1.54,
                0.26,
                0.05,
                -0.01,
                0.11,
                proven=False,
                stability=0.12,
            ),
            Policy(
                "tree",
                "depth 2, 4 leaves",
                1.55,
                1.47,
                1.63,
                0.34,
                0.13,
                0.05,
                0.21,
                proven=True,
                stability=0.061,
                value_ipw=Interval(1.53, 1.30, 1.76),
                value_self_normalised=Interval(1.54, 1.32, 1.76),
            ),
        ),
        chosen=Chosen(
            "tree", "The tree is the simplest proven policy.", "CASE WHEN \"days\" <= 365 THEN 'care' END"
        ),
        offers_by_segment=(
            SegmentOffer("vip", "gift", 8000, 2.1, 1.8, 2.4),
            SegmentOffer("dormant", "control", 8000, 0.9, 0.8, 1.0),
        ),
        members=120_000,
        sampled=120_000,
        model_uri="models:/winback-test/1",
    )


def rollout() -> Rollout:
    """A rollout within its budget."""
    return Rollout(
        experiment="winback-test",
        members=980_000,
        offers=(Offer("care", 400_000, 92_000.0, 61_000.0), Offer("gift", 110_000, 31_000.0, 70_000.0)),
        holdout=49_000,
        explore=49_000,
        not_offered=372_000,
        budget=250_000.0,
        cost_bound=244_100.0,
        expected_profit=123_000.0,
        low=88_000.0,
        high=158_000.0,
        shadow_price=0.41,
    )
