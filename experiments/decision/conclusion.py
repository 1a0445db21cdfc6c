"""The conclusion: effects, guardrails, money and verdict, from the moments that were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from experiments.decision.best import compare_offers_with_best
from experiments.decision.compliers import complier_effects, delivered_shares
from experiments.decision.contrasts import Contrasts, read_by_decision
from experiments.decision.decision import Evidence, decide, is_settled
from experiments.decision.effects import Effects, estimate_effects
from experiments.decision.factors import compare_factors
from experiments.decision.findings import factor_findings, segment_findings
from experiments.decision.guardrails import judge_guardrails
from experiments.decision.heterogeneity import compare_segments
from experiments.decision.look_sentences import look_taken, not_due
from experiments.decision.looks import Look, NotDue
from experiments.decision.obstacles import find_obstacle
from experiments.decision.posterior import posterior_rows
from experiments.decision.sentences import Sentences
from experiments.decision.winner import correct_winners
from experiments.definition.model import Definition
from experiments.documents.analysis import Analysis, ArmCount, HealthCheck, Reason, Verdict
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
    look: Look | NotDue | None = None,
) -> Analysis:
    """The analysis of what was measured; reads no data.

    Where the design looks more than once, every p-value and interval has the bounds of the look. An interim look that does
    not settle the decision, or none being due, is too early: the document then holds health, counts and the looks.
    Tests that no look adjusts (factors, heterogeneity of segments, effects on compliers) stand at the end only.

    Args:
        definition: The plan and the rule.
        measurement: Counts and moments.
        health: The checks so far; that of the caps is added where caps were applied.
        lock: Whether the plan is the one that was locked.
        sentences: Words for the reasons.
        look: The look that is taken, or that none is due; None for a fixed design.
    """
    obstacle = find_obstacle(definition, health, sentences, at_the_end=_is_last(look))
    if obstacle is not None:
        verdict = Verdict(
            obstacle.status, None, {}, _with_plan(obstacle.reasons, lock, sentences), obstacle.next_step
        )
        return _document(definition, measurement, lock, verdict, health)
    if isinstance(look, NotDue):
        reasons = _with_plan((not_due(look, sentences),), lock, sentences)
        verdict = Verdict("too_early", None, {}, reasons, sentences.next_step("look"))
        return replace(_document(definition, measurement, lock, verdict, health), looks=look.earlier)
    reading = read_by_decision(definition, measurement.metrics, look)
    raw = Contrasts(measurement.metrics, look=look) if reading.adjusted else reading
    guardrails = judge_guardrails(definition, raw)
    taken = () if look is None else (look_taken(definition, look, sentences),)
    if not (_is_last(look) or is_settled(definition, reading, guardrails, sentences)):
        reasons = _with_plan((*taken, sentences.reason("look_undecided")), lock, sentences)
        verdict = Verdict("too_early", None, {}, reasons, sentences.next_step("look"))
        return _at_look(_document(definition, measurement, lock, verdict, health), definition, look)
    adjusted = estimate_effects(definition, reading) if reading.adjusted else Effects((), ())
    effects = estimate_effects(definition, raw)
    money = money_rows(definition, measurement, reading)
    verdict = decide(definition, Evidence(reading, guardrails, money), sentences)
    capping = check_capping(definition, raw, sentences)
    checks = (*health, capping) if capping else tuple(health)
    verdict = replace(verdict, reasons=_with_plan((*verdict.reasons, *taken), lock, sentences))
    if lock.changed:
        verdict = replace(verdict, next_step=sentences.next_step("changed"))
    factorial = compare_factors(definition, raw) if _is_last(look) else ()
    segments = compare_segments(definition, reading) if _is_last(look) else ()
    return replace(
        _at_look(_document(definition, measurement, lock, verdict, checks), definition, look),
        effects=effects.versus_control,
        adjusted_effects=adjusted.versus_control,
        arm_comparisons=effects.between_offers,
        with_best=compare_offers_with_best(definition, reading),
        factorial=factorial,
        segments=segments,
        winner_corrected=correct_winners(definition, reading, verdict),
        guardrails=guardrails,
        money=money,
        bayes=posterior_rows(definition, reading),
        delivery=delivered_shares(definition, measurement),
        compliers=complier_effects(definition, measurement) if _is_last(look) else (),
        findings=(
            *factor_findings(definition, factorial, sentences),
            *segment_findings(definition, reading, segments, sentences),
        ),
    )


def _document(
    definition: Definition,
    measurement: Measurement,
    lock: Lock,
    verdict: Verdict,
    health: Sequence[HealthCheck],
) -> Analysis:
    """The part that every analysis has: verdict, health and the arms' members."""
    members = {arm.id: measurement.assigned_to(arm.id) for arm in definition.all_arms}
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


def _is_last(look: Look | NotDue | None) -> bool:
    return look is None or (isinstance(look, Look) and look.final)


def _at_look(document: Analysis, definition: Definition, look: Look | None) -> Analysis:
    """The document with the looks so far, this one the last."""
    if look is None:
        return document
    return replace(document, look=look.number, looks=(*look.earlier, look.taken(definition)))


def _with_plan(reasons: Sequence[Reason], lock: Lock, sentences: Sentences) -> tuple[Reason, ...]:
    """The reasons with what a reader must know of the plan: first that it changed, or last that it was never locked."""
    if lock.changed:
        return (sentences.reason("definition_changed", keys=", ".join(lock.changed)), *reasons)
    return tuple(reasons) if lock.locked else (*reasons, sentences.reason("not_locked"))
