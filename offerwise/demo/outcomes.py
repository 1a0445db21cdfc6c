"""Potential outcomes: what each member would do under each arm, from common random numbers.

Every member has one set of latent draws (how near to buying, which basket, how easily annoyed). An arm moves the
probability, the draws stay: so a member's outcomes under all arms are known together and true effects are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np

from experiments.definition.arms import Arm
from offerwise.demo.history import order_amounts, partial_refunds
from offerwise.demo.members import Population
from offerwise.demo.tables import DAY, Booleans, Floats, Integers, Texts, chance
from offerwise.demo.truth import (
    MARGIN,
    UNSUBSCRIBE_DAYS,
    WINDOW_DAYS,
    PlantedTruth,
    TrueEffect,
    TrueEffects,
    TrueMetric,
)


@dataclass(frozen=True)
class Latents:
    """One set of draws for each member, whatever the arm; delays are microseconds after the planned send.

    Attributes:
        purchase: The member buys where this is below the probability.
        redemption, visit: A buyer, or another member, takes the benefit where this is below the share.
        unsubscription, complaint: The member does so where this is below the probability.
        amount: Value of the first order in cents, before the arm changes it.
        second: Value of a second order in the window; 0 for most buyers.
        returned: Share of the first order that is given back.
        in_shop: Whether the member buys in a shop, not online.
        reachable: Whether the message arrives.
        order_after, second_after, visit_after, unsubscribe_after, complain_after: Delays.
    """

    purchase: Floats
    redemption: Floats
    visit: Floats
    unsubscription: Floats
    complaint: Floats
    amount: Integers
    second: Integers
    returned: Floats
    in_shop: Booleans
    reachable: Booleans
    order_after: Integers
    second_after: Integers
    visit_after: Integers
    unsubscribe_after: Integers
    complain_after: Integers

    @classmethod
    def draw(cls, population: Population, seed: int) -> Latents:
        """The draws of all members."""
        rng = chance(seed, "latents")
        n = len(population)
        purchase, redemption, visit, unsubscription, complaint = rng.random((5, n))
        amount = order_amounts(population.basket, rng)
        again = rng.random(n) < 0.10
        window = WINDOW_DAYS * DAY - 1
        order_after = np.floor(rng.beta(1.0, 1.6, n) * window).astype(np.int64)
        return cls(
            purchase=purchase,
            redemption=redemption,
            visit=visit,
            unsubscription=unsubscription,
            complaint=complaint,
            amount=amount,
            second=np.where(again, order_amounts(population.basket * 0.8, rng), 0),
            returned=partial_refunds(amount, rng) / amount,
            in_shop=rng.random(n) < 0.45,
            reachable=rng.random(n) < 0.97,
            order_after=order_after,
            second_after=order_after + np.floor(rng.random(n) * (window - order_after)).astype(np.int64),
            visit_after=np.floor(rng.random(n) * window).astype(np.int64),
            unsubscribe_after=np.floor(rng.beta(0.5, 4.0, n) * (UNSUBSCRIBE_DAYS * DAY - 1)).astype(np.int64),
            complain_after=np.floor(rng.beta(0.6, 3.0, n) * window).astype(np.int64),
        )

    def take(self, positions: Integers) -> Latents:
        """The draws of some members."""
        return Latents(*(getattr(self, item.name)[positions] for item in fields(self)))


@dataclass(frozen=True)
class Outcomes:
    """What members do within their windows under one arm, as arrays of one length; money in cents."""

    converted: Booleans
    first_order: Integers
    second_order: Integers
    refund: Integers
    redeemed: Booleans
    unsubscribed: Booleans
    complained: Booleans

    @property
    def net_revenue(self) -> Integers:
        """Paid orders less what was given back, in cents."""
        return self.first_order + self.second_order - self.refund


@dataclass(frozen=True)
class PotentialOutcomes:
    """The members assigned, with everything that decides what they would do under any arm.

    Attributes:
        segment: Each member's segment.
        eagerness: Each member's multiple of the segment's baseline.
        latents: Each member's draws.
        planted: What the arms do.
    """

    segment: Texts
    eagerness: Floats
    latents: Latents
    planted: PlantedTruth

    def under(self, arm: str) -> Outcomes:
        """The outcomes of every member if assigned to `arm`; KeyError for an arm without planted truth."""
        truth, draws = self.planted.arm(arm), self.latents
        probability = self._by_segment(self.planted.baseline.of) * self.eagerness + self._by_segment(
            truth.purchase.of
        )
        converted = draws.purchase < probability
        first = self._orders(draws.amount, truth.basket, truth.least_order)
        second = self._orders(draws.second, truth.basket, truth.least_order)
        taken_by_others = draws.visit < truth.redeemed_by_others
        return Outcomes(
            converted=converted,
            first_order=np.where(converted, first, 0),
            second_order=np.where(converted, second, 0),
            refund=np.where(converted, np.rint(first * draws.returned).astype(np.int64), 0),
            redeemed=np.where(converted, draws.redemption < truth.redeemed_by_buyers, taken_by_others),
            unsubscribed=draws.unsubscription < self.planted.unsubscribed + truth.unsubscribed,
            complained=draws.complaint < self.planted.complained + truth.complained,
        )

    def true_effects(self, arms: Iterable[Arm]) -> TrueEffects:
        """The true effect of every arm on every metric, over all members and over those of each segment."""
        (_, control), *offers = [(arm.id, _values(self.under(arm.id), arm)) for arm in arms]
        everyone = np.ones(len(self.segment), dtype=bool)
        groups = [(None, everyone), *((str(name), self.segment == name) for name in np.unique(self.segment))]
        return TrueEffects(
            self.planted,
            tuple(
                TrueEffect(
                    metric=metric,
                    segment=segment,
                    arm=arm,
                    members=int(among.sum()),
                    control_mean=float(without[among].mean()),
                    difference=float((values[metric] - without)[among].mean()),
                )
                for metric, without in control.items()
                for segment, among in groups
                for arm, values in offers
            ),
        )

    def _by_segment(self, figure: Callable[[str], float]) -> Floats:
        names, codes = np.unique(self.segment, return_inverse=True)
        return np.array([figure(str(name)) for name in names])[codes]

    @staticmethod
    def _orders(amount: Integers, basket: float, least: float) -> Integers:
        changed = np.maximum(np.rint(amount * basket).astype(np.int64), round(least * 100))
        return np.where(amount > 0, changed, 0)


def _values(outcomes: Outcomes, arm: Arm) -> Mapping[TrueMetric, Floats]:
    benefit_cost: Floats = outcomes.redeemed.astype(np.float64) * arm.unit_cost_if_taken
    net_revenue: Floats = outcomes.net_revenue / 100
    return {
        "converted": outcomes.converted.astype(np.float64),
        "net_revenue": net_revenue,
        "benefit_cost": benefit_cost,
        "profit": MARGIN * net_revenue - benefit_cost - arm.contact_cost,
        "unsubscribed": outcomes.unsubscribed.astype(np.float64),
        "complained": outcomes.complained.astype(np.float64),
    }
