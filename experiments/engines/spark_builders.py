"""The builders of the engine protocol in Spark's words; the session's time zone is UTC, ANSI rules hold."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlglot import exp

from experiments.engines.case_mapping import capitals, small_letters
from experiments.engines.protocol import ColumnType


def rendered(query: exp.Expr) -> str:
    """A tree in Spark's words: a time without zone is TIMESTAMP_NTZ, and NULL sorts last where nothing else is said."""
    tree = query.copy()
    for kind in tree.find_all(exp.DataType):
        if kind.this is exp.DType.TIMESTAMP:
            kind.set("this", exp.DType.TIMESTAMPNTZ)
    for order in tree.find_all(exp.Order):
        for item in order.expressions:
            if not isinstance(item, exp.Ordered):
                item.replace(exp.Ordered(this=item.copy(), nulls_first=False))
            elif item.args.get("nulls_first") is None:
                item.set("nulls_first", False)
    return tree.sql("spark")


class SparkBuilders:
    """The builders; see `experiments.engines.protocol.Engine` for what each of them means."""

    def as_key(self, column: exp.Expr) -> exp.Expr:
        """A cast: Spark writes integers plainly and booleans in lower case."""
        return exp.cast(column, exp.DType.TEXT)

    def collated(self, text: exp.Expr) -> exp.Expr:
        """The text itself: Spark compares bytes unless a column says otherwise."""
        return exp.Collate(this=exp.paren(text), expression=exp.var("UTF8_BINARY"))

    def lower(self, text: exp.Expr) -> exp.Expr:
        """TRANSLATE, because Spark's LOWER looks at the letters around a sigma."""
        return exp.Anonymous(this="TRANSLATE", expressions=[text, *map(exp.Literal.string, small_letters())])

    def upper(self, text: exp.Expr) -> exp.Expr:
        """TRANSLATE, because Spark's UPPER makes two letters of some."""
        return exp.Anonymous(this="TRANSLATE", expressions=[text, *map(exp.Literal.string, capitals())])

    def md5_hex(self, text: exp.Expr) -> exp.Expr:
        """MD5 over UTF-8."""
        return exp.MD5(this=text)

    def hex_integer(self, digits: exp.Expr) -> exp.Expr:
        """CONV gives the decimal digits."""
        bases = (exp.Literal.number(16), exp.Literal.number(10))
        return exp.cast(exp.Anonymous(this="CONV", expressions=[digits, *bases]), exp.DType.BIGINT)

    def instant(self, column: exp.Expr, kind: ColumnType, zone: ZoneInfo) -> exp.Expr:
        """The second of the two instants, where clocks show the local time twice; Spark alone gives the first.

        Three hours later no clock shows a repeated time any more. If the instant so far ahead, counted back, is shown as
        the local time that was asked for, it is the one.
        """
        if kind is ColumnType.INSTANT:
            return column
        local = exp.cast(column, exp.DType.TIMESTAMPTZ)
        ahead = _interval(hours=exp.Literal.number(3))
        later = exp.paren(_in_utc(exp.paren(local + ahead), zone) - ahead.copy())
        is_shown = exp.EQ(this=_in_zone(later, zone), expression=local.copy())
        return exp.case().when(is_shown, later.copy()).else_(_in_utc(local.copy(), zone))

    def instant_literal(self, moment: datetime) -> exp.Expr:
        """A literal in UTC."""
        return exp.cast(exp.Literal.string(moment.astimezone(UTC).isoformat(sep=" ")), exp.DType.TIMESTAMPTZ)

    def add_days(self, instant: exp.Expr, days: int) -> exp.Expr:
        """Hours."""
        return exp.paren(exp.Add(this=instant, expression=_interval(hours=exp.Literal.number(24 * days))))

    def add_minutes(self, instant: exp.Expr, minutes: exp.Expr) -> exp.Expr:
        """Minutes."""
        whole = exp.cast(minutes, exp.DType.INT)
        return exp.paren(exp.Add(this=instant, expression=_interval(minutes=whole)))

    def local_date(self, instant: exp.Expr, zone: ZoneInfo) -> exp.Expr:
        """The day that the local clock shows."""
        return exp.cast(_in_zone(instant, zone), exp.DType.DATE)

    def local_text(self, instant: exp.Expr, zone: ZoneInfo) -> exp.Expr:
        """The local clock, and its distance from the UTC clock."""
        local = _in_zone(instant, zone)
        minute = exp.var("MINUTE")
        offset = exp.Anonymous(this="TIMESTAMPDIFF", expressions=[minute, instant.copy(), local])
        size = exp.Abs(this=offset)
        is_west = exp.LT(this=offset.copy(), expression=exp.Literal.number(0))
        sign = exp.case().when(is_west, "'-'").else_("'+'")
        hours, minutes = (
            exp.Anonymous(this="FORMAT_STRING", expressions=[exp.Literal.string("%02d"), part])
            for part in (
                exp.IntDiv(this=size, expression=exp.Literal.number(60)),
                exp.Mod(this=size.copy(), expression=exp.Literal.number(60)),
            )
        )
        clock = exp.Anonymous(
            this="DATE_FORMAT", expressions=[local.copy(), exp.Literal.string("yyyy-MM-dd'T'HH:mm:ss")]
        )
        return exp.Concat(expressions=[clock, sign, hours, exp.Literal.string(":"), minutes])

    def days_between(self, first: exp.Expr, second: exp.Expr) -> exp.Expr:
        """DATEDIFF of two dates is whole days."""
        return exp.Anonymous(this="DATEDIFF", expressions=[second, first])

    def quantile_disc(self, column: exp.Expr, q: float) -> exp.Expr:
        """Spark has it."""
        quantile = exp.PercentileDisc(this=exp.Literal.number(q))
        return exp.WithinGroup(
            this=quantile, expression=exp.Order(expressions=[exp.Ordered(this=column, nulls_first=False)])
        )


def _interval(*, hours: exp.Expr | None = None, minutes: exp.Expr | None = None) -> exp.Expr:
    """A length of time, to the microsecond."""
    zero = exp.Literal.number(0)
    parts = [zero, hours or zero.copy(), minutes or zero.copy()]
    return exp.Anonymous(this="MAKE_DT_INTERVAL", expressions=parts)


def _in_utc(local: exp.Expr, zone: ZoneInfo) -> exp.Expr:
    """The instant at which clocks in `zone` show what UTC clocks show at `local`."""
    return exp.Anonymous(this="TO_UTC_TIMESTAMP", expressions=[local.copy(), exp.Literal.string(zone.key)])


def _in_zone(instant: exp.Expr, zone: ZoneInfo) -> exp.Expr:
    """The instant at which UTC clocks show what clocks in `zone` show at `instant`."""
    return exp.Anonymous(
        this="FROM_UTC_TIMESTAMP", expressions=[instant.copy(), exp.Literal.string(zone.key)]
    )
