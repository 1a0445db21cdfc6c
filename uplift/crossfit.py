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
from uplift.learners import fit_learner
from uplift.rules import Rule, learn_segments, learn_single, learn_tree
from uplift.sample import Integers, LearningSample
from uplift.scores import WORKERS, CrossFit

# A tree of depth 3 searches triples of features, which coarser bins keep affordable.
_BINS = {1: 32, 2: 32, 3: 16}


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


@dataclass
class Arena:
    """Runs the contest of one sample; models are fitted when they are first needed."""

    sample: LearningSample
    plan: Plan
    progress: Progress = silent
    models: CrossFit = field(init=False)
    binned: Binned = field(init=False)

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
        rules: dict[PolicyKind, list[Rule]] = {}
        folds = range(sample.folds)
        self.progress(f"outcome models for {sample.folds} folds")
        self.models.fit_all([(), *product(folds, folds)])
        if any(name != "joint" for name in records):
            load_causalml()
        self.progress(f"{', '.join(['policies', *records])} on {sample.folds} folds")
        with ThreadPoolExecutor(WORKERS) as pool:
            for of_fold in pool.map(lambda fold: self._fold_rules(fold, records), folds):
                for kind, rule in of_fold.items():
                    rules.setdefault(kind, []).append(rule)
        scores = self.models.held_out_scores()
        choices: dict[PolicyKind, Integers] = {}
        stability: dict[PolicyKind, float] = {}
        for kind, of_folds in rules.items():
            everywhere = np.stack([rule.choose(sample.space, sample.members) for rule in of_folds])
            choices[kind] = everywhere[sample.fold, np.arange(len(sample))]
            stability[kind] = float((everywhere != everywhere[0]).any(axis=0).mean())
        favourite = self._favourite(records, scores, np.ones(len(sample), dtype=bool))
        return Contest(scores, self.models.learning_scores(), choices, stability, records, favourite)

    def refit(self, kind: PolicyKind, contest: Contest) -> Rule:
        """The policy of a kind, learned from all members."""
        sample = self.sample
        if kind == "individual":
            assert contest.favourite is not None
            with _one_thread_each():
                model = fit_learner(contest.favourite, sample, self.models.model())
            return self._caution(sample, contest.learning).individual(model, sample.members)
        return self._learn(kind, np.ones(len(sample), dtype=bool), contest.learning)

    def _caution(self, learned: LearningSample, scores: Array) -> Caution:
        """What departures cost by the members who are learned from, with their scores."""
        folds = self.sample.folds
        return Caution.of(learned, learn_single(scores).arm, len(self.sample) * (folds - 1) / folds)

    def _fold_rules(self, fold: int, records: Mapping[LearnerName, LearnerRecord]) -> dict[PolicyKind, Rule]:
        rows = self.sample.fold != fold
        scores = self.models.learning_scores(fold)
        rules: dict[PolicyKind, Rule] = {"best_single_arm": learn_single(scores[rows])}
        for kind in self.plan.kinds:
            if kind in {"by_segment", "tree"}:
                rules[kind] = self._learn(kind, rows, scores)
        if records:
            rules["individual"] = self._individual(fold, scores, records)
        return rules

    def _learn(self, kind: PolicyKind, rows: np.ndarray, scores: Array) -> Rule:
        sample, plan = self.sample, self.plan
        if kind == "by_segment":
            return learn_segments(
                scores[rows], sample.members.segment[rows], len(sample.segments), plan.min_part
            )
        if kind == "tree":
            return learn_tree(scores[rows], self.binned.rows(rows), plan.max_depth, plan.min_part)
        return learn_single(scores[rows])

    def _individual(self, fold: int, scores: Array, records: Mapping[LearnerName, LearnerRecord]) -> Rule:
        """The best learner on the next fold, when fitted without it and `fold`; then fitted on all but `fold`."""
        if len(records) == 1:
            return self._only_learner(fold, scores, next(iter(records.items())))
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
        best = max(effects, key=lambda name: policy_value(scores[judged], effects[name].argmax(axis=1)).value)
        learned = self.sample.without(fold)
        model = fit_learner(best, learned, self.models.model(fold))
        return self._caution(learned, scores[self.sample.fold != fold]).individual(model, learned.members)

    def _only_learner(self, fold: int, scores: Array, only: tuple[LearnerName, LearnerRecord]) -> Rule:
        name, record = only
        started = time.perf_counter()
        learned, held_out = self.sample.without(fold), self.sample.fold == fold
        model = fit_learner(name, learned, self.models.model(fold))
        record.effects[held_out] = model.effects(self.sample.members.codes[held_out])
        record.seconds += time.perf_counter() - started
        return self._caution(learned, scores[~held_out]).individual(model, learned.members)

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
