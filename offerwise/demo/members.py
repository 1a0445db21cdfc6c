"""The members of the demo: who they are, when they bought last, and how readily they buy again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from offerwise.demo.calendar import Season
from offerwise.demo.tables import Booleans, Floats, Integers, Texts, chance, picked

if TYPE_CHECKING:
    import pyarrow as pa

TIERS = ("ordinary", "senior", "vip", "svip")
TIER_SHARES = (0.46, 0.27, 0.19, 0.08)
REGIONS = ("华东", "华南", "华北", "西南", "华中", "东北", "西北")
REGION_SHARES = (0.34, 0.20, 0.15, 0.11, 0.10, 0.06, 0.04)
CITY_SHARES = (0.21, 0.29, 0.26, 0.17, 0.07)

HISTORY_DAYS = 1100
"""How far the order file goes back."""

LAST_ORDER = (
    # share of members, first and last day ago of their last order
    (0.03, 1, 89),
    (0.04, 90, 180),
    (0.51, 181, 365),
    (0.36, 366, 730),
    (0.03, 731, 960),
)
"""A brand that has mostly members to win back; who is in none of the ranges never bought."""


@dataclass(frozen=True)
class Population:
    """All members as arrays of one length, in the order of their ids.

    Attributes:
        member_id: Eight characters, some with leading zeros.
        tier: Number in `TIERS`.
        days_since_last_order: Whole days before the snapshot; 0 where the member never bought.
        orders: Paid orders ever.
        basket: The member's usual order value in yuan.
        eagerness: How much more readily than the segment's average the member buys; mean about 1.
        sms_opt_in: 1, 0, or -1 where unknown.
        mobile_valid: Whether a message can arrive.
    """

    member_id: Texts
    tier: Integers
    days_since_last_order: Integers
    orders: Integers
    basket: Floats
    eagerness: Floats
    sms_opt_in: Integers
    mobile_valid: Booleans

    def __len__(self) -> int:
        """How many members there are."""
        return len(self.member_id)

    @cached_property
    def is_vip(self) -> Booleans:
        """Whether the tier is vip or svip."""
        return np.asarray(self.tier >= TIERS.index("vip"))

    def find(self, member_ids: Texts) -> Integers:
        """The positions of members by id; KeyError for an id that is no member's."""
        at = np.searchsorted(self.member_id, member_ids)
        at = np.minimum(at, len(self) - 1)
        strangers = member_ids[self.member_id[at] != member_ids]
        if len(strangers):
            raise KeyError(str(strangers[0]))
        return at.astype(np.int64)


def draw_population(seed: int, size: int, season: Season) -> Population:
    """Draw the members as they stand at the snapshot."""
    rng = chance(seed, "members")
    tier = rng.choice(4, size, p=TIER_SHARES)
    last = _last_orders(size, rng, season)
    orders = np.where(last == 0, 0, 1 + rng.poisson(np.array([0.9, 1.8, 3.6, 6.0])[tier])).astype(np.int64)
    basket = np.array([205.0, 225.0, 295.0, 335.0])[tier] * np.exp(rng.normal(-0.03, 0.25, size))
    recency = np.where(last == 0, 0.0, (270 - np.minimum(last, 730)) / 400)
    frequency = np.log1p(orders) - np.array([0.55, 0.9, 1.4, 1.8])[tier]
    eagerness = np.exp(np.clip(0.35 * recency + 0.35 * frequency, -0.9, 0.9))
    return Population(
        member_id=_member_ids(size, rng),
        tier=tier.astype(np.int64),
        days_since_last_order=last,
        orders=orders,
        basket=basket,
        eagerness=eagerness,
        sms_opt_in=rng.choice([1, 0, -1], size, p=[0.945, 0.045, 0.01]).astype(np.int64),
        mobile_valid=rng.random(size) < 0.975,
    )


def members_table(population: Population, seed: int, season: Season) -> pa.Table:
    """The members as the brand's own table has them: gaps and impossible values included."""
    import pyarrow as pa

    rng = chance(seed, "profiles")
    size = len(population)
    age_as_member = population.days_since_last_order + rng.integers(20, 1500, size)
    registered = np.datetime64(season.snapshot) - age_as_member.astype("timedelta64[D]")
    born = rng.integers(1958, 2007, size)
    born[rng.random(size) < 0.02] = 1900
    opt_in = population.sms_opt_in
    return pa.table(
        {
            "member_id": pa.array(population.member_id),
            "tier": picked(TIERS, _with_gaps(population.tier, 0.01, rng)),
            "gender": picked(
                ("f", "m", "unknown"), _with_gaps(rng.choice(3, size, p=[0.66, 0.29, 0.05]), 0.06, rng)
            ),
            "city_level": _city_levels(rng, size),
            "region": picked(REGIONS, _with_gaps(rng.choice(len(REGIONS), size, p=REGION_SHARES), 0.02, rng)),
            "joined_through": picked(("store", "online", "wecom"), rng.choice(3, size, p=[0.55, 0.33, 0.12])),
            "registered_at": pa.array(registered),
            "birth_year": pa.array(born.astype(np.int16)),
            "sms_opt_in": pa.array(opt_in == 1, mask=opt_in < 0),
            "mobile_valid": pa.array(population.mobile_valid),
        }
    )


def staff(population: Population, seed: int) -> Texts:
    """The members who work for the brand and are in no campaign."""
    rng = chance(seed, "staff")
    return np.sort(rng.choice(population.member_id, max(1, len(population) // 400), replace=False))


def _last_orders(size: int, rng: np.random.Generator, season: Season) -> Integers:
    shares = np.array([share for share, _, _ in LAST_ORDER])
    stage = rng.choice(len(LAST_ORDER) + 1, size, p=[*shares, 1 - shares.sum()])
    least = np.array([first for _, first, _ in LAST_ORDER] + [1])[stage]
    most = np.array([last for _, _, last in LAST_ORDER] + [1])[stage]
    days = season.days_ago(rng.random(size), least, most)
    return np.where(stage == len(LAST_ORDER), 0, days)


def _member_ids(size: int, rng: np.random.Generator) -> Texts:
    numbers = np.sort(rng.choice(100_000_000, size, replace=False))
    return np.char.zfill(numbers.astype(np.str_), 8)


def _with_gaps(codes: Integers, share: float, rng: np.random.Generator) -> Integers:
    return np.where(rng.random(len(codes)) < share, -1, codes).astype(np.int64)


def _city_levels(rng: np.random.Generator, size: int) -> pa.Array:
    import pyarrow as pa

    return pa.array(
        rng.choice(np.arange(1, 6), size, p=CITY_SHARES).astype(np.int16), mask=rng.random(size) < 0.04
    )
