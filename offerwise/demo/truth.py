"""The planted truth: what every offer does to members of every segment, and what that came to over the members assigned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from experiments.definition.arms import CONTROL

MARGIN = 0.40
"""Gross profit per yuan of net revenue."""

WINDOW_DAYS = 14
UNSUBSCRIBE_DAYS = 7


@dataclass(frozen=True)
class BySegment:
    """One figure for each segment of the demo."""

    vip: float
    near_dormant: float
    dormant: float

    def of(self, segment: str) -> float:
        """The figure of a segment; KeyError where there is no such segment."""
        return {"vip": self.vip, "near_dormant": self.near_dormant, "dormant": self.dormant}[segment]


@dataclass(frozen=True)
class ArmTruth:
    """What being assigned to one arm does to a member.

    Attributes:
        arm: The arm's id.
        purchase: Added to the probability of buying within the window.
        basket: Every order's value is multiplied by it.
        least_order: Orders below this many yuan are topped up to it, for the sake of the offer.
        redeemed_by_buyers: Share of buyers who take the benefit, those who would have bought anyway included.
        redeemed_by_others: Share of non-buyers who take it all the same.
        unsubscribed: Added to the probability of unsubscribing within a week.
        complained: Added to the probability of complaining within the window.
    """

    arm: str
    purchase: BySegment
    basket: float = 1.0
    least_order: float = 0.0
    redeemed_by_buyers: float = 0.0
    redeemed_by_others: float = 0.0
    unsubscribed: float = 0.0
    complained: float = 0.0


@dataclass(frozen=True)
class PlantedTruth:
    """Everything that is planted.

    Attributes:
        baseline: Probability of buying within the window without any contact, of a member of average eagerness.
        unsubscribed: Probability of unsubscribing within a week without any contact of this campaign.
        complained: Probability of complaining within the window without any contact of this campaign.
        arms: What each arm does; control does nothing.
    """

    baseline: BySegment
    unsubscribed: float
    complained: float
    arms: tuple[ArmTruth, ...]

    def arm(self, arm: str) -> ArmTruth:
        """What an arm does; KeyError for an arm without planted truth."""
        return {truth.arm: truth for truth in self.arms}[arm]


POINTS = ArmTruth(
    "pts500__care",
    BySegment(0.001, 0.027, 0.015),
    redeemed_by_buyers=0.60,
    unsubscribed=0.0006,
    complained=0.0001,
)
COUPON = ArmTruth(
    "cpn20__care",
    BySegment(0.016, 0.014, 0.010),
    basket=0.75,
    least_order=100.0,
    redeemed_by_buyers=0.90,
    unsubscribed=0.0006,
    complained=0.0001,
)
GIFT = ArmTruth(
    "gift__care",
    BySegment(0.040, 0.002, 0.001),
    redeemed_by_buyers=0.50,
    redeemed_by_others=0.004,
    unsubscribed=0.0005,
    complained=0.0001,
)

PLANTED = PlantedTruth(
    baseline=BySegment(vip=0.050, near_dormant=0.030, dormant=0.022),
    unsubscribed=0.0010,
    complained=0.0003,
    arms=(
        ArmTruth(CONTROL, BySegment(0.0, 0.0, 0.0)),
        POINTS,
        # Hurry makes points look cheap: most of their effect is lost.
        replace(
            POINTS,
            arm="pts500__urgent",
            purchase=BySegment(0.0, 0.005, 0.002),
            unsubscribed=0.0011,
            complained=0.0002,
        ),
        COUPON,
        replace(
            COUPON,
            arm="cpn20__urgent",
            purchase=BySegment(0.017, 0.015, 0.011),
            unsubscribed=0.0011,
            complained=0.0002,
        ),
        GIFT,
        # To be hurried to a shop annoys: more members unsubscribe than the guardrail allows.
        replace(
            GIFT,
            arm="gift__urgent",
            purchase=BySegment(0.020, 0.002, 0.001),
            unsubscribed=0.0070,
            complained=0.0002,
        ),
    ),
)
"""Points bring back the near-dormant, a gift in the shop the VIPs; the coupon sells and loses money."""

TrueMetric = Literal["converted", "net_revenue", "benefit_cost", "profit", "unsubscribed", "complained"]


@dataclass(frozen=True)
class TrueEffect:
    """The true average effect of an arm against control over members assigned, all of them or those of one segment.

    Every member's outcomes under every arm are known here, so this is no estimate: it is the mean over the members of
    the outcome under `arm` minus the outcome under control (the finite-population average effect of Neyman 1923).
    """

    metric: TrueMetric
    segment: str | None
    arm: str
    members: int
    control_mean: float
    difference: float


@dataclass(frozen=True)
class TrueEffects:
    """Every true effect of one drawn assignment, with the truth that was planted."""

    planted: PlantedTruth
    effects: tuple[TrueEffect, ...]
    schema: str = "offerwise.truth/1"

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments, in the order of their names."""
        return tuple(sorted({row.segment for row in self.effects if row.segment is not None}))

    def find(self, metric: str, arm: str, segment: str | None = None) -> TrueEffect | None:
        """The true effect of an arm on a metric; None where the truth does not speak of it."""
        wanted = (metric, arm, segment)
        return next((row for row in self.effects if (row.metric, row.arm, row.segment) == wanted), None)

    def best_arm(self, segment: str | None = None) -> str:
        """The arm with the highest true profit, `control` where every offer loses."""
        rows = {row.arm: row.difference for row in self._effects("profit", segment)}
        best = max(rows, key=lambda arm: rows[arm])
        return best if rows[best] > 0 else CONTROL

    def profit_of(self, offers: Mapping[str, str]) -> float:
        """The true profit per member, against no contact, of giving each segment the arm that `offers` names for it."""
        rows = {(row.segment, row.arm): row for row in self.effects if row.metric == "profit"}
        members = {segment: row.members for (segment, _), row in rows.items() if segment is not None}
        earned = {
            segment: 0.0 if arm == CONTROL else rows[segment, arm].difference
            for segment, arm in offers.items()
        }
        return sum(members[segment] * earned[segment] for segment in offers) / sum(
            members[segment] for segment in offers
        )

    def loss_making(self) -> tuple[str, ...]:
        """The arms that truly sell more than control and truly lose money by it."""
        selling = {row.arm for row in self._effects("converted") if row.difference > 0}
        return tuple(row.arm for row in self._effects("profit") if row.difference < 0 and row.arm in selling)

    def _effects(self, metric: str, segment: str | None = None) -> Iterator[TrueEffect]:
        return (row for row in self.effects if row.metric == metric and row.segment == segment)
