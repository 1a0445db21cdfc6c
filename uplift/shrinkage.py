"""Shrinkage: noisy means drawn towards what they have in common, as far as their noise demands it."""

from __future__ import annotations

import numpy as np

from uplift.features import Array


def shrink(means: Array, variances: Array) -> Array:
    """Empirical Bayes estimates of several means with known sampling variances (DerSimonian and Laird 1986).

    >>> shrink(np.array([1.0, 1.0]), np.array([0.1, 0.2]))
    array([1., 1.])
    """
    if (variances <= 0).any():
        return means
    weights = 1 / variances
    centre = float(np.average(means, weights=weights))
    q = float((weights * (means - centre) ** 2).sum())
    scale = float(weights.sum() - (weights**2).sum() / weights.sum())
    tau2 = max(0.0, (q - (len(means) - 1)) / scale) if scale > 0 else 0.0
    if tau2 == 0:
        return np.full(len(means), centre)
    pooled = float(np.average(means, weights=1 / (tau2 + variances)))
    return pooled + tau2 / (tau2 + variances) * (means - pooled)


def shrink_to_zero(means: Array, variances: Array) -> Array:
    """The same for means whose centre is known to be 0: departures from what a model says.

    >>> shrink_to_zero(np.array([0.1, -0.1]), np.array([1.0, 1.0]))
    array([ 0., -0.])
    """
    tau2 = max(0.0, float((means**2 - variances).mean()))
    return means * (tau2 / np.maximum(tau2 + variances, np.finfo(float).tiny))
