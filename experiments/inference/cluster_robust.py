"""Cluster-robust comparisons: CR2 variances with Bell and McCaffrey's degrees of freedom, from sums by cluster."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from experiments.inference.clusters import ClusterSums
from experiments.inference.moments import Array
from experiments.inference.wald import MeanEstimate, WaldComparison

# Directions of the regressors with less of their variance than this are redundant.
_REDUNDANT = 1e-10
# A column that spreads less than this is constant: the inverse of its square would be no double.
_CONSTANT = 1e-140
# A cluster that alone decides a direction leaves no residual in it.
_DECIDED = 1e-9
# Residuals smaller than this part of the values are what rounding leaves.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class ClusterComparison(WaldComparison):
    """Difference of means between arms that were assigned by cluster: method `cluster_cr2`.

    The estimand is the intention-to-treat effect per member assigned. Without covariates the means are plain ones;
    with covariates they are those of the regression with slopes of its own in each arm (Lin 2013), at the mean of
    both arms together. The variance of each arm's mean is CR2, unbiased where members are independent with equal
    variances (Bell and McCaffrey 2002; Pustejovsky and Tipton 2018):

        V = sum over clusters g of (c' M X_g' A_g e_g)^2,  A_g = (I - X_g M X_g')^(-1/2),  M = (X'X)^-1

    with their Satterthwaite degrees of freedom under the same working model. X_g' A_g e_g needs only X_g'X_g and
    X_g'y_g, so that sums by cluster stand for the rows. The two arms have no cluster in common; their degrees of freedom
    combine as Welch's. Clusters of one member make it HC2 (MacKinnon and White 1985), method `lin_hc2` with
    covariates, and Welch's test without. Ratios are linearised about each arm's own ratio.

    Attributes:
        arm: Sums by cluster of the arm.
        versus: Those of the arm that it is compared with.
        metric: The column (a ratio's numerator).
        adjusted: Whether the covariates are used.
        denominator: A ratio's denominator.

    An arm with a single cluster shows no variance; one with too few clusters for slopes is left without them.

    Raises:
        ValueError: An arm without members, or a ratio whose denominator is not positive.
    """

    arm: ClusterSums
    versus: ClusterSums
    metric: str
    adjusted: bool = False
    denominator: str | None = None

    def __post_init__(self) -> None:
        for side in (self.arm, self.versus):
            if not side.members:
                raise ValueError(f"an arm without members has no mean of {self.metric}")
            if self.denominator is not None and side.mean(self.denominator) <= 0:
                below = side.mean(self.denominator)
                raise ValueError(
                    f"{self.metric} / {self.denominator} needs a positive denominator; its mean is {below}"
                )

    @property
    def method(self) -> str:
        """`cluster_cr2`, or `lin_hc2` where every cluster is one member and there are covariates."""
        single = self.arm.is_single and self.versus.is_single
        return "lin_hc2" if single and self.adjusted and self.arm.covariates else "cluster_cr2"

    @cached_property
    def estimates(self) -> tuple[MeanEstimate, MeanEstimate]:
        """Means of both arms with their CR2 variances."""
        both = self.arm, self.versus
        members = sum(side.members for side in both)
        used = self.arm.covariates if self.adjusted else 0
        # About the pilot, which both arms share.
        away = sum(
            (side.sums[:, _covariates(side)].sum(axis=0) for side in both), np.zeros(self.arm.covariates)
        )
        centre = away[:used] / members
        arm, versus = (self._estimate(side, centre) for side in both)
        return arm, versus

    def _estimate(self, side: ClusterSums, centre: Array) -> MeanEstimate:
        weights, level = _response(side, self.metric, self.denominator)
        gram, cross = _normal_parts(side, weights, centre)
        fitted = _fit(gram, cross)
        if fitted.rank >= len(side.clusters) and len(centre):
            fitted = _fit(gram[:, :1, :1], cross[:, :1])
        mean = level + fitted.intercept
        if len(side.clusters) < 2:
            return MeanEstimate(side.members, mean, None, 1.0)
        return MeanEstimate(side.members, mean, fitted.variance, fitted.degrees)


@dataclass(frozen=True)
class _Fit:
    """The intercept of a regression, its CR2 variance and the variance's degrees of freedom."""

    intercept: float
    variance: float
    degrees: float
    rank: int


def _covariates(side: ClusterSums) -> slice:
    return slice(len(side.names) - side.covariates, None)


def _response(side: ClusterSums, metric: str, denominator: str | None) -> tuple[Array, float]:
    """Weights of the columns (less their pilots) that make the response, and the level added to its mean."""
    weights = np.zeros(len(side.names))
    at = side.names.index(metric)
    if denominator is None:
        weights[at] = 1.0
        return weights, float(side.pilot[at])
    below_at, below = side.names.index(denominator), side.mean(denominator)
    ratio = side.mean(metric) / below
    weights[at] += 1 / below
    weights[below_at] -= ratio / below
    # (numerator - R denominator) / mean(denominator) has mean 0; this is what the pilots take from it.
    return weights, ratio + float(weights @ side.pilot)


def _normal_parts(side: ClusterSums, weights: Array, centre: Array) -> tuple[Array, Array]:
    """X_g'X_g of shape (J, k, k) and X_g'y_g of shape (J, k) for the regressors 1 and the covariates about `centre`."""
    used, first = len(centre), len(side.names) - side.covariates
    counts, sums = side.counts, side.sums[:, first : first + used]
    squares = side.products[:, first : first + used, :used]
    response = side.sums @ weights
    about = sums - counts[:, None] * centre
    gram = np.empty((len(counts), used + 1, used + 1))
    gram[:, 0, 0] = counts
    gram[:, 0, 1:] = gram[:, 1:, 0] = about
    gram[:, 1:, 1:] = squares - sums[:, :, None] * centre - centre[:, None] * about[:, None, :]
    cross = np.empty((len(counts), used + 1))
    cross[:, 0] = response
    cross[:, 1:] = np.einsum("jqp,q->jp", side.products[:, :, :used], weights) - response[:, None] * centre
    return gram, cross


def _fit(gram: Array, cross: Array) -> _Fit:
    """Regress, with L L' = M on the directions that vary, S_g = L' X_g'X_g L and (I - S_g)^(-1/2) by eigenvalues."""
    root = _root_of_inverse(gram.sum(axis=0))
    slopes = root @ (root.T @ cross.sum(axis=0))
    scores = (cross - gram @ slopes) @ root
    contrast = root[0]
    values, vectors = np.linalg.eigh(root.T @ gram @ root)
    left = 1.0 - np.clip(values, 0.0, 1.0)
    shrink = np.divide(1.0, np.sqrt(left), out=np.zeros_like(left), where=left > _DECIDED)
    weights = np.einsum("jki,k->ji", vectors, contrast)

    def influence(of: Array) -> Array:
        return np.asarray((weights * shrink * np.einsum("jki,jk->ji", vectors, of)).sum(axis=1))

    variance = float((influence(scores) ** 2).sum())
    # Without this, rounding would pass for variance where all values are equal.
    if variance <= _ROUNDING**2 * float((influence(cross @ root) ** 2).sum()):
        variance = 0.0
    own = (weights**2 * (1 - left) * shrink**2).sum(axis=1)
    shared = np.einsum("jki,ji->jk", vectors, weights * (1 - left) * shrink)
    return _Fit(float(slopes[0]), variance, _degrees(own, shared), root.shape[1])


def _degrees(own: Array, shared: Array) -> float:
    """(tr B)^2 / tr(B^2) of B = diag(own) - shared shared', which V is a quadratic form in."""
    lengths = (shared**2).sum(axis=1)
    trace = float((own - lengths).sum())
    gram = shared.T @ shared
    square = float((own**2).sum() - 2 * (own * lengths).sum() + (gram**2).sum())
    return trace**2 / square if square > 0 and trace > 0 else 1.0


def _root_of_inverse(normal: Array) -> Array:
    """L of shape (k, rank) with L L' the inverse of X'X on the directions that vary; the intercept always does."""
    # Rounding may leave a constant column a little less than no spread.
    scale = np.sqrt(np.maximum(np.diag(normal), 0.0))
    unit = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > _CONSTANT)
    values, vectors = np.linalg.eigh(normal * np.outer(unit, unit))
    varying = values > _REDUNDANT
    return np.asarray(vectors[:, varying] * unit[:, None] / np.sqrt(values[varying]))
