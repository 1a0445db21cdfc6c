"""Accrual: how many members a triggered journey can count on, when they enter day by day."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

from experiments.definition.model import Definition


@dataclass(frozen=True)
class Accrual:
    """Members who enter day by day, as many on each day as on the day of the design.

    Attributes:
        per_day: Members who may enter on the day of the design, taken for every day's.
        days: Days of entry: until the sample is full or the last day is over.
        eligible: All who may enter by then, or where no last day is planned, as many as the sample asks for.
    """

    per_day: int
    days: int
    eligible: int


def expected_accrual(definition: Definition, today: date, per_day: int) -> Accrual | None:
    """The accrual of a journey from today on; None where all members enter by one snapshot.

    A rule that holds for long (`age > 30`) lets its whole stock enter on the first day and few afterwards: for such an audience
    the day of the design tells too much, and one snapshot is the better plan.
    """
    audience, size = definition.audience, definition.assignment.sample_size
    if not audience.is_daily:
        return None
    left = None if audience.until is None else max(0, (audience.until - today).days + 1)
    full = math.ceil(size / per_day) if size is not None and per_day else None
    days = min((limit for limit in (left, full) if limit is not None), default=0)
    eligible = per_day * left if left is not None else (size or 0) if per_day else 0
    return Accrual(per_day, days, eligible)
