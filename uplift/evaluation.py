"""What a policy or a ranking is worth on members that it was not learned from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from experiments.inference.tails import critical_value
from uplift.features import Array
from uplift.sample import Integers


@dataclass(frozen=True)
class Estimate:
    """A mean over n members and its standard error."""

    value: float
    std_error: float

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        """The two-sided normal interval at confidence 1 - alpha."""
        reach = critical_value(alpha) * self.std_error
        return self.value - reach, self.value + reach


def estimate_mean(values: Array) -> Estimate:
    """The mean of independent members' figures; without a standard error for one member, it is 0."""
    n = len(values)
    return Estimate(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0)


def policy_scores(scores: Array, arms: Integers) -> Array:
    """Each member's score for the arm that a policy gives it, shape (n,)."""
    return np.asarray(scores[np.arange(len(arms)), arms])


def policy_value(scores: Array, arms: Integers) -> Estimate:
    """The value per member of a policy: the mean of the held-out doubly robust scores of the arms that it gives.

    Athey and Wager (2021), "Policy learning with observational data".

    Args:
        scores: Shape (n, K): held-out doubly robust scores.
        arms: Shape (n,): the arm that the policy gives each member.
    """
    return estimate_mean(policy_scores(scores, arms))


def paired_gain(scores: Array, arms: Integers, baseline: Integers) -> Estimate:
    """The value of one policy over another, member by member: where both do the same the difference is exactly 0."""
    return estimate_mean(policy_scores(scores, arms) - policy_scores(scores, baseline))


def qini(priority: Array, gain: Array) -> float:
    """Qini coefficient: area between the gain of treating the best-ranked share q and that of a random share q.

    The integral over q of q (E[gain | priority in the top q] - E[gain]); ties share their group's mean, so that the order of
    rows does not matter and a constant priority gives exactly 0 (Sverdrup, Wu, Athey and Wager 2025).

    Args:
        priority: Shape (n,): members are treated from the highest priority down.
        gain: Shape (n,): doubly robust score of the arm minus that of control.
    """
    excess = _excess(priority, gain)
    return float(np.cumsum(excess).mean() / len(excess))


def auuc(priority: Array, gain: Array) -> float:
    """Area under the uplift curve: the integral over q of the gain per member of treating the best-ranked share q.

    It is the Qini coefficient plus half of the average gain. Ties as in `qini`.
    """
    n = len(gain)
    return qini(priority, gain) + float(gain.mean()) * (n + 1) / (2 * n)


def autoc(priority: Array, gain: Array) -> float:
    """AUTOC: the integral over q of E[gain | priority in the top q] - E[gain], every q with the same weight.

    Yadlowsky et al. (2025), "Evaluating treatment prioritization rules via rank-weighted average treatment effects". Ties
    as in `qini`.
    """
    excess = _excess(priority, gain)
    return float((np.cumsum(excess) / np.arange(1, len(excess) + 1)).mean())


def _excess(priority: Array, gain: Array) -> Array:
    """Gains minus their mean, from the highest priority down, every tie at its group's mean."""
    _, group, counts = np.unique(-priority, return_inverse=True, return_counts=True)
    if len(counts) == 1:
        return np.zeros(len(gain))
    means = np.bincount(group, weights=gain) / counts
    return np.repeat(means - np.average(means, weights=counts), counts)
