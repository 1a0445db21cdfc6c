"""When people buy: promotions, months, weekdays and hours of a Chinese retail calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from offerwise.demo.tables import DAY, Floats, Integers

ZONE = ZoneInfo("Asia/Shanghai")
PROMOTIONS = {
    (6, 16): 2.0,
    (6, 17): 2.0,
    (6, 18): 4.5,
    (11, 10): 2.0,
    (11, 11): 6.0,
    (12, 12): 2.5,
    (3, 8): 1.8,
}
MONTHS = (0.95, 0.70, 0.95, 0.95, 1.05, 1.10, 0.90, 0.90, 1.00, 1.05, 1.25, 1.15)
WEEKDAYS = (0.90, 0.88, 0.90, 0.95, 1.08, 1.18, 1.11)
HOURS = (2, 1, 0, 0, 0, 1, 2, 4, 6, 8, 10, 10, 11, 9, 8, 8, 8, 8, 9, 12, 14, 13, 9, 5)


def midnight(day: date) -> int:
    """00:00 of a day in the campaign's time zone, in microseconds since 1970 in UTC."""
    return int(datetime.combine(day, time(), ZONE).timestamp()) * 1_000_000


@dataclass(frozen=True)
class Season:
    """How busy each day before a snapshot was.

    Attributes:
        snapshot: The day that is 0 days ago.
        busyness: Cumulative weight of the days 1..n before the snapshot, nearest first; busyness[0] is 0.
    """

    snapshot: date
    busyness: Floats

    @classmethod
    def before(cls, snapshot: date, days: int) -> Season:
        """The season of the `days` days before a snapshot."""
        calendar = [snapshot - timedelta(days=ago) for ago in range(1, days + 1)]
        weights = [
            MONTHS[day.month - 1] * WEEKDAYS[day.weekday()] * PROMOTIONS.get((day.month, day.day), 1.0)
            for day in calendar
        ]
        return cls(snapshot, np.concatenate([[0.0], np.cumsum(weights)]))

    def days_ago(self, uniform: Floats, least: Integers, most: Integers) -> Integers:
        """Days before the snapshot between `least` and `most` (both inclusive), busy days more often."""
        low, high = self.busyness[least - 1], self.busyness[most]
        found = np.searchsorted(self.busyness, low + uniform * (high - low), side="left")
        return np.clip(found, least, most).astype(np.int64)

    def moments(self, days_ago: Integers, rng: np.random.Generator) -> Integers:
        """A moment on each of those days, in opening and evening hours mostly, as microseconds since 1970 in UTC."""
        return midnight(self.snapshot) - days_ago * DAY + times_of_day(len(days_ago), rng)


def times_of_day(n: int, rng: np.random.Generator) -> Integers:
    """Times of day in microseconds since midnight, busy hours more often."""
    hours = np.array(HOURS, dtype=np.float64)
    drawn = rng.choice(24, size=n, p=hours / hours.sum())
    return np.asarray(
        drawn * (DAY // 24) + rng.integers(0, DAY // 24 // 1_000_000, n) * 1_000_000, dtype=np.int64
    )
