"""Rerandomisation: how far arms are apart on covariates before the experiment, and how far they may be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.inference.moments import Array


def imbalance(counts: Sequence[int], means: Sequence[Sequence[float]], covariance: Array) -> float:
    """Mahalanobis distance of the arms' covariate means from their common mean, added up over the arms.

        M = sum of n_a (xbar_a - xbar)' S^-1 (xbar_a - xbar)

    With two arms this is the criterion of Morgan and Rubin (2012, Annals of Statistics 40); over random draws M is about
    chi-square with (arms - 1) x rank(S) degrees of freedom. Redundant and constant covariates have no effect.

    Args:
        counts: Members of each arm.
        means: Covariate means of each arm.
        covariance: Of the covariates over all members, S.

    >>> imbalance([50, 50], [[1.0], [1.0]], np.array([[4.0]])), imbalance([50, 50], [[1.5], [0.5]], np.array([[4.0]]))
    (0.0, 6.25)
    """
    sizes, centres = np.asarray(counts, float), np.asarray(means, float)
    apart = centres - sizes @ centres / sizes.sum()
    return float(np.einsum("a,ap,pq,aq->", sizes, apart, _inverse(covariance)[0], apart))


def largest_imbalance(accept: float, arms: int, covariance: Array) -> float:
    """The `accept` quantile of M over random draws: about so many of all draws are at most that far apart.

    >>> round(largest_imbalance(0.1, 2, np.eye(2)), 4)
    0.2107
    """
    from scipy.special import chdtri

    degrees = (arms - 1) * _inverse(covariance)[1]
    return float(chdtri(degrees, 1 - accept)) if degrees else 0.0


def imbalance_p_value(counts: Sequence[int], means: Sequence[Sequence[float]], covariance: Array) -> float:
    """The part of all random draws whose arms are at least that far apart; 1 where nothing varies.

    >>> round(imbalance_p_value([50, 50], [[1.5], [0.5]], np.array([[4.0]])), 4)
    0.0124
    """
    from scipy.special import chdtrc

    degrees = (len(counts) - 1) * _inverse(covariance)[1]
    return float(chdtrc(degrees, imbalance(counts, means, covariance))) if degrees else 1.0


def _inverse(covariance: Array) -> tuple[Array, int]:
    """The inverse on the directions in which the covariates vary, and how many these are."""
    spread = np.sqrt(np.diag(covariance))
    scale = np.where(spread > 0, spread, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    kept = values > 1e-10
    inner = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    return inner / np.outer(scale, scale), int(kept.sum())
