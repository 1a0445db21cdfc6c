"""Posterior of arms' differences from a shared control under a normal prior of each difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtr

from experiments.inference.bayes import ArmPosterior, NormalPosterior
from experiments.inference.moments import Array

# Control's mean is followed this many deviations to both sides, in so many even steps.
_REACH = 8.5
_STEPS = 401
# Gauss-Legendre nodes of a panel, panels at most, and the steps of control's mean that are computed together.
_NODES = 8
_MOST_PANELS = 400
_TOGETHER = 25


@dataclass(frozen=True)
class NormalPrior:
    """What is believed of each arm's difference from control before the data: normal, the arms independent.

    Raises:
        ValueError: The deviation is not positive, or a figure is not finite.
    """

    mean: float
    std_dev: float

    def __post_init__(self) -> None:
        if not (0 < self.std_dev < math.inf and math.isfinite(self.mean)):
            raise ValueError(f"no normal prior has mean {self.mean} and deviation {self.std_dev}")


@dataclass(frozen=True)
class InformedPosterior:
    """Posterior of K arms' differences from control, given control's mean each independent of the others.

    Control's mean has a flat prior, so that with one arm this is the conjugate normal posterior of its difference.

    Attributes:
        differences: Shape (K,): estimates against control.
        own: Shape (K,): the part of each variance that is the arm's own.
        shared: The part that all of them share, control's.
        prior: Of each difference.

    Raises:
        ValueError: No arm, lengths differ, or a variance is not positive.

    >>> posterior = InformedPosterior([0.10], [0.0015], 0.0010, NormalPrior(0.0, 0.05))
    >>> marginal = posterior.marginals()[0]
    >>> round(marginal.mean, 6), round(marginal.std_dev, 6)
    (0.05, 0.035355)
    """

    differences: Sequence[float]
    own: Sequence[float]
    shared: float
    prior: NormalPrior

    def __post_init__(self) -> None:
        if not self.differences or len(self.differences) != len(self.own):
            raise ValueError(f"{len(self.differences)} differences and {len(self.own)} variances")
        if not all(0 < variance < math.inf for variance in (*self.own, self.shared)):
            raise ValueError(f"variances must be positive; got {list(self.own)} and {self.shared}")

    def marginals(self) -> tuple[NormalPosterior, ...]:
        """The posterior of each difference by itself."""
        control, spread = self._control()
        kept, own = self._kept(), np.asarray(self.own)
        means = self._given(control, kept)
        deviations = np.sqrt(kept * own + kept**2 * spread**2)
        return tuple(NormalPosterior(float(m), float(s)) for m, s in zip(means, deviations, strict=True))

    def odds(self, *, better_up: bool = True) -> tuple[ArmPosterior, ...]:
        """What the posterior says of each arm, control being one of those it is ranked with.

        By quadrature over control's mean and over the best difference; errors are far below 1e-6.
        """
        sign = 1.0 if better_up else -1.0
        marginals = self.marginals()
        best, expected = self._best(sign)
        return tuple(
            ArmPosterior(
                float(share),
                float(ndtr(sign * each.mean / each.std_dev)),
                max(0.0, expected - sign * each.mean),
            )
            for share, each in zip(best, marginals, strict=True)
        )

    def _best(self, sign: float) -> tuple[Array, float]:
        """Shape (K,): the probability of each arm to be the best; and the mean of the best difference, at least 0."""
        control, spread = self._control()
        kept = self._kept()
        deviation = np.sqrt(kept * np.asarray(self.own))
        z = np.linspace(-_REACH, _REACH, _STEPS)
        weights = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
        centres = sign * self._given((control + spread * z)[:, None], kept)
        high = float((centres + _REACH * deviation).max())
        best, expected = np.zeros(len(kept)), 0.0
        if high <= 0:
            return best, expected
        x, widths = _panels(high, float(deviation.min()))
        for start in range(0, _STEPS, _TOGETHER):
            part, weight = centres[start : start + _TOGETHER], weights[start : start + _TOGETHER]
            distance = (x[None, :, None] - part[:, None, :]) / deviation
            below = log_ndtr(distance)
            all_below = below.sum(axis=2)
            expected += float(weight @ -np.expm1(all_below) @ widths)
            own = np.exp(all_below[:, :, None] - below - distance**2 / 2) / (
                deviation * math.sqrt(2 * math.pi)
            )
            best += np.einsum("s,sxk,x->k", weight, own, widths)
        return best, expected

    def _control(self) -> tuple[float, float]:
        """Control's mean, its estimate being 0, and its posterior deviation."""
        precisions = 1 / (np.asarray(self.own) + self.prior.std_dev**2)
        variance = 1 / (1 / self.shared + float(precisions.sum()))
        surprise = np.asarray(self.differences) - self.prior.mean
        return float(precisions @ surprise) * variance, math.sqrt(variance)

    def _kept(self) -> Array:
        """How much of each estimate's distance from the prior mean stays."""
        square = self.prior.std_dev**2
        return np.asarray(square / (square + np.asarray(self.own)), dtype=float)

    def _given(self, control: float | Array, kept: Array) -> Array:
        """Means of the differences where control's mean is known."""
        surprise = np.asarray(self.differences) - self.prior.mean - control
        return np.asarray(self.prior.mean + kept * surprise, dtype=float)


def _panels(high: float, narrowest: float) -> tuple[Array, Array]:
    """Nodes and weights from 0 to the highest difference, close enough for the narrowest posterior."""
    panels = min(max(8, math.ceil(high / narrowest)), _MOST_PANELS)
    width = high / panels
    unit, share = np.polynomial.legendre.leggauss(_NODES)
    nodes = width * (np.arange(panels)[:, None] + (unit + 1) / 2)
    return nodes.ravel(), np.tile(share * width / 2, panels)
