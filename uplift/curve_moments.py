"""Sums over members from which curves and surfaces are solved."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from uplift.curve_basis import Shapes, Term, chunks, columns_of, shapes_of
from uplift.features import Array
from uplift.grouped_ridge import grouped_ridge
from uplift.residuals import Residuals
from uplift.sample import Integers

_MOST_CURVES = 80

Stage = tuple[tuple[Term, Array], ...]
"""The terms of f with their coefficients, shape (columns of the term, G)."""

Group = tuple[Term, int]
"""A term of one of the G functions."""


@dataclass(frozen=True)
class CurveMoments:
    """Sums over members, by arm, of products of the terms' columns with each other and with the residuals.

    Attributes:
        shapes: The columns of each feature.
        at: Term to its columns.
        rows: Shape (K, G): W minus its mean.
        members: How many.
        gram: Shape (K, columns, columns).
        moment: Shape (K, columns).
    """

    shapes: tuple[Shapes, ...]
    at: dict[Term, Integers]
    rows: Array
    members: int
    gram: Array
    moment: Array

    @classmethod
    def of(
        cls, data: Residuals, shapes: tuple[Shapes, ...] | None = None, terms: Iterable[Term] | None = None
    ) -> CurveMoments:
        """Of the members in `data`.

        Args:
            data: Outcomes without their mean and without what arms add for everybody.
            shapes: The columns of each feature; by default those of these members.
            terms: By default every single feature that varies.
        """
        shapes = shapes_of(data.space, data.codes) if shapes is None else shapes
        wanted = [(f,) for f, shape in enumerate(shapes) if len(shape)] if terms is None else list(terms)
        at, width = {}, 0
        for term in wanted:
            size = (
                math.prod(shapes[f].broad.shape[1] for f in term) if len(term) == 2 else len(shapes[term[0]])
            )
            at[term], width = np.arange(width, width + size), width + size
        arms = len(data.design.rows)
        gram, moment = np.zeros((arms, width, width)), np.zeros((arms, width))
        for chunk in chunks(len(data.arm)) if wanted else ():
            arm, rest = data.arm[chunk], data.rest[chunk].astype(np.float32)
            columns = columns_of(shapes, wanted, data.codes[chunk], np.float32)
            joint = np.concatenate([columns[term] for term in wanted], axis=1)
            for k in range(arms):
                here = joint[arm == k]
                gram[k] += here.T @ here
                moment[k] += here.T @ rest[arm == k]
        return cls(shapes, at, data.design.rows, len(data.arm), gram, moment)

    def __add__(self, others: CurveMoments) -> CurveMoments:
        """Of these members and of others, whose columns and terms are the same."""
        members, gram, moment = (
            self.members + others.members,
            self.gram + others.gram,
            self.moment + others.moment,
        )
        return replace(self, members=members, gram=gram, moment=moment)

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

    def spread(self, stage: Stage) -> Array:
        """Shape (G, features): the standard deviation over members of each feature's own part of each function."""
        found = np.zeros((self.rows.shape[1], len(self.shapes)))
        gram = self.gram.sum(axis=0) / self.members
        for term, coefficients in stage:
            block = gram[np.ix_(self.at[term], self.at[term])]
            found[:, term[0]] = np.sqrt(np.einsum("pg,pq,qg->g", coefficients, block, coefficients))
        return found

    def lines(self, noise: float) -> Stage:
        """Straight lines of every feature and every function, all with one variance."""
        straight = np.concatenate([at[list(self.shapes[f].straight)] for (f, *_), at in self.at.items()])
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
        of_terms = ((term, coefficients[at]) for term, at in self.at.items())
        return tuple((term, each) for term, each in of_terms if each.any())
