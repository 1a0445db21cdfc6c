"""The builders of the engine protocol in the words of BigQuery and of Snowflake, by their references; neither has been run.

Both compare texts by their bytes unless a column says otherwise. Instants are TIMESTAMP on BigQuery; on Snowflake they are
TIMESTAMP_TZ, in a session whose time zone is UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlglot import exp

from experiments.engines.case_mapping import capitals, small_letters
from experiments.engines.protocol import ColumnType


class WarehouseBuilders:
    """What both have; see `experiments.engines.protocol.Engine` for what each builder means."""

    def as_key(self, column: exp.Expr) -> exp.Expr:
        """A cast: integers plainly, booleans in lower case."""
        return exp.cast(column, exp.DType.TEXT)

    def collated(self, text: exp.Expr) -> exp.Expr:
        """The text itself."""
        return text

    def lower(self, text: exp.Expr) -> exp.Expr:
        """Character for character."""
        return _translated(text, *small_letters())

    def upper(self, text: exp.Expr) -> exp.Expr:
        """Character for character."""
        return _translated(text, *capitals())

    def md5_hex(self, text: exp.Expr) -> exp.Expr:
        """MD5 over UTF-8, in lower-case hex digits."""
        return exp.MD5(this=text)

    def instant_literal(self, moment: datetime) -> exp.Expr:
        """A literal in UTC."""
        return exp.cast(exp.Literal.string(moment.astimezone(UTC).isoformat(sep=" ")), exp.DType.TIMESTAMPTZ)

    def add_days(self, instant: exp.Expr, days: int) -> exp.Expr:
        """Hours."""
        return exp.TimestampAdd(this=instant, expression=exp.Literal.number(24 * days), unit=exp.var("HOUR"))

    def add_minutes(self, instant: exp.Expr, minutes: exp.Expr) -> exp.Expr:
        """Minutes."""
        return exp.TimestampAdd(this=instant, expression=minutes, unit=exp.var("MINUTE"))

    def days_between(self, first: exp.Expr, second: exp.Expr) -> exp.Expr:
        """The days between two dates."""
        return exp.DateDiff(this=second, expression=first, unit=exp.var("DAY"))


class BigQueryBuilders(WarehouseBuilders):
    """BigQuery's own."""

    name = "bigquery"
    dialect = "bigquery"

    def hex_integer(self, digits: exp.Expr) -> exp.Expr:
        """A cast from `0x...`."""
        return exp.cast(exp.Concat(expressions=[exp.Literal.string("0x"), digits]), exp.DType.BIGINT)

    def instant(self, column: exp.Expr, kind: ColumnType, zone: ZoneInfo) -> exp.Expr:
        """TIMESTAMP reads a DATETIME or a DATE in a zone."""
        if kind is ColumnType.INSTANT:
            return column
        return _call("TIMESTAMP", column, exp.Literal.string(zone.key))

    def local_date(self, instant: exp.Expr, zone: ZoneInfo) -> exp.Expr:
        """DATE reads a TIMESTAMP in a zone."""
        return _call("DATE", instant, exp.Literal.string(zone.key))

    def local_text(self, instant: exp.Expr, zone: ZoneInfo) -> exp.Expr:
        """`%Ez` is the offset with its colon."""
        pattern = exp.Literal.string("%Y-%m-%dT%H:%M:%S%Ez")
        return _call("FORMAT_TIMESTAMP", pattern, instant, exp.Literal.string(zone.key))

    def quantile_disc(self, column: exp.Expr, q: float) -> exp.Expr:
        """The value at that place of all values in order; PERCENTILE_DISC is no aggregate here."""
        ordered = exp.Order(expressions=[exp.Ordered(this=column, nulls_first=True)])
        values = exp.ArrayAgg(
            this=exp.Order(this=exp.IgnoreNulls(this=column), expressions=ordered.expressions)
        )
        share = exp.cast(exp.Literal.string(repr(q)), exp.DataType.build("BIGNUMERIC", dialect="bigquery"))
        place = exp.Ceil(this=exp.Mul(this=share, expression=exp.Count(this=column.copy())))
        ordinal = _call("SAFE_ORDINAL", exp.cast(place, exp.DType.BIGINT))
        return exp.Bracket(this=values, expressions=[ordinal])


class SnowflakeBuilders(WarehouseBuilders):
    """Snowflake's own."""

    name = "snowflake"
    dialect = "snowflake"

    def hex_integer(self, digits: exp.Expr) -> exp.Expr:
        """TO_NUMBER with a hexadecimal format of as many digits."""
        padded = _call("LPAD", digits, exp.Literal.number(13), exp.Literal.string("0"))
        return _call("TO_NUMBER", padded, exp.Literal.string("X" * 13))

    def instant(self, column: exp.Expr, kind: ColumnType, zone: ZoneInfo) -> exp.Expr:
        """The wall clock of UTC, which the session's zone makes an instant."""
        if kind is ColumnType.INSTANT:
            return column
        local = exp.cast(column, _WALL_CLOCK) if kind is ColumnType.DATE else column
        utc = _call("CONVERT_TIMEZONE", exp.Literal.string(zone.key), exp.Literal.string("UTC"), local)
        return exp.cast(utc, exp.DType.TIMESTAMPTZ)

    def local_date(self, instant: exp.Expr, zone: ZoneInfo) -> exp.Expr:
        """The day of the wall clock."""
        return exp.cast(exp.cast(_moved(instant, zone), _WALL_CLOCK), exp.DType.DATE)

    def local_text(self, instant: exp.Expr, zone: ZoneInfo) -> exp.Expr:
        """`TZH:TZM` is the offset."""
        pattern = exp.Literal.string('YYYY-MM-DD"T"HH24:MI:SSTZH:TZM')
        return _call("TO_CHAR", _moved(instant, zone), pattern)

    def quantile_disc(self, column: exp.Expr, q: float) -> exp.Expr:
        """Snowflake has it."""
        return exp.WithinGroup(
            this=exp.PercentileDisc(this=exp.Literal.number(q)),
            expression=exp.Order(expressions=[exp.Ordered(this=column, nulls_first=False)]),
        )


_WALL_CLOCK = exp.DType.TIMESTAMPNTZ


def _moved(instant: exp.Expr, zone: ZoneInfo) -> exp.Expr:
    """An instant with the offset of a zone."""
    return _call("CONVERT_TIMEZONE", exp.Literal.string(zone.key), instant)


def _translated(text: exp.Expr, before: str, after: str) -> exp.Expr:
    return _call("TRANSLATE", text, exp.Literal.string(before), exp.Literal.string(after))


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))
