"""causalml's meta-learners and EconML's policy tree and causal forest on the same members, at their usual settings."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.uplift.rows import Row, judge
from benchmarks.uplift.truths import Population
from uplift.causalml_quiet import load_causalml
from uplift.sample import LearningSample

Choose = Callable[[NDArray[np.float64]], NDArray[np.int64]]


def peers_named(which: str) -> tuple[str, ...]:
    """The peers that run: `none`, `quick`, or `all`, with EconML's causal forest, which takes minutes."""
    return {"none": (), "quick": tuple(_learners())[:-1], "all": tuple(_learners())}[which]


def run_peer(name: str, sample: LearningSample, others: Population) -> Row:
    """One peer's policy on members who were not in the test."""
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        choose = _learners()[name](sample)
        seconds = time.perf_counter() - started
        return judge(name, "individual", choose(sample.space.dense(others.codes)), others, seconds)


def _learners() -> dict[str, Callable[[LearningSample], Choose]]:
    meta = ("s_learner", "t_learner", "x_learner", "dr_learner", "r_learner")
    return {
        **{f"causalml {name}": _meta(name) for name in meta},
        "EconML DRPolicyTree": _policy_tree,
        "EconML CausalForestDML": _causal_forest,
    }


def _meta(name: str) -> Callable[[LearningSample], Choose]:
    def learn(sample: LearningSample) -> Choose:
        import lightgbm

        kinds = load_causalml()
        names = np.array([f"{k:03d}" for k in range(len(sample.arms))])
        model = getattr(kinds, name)(
            learner=lightgbm.LGBMRegressor(n_estimators=100, verbosity=-1, n_jobs=1), control_name=names[0]
        )
        pair = dict.fromkeys(names[1:], 0.5)
        given = {} if name in {"s_learner", "t_learner"} else {"p": _constant(pair, len(sample))}
        model.fit(
            sample.space.dense(sample.members.codes), treatment=names[sample.arm], y=sample.value, **given
        )
        asked = name in {"x_learner", "dr_learner"}

        def choose(dense: NDArray[np.float64]) -> NDArray[np.int64]:
            extra = {"p": _constant(pair, len(dense))} if asked else {}
            effects = model.predict(dense, **extra)
            return np.asarray(np.column_stack([np.zeros(len(dense)), effects]).argmax(axis=1), dtype=np.int64)

        return choose

    return learn


def _constant(shares: dict[str, float], members: int) -> dict[str, NDArray[np.float64]]:
    return {name: np.full(members, share) for name, share in shares.items()}


def _policy_tree(sample: LearningSample) -> Choose:
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
    tree.fit(sample.value, sample.arm, X=sample.space.dense(sample.members.codes))
    return lambda dense: np.asarray(tree.predict(dense), dtype=np.int64).ravel()


def _causal_forest(sample: LearningSample) -> Choose:
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
    forest.fit(sample.value, sample.arm, X=sample.space.dense(sample.members.codes))

    def choose(dense: NDArray[np.float64]) -> NDArray[np.int64]:
        effects = np.asarray(forest.const_marginal_effect(dense)).reshape(len(dense), -1)
        return np.asarray(np.column_stack([np.zeros(len(dense)), effects]).argmax(axis=1), dtype=np.int64)

    return choose
