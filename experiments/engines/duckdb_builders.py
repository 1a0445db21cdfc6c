"""The builders of the engine protocol in DuckDB's words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlglot import exp

from experiments.engines.protocol import ColumnType


class DuckDBBuilders:
    """The builders; see `experiments.engines.protocol.Engine` for what each of them means."""

    def as_key(self, column: exp.Expr) -> exp.Expr:
        """A cast: DuckDB writes integers plainly and booleans in lower case."""
        return exp.cast(column, exp.DType.TEXT)

    def collated(self, text: exp.Expr) -> exp.Expr:
        """The text itself: DuckDB compares bytes."""
        return text

    def lower(self, text: exp.Expr) -> exp.Expr:
        """DuckDB maps character for character."""
        return exp.Lower(this=text)

    def upper(self, text: exp.Expr) -> exp.Expr:
        """DuckDB maps character for character."""
        return exp.Upper(this=text)

    def md5_hex(self, text: exp.Expr) -> exp.Expr:
        """MD5 over UTF-8."""
        return exp.MD5(this=text)

    def hex_integer(self, digits: exp.Expr) -> exp.Expr:
        """A cast from `0x...`."""
        return exp.cast(exp.Concat(expressions=[exp.Literal.string("0x"), digits]), exp.DType.BIGINT)

    def instant(self, column: exp.Expr, kind: ColumnType, zone: ZoneInfo) -> exp.Expr:
        """AT TIME ZONE turns a local time into an instant."""
        if kind is ColumnType.INSTANT:
            return column
        return exp.AtTimeZone(this=exp.paren(_local_time(column, kind)), zone=exp.Literal.string(zone.key))

    def instant_at(self, column: exp.Expr, kind: ColumnType, offset: timedelta) -> exp.Expr:
        """Arithmetic on microseconds, a tenth of the time of AT TIME ZONE."""
        if kind is ColumnType.INSTANT:
            return column
        return _moved(_local_time(column, kind), -offset)

    def instant_literal(self, moment: datetime) -> exp.Expr:
        """A literal in UTC."""
        return exp.cast(exp.Literal.string(moment.astimezone(UTC).isoformat(sep=" ")), exp.DType.TIMESTAMPTZ)

    def add_days(self, instant: exp.Expr, days: int) -> exp.Expr:
        """Arithmetic on microseconds: to add an interval DuckDB asks the calendar of the session's time zone."""
        return _moved(instant, timedelta(days=days))

    def add_minutes(self, instant: exp.Expr, minutes: exp.Expr) -> exp.Expr:
        """Minutes."""
        return exp.paren(
            exp.Add(this=instant, expression=exp.Anonymous(this="to_minutes", expressions=[minutes]))
        )

    def local_date(self, instant: exp.Expr, zone: ZoneInfo) -> exp.Expr:
        """AT TIME ZONE turns an instant into a local time."""
        return exp.cast(exp.paren(self._local(instant, zone)), exp.DType.DATE)

    def local_text(self, instant: exp.Expr, zone: ZoneInfo) -> exp.Expr:
        """The local clock, and its distance from the UTC clock."""
        local, utc = self._local(instant, zone), self._local(instant, ZoneInfo("UTC"))
        offset = exp.Anonymous(this="date_diff", expressions=[exp.Literal.string("minute"), utc, local])
        size = exp.Abs(this=offset)
        sign = (
            exp.case().when(exp.LT(this=offset.copy(), expression=exp.Literal.number(0)), "'-'").else_("'+'")
        )
        hours, minutes = (
            exp.Anonymous(this="format", expressions=[exp.Literal.string("{:02d}"), part])
            for part in (
                exp.IntDiv(this=size, expression=exp.Literal.number(60)),
                exp.Mod(this=size.copy(), expression=exp.Literal.number(60)),
            )
        )
        clock = exp.Anonymous(
            this="strftime", expressions=[local.copy(), exp.Literal.string("%Y-%m-%dT%H:%M:%S")]
        )
        return exp.Concat(expressions=[clock, sign, hours, exp.Literal.string(":"), minutes])

    def _local(self, instant: exp.Expr, zone: ZoneInfo) -> exp.Expr:
        return exp.AtTimeZone(this=exp.paren(instant.copy()), zone=exp.Literal.string(zone.key))

    def days_between(self, first: exp.Expr, second: exp.Expr) -> exp.Expr:
        """The difference of two dates is whole days."""
        return exp.paren(exp.Sub(this=exp.paren(second), expression=exp.paren(first)))

    def quantile_disc(self, column: exp.Expr, q: float) -> exp.Expr:
        """DuckDB has it."""
        return exp.Anonymous(this="quantile_disc", expressions=[column, exp.Literal.number(q)])


def _local_time(column: exp.Expr, kind: ColumnType) -> exp.Expr:
    return exp.cast(column, exp.DType.TIMESTAMP) if kind is ColumnType.DATE else column


def _moved(moment: exp.Expr, by: timedelta) -> exp.Expr:
    """An instant, or a moment of the clocks of UTC, that much later as an instant."""
    since_1970 = exp.Anonymous(this="epoch_us", expressions=[moment])
    shift = exp.Literal.number(by // timedelta(microseconds=1))
    return exp.Anonymous(this="make_timestamptz", expressions=[exp.Add(this=since_1970, expression=shift)])
