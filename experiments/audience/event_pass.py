"""One pass over an event source: every feature and every count of contacts that reads it, by member."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from experiments.audience.as_of import AsOf
from experiments.audience.stages import layer
from experiments.data.catalogue import Catalogue
from experiments.data.column_checks import CHANNEL, CONTACT_KIND
from experiments.definition.expressions import Expression
from experiments.definition.features import Feature
from experiments.definition.model import MEMBERS, Definition
from experiments.engines.protocol import ColumnType, Engine
from experiments.engines.translate import calendar_day, kind_of, translate
from experiments.queries import all_of, as_double, coalesce, column, named, number, when

KEY = "event_key"
_EVENTS = "events"
_DAY = "event__day"
_EARLIER = "event__day_before__"


@dataclass(frozen=True)
class ContactCount:
    """How many contacts a member had in the days before the snapshot.

    Attributes:
        channels: The channels that count; None for all.
        kind: The kind that counts; None for all.
        days: The length of the window.
    """

    channels: tuple[str, ...] | None
    kind: str | None
    days: int


Aggregate = Feature | ContactCount


@dataclass(frozen=True)
class EventPass:
    """The aggregates of one event source.

    Attributes:
        definition: Where keys, times and the time zone stand.
        engine: The engine that runs the query.
        catalogue: The source as opened.
        source: Its name.
        as_of: Only rows before 00:00 of this day count.
        aggregates: Column of the query to what it holds.
    """

    definition: Definition
    engine: Engine
    catalogue: Catalogue
    source: str
    as_of: AsOf
    aggregates: Mapping[str, Aggregate]

    def query(self) -> exp.Select:
        """One row for each key that has a row, with the aggregates by column."""
        key = column(self._key, _EVENTS)
        values = [
            named(self._contacts(item) if isinstance(item, ContactCount) else self._feature(name, item), name)
            for name, item in self.aggregates.items()
        ]
        return exp.select(named(key, KEY), *values).from_(self._rows()).group_by(key.copy())

    def joins(self, member: exp.Expr, key: exp.Expr) -> exp.Expr:
        """Keys of one type are compared as they are, others as text."""
        kinds = (
            self.catalogue.members.columns[self.definition.data[MEMBERS].key],
            self._kinds[self._key],
        )
        if kinds[0] is kinds[1]:
            return exp.EQ(this=member.copy(), expression=key)
        return exp.EQ(this=self.engine.as_key(member.copy()), expression=self.engine.as_key(key))

    def filled(self, name: str, value: exp.Expr) -> exp.Expr:
        """The value with that of members without a row: 0 rows and a sum of 0; other values do not exist."""
        item = self.aggregates[name]
        if isinstance(item, Feature) and item.layers is not None:
            return coalesce(value, layer(item.layers, exp.null(), exp.null(), number(0)))
        if isinstance(item, Feature) and not (item.count or item.sum or item.distinct):
            return value
        return coalesce(value, number(0))

    def _rows(self) -> exp.Expr:
        """The rows before the snapshot, as far back as any aggregate looks; gaps need the day of an earlier row beside each."""
        conditions: list[exp.Expr] = [exp.LT(this=self._time, expression=self._midnight(0))]
        windows = [item.days for item in self.aggregates.values()]
        if all(windows):
            conditions.append(self._within(max(days for days in windows if days is not None)))
        source = self.catalogue.sources[self.source].relation
        table = self.as_of.of_events(source, column(self._key, _EVENTS), list(self._kinds), _EVENTS)
        gaps = {
            name: item for name, item in self.aggregates.items() if isinstance(item, Feature) and item.gap
        }
        if not gaps:
            return exp.select("*").from_(table).where(all_of(conditions)).subquery(_EVENTS)
        day = calendar_day(self._time, self._time_kind, self.engine, self.definition.zone)
        earlier = [named(self._earlier(item, day), f"{_EARLIER}{name}") for name, item in gaps.items()]
        columns = [column(name, _EVENTS) for name in (*self._kinds, *self.as_of.carried)]
        rows = exp.select(*columns, named(day, _DAY), *earlier).from_(table).where(all_of(conditions))
        return rows.subquery(_EVENTS)

    def _earlier(self, feature: Feature, day: exp.Expr) -> exp.Expr:
        """The last day on or before this row's with an earlier row that counts.

        Rows of one day stand in no order, but whichever comes first sees the day before, and the others see their own.
        """
        conditions = self._conditions(feature)
        order = exp.Order(expressions=[exp.Ordered(this=day.copy(), nulls_first=False)])
        partition = [column(self._key, _EVENTS)]
        if not conditions:
            return exp.Window(this=exp.Lag(this=day.copy()), partition_by=partition, order=order)
        before = exp.WindowSpec(
            kind="ROWS",
            start="UNBOUNDED",
            start_side="PRECEDING",
            end=exp.Literal.number(1),
            end_side="PRECEDING",
        )
        last = exp.Max(this=when(all_of(conditions), day.copy()))
        return exp.Window(this=last, partition_by=partition, order=order, spec=before)

    @property
    def _kinds(self) -> Mapping[str, ColumnType]:
        return self.catalogue.sources[self.source].columns

    @property
    def _key(self) -> str:
        return self.definition.data[self.source].key

    @property
    def _time_name(self) -> str:
        name = self.definition.data[self.source].time
        assert name is not None, "the definition asks every event source for its time"
        return name

    @property
    def _time_kind(self) -> ColumnType:
        return self._kinds[self._time_name]

    @property
    def _time(self) -> exp.Expr:
        return column(self._time_name, _EVENTS)

    def _midnight(self, days_before: int) -> exp.Expr:
        """00:00 of the day so many days before the snapshot, in the type of the source's time."""
        return self.as_of.midnight(self._time_kind, days_before, _EVENTS)

    def _within(self, days: int) -> exp.Expr:
        return exp.GTE(this=self._time, expression=self._midnight(days))

    def _contacts(self, count: ContactCount) -> exp.Expr:
        counted: list[exp.Expr] = [self._within(count.days)]
        if count.channels is not None:
            channels = [exp.Literal.string(channel) for channel in count.channels]
            channel = self.engine.collated(column(CHANNEL, _EVENTS))
            counted.append(exp.In(this=channel, expressions=channels))
        if count.kind is not None:
            kind = self.engine.collated(column(CONTACT_KIND, _EVENTS))
            counted.append(exp.EQ(this=kind, expression=exp.Literal.string(count.kind)))
        return exp.Count(this=when(all_of(counted), number(1)))

    def _conditions(self, feature: Feature) -> list[exp.Expr]:
        conditions = [] if feature.days is None else [self._within(feature.days)]
        if feature.where is not None:
            conditions.append(self._translated(feature.where))
        return conditions

    def _feature(self, name: str, feature: Feature) -> exp.Expr:
        conditions = self._conditions(feature)

        def counted(value: exp.Expr, *more: exp.Expr) -> exp.Expr:
            return when(all_of([*conditions, *more]), value) if conditions or more else value

        if feature.sum is not None:
            total = exp.Sum(this=counted(self._translated(feature.sum)))
            is_integer = kind_of(feature.sum, self._kinds) is ColumnType.INTEGER
            return exp.cast(total, exp.DType.BIGINT) if is_integer else total
        if feature.mean is not None:
            return exp.Avg(this=counted(as_double(self._translated(feature.mean))))
        if feature.distinct is not None:
            return exp.Count(this=exp.Distinct(expressions=[counted(column(feature.distinct, _EVENTS))]))
        if feature.share is not None:
            amount = number(1) if feature.of is None else self._translated(feature.of)
            part = exp.Sum(this=counted(amount, self._translated(feature.share)))
            return _share(part, exp.Sum(this=counted(amount.copy())))
        if feature.gap is not None:
            gap = self.engine.days_between(column(f"{_EARLIER}{name}", _EVENTS), column(_DAY, _EVENTS))
            apart = exp.GT(this=gap.copy(), expression=number(0))
            return self.engine.quantile_disc(counted(gap, apart), 0.5)
        rows = exp.Count(this=counted(number(1)))
        if feature.layers is not None:
            first, last = (self._days_since(of, counted(self._time)) for of in (exp.Min, exp.Max))
            return layer(feature.layers, first, last, rows)
        if feature.days_since is not None:
            of = exp.Max if feature.days_since == "last" else exp.Min
            return self._days_since(of, counted(self._time))
        return rows

    def _days_since(self, of: type[exp.Min | exp.Max], moment: exp.Expr) -> exp.Expr:
        day = calendar_day(of(this=moment), self._time_kind, self.engine, self.definition.zone)
        return self.engine.days_between(day, self.as_of.last_day(_EVENTS))

    def _translated(self, expression: Expression) -> exp.Expr:
        return translate(
            expression, lambda name: column(name, _EVENTS), self._kinds, self.engine, self.definition.zone
        )


def _share(part: exp.Expr, whole: exp.Expr) -> exp.Expr:
    """`part / whole` over doubles; NULL where there is no whole."""
    whole = exp.Nullif(this=as_double(whole), expression=number(0))
    exists = exp.not_(exp.Is(this=whole.copy(), expression=exp.null()))
    return when(exists, exp.Div(this=coalesce(as_double(part), as_double(number(0))), expression=whole))
