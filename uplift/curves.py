"""Effects as sums of curves of single features and of surfaces over pairs, each as strong as the members show it to be.

Additive models with pairwise interactions (Hastie and Tibshirani 1990; Lou, Caruana, Gehrke and Hooker 2013), for what contact,
each factor's levels and each arm add. Every curve and every surface has a variance of its own, so that features that
matter to nothing drop out, and what is left is as smooth as its noise demands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from uplift.curve_basis import CHUNK, Columns, Shapes, Term, chunks, columns_of
from uplift.curve_moments import CurveMoments, Group, Stage
from uplift.features import Array
from uplift.residuals import Residuals

_MOST_SURFACES = 24
_FALSE_SURFACES = 0.01
"""So many surfaces pass in the mean where no two features act together."""

_PRODUCTS = 1_000_000_000
"""Pairs are looked for among the first members, as many as keep products of columns under this."""


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
        for rows in chunks(len(codes)):
            columns = columns_of(self.shapes, terms, codes[rows], np.float64)
            for total, stage in zip(found, self.stages, strict=True):
                total[rows] = _sum(stage, columns, total[rows].shape)
        yield from found


def fit_curves(
    data: Residuals, wanted: Sequence[bool] = (True, True, True), moments: CurveMoments | None = None
) -> CurveParts:
    """Straight lines, curves, and curves with surfaces over the pairs of features that act together.

    Lines share one variance: many small slopes count together. Curves have one each; those that explain less than noise does are
    left out from the start, and so are all but the `_MOST_CURVES` that explain most. Surfaces compete on what the curves
    leave, and pass where chance would hardly let one of all pairs pass.

    Args:
        data: Outcomes without their mean and without what arms add for everybody.
        wanted: Which of the three to give, in this order.
        moments: Of single features in `data`, where they are known.
    """
    moments = moments or CurveMoments.of(data)
    shapes = moments.shapes
    groups = data.design.columns.shape[1]
    noise = float(data.rest.var())
    if noise <= 0 or not any(map(len, shapes)):
        return CurveParts(shapes, ((),) * sum(wanted), groups)
    lines = moments.lines(noise) if wanted[0] else ()
    curves = moments.solve(moments.promising(noise), noise) if wanted[1] or wanted[2] else ()
    surfaces = []
    if wanted[2]:
        spread = moments.spread(curves)
        surfaces = _surfaces(data, CurveParts(shapes, (curves,), groups), spread, noise)
    paired = _with(data, shapes, curves, surfaces, noise) if surfaces else curves
    found = zip(wanted, (lines, curves, paired), strict=True)
    return CurveParts(shapes, tuple(stage for is_wanted, stage in found if is_wanted), groups)


def _with(
    data: Residuals,
    shapes: tuple[Shapes, ...],
    curves: Stage,
    surfaces: Sequence[Group],
    noise: float,
) -> Stage:
    """Curves and surfaces, all learned together."""
    groups = [(term, int(g)) for term, found in curves for g in np.flatnonzero(found.any(axis=0))]
    terms = [term for term, _ in curves] + sorted({term for term, _ in surfaces})
    return CurveMoments.of(data, shapes, terms).solve([*groups, *surfaces], noise)


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
    members = min(len(data.arm), max(CHUNK, _PRODUCTS // width**2))
    moment = np.zeros((weights.shape[1], width, width))
    squares = np.zeros((width, width))
    for chunk in chunks(members):
        arm = data.arm[chunk]
        columns = columns_of(shapes, terms, data.codes[chunk], np.float32)
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
