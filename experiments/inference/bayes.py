"""Bayesian reading of the same estimates: probability to be best, to beat control, and the expected loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtr

from experiments.inference.moments import Array
from experiments.inference.tails import critical_value

# Points of the integrals; the integrands are smooth, so that the error is far below 1e-9.
_POINTS = 2001
_REACH = 9.0


@dataclass(frozen=True)
class NormalPosterior:
    """Normal posterior of a difference.

    >>> [round(bound, 3) for bound in NormalPosterior(0.05, 0.02).interval(0.05)]
    [0.011, 0.089]
    """

    mean: float
    std_dev: float

    def interval(self, alpha: float) -> tuple[float, float]:
        """Equal-tailed credible interval."""
        half = critical_value(alpha) * self.std_dev
        return self.mean - half, self.mean + half


@dataclass(frozen=True)
class ArmPosterior:
    """What the posterior says of one arm among all.

    Attributes:
        probability_best: That its mean is the best of all arms, control included.
        probability_better_than_control: That its mean is better than control's; one half for control itself.
        expected_loss: Mean shortfall from the best arm, on the metric's scale.
    """

    probability_best: float
    probability_better_than_control: float
    expected_loss: float


def compare_arms(
    means: Sequence[float], std_errors: Sequence[float], *, better_up: bool = True
) -> tuple[ArmPosterior, ...]:
    """Posterior comparison of all arms under independent normal posteriors (flat priors on the arms' means).

    One-dimensional integrals over the value of the best arm, no simulation.

    Args:
        means: Estimated mean per arm, control first.
        std_errors: Standard error of each mean, positive.
        better_up: Whether more of the metric is better.

    Raises:
        ValueError: Fewer than two arms, lengths differ, or a standard error is not positive.

    >>> [round(arm.probability_best, 3) for arm in compare_arms([0.0, 0.0, 0.0], [1.0, 1.0, 1.0])]
    [0.333, 0.333, 0.333]
    """
    if len(means) < 2 or len(means) != len(std_errors):
        raise ValueError(
            f"{len(means)} means and {len(std_errors)} standard errors; two or more arms are needed"
        )
    if not all(0 < error < math.inf for error in std_errors):
        raise ValueError(f"standard errors must be positive; got {list(std_errors)}")
    mean = np.asarray(means, dtype=float) * (1 if better_up else -1)
    error = np.asarray(std_errors, dtype=float)
    beaten = (mean - mean[0]) / np.hypot(error, error[0])
    return tuple(
        ArmPosterior(
            _probability_best(mean, error, arm),
            float(ndtr(beaten[arm])) if arm else 0.5,
            _expected_loss(mean, error, arm),
        )
        for arm in range(len(mean))
    )


def _probability_best(mean: Array, error: Array, arm: int) -> float:
    """Integral over the arm's own mean of the probability that all others lie below."""
    z = np.linspace(-_REACH, _REACH, _POINTS)
    value = mean[arm] + error[arm] * z
    others = np.arange(len(mean)) != arm
    logs = log_ndtr((value[:, None] - mean[others]) / error[others]).sum(axis=1)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return float(np.trapezoid(density * np.exp(logs), z))


def _expected_loss(mean: Array, error: Array, arm: int) -> float:
    """Mean of (largest of the others - this arm) where that is positive.

    The integral over x of P(this arm < x) P(some other > x), all arms being independent.
    """
    others = np.arange(len(mean)) != arm
    low = float(mean[arm] - _REACH * error[arm])
    high = float((mean[others] + _REACH * error[others]).max())
    if high <= low:
        return 0.0
    points = min(max(_POINTS, math.ceil(8 * (high - low) / float(error.min()))), 200_001)
    x = np.linspace(low, high, points)
    some_above = -np.expm1(log_ndtr((x[:, None] - mean[others]) / error[others]).sum(axis=1))
    return float(np.trapezoid(ndtr((x - mean[arm]) / error[arm]) * some_above, x))
