"""Features, stages, bands and contact limits in plain Python, one member at a time, written from the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from statistics import median_low
from typing import Any

Row = Mapping[str, Any]
DORMANCY = {
    "active": (0, 90),
    "silent": (90, 180),
    "near_dormant": (180, 365),
    "dormant": (365, 730),
    "churned": (730, None),
}


def before(rows: Sequence[Row], snapshot: date, time: str, days: int | None = None) -> list[Row]:
    """The rows before 00:00 of the snapshot, of the last days only where given."""
    end = datetime.combine(snapshot, datetime.min.time())
    start = None if days is None else end - timedelta(days=days)
    return [row for row in rows if row[time] < end and (start is None or row[time] >= start)]


def gap(rows: Sequence[Row], time: str) -> int | None:
    """The lower median of the days between one day with a row and the next."""
    days = sorted({row[time].date() for row in rows})
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    return median_low(gaps) if gaps else None


def days_since(rows: Sequence[Row], snapshot: date, time: str, which: str) -> int | None:
    days = [(snapshot - row[time].date()).days for row in rows]
    if not days:
        return None
    return min(days) if which == "last" else max(days)


def stage(days: int | None, stages: Mapping[str, tuple[int, int | None]]) -> str | None:
    for name, (low, high) in stages.items():
        if days is not None and days >= low and (high is None or days < high):
            return name
    return None


def layer(first: int | None, last: int | None, rows: int, limits: Mapping[str, int]) -> str:
    if first is None or last is None:
        return "potential"
    if last >= limits["churned"]:
        return "churned"
    if first < limits["new"]:
        return "new"
    if rows == 1:
        return "trial"
    if last < limits["active"]:
        return "active"
    kind = "high" if rows >= limits["high_repurchase"] else "low"
    return f"{kind}_repurchase_pre_churn"


def band_by_limits(value: float | None, limits: Sequence[float]) -> int | None:
    return None if value is None else 1 + sum(value >= limit for limit in limits)


def bands_by_quantile(values: Mapping[str, Any], bands: int) -> dict[str, int | None]:
    """Band k of n holds the values that more than (k - 1)/n and at most k/n of the members' values reach up to."""
    known = sorted(value for value in values.values() if value is not None)
    cuts = [
        next(
            value
            for value in known
            if Fraction(sum(other <= value for other in known), len(known)) >= Fraction(k, bands)
        )
        for k in range(1, bands)
        if known
    ]
    return {
        key: None if value is None else 1 + sum(value > cut for cut in cuts) for key, value in values.items()
    }
