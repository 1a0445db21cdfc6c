"""What a policy or a ranking is worth on members that it was not learned from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from experiments.inference.tails import critical_value
from uplift.features import Array
from uplift.sample import Flags, Integers


@dataclass(frozen=True)
class Estimate:
    """A mean over n members and its standard error."""

    value: float
    std_error: float

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        """The two-sided normal interval at confidence 1 - alpha."""
        reach = critical_value(alpha) * self.std_error
        return self.value - reach, self.value + reach


def estimate_mean(values: Array, unit: Integers | None = None) -> Estimate:
    """The mean of members' figures; without a standard error for one member or unit, it is 0.

    Members are independent; or where `unit` is given, units are, and the error is that of their sums about the mean (Liang and
    Zeger 1986).

    Args:
        values: Shape (n,).
        unit: Shape (n,), from 0: the unit that each member was assigned with; None where members were assigned alone.
    """
    n, mean = len(values), float(values.mean())
    if unit is None:
        return Estimate(mean, float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0)
    together, units = np.bincount(unit, weights=values - mean), len(np.unique(unit))
    spread = math.sqrt(float(together @ together) * units / (units - 1)) if units > 1 else 0.0
    return Estimate(mean, spread / n)


def estimate_part(values: Array, here: Flags, unit: Integers | None = None) -> Estimate:
    """`estimate_mean` of the members of a part; 0 where it has none."""
    if not here.any():
        return Estimate(0.0, 0.0)
    return estimate_mean(values[here], None if unit is None else unit[here])


def policy_scores(scores: Array, arms: Integers) -> Array:
    """Each member's score for the arm that a policy gives it, shape (n,)."""
    return np.asarray(scores[np.arange(len(arms)), arms])


def policy_value(scores: Array, arms: Integers, unit: Integers | None = None) -> Estimate:
    """The value per member of a policy: the mean of the held-out doubly robust scores of the arms that it gives.

    Athey and Wager (2021), "Policy learning with observational data".

    Args:
        scores: Shape (n, K): held-out doubly robust scores.
        arms: Shape (n,): the arm that the policy gives each member.
        unit: As for `estimate_mean`.
    """
    return estimate_mean(policy_scores(scores, arms), unit)


def weighted_value(
    arm: Integers, value: Array, propensity: Array, chosen: Integers, unit: Integers | None = None
) -> tuple[Estimate, Estimate]:
    """The value of a policy from the members who happen to be in the arm that it gives them: no model enters.

    Horvitz and Thompson (1952): the mean of 1{A = chosen} Y / e; and Hájek (1971): the same divided by the mean of the
    weights, which does not depend on where the value has its zero. Both are noisier than `policy_value` and check it.

    Args:
        arm: Shape (n,): the arm of each member.
        value: Shape (n,): what was observed.
        propensity: Shape (n,): the probability with which the member came into its arm.
        chosen: Shape (n,): the arm that the policy gives it.
        unit: As for `estimate_mean`.

    Returns:
        The inverse-propensity-weighted estimate, and the self-normalised one.
    """
    weights = np.where(arm == chosen, 1 / propensity, 0.0)
    plain = estimate_mean(weights * value, unit)
    total = float(weights.mean())
    if total == 0:
        return plain, Estimate(0.0, 0.0)
    normalised = plain.value / total
    rest = estimate_mean(weights * (value - normalised) / total, unit)
    return plain, Estimate(normalised, rest.std_error)


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


def qini_estimate(priority: Array, gain: Array, unit: Integers | None = None) -> Estimate:
    """`qini` with its standard error, which knows that the ranks are estimated too.

    With R the share of members ranked above, ties halved, the coefficient is E[gain (1/2 - R)], a U-statistic; a member
    enters by its own gain and by the ranks of all below it (Hoeffding 1948). `unit` as for `estimate_mean`.
    """
    above, centred = _rank_from_top(priority), gain - gain.mean()
    below = _mean_below(priority, centred)
    return Estimate(qini(priority, gain), _error(centred * (0.5 - above) - below, unit))


def autoc_estimate(priority: Array, gain: Array, unit: Integers | None = None) -> Estimate:
    """`autoc` with its standard error, as in `qini_estimate` for E[gain (-log R - 1)], its factor averaged over ties."""
    above, centred = _rank_from_top(priority), gain - gain.mean()
    _, group, counts = np.unique(-priority, return_inverse=True, return_counts=True)
    ends = np.concatenate([[0.0], np.cumsum(counts) / len(gain)])
    factor = -np.diff(np.append(0.0, ends[1:] * np.log(ends[1:]))) / np.diff(ends)
    below = _mean_below(priority, centred / above)
    return Estimate(autoc(priority, gain), _error(centred * factor[group] - below, unit))


def _rank_from_top(priority: Array) -> Array:
    """Shape (n,): the share of members with a higher priority, and half of those with the same."""
    _, group, counts = np.unique(-priority, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - counts / 2)[group] / len(priority))


def _mean_below(priority: Array, terms: Array) -> Array:
    """Shape (n,): the sum over members of lower priority, and half of those with the same, divided by n."""
    _, group = np.unique(priority, return_inverse=True)
    sums = np.bincount(group, weights=terms)
    return np.asarray((np.cumsum(sums) - sums / 2)[group] / len(terms))


def _error(terms: Array, unit: Integers | None) -> float:
    return estimate_mean(terms, unit).std_error


def _excess(priority: Array, gain: Array) -> Array:
    """Gains minus their mean, from the highest priority down, every tie at its group's mean."""
    _, group, counts = np.unique(-priority, return_inverse=True, return_counts=True)
    if len(counts) == 1:
        return np.zeros(len(gain))
    means = np.bincount(group, weights=gain) / counts
    return np.repeat(means - np.average(means, weights=counts), counts)
