"""Nested cross-fitting: every policy is valued on a fold whose outcomes no part of it has seen."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from experiments.definition.uplift import LearnerName, PolicyKind
from experiments.progress import Progress, silent
from uplift.binning import Binned, bin_features
from uplift.causalml_quiet import load_causalml
from uplift.caution import Caution
from uplift.evaluation import policy_value
from uplift.features import Array
from uplift.learners import EffectModel, fit_learner
from uplift.rules import Individual, Rule, learn_segments, learn_single, learn_tree
from uplift.sample import Flags, Integers, LearningSample, Members
from uplift.scores import WORKERS, CrossFit, lean_on_effects

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
        learners: Learners behind the individual policy. Without any, trees and tables are learned from scores alone, without caution.
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

    @property
    def expected(self) -> Array | None:
        """Shape (n, K): held-out effects of the joint learner, which are calibrated; None where it does not compete."""
        return self.learners["joint"].effects if "joint" in self.learners else None


@dataclass(frozen=True)
class _FoldArms:
    """The arms that a policy which has not seen a fold gives the fold's members, and those it gives the first of all members."""

    held_out: Integers
    first: Integers


@dataclass
class Arena:
    """Runs the contest of one sample; models are fitted when they are first needed."""

    sample: LearningSample
    plan: Plan
    progress: Progress = silent
    models: CrossFit = field(init=False)
    binned: Binned = field(init=False)
    _learners: dict[tuple[LearnerName, tuple[int, ...]], EffectModel] = field(
        default_factory=dict, init=False
    )
    _margins: dict[tuple[LearnerName, tuple[int, ...]], Array] = field(default_factory=dict, init=False)

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
            # With the refit of an only learner and the scores of all members, no core waits while the last fold is learned.
            whole = [pool.submit(self._learner, name) for name in records if len(records) == 1]
            of_folds = [pool.submit(self._fold_arms, fold, records) for fold in folds]
            scored = pool.submit(self.models.scores_of_all)
            for each in whole:
                each.result()
            learned = [each.result() for each in of_folds]
            scores, learning = scored.result()
        choices: dict[PolicyKind, Integers] = {}
        stability: dict[PolicyKind, float] = {}
        for kind in learned[0]:
            choices[kind] = np.empty(len(sample), dtype=np.int64)
            for fold in folds:
                choices[kind][sample.fold == fold] = learned[fold][kind].held_out
            everywhere = np.stack([of_fold[kind].first for of_fold in learned])
            stability[kind] = float((everywhere != everywhere[0]).any(axis=0).mean())
        favourite = self._favourite(records, scores, np.ones(len(sample), dtype=bool))
        return Contest(scores, learning, choices, stability, records, favourite)

    def refit(self, kind: PolicyKind, contest: Contest) -> Rule:
        """The policy of a kind, learned from all members."""
        everybody = np.ones(len(self.sample), dtype=bool)
        with _one_thread_each():
            if kind == "individual":
                assert contest.favourite is not None
                return self._cautious(contest.favourite, everybody, contest.learning)
            return self._learn(kind, everybody, contest.learning)

    def relearn(self, kind: PolicyKind, contest: Contest, rows: Flags) -> Rule:
        """The policy of a kind, learned from the members `rows` (shape (n,), boolean) as if there were no others.

        The smallest part shrinks with them.
        """
        part = self.sample.rows(rows)
        plan = replace(self.plan, min_part=max(1, round(self.plan.min_part * len(part) / len(self.sample))))
        smaller = replace(self, sample=part, plan=plan, progress=silent)
        smaller.models.fit = self.models.fit
        return smaller.refit(kind, replace(contest, learning=contest.learning[rows]))

    def _learner(self, name: LearnerName, *left_out: int) -> EffectModel:
        """A learner of the members outside of these folds, fitted when it is first asked for."""
        key = (name, left_out)
        if key not in self._learners:
            sample = self.sample.without(*left_out) if left_out else self.sample
            self._learners[key] = fit_learner(name, sample, self.models.model(*left_out))
        return self._learners[key]

    def _margins_of(self, name: LearnerName, rows: Flags, scores: Array, *left_out: int) -> Array:
        """What a member must gain to depart to each arm, by a learner of the members `rows` and the noise of their scores."""
        key = (name, left_out)
        if key not in self._margins:
            learned, folds = self.sample.rows(rows), self.sample.folds
            valued_on = len(self.sample) * (folds - 1) / folds
            caution = Caution.of(learned, learn_single(scores[rows]).arm, valued_on)
            self._margins[key] = caution.margins_of(self._learner(name, *left_out), learned.members)
        return self._margins[key]

    def _cautious(self, name: LearnerName, rows: Flags, scores: Array, *left_out: int) -> Individual:
        margins = self._margins_of(name, rows, scores, *left_out)
        return Individual(self._learner(name, *left_out), margins=tuple(margins.tolist()))

    def _fold_arms(
        self, fold: int, records: Mapping[LearnerName, LearnerRecord]
    ) -> dict[PolicyKind, _FoldArms]:
        sample = self.sample
        rows = sample.fold != fold
        scores = self.models.learning_scores(fold)
        individual = self._individual(fold, scores, records) if records else None
        rules: dict[PolicyKind, Rule] = {"best_single_arm": learn_single(scores[rows])}
        for kind in self.plan.kinds:
            if kind in {"by_segment", "tree"}:
                rules[kind] = self._learn(kind, rows, scores, fold)
        held_out, first = sample.members.rows(~rows), self._first
        found = {
            kind: _FoldArms(rule.choose(sample.space, held_out), rule.choose(sample.space, first))
            for kind, rule in rules.items()
        }
        if individual is not None:
            found["individual"] = individual
        return found

    @property
    def _first(self) -> Members:
        """On these members the folds' policies are held against each other."""
        return self.sample.members.rows(np.arange(min(len(self.sample), _STABLE)))

    def _learn(self, kind: PolicyKind, rows: Flags, scores: Array, *left_out: int) -> Rule:
        sample, plan = self.sample, self.plan
        learned = scores[rows]
        if kind == "best_single_arm":
            return learn_single(learned)
        if plan.learners and kind == "tree":
            learned = lean_on_effects(learned, self._learner("joint", *left_out), sample.members.codes[rows])
        if plan.learners:
            learned = learned - self._margins_of("joint", rows, scores, *left_out)
        if kind == "tree":
            return learn_tree(learned, self.binned.rows(rows), plan.max_depth, plan.min_part)
        return learn_segments(learned, sample.members.segment[rows], len(sample.segments), plan.min_part)

    def _individual(
        self, fold: int, scores: Array, records: Mapping[LearnerName, LearnerRecord]
    ) -> _FoldArms:
        """The best learner on the next fold, when fitted without it and `fold`; then fitted on all but `fold`."""
        name = next(iter(records)) if len(records) == 1 else self._best_learner(fold, scores, records)
        started = time.perf_counter()
        model, held_out = self._learner(name, fold), self.sample.fold == fold
        effects = model.effects(self.sample.members.codes[held_out])
        if len(records) == 1:
            records[name].effects[held_out] = effects
            records[name].seconds += time.perf_counter() - started
        rule = self._cautious(name, ~held_out, scores, fold)
        return _FoldArms(rule.arms_of(effects), rule.choose(self.sample.space, self._first))

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
