"""Adjusted estimates: covariates and strata that were known before the experiment reduce variance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from experiments.inference.moments import Array, Moments
from experiments.inference.wald import MeanEstimate, WaldComparison

# Directions of the covariates' correlation matrix with less variance than this are redundant.
_REDUNDANT = 1e-10
# A column that spreads less than this is constant: the inverse of its square would be no double.
_CONSTANT = 1e-140


@dataclass(frozen=True)
class LinComparison(WaldComparison):
    """Regression-adjusted difference with slopes of its own in each arm, computed from second moments.

    Method `lin` with covariates, `stratified` with two or more strata (with or without covariates), `welch` with
    neither. The estimand is the intention-to-treat effect over all strata. One stratum, Lin (2013):

        mean_a = ybar_a - b_a' d_a,  variance_a = s2_a (1 / n_a + d_a' S_a^-1 d_a)

    with b_a the arm's slopes, S_a its centred sums of squares of the covariates, d_a their mean in the arm minus
    their mean in both arms together, s2_a = RSS_a / (n_a - 1 - p). Strata (Imbens and Rubin 2015, chapter 9;
    Fogarty 2018 for the slopes): means and residual variances are taken within each stratum and weighted with
    w_h, slopes are pooled over the strata of an arm. Binary metrics: a linear probability model.
    Ratios: the metric is linearised about each arm's own ratio, (numerator - R denominator) / mean(denominator).

    Attributes:
        arm: Moments of the arm, one per stratum; one stratum if the assignment was not stratified.
        versus: Moments of the arm that it is compared with, strata in the same order.
        metric: The column (a ratio's numerator).
        covariates: Columns known before the experiment; constant and redundant ones have no effect.
        weights: Weight of each stratum; default: its share of the members of both arms.
        denominator: A ratio's denominator.

    A stratum with fewer than two members in an arm is merged with its neighbour in the order given. An arm too
    small for the slopes is left without them.

    Raises:
        ValueError: No stratum, lengths differ, weights not positive, an arm without members, or a ratio
            whose denominator is not positive.
    """

    arm: Sequence[Moments]
    versus: Sequence[Moments]
    metric: str
    covariates: tuple[str, ...] = ()
    weights: Sequence[float] | None = None
    denominator: str | None = None

    def __post_init__(self) -> None:
        strata = len(self.arm)
        if not strata or len(self.versus) != strata or len(self.weights or self.arm) != strata:
            raise ValueError("arm, versus and weights must have one entry per stratum, and at least one")
        if self.weights is not None and min(self.weights) <= 0:
            raise ValueError(f"weights of strata must be positive; got {list(self.weights)}")
        if not all(sum(moments.count for moments in side) for side in (self.arm, self.versus)):
            raise ValueError(f"an arm without members has no mean of {self.metric}")
        for side in (self.arm, self.versus):
            below = sum(moments.total(self.denominator) for moments in side) if self.denominator else 1.0
            if below <= 0:
                raise ValueError(f"{self.metric} / {self.denominator} needs a positive denominator: {below}")

    @property
    def method(self) -> str:
        """`stratified`, `lin` or `welch`."""
        if len(self._strata) > 1:
            return "stratified"
        return "lin" if self.covariates else "welch"

    @cached_property
    def estimates(self) -> tuple[MeanEstimate, MeanEstimate]:
        """Adjusted means of both arms."""
        strata = self._strata
        shares = np.array([stratum.weight for stratum in strata])
        centres = [_covariate_means(stratum, self.covariates) for stratum in strata]
        sides = [stratum.arm for stratum in strata], [stratum.versus for stratum in strata]
        arm, versus = (self._estimate(side, shares, centres) for side in sides)
        return arm, versus

    @cached_property
    def _strata(self) -> tuple[_Stratum, ...]:
        columns = (self.metric, *self.covariates, *([self.denominator] if self.denominator else []))
        names = tuple(dict.fromkeys(columns))
        counts = [a.count + v.count for a, v in zip(self.arm, self.versus, strict=True)]
        weights = counts if self.weights is None else self.weights
        strata = [
            _Stratum(a.select(names), v.select(names), weight)
            for a, v, weight in zip(self.arm, self.versus, weights, strict=True)
        ]
        merged = _merge_small(strata)
        total = sum(stratum.weight for stratum in merged)
        return tuple(_Stratum(s.arm, s.versus, s.weight / total) for s in merged)

    def _estimate(self, side: Sequence[Moments], shares: Array, centres: Sequence[Array]) -> MeanEstimate:
        """The adjusted mean of one arm from its strata."""
        response, level = _linearise(side, shares, self.metric, self.denominator)
        at = np.array([side[0].names.index(name) for name in self.covariates], dtype=int)
        counts = np.array([moments.count for moments in side])
        means = np.array([moments.mean for moments in side])
        comoments = np.array([moments.comoment for moments in side])
        spreads, crosses = comoments[:, at[:, None], at], comoments[:, at] @ response
        residual_degrees = int(counts.sum()) - len(side)
        inverse, rank = _inverse(spreads.sum(axis=0))
        if residual_degrees - rank < 1:
            inverse, rank = np.zeros_like(inverse), 0
        slopes = inverse @ crosses.sum(axis=0)
        distance = shares @ (means[:, at] - np.array(centres))
        mean = level + float(shares @ means @ response) - float(slopes @ distance)
        if counts.min() < 2:
            return MeanEstimate(int(counts.sum()), mean, None, 1.0)
        squares = comoments @ response @ response
        residuals = squares - 2 * crosses @ slopes + spreads @ slopes @ slopes
        # Rounding, not variance, is left where the covariates explain everything.
        residuals[residuals <= 1e-12 * squares] = 0.0
        left = (residual_degrees - rank) / residual_degrees
        degrees = (counts - 1) * left
        parts = shares**2 * residuals / degrees / counts
        slope_part = residuals.sum() / (residual_degrees - rank) * float(distance @ inverse @ distance)
        variance = float(parts.sum() + slope_part)
        return MeanEstimate(int(counts.sum()), mean, variance, _satterthwaite(parts, degrees))


def explained_share(
    moments: Moments, metric: str, covariates: Sequence[str], denominator: str | None = None
) -> float:
    """Share of a metric's (a linearised ratio's) variance that covariates explain: R squared.

    Raises:
        ValueError: A ratio's denominator is not positive.
    """
    response, _ = _linearise([moments], np.ones(1), metric, denominator)
    at = np.array([moments.names.index(name) for name in covariates], dtype=int)
    cross = moments.comoment[at] @ response
    inverse, _ = _inverse(moments.comoment[np.ix_(at, at)])
    square = float(moments.comoment @ response @ response)
    return min(1.0, float(cross @ inverse @ cross) / square) if square > 0 else 0.0


@dataclass(frozen=True)
class _Stratum:
    arm: Moments
    versus: Moments
    weight: float

    def __add__(self, other: _Stratum) -> _Stratum:
        return _Stratum(self.arm + other.arm, self.versus + other.versus, self.weight + other.weight)

    @property
    def smallest(self) -> int:
        """Members of the smaller arm."""
        return min(self.arm.count, self.versus.count)


def _merge_small(strata: list[_Stratum]) -> list[_Stratum]:
    """Merges each stratum with fewer than two members in an arm with the one before it, the first with the next."""
    merged = list(strata)
    while len(merged) > 1:
        small = next((i for i, stratum in enumerate(merged) if stratum.smallest < 2), None)
        if small is None:
            break
        into = max(small, 1)
        merged[into - 1 : into + 1] = [merged[into - 1] + merged[into]]
    return merged


def _covariate_means(stratum: _Stratum, covariates: Sequence[str]) -> Array:
    sides = stratum.arm, stratum.versus
    members = sum(moments.count for moments in sides)
    totals = [sum(moments.total(name) for moments in sides) for name in covariates]
    return np.array(totals, dtype=float) / members


def _inverse(spread: Array) -> tuple[Array, int]:
    """Inverse of a covariance on the directions that vary, and their number."""
    scale = np.sqrt(np.diag(spread))
    unit = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > _CONSTANT)
    values, vectors = np.linalg.eigh(spread * np.outer(unit, unit))
    varying = values > _REDUNDANT
    basis = vectors[:, varying] * unit[:, None]
    return basis / values[varying] @ basis.T, int(varying.sum())


def _satterthwaite(parts: Array, degrees: Array) -> float:
    largest = parts.max()
    if largest <= 0:
        return float(degrees.sum())
    scaled = parts / largest
    return float(scaled.sum() ** 2 / (scaled**2 / degrees).sum())


def _linearise(
    side: Sequence[Moments], shares: Array, metric: str, denominator: str | None
) -> tuple[Array, float]:
    """Weights of the columns that make the response, and the level added to its mean."""
    names = side[0].names
    response = np.zeros(len(names))
    at = names.index(metric)
    if denominator is None:
        response[at] = 1.0
        return response, 0.0
    below_at = names.index(denominator)
    means = np.array([moments.mean for moments in side])
    above, below = float(shares @ means[:, at]), float(shares @ means[:, below_at])
    if below <= 0:
        raise ValueError(f"{metric} / {denominator} needs a positive denominator; its mean is {below}")
    response[at] += 1 / below
    response[below_at] -= above / below**2
    return response, above / below
