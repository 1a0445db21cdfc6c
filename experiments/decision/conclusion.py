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
from experiments.documents.analysis import Analysis, ArmCount, HealthCheck, Reason, Verdict, VerdictStatus
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
    frame = _Frame(definition, measurement, health, lock, sentences)
    obstacle = find_obstacle(definition, health, sentences, at_the_end=_is_last(look))
    if obstacle is not None:
        return frame.without_effects(obstacle.status, obstacle.reasons, obstacle.next_step)
    if isinstance(look, NotDue):
        reasons = (not_due(look, sentences),)
        document = frame.without_effects("too_early", reasons, sentences.next_step("look"))
        return replace(document, looks=look.earlier)
    reading = read_by_decision(definition, measurement.metrics, look)
    raw = Contrasts(measurement.metrics, look=look) if reading.adjusted else reading
    guardrails = judge_guardrails(definition, raw)
    taken = () if look is None else (look_taken(definition, look, sentences),)
    if not (_is_last(look) or is_settled(definition, reading, guardrails, sentences)):
        reasons = (*taken, sentences.reason("look_undecided"))
        document = frame.without_effects("too_early", reasons, sentences.next_step("look"))
        return _at_look(document, definition, look)
    adjusted = estimate_effects(definition, reading) if reading.adjusted else Effects((), ())
    effects = estimate_effects(definition, raw)
    money = money_rows(definition, measurement, reading)
    verdict = decide(definition, Evidence(reading, guardrails, money), sentences)
    verdict = replace(verdict, reasons=frame.with_plan((*verdict.reasons, *taken)))
    if lock.changed:
        verdict = replace(verdict, next_step=sentences.next_step("changed"))
    capping = check_capping(definition, raw, sentences)
    document = replace(
        _at_look(frame.document(verdict, capping), definition, look),
        effects=effects.versus_control,
        adjusted_effects=adjusted.versus_control,
        arm_comparisons=effects.between_offers,
        with_best=compare_offers_with_best(definition, reading),
        winner_corrected=correct_winners(definition, reading, verdict),
        guardrails=guardrails,
        money=money,
        bayes=posterior_rows(definition, reading),
        delivery=delivered_shares(definition, measurement),
    )
    return frame.at_the_end(document, reading, raw) if _is_last(look) else document


@dataclass(frozen=True)
class _Frame:
    """What every analysis says, whatever it may read: the verdict, the health and the arms' members."""

    definition: Definition
    measurement: Measurement
    health: Sequence[HealthCheck]
    lock: Lock
    sentences: Sentences

    def document(self, verdict: Verdict, capping: HealthCheck | None = None) -> Analysis:
        """The document without effects, with the check of the caps where there is one."""
        arms = self.definition.all_arms
        members = {arm.id: self.measurement.assigned_to(arm.id) for arm in arms}
        total = sum(members.values())
        return Analysis(
            experiment=self.definition.id,
            definition_sha256=self.definition.origin.sha256,
            locked=self.lock.locked,
            verdict=verdict,
            health=(*self.health, capping) if capping else tuple(self.health),
            arms=tuple(
                ArmCount(arm.id, arm.label, members[arm.id], members[arm.id] / total if total else 0.0)
                for arm in arms
            ),
        )

    def without_effects(self, status: VerdictStatus, reasons: Sequence[Reason], next_step: str) -> Analysis:
        """The document of an experiment whose effects may not be read."""
        return self.document(Verdict(status, None, {}, self.with_plan(reasons), next_step))

    def at_the_end(self, document: Analysis, reading: Contrasts, raw: Contrasts) -> Analysis:
        """The document with the tests that no look adjusts."""
        factorial = compare_factors(self.definition, raw)
        segments = compare_segments(self.definition, reading)
        return replace(
            document,
            factorial=factorial,
            segments=segments,
            compliers=complier_effects(self.definition, self.measurement),
            findings=(
                *factor_findings(self.definition, factorial, self.sentences),
                *segment_findings(self.definition, reading, segments, self.sentences),
            ),
        )

    def with_plan(self, reasons: Sequence[Reason]) -> tuple[Reason, ...]:
        """The reasons with what a reader must know of the plan: first that it changed, or last that it was never locked."""
        if self.lock.changed:
            keys = ", ".join(self.lock.changed)
            return (self.sentences.reason("definition_changed", keys=keys), *reasons)
        return tuple(reasons) if self.lock.locked else (*reasons, self.sentences.reason("not_locked"))


def _is_last(look: Look | NotDue | None) -> bool:
    return look is None or (isinstance(look, Look) and look.final)


def _at_look(document: Analysis, definition: Definition, look: Look | None) -> Analysis:
    """The document with the looks so far, this one the last."""
    if look is None:
        return document
    return replace(document, look=look.number, looks=(*look.earlier, look.taken(definition)))
