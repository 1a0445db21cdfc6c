"""Features: one value for each member, from the rows of event sources before 00:00 of a day.

Each event source is read once, whatever the number of features and contact caps that read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlglot import exp

from experiments.data.catalogue import Catalogue
from experiments.data.column_checks import CHANNEL, CONTACT_KIND
from experiments.definition.audience import CONTACTS, ContactCap, Feature
from experiments.definition.expressions import Expression
from experiments.definition.model import MEMBERS, Definition
from experiments.definition.presets import STAGES
from experiments.engines.protocol import ColumnType, Engine
from experiments.engines.translate import calendar_day, kind_of, translate
from experiments.experiment import Experiment
from experiments.queries import all_of, as_double, coalesce, column, named, number, relation, when

_MEMBERS = "members_rows"
_EVENTS = "events"
_KEY = "event_key"


@dataclass(frozen=True)
class Profile:
    """Members with what is known of them before 00:00 of a day.

    Attributes:
        query: One row a member, with the column `member` (the key as text) and the columns below.
        columns: Column of the members, or feature, to the column of `query` that holds it.
        caps: The column with the number of contacts that each contact cap counts, in the order of the caps.
    """

    query: exp.Select
    columns: Mapping[str, str]
    caps: tuple[str, ...]


def profile(experiment: Experiment, catalogue: Catalogue, snapshot: date, columns: Sequence[str]) -> Profile:
    """The profile of every member as of a snapshot.

    A feature without a row is NULL, but counts and sums are 0. `days_since` counts calendar days in the
    definition's time zone, from the day of the first or last row to the snapshot; a stage is NULL where its
    days are.

    Args:
        experiment: The experiment.
        catalogue: Its data.
        snapshot: Only rows before 00:00 of this day in the definition's time zone count.
        columns: The members' columns that are needed, by name.
    """
    definition, engine = experiment.definition, experiment.engine
    members = catalogue.members
    key = column(definition.data[MEMBERS].key, _MEMBERS)
    own = {name: f"column__{name}" for name in columns}
    query = exp.select(
        named(engine.as_key(key), "member"),
        *(named(column(name, _MEMBERS), alias) for name, alias in own.items()),
    ).from_(relation(members.relation, _MEMBERS))
    values: dict[str, exp.Expr] = {}
    for source, aggregates in _passes(definition).items():
        events = _Pass(definition, engine, catalogue, source, snapshot)
        alias = f"{_EVENTS}__{source}"
        query = query.join(
            events.query(aggregates).subquery(exp.to_identifier(alias, quoted=True)),
            on=events.joins(key, column(_KEY, alias)),
            join_type="left",
        )
        values |= {name: _filled(aggregate, column(name, alias)) for name, aggregate in aggregates.items()}
    for name, feature in definition.features.items():
        if feature.stages is not None and feature.on is not None:
            values[_feature_column(name)] = stage(feature, values[_feature_column(feature.on)])
    features = {name: _feature_column(name) for name in definition.features}
    caps = tuple(_cap_column(place) for place, _ in enumerate(definition.audience.contact_caps))
    query = query.select(*(named(values[alias], alias) for alias in (*features.values(), *caps)))
    return Profile(query, {**own, **features}, caps)


def stage(feature: Feature, days: exp.Expr) -> exp.Expr:
    """The stage whose half-open range of days holds `days`; NULL where none does."""
    assert feature.stages is not None
    ranges = STAGES[feature.stages] if isinstance(feature.stages, str) else feature.stages
    case = exp.Case()
    for name, (low, high) in ranges.items():
        above = exp.GTE(this=days.copy(), expression=number(low))
        below = [] if high is None else [exp.LT(this=days.copy(), expression=number(high))]
        case = case.when(all_of([above, *below]), exp.Literal.string(name))
    return case


def _feature_column(name: str) -> str:
    return f"feature__{name}"


def _cap_column(place: int) -> str:
    return f"cap__{place}"


def _passes(definition: Definition) -> Mapping[str, dict[str, Feature | ContactCap]]:
    """Event source to what is computed from it, by column."""
    found: dict[str, dict[str, Feature | ContactCap]] = {}
    for name, feature in definition.features.items():
        if feature.from_ is not None:
            found.setdefault(feature.from_, {})[_feature_column(name)] = feature
    for place, cap in enumerate(definition.audience.contact_caps):
        found.setdefault(CONTACTS, {})[_cap_column(place)] = cap
    return found


def _filled(aggregate: Feature | ContactCap, value: exp.Expr) -> exp.Expr:
    """A member without a row has 0 rows and a sum of 0; other values do not exist."""
    if isinstance(aggregate, Feature) and (aggregate.mean is not None or aggregate.days_since is not None):
        return value
    return coalesce(value, number(0))


@dataclass(frozen=True)
class _Pass:
    """One pass over an event source."""

    definition: Definition
    engine: Engine
    catalogue: Catalogue
    source: str
    snapshot: date

    @property
    def _kinds(self) -> Mapping[str, ColumnType]:
        return self.catalogue.sources[self.source].columns

    def query(self, aggregates: Mapping[str, Feature | ContactCap]) -> exp.Select:
        """One row for each key that has a row, with the aggregates by column."""
        key = column(self.definition.data[self.source].key, _EVENTS)
        values = [
            named(self._cap(item) if isinstance(item, ContactCap) else self._feature(item), name)
            for name, item in aggregates.items()
        ]
        days = [item.days for item in aggregates.values()]
        conditions: list[exp.Expr] = [exp.LT(this=self._time, expression=self._midnight(0))]
        if all(days):
            conditions.append(self._within(max(day for day in days if day is not None)))
        table = relation(self.catalogue.sources[self.source].relation, _EVENTS)
        return (
            exp.select(named(key, _KEY), *values).from_(table).where(all_of(conditions)).group_by(key.copy())
        )

    def joins(self, member: exp.Expr, key: exp.Expr) -> exp.Expr:
        """Keys of one type are compared as they are, others as text."""
        kinds = (
            self.catalogue.members.columns[self.definition.data[MEMBERS].key],
            self._kinds[self.definition.data[self.source].key],
        )
        if kinds[0] is kinds[1]:
            return exp.EQ(this=member.copy(), expression=key)
        return exp.EQ(this=self.engine.as_key(member.copy()), expression=self.engine.as_key(key))

    @property
    def _time_kind(self) -> ColumnType:
        name = self.definition.data[self.source].time
        assert name is not None, "the definition asks every event source for its time"
        return self._kinds[name]

    @property
    def _time(self) -> exp.Expr:
        return column(self.definition.data[self.source].time or "", _EVENTS)

    def _midnight(self, days_before: int) -> exp.Expr:
        """00:00 of the day so many days before the snapshot, in the type of the source's time."""
        day = self.snapshot - timedelta(days=days_before)
        if self._time_kind is ColumnType.INSTANT:
            return self.engine.instant_literal(local_midnight(self.definition, day))
        kind = exp.DType.DATE if self._time_kind is ColumnType.DATE else exp.DType.TIMESTAMP
        return exp.cast(exp.Literal.string(day.isoformat()), kind)

    def _within(self, days: int) -> exp.Expr:
        return exp.GTE(this=self._time, expression=self._midnight(days))

    def _cap(self, cap: ContactCap) -> exp.Expr:
        channels = [exp.Literal.string(channel) for channel in cap.channels]
        counted: list[exp.Expr] = [
            self._within(cap.days),
            exp.In(this=self.engine.collated(column(CHANNEL, _EVENTS)), expressions=channels),
        ]
        if cap.kind != "any":
            kind = self.engine.collated(column(CONTACT_KIND, _EVENTS))
            counted.append(exp.EQ(this=kind, expression=exp.Literal.string(cap.kind)))
        return exp.Count(this=when(all_of(counted), number(1)))

    def _feature(self, feature: Feature) -> exp.Expr:
        conditions = [] if feature.days is None else [self._within(feature.days)]
        if feature.where is not None:
            conditions.append(self._translated(feature.where))

        def counted(value: exp.Expr) -> exp.Expr:
            return when(all_of(conditions), value) if conditions else value

        if feature.sum is not None:
            total = exp.Sum(this=counted(self._translated(feature.sum)))
            is_integer = kind_of(feature.sum, self._kinds) is ColumnType.INTEGER
            return exp.cast(total, exp.DType.BIGINT) if is_integer else total
        if feature.mean is not None:
            return exp.Avg(this=counted(as_double(self._translated(feature.mean))))
        if feature.distinct is not None:
            return exp.Count(this=exp.Distinct(expressions=[counted(column(feature.distinct, _EVENTS))]))
        if feature.days_since is not None:
            of = exp.Max if feature.days_since == "last" else exp.Min
            day = calendar_day(
                of(this=counted(self._time)), self._time_kind, self.engine, self.definition.zone
            )
            snapshot = exp.cast(exp.Literal.string(self.snapshot.isoformat()), exp.DType.DATE)
            return self.engine.days_between(day, snapshot)
        return exp.Count(this=counted(number(1)))

    def _translated(self, expression: Expression) -> exp.Expr:
        return translate(
            expression, lambda name: column(name, _EVENTS), self._kinds, self.engine, self.definition.zone
        )


def local_midnight(definition: Definition, day: date) -> datetime:
    """00:00 of a day in the definition's time zone, as an instant; where clocks skip it, the moment they jump."""
    return datetime.combine(day, time(0), definition.zone).astimezone(UTC)
