"""The forecast: what the rollout should earn over no contact, and between which bounds its own holdout will show it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from experiments.inference.tails import critical_value
from uplift.features import Array
from uplift.offers import Offers
from uplift.policy import ShippedPolicy


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


def forecast(offers: Offers, offered: Array, explored: Array, held: Array) -> Forecast:
    """Gains per member from the test times members, less what the chosen arms look better for having been chosen.

    The holdout will show the difference of means between contacted and held-out members of each part, times the contacted ones.
    Its distance from the forecast has three independent parts: the error of the test's estimates, the noise of the contacted
    members, and that of the held-out ones, each with the spread of its own part and arm: a rollout may weigh the parts quite
    otherwise than the test. The errors of the arms of one part, which share a control, are taken to go together. Where nobody is held out, the interval is that of the profit itself.

    Args:
        offers: Gains, their errors and the spread of the value.
        offered: Shape (C, K): members offered each arm.
        explored: Shape (C, K): exploring members.
        held: Shape (C,): held-out members.
    """
    own = np.zeros_like(offers.gains)
    own[np.arange(len(offers.arm)), list(offers.arm)] = offers.optimism
    own[:, 0] = 0.0
    expected = offered * (offers.gains - own)
    total = float(expected.sum() + (explored * offers.gains).sum())
    contacted = offered + explored
    estimation = ((contacted * offers.errors).sum(axis=1) ** 2).sum()
    if offers.policy is not None:
        estimation = max(estimation, (contacted.sum() * _held_out_error(offers, offers.policy)) ** 2)
    noise = (contacted * offers.spread**2).sum()
    by_part = contacted.sum(axis=1)
    controls = np.where(held > 0, held, np.maximum(by_part, 1.0))
    compared = (by_part**2 / controls * offers.spread[:, 0] ** 2).sum()
    reach = critical_value(0.05) * math.sqrt(float(estimation + noise + compared))
    return Forecast(expected.sum(axis=0), total, total - reach, total + reach)


def _held_out_error(offers: Offers, policy: ShippedPolicy) -> float:
    """The error of the gain of a member whom the policy contacts; the policy's own is that of every member, contacted or not."""
    members = np.array([cell.members for cell in policy.cells], dtype=float)
    treated = members[np.array(offers.arm) > 0].sum()
    return policy.held_out_error * float(members.sum() / treated) if treated > 0 else 0.0
