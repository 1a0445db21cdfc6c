"""Bayesian reading of the same estimates: probability to be best, to beat control, and the expected loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, betaln, log_ndtr, ndtr, xlog1py, xlogy

from experiments.inference.moments import Array
from experiments.inference.score import TwoByTwo
from experiments.inference.tails import critical_value

# Points of the integrals; the integrands are smooth, so that the error is far below 1e-9.
_POINTS = 2001
_REACH = 9.0


@dataclass(frozen=True)
class NormalPosterior:
    """Normal posterior of an effect: estimate and standard error combined with a normal prior.

    >>> posterior = NormalPosterior.update(0.10, 0.05, prior_sd=0.05)
    >>> round(posterior.mean, 6), round(posterior.std_dev, 6)
    (0.05, 0.035355)
    """

    mean: float
    std_dev: float

    @classmethod
    def update(
        cls, estimate: float, std_error: float, *, prior_mean: float = 0.0, prior_sd: float = math.inf
    ) -> NormalPosterior:
        """The conjugate posterior; an infinite prior deviation is the flat prior.

        Raises:
            ValueError: A standard error or prior deviation is not positive.
        """
        if not (0 < std_error < math.inf and prior_sd > 0):
            raise ValueError(f"no posterior from standard error {std_error} and prior deviation {prior_sd}")
        precision = std_error**-2 + prior_sd**-2
        return cls((estimate * std_error**-2 + prior_mean * prior_sd**-2) / precision, precision**-0.5)

    @property
    def probability_positive(self) -> float:
        """Probability that the effect is above 0."""
        return float(ndtr(self.mean / self.std_dev))

    def interval(self, alpha: float) -> tuple[float, float]:
        """Equal-tailed credible interval."""
        half = critical_value(alpha) * self.std_dev
        return self.mean - half, self.mean + half

    @property
    def expected_loss(self) -> float:
        """Expected loss of taking the arm: the mean of max(0, -effect)."""
        z = self.mean / self.std_dev
        density = math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        return self.std_dev * density - self.mean * float(ndtr(-z))

    @property
    def expected_loss_of_control(self) -> float:
        """Expected loss of staying with control: the mean of max(0, effect)."""
        return self.mean + self.expected_loss


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


def beta_probability_better(table: TwoByTwo) -> float:
    """Probability that the arm's rate is above the other's, each with a uniform prior (beta posteriors).

    >>> round(beta_probability_better(TwoByTwo(560, 12_000, 480, 12_000)), 4)
    0.9944
    """
    arm = table.successes_arm + 1, table.members_arm - table.successes_arm + 1
    versus = table.successes_versus + 1, table.members_versus - table.successes_versus + 1
    # Even steps of the log odds reach both ends of (0, 1) and follow either posterior's spread.
    centres = [math.log(a / b) for a, b in (arm, versus)]
    spreads = [math.sqrt(1 / a + 1 / b) for a, b in (arm, versus)]
    low = min(c - 40 * s for c, s in zip(centres, spreads, strict=True))
    high = max(c + 40 * s for c, s in zip(centres, spreads, strict=True))
    points = max(_POINTS, math.ceil(8 * (high - low) / min(spreads)))
    odds = np.linspace(low, high, points)
    rate = 1 / (1 + np.exp(-odds))
    density = np.exp(xlogy(arm[0], rate) + xlog1py(arm[1], -rate) - betaln(*arm))
    return float(np.trapezoid(density * betainc(*versus, rate), odds))


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
