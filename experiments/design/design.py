"""The design: what the planned arms can detect, what that costs, and whether the plan can work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from experiments.audience.audience import build_audience, snapshot_of
from experiments.data.catalogue import open_data
from experiments.decision.sentences import Sentences
from experiments.definition.model import Definition
from experiments.design.accrual import Accrual, expected_accrual
from experiments.design.cost import expected_cost
from experiments.design.curves import curve_by_days, curve_by_members
from experiments.design.history import Past, measure_history, measure_recorded
from experiments.design.plan import Plan
from experiments.design.verdict import judge_plan
from experiments.documents.assignment import ContactLevel, RuleRemoval
from experiments.documents.design import Design
from experiments.experiment import Experiment
from experiments.inference.corrections import control_share
from experiments.measurement.windows import longest_window


@dataclass(frozen=True)
class Available:
    """The members that the plan can count on.

    Attributes:
        eligible: Members who may enter, or who are assigned where another system drew the arms.
        refused: Reason to the members who may not.
        members: Arm to its members.
        rules: How many each rule of the audience removed, in order.
        contact_levels: How each stage stands to the contact policy.
        accrual: How members enter a triggered journey; `refused`, `rules` and `contact_levels` are then those of one day.
    """

    eligible: int
    refused: Mapping[str, int]
    members: Mapping[str, int]
    rules: tuple[RuleRemoval, ...] = ()
    contact_levels: tuple[ContactLevel, ...] = ()
    accrual: Accrual | None = None


def design(experiment: Experiment) -> Design:
    """What the plan can detect with the members there are.

    Arms that Offerwise will draw are planned on the audience as of the snapshot and on what eligible members did one window
    earlier; a triggered journey on the members of one day, times the days of entry; recorded arms at their recorded counts, with
    the control arm as baseline.

    Raises:
        InputError: The data do not fit the definition.
        OutsideError: The engine fails.
    """
    definition = experiment.definition
    catalogue = open_data(experiment)
    if definition.assignment.method == "recorded":
        past, measurement = measure_recorded(experiment, catalogue)
        members = {arm.id: measurement.members(arm.id) for arm in definition.all_arms}
        available = Available(sum(members.values()), {}, members)
    else:
        past = measure_history(experiment, catalogue)
        audience = build_audience(experiment, catalogue)
        accrual = expected_accrual(definition, snapshot_of(experiment), audience.eligible)
        eligible = audience.eligible if accrual is None else accrual.eligible
        available = Available(
            eligible,
            audience.refused,
            planned_members(definition, eligible),
            audience.rules,
            audience.contact_levels,
            accrual,
        )
    return plan_design(
        definition, available, past, Sentences(definition, experiment.words, experiment.arguments)
    )


def planned_members(definition: Definition, eligible: int) -> dict[str, int]:
    """The members of each arm when the sample, or everybody eligible, is split by the shares; rounded down."""
    sampled = min(eligible, definition.assignment.sample_size or eligible)
    return {arm.id: int(sampled * arm.share) for arm in definition.all_arms}


def plan_design(definition: Definition, available: Available, past: Past, sentences: Sentences) -> Design:
    """The design of a plan on members and history that are known; reads no data."""
    plan = Plan(definition, available.members, past)
    judged = judge_plan(plan, available.eligible, sentences)
    arms = definition.offer_arms
    given = definition.design.baseline is not None
    return Design(
        experiment=definition.id,
        definition_sha256=definition.origin.sha256,
        feasible=judged.feasible,
        eligible=available.eligible,
        audience=plan.total,
        refused=available.refused,
        metric=definition.goals.primary.metric,
        baseline=plan.baseline,
        baseline_source="definition" if given else past.source,
        minimum_effect=definition.design.minimum_effect,
        alpha=definition.design.alpha,
        alpha_each=plan.alpha_each,
        correction=definition.design.correction,
        power=definition.design.power,
        arms=plan.arms(),
        guardrails=plan.guardrails(),
        members_needed=plan.members_needed(),
        control_share=float(definition.all_arms[0].share),
        best_control_share=control_share(len(arms)),
        duration_days=_entry_and_send_days(definition, available.accrual) + longest_window(definition),
        expected_cost=expected_cost(plan),
        budget=definition.rollout.budget.amount if definition.rollout and definition.rollout.budget else None,
        currency=definition.currency,
        reasons=judged.reasons,
        next_step=judged.next_step,
        inflation=plan.inflation,
        looks=plan.looks(),
        curve_by_members=curve_by_members(plan, available.eligible),
        curve_by_days=curve_by_days(plan, available.eligible, available.accrual),
        rules=available.rules,
        contact_levels=available.contact_levels,
    )


def _entry_and_send_days(definition: Definition, accrual: Accrual | None) -> int:
    """Days from the first to the last send day, in a journey from the first entry to the last send; 0 without a send."""
    send = definition.send
    if accrual is not None:
        return accrual.days + ((send.after_days or 0) if send else 0)
    return 0 if send is None or not send.days else (max(send.days) - min(send.days)).days + 1
