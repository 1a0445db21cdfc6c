"""Nested cross-fitting: every policy is valued on a fold whose outcomes no part of it has seen."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from experiments.definition.policy import LearnerName, PolicyKind
from experiments.progress import Progress, silent
from uplift.binning import Binned, bin_features
from uplift.causalml_quiet import load_causalml
from uplift.caution import Caution
from uplift.evaluation import policy_value
from uplift.features import Array
from uplift.learners import EffectModel, fit_learner
from uplift.rules import Rule, learn_segments, learn_single, learn_tree
from uplift.sample import Integers, LearningSample
from uplift.scores import WORKERS, CrossFit

# A tree of depth 3 searches triples of features, which coarser bins keep affordable.
_BINS = {1: 32, 2: 32, 3: 16}
# On so many members, the first in a random order, the folds' policies are held against each other.
_STABLE = 100_000


def _one_thread_each() -> Any:
    """Linear algebra in one thread: models are fitted side by side, and on a busy machine its threads wait for each other."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    return threadpool_limits(limits=1, user_api="blas")


@dataclass(frozen=True)
class Plan:
    """What competes, and how small a part of the audience may get an arm of its own.

    Attributes:
        kinds: Kinds of policy.
        learners: Learners behind the individual policy.
        max_depth: Depth of a tree.
        min_part: Members that a leaf or a segment needs.
    """

    kinds: tuple[PolicyKind, ...]
    learners: tuple[LearnerName, ...]
    max_depth: int
    min_part: int


@dataclass
class LearnerRecord:
    """How one learner did: held-out effects of shape (n, K), and the seconds that it took."""

    effects: Array
    seconds: float = 0.0


@dataclass(frozen=True)
class Contest:
    """What cross-fitting found.

    Attributes:
        scores: Shape (n, K): held-out doubly robust scores.
        learning: Shape (n, K): the scores that the policy for all members is learned from.
        choices: Kind to the arm that the policy of the other folds gives each member.
        stability: Kind to the share of members whose arm the folds' policies do not agree on.
        learners: Learner to its held-out effects; empty where no individual policy competes.
        favourite: The learner with the best held-out policy value.
    """

    scores: Array
    learning: Array
    choices: Mapping[PolicyKind, Integers]
    stability: Mapping[PolicyKind, float]
    learners: Mapping[LearnerName, LearnerRecord]
    favourite: LearnerName | None


@dataclass(frozen=True)
class _FoldPolicy:
    """A policy that has not seen a fold, and the arms that it gives the fold's members."""

    rule: Rule
    arms: Integers


@dataclass
class Arena:
    """Runs the contest of one sample; models are fitted when they are first needed."""

    sample: LearningSample
    plan: Plan
    progress: Progress = silent
    models: CrossFit = field(init=False)
    binned: Binned = field(init=False)
    _whole: dict[LearnerName, EffectModel] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.models = CrossFit(self.sample)
        self.binned = bin_features(self.sample.space, self.sample.members.codes, _BINS[self.plan.max_depth])

    def run(self) -> Contest:
        """Learn and value every kind on every fold."""
        with _one_thread_each():
            return self._run()

    def _run(self) -> Contest:
        sample = self.sample
        records = self._records()
        folds = range(sample.folds)
        self.progress(f"outcome models for {sample.folds} folds")
        self.models.fit_all([(), *product(folds, folds)])
        if any(name != "joint" for name in records):
            load_causalml()
        self.progress(f"{', '.join(['policies', *records])} on {sample.folds} folds")
        with ThreadPoolExecutor(WORKERS) as pool:
            # The refit of an only learner is one more piece of the same size: no core waits for it afterwards.
            whole = [pool.submit(self._refit_learner, name) for name in records if len(records) == 1]
            learned = list(pool.map(lambda fold: self._fold_rules(fold, records), folds))
            self._whole.update(zip(records, (each.result() for each in whole), strict=False))
        scores, learning = self.models.scores_of_all()
        choices: dict[PolicyKind, Integers] = {}
        stability: dict[PolicyKind, float] = {}
        first = sample.members.rows(np.arange(min(len(sample), _STABLE)))
        for kind in learned[0]:
            choices[kind] = np.empty(len(sample), dtype=np.int64)
            for fold in folds:
                choices[kind][sample.fold == fold] = learned[fold][kind].arms
            everywhere = np.stack([of_fold[kind].rule.choose(sample.space, first) for of_fold in learned])
            stability[kind] = float((everywhere != everywhere[0]).any(axis=0).mean())
        favourite = self._favourite(records, scores, np.ones(len(sample), dtype=bool))
        return Contest(scores, learning, choices, stability, records, favourite)

    def refit(self, kind: PolicyKind, contest: Contest) -> Rule:
        """The policy of a kind, learned from all members."""
        sample = self.sample
        if kind == "individual":
            assert contest.favourite is not None
            with _one_thread_each():
                model = self._whole.get(contest.favourite) or self._refit_learner(contest.favourite)
            return self._caution(sample, contest.learning).individual(model, sample.members)
        return self._learn(kind, np.ones(len(sample), dtype=bool), contest.learning)

    def _refit_learner(self, name: LearnerName) -> EffectModel:
        return fit_learner(name, self.sample, self.models.model())

    def _caution(self, learned: LearningSample, scores: Array) -> Caution:
        """What departures cost by the members who are learned from, with their scores."""
        folds = self.sample.folds
        return Caution.of(learned, learn_single(scores).arm, len(self.sample) * (folds - 1) / folds)

    def _fold_rules(
        self, fold: int, records: Mapping[LearnerName, LearnerRecord]
    ) -> dict[PolicyKind, _FoldPolicy]:
        sample = self.sample
        rows = sample.fold != fold
        scores = self.models.learning_scores(fold)
        rules: dict[PolicyKind, Rule] = {"best_single_arm": learn_single(scores[rows])}
        for kind in self.plan.kinds:
            if kind in {"by_segment", "tree"}:
                rules[kind] = self._learn(kind, rows, scores)
        held_out = sample.members.rows(~rows)
        found = {kind: _FoldPolicy(rule, rule.choose(sample.space, held_out)) for kind, rule in rules.items()}
        if records:
            found["individual"] = self._individual(fold, scores, records)
        return found

    def _learn(self, kind: PolicyKind, rows: np.ndarray, scores: Array) -> Rule:
        sample, plan = self.sample, self.plan
        if kind == "by_segment":
            return learn_segments(
                scores[rows], sample.members.segment[rows], len(sample.segments), plan.min_part
            )
        if kind == "tree":
            return learn_tree(scores[rows], self.binned.rows(rows), plan.max_depth, plan.min_part)
        return learn_single(scores[rows])

    def _individual(
        self, fold: int, scores: Array, records: Mapping[LearnerName, LearnerRecord]
    ) -> _FoldPolicy:
        """The best learner on the next fold, when fitted without it and `fold`; then fitted on all but `fold`."""
        name = next(iter(records)) if len(records) == 1 else self._best_learner(fold, scores, records)
        started = time.perf_counter()
        learned, held_out = self.sample.without(fold), self.sample.fold == fold
        model = fit_learner(name, learned, self.models.model(fold))
        effects = model.effects(self.sample.members.codes[held_out])
        if len(records) == 1:
            records[name].effects[held_out] = effects
            records[name].seconds += time.perf_counter() - started
        rule = self._caution(learned, scores[~held_out]).individual(model, learned.members)
        return _FoldPolicy(rule, rule.arms_of(effects))

    def _best_learner(
        self, fold: int, scores: Array, records: Mapping[LearnerName, LearnerRecord]
    ) -> LearnerName:
        after = (fold + 1) % self.sample.folds
        training, judged = self.sample.without(fold, after), self.sample.fold == after
        effects: dict[LearnerName, Array] = {}
        for name, record in records.items():
            started = time.perf_counter()
            model = fit_learner(name, training, self.models.model(fold, after))
            effects[name] = model.effects(self.sample.members.codes[judged])
            held_out = self.sample.fold == fold
            record.effects[held_out] = model.effects(self.sample.members.codes[held_out])
            record.seconds += time.perf_counter() - started
        return max(effects, key=lambda name: policy_value(scores[judged], effects[name].argmax(axis=1)).value)

    def _records(self) -> dict[LearnerName, LearnerRecord]:
        names: Sequence[LearnerName] = self.plan.learners if "individual" in self.plan.kinds else ()
        shape = (len(self.sample), len(self.sample.arms))
        return {name: LearnerRecord(np.zeros(shape)) for name in names}

    def _favourite(
        self, records: Mapping[LearnerName, LearnerRecord], scores: Array, rows: np.ndarray
    ) -> LearnerName | None:
        if not records:
            return None
        return max(
            records,
            key=lambda name: policy_value(scores[rows], records[name].effects[rows].argmax(axis=1)).value,
        )
