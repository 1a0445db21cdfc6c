"""Effects as sums of curves of single features and of surfaces over pairs, each as strong as the members show it to be.

Additive models with pairwise interactions (Hastie and Tibshirani 1990; Lou, Caruana, Gehrke and Hooker 2013), for what contact,
each factor's levels and each arm add. Every curve and every surface has a variance of its own, so that features that
matter to nothing drop out, and what is left is as smooth as its noise demands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from uplift.curve_basis import Columns, Shapes, products, shapes_of
from uplift.features import Array
from uplift.grouped_ridge import grouped_ridge
from uplift.residuals import Residuals
from uplift.sample import Integers

_CHUNK = 50_000
_MOST_CURVES = 80
_MOST_SURFACES = 24
_FALSE_SURFACES = 0.01
"""So many surfaces pass in the mean where no two features act together."""

_PRODUCTS = 1_000_000_000
"""Pairs are looked for among the first members, as many as keep products of columns under this."""

Term = tuple[int, ...]
"""One feature, or two."""

Stage = tuple[tuple[Term, Array], ...]
"""The terms of f with their coefficients, shape (columns of the term, G)."""


@dataclass(frozen=True)
class CurveParts:
    """Fitted curves, alone and with surfaces.

    Attributes:
        shapes: The columns of each feature.
        stages: For each f its terms with their coefficients, shape (columns of the term, G).
        columns: G.
    """

    shapes: tuple[Shapes, ...]
    stages: tuple[Stage, ...]
    columns: int

    def parts(self, codes: Array) -> Iterator[Array]:
        """For each stage f, shape (n, G)."""
        found = np.zeros((len(self.stages), len(codes), self.columns))
        terms = {term for stage in self.stages for term, _ in stage}
        for rows in _chunks(len(codes)):
            columns = _columns(self.shapes, terms, codes[rows], np.float64)
            for total, stage in zip(found, self.stages, strict=True):
                total[rows] = _sum(stage, columns, total[rows].shape)
        yield from found


def fit_curves(data: Residuals, wanted: Sequence[bool] = (True, True, True)) -> CurveParts:
    """Straight lines, curves, and curves with surfaces over the pairs of features that act together.

    Lines share one variance: many small slopes count together. Curves have one each; those that explain less than noise does are
    left out from the start, and so are all but the `_MOST_CURVES` that explain most. Surfaces compete on what the curves
    leave, and pass where chance would hardly let one of all pairs pass.

    Args:
        data: Outcomes without their mean and without what arms add for everybody.
        wanted: Which of the three to give, in this order.
    """
    shapes = shapes_of(data.space, data.codes)
    groups = data.design.columns.shape[1]
    noise = float(data.rest.var())
    if noise <= 0 or not any(map(len, shapes)):
        return CurveParts(shapes, ((),) * sum(wanted), groups)
    moments = _Moments.of(data, shapes, [(f,) for f in range(len(shapes)) if len(shapes[f])])
    lines = moments.lines(shapes, noise) if wanted[0] else ()
    curves = moments.solve(moments.promising(noise), noise) if wanted[1] or wanted[2] else ()
    surfaces = []
    if wanted[2]:
        spread = moments.spread(curves, len(shapes))
        surfaces = _surfaces(data, CurveParts(shapes, (curves,), groups), spread, noise)
    paired = _with(data, shapes, curves, surfaces, noise) if surfaces else curves
    found = zip(wanted, (lines, curves, paired), strict=True)
    return CurveParts(shapes, tuple(stage for is_wanted, stage in found if is_wanted), groups)


Group = tuple[Term, int]
"""A term of one of the G functions."""


@dataclass(frozen=True)
class _Moments:
    """Sums over members, by arm, of products of the terms' columns with each other and with the residuals.

    Attributes:
        terms: The terms.
        at: Term to its columns.
        rows: Shape (K, G): W minus its mean.
        members: How many.
        gram: Shape (K, columns, columns).
        moment: Shape (K, columns).
    """

    terms: tuple[Term, ...]
    at: dict[Term, Integers]
    rows: Array
    members: int
    gram: Array
    moment: Array

    @classmethod
    def of(cls, data: Residuals, shapes: Sequence[Shapes], terms: Sequence[Term]) -> _Moments:
        at, width = {}, 0
        for term in terms:
            size = len(shapes[term[0]])
            if len(term) == 2:
                size = shapes[term[0]].broad.shape[1] * shapes[term[1]].broad.shape[1]
            at[term], width = np.arange(width, width + size), width + size
        arms = len(data.design.rows)
        gram, moment = np.zeros((arms, width, width)), np.zeros((arms, width))
        for chunk in _chunks(len(data.arm)):
            arm, rest = data.arm[chunk], data.rest[chunk].astype(np.float32)
            columns = _columns(shapes, terms, data.codes[chunk], np.float32)
            joint = np.concatenate([columns[term] for term in terms], axis=1)
            for k in range(arms):
                here = joint[arm == k]
                gram[k] += here.T @ here
                moment[k] += here.T @ rest[arm == k]
        return cls(tuple(terms), at, data.design.rows, len(data.arm), gram, moment)

    def promising(self, noise: float) -> list[Group]:
        """The groups that explain more than noise would, the best first."""
        found = []
        for g, weight in enumerate(self.rows.T):
            gram = np.tensordot(weight**2, self.gram, axes=1)
            moment = weight @ self.moment
            for term, at in self.at.items():
                block = gram[np.ix_(at, at)]
                excess = float((moment[at] ** 2).sum()) / noise - float(np.trace(block))
                found.append((excess / max(float(np.linalg.norm(block)), 1e-300), (term, g)))
        best = sorted((each for each in found if each[0] > 0), key=lambda each: -each[0])
        return [group for _, group in best[:_MOST_CURVES]]

    def spread(self, stage: Stage, features: int) -> Array:
        """Shape (G, features): the standard deviation over members of each feature's own part of each function."""
        found = np.zeros((self.rows.shape[1], features))
        gram = self.gram.sum(axis=0) / self.members
        for term, coefficients in stage:
            block = gram[np.ix_(self.at[term], self.at[term])]
            found[:, term[0]] = np.sqrt(np.einsum("pg,pq,qg->g", coefficients, block, coefficients))
        return found

    def lines(self, shapes: Sequence[Shapes], noise: float) -> Stage:
        """Straight lines of every feature and every function, all with one variance."""
        straight = np.concatenate([self.at[term][list(shapes[term[0]].straight)] for term in self.terms])
        function = np.repeat(np.arange(self.rows.shape[1]), len(straight))
        at = np.tile(straight, self.rows.shape[1])
        return self._stage(at, function, np.zeros(len(at), dtype=np.int64), noise)

    def solve(self, groups: Sequence[Group], noise: float) -> Stage:
        """The terms that are not 0 among these groups."""
        if not groups:
            return ()
        at = np.concatenate([self.at[term] for term, _ in groups])
        sizes = [len(self.at[term]) for term, _ in groups]
        function = np.repeat([g for _, g in groups], sizes)
        return self._stage(at, function, np.repeat(np.arange(len(groups)), sizes), noise)

    def _stage(self, at: Integers, function: Integers, group: Integers, noise: float) -> Stage:
        """The terms that are not 0, from coefficients of these columns of these functions."""
        gram, moment = np.zeros((len(at), len(at))), np.zeros(len(at))
        for row, squares, products_ in zip(self.rows, self.gram, self.moment, strict=True):
            weight = row[function]
            gram += np.outer(weight, weight) * squares[np.ix_(at, at)]
            moment += weight * products_[at]
        coefficients = np.zeros((self.gram.shape[1], self.rows.shape[1]))
        coefficients[at, function] = grouped_ridge(gram, moment, group, noise)
        of_terms = ((term, coefficients[self.at[term]]) for term in self.terms)
        return tuple((term, each) for term, each in of_terms if each.any())


def _with(
    data: Residuals,
    shapes: Sequence[Shapes],
    curves: Stage,
    surfaces: Sequence[Group],
    noise: float,
) -> Stage:
    """Curves and surfaces, all learned together."""
    groups = [(term, int(g)) for term, found in curves for g in np.flatnonzero(found.any(axis=0))]
    terms = [term for term, _ in curves] + sorted({term for term, _ in surfaces})
    return _Moments.of(data, shapes, terms).solve([*groups, *surfaces], noise)


def _surfaces(data: Residuals, curves: CurveParts, spread: Array, noise: float) -> list[Group]:
    """The pairs of features, and of which function, whose products explain what the curves leave better than chance would.

    Half of the chance of a false one is shared by all pairs alike, half goes to those whose features matter by themselves, which
    more often act together (Bonferroni with weights: Genovese, Roeder and Wasserman 2006).

    Args:
        data: As in `fit_curves`.
        curves: The curves.
        spread: Shape (G, features): the standard deviation of each curve.
        noise: Variance of the residuals.
    """
    from scipy.stats import chi2

    shapes = curves.shapes
    features = [f for f, shape in enumerate(shapes) if shape.broad.shape[1]]
    if len(features) < 2:
        return []
    starts = np.cumsum([0, *(shapes[f].broad.shape[1] for f in features)])
    statistic = _product_statistics(data, curves, features, noise)
    sums = np.add.reduceat(np.add.reduceat(statistic, starts[:-1], axis=1), starts[:-1], axis=2)
    sizes = np.diff(starts)
    i, j = np.triu_indices(len(features), 1)
    values = sums[:, i, j]
    chance = np.asarray(chi2.sf(values, sizes[i] * sizes[j]))
    chance /= _expected(spread[:, features][:, i] * spread[:, features][:, j])
    function, pair = np.nonzero(chance < _FALSE_SURFACES)
    best = np.argsort(chance[function, pair], kind="stable")[:_MOST_SURFACES]
    return [
        ((features[i[p]], features[j[p]]), int(g)) for g, p in zip(function[best], pair[best], strict=True)
    ]


def _expected(together: Array) -> Array:
    """Each pair's share of the chance of a false surface."""
    alike = np.full(together.shape, 1 / together.size)
    total = float(together.sum())
    return alike if total == 0 else (alike + together / total) / 2


def _product_statistics(data: Residuals, curves: CurveParts, features: Sequence[int], noise: float) -> Array:
    """Shape (G, columns, columns): squared z of each product of two broad columns, by function."""
    shapes, weights = curves.shapes, data.design.rows
    width = sum(shapes[f].broad.shape[1] for f in features)
    terms = [*((f,) for f in features), *(term for term, _ in curves.stages[0])]
    members = min(len(data.arm), max(_CHUNK, _PRODUCTS // width**2))
    moment = np.zeros((weights.shape[1], width, width))
    squares = np.zeros((width, width))
    for chunk in _chunks(members):
        arm = data.arm[chunk]
        columns = _columns(shapes, terms, data.codes[chunk], np.float32)
        weight = weights[arm]
        rest = data.rest[chunk] - (weight * _sum(curves.stages[0], columns, weight.shape)).sum(axis=1)
        broad = np.concatenate([shapes[f].broad_of(columns[f,]) for f in features], axis=1)
        for g in range(weights.shape[1]):
            moment[g] += (broad * (rest * weight[:, g]).astype(np.float32)[:, None]).T @ broad
        broad *= broad
        squares += broad.T @ broad
    spread = (weights[data.arm] ** 2).mean(axis=0)
    return np.asarray(moment**2 / (noise * spread[:, None, None] * np.maximum(squares, 1e-300)))


def _sum(stage: Stage, columns: Mapping[Term, Columns], shape: tuple[int, ...]) -> Array:
    """The value of f, shape (n, G)."""
    total = np.zeros(shape)
    for term, coefficients in stage:
        total += columns[term] @ coefficients
    return total


def _columns(
    shapes: Sequence[Shapes], terms: Any, codes: Array, kind: type[np.floating[Any]]
) -> dict[Term, Columns]:
    """The columns of each term for some members."""
    single = {f: shapes[f].columns(codes[:, f], kind) for f in sorted({f for term in terms for f in term})}
    broad = {f: shapes[f].broad_of(single[f]) for term in terms if len(term) == 2 for f in term}
    return {
        term: single[term[0]] if len(term) == 1 else products(broad[term[0]], broad[term[1]])
        for term in terms
    }


def _chunks(members: int) -> list[slice]:
    return [slice(at, min(at + _CHUNK, members)) for at in range(0, max(members, 1), _CHUNK)]
