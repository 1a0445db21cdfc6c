"""The search for an offer policy: learned and valued on different members, chosen by the gate, fitted again on all."""

from __future__ import annotations

from dataclasses import dataclass, replace

from experiments.definition.model import Definition
from experiments.definition.uplift import PolicyKind
from experiments.definition.uplift import Uplift as Settings
from experiments.experiment import Experiment
from uplift.crossfit import Arena, Contest, Plan
from uplift.documents import Chosen, SegmentOffer, Uplift
from uplift.evaluation import estimate_part, policy_scores
from uplift.evidence import Evidence, open_evidence, value_metric_of
from uplift.explanation import drivers, resampled_share, tree_nodes
from uplift.features import Array
from uplift.gate import Contender, run_gate
from uplift.heterogeneity import heterogeneity_test
from uplift.learnable import require_learnable
from uplift.next_test import draft_path, propose_next
from uplift.offers import rule_arms
from uplift.parts import policy_parts
from uplift.policy import CellFigures, ShippedPolicy, save_policy
from uplift.reading import Reading, read_sample, uplift_settings
from uplift.rules import Everybody, Individual, Rule
from uplift.sample import Integers, LearningSample
from uplift.sentences import PolicyWords
from uplift.sql import arm_case
from uplift.valuation import valued_learner, valued_policy

NOBODY = Everybody(0)

_BANDS = 5
"""Parts of an individual policy's offers by predicted effect, each with its own figures."""


@dataclass(frozen=True)
class UpliftResult:
    """What the search gives.

    Attributes:
        document: `uplift --json`.
        policy: The policy that ships.
        scores: Shape (n, K): held-out doubly robust scores of the learning sample.
        sample: The learning sample.
    """

    document: Uplift
    policy: ShippedPolicy
    scores: Array
    sample: LearningSample


def find_policy(experiment: Experiment, value: str | None = None, *, explain: bool = True) -> UpliftResult:
    """Find the best offer policy for a metric and prove it on members that it was not learned from.

    The policy for the definition's own value metric is kept as `policy.json` for `rollout`; that for another metric
    answers a question and is not kept.

    Args:
        experiment: An experiment with outcomes.
        value: The metric; the definition's value where absent.
        explain: Whether the document tells, beside the proof, parts, reasons, stability and the next test.

    Raises:
        InputError: The metric or the features cannot be used.
        RefusedError: The test is invalid or not over, or there are too few members to learn from.
        OutsideError: The engine or the disk fails.
    """
    definition = experiment.definition
    settings = uplift_settings(definition)
    metric = value_metric_of(experiment, value)
    evidence = open_evidence(experiment)
    reading = read_sample(evidence, metric)
    sample = reading.sample
    require_learnable(experiment, sample)
    plan = _plan(definition, settings, len(sample.arms))
    arena = Arena(sample, plan, experiment.progress)
    contest = arena.run()
    experiment.progress("Testing whether effects differ between members")
    heterogeneity = heterogeneity_test(arena.models, arena.binned, plan.min_part)
    gate = run_gate(contest.scores, contest.choices, sample.folds, contest.expected, sample.unit)
    experiment.progress("Fitting the chosen policy on all members")
    rules = {kind: _banded(arena.refit(kind, contest), sample) for kind in contest.choices}
    single = rules["best_single_arm"]
    kind: PolicyKind = gate.chosen.kind
    if kind == "treat_nobody" or (kind == "best_single_arm" and single == NOBODY):
        kind, rules["treat_nobody"] = "treat_nobody", NOBODY
    policy = _ship(experiment, metric, reading, contest, replace(gate.chosen, kind=kind), rules[kind])
    words = PolicyWords(evidence.sentences, sample, metric)
    offered = _offers(policy.rule, contest.scores, sample, words)
    barred = evidence.barred(row.arm for row in offered)
    document = Uplift(
        experiment=definition.id,
        value_metric=metric,
        learners=tuple(
            valued_learner(name, record, contest.scores, sample) for name, record in contest.learners.items()
        ),
        heterogeneity=heterogeneity,
        policies=tuple(valued_policy(each, rules, contest, sample, words) for each in gate.contenders),
        chosen=Chosen(
            kind, words.reason(gate, kind, single, reading.members, barred), _sql(experiment, policy)
        ),
        offers_by_segment=offered,
        members=reading.members,
        sampled=len(sample),
        notes=evidence.notes,
    )
    own = metric == definition.goals.value_metric
    if explain:
        document = _explained(document, evidence, policy, arena, contest, words, own=own)
    if own:
        save_policy(policy, experiment.workspace)
    return UpliftResult(document, policy, contest.scores, sample)


def _plan(definition: Definition, settings: Settings, arms: int) -> Plan:
    """What competes, by the definition, for so many arms that are open."""
    return Plan(
        kinds=settings.policy.kinds,
        learners=settings.learners,
        max_depth=settings.policy.max_depth,
        min_part=definition.decision.pick.min_members_per_arm * arms,
    )


def _explained(
    document: Uplift,
    evidence: Evidence,
    policy: ShippedPolicy,
    arena: Arena,
    contest: Contest,
    words: PolicyWords,
    *,
    own: bool,
) -> Uplift:
    """With the policy's parts, its reasons, how firm it is, and for the definition's own value the next test."""
    sample, rule, experiment = arena.sample, policy.rule, evidence.experiment
    found = replace(
        document,
        parts=policy_parts(evidence, policy, words),
        drivers=drivers(sample, arena.models.model(), words),
        tree=tree_nodes(rule, sample, words),
        resampled=resampled_share(arena, contest, policy.kind, rule),
    )
    if not own:
        return found
    used = frozenset(rule_arms(rule, len(policy.cells), policy))
    found = replace(found, next_test=propose_next(evidence, sample, contest.scores, used, words))
    draft = draft_path(experiment)
    return replace(found, files={"next_test": str(draft)}) if draft.exists() else found


def _ship(
    experiment: Experiment, metric: str, reading: Reading, contest: Contest, chosen: Contender, rule: Rule
) -> ShippedPolicy:
    sample = reading.sample
    return ShippedPolicy(
        definition_sha256=experiment.definition.origin.sha256,
        value_metric=metric,
        kind=chosen.kind,
        proven=chosen.proven,
        arms=tuple(arm.id for arm in sample.arms),
        segments=sample.segments,
        kinds=reading.kinds,
        space=sample.space,
        rule=rule,
        cells=cell_figures(contest.scores, sample, rule, held_out_parts(rule, sample, contest)),
        held_out_gain=chosen.over_control.value,
        held_out_error=chosen.over_control.std_error,
    )


def held_out_parts(rule: Rule, sample: LearningSample, contest: Contest) -> Integers:
    """Shape (n,): the part of the audience by which each member of the test tells what the policy earns there.

    A model has seen the outcomes of its own members: those whom it ranks highest are those who were lucky. Each member is
    therefore placed by the effects that its learner predicted from the other folds, as the scores are.
    """
    if isinstance(rule, Individual):
        assert contest.favourite is not None
        return rule.cells_of(contest.learners[contest.favourite].effects)
    return rule.cells(sample.space, sample.members)


def cell_figures(
    scores: Array, sample: LearningSample, rule: Rule, cells: Integers
) -> tuple[CellFigures, ...]:
    """For each part of the audience the gains of all arms over no contact, and the value's spread.

    Args:
        scores: Shape (n, K): held-out doubly robust scores.
        sample: The members.
        rule: Says how many parts there are.
        cells: Shape (n,): each member's part.
    """
    found, gains = [], scores - scores[:, :1]
    for cell in range(rule.parts(scores.shape[1])):
        here = cells == cell
        estimates = [estimate_part(column, here, sample.unit) for column in gains.T]
        found.append(
            CellFigures(
                int(here.sum()),
                tuple(each.value for each in estimates),
                tuple(each.std_error for each in estimates),
                tuple(sample.spread(here).tolist()),
            )
        )
    return tuple(found)


def _banded(rule: Rule, sample: LearningSample) -> Rule:
    return rule.banded(sample.members, _BANDS) if isinstance(rule, Individual) else rule


def _sql(experiment: Experiment, policy: ShippedPolicy) -> str | None:
    case = arm_case(policy.rule, experiment.engine, policy.segments, policy.arms)
    return None if case is None else case.sql(experiment.engine.dialect, pretty=True)


def _offers(
    rule: Rule, scores: Array, sample: LearningSample, words: PolicyWords
) -> tuple[SegmentOffer, ...]:
    """Segments and arms in the definition's order, with the members of the sample and their value."""
    chosen = rule.choose(sample.space, sample.members)
    given = policy_scores(scores, chosen)
    rows = []
    for number, name in enumerate(sample.segments):
        for k, arm in enumerate(sample.arms):
            here = (sample.members.segment == number) & (chosen == k)
            if here.any():
                value = estimate_part(given, here, sample.unit)
                rows.append(
                    SegmentOffer(words.segment(name), arm.id, int(here.sum()), value.value, *value.interval())
                )
    return tuple(rows)
