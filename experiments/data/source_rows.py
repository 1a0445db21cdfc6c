"""The rows of a data source as metrics read them: key, moment, condition and value, each with one meaning."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlglot import exp

from experiments.data.midnight import stored_midnight
from experiments.data.source_table import SourceTable
from experiments.definition.expressions import Expression
from experiments.definition.model import Definition
from experiments.definition.sources import Source
from experiments.engines.protocol import ColumnType, Engine, ShiftsClocks
from experiments.engines.translate import kind_of, translate
from experiments.queries import column, number, relation


@dataclass(frozen=True)
class SourceRows:
    """A source as opened, under an alias of a query.

    Attributes:
        definition: Where the time zone stands.
        engine: The engine that runs the query.
        source: The source's key and time.
        opened: Its relation and columns.
        alias: Its name in the query.
    """

    definition: Definition
    engine: Engine
    source: Source
    opened: SourceTable
    alias: str

    @property
    def table(self) -> exp.Table:
        """The relation under its alias."""
        return relation(self.opened.relation, self.alias)

    @property
    def member(self) -> exp.Expr:
        """The member's key as text."""
        return self.engine.as_key(self._column(self.source.key))

    @property
    def happened(self) -> exp.Expr:
        """When the row's event happened, as an instant; of an event that is known by its day only, local midnight.

        Raises:
            ValueError: The source has no time, so its rows are not events.
        """
        if self.source.time is None:
            raise ValueError(f"the source {self.source.table} has no time")
        return self.instant(self._column(self.source.time))

    def happened_around(self, first: date, last: date, days: int) -> exp.Expr:
        """`happened`, of rows that meet `around` with these days."""
        from_day, to_day = _shifted(first, -1), _shifted(last, days + 2)
        offset = _only_offset(self.definition.zone, from_day, to_day)
        if offset is None or not isinstance(self.engine, ShiftsClocks):
            return self.happened
        name = self.source.time or ""
        return self.engine.instant_at(self._column(name), self.opened.columns[name], offset)

    def instant(self, stored: exp.Expr) -> exp.Expr:
        """A value of the column with the time, or an aggregate of it, as an instant."""
        kind = self.opened.columns[self.source.time or ""]
        return self.engine.instant(stored, kind, self.definition.zone)

    def around(self, first: date, last: date, days: int) -> exp.Expr:
        """A condition that no event from `first` to `days` after `last` fails, and few others meet.

        `first` and `last` are days of the definition's time zone.
        It compares the column as it is stored, so that an engine leaves out whole parts of a file.
        """
        stored = self._column(self.source.time or "")
        low = exp.GTE(this=stored, expression=self._midnight(first, -1))
        high = exp.LT(this=stored.copy(), expression=self._midnight(last, days + 2))
        return exp.and_(low, high)

    def condition(self, where: Expression) -> exp.Expr:
        """A condition; NULL where it cannot be told."""
        return exp.paren(self._translated(where))

    def value(self, value: Expression) -> exp.Expr:
        """A number, exact where its columns are integers or decimals; NULL where it is missing."""
        return exp.paren(self._translated(value))

    def truth(self, value: Expression) -> exp.Expr:
        """Whether a value is true, or a number that is not 0; NULL where it is missing."""
        if kind_of(value, self.opened.columns) is ColumnType.BOOLEAN:
            return self.condition(value)
        return exp.NEQ(this=self.value(value), expression=number(0))

    def _translated(self, expression: Expression) -> exp.Expr:
        return translate(expression, self._column, self.opened.columns, self.engine, self.definition.zone)

    def _midnight(self, day: date, later: int) -> exp.Expr:
        """00:00 so many days later, as the source stores its time."""
        kind = self.opened.columns[self.source.time or ""]
        return stored_midnight(self.engine, self.definition.zone, _shifted(day, later), kind)

    def _column(self, name: str) -> exp.Expr:
        return column(name, self.alias)


def _shifted(day: date, days: int) -> date:
    """A day some days later, within the calendar."""
    ordinal = min(max(day.toordinal() + days, date.min.toordinal() + 1), date.max.toordinal() - 1)
    return date.fromordinal(ordinal)


def _only_offset(zone: ZoneInfo, first: date, last: date) -> timedelta | None:
    """How far clocks are ahead of UTC from 00:00 of one day to 00:00 of another; None where they are changed in between.

    >>> str(_only_offset(ZoneInfo("Europe/Berlin"), date(2026, 9, 1), date(2026, 10, 25)))
    '2:00:00'
    >>> _only_offset(ZoneInfo("Europe/Berlin"), date(2026, 9, 1), date(2026, 10, 26)) is None
    True
    """
    hours = 24 * (last - first).days
    midnight = datetime.combine(first, time(), zone)
    offsets = {(midnight + timedelta(hours=hour)).utcoffset() for hour in range(-1, hours + 1)}
    return offsets.pop() if len(offsets) == 1 else None
