"""What was recorded before the snapshot: orders, contacts of earlier campaigns, redemptions, feedback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from offerwise.demo.calendar import Season
from offerwise.demo.members import HISTORY_DAYS, Population
from offerwise.demo.tables import Integers, chance, instants, money, picked
from offerwise.demo.truth import PLANTED

if TYPE_CHECKING:
    import pyarrow as pa

STATUSES = ("paid", "cancelled", "refunded")
SHOPS = ("online", "store")
CHANNELS = ("sms", "ai_call", "wecom")
CONTACT_KINDS = ("marketing", "care")
FEEDBACK_KINDS = ("unsubscribe", "complaint", "praise")


@dataclass(frozen=True)
class Orders:
    """Orders as arrays of one length.

    Attributes:
        member: Position of the member; negative for a guest who is no member.
        paid_at: Microseconds since 1970 in UTC.
        amount: Cents.
        refund: Cents given back.
        status: Number in `STATUSES`.
        shop: Number in `SHOPS`.
    """

    member: Integers
    paid_at: Integers
    amount: Integers
    refund: Integers
    status: Integers
    shop: Integers

    def table(self, population: Population, prefix: str) -> pa.Table:
        """The orders in the order of time, numbered behind a prefix."""
        import pyarrow as pa

        order = np.lexsort((self.member, self.paid_at))
        member = self.member[order]
        ids = np.where(member < 0, "guest", population.member_id[np.maximum(member, 0)])
        numbers = np.char.zfill(np.arange(1, len(order) + 1).astype(np.str_), 7)
        return pa.table(
            {
                "order_id": pa.array(np.char.add(prefix, numbers)),
                "member_id": pa.array(ids),
                "paid_at": instants(self.paid_at[order]),
                "amount": money(self.amount[order]),
                "refund": money(self.refund[order]),
                "status": picked(STATUSES, self.status[order]),
                "shop": picked(SHOPS, self.shop[order]),
            }
        )


def order_amounts(basket: np.ndarray, rng: np.random.Generator) -> Integers:
    """Order values around each member's usual basket, in cents; one in a thousand is a bulk order."""
    spread = np.exp(rng.normal(-0.08, 0.40, len(basket)))
    bulk = np.where(rng.random(len(basket)) < 0.001, 8.0, 1.0)
    return np.asarray(np.rint(np.maximum(basket * spread * bulk, 9.9) * 100), dtype=np.int64)


def partial_refunds(amount: Integers, rng: np.random.Generator) -> Integers:
    """What was given back: one order in twenty-five was returned in part."""
    given_back = np.rint(amount * rng.uniform(0.2, 0.9, len(amount))).astype(np.int64)
    return np.where(rng.random(len(amount)) < 0.04, given_back, 0)


def past_orders(population: Population, seed: int, season: Season) -> Orders:
    """Every member's orders before the snapshot: the last paid one on its day, the others in busy times before it."""
    rng = chance(seed, "past orders")
    bought = np.flatnonzero(population.orders)
    last = population.days_since_last_order
    earlier = np.repeat(bought, population.orders[bought] - 1)
    earlier_days = season.days_ago(
        rng.random(len(earlier)), last[earlier], np.minimum(last[earlier] + 700, HISTORY_DAYS)
    )
    failed = np.sort(rng.choice(bought, len(bought) // 12, replace=False))
    failed_days = season.days_ago(
        rng.random(len(failed)), np.ones_like(failed), np.full_like(failed, HISTORY_DAYS)
    )
    guests = np.full(len(population) // 250, -1)
    guest_days = season.days_ago(rng.random(len(guests)), np.ones_like(guests), np.full_like(guests, 700))
    member = np.concatenate([bought, earlier, failed, guests])
    days = np.concatenate([last[bought], earlier_days, failed_days, guest_days])
    amount = order_amounts(np.where(member < 0, 180.0, population.basket[member]), rng)
    status = np.zeros(len(member), dtype=np.int64)
    of_failed = slice(len(bought) + len(earlier), len(bought) + len(earlier) + len(failed))
    status[of_failed] = rng.choice([1, 2], len(failed), p=[0.7, 0.3])
    refund = np.where(status == 0, partial_refunds(amount, rng), np.where(status == 2, amount, 0))
    shop = (rng.random(len(member)) < 0.45).astype(np.int64)
    return Orders(member, season.moments(days, rng), amount, refund, status, shop)


def contacts_table(
    population: Population,
    member: Integers,
    sent_at: Integers,
    channel: Integers,
    kind: Integers,
    campaign: tuple[tuple[str, ...], Integers],
    delivered: np.ndarray,
) -> pa.Table:
    """Contacts in the order of time; `campaign` is the names and each contact's number in them."""
    import pyarrow as pa

    order = np.lexsort((member, sent_at))
    return pa.table(
        {
            "member_id": pa.array(population.member_id[member[order]]),
            "sent_at": instants(sent_at[order]),
            "channel": picked(CHANNELS, channel[order]),
            "kind": picked(CONTACT_KINDS, kind[order]),
            "campaign": picked(campaign[0], campaign[1][order]),
            "delivered": pa.array(delivered[order]),
        }
    )


def past_contacts(population: Population, seed: int, season: Season) -> pa.Table:
    """Contacts of the last 120 days: members who bought lately and higher tiers hear from the brand more often."""
    rng = chance(seed, "past contacts")
    fresh = (population.days_since_last_order > 0) & (population.days_since_last_order <= 180)
    rate = np.where(fresh, 4.0, 1.5) * np.array([0.9, 1.0, 1.2, 1.3])[population.tier]
    member = np.repeat(np.arange(len(population)), rng.poisson(rate * population.mobile_valid))
    n = len(member)
    days = season.days_ago(rng.random(n), np.ones(n, dtype=np.int64), np.full(n, 120))
    names = tuple(f"{kind}-{week:02d}" for kind in CONTACT_KINDS for week in range(18))
    kind = (rng.random(n) < 0.25).astype(np.int64)
    channel = rng.choice(3, n, p=[0.72, 0.08, 0.20])
    return contacts_table(
        population,
        member,
        season.moments(days, rng),
        channel,
        kind,
        (names, kind * 18 + days // 7),
        rng.random(n) < 0.97,
    )


def redemptions_table(
    population: Population,
    member: Integers,
    at: Integers,
    benefit: Integers,
    benefits: tuple[tuple[str, int], ...],
) -> pa.Table:
    """Redemptions in the order of time; `benefits` is each benefit's name and its cost in cents."""
    import pyarrow as pa

    order = np.lexsort((member, at))
    return pa.table(
        {
            "member_id": pa.array(population.member_id[member[order]]),
            "redeemed_at": instants(at[order]),
            "benefit": picked(tuple(name for name, _ in benefits), benefit[order]),
            "unit_cost": money(np.array([cost for _, cost in benefits])[benefit[order]]),
        }
    )


def past_redemptions(population: Population, seed: int, season: Season) -> pa.Table:
    """Benefits of earlier campaigns that members took."""
    rng = chance(seed, "past redemptions")
    bought = np.flatnonzero(population.orders)
    member = rng.choice(bought, len(bought) // 40, replace=False)
    last = population.days_since_last_order[member]
    return redemptions_table(
        population,
        member,
        season.moments(last, rng),
        rng.integers(0, 2, len(member)),
        (("points", 300), ("birthday-gift", 1200)),
    )


def feedback_table(population: Population, member: Integers, at: Integers, kind: Integers) -> pa.Table:
    """What members said, in the order of time."""
    import pyarrow as pa

    order = np.lexsort((kind, member, at))
    return pa.table(
        {
            "member_id": pa.array(population.member_id[member[order]]),
            "created_at": instants(at[order]),
            "kind": picked(FEEDBACK_KINDS, kind[order]),
        }
    )


def past_feedback(population: Population, seed: int, season: Season) -> pa.Table:
    """A year of unsubscriptions, complaints and praise, as frequent as the planted truth has them without a campaign.

    Who unsubscribed may have joined again, or left another channel: most of them can still be reached by SMS.
    """
    rng = chance(seed, "past feedback")
    n = len(population)
    left = np.flatnonzero(
        rng.random(n) < np.where(population.sms_opt_in == 0, 0.7, PLANTED.unsubscribed * 52)
    )
    complained = np.flatnonzero(rng.random(n) < PLANTED.complained * 26)
    praised = np.flatnonzero(rng.random(n) < 0.01)
    member = np.concatenate([left, complained, praised])
    kind = np.repeat(np.arange(3), [len(left), len(complained), len(praised)])
    days = rng.integers(1, 366, len(member))
    return feedback_table(population, member, season.moments(days, rng), kind)
