"""The conclusion: effects, guardrails, money and verdict, from the moments that were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from experiments.decision.contrasts import Contrasts, read_by_decision
from experiments.decision.decision import Evidence, decide
from experiments.decision.effects import Effects, estimate_effects
from experiments.decision.factors import compare_factors
from experiments.decision.guardrails import judge_guardrails
from experiments.decision.heterogeneity import compare_segments
from experiments.decision.obstacles import find_obstacle
from experiments.decision.posterior import posterior_rows
from experiments.decision.sentences import Sentences
from experiments.decision.winner import correct_winners
from experiments.definition.model import Definition
from experiments.documents import Analysis, ArmCount, HealthCheck, Reason, Verdict
from experiments.health.capping import check_capping
from experiments.measurement.measurement import Measurement
from experiments.money.money import money_rows


@dataclass(frozen=True)
class Lock:
    """Whether the definition is the one that was locked, and the keys that differ if it is not."""

    locked: bool
    changed: tuple[str, ...] = ()


def conclude(
    definition: Definition,
    measurement: Measurement,
    health: Sequence[HealthCheck],
    lock: Lock,
    sentences: Sentences,
) -> Analysis:
    """The analysis of what was measured; reads no data.

    Args:
        definition: The plan and the rule.
        measurement: Counts and moments.
        health: The checks so far; that of the caps is added where caps were applied.
        lock: Whether the plan is the one that was locked.
        sentences: Words for the reasons.
    """
    obstacle = find_obstacle(definition, health, sentences)
    plan = _plan_reasons(lock, sentences)
    if obstacle is not None:
        verdict = Verdict(obstacle.status, None, {}, (*obstacle.reasons, *plan), obstacle.next_step)
        return _document(definition, measurement, lock, verdict, health)
    raw = Contrasts(measurement.metrics)
    reading = read_by_decision(definition, measurement.metrics)
    adjusted = estimate_effects(definition, reading) if reading.adjusted else Effects((), ())
    effects = estimate_effects(definition, raw)
    guardrails = judge_guardrails(definition, raw)
    money = money_rows(definition, measurement, reading)
    verdict = decide(definition, Evidence(reading, guardrails, money), sentences)
    capping = check_capping(definition, raw, sentences)
    checks = (*health, capping) if capping else tuple(health)
    verdict = replace(verdict, reasons=(*verdict.reasons, *plan))
    return replace(
        _document(definition, measurement, lock, verdict, checks),
        effects=effects.versus_control,
        adjusted_effects=adjusted.versus_control,
        arm_comparisons=effects.between_offers,
        factorial=compare_factors(definition, raw),
        segments=compare_segments(definition, reading),
        winner_corrected=correct_winners(definition, reading, verdict),
        guardrails=guardrails,
        money=money,
        bayes=posterior_rows(definition, raw),
    )


def _document(
    definition: Definition,
    measurement: Measurement,
    lock: Lock,
    verdict: Verdict,
    health: Sequence[HealthCheck],
) -> Analysis:
    """The part that every analysis has: verdict, health and the arms' members."""
    members = {arm.id: measurement.members(arm.id) for arm in definition.all_arms}
    total = sum(members.values())
    return Analysis(
        experiment=definition.id,
        definition_sha256=definition.origin.sha256,
        locked=lock.locked,
        verdict=verdict,
        health=tuple(health),
        arms=tuple(
            ArmCount(arm.id, arm.label, members[arm.id], members[arm.id] / total if total else 0.0)
            for arm in definition.all_arms
        ),
    )


def _plan_reasons(lock: Lock, sentences: Sentences) -> tuple[Reason, ...]:
    """What a reader must know of the plan: that it changed, or that it was never locked."""
    if lock.changed:
        return (sentences.reason("definition_changed", keys=", ".join(lock.changed)),)
    return () if lock.locked else (sentences.reason("not_locked"),)
