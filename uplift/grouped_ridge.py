"""Ridge regression in which every group of coefficients has a variance of its own, as the data show it."""

from __future__ import annotations

import numpy as np

from uplift.features import Array
from uplift.sample import Integers

_ROUNDS = 25
_SETTLED = 0.01
# A group that takes up less than this much of one free coefficient is at 0.
_LEAST = 0.05


def grouped_ridge(gram: Array, moment: Array, group: Integers, noise: float) -> Array:
    """The posterior mean of coefficients b ~ N(0, variance of its group) in y = X b + noise, shape (columns,).

    The variances are those of the largest marginal likelihood, by MacKay's fixed point (1992; Tipping 2001): groups that
    explain no more than noise would are drawn to 0.

    Args:
        gram: Shape (columns, columns): X'X, no column 0 throughout.
        moment: Shape (columns,): X'y.
        group: Shape (columns,): from 0, without gaps.
        noise: Variance of the noise, above 0.
    """
    precision, target = gram / noise, moment / noise
    variance = _by_themselves(np.diag(precision), target, group)
    alive = np.ones(len(variance), dtype=bool)
    found = np.zeros(len(moment))
    for _ in range(_ROUNDS):
        at = np.flatnonzero(alive[group])
        found = np.zeros(len(moment))
        if not len(at):
            break
        here = group[at]
        # In units of the standard deviations, so that one near 0 is as good as any.
        unit = np.sqrt(variance[here])
        shrunken = np.linalg.inv(np.eye(len(at)) + np.outer(unit, unit) * precision[np.ix_(at, at)])
        found[at] = unit * (shrunken @ (unit * target[at]))
        free = np.bincount(here, weights=1 - np.diag(shrunken), minlength=len(variance))
        squares = np.bincount(group, weights=found**2, minlength=len(variance))
        alive &= free > _LEAST
        before, variance = variance, np.where(alive, squares / np.maximum(free, _LEAST), variance)
        if (np.abs(variance - before) <= _SETTLED * before).all():
            break
    return found


def _by_themselves(diagonal: Array, target: Array, group: Integers) -> Array:
    """Where to start: what each group's coefficients vary by beyond their noise, if columns were orthogonal."""
    count = np.bincount(group)
    noise = np.bincount(group, weights=1 / diagonal) / count
    squares = np.bincount(group, weights=(target / diagonal) ** 2) / count
    return np.asarray(np.maximum(squares - noise, 0.1 * noise))
