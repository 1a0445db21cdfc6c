"""causalml's meta-learners and EconML's policy tree and causal forest on the same members, at their usual settings."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.uplift.rows import Row, judge
from benchmarks.uplift.truths import Population
from uplift.causalml_quiet import load_causalml
from uplift.features import Array, FeatureSpace
from uplift.sample import LearningSample

Choose = Callable[[Array], NDArray[np.int64]]
Learn = Callable[[LearningSample, Array], Choose]


def peers_named(which: str) -> tuple[str, ...]:
    """The peers that run: `none`, `quick`, or `all`, with EconML's causal forest, which takes minutes."""
    return {"none": (), "quick": tuple(_learners())[:-1], "all": tuple(_learners())}[which]


def run_peer(name: str, sample: LearningSample, others: Population) -> Row:
    """One peer's policy on members who were not in the test."""
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        columns = _Columns.of(sample)
        choose = _learners()[name](sample, columns.of_codes(sample.members.codes))
        seconds = time.perf_counter() - started
        return judge(name, "individual", choose(columns.of_codes(others.codes)), others, seconds)


@dataclass(frozen=True)
class _Columns:
    """Features as numbers without gaps, which every peer takes; columns that never vary only slow its trees down."""

    space: FeatureSpace
    varies: NDArray[np.int64]

    @classmethod
    def of(cls, sample: LearningSample) -> _Columns:
        spread = np.ptp(sample.space.dense(sample.members.codes), axis=0)
        return cls(sample.space, np.flatnonzero(spread > 0))

    def of_codes(self, codes: Array) -> Array:
        return np.ascontiguousarray(self.space.dense(codes)[:, self.varies])


def _learners() -> dict[str, Learn]:
    meta = ("s_learner", "t_learner", "x_learner", "dr_learner", "r_learner")
    return {
        **{f"causalml {name}": _meta(name) for name in meta},
        "EconML DRPolicyTree": _policy_tree,
        "EconML CausalForestDML": _causal_forest,
    }


def _meta(name: str) -> Learn:
    def learn(sample: LearningSample, dense: Array) -> Choose:
        import lightgbm

        kinds = load_causalml()
        names = np.array([f"{k:03d}" for k in range(len(sample.arms))])
        # Two of the five draw folds; without a seed they would do so anew in every run.
        drawn = {"random_state": sample.seed} if name == "r_learner" else {}
        model = getattr(kinds, name)(
            learner=lightgbm.LGBMRegressor(n_estimators=100, verbosity=-1, n_jobs=1),
            control_name=names[0],
            **drawn,
        )
        shares = [float(arm.share) for arm in sample.arms]
        # causalml means P(arm | arm or control), not the arm's share of the test.
        pair = {name: share / (share + shares[0]) for name, share in zip(names[1:], shares[1:], strict=True)}
        given = {} if name in {"s_learner", "t_learner"} else {"p": _constant(pair, len(sample))}
        given |= {"seed": sample.seed} if name == "dr_learner" else {}
        model.fit(dense, treatment=names[sample.arm], y=sample.value, **given)
        asked = name in {"x_learner", "dr_learner"}

        def choose(columns: Array) -> NDArray[np.int64]:
            extra = {"p": _constant(pair, len(columns))} if asked else {}
            effects = model.predict(columns, **extra)
            return np.asarray(
                np.column_stack([np.zeros(len(columns)), effects]).argmax(axis=1), dtype=np.int64
            )

        return choose

    return learn


def _constant(shares: dict[str, float], members: int) -> dict[str, Array]:
    return {name: np.full(members, share) for name, share in shares.items()}


def _policy_tree(sample: LearningSample, dense: Array) -> Choose:
    from econml.policy import DRPolicyTree  # type: ignore[import-untyped]
    from lightgbm import LGBMRegressor
    from sklearn.dummy import DummyClassifier  # type: ignore[import-untyped]

    tree = DRPolicyTree(
        model_regression=LGBMRegressor(n_estimators=60, num_leaves=15, verbosity=-1, n_jobs=1),
        model_propensity=DummyClassifier(strategy="prior"),
        max_depth=3,
        min_samples_leaf=1000,
        random_state=sample.seed,
    )
    tree.fit(sample.value, sample.arm, X=dense)
    return lambda columns: np.asarray(tree.predict(columns), dtype=np.int64).ravel()


def _causal_forest(sample: LearningSample, dense: Array) -> Choose:
    from econml.dml import CausalForestDML  # type: ignore[import-untyped]
    from lightgbm import LGBMRegressor
    from sklearn.dummy import DummyClassifier

    forest = CausalForestDML(
        model_y=LGBMRegressor(n_estimators=60, num_leaves=15, verbosity=-1, n_jobs=1),
        model_t=DummyClassifier(strategy="prior"),
        discrete_treatment=True,
        n_estimators=100,
        min_samples_leaf=100,
        inference=False,
        n_jobs=1,
        random_state=sample.seed,
    )
    forest.fit(sample.value, sample.arm, X=dense)

    def choose(columns: Array) -> NDArray[np.int64]:
        effects = np.asarray(forest.const_marginal_effect(columns)).reshape(len(columns), -1)
        return np.asarray(np.column_stack([np.zeros(len(columns)), effects]).argmax(axis=1), dtype=np.int64)

    return choose
