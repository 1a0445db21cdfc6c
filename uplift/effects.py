"""What each arm adds to the mean outcome of a member, learned over all arms together.

The model is Y = m(x) + sum over g of (W_g - E W_g) f_g(x) + noise, where W_g says whether the member was contacted, whether its
arm has a level of a factor, and which arm it is: arms that share an incentive or a copy share its f. m is fitted first and left
alone, so that every split of the f is about effects (Robinson 1988; Nie and Wager 2021, here for several arms at once).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift.curve_basis import shapes_of
from uplift.curve_moments import CurveMoments
from uplift.curves import CurveParts, fit_curves
from uplift.features import Array
from uplift.residuals import ArmDesign, Residuals

THREADS = 1
"""Models are fitted side by side; threads within one wait for each other as soon as the machine is shared."""

GROWN_ON = 250_000
"""Trees are grown on the first so many members, in a random order; curves are learned from all."""

JUDGES = 200_000
"""Where there are more than twice as many members, the first so many weigh what the others have taught."""

_RATE = 0.1
_LEAVES = 4
_MOST_LEVELS = 4
_GREEDY_ROUNDS = (4, 10, 20)
_RANDOM_ROUNDS = (10, 20)
_QUICK_ROUNDS = (10,)
_KINDS = (3, len(_GREEDY_ROUNDS), len(_RANDOM_ROUNDS))
_QUIET = MappingProxyType(
    {"deterministic": True, "force_row_wise": True, "num_threads": THREADS, "verbosity": -1}
)


@dataclass(frozen=True)
class BoostedParts:
    """f as sums of small trees, at several numbers of rounds."""

    boosters: tuple[Any, ...]
    rounds: tuple[int, ...]

    def parts(self, codes: Array) -> Iterator[Array]:
        """For each number of rounds f, shape (n, G)."""
        for rounds in self.rounds:
            yield np.column_stack(
                [
                    booster.predict(codes, num_iteration=rounds, num_threads=THREADS)
                    for booster in self.boosters
                ]
            )


Candidates = tuple[BoostedParts | CurveParts, ...]


@dataclass(frozen=True)
class Effects:
    """What arms add: a constant, and departures from it by weighted candidates.

    Attributes:
        design: The arms.
        constant: Shape (G,): f for everybody.
        candidates: Fitted models of the departures, those of no weight left out.
        weights: The weight of each f that the candidates give, in their order.
    """

    design: ArmDesign
    constant: Array
    candidates: Candidates
    weights: tuple[float, ...]

    def predict(self, codes: Array) -> Array:
        """What each arm adds to the mean over arms, shape (n, K)."""
        total = np.tile(self.constant, (len(codes), 1))
        every = (parts for candidate in self.candidates for parts in candidate.parts(codes))
        for weight, parts in zip(self.weights, every, strict=True):
            total += weight * parts
        return self.design.by_arm(total)


def fit_quick(data: Residuals) -> Effects:
    """One candidate with few rounds, at full weight: enough for doubly robust scores."""
    constant, departures = _off_constant(data)
    return Effects(
        data.design,
        constant,
        (_boost(departures, _columns(departures), _QUICK_ROUNDS, random=False),),
        (1.0,),
    )


def fit_stack(data: Residuals, half: NDArray[np.bool_]) -> Effects:
    """Candidates of different kinds, weighted by how well they predict members whom they have not seen.

    Trees whose splits are the best ones follow steps, trees with random splits follow steps within parts of the audience,
    lines and curves follow whatever changes gradually, surfaces what two features do together; trees exist at several
    strengths. The weights minimise the squared error of Y - m - sum of (W - E W) f, none below 0, over members whom the
    candidates have not seen (Wolpert 1992; Breiman 1996): each half predicted by the candidates of the other; of many members
    the first JUDGES by the candidates of all others, since what a hundred thousand members can teach weighs otherwise than what a
    million can. Where effects do not differ between members, the weights are about 0.

    Args:
        data: Outcomes without their mean.
        half: Shape (n,): a random half of the members.
    """
    constant, departures = _off_constant(data)
    weighed = _weighed_by_first if len(data.arm) > 2 * JUDGES else partial(_weighed_by_halves, half=half)
    candidates, weights = weighed(departures)
    return Effects(data.design, constant, candidates, tuple(weights[weights > 0].tolist()))


def _weighed_by_halves(departures: Residuals, half: NDArray[np.bool_]) -> tuple[Candidates, Array]:
    """The candidates of all members with a weight above 0, and the weights of every f."""
    columns = np.zeros((len(departures.arm), sum(_KINDS)))
    for learned, judged in ((half, ~half), (~half, half)):
        columns[judged] = _predicted(_candidates(departures.rows(learned)), departures.rows(judged))
    weights = _weights(columns, departures.rest)
    return _candidates(departures, weights), weights


def _weighed_by_first(departures: Residuals) -> tuple[Candidates, Array]:
    """The same where trees are those of the members who do not weigh."""
    judges, others = departures.rows(slice(JUDGES)), departures.rows(slice(JUDGES, None))
    shapes = shapes_of(departures.space, departures.codes)
    known = CurveMoments.of(others, shapes)
    fitted = _candidates(others, moments=known)
    weights = _weights(_predicted(fitted, judges), judges.rest)
    curves, *trees = np.split(weights > 0, np.cumsum(_KINDS)[:-1])
    found: list[BoostedParts | CurveParts] = []
    if curves.any():
        found.append(fit_curves(departures, curves.tolist(), CurveMoments.of(judges, shapes) + known))
    for candidate, chosen in zip(fitted[1:], trees, strict=True):
        if chosen.any() and isinstance(candidate, BoostedParts):
            rounds = tuple(np.array(candidate.rounds)[chosen].tolist())
            found.append(BoostedParts(candidate.boosters, rounds))
    return tuple(found), weights


def _predicted(candidates: Candidates, members: Residuals) -> Array:
    """Sum over g of (W - E W) f by each f, shape (n, every f)."""
    centred = members.design.centred(members.arm)
    parts = (each for candidate in candidates for each in candidate.parts(members.codes))
    return np.column_stack([(centred * part).sum(axis=1) for part in parts])


def _off_constant(data: Residuals) -> tuple[Array, Residuals]:
    """The f that is the same for everybody, by least squares, and the residuals without it."""
    centred = data.design.centred(data.arm)
    constant = np.linalg.lstsq(centred.T @ centred, centred.T @ data.rest, rcond=1e-9)[0]
    rest = data.rest - centred @ constant
    return np.asarray(constant), Residuals(data.space, data.codes, data.arm, rest, data.design, data.seed)


def _weights(columns: Array, rest: Array) -> Array:
    from scipy.optimize import nnls

    scale = float(np.trace(columns.T @ columns))
    if scale <= 0:
        return np.zeros(columns.shape[1])
    gram = columns.T @ columns + 1e-6 * scale * np.eye(columns.shape[1])
    upper = np.linalg.cholesky(gram).T
    found, _ = nnls(upper, np.linalg.solve(upper.T, columns.T @ rest))
    return np.asarray(found)


def _candidates(
    data: Residuals, weights: Array | None = None, moments: CurveMoments | None = None
) -> Candidates:
    """Every candidate, or those with a weight above 0; `moments` as in `fit_curves`."""
    wanted = np.ones(sum(_KINDS), dtype=bool) if weights is None else weights > 0
    curves, greedy, random = np.split(wanted, np.cumsum(_KINDS)[:-1])
    found: list[BoostedParts | CurveParts] = []
    if curves.any():
        found.append(fit_curves(data, curves.tolist(), moments))
    data = data.rows(slice(GROWN_ON))
    columns = _columns(data) if greedy.any() or random.any() else None
    for chosen, every, at_random in ((greedy, _GREEDY_ROUNDS, False), (random, _RANDOM_ROUNDS, True)):
        rounds = tuple(each for each, is_chosen in zip(every, chosen, strict=True) if is_chosen)
        if rounds:
            found.append(_boost(data, columns, rounds, random=at_random))
    return tuple(found)


def _columns(data: Residuals) -> Any:
    """The features in bins, once for all boosters."""
    import lightgbm

    return lightgbm.Dataset(
        data.codes,
        label=np.zeros(len(data.arm)),
        categorical_feature=list(data.space.categorical),
        params={"max_bin": 63, **_QUIET},
    ).construct()


def _boost(data: Residuals, columns: Any, rounds: tuple[int, ...], *, random: bool) -> BoostedParts:
    """Boosting in turns: a round grows one small tree for each f on what all the others leave (Friedman 2001).

    Leaves hold at least a twentieth of the members: an effect on fewer cannot be told from noise. Of a category's many sets of
    levels the best would look better than any cut of a number, though it did nothing: a split takes a few levels at most,
    and is shrunken as if by the weight of one more smallest leaf.
    """
    import lightgbm

    n = len(data.arm)
    least = max(20, n // 20)
    centred = data.design.centred(data.arm)
    parameters = {
        "objective": "none",
        "metric": "none",
        "num_leaves": _LEAVES,
        "learning_rate": _RATE,
        "min_data_in_leaf": least,
        "min_data_per_group": least,
        "max_cat_threshold": _MOST_LEVELS,
        "cat_l2": float((centred**2).mean(axis=0).max()) * least,
        "min_sum_hessian_in_leaf": 0.0,
        "lambda_l2": 1.0,
        "extra_trees": random,
        "seed": data.seed,
        **_QUIET,
    }
    boosters = tuple(lightgbm.Booster(parameters, columns) for _ in range(centred.shape[1]))
    fitted = [np.zeros(n) for _ in boosters]
    rest = data.rest.copy()
    for _ in range(max(rounds)):
        for g, booster in enumerate(boosters):
            column = centred[:, g]
            booster.update(fobj=partial(_slopes, column, rest))
            now = _fitted(booster, n)
            rest -= column * (now - fitted[g])
            fitted[g] = now
    # As text a model lets go of the members that it was learned from.
    kept = tuple(lightgbm.Booster(model_str=booster.model_to_string()) for booster in boosters)
    return BoostedParts(kept, rounds)


def _slopes(column: Array, rest: Array, *_: object) -> tuple[Array, Array]:
    """First and second derivative of half of (rest - column f)^2 by f, at f = 0."""
    return -column * rest, column * column


def _fitted(booster: Any, n: int) -> Array:
    """What a booster predicts for the members that it learns from."""
    found = np.empty(n)

    def keep(predicted: Array, _: Any) -> tuple[str, float, bool]:
        found[:] = predicted
        return "kept", 0.0, False

    booster.eval_train(keep)
    return found
