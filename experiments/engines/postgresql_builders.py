"""The builders of the engine protocol in PostgreSQL's words.

Keys, hashes and names are text by bytes (`COLLATE "C"`), so that no database's own collation decides on an order.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlglot import exp

from experiments.engines.case_mapping import capitals, small_letters
from experiments.engines.protocol import ColumnType


class PostgreSQLBuilders:
    """The builders; see `experiments.engines.protocol.Engine` for what each of them means."""

    def as_key(self, column: exp.Expr) -> exp.Expr:
        """A cast: PostgreSQL writes integers plainly and booleans in lower case."""
        return by_bytes(exp.cast(column, exp.DType.TEXT))

    def collated(self, text: exp.Expr) -> exp.Expr:
        """The text under the collation of bytes."""
        return by_bytes(text)

    def lower(self, text: exp.Expr) -> exp.Expr:
        """Character for character; no collation is there on every server that would do it."""
        return _mapped(exp.Lower(this=by_bytes(text)), text, *small_letters())

    def upper(self, text: exp.Expr) -> exp.Expr:
        """Character for character."""
        return _mapped(exp.Upper(this=by_bytes(text)), text, *capitals())

    def md5_hex(self, text: exp.Expr) -> exp.Expr:
        """MD5 over the bytes in UTF-8, whatever the database keeps text in."""
        return by_bytes(exp.MD5(this=_call("convert_to", text, exp.Literal.string("UTF8"))))

    def hex_integer(self, digits: exp.Expr) -> exp.Expr:
        """A cast from the 64 bits that `x...` writes."""
        padded = _call("lpad", digits, exp.Literal.number(16), exp.Literal.string("0"))
        written = exp.Concat(expressions=[exp.Literal.string("x"), padded])
        return exp.cast(
            exp.cast(written, exp.DataType.build("bit(64)", dialect="postgres")), exp.DType.BIGINT
        )

    def instant(self, column: exp.Expr, kind: ColumnType, zone: ZoneInfo) -> exp.Expr:
        """AT TIME ZONE turns a local time into an instant."""
        if kind is ColumnType.INSTANT:
            return column
        local = exp.cast(column, exp.DType.TIMESTAMP) if kind is ColumnType.DATE else column
        return exp.AtTimeZone(this=exp.paren(local), zone=exp.Literal.string(zone.key))

    def instant_literal(self, moment: datetime) -> exp.Expr:
        """A literal in UTC."""
        return exp.cast(exp.Literal.string(moment.astimezone(UTC).isoformat(sep=" ")), exp.DType.TIMESTAMPTZ)

    def add_days(self, instant: exp.Expr, days: int) -> exp.Expr:
        """Hours, because a day of PostgreSQL follows the calendar of the session."""
        return exp.paren(exp.Add(this=instant, expression=_interval(f"{24 * days} hours")))

    def add_minutes(self, instant: exp.Expr, minutes: exp.Expr) -> exp.Expr:
        """Minutes."""
        later = exp.Mul(this=exp.paren(minutes), expression=_interval("1 minute"))
        return exp.paren(exp.Add(this=instant, expression=later))

    def local_date(self, instant: exp.Expr, zone: ZoneInfo) -> exp.Expr:
        """AT TIME ZONE turns an instant into a local time."""
        return exp.cast(exp.paren(_local(instant, zone)), exp.DType.DATE)

    def local_text(self, instant: exp.Expr, zone: ZoneInfo) -> exp.Expr:
        """The local clock, and its distance from the UTC clock."""
        local, utc = _local(instant, zone), _local(instant, ZoneInfo("UTC"))
        is_behind = exp.LT(this=local, expression=utc)
        sign = exp.case().when(is_behind, exp.Literal.string("-")).else_(exp.Literal.string("+"))
        behind, ahead = exp.Sub(this=utc, expression=local), exp.Sub(this=local, expression=utc)
        distance = exp.case().when(is_behind.copy(), behind.copy()).else_(ahead.copy())
        clock = _call("to_char", local.copy(), exp.Literal.string('YYYY-MM-DD"T"HH24:MI:SS'))
        offset = _call("to_char", distance, exp.Literal.string("HH24:MI"))
        return exp.Concat(expressions=[clock, sign, offset])

    def days_between(self, first: exp.Expr, second: exp.Expr) -> exp.Expr:
        """The difference of two dates is whole days."""
        return exp.paren(exp.Sub(this=exp.paren(second), expression=exp.paren(first)))

    def quantile_disc(self, column: exp.Expr, q: float) -> exp.Expr:
        """`percentile_disc` of a share two doubles below q.

        PostgreSQL multiplies the share by the rows in doubles, where 0.55 x 100 is above 55 and would give the
        56th value. Two steps down outweigh the rounding, and reach no earlier value below 10^9 rows.
        """
        below = math.nextafter(math.nextafter(q, 0.0), 0.0)
        return exp.WithinGroup(
            this=exp.PercentileDisc(this=exp.cast(exp.Literal.string(repr(below)), exp.DType.DOUBLE)),
            expression=exp.Order(expressions=[exp.Ordered(this=column, nulls_first=False)]),
        )


def by_bytes(text: exp.Expr) -> exp.Expr:
    """A text that compares by its bytes.

    >>> print(by_bytes(by_bytes(exp.column("tier"))).sql("postgres"))
    tier COLLATE "C"
    """
    if isinstance(text, exp.Collate):
        return text
    plain = text if isinstance(text, exp.Column | exp.Cast | exp.Func | exp.Literal) else exp.paren(text)
    return exp.Collate(this=plain, expression=exp.to_identifier("C", quoted=True))


def _mapped(of_ascii: exp.Expr, text: exp.Expr, before: str, after: str) -> exp.Expr:
    """A text with its characters replaced; under the collation of bytes PostgreSQL itself knows those of ASCII, and quickly."""
    is_ascii = exp.EQ(this=_call("octet_length", text.copy()), expression=_call("char_length", text.copy()))
    translated = _call("translate", text.copy(), exp.Literal.string(before), exp.Literal.string(after))
    return by_bytes(exp.case().when(is_ascii, of_ascii).else_(translated))


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _interval(length: str) -> exp.Expr:
    return exp.cast(exp.Literal.string(length), exp.DType.INTERVAL)


def _local(instant: exp.Expr, zone: ZoneInfo) -> exp.Expr:
    return exp.paren(exp.AtTimeZone(this=exp.paren(instant.copy()), zone=exp.Literal.string(zone.key)))
