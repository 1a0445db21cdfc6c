"""What a rollout offers: the proven policy, or the analysis's winner for each segment, with what each offer should bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from experiments.definition.errors import InputError, RefusedError
from experiments.definition.metrics import SumMetric
from experiments.documents.analysis import Analysis, Effect, WinnerCorrected
from experiments.documents.storage import read_document
from experiments.measurement.measurement import MetricMoments
from experiments.queries import column
from uplift.design_effect import design_effect
from uplift.evidence import PACKAGE, Evidence
from uplift.features import Array, FeatureSpace, Kind
from uplift.policy import ShippedPolicy, load_policy
from uplift.reading import feature_kinds, segment_names
from uplift.rules import Everybody, Individual, Rule, SegmentTable, Tree
from uplift.sample import FEWEST


@dataclass(frozen=True)
class Offers:
    """A rule and what is known of its C parts of the audience.

    Attributes:
        rule: Gives each member a part and an arm.
        policy: The policy that the rule is of; None for the analysis's winners.
        arms: Ids of the arms, control first.
        segments: Names of the segments.
        arm: Shape (C,): the arm that each part is offered, never one that may not be rolled out.
        barred: Ids of the arms that the rule gives somebody and that may not be rolled out.
        gains: Shape (C, K): what each arm brings per member over no contact.
        errors: Shape (C, K): standard errors of the gains.
        optimism: Shape (C,): what the gain of each part's own arm is too high by, for having been chosen.
        spread: Shape (C, K): standard deviation of the value among the members of each arm in each part.
        clustering: By how much members of one unit, who act alike, raise the variance of means; 1 where the unit is the
            member.
    """

    rule: Rule
    policy: ShippedPolicy | None
    arms: tuple[str, ...]
    segments: tuple[str, ...]
    arm: tuple[int, ...]
    barred: tuple[str, ...]
    gains: Array
    errors: Array
    optimism: Array
    spread: Array
    clustering: float = 1.0

    @property
    def space(self) -> FeatureSpace:
        """The space of the rule's features; empty for winners."""
        return self.policy.space if self.policy else FeatureSpace(())

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The features of the rule."""
        return self.policy.kinds if self.policy else {}


def read_analysis(evidence: Evidence) -> Analysis:
    """The analysis of this definition, with a verdict to roll out.

    Raises:
        RefusedError: There is none, it is of another definition, or its verdict is another.
    """
    experiment = evidence.experiment
    say, file = experiment.words.say, experiment.arguments
    analysis = read_document(Analysis, experiment.workspace.document("analysis"))
    if analysis is None or analysis.definition_sha256 not in evidence.versions:
        code = "rollout.no_analysis" if analysis is None else "rollout.other_analysis"
        raise RefusedError([say(PACKAGE, code)], say(PACKAGE, "rollout.run_analyze", file=file))
    if analysis.verdict.status != "rollout":
        told = say(PACKAGE, "rollout.not_rollout", status=analysis.verdict.status)
        raise RefusedError(
            [told, *(reason.text for reason in analysis.verdict.reasons)], analysis.verdict.next_step
        )
    if not evidence.eligible:
        raise RefusedError([say(PACKAGE, "rollout.no_arm")], analysis.verdict.next_step)
    return analysis


def choose_offers(evidence: Evidence, analysis: Analysis, metric: str) -> Offers:
    """The proven policy where `uplift` kept one for this definition and metric, else the winner of each segment.

    Of a part whose arm is not eligible, the best eligible arm takes the place; nothing where none brings anything.

    Raises:
        InputError: The stored policy cannot be used, or a feature is of another kind than when it was learned.
        OutsideError: The policy is a model, which is absent or another one.
    """
    policy = load_policy(evidence.experiment.workspace)
    fits = policy and policy.definition_sha256 in evidence.versions and policy.value_metric == metric
    found = (
        _of_policy(evidence, policy)
        if policy and fits and policy.proven
        else _of_winners(evidence, analysis, metric)
    )
    return replace(found, clustering=design_effect(evidence, column(evidence.units.metric_columns[metric])))


def _of_policy(evidence: Evidence, policy: ShippedPolicy) -> Offers:
    _require_kinds(evidence, policy)
    gains = np.array([cell.gains for cell in policy.cells]) - uncounted_contact(evidence, policy.value_metric)
    errors = np.array([cell.std_errors for cell in policy.cells])
    members = np.array([cell.members for cell in policy.cells], dtype=float)
    own = rule_arms(policy.rule, len(policy.cells), policy)
    barred = evidence.barred(policy.arms[arm] for arm, here in zip(own, members, strict=True) if here)
    arm = tuple(_allowed(arm, gains[cell], evidence.eligible, policy.arms) for cell, arm in enumerate(own))
    spread = np.array([cell.spread for cell in policy.cells])
    return Offers(
        policy.rule,
        policy,
        policy.arms,
        policy.segments,
        arm,
        barred,
        gains,
        errors,
        np.full(len(policy.cells), optimism_of(policy)),
        spread,
    )


def _require_kinds(evidence: Evidence, policy: ShippedPolicy) -> None:
    """Numbers are still numbers, and categories categories: of another kind every value would be one that was never seen."""
    if isinstance(policy.rule, Everybody | SegmentTable):
        return
    definition = evidence.experiment.definition
    kinds = feature_kinds(definition, evidence.units.columns)
    faults = [
        definition.origin.fault(
            ("uplift", "features", place),
            f"`{name}` is a {kinds[name]} now and was a {was} when the policy was learned",
            "give the column its type again, or run `offerwise uplift` again",
        )
        for place, (name, was) in enumerate(policy.kinds.items())
        if kinds[name] != was
    ]
    if faults:
        raise InputError(faults)


def optimism_of(policy: ShippedPolicy) -> float:
    """By how much the gains of the arms that a policy gives are too high, per member, for having been chosen.

    What they add up to over its parts, less what the folds' policies gained on members from whom they were not learned.
    """
    members = np.array([cell.members for cell in policy.cells], dtype=float)
    own = rule_arms(policy.rule, len(policy.cells), policy)
    seen = np.array([cell.gains[arm] for cell, arm in zip(policy.cells, own, strict=True)])
    treated = members[np.array(own) > 0].sum() / members.sum()
    excess = float(np.average(seen, weights=members)) - policy.held_out_gain
    return max(0.0, excess) / treated if treated > 0 else 0.0


def rule_arms(rule: Rule, cells: int, policy: ShippedPolicy) -> tuple[int, ...]:
    """The arm of each part of the audience."""
    if isinstance(rule, Individual):
        return rule.arms_of_parts(len(policy.arms))
    if isinstance(rule, SegmentTable | Tree):
        return rule.arms
    assert isinstance(rule, Everybody)
    return (rule.arm,) * cells


def _of_winners(evidence: Evidence, analysis: Analysis, metric: str) -> Offers:
    definition = evidence.experiment.definition
    arms = tuple(arm.id for arm in definition.all_arms)
    segments = segment_names(definition)
    winners = analysis.verdict.winner_by_segment
    overall = analysis.verdict.winner or arms[0]
    _require_known({overall, *winners.values()} - {*arms}, evidence)
    chosen = tuple(arms.index(winners.get(name, overall)) for name in segments)
    rows = {
        (row.segment, row.arm): row
        for row in (analysis.adjusted_effects or analysis.effects)
        if row.metric == metric and row.versus == arms[0]
    }
    gains, errors = np.zeros((len(segments), len(arms))), np.zeros((len(segments), len(arms)))
    for place, name in enumerate(segments):
        for k, arm in enumerate(arms):
            row: Effect | None = rows.get((name, arm)) or rows.get((None, arm))
            if row is not None:
                gains[place, k], errors[place, k] = row.difference, row.std_error or 0.0
    gains = gains - uncounted_contact(evidence, metric)
    spread = _spread(evidence.measurement.metrics[metric], segments, arms)
    barred = evidence.barred(arms[k] for k in chosen)
    offered = tuple(_allowed(k, gains[place], evidence.eligible, arms) for place, k in enumerate(chosen))
    optimism = winners_optimism(analysis.winner_corrected, metric, segments)
    return Offers(
        SegmentTable(chosen), None, arms, segments, offered, barred, gains, errors, optimism, spread
    )


def _require_known(unknown: set[str], evidence: Evidence) -> None:
    """The winners are arms of the definition, as they were when the analysis was written."""
    if unknown:
        experiment = evidence.experiment
        raise InputError.single(
            f"names winners that are no arms: {', '.join(sorted(unknown))}",
            f"run `offerwise analyze {experiment.arguments}` again",
            file=experiment.workspace.document("analysis"),
            key="verdict",
        )


def winners_optimism(corrected: Sequence[WinnerCorrected], metric: str, segments: tuple[str, ...]) -> Array:
    """Shape (C,): by how much the winner of each segment that departs is too high, the overall winner elsewhere."""
    found = {row.segment: max(0.0, row.naive - row.corrected) for row in corrected if row.metric == metric}
    return np.array([found.get(name, found.get(None, 0.0)) for name in segments])


def _spread(moments: MetricMoments, segments: tuple[str, ...], arms: tuple[str, ...]) -> Array:
    """Shape (C, K): of each segment, or of everybody where the arm has few members there."""
    found = np.zeros((len(segments), len(arms)))
    for k, arm in enumerate(arms):
        everywhere = moments.arm(arm)
        for place, name in enumerate(segments):
            here = moments.arm(arm, name)
            few = here.count < FEWEST
            found[place, k] = np.sqrt((everywhere if few else here).variance(moments.value))
    return found


def _allowed(arm: int, gains: Array, eligible: tuple[str, ...], arms: tuple[str, ...]) -> int:
    if arm == 0 or arms[arm] in eligible:
        return arm
    rest = [k for k, name in enumerate(arms) if name in eligible]
    best = max(rest, key=lambda k: float(gains[k]))
    return best if gains[best] > 0 else 0


def uncounted_contact(evidence: Evidence, metric: str) -> Array:
    """Shape (K,): the contact cost of each arm where the value is a sum, from which it has not gone off; else 0."""
    definition = evidence.experiment.definition
    is_sum = isinstance(definition.metrics[metric], SumMetric)
    return np.array([arm.contact_cost if is_sum else 0.0 for arm in definition.all_arms])
