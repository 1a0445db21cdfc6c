"""00:00 of a day in the definition's time zone, as an instant, and as a source's time reads it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from sqlglot import exp

from experiments.engines.protocol import ColumnType, Engine


def local_midnight(zone: ZoneInfo, day: date) -> datetime:
    """00:00 of a day in a time zone, as an instant; where clocks skip it, the moment they jump.

    >>> str(local_midnight(ZoneInfo("Asia/Shanghai"), date(2026, 11, 25)))
    '2026-11-24 16:00:00+00:00'
    """
    return datetime.combine(day, time(0), zone).astimezone(UTC)


def stored_midnight(engine: Engine, zone: ZoneInfo, day: date, kind: ColumnType) -> exp.Expr:
    """00:00 of a day in the type in which a source stores its time."""
    if kind is ColumnType.INSTANT:
        return engine.instant_literal(local_midnight(zone, day))
    stored = exp.DType.DATE if kind is ColumnType.DATE else exp.DType.TIMESTAMP
    return exp.cast(exp.Literal.string(day.isoformat()), stored)
