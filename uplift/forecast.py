"""The forecast: what the rollout should earn over no contact, and between which bounds its own holdout will show it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from experiments.inference.tails import critical_value
from uplift.features import Array
from uplift.offers import Offers
from uplift.policy import ShippedPolicy
from uplift.sample import Integers


@dataclass(frozen=True)
class Strata:
    """Members who were drawn alike: of one part of the audience, to whom the policy gives the same, or would have given it.

    Within a stratum chance alone decided who is held out, who explores and who gets the policy's offer, so that the held-out
    members show what the others would have done without contact.

    Attributes:
        cell: Shape (S,): the part of the audience.
        offered: Shape (S, K): members whom the policy gives each arm; none for control.
        explored: Shape (S, K): exploring members.
        held: Shape (S,): held-out members.
    """

    cell: Integers
    offered: Array
    explored: Array
    held: Array

    @classmethod
    def of(cls, offered: Array, explored: Array, held: Array) -> Strata:
        """From members by part, arm of the policy and own arm, shapes (C, K, K), (C, K, K) and (C, K)."""
        cells, arms = held.shape
        cell = np.repeat(np.arange(cells), arms)
        return cls(cell, offered.reshape(-1, arms), explored.reshape(-1, arms), held.reshape(-1))

    @property
    def contacted(self) -> Array:
        """Shape (S,): everybody who is contacted."""
        return np.asarray((self.offered + self.explored).sum(axis=1))


@dataclass(frozen=True)
class Forecast:
    """Profit over no contact.

    Attributes:
        by_arm: Shape (K,): of the members who are offered each arm.
        total: Of all of them and of the exploring members.
        low: Lower end of the 95 % prediction interval of `total`.
        high: Its upper end.
    """

    by_arm: Array
    total: float
    low: float
    high: float


def expected_profit(
    offers: Offers, offered: Array, explored: Array, optimism: float = 0.0
) -> tuple[Array, float]:
    """Shape (K,) by arm of the offers, and the total with exploration; `offered` and `explored` have shape (C, K).

    Gains per member from the test times members, less what the chosen arms look better for having been chosen, and less
    `optimism`, by which the plan looks better for having been chosen: of each arm as much as its gains are uncertain.
    """
    own = np.zeros_like(offers.gains)
    own[np.arange(len(offers.arm)), list(offers.arm)] = offers.optimism
    own[:, 0] = 0.0
    uncertain = (offered * offers.errors).sum(axis=0)
    lowered = optimism * uncertain / uncertain.sum() if uncertain.any() else np.zeros_like(uncertain)
    by_arm = (offered * (offers.gains - own)).sum(axis=0) - lowered
    return by_arm, float(by_arm.sum() + (explored * offers.gains).sum())


def forecast(offers: Offers, strata: Strata, optimism: float = 0.0) -> Forecast:
    """What a rollout to these members should earn, as `expected_profit` has it, with its prediction interval.

    The holdout will show the difference of means between contacted and held-out members of each stratum, times the contacted
    ones. Its distance from the forecast has three independent parts: the error of the test's estimates, the noise of the
    contacted members, and that of the held-out ones, each with the spread of its own part and arm: a rollout may weigh the parts
    quite otherwise than the test. The errors of the arms of one part, which share a control, are taken to go together. Members
    of one unit vary together, by as much as they did in the test. Where nobody is held out, the interval is that of the profit itself.

    Args:
        offers: What is offered, and what the test showed of it.
        strata: To whom.
        optimism: What the plan looks better for having been chosen; see `plan_optimism`.
    """
    offered, explored = _by_cell(offers, strata, strata.offered), _by_cell(offers, strata, strata.explored)
    by_arm, total = expected_profit(offers, offered, explored, optimism)
    contacted = offered + explored
    estimation = ((contacted * offers.errors).sum(axis=1) ** 2).sum()
    if offers.policy is not None:
        estimation = max(estimation, (contacted.sum() * _held_out_error(offers, offers.policy)) ** 2)
    noise = (contacted * offers.spread**2).sum()
    in_stratum = strata.contacted
    controls = np.where(strata.held > 0, strata.held, np.maximum(in_stratum, 1.0))
    compared = (in_stratum**2 / controls * offers.spread[strata.cell, 0] ** 2).sum()
    variance = estimation + offers.clustering * (noise + compared)
    reach = critical_value(0.05) * math.sqrt(float(variance))
    return Forecast(by_arm, total, total - reach, total + reach)


def _by_cell(offers: Offers, strata: Strata, members: Array) -> Array:
    found = np.zeros_like(offers.gains)
    np.add.at(found, strata.cell, members)
    return found


def _held_out_error(offers: Offers, policy: ShippedPolicy) -> float:
    """The error of the gain of a member whom the policy contacts; the policy's own is that of every member, contacted or not."""
    members = np.array([cell.members for cell in policy.cells], dtype=float)
    treated = members[np.array(offers.arm) > 0].sum()
    return policy.held_out_error * float(members.sum() / treated) if treated > 0 else 0.0
