"""What happens after the snapshot: the answers of the members assigned, and life going on for everybody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from experiments.definition.arms import Arm
from offerwise.demo.calendar import midnight
from offerwise.demo.history import (
    Orders,
    contacts_table,
    feedback_table,
    order_amounts,
    partial_refunds,
    redemptions_table,
)
from offerwise.demo.members import Population
from offerwise.demo.outcomes import Outcomes, PotentialOutcomes
from offerwise.demo.tables import DAY, Booleans, Integers, Texts, chance
from offerwise.demo.truth import WINDOW_DAYS, BySegment

if TYPE_CHECKING:
    import pyarrow as pa


LEDGER_COLUMNS = ("member", "arm", "segment", "planned_send_at")
"""The columns of the ledger that members answer by."""


@dataclass(frozen=True)
class Drawn:
    """What the ledger says: who is in which arm, and when the message is planned.

    Attributes:
        member: Positions of the members assigned, in the order of their ids.
        arm: Each one's arm.
        segment: Each one's segment.
        planned_send_at: Microseconds since 1970 in UTC.
    """

    member: Integers
    arm: Texts
    segment: Texts
    planned_send_at: Integers

    @classmethod
    def of(cls, ledger: pa.Table, population: Population) -> Drawn:
        """From the rows of a ledger, which have LEDGER_COLUMNS among their columns."""
        import pyarrow as pa

        rows = ledger.sort_by("member")
        sent = rows["planned_send_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
        member, arm, segment = (rows[name].to_numpy().astype(np.str_) for name in LEDGER_COLUMNS[:3])
        return cls(population.find(member), arm, segment, sent.to_numpy())


@dataclass(frozen=True)
class Responses:
    """The rows that are added to each event file."""

    contacts: pa.Table
    orders: pa.Table
    redemptions: pa.Table
    feedback: pa.Table


def draw_responses(
    population: Population,
    drawn: Drawn,
    potential: PotentialOutcomes,
    arms: Iterable[Arm],
    snapshot: date,
    until: date,
    seed: int,
) -> Responses:
    """Let every member assigned do what the planted truth says for the arm received, and all others buy as ever."""
    offers = [arm for arm in arms if not arm.is_control]
    outcomes = realised(potential, drawn.arm)
    orders = _in_windows(drawn, potential, outcomes)
    others = _out_of_windows(population, drawn, potential.planted.baseline, snapshot, until, seed)
    return Responses(
        contacts=_sends(population, drawn, potential, offers),
        orders=_joined(orders, others).table(population, "R"),
        redemptions=_redemptions(population, drawn, potential, outcomes, offers),
        feedback=_feedback(population, drawn, potential, outcomes),
    )


def realised(potential: PotentialOutcomes, arm: Texts) -> Outcomes:
    """Each member's outcomes under the arm that the member is in."""
    columns: dict[str, np.ndarray] = {}
    for name in np.unique(arm):
        here = arm == name
        for column, values in vars(potential.under(str(name))).items():
            columns[column] = np.where(here, values, columns.get(column, values))
    return Outcomes(**columns)


def _in_windows(drawn: Drawn, potential: PotentialOutcomes, outcomes: Outcomes) -> Orders:
    draws = potential.latents
    first, second = np.flatnonzero(outcomes.first_order), np.flatnonzero(outcomes.second_order)
    at = np.concatenate([first, second])
    sent = drawn.planned_send_at
    return Orders(
        member=drawn.member[at],
        paid_at=np.concatenate([(sent + draws.order_after)[first], (sent + draws.second_after)[second]]),
        amount=np.concatenate([outcomes.first_order[first], outcomes.second_order[second]]),
        refund=np.concatenate([outcomes.refund[first], np.zeros_like(second)]),
        status=np.zeros_like(at),
        shop=draws.in_shop[at].astype(np.int64),
    )


def _out_of_windows(
    population: Population, drawn: Drawn, baseline: BySegment, snapshot: date, until: date, seed: int
) -> Orders:
    rng = chance(seed, "organic orders")
    span = (until - snapshot).days
    stage = population.days_since_last_order
    usual = np.select(
        [stage == 0, stage <= 180, population.is_vip, stage <= 365, stage <= 730],
        [0.004, 0.110, baseline.vip, baseline.near_dormant, baseline.dormant],
        default=0.006,
    )
    paid_at = midnight(snapshot) + np.floor(rng.random(len(population)) * span * DAY).astype(np.int64)
    buys = rng.random(len(population)) < usual * population.eagerness * span / WINDOW_DAYS
    buys[drawn.member] &= ~_within_window(paid_at[drawn.member], drawn.planned_send_at)
    member = np.flatnonzero(buys)
    amount = order_amounts(population.basket[member], rng)
    status = rng.choice(3, len(member), p=[0.93, 0.05, 0.02]).astype(np.int64)
    refund = np.where(status == 0, partial_refunds(amount, rng), np.where(status == 2, amount, 0))
    shop = (rng.random(len(member)) < 0.45).astype(np.int64)
    return Orders(member, paid_at[member], amount, refund, status, shop)


def _within_window(at: Integers, sent: Integers) -> Booleans:
    return np.asarray((at >= sent) & (at < sent + WINDOW_DAYS * DAY))


def _joined(first: Orders, second: Orders) -> Orders:
    return Orders(
        *(np.concatenate(pair) for pair in zip(vars(first).values(), vars(second).values(), strict=True))
    )


def _sends(
    population: Population, drawn: Drawn, potential: PotentialOutcomes, offers: Sequence[Arm]
) -> pa.Table:
    names = tuple(arm.id for arm in offers)
    sent = np.flatnonzero(np.isin(drawn.arm, names))
    code = np.array([names.index(arm) for arm in drawn.arm[sent]], dtype=np.int64)
    n = len(sent)
    return contacts_table(
        population,
        drawn.member[sent],
        drawn.planned_send_at[sent],
        np.zeros(n, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
        (tuple(f"winback-demo:{name}" for name in names), code),
        potential.latents.reachable[sent],
    )


def _redemptions(
    population: Population,
    drawn: Drawn,
    potential: PotentialOutcomes,
    outcomes: Outcomes,
    offers: Sequence[Arm],
) -> pa.Table:
    draws = potential.latents
    names = tuple(arm.id for arm in offers)
    taken = np.flatnonzero(outcomes.redeemed & np.isin(drawn.arm, names))
    after = np.where(outcomes.converted, draws.order_after, draws.visit_after)[taken]
    benefit = np.array([names.index(arm) for arm in drawn.arm[taken]], dtype=np.int64)
    costs = tuple((arm.levels[0][1], round(arm.unit_cost_if_taken * 100)) for arm in offers)
    return redemptions_table(
        population, drawn.member[taken], drawn.planned_send_at[taken] + after, benefit, costs
    )


def _feedback(
    population: Population, drawn: Drawn, potential: PotentialOutcomes, outcomes: Outcomes
) -> pa.Table:
    draws, sent = potential.latents, drawn.planned_send_at
    left, spoke = np.flatnonzero(outcomes.unsubscribed), np.flatnonzero(outcomes.complained)
    return feedback_table(
        population,
        drawn.member[np.concatenate([left, spoke])],
        np.concatenate([(sent + draws.unsubscribe_after)[left], (sent + draws.complain_after)[spoke]]),
        np.concatenate([np.zeros_like(left), np.ones_like(spoke)]),
    )
