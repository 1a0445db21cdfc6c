"""The verdict on a plan: whether it can work, and why not."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.decision.sentences import PACKAGE, Sentences
from experiments.design.cost import costs_of_member
from experiments.design.plan import Plan
from experiments.documents.analysis import Reason
from experiments.documents.design import ArmPower
from experiments.health.heavy_tails import fewest_nonzero, first_look, tailed_metrics
from experiments.inference.corrections import control_share
from experiments.inference.power_by_unit import PlannedByUnit

LEAST_GUARDRAIL_POWER = 0.8
"""A guardrail that passes a harmless arm less often than this will often block it: a warning, not a refusal."""

_SHARE_WORTH_SAYING = 0.05


@dataclass(frozen=True)
class PlanVerdict:
    """Whether a plan can work; reasons against it come first, then what is worth knowing."""

    feasible: bool
    reasons: tuple[Reason, ...]
    next_step: str


def judge_plan(plan: Plan, eligible: int, sentences: Sentences) -> PlanVerdict:
    """Whether audience, power and budget suffice.

    A plan cannot work when fewer members are eligible than its sample asks for, when the baseline says nothing of the
    primary metric's variance, or when a comparison with control has less power at the minimum effect than asked for. The
    rollout's budget does not pay for the test; how far it reaches afterwards is said.
    """
    arms = plan.arms()
    against = [
        *_too_few(plan, eligible, sentences),
        *_underpowered(plan, arms, sentences),
    ]
    notes = [*_powered(plan, arms, sentences, feasible=not against), *_weak_guardrails(plan, sentences)]
    notes += _few_buyers(plan, sentences)
    notes += [*_interference(plan, sentences), *_by_unit(plan, sentences), *_looks(plan, sentences)]
    notes += [*_budget(plan, eligible, sentences), *_control_share(plan, sentences)]
    if against:
        code = "baseline" if plan.metric is None else "redesign"
        return PlanVerdict(False, (*against, *notes), sentences.next_step(code))
    recorded = plan.definition.assignment.method == "recorded"
    next_step = sentences.next_step("analyze" if recorded else "assign")
    return PlanVerdict(True, tuple(notes), next_step)


def _too_few(plan: Plan, eligible: int, sentences: Sentences) -> list[Reason]:
    wanted = plan.definition.assignment.sample_size
    if wanted is not None and eligible < wanted:
        return [sentences.plan("audience_too_small", eligible=f"{eligible:,}", wanted=f"{wanted:,}")]
    if not all(plan.members.values()):
        return [sentences.plan("arm_without_members", eligible=f"{eligible:,}")]
    return []


def _underpowered(plan: Plan, arms: tuple[ArmPower, ...], sentences: Sentences) -> list[Reason]:
    name, design = plan.definition.goals.primary.metric, plan.definition.design
    if plan.metric is None:
        return [sentences.plan("baseline_unknown", metric=name)]
    if plan.effect is None:
        return []
    needed = plan.members_needed()
    return [
        sentences.plan(
            "underpowered",
            arm=sentences.arm(arm.arm),
            metric=name,
            effect=sentences.change(name, plan.effect),
            power=f"{arm.power:.0%}",
            wanted=f"{design.power:.0%}",
            detectable=_shown(sentences, name, arm.detectable_effect),
            members=f"{plan.total:,}",
            needed=f"{needed:,}",
        )
        for arm in arms
        if arm.power is not None and arm.power < design.power
    ]


def _budget(plan: Plan, eligible: int, sentences: Sentences) -> list[Reason]:
    """How many of the members who stay out of the test the rollout's budget reaches, with the cheapest and the dearest arm."""
    rollout, rest = plan.definition.rollout, eligible - plan.total
    if rollout is None or rollout.budget is None or rest <= 0:
        return []
    costs = [cost for cost in costs_of_member(plan, rollout.budget.covers).values() if cost > 0]
    if not costs:
        return []
    reached = [min(rest, int(rollout.budget.amount / cost)) for cost in (min(costs), max(costs))]
    code = "budget_suffices" if reached[1] == rest else "budget_short"
    budget = sentences.amount(rollout.budget.amount)
    facts = {"budget": budget, "rest": f"{rest:,}", "most": f"{reached[0]:,}", "least": f"{reached[1]:,}"}
    return [sentences.plan(code, **facts)]


def _powered(plan: Plan, arms: tuple[ArmPower, ...], sentences: Sentences, *, feasible: bool) -> list[Reason]:
    """What a plan that works will find, by its weakest comparison."""
    name = plan.definition.goals.primary.metric
    found = [arm for arm in arms if arm.detectable_effect is not None]
    if not feasible or not found:
        return []
    weakest = max(found, key=lambda arm: abs(arm.detectable_effect or 0.0))
    return [
        sentences.plan(
            "powered",
            arm=sentences.arm(weakest.arm),
            metric=name,
            detectable=_shown(sentences, name, weakest.detectable_effect),
            power=f"{plan.definition.design.power:.0%}",
        )
    ]


def _few_buyers(plan: Plan, sentences: Sentences) -> list[Reason]:
    """Amounts and counts whose test cannot be trusted at the first look, because too few members will have any by then."""
    design = plan.definition.design
    least, part = fewest_nonzero(design), first_look(design)
    code = "few_buyers_early" if part < 1 else "few_buyers"
    found = []
    for name in tailed_metrics(plan.definition):
        measured, moments = plan.past.metrics[name], plan.past.moments(name)
        nonzero = moments.nonzero_count(measured.value)
        if not nonzero:
            continue
        expected = {arm: part * members * nonzero / moments.count for arm, members in plan.members.items()}
        arm = min(expected, key=lambda each: expected[each])
        if expected[arm] < least:
            facts = {"metric": name, "arm": sentences.arm(arm), "count": f"{expected[arm]:,.0f}"}
            found.append(sentences.plan(code, least=f"{least:,}", **facts))
    return found


def _by_unit(plan: Plan, sentences: Sentences) -> list[Reason]:
    """What assigning units instead of members costs, with what covariates win back."""
    metric, unit = plan.metric, plan.definition.audience.unit
    if unit is None or not isinstance(metric, PlannedByUnit) or metric.members_per_unit <= 1:
        return []
    facts = {
        "metric": plan.definition.goals.primary.metric,
        "unit": unit,
        "times": f"{metric.design_effect:.2f}",
        "per_unit": f"{metric.members_per_unit:.1f}",
        "members": f"{plan.total:,}",
        "alone": f"{plan.total / metric.design_effect:,.0f}",
    }
    return [sentences.plan("by_unit", **facts)]


def _interference(plan: Plan, sentences: Sentences) -> list[Reason]:
    """Outcomes of other people: members of one arm may change those of another, which no randomisation of members undoes."""
    metrics = plan.definition.metrics_of_others
    if not metrics:
        return []
    return [
        sentences.plan("interference", metrics=sentences.words.say(PACKAGE, "figure.comma").join(metrics))
    ]


def _looks(plan: Plan, sentences: Sentences) -> list[Reason]:
    """When a design that looks more than once is read, and what that costs in members."""
    times = f"{plan.inflation:.3f}"
    planned = plan.looks()
    if planned:
        comma = sentences.words.say(PACKAGE, "figure.comma")
        at = comma.join(f"{look.information:.0%} (z {look.bound:.3f})" for look in planned)
        return [sentences.plan("looks_group_sequential", times=times, at=at)]
    if plan.definition.design.looks.kind == "always_valid":
        return [sentences.plan("looks_always_valid", times=times)]
    return []


def _weak_guardrails(plan: Plan, sentences: Sentences) -> list[Reason]:
    found = []
    for row in plan.guardrails():
        if row.power is None:
            found.append(sentences.plan("guardrail_unknown", metric=row.metric))
        elif row.power < LEAST_GUARDRAIL_POWER:
            found.append(
                sentences.plan("guardrail_underpowered", metric=row.metric, power=f"{row.power:.0%}")
            )
    return found


def _control_share(plan: Plan, sentences: Sentences) -> list[Reason]:
    share = float(plan.definition.all_arms[0].share)
    best = control_share(len(plan.definition.offer_arms))
    if plan.definition.assignment.method == "recorded" or abs(share - best) < _SHARE_WORTH_SAYING:
        return []
    return [sentences.plan("control_share", share=f"{share:.1%}", best=f"{best:.1%}")]


def _shown(sentences: Sentences, metric: str, value: float | None) -> str:
    return sentences.unknown if value is None else sentences.change(metric, value)
