"""The gate: a personalised policy is used only if its gain over one offer for everybody is proven."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from experiments.definition.uplift import PolicyKind
from uplift.evaluation import Estimate, estimate_mean, policy_scores, policy_value
from uplift.features import Array
from uplift.rules import PERSONALISED, SIMPLEST_FIRST
from uplift.sample import Integers

LEVEL = 0.025
KEPT = 0.95
"""The part of the largest expected gain that a simpler kind must keep to be taken instead."""

_DRAWS = 200_000


@dataclass(frozen=True)
class Contender:
    """One kind of policy as it did on members that it was not learned from.

    Attributes:
        kind: The kind.
        value: Level per member.
        over_control: Paired gain over no contact.
        over_single: Paired gain over the best single arm.
        proven: Whether the gains over the best single arm and over no contact passed the gate; always False for the kinds that
            need no proof.
    """

    kind: PolicyKind
    value: Estimate
    over_control: Estimate
    over_single: Estimate
    proven: bool


@dataclass(frozen=True)
class GateResult:
    """The contenders from simple to fine, the one that is used, and the critical value of the gate."""

    contenders: tuple[Contender, ...]
    chosen: Contender
    critical: float

    @property
    def passed(self) -> bool:
        """Whether a personalised policy is used."""
        return self.chosen.kind in PERSONALISED


def run_gate(
    scores: Array,
    choices: Mapping[PolicyKind, Integers],
    folds: int,
    expected: Array | None = None,
    unit: Integers | None = None,
) -> GateResult:
    """Value each kind on held-out members and choose.

    A personalised kind is proven where its gain over the best single arm exceeds its standard error by the one-sided
    2.5 % point of the largest of the kinds' statistics (max-t, with the correlation of their gains), and its gain over no
    contact does so, too: where purchases are rare, one can make an arm that loses the best of a fold, and to contact nobody
    is better than that without being personal. Of the proven kinds, the simplest that loses at most one standard error
    against the largest gain, member by member, is chosen; if none is proven, the best single arm. Where that is no contact
    at all, it is called `treat_nobody`.

    In a test of usual size that standard error can be a tenth of all there is to gain, and the largest gain that of a kind which
    had luck. Where effects are expected, the kind that is chosen must therefore also keep 95 % of the largest gain that they
    expect of those that are left: they vary far less than scores do.

    The folds teach each other's policies, so that without any effect their gains vary more than those of independent members:
    the variance of a personalised kind's gain is raised by n_valued / n_learned = 1 / (folds - 1), in its interval too. With
    equal or with constant effects the gate then passes in 1 to 5 % of simulations (`benchmarks.gate`, `docs/uplift.md`).

    Args:
        scores: Shape (n, K): held-out doubly robust scores.
        choices: Kind to the arm that its fold policies give each member, shape (n,); `best_single_arm` must be there.
        folds: Number of folds of the cross-fitting.
        expected: Shape (n, K): effects that a calibrated learner expects, by models that have not seen the member; None
            where there is none, and scores alone tell kinds apart.
        unit: Shape (n,), from 0: the shop or household that each was assigned with; errors and correlations are then those of
            units. None where members were assigned alone.
    """
    n = len(scores)
    nobody = np.zeros(n, dtype=np.int64)
    single = choices["best_single_arm"]
    kinds = {
        kind: choices.get(kind, nobody)
        for kind in SIMPLEST_FIRST
        if kind in choices or kind == "treat_nobody"
    }
    gains = _gains_over(single, scores, kinds)
    critical, over_single = _proven(gains, folds, unit)
    _, over_nobody = _proven(_gains_over(nobody, scores, kinds), folds, unit)
    contenders = tuple(
        Contender(
            kind,
            policy_value(scores, arms, unit),
            estimate_mean(policy_scores(scores, arms) - scores[:, 0], unit),
            _gain(kind, gains[kind], folds, unit),
            kind in over_single & over_nobody,
        )
        for kind, arms in kinds.items()
    )
    awaited = None
    if expected is not None:
        base = policy_scores(expected, single)
        awaited = {kind: float((policy_scores(expected, arms) - base).mean()) for kind, arms in kinds.items()}
    return GateResult(contenders, _choose(contenders, gains, awaited, single, unit), float(critical))


def _gains_over(
    arm: Integers, scores: Array, kinds: Mapping[PolicyKind, Integers]
) -> dict[PolicyKind, Array]:
    """What each kind brings for each member over one of these arms."""
    base = policy_scores(scores, arm)
    return {kind: policy_scores(scores, arms) - base for kind, arms in kinds.items()}


def _proven(
    gains: Mapping[PolicyKind, Array], folds: int, unit: Integers | None
) -> tuple[float, set[PolicyKind]]:
    """The critical value of the personalised kinds' gains, and the kinds whose gain exceeds it."""
    estimates = {kind: _gain(kind, gains[kind], folds, unit) for kind in PERSONALISED if kind in gains}
    family = [kind for kind, gain in estimates.items() if gain.std_error > 0]
    if not family:
        return math.inf, set()
    critical = max_t_critical(np.column_stack([_by_unit(gains[kind], unit) for kind in family]), LEVEL)
    return critical, {kind for kind in family if estimates[kind].value > critical * estimates[kind].std_error}


def _by_unit(gains: Array, unit: Integers | None) -> Array:
    """Members' gains, or those of whole units about the mean."""
    if unit is None:
        return gains
    return np.bincount(unit, weights=gains - gains.mean()).astype(np.float64)


def _gain(kind: PolicyKind, gains: Array, folds: int, unit: Integers | None) -> Estimate:
    found = estimate_mean(gains, unit)
    overlap = math.sqrt(1 + 1 / (folds - 1)) if kind in PERSONALISED else 1.0
    return replace(found, std_error=found.std_error * overlap)


def max_t_critical(values: Array, alpha: float) -> float:
    """The upper alpha point of the largest of J standard normals that are correlated like the columns of `values`.

    From 200,000 seeded draws; exact for one column.

    Args:
        values: Shape (n, J), no column constant.
        alpha: One-sided level.
    """
    correlation = np.atleast_2d(np.corrcoef(values, rowvar=False))
    generator = np.random.default_rng(20_090_401)
    weights, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(weights, 0.0))
    normal = generator.standard_normal((_DRAWS, len(correlation)))
    return float(np.quantile((normal @ root.T).max(axis=1), 1 - alpha))


def _choose(
    contenders: tuple[Contender, ...],
    gains: Mapping[PolicyKind, Array],
    awaited: Mapping[PolicyKind, float] | None,
    single: Integers,
    unit: Integers | None,
) -> Contender:
    by_kind = {contender.kind: contender for contender in contenders}
    proven = [contender for contender in contenders if contender.proven]
    if not proven:
        return by_kind["treat_nobody"] if not single.any() else by_kind["best_single_arm"]
    best = max(proven, key=lambda contender: contender.over_single.value)
    near = [each for each in proven if _is_near(gains[each.kind], gains[best.kind], unit)]
    if awaited is not None:
        most = max(awaited[each.kind] for each in near)
        near = [each for each in near if awaited[each.kind] >= min(most, KEPT * most)]
    return near[0]


def _is_near(gain: Array, best: Array, unit: Integers | None) -> bool:
    """Whether what is lost against the best is within one standard error of that loss."""
    lost = estimate_mean(best - gain, unit)
    return lost.value <= lost.std_error
